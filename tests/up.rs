//! `up` and `down` of whole boards: what comes late, what depends on what, what is interrupted.

mod sandbox;

use sandbox::Sandbox;

fn board(sections: &str) -> String {
    format!("[board]\nname = \"t\"\n{sections}")
}

#[test]
fn a_port_that_comes_late_is_waited_for_and_one_that_never_comes_is_named() {
    let sandbox = Sandbox::new();
    let bridge = |wait: &str| board(&format!("[[bridge]]\nname = 'br1'\nports = ['p0']\nwait = '{wait}'\n"));
    let file = &sandbox.file("board.toml", &bridge("1ms"));
    let said = sandbox.boardbox(&["up", file]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(
        said.err.contains(
            "board.toml:3:1: bridge \"br1\": port \"p0\": no such interface, which up waits 1 ms for (this host"
        ),
        "{}",
        said.err
    );
    assert!(sandbox.sh("ip link show br1").code != 0);

    // Something else comes first, and a rename is an arrival, too.
    let file = &sandbox.file("board.toml", &bridge("50s"));
    let late =
        sandbox.spawn("sleep 1; ip link add q0 type veth peer name p1; sleep 1; ip link set q0 name p0");
    let said = sandbox.boardbox(&["up", file]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("waiting 50000 ms at most for port p0 of bridge br1"), "{}", said.err);
    assert!(late.wait_with_output().unwrap().status.success());
    assert!(sandbox.sh("ip -o link show p0").out.contains("master br1"));
    assert_eq!(sandbox.boardbox(&["up", file]).err, "");
    assert_eq!(sandbox.boardbox(&["down"]).code, 0);
    assert!(sandbox.sh("ip link show br1").code != 0);
}
