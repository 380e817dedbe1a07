//! `down` beside an `up`, another `down` or its own sudden end: once it has said 0, nothing of the board runs.

mod sandbox;

use sandbox::Sandbox;
use std::process::{Child, Output, Stdio};

const ROOT: &str = "/var/lib/lxc/temp/rootfs";
const SLEEP: &str = "trap 'exit 0' PWR; sleep 1000 & wait";
/// Stops two seconds after it is asked to.
const SLOW: &str = "trap 'sleep 2; exit 0' PWR; touch /tmp/trap; sleep 1000 & wait";
/// Stops when there is a /tmp/go.
const HELD: &str =
    "trap 'until [ -e /tmp/go ]; do usleep 50000; done; exit 0' PWR; touch /tmp/trap; sleep 1000 & wait";
const TRAP: &str = "mounts = [{ type = 'tmpfs', to = 'tmp' }]\nready = 'file:/tmp/trap'";

/// A profile with these containers: their names, scripts and further keys.
fn board(sandbox: &Sandbox, containers: &[(&str, &str, &str)]) -> String {
    let mut text = String::from("[board]\nname = 't'\n");
    for (name, script, keys) in containers {
        let name = sandbox.name(name);
        text.push_str(&format!(
            "[[container]]\nname = '{name}'\nrootfs = '{ROOT}'\ncommand = ['/bin/sh', '-c', '''{script}''']\n{keys}\n"
        ));
    }
    sandbox.file("board.toml", &text)
}

