//! Settings of containers that run: several at a time and a changed profile as a whole, all or none.

mod sandbox;

use sandbox::{Said, Sandbox, either};

#[track_caller]
fn says(said: &Said, code: i32, out: &str) {
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (code, out, ""));
}

const ROOT: &str = "/var/lib/lxc/temp/rootfs";

fn get(sandbox: &Sandbox, name: &str, file: &str) -> String {
    sandbox.boardbox(&["cgroup", name, file]).out.trim_end().to_owned()
}

#[test]
fn several_settings_are_written_or_none() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("set");
    let rules =
        "lxc.cgroup.devices.deny = a\nlxc.cgroup.devices.allow = c 1:3 rw\nlxc.cgroup.cpu.shares = 500\n";
    let file = sandbox.file("set.conf", &format!("lxc.rootfs = {ROOT}\n{rules}"));
    says(&sandbox.boardbox(&["start", "-f", &file, "-n", name, "--", "/bin/sleep", "1000"]), 0, "");
    let set = |words: &[&str]| sandbox.boardbox(&[&["cgroup", name.as_str()], words].concat());
    says(&set(&["cpu.shares=512", "pids.max=50", "devices.allow=c 1:5 r"]), 0, "");
    let now = || ["cpu.shares", "pids.max", "devices.list"].map(|file| get(&sandbox, name, file));
    let before = ["512", "50", "c 1:3 rw\nc 1:5 r"];
    assert_eq!(now(), before);

    // Whichever comes first, what can be written is put back.
    for words in [
        &["cpu.shares=1000", "pids.max=many"][..],
        &["pids.max=many", "cpu.shares=1000"],
        &["cpu.shares=1000", "devices.deny=c 1:5 r", "devices.allow=x"],
        &["devices.deny=a", "devices.allow=c 1:7 r", "cpu.shares=1000", "nothing.here=1"],
        &["devices.deny=c 1:3 w", "devices.allow=a", "devices.allow=z 1:3 r"],
    ] {
        let said = set(words);
        assert!(matches!(said.code, 2 | 3), "{said:?}");
        assert_eq!(now(), before);
    }
    let write_only = either("memory", "memory.force_empty=0", "cgroup.kill=0");
    let said = set(&["cpu.shares=1000", write_only]);
    assert!(said.code == 3 && said.err.contains("write it by itself"), "{said:?}");
    assert_eq!(now(), before);
    let said = set(&["cpu.shares=1000", "pids.max", "70"]);
    assert!(said.code == 1 && said.err.contains("\"pids.max\" is not FILE=VALUE"), "{said:?}");
    assert_eq!(now(), before);

    // Memory, and memory with swap above it: up and down, in the order they are said.
    says(&set(&["memory.limit_in_bytes=64M", "memory.memsw.limit_in_bytes=96M"]), 0, "");
    says(&set(&["memory.limit_in_bytes=128M", "memory.memsw.limit_in_bytes=192M"]), 0, "");
    assert_eq!(get(&sandbox, name, "memory.limit_in_bytes"), "134217728");
    says(&set(&["memory.memsw.limit_in_bytes=48M", "memory.limit_in_bytes=32M"]), 0, "");
    assert_eq!(get(&sandbox, name, "memory.memsw.limit_in_bytes"), "50331648");
    assert_eq!(set(&["memory.limit_in_bytes=16M", "cpu.shares=no"]).code, 3);
    assert_eq!(get(&sandbox, name, "memory.limit_in_bytes"), "33554432");

    assert_eq!(sandbox.boardbox(&["stop", "-k", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

fn profile(sandbox: &Sandbox, a: &str, b: &str) -> String {
    let container = |name: &str, rules: &str| {
        let command = "command = [\"/bin/sleep\", \"1000\"]";
        format!("[[container]]\nname = \"{name}\"\nrootfs = \"{ROOT}\"\n{command}\n{rules}\n")
    };
    let text = [container(&sandbox.name("a"), a), container(&sandbox.name("b"), b)].concat();
    sandbox.file("board.toml", &format!("[board]\nname = \"test\"\n{text}"))
}

#[test]
fn a_changed_profile_is_applied_or_not() {
    let sandbox = Sandbox::new();
    let (a, b) = (&sandbox.name("a"), &sandbox.name("b"));
    let rules = "cpu = { shares = 512 }\nmemory = { limit = \"64M\", limit-with-swap = \"96M\" }\npids = { max = 64 }\n\
                 devices = { allow = [\"c 1:3 rw\"] }";
    let file = profile(&sandbox, rules, "cpu = { shares = 512 }");
    says(&sandbox.boardbox(&["start", "--profile", &file]), 0, "");
    let apply = || sandbox.boardbox(&["apply", &file]);
    says(&apply(), 0, "nothing to change\n");

    // What changes, what comes and what goes; and what a restart takes.
    let changed = "cpu = { shares = 256, quota = 50000 }\nmemory = { limit = \"128M\", limit-with-swap = \"192M\" }\n\
                   devices = { allow = [\"c 1:5 r\"] }\nenvironment = { A = \"B\" }\nrootfs-read-only = true";
    profile(&sandbox, changed, "cpu = { shares = 1024 }");
    let max = |name: &str| get(&sandbox, name, "pids.max");
    assert_eq!(max(a), "64");
    let said = apply();
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    for line in [
        either("cpu", "cpu.shares: 512 -> 256", "cpu.weight: 50 -> 25"),
        either("cpu", "cpu.cfs_quota_us: -1 -> 50000", "cpu.max: max 100000 -> 50000 100000"),
        either("memory", "memory.limit_in_bytes: 67108864 -> 134217728", "memory.max: 67108864 -> 134217728"),
        either(
            "memory",
            "memory.memsw.limit_in_bytes: 100663296 -> 201326592",
            "memory.swap.max: 33554432 -> 67108864",
        ),
        "pids.max: 64 -> max",
        "devices: deny c 1:3 rw",
        "devices: allow c 1:5 r",
        "changed, but only by a restart: rootfs, environment",
    ] {
        assert!(lines.contains(&format!("{a}: {line}").as_str()), "{line}: {said:?}");
    }
    let last = either("cpu", "cpu.shares: 512 -> 1024", "cpu.weight: 50 -> 100");
    assert!(said.out.ends_with(&format!("{b}: {last}\n")), "{said:?}");
    assert_eq!(lines.len(), 9, "{said:?}");
    let state = || {
        let of = |name: &str| {
            ["cpu.shares", "cpu.cfs_quota_us", "memory.limit_in_bytes", "pids.max", "devices.list"]
                .map(|file| get(&sandbox, name, file))
        };
        [of(a), of(b)]
    };
    let before = state();
    assert_eq!(before[0], ["256", "50000", "134217728", "max", "c 1:5 r"]);

    // The second one's is refused by the kernel: the first one's is taken back.
    profile(&sandbox, "cpu = { shares = 2 }\npids = { max = 7 }", "cgroup = [[\"cpu.shares\", \"many\"]]");
    let said = apply();
    // On v2 the number is translated, and found wrong before the kernel is asked.
    assert_eq!(said.code, either("cpu", 3, 2), "{said:?}");
    assert!(said.err.contains("cpu.shares") && said.err.contains(b.as_str()), "{said:?}");
    assert_eq!((said.out.as_str(), state()), ("", before.clone()));
    // What this machine can not have is found before anything is done, with its place.
    profile(&sandbox, "cpu = { shares = 2 }", "cpuset = { cpus = \"1000\" }");
    let said = apply();
    assert!(said.code == 2 && said.err.contains("board.toml:12:"), "{said:?}");
    assert_eq!(state(), before);

    // One by name; one that does not run.
    profile(&sandbox, "cpu = { shares = 2048 }", "cpu = { shares = 256 }");
    let said = sandbox.boardbox(&["apply", &file, b]);
    let changed = either("cpu", "cpu.shares: 1024 -> 256", "cpu.weight: 100 -> 25");
    assert_eq!(said.out, format!("{b}: {changed}\n"));
    assert_eq!(sandbox.boardbox(&["stop", "-k", b]).code, 0);
    assert_eq!(sandbox.boardbox(&["apply", &file, b]).code, 4);
    let said = apply();
    assert!(said.code == 0 && !said.out.contains(b.as_str()), "{said:?}");
    assert_eq!(get(&sandbox, a, "cpu.shares"), "2048");
    assert_eq!(sandbox.boardbox(&["stop", "-k", a]).code, 0);
    sandbox.assert_nothing_left(&[a, b]);
}

/// Each setting is what it says, also where its controller has others in the other layout's words, or they come in another order.
#[test]
fn settings_in_both_layouts_words_are_all_in_force() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("both");
    let text = format!(
        "lxc.rootfs = {ROOT}\nlxc.cgroup.memory.memsw.limit_in_bytes = 96M\nlxc.cgroup.memory.limit_in_bytes = 64M\n\
         lxc.cgroup.cpu.cfs_quota_us = 20000\nlxc.cgroup2.cpu.weight = 50\nlxc.cgroup2.memory.swap.max = 16M\n\
         lxc.cgroup2.devices.deny = a\nlxc.cgroup2.devices.allow = c 1:3 rw\n"
    );
    let file = sandbox.file("both.conf", &text);
    says(&sandbox.boardbox(&["start", "-f", &file, "-n", name, "--", "/bin/sleep", "1000"]), 0, "");
    let swap = either("memory", "100663296", "83886080");
    for (file, value) in [
        ("memory.limit_in_bytes", "67108864"),
        ("memory.memsw.limit_in_bytes", swap),
        ("cpu.weight", "50"),
        ("cpu.cfs_quota_us", "20000"),
        ("devices.list", "c 1:3 rw"),
    ] {
        assert_eq!(get(&sandbox, name, file), value, "{file}");
    }
    assert_eq!(sandbox.boardbox(&["stop", "-k", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

/// A profile is all that counts: not the period that there was before.
#[test]
fn a_quota_without_a_period_has_the_usual_one() {
    let sandbox = Sandbox::new();
    let (a, b) = (&sandbox.name("a"), &sandbox.name("b"));
    let quota = || (get(&sandbox, a, "cpu.cfs_quota_us"), get(&sandbox, a, "cpu.cfs_period_us"));
    let file = profile(&sandbox, "cpu = { quota = 25000, period = 50000 }", "");
    says(&sandbox.boardbox(&["start", "--profile", &file]), 0, "");
    assert_eq!(quota(), ("25000".into(), "50000".into()));
    profile(&sandbox, "cpu = { quota = 25000 }", "");
    let said = sandbox.boardbox(&["apply", &file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert_eq!(quota(), ("25000".into(), "100000".into()));
    says(&sandbox.boardbox(&["apply", &file]), 0, "nothing to change\n");
    assert_eq!(sandbox.boardbox(&["stop", "-k", a, b]).code, 0);
    sandbox.assert_nothing_left(&[a, b]);
}

/// A weight is BFQ's where the kernel has no other file: it is read, changed and compared like one.
#[test]
fn a_weight_is_the_same_wherever_it_is_written() {
    let sandbox = Sandbox::new();
    let (a, b) = (&sandbox.name("a"), &sandbox.name("b"));
    let weight = || get(&sandbox, a, either("blkio", "blkio.weight", "io.weight"));
    let said = |text: &str| text.trim_start_matches("default ").to_string();
    let file = profile(&sandbox, "io = { weight = 50 }", "");
    says(&sandbox.boardbox(&["start", "--profile", &file]), 0, "");
    assert_eq!(said(&weight()), either("blkio", "250", "50"));
    let set = ["cgroup", a, either("blkio", "blkio.weight", "io.weight"), either("blkio", "300", "60")];
    says(&sandbox.boardbox(&set), 0, "");
    assert_eq!(said(&weight()), either("blkio", "300", "60"));
    let back = sandbox.boardbox(&["apply", &file]);
    assert_eq!((back.code, back.err.as_str()), (0, ""), "{back:?}");
    assert_eq!(said(&weight()), either("blkio", "250", "50"));
    says(&sandbox.boardbox(&["apply", &file]), 0, "nothing to change\n");
    assert_eq!(sandbox.boardbox(&["stop", "-k", a, b]).code, 0);
    sandbox.assert_nothing_left(&[a, b]);
}

#[test]
fn a_monitor_that_is_late_takes_back_what_it_applies() {
    let sandbox = Sandbox::new();
    let names = ["a", "b", "c"].map(|name| sandbox.name(name));
    let [a, b, c] = &names;
    let profile = |rules: [&str; 3]| {
        let container = |(name, rules): (&String, &str)| {
            let command = "command = ['/bin/sleep', '1000']";
            format!("[[container]]\nname = '{name}'\nrootfs = '{ROOT}'\n{command}\n{rules}\n")
        };
        let text: String = names.iter().zip(rules).map(container).collect();
        sandbox.file("board.toml", &format!("[board]\nname = 'test'\n{text}"))
    };
    let file = profile(["pids = { max = 64 }"; 3]);
    says(&sandbox.boardbox(&["start", "--profile", &file]), 0, "");
    profile(["pids = { max = 65 }"; 3]);
    assert_eq!(sandbox.boardbox(&["apply", &file]).code, 0);
    profile(["pids = { max = 66 }", "pids = { max = 66 }", "cgroup = [['pids.max', 'many']]"]);
    let monitors = [b, c].map(|name| sandbox.pid("monitor", name));
    let signal = |signal: &str| {
        assert_eq!(sandbox.sh(&format!("kill -{signal} {} {}", monitors[0], monitors[1])).code, 0);
    };
    signal("STOP");
    let apply = |names: &[&str]| {
        let mut apply = sandbox.boardbox_command(&[&["apply", file.as_str()], names].concat());
        apply.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    for (apply, name) in [(apply(&[a, b]), b), (apply(&[c]), c)] {
        let output = apply.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(6), "{err}");
        assert_eq!(err, format!("boardbox: container \"{name}\": no answer within 10000 ms\n"));
    }
    signal("CONT");
    // Asked after the rest: that one was applied and taken back, and of one that is refused nothing is taken back.
    assert_eq!([a, b, c].map(|name| get(&sandbox, name, "pids.max")), ["65", "65", "65"]);
    assert_eq!(sandbox.boardbox(&["stop", "-k", a, b, c]).code, 0);
    sandbox.assert_nothing_left(&[a, b, c]);
}
