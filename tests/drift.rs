//! What `status` and `plan` say of a board that is not, or not any more, as its profile says.

mod sandbox;

use sandbox::Sandbox;

const ROOT: &str = "/var/lib/lxc/temp/rootfs";

/// The lines of drift that `status` has, without their first word; its exit code says whether there are any.
#[track_caller]
fn drift(sandbox: &Sandbox, file: &str) -> Vec<String> {
    let said = sandbox.boardbox(&["status", file]);
    let lines = said.out.lines().filter_map(|line| line.strip_prefix("drift  "));
    let lines: Vec<String> =
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!((said.code, said.err.as_str()), (if lines.is_empty() { 0 } else { 7 }, ""), "{said:?}");
    lines
}

#[test]
fn what_is_not_as_the_profile_says_is_told_and_nothing_else() {
    let sandbox = Sandbox::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| sandbox.name(name));
    let conf = format!(
        "lxc.rootfs = {ROOT}\nlxc.network.type = macvlan\nlxc.network.link = br7\nlxc.network.hwaddr = 02:00:00:xx:xx:xx\n\
         lxc.network.macvlan.mode = bridge\nlxc.init.cmd = /bin/sleep 1000\nlxc.cgroup.cpuset.cpus = 0-1\n\
         lxc.cgroup.memory.limit_in_bytes = 33554433\nlxc.cgroup.devices.deny = a\nlxc.cgroup.devices.allow = c 1:3 rw\n"
    );
    sandbox.file("c.conf", &conf);
    let profile = |a_rules: &str, more: &str| {
        let container = |name: &str, keys: &str| {
            format!(
                "[[container]]\nname = \"{name}\"\nrootfs = \"{ROOT}\"\ncommand = ['/bin/sleep', '1000']\n{keys}\n"
            )
        };
        let of_c = format!("[[container]]\nconfig = \"c.conf\"\nname = \"{c}\"\n");
        let text = [container(&a, a_rules), container(&b, "autostart = false"), of_c, more.into()].concat();
        let board = "[board]\nname = 't'\n[[bridge]]\nname = 'br7'\nports = ['p0']\nipv4 = '10.7.0.1/24'\n";
        sandbox.file("board.toml", &format!("{board}{text}"))
    };
    // What only v1 has.
    let swappiness = sandbox::either("memory", ", swappiness = 10", "");
    let rules = &format!(
        "cpu = {{ shares = 512, quota = 50000 }}\nmemory = {{ limit = \"64M\"{swappiness} }}\npids = {{ max = 64 }}\n\
         cpuset = {{ cpus = \"0,1\" }}\ndevices = {{ allow = [\"c 1:3 rw\"] }}"
    );
    let file = &profile(rules, "");
    assert_eq!(sandbox.sh("ip link add p0 type veth peer name p1").code, 0);

    // Before it is up nothing of it is there.
    let before = drift(&sandbox, file);
    for line in [
        "board not done: make bridge br7".to_string(),
        "board not done: add address 10.7.0.1/24 to br7".into(),
        format!("{a} does not run"),
        format!("{c} does not run"),
    ] {
        assert!(before.contains(&line), "{line}: {before:?}");
    }
    assert!(!before.iter().any(|line| line.starts_with(&b)), "{before:?}");

    let up = sandbox.boardbox(&["up", "-q", file]);
    assert_eq!(up.code, 0, "{up:?}");
    assert_eq!(drift(&sandbox, file), [""; 0]);
    let plan = || {
        let said = sandbox.boardbox(&["plan", file]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        said.out
    };
    assert_eq!(plan(), format!("{a}  runs    as the profile says\n{c}  runs    as the profile says\n"));

    // Somebody writes to what is held to the profile.
    let set = |name: &str, file: &str, value: &str| {
        let said = sandbox.boardbox(&["cgroup", name, file, value]);
        assert_eq!(said.code, 0, "{said:?}");
    };
    set(&a, "cpu.shares", "100");
    set(&a, "memory.limit_in_bytes", "48M");
    set(&a, "devices.allow", "c 1:5 r");
    set(&c, "cpuset.cpus", "0");
    set(&c, "pids.max", "7");
    assert_eq!(sandbox.sh("ip link set p0 nomaster && ip addr del 10.7.0.1/24 dev br7").code, 0);
    let now = drift(&sandbox, file);
    // In the words of the hierarchy that has it.
    let cpu = sandbox::either("cpu", "cpu.shares: 100 -> 512", "cpu.weight: 10 -> 50");
    let memory = sandbox::either("memory", "memory.limit_in_bytes", "memory.max");
    let mut expected = [
        "board not done: enslave port p0 to bridge br7".to_string(),
        "board not done: set address of bridge br7 to that of port p0".into(),
        "board not done: add address 10.7.0.1/24 to br7".into(),
        format!("{a} {cpu}"),
        format!("{a} {memory}: 50331648 -> 67108864"),
        format!("{a} devices: deny c 1:5 r"),
        format!("{c} cpuset.cpus: 0 -> 0-1"),
        format!("{c} pids.max: 7 -> max"),
    ];
    expected.sort();
    let mut sorted = now.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    let plan_now = plan();
    assert!(plan_now.contains("  host    enslave port p0 to bridge br7  ("), "{plan_now}");
    assert!(plan_now.contains(&format!("{a}  runs    {cpu}\n")), "{plan_now}");
    let json = sandbox.boardbox(&["status", "--json", file]);
    assert_eq!(json.code, 7);
    assert!(
        json.out.contains("{\"container\":null,\"what\":\"not done: enslave port p0 to bridge br7\"}"),
        "{json:?}"
    );
    assert!(json.out.contains(&format!("{{\"container\":\"{a}\",\"what\":\"{cpu}\"}}")), "{json:?}");

    // up puts the board right, apply its containers.
    assert_eq!(sandbox.boardbox(&["up", "-q", file]).code, 0);
    assert_eq!(sandbox.boardbox(&["apply", file]).code, 0);
    assert_eq!(drift(&sandbox, file), [""; 0]);

    // A changed profile: what apply can do, what only a restart can, what is new.
    let more = format!("[[container]]\nname = \"{d}\"\nrootfs = \"{ROOT}\"\n");
    profile("pids = { max = 65 }\nhostname = 'other'\nrestart = 'always'", &more);
    let now = drift(&sandbox, file);
    if !sandbox::on_v2("memory") {
        let above = sandbox.sh("cat $(sed -n 's/^[^ ]* \\([^ ]*\\) cgroup [^ ]*memory.*/\\1/p' /proc/mounts)/memory.swappiness").out;
        assert!(now.contains(&format!("{a} memory.swappiness: 10 -> {}", above.trim())), "{now:?}");
    }
    for line in [
        format!("{a} pids.max: 64 -> 65"),
        format!("{a} {}", sandbox::either("cpu", "cpu.shares: 512 -> 1024", "cpu.weight: 50 -> 100")),
        format!("{a} {memory}: 67108864 -> {}", sandbox::either("memory", "-1", "max")),
        format!("{a} changed, but only by a restart: hostname, restart"),
        format!("{d} does not run"),
    ] {
        assert!(now.contains(&line), "{line}: {now:?}");
    }
    let now = plan();
    assert!(
        now.contains(&format!("{a}  runs    changed, but only by a restart: hostname, restart\n")),
        "{now}"
    );
    assert!(now.contains(&format!("{d}  child   set hostname {d}  (")), "{now}");
    assert!(!now.contains(&b), "{now}");

    profile("pids = { max = 65 }\nhostname = 'other'\nrestart = 'always'", "");
    assert_eq!(sandbox.boardbox(&["restart", "-q", file, &a]).code, 0);
    assert_eq!(drift(&sandbox, file), [""; 0]);
    // One that crashes, and one that is gone.
    profile("pids = { max = 65 }\nhostname = 'other'\nrestart = 'always'\nrestart-delay = '1000s'", "");
    assert_eq!(sandbox.boardbox(&["restart", "-q", file, &a]).code, 0);
    assert_eq!(sandbox.boardbox(&["kill", &a]).code, 0);
    assert_eq!(sandbox.boardbox(&["wait", "-s", "RESTARTING", "-t", "10", &a]).code, 0);
    assert_eq!(sandbox.boardbox(&["stop", "-q", &c]).code, 0);
    let now = drift(&sandbox, file);
    assert_eq!(now, [format!("{a} has ended and waits to be restarted"), format!("{c} does not run")]);
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    sandbox.assert_nothing_left(&[&a, &c, &d]);
}
