//! boardbox's rtnetlink against the kernel, judged by what iproute2 says.

mod netns;

use boardbox::sys::netlink::{Netlink, NewMacvlan, NicConfig};
use netns::{Inside, in_own, sh};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, getsockname, sendto, socket,
    socketpair,
};
use std::io::BufRead;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const VEPA: u32 = 2;
const MAC: [u8; 6] = [0x02, 0, 0xc0, 0xa8, 0, 0x17];

/// br0 with the port `uplink`, whose other end is `wire`; and an eth0, as every board has one.
fn board() {
    sh("ip link set lo up
        ip link add uplink type veth peer name wire
        ip link add eth0 type veth peer name other
        ip link add br0 type bridge
        ip link set uplink master br0
        ip link set uplink up; ip link set wire up; ip link set br0 up");
}

fn macvlan<'a>(netlink: &mut Netlink, name: &'a str, pid: i32) -> NewMacvlan<'a> {
    let link = netlink.existing_link("br0").unwrap().index;
    NewMacvlan { name, link, mode: VEPA, mac: Some(MAC), mtu: None, pid }
}

fn nic<'a>(born: &'a str, name: &'a str) -> NicConfig<'a> {
    NicConfig { born, name, up: true, ipv4: &[], ipv6: &[], gateway4: None, gateway6: None }
}

/// What happens to the links of this network namespace, as `ip monitor` tells it.
struct Watch(std::process::Child, std::io::Lines<std::io::BufReader<std::process::ChildStdout>>);

impl Watch {
    fn new() -> Self {
        let mut child = Command::new("ip").args(["monitor", "link"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        // It has begun when it tells of a change: until then, changes are made.
        let stop = std::sync::atomic::AtomicBool::new(false);
        let mut watch = Self(child, lines);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for mtu in (1300..1400).cycle() {
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                    sh(&format!("ip link set other mtu {mtu}; sleep 0.02"));
                }
            });
            watch.1.next();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        watch
    }

    /// All that it has told until now.
    fn seen(mut self) -> String {
        sh("ip link set other mtu 1280");
        let mut seen = String::new();
        while !seen.contains("mtu 1280") {
            seen += &self.1.next().unwrap().unwrap();
        }
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        seen
    }
}

#[test]
fn a_macvlan_is_born_inside_renamed_and_addressed() {
    in_own(|| {
        board();
        let inside = Inside::new();
        let watch = Watch::new();
        let mut netlink = Netlink::open().unwrap();
        let new = NewMacvlan { mtu: Some(1400), ..macvlan(&mut netlink, "bb1n0", inside.pid()) };
        netlink.add_macvlan(&new).unwrap();
        assert!(!watch.seen().contains("bb1n0"), "it was seen on the host");
        assert!(inside.sh("ip -o link").contains("bb1n0@"));

        let index = inside.run(|| {
            let mut netlink = Netlink::open().unwrap();
            netlink.set_up(1, true).unwrap();
            let config = NicConfig {
                ipv4: &[
                    (Ipv4Addr::new(192, 168, 0, 23), 24, Some(Ipv4Addr::new(192, 168, 0, 255))),
                    (Ipv4Addr::new(10, 1, 2, 3), 31, None),
                ],
                ipv6: &[(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x17), 64)],
                gateway4: Some(Ipv4Addr::new(192, 168, 0, 1)),
                gateway6: Some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
                ..nic("bb1n0", "eth0")
            };
            netlink.configure(&config).unwrap()
        });
        let link = inside.sh("ip -d -o link show eth0");
        for part in ["macvlan mode vepa", "link/ether 02:00:c0:a8:00:17", "mtu 1400", ",UP"] {
            assert!(link.contains(part), "{part}: {link}");
        }
        assert!(link.starts_with(&format!("{index}: eth0@")), "{link}");
        let addresses = inside.sh("ip -o addr show eth0");
        for part in
            ["inet 192.168.0.23/24 brd 192.168.0.255 scope global eth0", "inet 10.1.2.3/31 scope global eth0"]
        {
            assert!(addresses.contains(part), "{part}: {addresses}");
        }
        assert!(addresses.contains("inet6 fd00::17/64 scope global nodad"), "{addresses}");
        assert!(!addresses.contains("fd00::17/64 scope global tentative"), "{addresses}");
        assert!(inside.sh("ip route").contains("default via 192.168.0.1 dev eth0"));
        assert!(inside.sh("ip -6 route").contains("default via fd00::1 dev eth0"));
        assert!(inside.sh("ip -o link show lo").contains(",UP"));

        inside.run(|| {
            let mut netlink = Netlink::open().unwrap();
            let link = netlink.link("eth0").unwrap().unwrap();
            assert_eq!((link.index, link.mac, link.mtu, link.up), (index, Some(MAC), 1400, true));
            assert_eq!((link.kind.as_str(), link.macvlan_mode), ("macvlan", Some(VEPA)));
            assert_eq!(netlink.addresses(index).unwrap().len(), 4, "and the link-local one");
            netlink.delete_link(index).unwrap();
            netlink.delete_link(index).unwrap();
            assert_eq!(netlink.index("eth0").unwrap(), None);
        });
    });
}

