//! The network part of `up` and `down` through the library, in a network namespace of its own.

mod netns;

use boardbox::apply::{Undo, host, perform, undo_all};
use boardbox::error::Origin;
use boardbox::plan::{Planned, bridges};
use boardbox::profile::Bridge;
use netns::{Inside, in_own, sh, succeeds};

fn br0(ports: &[&str]) -> Bridge {
    Bridge {
        name: "br0".parse().unwrap(),
        ports: ports.iter().map(|port| port.parse().unwrap()).collect(),
        hwaddr: None,
        mtu: None,
        ipv4: vec!["192.168.0.1/24".parse().unwrap()],
        ipv6: Vec::new(),
        wait: 0,
        relay: false,
        origin: Origin::default(),
        places: Default::default(),
    }
}

fn plan(bridge: &Bridge) -> Vec<Planned> {
    bridges::steps(std::slice::from_ref(bridge), &host::read(true).unwrap()).unwrap()
}

fn up(bridge: &Bridge, undo: &mut Vec<Undo>) {
    for planned in plan(bridge) {
        perform(&planned, undo).unwrap();
    }
}

/// Names, flags, addresses, masters: everything of the interfaces but what time changes.
fn state() -> String {
    sh(
        "ip -o link | sed 's/qlen [0-9]*//; s/qdisc [a-z_]*//; s/state [A-Z]*//; s/<[^>]*>/ /'; ip -o -4 addr; ip -o link show up | cut -d: -f2",
    )
}