fn begin(sandbox: &Sandbox, words: &[&str]) -> Child {
    let mut command = sandbox.boardbox_command(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn runs(sandbox: &Sandbox, name: &str) -> bool {
    sandbox.boardbox(&["ps"]).out.contains(&sandbox.name(name))
}

fn down_begins(sandbox: &Sandbox) {
    sandbox.until("down's mark", || sandbox.sh("test -e /run/boardbox/.down").code == 0);
}

#[track_caller]
fn gone(sandbox: &Sandbox, names: &[&str]) {
    let names: Vec<String> = names.iter().map(|name| sandbox.name(name)).collect();
    sandbox.assert_nothing_left(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(sandbox.sh("ls -A /run/boardbox 2>&1 | grep -v 'No such'").out, "");
}

#[test]
fn an_up_that_waits_starts_nothing_once_a_down_has_come_and_gone() {
    let sandbox = Sandbox::new();
    let file = &board(&sandbox, &[("a", SLEEP, "start-delay = '3s'"), ("b", SLEEP, "")]);
    let up = begin(&sandbox, &["up", file]);
    sandbox.until("a", || runs(&sandbox, "a"));
    let said = sandbox.boardbox(&["down", "-q"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let (code, err) = end(up);
    assert_eq!(code, Some(3), "{err}");
    assert!(
        err.contains(&format!("\"{}\": the board has been taken down meanwhile", sandbox.name("b"))),
        "{err}"
    );
    assert!(!runs(&sandbox, "b"));
    gone(&sandbox, &["a", "b"]);
}

#[test]
fn an_up_that_waits_for_a_port_is_ended_by_a_down() {
    let sandbox = Sandbox::new();
    let bridge = "[[bridge]]\nname = 'br7'\nports = ['p0']\nwait = '5m'\n";
    let container = format!("[[container]]\nname = '{}'\nrootfs = '{ROOT}'\n", sandbox.name("a"));
    let file = &sandbox.file("board.toml", &format!("[board]\nname = 't'\n{bridge}{container}"));
    let up = begin(&sandbox, &["up", file]);
    sandbox.until("its watch", || {
        // It holds the lock when it has opened that.
        sandbox.sh(&format!("ls -l /proc/{}/fd", up.id())).out.contains("socket:")
    });
    let begun = std::time::Instant::now();
    let said = sandbox.boardbox(&["down", "-q"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    let (code, err) = end(up);
    assert!(code == Some(3) && err.contains("the board is being taken down (boardbox down"), "{err}");
    assert_eq!(sandbox.sh("ip link add p0 type veth peer name p1").code, 0);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(sandbox.sh("ip link show br7").code != 0 && !runs(&sandbox, "a"));
    gone(&sandbox, &["a"]);
}

#[test]
fn a_down_by_a_profile_takes_nothing_from_containers_that_are_not_in_it() {
    let sandbox = Sandbox::new();
    let profile = board(&sandbox, &[("a", SLEEP, "")]);
    let text = std::fs::read_to_string(&profile).unwrap();
    assert_eq!(sandbox.sh("ip link add p0 type veth peer name p1").code, 0);
    let file = &sandbox.file("board.toml", &format!("{text}[[bridge]]\nname = 'br7'\nports = ['p0']\n"));
    assert_eq!(sandbox.boardbox(&["up", "-q", file]).code, 0);
    let other = &sandbox.name("other");
    let conf = sandbox.file("other.conf", &format!("lxc.rootfs = {ROOT}\n"));
    assert_eq!(sandbox.boardbox(&["start", "-f", &conf, "-n", other, "--", "/bin/sleep", "1000"]).code, 0);
    let said = sandbox.boardbox(&["down", file]);
    let why = format!(
        "boardbox: take back what up made: containers run that are not in the profile: {other} (boardbox stop {other}; or \
         boardbox down without a profile, which stops all)\n"
    );
    assert_eq!((said.code, said.err.ends_with(&why)), (3, true), "{said:?}");
    assert!(!runs(&sandbox, "a") && runs(&sandbox, "other"));
    assert!(sandbox.sh("ip -o link show p0").out.contains("master br7"));
    // Nobody is kept from starting it again.
    assert_eq!(sandbox.boardbox(&["restart", "-q", &sandbox.name("a")]).code, 0);
    assert_eq!(sandbox.boardbox(&["stop", "-q", other]).code, 0);
    let said = sandbox.boardbox(&["down", "-q", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(sandbox.sh("ip link show br7").code != 0);
    gone(&sandbox, &["a", "other"]);
}

#[test]
fn one_whose_monitor_hangs_takes_no_time_from_those_it_depends_on() {
    let sandbox = Sandbox::new();
    let keys = format!("requires = ['{}']", sandbox.name("a"));
    // Its end takes a moment: it can not have been said when somebody looks at once.
    let slow = "trap 'sleep 1; exit 0' PWR; sleep 1000 & wait";
    let file = &board(&sandbox, &[("a", slow, ""), ("hangs", SLEEP, &keys)]);
    assert_eq!(sandbox.boardbox(&["up", "-q", file]).code, 0);
    let [a, hangs] = ["a", "hangs"].map(|name| sandbox.name(name));
    let monitor = sandbox.pid("monitor", &hangs);
    assert_eq!(sandbox.sh(&format!("kill -STOP {monitor}")).code, 0);
    // It is given a minute beyond the time for all of them, by a debug build a part of that.
    let (code, err) = end(begin(&sandbox, &["down", "-t", "0"]));
    assert!(code == Some(6) && err.contains(&format!("container \"{hangs}\": no answer within ")), "{err}");
    assert!(!err.contains(&a) && !runs(&sandbox, "a"), "{err}");
    assert_eq!(sandbox.sh(&format!("kill -CONT {monitor}")).code, 0);
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    gone(&sandbox, &["a", "hangs"]);
}

#[test]
fn a_start_that_no_one_can_ask_yet_ends_by_itself() {
    let sandbox = Sandbox::new();
    let file = &board(&sandbox, &[("a", SLEEP, "")]);
    // The monitor is there, and nobody can say stop to it for two seconds.
    let up = format!(
        "exec strace -f -qq -o /dev/null -e trace=listen -e inject=listen:delay_enter=2000000 {} up {file}",
        env!("CARGO_BIN_EXE_boardbox")
    );
    let mut up = sandbox.spawn(&up);
    sandbox.until("its directory", || {
        sandbox.sh(&format!("test -e /run/boardbox/{}", sandbox.name("a"))).code == 0
    });
    let said = sandbox.boardbox(&["down", "-q"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    // strace ends with the last that it looks at.
    let mut ended = None;
    sandbox.until("everybody's end", || {
        ended = up.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(3));
    assert!(!runs(&sandbox, "a"));
    gone(&sandbox, &["a"]);
}

#[test]
fn a_down_that_is_killed_keeps_nothing_from_starting() {
    let sandbox = Sandbox::new();
    let file = &board(&sandbox, &[("slow", SLOW, TRAP), ("other", SLEEP, "")]);
    assert_eq!(sandbox.boardbox(&["up", "-q", file]).code, 0);
    let mut down = begin(&sandbox, &["down"]);
    down_begins(&sandbox);
    sandbox.until("other's end", || !runs(&sandbox, "other"));
    down.kill().unwrap();
    down.wait().unwrap();
    let other = sandbox.name("other");
    let said = sandbox.boardbox(&["restart", "-q", &other]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(runs(&sandbox, "other"));
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    gone(&sandbox, &["slow", "other"]);
}

#[test]
fn an_up_waits_for_a_down_and_a_down_of_one_container_is_none_of_the_board() {
    let sandbox = Sandbox::new();
    let file = &board(&sandbox, &[("slow", HELD, TRAP), ("other", SLEEP, "")]);
    assert_eq!(sandbox.boardbox(&["up", "-q", file]).code, 0);
    let go = || sandbox.boardbox(&["exec", &sandbox.name("slow"), "touch", "/tmp/go"]);
    let down = begin(&sandbox, &["down"]);
    down_begins(&sandbox);
    assert_eq!(sandbox.boardbox(&["down", &sandbox.name("other")]).code, 0);
    let other = sandbox.name("other");
    let said = sandbox.boardbox(&["restart", &other]);
    assert!(said.code == 3 && said.err.contains("the board is being taken down"), "{said:?}");
    let conf = sandbox.file("other.conf", &format!("lxc.rootfs = {ROOT}\n"));
    for start in
        [&["start", file, &other][..], &["lxc-start", "-d", "-n", &other, "-f", &conf, "--", "/bin/true"]]
    {
        let said = sandbox.boardbox(start);
        assert!(said.code != 0 && said.err.contains("the board is being taken down"), "{said:?}");
    }
    // The first down is still at it.
    assert!(runs(&sandbox, "slow"));
    let second = begin(&sandbox, &["down"]);
    let up = begin(&sandbox, &["up", "-q", file]);
    assert_eq!(go().code, 0);
    for down in [down, second] {
        assert_eq!(end(down), (Some(0), String::new()));
    }
    assert_eq!(end(up), (Some(0), String::new()));
    assert!(runs(&sandbox, "slow") && runs(&sandbox, "other"));
    assert_eq!(go().code, 0);
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    gone(&sandbox, &["slow", "other"]);
}