#[test]
fn every_mode_is_the_kernels() {
    in_own(|| {
        board();
        let inside = Inside::new();
        let mut netlink = Netlink::open().unwrap();
        for (mode, word) in [(1, "private"), (2, "vepa"), (4, "bridge"), (8, "passthru")] {
            let new = NewMacvlan { mode, ..macvlan(&mut netlink, "bb1n0", inside.pid()) };
            netlink.add_macvlan(&new).unwrap();
            assert!(inside.sh("ip -d link show bb1n0").contains(&format!("macvlan mode {word}")));
            if mode == 8 {
                let error =
                    netlink.add_macvlan(&NewMacvlan { name: "bb1n1", ..new }).unwrap_err().to_string();
                assert!(error.contains("mode passthru wants br0 for itself"), "{error}");
            }
            inside.sh("ip link del bb1n0");
        }
    });
}

#[test]
fn a_gateway_outside_its_networks_is_reached() {
    in_own(|| {
        board();
        let inside = Inside::new();
        let mut netlink = Netlink::open().unwrap();
        netlink.add_macvlan(&macvlan(&mut Netlink::open().unwrap(), "bb1n0", inside.pid())).unwrap();
        inside.run(|| {
            let config = NicConfig {
                ipv4: &[(Ipv4Addr::new(192, 168, 0, 23), 32, None)],
                ipv6: &[(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x17), 128)],
                gateway4: Some(Ipv4Addr::new(10, 0, 0, 1)),
                gateway6: Some(Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 1)),
                ..nic("bb1n0", "eth0")
            };
            Netlink::open().unwrap().configure(&config).unwrap();
        });
        assert!(inside.sh("ip route").contains("10.0.0.1 dev eth0 scope link"));
        assert!(inside.sh("ip route get 8.8.8.8").contains("via 10.0.0.1 dev eth0"));
        assert!(inside.sh("ip -6 route get 2001:db8::1").contains("via fd01::1 dev eth0"));
    });
}

#[test]
fn more_addresses_than_one_batch_holds() {
    in_own(|| {
        board();
        let inside = Inside::new();
        let mut netlink = Netlink::open().unwrap();
        let new = macvlan(&mut netlink, "bb1n0", inside.pid());
        netlink.add_macvlan(&new).unwrap();
        let ipv4: Vec<_> = (1..=50).map(|last| (Ipv4Addr::new(10, 9, 8, last), 32, None)).collect();
        inside.run(|| {
            Netlink::open().unwrap().configure(&NicConfig { ipv4: &ipv4, ..nic("bb1n0", "eth0") }).unwrap()
        });
        assert_eq!(inside.sh("ip -o -4 addr show eth0").lines().count(), 50);
    });
}

