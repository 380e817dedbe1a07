//! `up`, `down` and `restart` of many containers: their order, what is ready when, what fails, what is interrupted.

mod sandbox;

use sandbox::{Said, Sandbox};
use std::process::Stdio;

const ROOT: &str = "/var/lib/lxc/temp/rootfs";

/// A container `NAME` of a test: its script, and further keys in which `@x` stands for the name of the container x.
struct One<'a>(&'a str, &'a str, &'a str);

/// Replaces `@x` by the sandbox's name of x.
fn named(sandbox: &Sandbox, text: &str) -> String {
    let mut parts = text.split('@');
    let mut all = parts.next().unwrap().to_string();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
        all.push_str(&sandbox.name(&part[..end]));
        all.push_str(&part[end..]);
    }
    all
}

fn board(sandbox: &Sandbox, board: &str, containers: &[One]) -> String {
    let mut text = format!("[board]\nname = \"t\"\n{board}\n");
    for One(name, script, keys) in containers {
        text.push_str(&format!(
            "[[container]]\nname = \"{}\"\nrootfs = \"{ROOT}\"\ncommand = ['/bin/sh', '-c', '''{script}''']\n{}\n",
            sandbox.name(name),
            named(sandbox, keys)
        ));
    }
    sandbox.file("board.toml", &text)
}

/// The events of `--json`, as `name event`, in their order, and whether their times ascend.
fn events(sandbox: &Sandbox, said: &Said) -> Vec<String> {
    let list = said.out.split("\"events\":[").nth(1).unwrap_or_else(|| panic!("{said:?}"));
    let mut last = 0;
    let mut found = Vec::new();
    for event in list.split("{\"ms\":").skip(1) {
        let (ms, rest) = event.split_once(',').unwrap();
        let ms: u64 = ms.parse().unwrap();
        assert!(ms >= last, "{said:?}");
        last = ms;
        let words: Vec<&str> = rest.split('"').collect();
        let name = words[3].strip_suffix(&format!("-{}", sandbox.tag)).unwrap();
        found.push(format!("{name} {}", words[7]));
    }
    found
}

fn at(events: &[String], event: &str) -> usize {
    events.iter().position(|one| one == event).unwrap_or_else(|| panic!("no {event}: {events:?}"))
}

/// The object of one container in `--json`.
fn object(sandbox: &Sandbox, said: &Said, name: &str) -> String {
    let begin = format!("{{\"name\":\"{}\",\"result\":", sandbox.name(name));
    let rest = said.out.split(&begin).nth(1).unwrap_or_else(|| panic!("{said:?}"));
    rest.split('}').next().unwrap().to_string()
}

