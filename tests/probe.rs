//! `boardbox probe` against tests/lib/switch.sh, in network namespaces of the test's own.

mod netns;

use netns::{in_own, sh};
use std::process::Command;

struct Switch(String);

impl Switch {
    /// A switch of the test's own, and a board whose br0 hangs on it in the thread's network namespace.
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir();
        let switch = Self(format!("{}/boardbox-probe-{name}-{}", dir.display(), std::process::id()));
        switch.run("up /proc/thread-self/ns/net uplink");
        sh(
            "ip link set lo up; ip link add br0 type bridge; ip link set uplink master br0; ip link set br0 up",
        );
        switch
    }

    fn run(&self, words: &str) -> String {
        sh(&format!("SWITCH_DIR={} {}/tests/lib/switch.sh {words}", self.0, env!("CARGO_MANIFEST_DIR")))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.run("down");
    }
}

/// Its exit code, and what it prints on standard output and error.
fn probe(words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_boardbox")).arg("probe").args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_switch_reflects_or_does_not_and_nothing_is_left() {
    in_own(|| {
        let switch = Switch::new("both");
        let links = || sh("ip -o link | cut -d: -f2; ip -d link show br0 | grep -o 'promiscuity [0-9]*'");
        let before = links();

        let (code, out, err) = probe(&["br0"]);
        assert!(out.starts_with("br0: the switch does not reflect: "), "{out} {err}");
        assert!(
            out.contains("mode = \"bridge\"") && out.contains("bridge link set dev PORT hairpin on"),
            "{out}"
        );
        assert_eq!((code, err.as_str(), links()), (1, "", before.clone()));
        let (code, out, _) = probe(&["--json", "br0"]);
        assert_eq!((code, out.as_str()), (1, "{\"link\":\"br0\",\"reflects\":false,\"twice\":false}\n"));

        switch.run("reflect on");
        let (code, out, err) = probe(&["-t", "5", "br0"]);
        assert_eq!((code, out.as_str(), err.as_str()), (0, "br0: the switch reflects\n", ""));
        assert_eq!(links(), before);
        let (code, out, _) = probe(&["--json", "-t5", "br0"]);
        assert_eq!((code, out.as_str()), (0, "{\"link\":\"br0\",\"reflects\":true,\"twice\":false}\n"));

        // Straight on the uplink, without a bridge between.
        sh("ip link del br0");
        assert_eq!(probe(&["-t", "5", "uplink"]).0, 0);
        switch.run("reflect off");
        assert_eq!(probe(&["uplink"]).0, 1);
        assert_eq!(sh("ip -o link | cut -d: -f2").split_whitespace().count(), 2, "lo and uplink");
    });
}

#[test]
fn what_is_no_answer_is_an_error() {
    in_own(|| {
        let fails = |link: &str, part: &str| {
            let (code, out, err) = probe(&[link]);
            assert!(err.starts_with(&format!("boardbox: link \"{link}\": {part}")), "{err}");
            assert_eq!((code, out.as_str(), err.lines().count()), (3, "", 1), "{err}");
        };
        fails("br7", "no such interface");
        sh("ip link add br0 type bridge");
        fails("br0", "is down");
        sh("ip link add wire type veth peer name other; ip link set wire up");
        fails("wire", "has no carrier");
        assert_eq!(sh("ip -o link | cut -d: -f2").split_whitespace().count(), 4, "nothing is left");
        assert_eq!(probe(&["-t", "0", "br0"]).0, 1);
    });
}