fn uplink() {
    sh("ip link set lo up
        ip link add uplink address 02:00:00:00:00:22 type veth peer name wire
        ip link add low address 02:00:00:00:00:01 type veth peer name lower");
}

#[test]
fn br0_is_made_pinned_and_taken_back() {
    in_own(|| {
        uplink();
        let before = state();
        let mut undo = Vec::new();
        up(&br0(&["uplink"]), &mut undo);
        let link = sh("ip -d -o link show br0");
        assert!(link.contains("02:00:00:00:00:22") && link.contains(",UP"), "{link}");
        assert!(sh("ip -o link show uplink").contains("master br0"));
        assert!(sh("ip -o addr show br0").contains("inet 192.168.0.1/24 brd 192.168.0.255"));

        assert_eq!(plan(&br0(&["uplink"])), [], "up twice is up once");
        sh("ip link set low master br0");
        assert!(
            sh("ip -o link show br0").contains("02:00:00:00:00:22"),
            "a port with a lower address changes nothing"
        );
        sh("ip link set low nomaster");

        // A later process takes it back, from the lines that this one wrote.
        let mut undo: Vec<Undo> = undo.iter().map(|undo| undo.to_string().parse().unwrap()).collect();
        assert!(undo_all(&mut undo).is_empty());
        assert_eq!(state(), before);
    });
}

#[test]
fn performing_twice_notes_once() {
    in_own(|| {
        uplink();
        let steps = plan(&Bridge { mtu: Some(1400), ..br0(&["uplink", "low"]) });
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for planned in &steps {
            perform(planned, &mut first).unwrap();
        }
        for planned in &steps {
            perform(planned, &mut second).unwrap();
        }
        assert_eq!(second, []);
        // The bridge is gone already, and then everything is.
        sh("ip link del br0");
        assert!(undo_all(&mut first.clone()).is_empty());
        assert!(undo_all(&mut first).is_empty());
        assert!(!succeeds("ip link show br0"));
    });
}

#[test]
fn a_bridge_of_somebody_elses_is_given_back_as_it_was() {
    in_own(|| {
        uplink();
        sh("ip link add br0 type bridge; ip link set low master br0; ip addr add 10.0.0.1/8 dev br0; ip link set br0 mtu 1300
            ip link set low up; ip link set br0 up");
        let before = state();
        let wanted =
            Bridge { mtu: Some(1400), hwaddr: "02:00:00:00:00:99".parse().ok(), ..br0(&["uplink", "low"]) };
        let mut undo = Vec::new();
        up(&wanted, &mut undo);
        assert!(!undo.iter().any(|undo| matches!(undo, Undo::DeleteLink { .. })));
        assert!(sh("ip -o link show br0").contains("02:00:00:00:00:99"));
        assert!(sh("ip -o link show uplink").contains("master br0"));
        assert_eq!(plan(&wanted), []);
        assert!(undo_all(&mut undo).is_empty());
        assert_eq!(state(), before);
    });
}

#[test]
fn a_failed_step_is_named_and_not_noted() {
    in_own(|| {
        uplink();
        let steps = plan(&br0(&["uplink"]));
        sh("ip link del uplink");
        let mut undo = Vec::new();
        let errors: Vec<_> = steps
            .iter()
            .filter_map(|planned| perform(planned, &mut undo).err())
            .map(|e| e.to_string())
            .collect();
        assert_eq!(errors[0], "enslave port uplink to bridge br0: there is no interface uplink any more");
        assert!(undo_all(&mut undo).is_empty());
        assert!(!succeeds("ip link show br0"));

        sh("ip link add uplink type veth peer name wire; ip link add mv link uplink type macvlan mode vepa");
        let mut undo = Vec::new();
        let error = plan(&br0(&["uplink"])).iter().find_map(|step| perform(step, &mut undo).err()).unwrap();
        let text = error.to_string();
        assert!(text.starts_with("enslave port uplink to bridge br0: Device or resource busy"), "{text}");
        assert!(text.contains("carries macvlans"), "{text}");
        assert_eq!(undo.len(), 1, "the bridge is all there is to take back");
        assert!(undo_all(&mut undo).is_empty());
    });
}

/// What the pinned address is for: board and container hear each other over br0, by way of the reflecting switch.
fn board_and_container_reach_each_other(bridge: &Bridge) {
    // The switch is the wire's other end: it sends back what comes in.
    sh("ip link add switch type bridge; ip link set switch up; ip link set wire master switch; ip link set wire up
        ip link set wire type bridge_slave hairpin on");
    let mut undo = Vec::new();
    let before = state();
    up(bridge, &mut undo);
    assert_eq!(plan(bridge), []);
    let inside = Inside::new();
    sh(&format!("ip link add bb1n0 link br0 netns {} type macvlan mode vepa", inside.pid()));
    inside.sh("ip link set bb1n0 up; ip addr add 192.168.0.23/24 dev bb1n0");
    assert!(succeeds("busybox ping -c 1 -W 5 192.168.0.23"));
    assert!(inside.run(|| succeeds("busybox ping -c 1 -W 5 192.168.0.1")));
    inside.sh("ip link del bb1n0");
    assert!(undo_all(&mut undo).is_empty());
    assert_eq!(state(), before);
}

#[test]
fn a_macvlan_on_br0_and_the_board_reach_each_other() {
    in_own(|| {
        uplink();
        board_and_container_reach_each_other(&br0(&["uplink"]));
    });
}

#[test]
fn an_address_of_br0s_own_does_not_cut_them_off() {
    in_own(|| {
        uplink();
        let hwaddr = "02:00:00:00:00:99".parse().ok();
        board_and_container_reach_each_other(&Bridge { hwaddr, ..br0(&["uplink"]) });
    });
}

#[test]
fn a_port_with_hairpin_on_is_refused() {
    in_own(|| {
        uplink();
        up(&br0(&["uplink"]), &mut Vec::new());
        let refused = || bridges::steps(&[br0(&["uplink"])], &host::read(true).unwrap()).err();
        sh("ip link set uplink type bridge_slave hairpin on");
        let error = refused().expect("hairpin is seen").to_string();
        assert!(error.contains("port \"uplink\": has hairpin on"), "{error}");
        sh("ip link set uplink type bridge_slave hairpin off");
        assert!(refused().is_none());
    });
}

/// br0 behind a relay, on a switch whose other host is 192.168.0.200. The switch does not reflect.
fn relayed() -> Inside {
    sh("ip link set lo up");
    let switch = Inside::new();
    sh(&format!(
        "ip link add uplink address 02:00:00:00:00:22 type veth peer name wire netns {}",
        switch.pid()
    ));
    switch.sh(
        "ip link add switch type bridge; ip link set wire master switch; ip addr add 192.168.0.200/24 dev switch
         ip link set switch up; ip link set wire up",
    );
    switch
}

fn relay() -> Bridge {
    Bridge { relay: true, ..br0(&["uplink"]) }
}

/// A container's interface on br0, in mode vepa.
fn container(number: u8) -> Inside {
    let inside = Inside::new();
    sh(&format!("ip link add bb{number} link br0 netns {} type macvlan mode vepa", inside.pid()));
    inside.sh(&format!(
        "ip link set lo up; ip addr add 192.168.0.{number}/24 dev bb{number}; ip link set bb{number} up"
    ));
    inside
}

fn ping(number: u8) -> bool {
    // A new link's carrier is told late on a busy machine, and nothing is forwarded before.
    (0..10).any(|_| succeeds(&format!("busybox ping -c 1 -W 2 192.168.0.{number}")))
}

fn all_reach_each_other(switch: &Inside) {
    let (one, two) = (container(23), container(24));
    let before = frames_out();
    assert!(one.run(|| ping(24)) && two.run(|| ping(23)), "container and container");
    assert!(ping(23) && one.run(|| ping(1)), "board and container");
    assert!(ping(200) && one.run(|| ping(200)), "out of the board");
    assert!(switch.run(|| ping(1) && ping(24)), "into the board");
    // A storm would be some hundred thousand by now; this is some fifty.
    assert!(frames_out() - before < 1000, "{} frames", frames_out() - before);
    for (inside, name) in [(&one, "bb23"), (&two, "bb24")] {
        inside.sh(&format!("ip link del {name}"));
    }
}

fn frames_out() -> u64 {
    let text = sh("cat /proc/net/dev");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("uplink:")).unwrap();
    line.split_whitespace().nth(9).unwrap().parse().unwrap()
}

#[test]
fn a_relay_reflects_where_the_switch_does_not() {
    in_own(|| {
        let switch = relayed();
        let before = state();
        let mut undo = Vec::new();
        up(&relay(), &mut undo);
        assert_eq!(plan(&relay()), [], "up twice is up once");
        // The board is known by the uplink's address, as without a relay.
        assert!(sh("ip -o link show br0").contains("02:00:00:00:00:22"));
        assert!(!sh("ip -o link show uplink").contains("02:00:00:00:00:22"));
        assert_eq!(sh("ip -o -6 addr show br0-relay"), "");
        all_reach_each_other(&switch);
        // From a container to one beside it nothing goes out, but what the kernel has to say on new interfaces.
        let (one, two) = (container(23), container(24));
        assert!(one.run(|| ping(24)));
        let before_them = frames_out();
        assert!(one.run(|| succeeds("busybox ping -c 50 -i 0.02 192.168.0.24")));
        assert!(frames_out() - before_them < 50, "{} frames", frames_out() - before_them);
        one.sh("ip link del bb23");
        two.sh("ip link del bb24");

        let mut undo: Vec<Undo> = undo.iter().map(|undo| undo.to_string().parse().unwrap()).collect();
        assert!(undo_all(&mut undo).is_empty());
        assert_eq!(state(), before);
    });
}

#[test]
fn a_relay_that_was_interrupted_anywhere_is_finished_or_taken_back() {
    in_own(|| {
        let switch = relayed();
        let before = state();
        let steps = plan(&relay());
        for done in 1..steps.len() {
            let mut undo = Vec::new();
            steps.iter().take(done).for_each(|planned| perform(planned, &mut undo).unwrap());
            let mut given_up = undo.clone();
            if done % 2 == 0 {
                assert!(undo_all(&mut given_up).is_empty());
                assert_eq!(state(), before, "after {done} steps");
                undo.clear();
            }
            // The next one goes on where it ended, and what both have noted takes all of it back.
            up(&relay(), &mut undo);
            assert_eq!(plan(&relay()), [], "after {done} steps");
            assert!(sh("ip -o link show br0").contains("02:00:00:00:00:22"), "after {done} steps");
            assert!(switch.run(|| ping(1)), "after {done} steps");
            assert!(undo_all(&mut undo).is_empty());
            assert_eq!(state(), before, "after {done} steps");
        }
    });
}

#[test]
fn a_relays_mtu_is_the_uplinks() {
    in_own(|| {
        let _switch = relayed();
        sh("ip link set uplink mtu 1400");
        let mut undo = Vec::new();
        up(&relay(), &mut undo);
        assert_eq!(sh("cat /proc/net/dev | grep -c br0").trim(), "4");
        assert!(sh("ip -o link show br0").contains("mtu 1400"));
        assert!(undo_all(&mut undo).is_empty());
        let wanted = Bridge { mtu: Some(1450), ..relay() };
        up(&wanted, &mut undo);
        assert_eq!(plan(&wanted), []);
        assert!(sh("ip -o link show br0").contains("mtu 1450"));
        assert!(sh("ip -o link show uplink").contains("mtu 1450"));
        assert!(undo_all(&mut undo).is_empty());
        assert!(sh("ip -o link show uplink").contains("mtu 1400"));
    });
}