#[test]
fn the_error_names_the_message_that_failed() {
    in_own(|| {
        board();
        let inside = Inside::new();
        let mut netlink = Netlink::open().unwrap();
        for name in ["bb1n0", "bb1n1"] {
            let new = NewMacvlan { mac: None, ..macvlan(&mut netlink, name, inside.pid()) };
            netlink.add_macvlan(&new).unwrap();
        }
        inside.run(|| {
            let mut netlink = Netlink::open().unwrap();
            let address = (Ipv4Addr::new(10, 0, 0, 1), 24, None);
            let twice = NicConfig { ipv4: &[address, address], ..nic("bb1n0", "eth0") };
            let error = netlink.configure(&twice).unwrap_err();
            assert!(error.is(Errno::EEXIST), "{error}");
            assert!(error.to_string().starts_with("add address 10.0.0.1/24 to eth0: File exists"), "{error}");

            let error = netlink.configure(&nic("bb1n1", "eth0")).unwrap_err().to_string();
            assert!(error.starts_with("rename bb1n1 to eth0: File exists"), "{error}");
            let error = netlink.configure(&nic("bb1n2", "eth0")).unwrap_err().to_string();
            assert!(error.starts_with("find bb1n2, to be eth0: No such device"), "{error}");

            let gateway = Some(Ipv4Addr::new(10, 0, 0, 254));
            // What followed the name that it did not get was done, and until 6.2 an interface that is up keeps its name.
            let index = netlink.index("bb1n1").unwrap().unwrap();
            netlink.set_up(index, false).unwrap();
            netlink.configure(&NicConfig { gateway4: gateway, ..nic("bb1n1", "eth1") }).unwrap();
            let error =
                netlink.configure(&NicConfig { gateway4: gateway, ..nic("eth1", "eth1") }).unwrap_err();
            let whole =
                "add route to 10.0.0.254 on eth1: File exists (it is there already: is it given twice?)";
            assert_eq!(error.to_string(), whole);
            let down = NicConfig { up: false, gateway4: gateway, ..nic("eth1", "eth1") };
            assert!(
                netlink.configure(&down).unwrap_err().to_string().contains("needs the interface to be up")
            );
        });
    });
}

#[test]
fn a_macvlan_that_cannot_be_says_why() {
    in_own(|| {
        board();
        let inside = Inside::new();
        let mut netlink = Netlink::open().unwrap();
        let new = macvlan(&mut netlink, "bb1n0", inside.pid());
        let uplink = netlink.existing_link("uplink").unwrap().index;
        let mut fail = |new: &NewMacvlan| {
            let start = Instant::now();
            let error = netlink.add_macvlan(new).unwrap_err().to_string();
            assert!(start.elapsed() < Duration::from_millis(500), "waits for what does not pass: {error}");
            error
        };
        let error = fail(&NewMacvlan { link: 4711, ..new });
        assert!(
            error.contains("make macvlan bb1n0 on interface 4711") && error.contains("[[bridge]]"),
            "{error}"
        );
        let error = fail(&NewMacvlan { link: uplink, ..new });
        assert!(error.contains("uplink is a port of a bridge"), "{error}");
        // The extended acknowledgement's text is part of the cause.
        let error = fail(&NewMacvlan { mtu: Some(9000), ..new });
        assert!(error.contains("at most that of br0: 1500"), "{error}");
        let error = fail(&NewMacvlan { pid: 0x3fff_ffff, ..new });
        assert!(error.contains("No such process"), "{error}");
        let error = netlink.existing_link("br7").unwrap_err().to_string();
        assert_eq!(
            error,
            "link \"br7\": no such interface (declare [[bridge]] name = \"br7\", or run boardbox up)"
        );
    });
}

#[test]
fn the_kernels_own_words_are_part_of_the_cause() {
    in_own(|| {
        board();
        let mut netlink = Netlink::open().unwrap();
        let bridge = netlink.existing_link("br0").unwrap().index;
        let error = netlink.set_mtu(bridge, 10).unwrap_err().to_string();
        assert!(error.contains("Invalid argument: mtu less than device minimum"), "{error}");
    });
}

