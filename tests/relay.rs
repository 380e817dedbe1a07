//! `relay = true` by the commands: up, status, plan, down, on a switch that does not reflect.

mod sandbox;

use sandbox::Sandbox;

const PROFILE: &str = "[board]\nname = 't'\n[[bridge]]\nname = 'br9'\nports = ['p0']\nwait = '20s'\n\
                       ipv4 = '10.9.0.1/24'\nrelay = true\n";

/// A container with one interface on br9, in mode vepa.
fn container(name: &str, address: &str) -> String {
    format!(
        "[[container]]\nname = '{name}'\nrootfs = '/var/lib/lxc/temp/rootfs'\ncommand = ['/bin/sleep', '1000']\n\
         [[container.network]]\ntype = 'macvlan'\nmode = 'vepa'\nlink = 'br9'\nipv4 = '{address}/24'\n"
    )
}

#[test]
fn containers_reach_each_other_though_the_switch_does_not_reflect() {
    let sandbox = Sandbox::new();
    let (one, two) = (&sandbox.name("one"), &sandbox.name("two"));
    let profile = [PROFILE, &container(one, "10.9.0.2"), &container(two, "10.9.0.3")].concat();
    let file = &sandbox.file("board.toml", &profile);
    // The uplink's driver is late, as drivers are; its other end is a bridge, which does not reflect.
    let late = sandbox.spawn(
        "ip link add switch type bridge; ip link set switch up; sleep 1
         ip link add p0 address 02:00:00:00:09:09 type veth peer name wire9
         ip link set wire9 master switch; ip link set wire9 up",
    );
    let said = sandbox.boardbox(&["up", file]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(late.wait_with_output().unwrap().status.success());
    let links = "ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | sort | tr '\\n' ' '";
    assert!(sandbox.sh(links).out.contains("br9 br9-down br9-relay br9-up "), "{}", sandbox.sh(links).out);
    let status = sandbox.boardbox(&["status"]).out;
    assert!(status.contains("br9      up, port p0, relay br9-relay, by up\n"), "{status}");
    let json = sandbox.boardbox(&["status", "--json"]).out;
    assert!(json.contains("\"relay\":{\"name\":\"br9-relay\",\"reflects\":true}"), "{json}");
    assert!(!sandbox.boardbox(&["plan", file]).out.contains("br9-"), "all of it is so");

    for (from, to) in [(one, "10.9.0.3"), (two, "10.9.0.2"), (one, "10.9.0.1")] {
        let ping = format!("busybox ping -c 1 -W 2 {to}");
        sandbox.until(&ping, || sandbox.boardbox(&["exec", from, "--", "sh", "-c", &ping]).code == 0);
    }
    let said = sandbox.boardbox(&["probe", "-t", "5", "br9"]);
    assert_eq!((said.code, said.out.as_str()), (0, "br9: the switch reflects\n"), "{said:?}");

    // Somebody took the reflection away: status tells, up mends.
    sandbox.sh("ip link set br9-down type bridge_slave hairpin off");
    assert!(sandbox.boardbox(&["status"]).out.contains("relay br9-relay missing"));
    let said = sandbox.boardbox(&["up", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(sandbox.sh("ip -d link show br9-down").out.contains("hairpin on"));

    assert_eq!(sandbox.boardbox(&["down", "-t", "1"]).code, 0);
    let said = sandbox.sh(links).out;
    assert!(!said.contains("br9"), "{said}");
    assert!(sandbox.sh("ip -o link show p0").out.contains("02:00:00:00:09:09"));
    sandbox.assert_nothing_left(&[one, two]);
}

#[test]
fn an_up_that_was_killed_leaves_a_whole_record() {
    let sandbox = Sandbox::new();
    sandbox.sh("ip link add p0 address 02:00:00:00:09:09 type veth peer name wire9; ip link set wire9 up");
    let file = &sandbox.file("board.toml", PROFILE);
    let boardbox = env!("CARGO_BIN_EXE_boardbox");
    // At the n-th message to the kernel, wherever that is: strace ends it there.
    for n in [12, 16, 20, 24, 28, 32] {
        let said = sandbox.sh(&format!(
            "strace -qq -e trace=sendto,send -e inject=sendto:signal=KILL:when={n} {boardbox} up {file}"
        ));
        assert_eq!(said.code, 137, "{n}: {said:?}");
        let said = sandbox.boardbox(&["down"]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{n}");
        let links = sandbox.sh("ip -o link").out;
        assert!(!links.contains("br9") && links.contains("02:00:00:00:09:09"), "{n}: {links}");
    }
    // Killed, and brought up by the next one.
    sandbox.sh(&format!("strace -qq -e inject=sendto:signal=KILL:when=24 {boardbox} up {file}"));
    assert_eq!(sandbox.boardbox(&["up", file]).code, 0);
    assert!(sandbox.boardbox(&["status", file]).out.contains("br9      up, port p0, relay br9-relay, by up"));
    assert!(sandbox.sh("ip -o link show br9").out.contains("02:00:00:00:09:09"));
    assert_eq!(sandbox.boardbox(&["down"]).code, 0);
    assert!(sandbox.sh("ip -o link show p0").out.contains("02:00:00:00:09:09"));
}

#[test]
fn up_warns_where_two_containers_need_a_switch_that_reflects() {
    let sandbox = Sandbox::new();
    let (one, two) = (&sandbox.name("one"), &sandbox.name("two"));
    let containers = [container(one, "10.9.0.2"), container(two, "10.9.0.3")].concat();
    let file = &sandbox.file("plain.toml", &[&PROFILE.replace("relay = true\n", ""), &*containers].concat());
    let relayed = &sandbox.file("relay.toml", &[PROFILE, &*containers].concat());
    let alone =
        &sandbox.file("alone.toml", &containers.replace("10.9.0.3", "10.8.0.3").replacen("", PROFILE, 1));
    sandbox
        .sh("ip link add p0 type veth peer name wire9; ip link add switch type bridge; ip link set switch up
                ip link set wire9 master switch; ip link set wire9 up; ip link set p0 up");
    let up = |words: &[&str]| {
        let said = sandbox.boardbox(&[&["up"], words].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said.err
    };
    let down = || assert_eq!(sandbox.boardbox(&["down", "-t", "1", "-q"]).code, 0);
    let switch =
        |hairpin: &str| sandbox.sh(&format!("ip link set wire9 type bridge_slave hairpin {hairpin}"));

    let warning = format!(
        "plain.toml:12:1: containers \"{one}\" and \"{two}\" do not reach each other on br9: the switch does not reflect \
         (boardbox probe br9 says what to do)\n"
    );
    let said = up(&[file]);
    assert!(said.ends_with(&warning) && said.lines().count() == 1, "{said}");
    assert_eq!(up(&[file]), "", "what runs has been told of");
    down();
    assert_eq!(up(&["--no-probe", file]), "");
    down();
    for file in [relayed, alone] {
        assert_eq!(up(&[file]), "", "{file}");
        down();
    }
    sandbox.sh("ip link set wire9 down");
    assert_eq!(up(&[file]), "", "there is nobody to ask");
    down();
    sandbox.sh("ip link set wire9 up");
    // The kernel takes up to a second to tell the bridge.
    sandbox.until("the switch's port", || {
        sandbox.sh("bridge link show dev wire9").out.contains("state forwarding")
    });
    switch("on");
    assert_eq!(up(&[file]), "");
    down();

    let said = up(&[relayed]);
    assert!(said.contains("reach each other on br9: both the relay and the switch reflect"), "{said}");
    let said = sandbox.boardbox(&["probe", "-t", "5", "br9"]);
    assert!(
        said.code == 1 && said.out.starts_with("br9: br9-relay reflects, and the switch does, too"),
        "{said:?}"
    );
    let said = sandbox.boardbox(&["probe", "--json", "-t", "5", "br9"]).out;
    assert_eq!(said, "{\"link\":\"br9\",\"reflects\":true,\"twice\":true}\n");
    down();
    sandbox.assert_nothing_left(&[one, two]);
}