fn gone(sandbox: &Sandbox, names: &[&str]) {
    let names: Vec<String> = names.iter().map(|name| sandbox.name(name)).collect();
    sandbox.assert_nothing_left(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(sandbox.sh("ls -A /run/boardbox 2>&1 | grep -v 'No such'").out, "");
}

const SLEEP: &str = "trap 'exit 0' PWR; sleep 1000 & wait";

#[test]
fn sixteen_containers_start_as_parallel_as_their_order_allows() {
    let sandbox = Sandbox::new();
    // Four rows: each of a row requires one of the row before; each is ready a while after its start.
    let names: Vec<String> = (0..16).map(|number| format!("c{number}")).collect();
    let late = "sleep 0.3; touch /tmp/$(hostname); trap 'exit 0' PWR; sleep 1000 & wait";
    let keys: Vec<String> = (0..16)
        .map(|number| {
            let ready = format!("ready = 'file:/tmp/{}'", sandbox.name(&names[number]));
            match number.checked_sub(4) {
                Some(before) => format!("requires = ['@c{before}']\n{ready}"),
                None => ready,
            }
        })
        .collect();
    let all: Vec<One> = (0..16).map(|number| One(&names[number], late, &keys[number])).collect();
    let file = &board(&sandbox, "", &all);
    let said = sandbox.boardbox(&["up", "--json", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let events = events(&sandbox, &said);
    assert_eq!(events.len(), 48, "{events:?}");
    for (number, name) in names.iter().enumerate() {
        let [start, running, ready] =
            ["start", "running", "ready"].map(|event| at(&events, &format!("{name} {event}")));
        assert!(start < running && running < ready);
        match number.checked_sub(4) {
            Some(before) => assert!(at(&events, &format!("c{before} ready")) < start, "{events:?}"),
            None => {
                // All of the first row begin before any of it runs.
                assert!((0..4).all(|other| start < at(&events, &format!("c{other} running"))), "{events:?}");
            }
        }
    }
    // No column waits for another one: all of a row are under way before the first of the next one is ready.
    for row in 0..3 {
        let of = |row: usize, event: &str| {
            (row * 4..row * 4 + 4).map(|n| at(&events, &format!("c{n} {event}"))).collect::<Vec<_>>()
        };
        assert!(of(row, "start").iter().max() < of(row + 1, "ready").iter().min(), "{events:?}");
    }
    println!("{}", said.out);

    // Twice is once.
    let said = sandbox.boardbox(&["up", "--json", file]);
    let again = self::events(&sandbox, &said);
    assert_eq!((said.code, again.iter().filter(|event| event.ends_with("runs already")).count()), (0, 16));
    assert!(!again.iter().any(|event| event.ends_with("start")), "{again:?}");
    let said = sandbox.boardbox(&["up", file]);
    let line = format!("container  {}   runs already\n", sandbox.name("c3"));
    assert!(said.out.contains(&line) && said.out.lines().count() == 16, "{said:?}");
    let said = sandbox.boardbox(&["down"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
    gone(&sandbox, &names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn one_that_does_not_get_ready_fails_with_those_that_require_it_and_no_other() {
    let sandbox = Sandbox::new();
    let file = &board(
        &sandbox,
        "",
        &[
            One("never", SLEEP, "ready = 'tcp:4711'\nready-timeout = '3s'"),
            One("child", SLEEP, "requires = ['@never']"),
            One("grandchild", SLEEP, "requires = ['@child']"),
            One("follower", SLEEP, "after = ['@never', '@child']"),
            One("crash", "exit 3", "ready = 'file:/tmp/never'\nready-timeout = '20s'"),
            One(
                "loop",
                "exit 3",
                "ready = 'file:/x'\nready-timeout = '4s'\nrestart = 'always'\nrestart-delay = '20ms'",
            ),
            One("nowhere", SLEEP, "mounts = [{ bind = '/nowhere', to = 'tmp' }]"),
        ],
    );
    let said = sandbox.boardbox(&["up", "--json", file]);
    // That of the first that failed: nowhere, or crash.
    assert_eq!(said.code, 3, "{said:?}");
    let events = events(&sandbox, &said);
    for event in [
        "never failed",
        "child not started",
        "grandchild not started",
        "crash failed",
        "loop failed",
        "nowhere failed",
    ] {
        at(&events, event);
    }
    assert!(at(&events, "never failed") < at(&events, "follower start"));
    assert!(!events.contains(&"child start".into()));
    let never = sandbox.name("never");
    for error in [
        format!(
            "{file}:4:1: container \"{never}\": not ready within 3000 ms: nobody accepts connections at 127.0.0.1:4711 inside (it is"
        ),
        format!(
            "{file}:14:13: container \"{}\": not started: it requires container \"{never}\", which has failed\n",
            sandbox.name("child")
        ),
        format!("container \"{}\": it has ended (exit code 3) before it was ready\n", sandbox.name("crash")),
        format!(
            "container \"{}\": not ready within 4000 ms: there is no /x inside (it is",
            sandbox.name("loop")
        ),
        "/nowhere".into(),
    ] {
        assert!(said.err.contains(&error), "{error}: {}", said.err);
    }
    let child = object(&sandbox, &said, "child");
    assert!(
        child.starts_with("\"not started\"") && child.contains(&format!("\"because_of\":\"{never}\"")),
        "{child}"
    );
    assert!(child.contains("\"start_ms\":null") && child.contains("which has failed\""), "{child}");
    let never = object(&sandbox, &said, "never");
    assert!(
        never.contains("\"running_ms\":") && never.contains("\"ready_ms\":null,\"failed_ms\":"),
        "{never}"
    );

    // Plain lines; what is not ready runs on, and gets ready later.
    let ps = sandbox.boardbox(&["ps"]).out;
    assert!(
        ps.contains("never-") && ps.contains("follower-") && !ps.contains("child-") && ps.contains("loop-"),
        "{ps}"
    );
    assert_eq!(
        sandbox
            .boardbox(&[
                "exec",
                &sandbox.name("never"),
                "--",
                "sh",
                "-c",
                "nc -l -p 4711 >/dev/null 2>&1 & exit 0"
            ])
            .code,
        0
    );
    let said = sandbox.boardbox(&["up", file, &sandbox.name("grandchild")]);
    assert_eq!((said.code, said.err.as_str(), said.out.lines().count()), (0, "", 3), "{said:?}");
    assert!(said.out.contains("runs already\n") && said.out.contains("  ready after "), "{said:?}");
    assert_eq!(sandbox.boardbox(&["down"]).code, 0);
    gone(&sandbox, &["never", "child", "grandchild", "follower", "crash", "loop", "nowhere"]);
}

#[test]
fn readiness_is_found_inside_the_container() {
    let sandbox = Sandbox::new();
    let net = "[[container.network]]\ntype = 'macvlan'\nlink = 'br0'\nname = 'eth0'\nipv4 = '10.9.9.1/24'\nipv6 = 'fd00::9/64'";
    let tmpfs = "ready = 'file:/var/run/x/up'\nmounts = [{ type = 'tmpfs', to = 'run' }]";
    let listen = "sleep 0.2; trap 'exit 0' PWR; nc -ll -p 80 -e true & wait";
    let file = &board(
        &sandbox,
        "",
        &[
            // Through a link of the container's own, in a file system of its own.
            One(
                "file",
                "sleep 0.2; mkdir /run/x; touch /run/x/up; trap 'exit 0' PWR; sleep 1000 & wait",
                tmpfs,
            ),
            One("tcp", listen, "ready = 'tcp:80'"),
            One("address", listen, &format!("ready = 'tcp:10.9.9.1:80'\n{net}")),
            One("delay", SLEEP, "ready = 'delay:250ms'"),
            One("exec", SLEEP, ""),
        ],
    );
    assert_eq!(sandbox.sh(&format!("mkdir -p {ROOT}/var; ln -s /run {ROOT}/var/run")).code, 0);
    let said = sandbox.boardbox(&["up", "--json", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let events = events(&sandbox, &said);
    for name in ["file", "tcp", "address", "delay"] {
        assert!(at(&events, "exec ready") < at(&events, &format!("{name} ready")), "{events:?}");
    }
    let ms = |name: &str, key: &str| -> u64 {
        let object = object(&sandbox, &said, name);
        let rest = object.split(&format!("\"{key}_ms\":")).nth(1).unwrap();
        rest.split(',').next().unwrap().parse().unwrap_or_else(|_| panic!("{object}"))
    };
    assert!(ms("delay", "ready") - ms("delay", "running") >= 250, "{said:?}");
    assert_eq!(sandbox.boardbox(&["down"]).code, 0);
    gone(&sandbox, &["file", "tcp", "address", "delay", "exec"]);
}

#[test]
fn order_delay_groups_and_autostart_say_who_starts() {
    let sandbox = Sandbox::new();
    let file = &board(
        &sandbox,
        "",
        &[
            One("a", SLEEP, "order = 2\ngroups = ['g']"),
            One("b", SLEEP, "order = 1\nstart-delay = '150ms'"),
            One("c", SLEEP, "autostart = false\nrequires = ['@d']\ngroups = ['g', 'h']"),
            One("d", SLEEP, "autostart = false"),
        ],
    );
    let up = |words: &[&str]| {
        let said = sandbox.boardbox(&[&["up", "--json", file], words].concat());
        assert_eq!(said.code, 0, "{said:?}");
        (events(&sandbox, &said), said)
    };
    let (events, said) = up(&[]);
    assert_eq!(events, ["b start", "b running", "b ready", "a start", "a running", "a ready"]);
    let start = object(&sandbox, &said, "a");
    let start: u64 = start.split("\"start_ms\":").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert!(start >= 150, "{said:?}");
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    let starts = |events: &[String]| {
        let starts: Vec<&str> = events.iter().filter_map(|event| event.strip_suffix(" start")).collect();
        starts.join(" ")
    };
    assert_eq!(starts(&up(&["--group", "h"]).0), "d c");
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    assert_eq!(starts(&up(&["--group=g"]).0), "d a c");
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    // Somebody at a terminal sees what is under way.
    let program = env!("CARGO_BIN_EXE_boardbox");
    let said = sandbox.sh(&format!("script -qec '{program} up {file} --group=h' /dev/null"));
    let [c, d] = ["c", "d"].map(|name| sandbox.name(name));
    let lines: Vec<&str> = said.out.lines().map(str::trim_end).collect();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(lines[0], format!("boardbox: [1/2] start container {d}"), "{said:?}");
    assert!(lines[1].starts_with(&format!("container  {d}  ready after ")), "{said:?}");
    assert_eq!(lines[2], format!("boardbox: [2/2] start container {c}"), "{said:?}");
    let said = sandbox.boardbox(&["up", file, "--group=x"]);
    assert!(said.code == 1 && said.err.contains("no container of the profile is in group \"x\""), "{said:?}");
    let said = sandbox.boardbox(&["up", file, "--group=g", &sandbox.name("a")]);
    assert!(said.code == 1 && said.err.contains("exclude each other"), "{said:?}");
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    gone(&sandbox, &["a", "b", "c", "d"]);
}

#[test]
fn down_goes_the_other_way_and_ends_in_its_time() {
    let sandbox = Sandbox::new();
    let tell = "trap 'echo \"$(hostname)\" >>/log/ends; exit 0' PWR; sleep 1000 & wait";
    let deaf = "trap : PWR; while :; do sleep 1; done";
    let log = "mounts = [{ bind = '/var/lib/log', to = 'log', create = 'dir' }]";
    let with = |keys: &str| format!("{log}\n{keys}");
    let keys = [with(""), with("requires = ['@a']"), with("after = ['@b']"), with("order = 9")];
    let all = [
        One("a", tell, &keys[0]),
        One("b", tell, &keys[1]),
        One("c", tell, &keys[2]),
        One("d", tell, &keys[3]),
    ];
    let file = &board(&sandbox, "", &all);
    assert_eq!(sandbox.sh("mkdir /var/lib/log").code, 0);
    let said = sandbox.boardbox(&["up", file]);
    assert_eq!(said.code, 0, "{said:?}");
    // Their traps are set a moment after they run.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let said = sandbox.boardbox(&["down"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let ends = sandbox.sh("cat /var/lib/log/ends").out;
    let place = |name: &str| {
        ends.lines().position(|line| line == sandbox.name(name)).unwrap_or_else(|| panic!("{ends}"))
    };
    assert!(place("c") < place("b") && place("b") < place("a") && ends.lines().count() == 4, "{ends}");
    gone(&sandbox, &["a", "b", "c", "d"]);

    // A chain of three that all stay: one second for all of them.
    let file = &board(
        &sandbox,
        "",
        &[One("a", deaf, ""), One("b", deaf, "requires = ['@a']"), One("c", deaf, "requires = ['@b']")],
    );
    assert_eq!(sandbox.boardbox(&["up", file]).code, 0);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let begun = std::time::Instant::now();
    let said = sandbox.boardbox(&["down", "-t", "1"]);
    assert_eq!(said.code, 0, "{said:?}");
    let took = begun.elapsed().as_millis();
    // Not a second each; the rest is the kernel's.
    assert!((1000..2900).contains(&took), "{took} ms");
    gone(&sandbox, &["a", "b", "c"]);
}

#[test]
fn restart_brings_a_changed_container_back_with_what_it_requires() {
    let sandbox = Sandbox::new();
    let file = &board(
        &sandbox,
        "",
        &[One("a", SLEEP, ""), One("b", SLEEP, "requires = ['@a']"), One("c", SLEEP, "")],
    );
    assert_eq!(sandbox.boardbox(&["up", file]).code, 0);
    let [a, b, c] = ["a", "b", "c"].map(|name| sandbox.name(name));
    let pids = || [&a, &b, &c].map(|name| sandbox.pid("init", name));
    let before = pids();
    board(
        &sandbox,
        "",
        &[
            One("a", SLEEP, ""),
            One("b", SLEEP, "requires = ['@a']\nenvironment = { X = 'y' }"),
            One("c", SLEEP, ""),
        ],
    );
    assert_eq!(sandbox.boardbox(&["stop", "-q", &a]).code, 0);
    let said = sandbox.boardbox(&["restart", "-q", &b]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    let after = pids();
    assert!(before[0] != after[0] && before[1] != after[1] && before[2] == after[2]);
    let environ = sandbox.boardbox(&["exec", &b, "--", "cat", "/proc/1/environ"]).out;
    assert!(environ.contains("X=y"), "{environ}");
    let said = sandbox.boardbox(&["restart", &sandbox.name("z")]);
    assert!(said.code == 4 && said.err.contains("has no container"), "{said:?}");
    assert_eq!(sandbox.boardbox(&["restart"]).code, 1);
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    gone(&sandbox, &["a", "b", "c"]);
}

#[test]
fn an_up_that_is_killed_at_any_moment_is_put_right_by_the_next() {
    let sandbox = Sandbox::new();
    let ready = "sleep 0.05; touch /tmp/up; trap 'exit 0' PWR; sleep 1000 & wait";
    let net = "[[container.network]]\ntype = 'macvlan'\nlink = 'br7'\nname = 'eth0'";
    let tmp = "mounts = [{ type = 'tmpfs', to = 'tmp' }]\nready = 'file:/tmp/up'";
    let keys = [
        format!("{tmp}\n{net}"),
        format!("{tmp}\nrequires = ['@a']\n{net}"),
        format!("{tmp}\nrequires = ['@b']"),
        tmp.to_string(),
    ];
    let names = ["a", "b", "c", "d"];
    let all: Vec<One> = names.iter().zip(&keys).map(|(name, keys)| One(name, ready, keys)).collect();
    let file = &board(&sandbox, "[[bridge]]\nname = 'br7'\nports = ['p0']", &all);
    assert_eq!(sandbox.sh("ip link add p0 type veth peer name p1").code, 0);
    // How long a whole one takes here.
    let begun = std::time::Instant::now();
    let said = sandbox.boardbox(&["up", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let whole = begun.elapsed();
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    let (mut seed, mut put_right, mut ended_before) = (0x2545_f491_u32, 0, 0);
    for round in 0..50 {
        // Marsaglia's xorshift: other moments each round, the same in each run.
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let moment = whole.mul_f64(f64::from(seed) / f64::from(u32::MAX) * 1.05);
        let mut up = sandbox.boardbox_command(&["up", file]);
        let mut up = up.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment);
        // nsenter has become boardbox by exec.
        match up.try_wait().unwrap() {
            Some(_) => ended_before += 1,
            None => up.kill().unwrap(),
        }
        up.wait().unwrap();
        let said = sandbox.boardbox(&["up", file]);
        assert_eq!(said.code, 0, "round {round}, killed after {moment:?}: {said:?}");
        let ps = sandbox.boardbox(&["ps"]).out;
        assert!(names.iter().all(|name| ps.contains(&sandbox.name(name))), "round {round}: {ps}");
        put_right += 1;
        let said = sandbox.boardbox(&["down", "-q"]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "round {round}: {said:?}");
        gone(&sandbox, &names);
        assert!(sandbox.sh("ip link show br7").code != 0, "round {round}");
        assert!(!sandbox.sh("ip -o link show p0").out.contains("master"), "round {round}");
    }
    println!(
        "whole: {} ms; killed {}, ended before {ended_before}, put right {put_right}",
        whole.as_millis(),
        50 - ended_before
    );
}

#[test]
fn the_board_is_asked_whether_the_profile_is_its_own() {
    let sandbox = Sandbox::new();
    let file = &board(&sandbox, "compatible = ['some,board']", &[]);
    // This machine has none; a kernel's directory can not be made, so another /proc is put in its place.
    let said = sandbox.boardbox(&["up", file]);
    if !std::path::Path::new("/proc/device-tree/compatible").exists() {
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.err.contains("there is no /proc/device-tree/compatible here"), "{said:?}");
    }
    let said = sandbox.boardbox(&["up", "--any-board", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert_eq!(sandbox.boardbox(&["down"]).code, 0);
}

#[test]
fn a_down_ends_an_up_that_is_under_way() {
    let sandbox = Sandbox::new();
    let slow = "trap 'sleep 1; exit 0' PWR; sleep 1000 & wait";
    let file = &board(
        &sandbox,
        "",
        &[
            One("never", SLEEP, "ready = 'file:/never'\nready-timeout = '50s'"),
            One("child", SLEEP, "after = ['@never']"),
            One("slow", slow, ""),
        ],
    );
    let up = sandbox
        .boardbox_command(&["up", file])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    sandbox.until("both", || {
        let ps = sandbox.boardbox(&["ps"]).out;
        ps.contains("never-") && ps.contains("slow-")
    });
    // Its trap is set a moment after it runs.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let begun = std::time::Instant::now();
    let said = sandbox.boardbox(&["down"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let output = up.wait_with_output().unwrap();
    assert!(begun.elapsed().as_secs() < 20);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains(&format!("\"{}\": it has ended", sandbox.name("never"))), "{err}");
    // never ends at once, slow a second later: in between nothing is started.
    let child = sandbox.name("child");
    assert!(
        err.contains(&format!("container \"{child}\": the board is being taken down (boardbox down")),
        "{err}"
    );
    gone(&sandbox, &["never", "child", "slow"]);
}

#[test]
fn an_up_that_does_not_come_back_from_a_containers_network_starts_nothing_from_there() {
    let sandbox = Sandbox::new();
    let file = &board(
        &sandbox,
        "",
        &[One("a", SLEEP, "ready = 'tcp:4711'\nready-timeout = '20s'"), One("b", SLEEP, "after = ['@a']")],
    );
    // It looks whether a accepts: the second setns(2) is the way back.
    let said = sandbox.sh(&format!(
        "timeout 40 strace -qq -o /dev/null -e trace=setns -e inject=setns:error=ENOMEM:when=2 {} up --no-probe {file}",
        env!("CARGO_BIN_EXE_boardbox")
    ));
    assert_eq!(said.code, 3, "{said:?}");
    let a = sandbox.name("a");
    assert!(said.err.contains(&format!("come back from container \"{a}\": ")), "{said:?}");
    let ps = sandbox.boardbox(&["ps"]).out;
    assert!(ps.contains(&a) && !ps.contains(&sandbox.name("b")), "{ps}");
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    gone(&sandbox, &["a", "b"]);
}