#[test]
fn a_hundred_rounds_with_one_address() {
    in_own(|| {
        board();
        let mut netlink = Netlink::open().unwrap();
        for round in 0..100 {
            // The NIC is deleted before the namespace ends, as the monitor does it; every tenth dies with it instead.
            let inside = Inside::new();
            let new = macvlan(&mut netlink, "bb1n0", inside.pid());
            netlink.add_macvlan(&new).unwrap_or_else(|error| panic!("round {round}: {error}"));
            inside.run(|| {
                let mut netlink = Netlink::open().unwrap();
                let index = netlink
                    .configure(&nic("bb1n0", "eth0"))
                    .unwrap_or_else(|error| panic!("{round}: {error}"));
                if round % 10 != 0 {
                    Netlink::from_fd(netlink.into_fd()).delete_link(index).unwrap();
                }
            });
        }
    });
}

#[test]
fn an_address_in_use_is_waited_for_and_then_told() {
    in_own(|| {
        board();
        let (one, two) = (Inside::new(), Inside::new());
        let mut netlink = Netlink::open().unwrap();
        let mut start = |inside: &Inside| -> Result<u32, String> {
            let new = macvlan(&mut netlink, "bb1n0", inside.pid());
            netlink.add_macvlan(&new).map_err(|error| error.to_string())?;
            inside.run(|| {
                let ipv4 = [(Ipv4Addr::new(10, 0, 0, 2), 24, None)];
                let gateway4 = Some(Ipv4Addr::new(10, 0, 0, 1));
                let config = NicConfig { ipv4: &ipv4, gateway4, ..nic("bb1n0", "eth0") };
                Netlink::open().unwrap().configure(&config).map_err(|error| error.to_string())
            })
        };
        let index = start(&one).unwrap();
        let begin = Instant::now();
        let error = start(&two).unwrap_err();
        assert!(error.contains("hwaddr"), "{error}");
        assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());

        // It passes while the second one waits.
        let three = Inside::new();
        let pid = one.pid();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                one.run(|| Netlink::open().unwrap().delete_link(index).unwrap());
            });
            start(&three).unwrap_or_else(|error| panic!("after {pid}: {error}"));
        });
        assert!(three.sh("ip route").contains("default via 10.0.0.1 dev eth0"));
    });
}

