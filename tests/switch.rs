//! tests/lib/switch.sh does what a switch with reflective relay does: proven with iproute2's own macvlans.

mod netns;

use netns::{Inside, in_own, sh, succeeds};

/// A switch of the test's own.
struct Switch(String);

impl Switch {
    fn new(name: &str) -> Self {
        Self(format!("{}/boardbox-switch-{name}-{}", std::env::temp_dir().display(), std::process::id()))
    }

    fn run(&self, words: &str) -> String {
        sh(&format!("SWITCH_DIR={} {}/tests/lib/switch.sh {words}", self.0, env!("CARGO_MANIFEST_DIR")))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.run("down");
        let _ = std::fs::remove_dir_all(format!("{}-bin", self.0));
    }
}

/// A board whose br0 hangs on the switch, in the thread's own network namespace.
fn board(switch: &Switch, uplink: &str) {
    switch.run(&format!("up /proc/thread-self/ns/net {uplink}"));
    sh(&format!(
        "ip link set lo up; ip link add br0 type bridge; ip link set {uplink} master br0
         ip link set br0 address $(ip -o link show {uplink} | sed 's/.*ether \\([^ ]*\\).*/\\1/')
         ip link set br0 up"
    ));
}

/// A container of this board, with a macvlan in mode vepa.
fn container(address: &str) -> Inside {
    let inside = Inside::new();
    sh(&format!("ip link add c{0} link br0 netns {0} type macvlan mode vepa", inside.pid()));
    inside
        .sh(&format!("ip link set lo up; ip addr add {address} dev c{0}; ip link set c{0} up", inside.pid()));
    inside
}

fn reaches(from: &Inside, address: &str, seconds: u32) -> bool {
    // One after the other: what was sent before the wire was up is lost.
    (0..seconds).any(|_| from.run(|| succeeds(&format!("busybox ping -c 1 -W 1 {address}"))))
}

#[test]
fn containers_of_one_board_reach_each_other_only_by_reflection() {
    in_own(|| {
        let switch = Switch::new("one");
        board(&switch, "uplink");
        let (one, two) = (container("10.9.0.1/24"), container("10.9.0.2/24"));
        assert!(!reaches(&one, "10.9.0.2", 1), "off is what it begins with");

        switch.run("reflect on");
        assert!(reaches(&one, "10.9.0.2", 5) && reaches(&two, "10.9.0.1", 5));
        // Each frame goes out to the switch and comes back: ten requests and ten replies.
        let before = frames(&switch);
        assert!(one.run(|| succeeds("busybox ping -c 10 -i 0.1 10.9.0.2")));
        let after = frames(&switch);
        assert!(after.0 - before.0 >= 20 && after.1 - before.1 >= 20, "{before:?} {after:?}");

        switch.run("reflect off");
        assert!(!reaches(&one, "10.9.0.2", 1) && !reaches(&two, "10.9.0.1", 1));
    });
}

fn frames(switch: &Switch) -> (u32, u32) {
    let text = switch.run("frames");
    let (came, went) = text.trim().split_once(' ').unwrap();
    (came.parse().unwrap(), went.parse().unwrap())
}

#[test]
fn containers_of_two_boards_need_no_reflection() {
    in_own(|| {
        let switch = Switch::new("two");
        board(&switch, "uplink");
        let one = container("10.9.0.1/24");
        let other = Inside::new();
        let two = other.run(|| {
            board(&switch, "uplink");
            container("10.9.0.2/24")
        });
        assert!(reaches(&one, "10.9.0.2", 5) && reaches(&two, "10.9.0.1", 5));
        assert!(!sh("ip -o link").contains("p0"));
        switch.run("down");
        assert!(!succeeds("ip link show uplink") && !other.run(|| succeeds("ip link show uplink")));
        switch.run("down");
    });
}

#[test]
fn a_switch_without_the_bridge_tool_reflects_too() {
    in_own(|| {
        let switch = Switch::new("tools");
        // Neither bridge nor an ip that knows bridge ports' attributes: /sys has to do.
        let tools = format!("{}-bin", switch.0);
        sh(&format!(
            "mkdir {tools}; for tool in sh sed cut nsenter unshare sleep readlink mkdir cat wc rm rmdir mount; do
                 ln -s $(command -v $tool) {tools}/; done
             printf '#!/bin/sh\\ncase $* in *bridge_slave*) exit 1 ;; esac\\nexec '$(command -v ip)' \"$@\"\\n' >{tools}/ip
             chmod +x {tools}/ip"
        ));
        let limited = |words: &str| {
            let script = format!("{}/tests/lib/switch.sh", env!("CARGO_MANIFEST_DIR"));
            sh(&format!("PATH={tools} SWITCH_DIR={} {script} {words}", switch.0))
        };
        limited("up /proc/thread-self/ns/net uplink");
        limited("reflect on");
        let port = sh(&format!("nsenter -t $(cut -d' ' -f1 {}/holder) -n ip -d link show p0", switch.0));
        assert!(port.contains("hairpin on"), "{port}");
        limited("reflect off");
        let port = sh(&format!("nsenter -t $(cut -d' ' -f1 {}/holder) -n ip -d link show p0", switch.0));
        assert!(port.contains("hairpin off"), "{port}");
    });
}
