//! Containers on a host whose controllers are cgroup v2's: here a sandbox from which the v1 hierarchies are out of sight, so
//! that freezing and devices, which v2 has without a controller, are its own. Machines with all of v2 are emulated boards.

mod sandbox;

use sandbox::Sandbox;

fn settings(extra: &str) -> String {
    format!("lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.utsname = u\n{extra}")
}

#[test]
fn a_container_is_born_in_its_v2_cgroup_frozen_there_and_leaves_nothing() {
    let sandbox = Sandbox::unified();
    let name = &sandbox.name("v2");
    let file = sandbox.file("v2.conf", &settings(""));
    let said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "-d", "/bin/sleep", "1000"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let pid = sandbox.pid("init", name);
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(cgroup.contains(&format!("0::/boardbox/{name}\n")), "{cgroup}");
    assert_eq!(sandbox.boardbox(&["lxc-freeze", "-n", name]).code, 0);
    assert!(sandbox.boardbox(&["lxc-info", "-n", name, "-s"]).out.contains("FROZEN"));
    assert_eq!(sandbox.boardbox(&["lxc-cgroup", "-n", name, "cgroup.freeze"]).out, "1\n");
    assert_eq!(sandbox.boardbox(&["lxc-cgroup", "-n", name, "freezer.state"]).out, "FROZEN\n");
    assert_eq!(sandbox.boardbox(&["lxc-cgroup", "-n", name, "freezer.state", "THAWED"]).code, 0);
    assert!(sandbox.boardbox(&["lxc-info", "-n", name, "-s"]).out.contains("RUNNING"));
    let inside = sandbox.boardbox(&["lxc-attach", "-n", name, "--", "/bin/sh", "-c", "sleep 0.3 & echo $!"]);
    assert_eq!(inside.code, 0, "{inside:?}");
    assert_eq!(sandbox.boardbox(&["lxc-freeze", "-n", name]).code, 0);
    assert_eq!(sandbox.boardbox(&["lxc-stop", "-n", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn device_rules_hold_on_v2_and_change_while_it_runs() {
    let sandbox = Sandbox::unified();
    let name = &sandbox.name("dev2");
    let rules = "lxc.cgroup.devices.deny = a\nlxc.cgroup.devices.allow = c 1:3 rw\n";
    let file = sandbox.file("dev2.conf", &settings(rules));
    let said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "-d", "/bin/sleep", "1000"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let list = || sandbox.boardbox(&["lxc-cgroup", "-n", name, "devices.list"]).out;
    assert_eq!(list(), "c 1:3 rw\n");
    let inside =
        |command: &str| sandbox.boardbox(&["lxc-attach", "-n", name, "--", "/bin/sh", "-c", command]);
    assert_eq!(inside("echo x >/dev/null && echo written").out, "written\n");
    let zero = "head -c 1 /dev/zero >/dev/null && echo read";
    assert!(inside(zero).err.contains("Operation not permitted"), "{:?}", inside(zero));
    let change = |file: &str, value: &str| sandbox.boardbox(&["lxc-cgroup", "-n", name, file, value]);
    assert_eq!(change("devices.allow", "c 1:5 r").code, 0);
    assert_eq!(inside(zero).out, "read\n");
    assert_eq!(list(), "c 1:3 rw\nc 1:5 r\n");
    assert_eq!(change("devices.deny", "c 1:5 r").code, 0);
    assert!(inside(zero).err.contains("Operation not permitted"));
    let said = change("devices.allow", "x");
    assert!(said.code == 255 && said.err.contains("type \"x\" is not a, b or c"), "{said:?}");
    assert_eq!(sandbox.boardbox(&["lxc-stop", "-k", "-n", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn what_v2_does_not_have_here_is_an_error_and_nothing_is_unlimited() {
    let sandbox = Sandbox::unified();
    let name = &sandbox.name("no");
    let mut rules =
        vec![("lxc.cgroup.net_cls.classid = 1", "net_cls.classid: controller net_cls is not mounted")];
    if !sandbox::on_v2("memory") {
        rules.extend([
            (
                "lxc.cgroup.memory.limit_in_bytes = 1M",
                "memory.limit_in_bytes: controller memory is not mounted",
            ),
            ("lxc.cgroup2.memory.max = 1M", "memory.max: controller memory is not mounted"),
        ]);
    }
    for (rule, why) in rules {
        let file = sandbox.file("no.conf", &settings(&format!("{rule}\n")));
        let said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "/bin/true"]);
        assert!(said.code == 255 && said.err.contains(why), "{said:?}");
        sandbox.assert_nothing_left(&[name]);
    }
}