#[test]
fn a_bridge_keeps_its_pinned_address() {
    in_own(|| {
        sh("ip link add uplink address 02:00:00:00:00:22 type veth peer name wire
            ip link add low address 02:00:00:00:00:01 type veth peer name lower");
        let mut netlink = Netlink::open().unwrap();
        netlink.add_bridge("br0").unwrap();
        let bridge = netlink.link("br0").unwrap().unwrap();
        assert_eq!((bridge.kind.as_str(), bridge.up, bridge.master), ("bridge", false, None));
        let uplink = netlink.existing_link("uplink").unwrap();
        netlink.set_master(uplink.index, Some(bridge.index)).unwrap();
        netlink.set_up(uplink.index, true).unwrap();
        let pinned = [0x02, 0, 0, 0, 0, 0x22];
        assert_eq!(netlink.existing_link("br0").unwrap().mac, Some(pinned));
        netlink.set_address(bridge.index, pinned).unwrap();
        netlink.set_up(bridge.index, true).unwrap();
        sh("ip link set low master br0; ip link set low up");
        assert_eq!(netlink.existing_link("br0").unwrap().mac, Some(pinned));
        assert_eq!(netlink.existing_link("uplink").unwrap().master, Some(bridge.index));

        let address = Ipv4Addr::new(192, 168, 0, 1);
        netlink.add_address(bridge.index, address.into(), 24, None).unwrap();
        let six = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
        netlink.add_address(bridge.index, six.into(), 64, None).unwrap();
        assert!(netlink.addresses(bridge.index).unwrap().contains(&(address.into(), 24)));
        assert!(netlink.addresses(bridge.index).unwrap().contains(&(six.into(), 64)));
        for _ in 0..2 {
            netlink.delete_address(bridge.index, address.into(), 24).unwrap();
            netlink.delete_address(bridge.index, six.into(), 64).unwrap();
        }
        assert!(!sh("ip addr show br0").contains("192.168.0.1"));
        netlink.set_mtu(bridge.index, 1400).unwrap();
        assert_eq!(netlink.existing_link("br0").unwrap().mtu, 1400);
        assert!(netlink.add_bridge("br0").unwrap_err().to_string().contains("there already"));
        netlink.set_master(uplink.index, None).unwrap();
        assert_eq!(netlink.existing_link("uplink").unwrap().master, None);
        netlink.delete_link(bridge.index).unwrap();
        assert_eq!(netlink.link("br0").unwrap(), None);
    });
}

#[test]
fn many_links_are_all_listed() {
    in_own(|| {
        let mut lines = String::new();
        for number in 0..60 {
            lines.push_str(&format!("ip link add v{number} type veth peer name w{number}\n"));
        }
        sh(&lines);
        let links = Netlink::open().unwrap().links().unwrap();
        assert_eq!(links.len(), sh("ip -o link").lines().count());
        assert!(links.iter().any(|link| link.name == "w59" && link.kind == "veth"));
    });
}

#[test]
fn nobody_but_the_kernel_is_believed() {
    in_own(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.links().unwrap();
        // Root inside a container may write to the socket that the monitor keeps in its namespace: here, a refusal of
        // the next request.
        let port: NetlinkAddr = getsockname(netlink.as_fd().as_raw_fd()).unwrap();
        let other =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
                .unwrap();
        let numbers = [36, u32::from(u16::MAX), 2, 0, (-libc::EPERM) as u32, 0, 0, 0, 0];
        let mut refusal: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        refusal[4..6].copy_from_slice(&(libc::NLMSG_ERROR as u16).to_ne_bytes());
        refusal[6..8].fill(0);
        for _ in 0..3 {
            sendto(other.as_raw_fd(), &refusal, &port, MsgFlags::empty()).unwrap();
        }
        netlink.set_up(1, true).unwrap();
        assert!(netlink.existing_link("lo").unwrap().up);
    });
}

#[test]
fn what_is_never_answered_ends() {
    let (mute, _peer) =
        socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let begin = Instant::now();
    let error = Netlink::from_fd(mute).set_up(1, true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "set interface 1 up: Connection timed out (the kernel did not answer within 5 s)"
    );
    assert!(begin.elapsed() < Duration::from_secs(8));
}

/// Kernels before 4.1 have these in /sys only.
#[test]
fn a_ports_flags_are_switched_by_netlink_and_by_their_files() {
    in_own(|| {
        use boardbox::sys::netlink::{Link, PortFlag, PortFlags};
        board();
        let mut netlink = Netlink::open().unwrap();
        let mut flags = || netlink.existing_link("uplink").unwrap().port.unwrap();
        assert_eq!(flags(), PortFlags { hairpin: false, learning: true });
        let mut other = Netlink::open().unwrap();
        other.set_port_flag("uplink", PortFlag::Hairpin, true).unwrap();
        other.set_port_flag("uplink", PortFlag::Learning, false).unwrap();
        assert_eq!(flags(), PortFlags { hairpin: true, learning: false });
        assert!(sh("ip -d link show uplink").contains("hairpin on"));

        // /sys shows the network namespace it was mounted in.
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        sh("mount --make-rprivate / && mount -t sysfs sysfs /sys");
        let untold = Link { name: "uplink".into(), master: Some(1), ..Link::default() };
        assert_eq!(untold.flags_of_port(), PortFlags { hairpin: true, learning: false });
        PortFlag::Hairpin.write("uplink", false).unwrap();
        PortFlag::Learning.write("uplink", true).unwrap();
        assert_eq!(untold.flags_of_port(), PortFlags { hairpin: false, learning: true });
        assert_eq!(flags(), untold.flags_of_port());
        assert_eq!(Link { master: None, ..untold }.flags_of_port(), PortFlags::default());
        let error = other.set_port_flag("other", PortFlag::Hairpin, true).unwrap_err().to_string();
        assert!(error.contains("write \"1\" to /sys/class/net/other/brport/hairpin_mode"), "{error}");
    });
}
