use super::*;
use std::rc::Rc;

fn hierarchy(mountpoint: &str, controllers: &[&str]) -> Hierarchy {
    Hierarchy {
        mountpoint: mountpoint.into(),
        controllers: controllers.iter().map(|name| name.to_string()).collect(),
        ..Hierarchy::default()
    }
}

fn host() -> Host {
    let controller = |(name, enabled): &(&str, bool)| Controller {
        name: name.to_string(),
        hierarchy: 1,
        enabled: *enabled,
    };
    let names = [
        ("cpuset", true),
        ("cpu", true),
        ("cpuacct", true),
        ("devices", true),
        ("memory", false),
        ("blkio", true),
        ("pids", true),
    ];
    let mut v2 = hierarchy("/cg/unified", &["pids"]);
    v2.version = Version::V2;
    let mut systemd = hierarchy("/cg/systemd", &[]);
    systemd.name = Some("systemd".into());
    Host {
        hierarchies: vec![
            hierarchy("/cg/cpuset", &["cpuset"]),
            systemd,
            hierarchy("/cg/cpu,cpuacct", &["cpu", "cpuacct"]),
            hierarchy("/cg/devices", &["devices"]),
            v2,
        ],
        controllers: names.iter().map(controller).collect(),
        cpus: 8,
        ..Host::default()
    }
}

fn with(rules: &[(&str, &str)]) -> Container {
    let file: Rc<str> = "foo.conf".into();
    let mut container = Container::lxc_defaults("foo".parse().unwrap());
    for (line, (file_name, value)) in (1..).zip(rules) {
        let origin = Origin::new(&file, line, 0);
        container.cgroup.push(CgroupRule {
            file: file_name.to_string(),
            value: value.to_string(),
            unified: false,
            origin,
        });
    }
    container
}

fn plan(rules: &[(&str, &str)], join: &[&str], host: &Host) -> Vec<String> {
    let join: Vec<String> = join.iter().map(|name| name.to_string()).collect();
    let mut steps = Vec::new();
    container(&with(rules), &join, host, &mut steps).unwrap();
    let place = |place| match place {
        Place::Host => "host",
        Place::Parent => "parent",
        Place::Child => "child",
        Place::Late => "late",
    };
    steps.iter().map(|planned| format!("{}: {}", place(planned.place), planned.step)).collect()
}

fn refused(file: &str, value: &str) -> String {
    container(&with(&[(file, value)]), &[], &host(), &mut Vec::new()).unwrap_err().to_string()
}

#[test]
fn the_seeds_rules_come_in_file_order_and_devices_last() {
    let rules = [
        ("devices.deny", "a"),
        ("cpuset.cpus", "0,1"),
        ("devices.allow", "c 1:3 rw"),
        ("cpu.shares", "1234"),
    ];
    assert_eq!(
        plan(&rules, &[], &host()),
        [
            "host: make cgroup /cg/cpuset/boardbox/foo (cpuset)",
            "host: make cgroup /cg/cpu,cpuacct/boardbox/foo (cpu,cpuacct)",
            "host: make cgroup /cg/devices/boardbox/foo (devices)",
            "host: write \"0,1\" to /cg/cpuset/boardbox/foo/cpuset.cpus",
            "host: write \"1234\" to /cg/cpu,cpuacct/boardbox/foo/cpu.shares",
            "child: join cgroup /cg/cpuset/boardbox/foo",
            "child: join cgroup /cg/cpu,cpuacct/boardbox/foo",
            "child: join cgroup /cg/devices/boardbox/foo",
            "late: write \"a\" to /cg/devices/boardbox/foo/devices.deny",
            "late: write \"c 1:3 rw\" to /cg/devices/boardbox/foo/devices.allow",
        ]
    );
}

#[test]
fn a_comounted_hierarchy_is_joined_once_and_what_is_not_mounted_is_left_out() {
    assert_eq!(
        plan(&[], &["cpuacct", "cpu", "memory", "blkio", "pids", "systemd", "nonsense"], &host()),
        [
            "host: make cgroup /cg/cpu,cpuacct/boardbox/foo (cpu,cpuacct)",
            "host: make cgroup /cg/unified/boardbox/foo (v2: pids)",
            "child: join cgroup /cg/cpu,cpuacct/boardbox/foo",
            "child: join cgroup /cg/unified/boardbox/foo",
        ]
    );
    assert!(plan(&[], &[], &host()).is_empty());
}

#[test]
fn a_read_only_hierarchy_is_not_joined_and_no_rule_is_written_there() {
    let mut host = host();
    host.hierarchies[0].read_only = true;
    assert!(plan(&[], &["cpuset"], &host).is_empty());
    let error = container(&with(&[("cpuset.cpus", "0")]), &[], &host, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("on /cg/cpuset is mounted read-only"), "{error}");
}

#[test]
fn noprefix_changes_the_file() {
    let mut host = host();
    host.hierarchies[0].noprefix = true;
    let steps = plan(&[("cpuset.cpus", "0,1")], &[], &host);
    assert_eq!(steps[1], "host: write \"0,1\" to /cg/cpuset/boardbox/foo/cpus");
}

#[test]
fn a_rule_that_cannot_be_written_says_where_it_stands_and_why() {
    let front = "foo.conf:1: container \"foo\": cgroup file ";
    assert_eq!(
        refused("blkio.weight", "500"),
        format!(
            "{front}blkio.weight: controller blkio is not mounted (boardbox up mounts it; by hand: mount -t \
             cgroup -o blkio blkio DIRECTORY)"
        )
    );
    assert_eq!(
        refused("memory.limit_in_bytes", "1M"),
        format!(
            "{front}memory.limit_in_bytes: controller memory is compiled in but disabled (take \
             cgroup_disable=memory off the kernel's command line, or add cgroup_enable=memory)"
        )
    );
    assert!(
        refused("cpustat.cpus", "0").contains("the kernel has no controller \"cpustat\" (it has cpuset cpu")
    );
    for bad in ["tasks", "cpuset/../../cpuset.cpus", ""] {
        assert!(refused(bad, "0").contains("is not a cgroup file (CONTROLLER.SETTING"), "{bad}");
    }
    assert_eq!(
        refused("cpuset.cpus", "0,8-9"),
        "foo.conf:1: container \"foo\": cpu list \"0,8-9\": there is no cpu 8 (the board has 8 cpus, numbered from 0)"
    );
    let none = container(&with(&[("cpu.shares", "1")]), &[], &Host::default(), &mut Vec::new()).unwrap_err();
    assert!(none.to_string().contains("the kernel has no cgroups"), "{none}");
}

fn v2_only() -> Host {
    let mut host = host();
    let mut v2 = hierarchy("/cg", &["cpuset", "cpu", "io", "memory", "pids"]);
    v2.version = Version::V2;
    host.hierarchies = vec![v2];
    host.controllers.iter_mut().for_each(|controller| controller.hierarchy = 0);
    host
}

#[test]
fn the_seed_on_v2_says_the_same_in_its_words() {
    let rules = [
        ("cpuset.cpus", "0,1"),
        ("cpu.shares", "1234"),
        ("devices.deny", "a"),
        ("devices.allow", "c 1:3 rw"),
        ("devices.allow", "b 8:0 rw"),
    ];
    let join = ["cpuset", "cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids"];
    assert_eq!(
        plan(&rules, &join, &v2_only()),
        [
            "host: make cgroup /cg/boardbox/foo (v2: cpuset,cpu,memory,io,pids)",
            "host: write \"0,1\" to /cg/boardbox/foo/cpuset.cpus",
            "host: write \"121\" to /cg/boardbox/foo/cpu.weight",
            "child: join cgroup /cg/boardbox/foo",
            "late: attach a device program to /cg/boardbox/foo: deny a, allow c 1:3 rw, allow b 8:0 rw",
        ]
    );
}

#[test]
fn a_rule_said_in_both_words_is_taken_in_the_hosts() {
    let mut container_ = with(&[("cpu.shares", "512"), ("cpu.weight", "77"), ("memory.high", "1M")]);
    container_.cgroup[1].unified = true;
    container_.cgroup[2].unified = true;
    let writes = |host: &Host| {
        let mut steps = Vec::new();
        container(&container_, &[], host, &mut steps).map(|()| {
            steps
                .iter()
                .map(|one| one.step.to_string())
                .filter(|step| step.starts_with("write"))
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(
        writes(&v2_only()).unwrap(),
        ["write \"77\" to /cg/boardbox/foo/cpu.weight", "write \"1M\" to /cg/boardbox/foo/memory.high"]
    );
    container_.cgroup.pop();
    let mut steps = Vec::new();
    container(&container_, &[], &host(), &mut steps).unwrap();
    assert_eq!(steps[1].step.to_string(), "write \"512\" to /cg/cpu,cpuacct/boardbox/foo/cpu.shares");
    container_.cgroup.remove(0);
    steps.clear();
    container(&container_, &[], &host(), &mut steps).unwrap();
    assert_eq!(steps[1].step.to_string(), "write \"788\" to /cg/cpu,cpuacct/boardbox/foo/cpu.shares");
}

#[test]
fn what_v2_cannot_say_is_refused_with_key_and_reason() {
    let refused = |file: &str, value: &str| {
        container(&with(&[(file, value)]), &[], &v2_only(), &mut Vec::new()).unwrap_err().to_string()
    };
    assert_eq!(
        refused("memory.soft_limit_in_bytes", "1M"),
        "foo.conf:1: container \"foo\": memory.soft_limit_in_bytes on cgroup v2: v2's memory.low protects what is below it, \
         a soft limit reclaims what is above (what comes closest: lxc.cgroup2.memory.low or lxc.cgroup2.memory.high)"
    );
    assert!(refused("devices.allow", "x").contains("type \"x\" is not a, b or c"));
    assert!(refused("devices.list", "a").contains("is not devices.allow or devices.deny"));
}

/// What is written for rules of both layouts' words, those of v2 behind `2:`.
fn mixed(rules: &[&str], host: &Host) -> String {
    let said: Vec<(&str, &str)> = rules.iter().map(|rule| rule.split_once('=').unwrap()).collect();
    let mut both = with(&said);
    for rule in &mut both.cgroup {
        if let Some(file) = rule.file.strip_prefix("2:") {
            (rule.file, rule.unified) = (file.to_string(), true);
        }
    }
    let mut steps = Vec::new();
    if let Err(error) = container(&both, &[], host, &mut steps) {
        return error.to_string();
    }
    let written = steps.iter().filter_map(|planned| match &planned.step {
        Step::WriteCgroup { file, value, .. } => Some(format!("{file}={value}")),
        Step::DeviceProgram { rules, .. } => Some(format!("{} device rules", rules.len())),
        _ => None,
    });
    written.collect::<Vec<_>>().join(" ")
}

/// Every controller on v1.
fn v1_only() -> Host {
    let names = ["cpuset", "cpu", "devices", "memory", "blkio", "pids"];
    let controllers =
        names.map(|name| Controller { name: name.into(), hierarchy: 1, enabled: true }).to_vec();
    let hierarchies = names.map(|name| hierarchy(&format!("/cg/{name}"), &[name])).to_vec();
    Host { hierarchies, controllers, cpus: 8, ..Host::default() }
}

/// Only what is said of the same setting stands for a rule: one controller's settings may be said in the words of both.
#[test]
fn no_setting_is_lost_for_another_one_of_its_controller() {
    let profile = [
        "memory.limit_in_bytes=64M",
        "2:memory.low=16M",
        "2:cpu.weight=50",
        "cpu.cfs_period_us=50000",
        "cpu.cfs_quota_us=25000",
        "2:io.weight=50",
        "blkio.throttle.read_bps_device=8:0 1048576",
        "cpuset.mems=0",
        "2:cpuset.cpus=0",
    ];
    assert_eq!(
        mixed(&profile, &v2_only()),
        "memory.max=64M memory.low=16M cpu.weight=50 cpu.max=max 50000 cpu.max=25000 io.weight=50 \
         io.max=8:0 rbps=1048576 cpuset.mems=0 cpuset.cpus=0"
    );
    assert!(mixed(&profile, &v1_only()).contains("memory.low on cgroup v1: v1 has limits and soft limits"));
    let without_low: Vec<&str> = profile.into_iter().filter(|rule| !rule.contains("low")).collect();
    assert_eq!(
        mixed(&without_low, &v1_only()),
        "memory.limit_in_bytes=64M cpu.shares=512 cpu.cfs_period_us=50000 cpu.cfs_quota_us=25000 blkio.weight=250 \
         blkio.throttle.read_bps_device=8:0 1048576 cpuset.mems=0 cpuset.cpus=0"
    );
    for (rules, on_v2, on_v1) in [
        // One setting each, in the words of both, or in what comes closest.
        (
            &["memory.limit_in_bytes=64M", "2:memory.max=32M", "2:memory.swap.max=0"][..],
            "memory.max=32M memory.swap.max=0",
            "memory.limit_in_bytes=64M memory.memsw.limit_in_bytes=67108864",
        ),
        (
            &["memory.limit_in_bytes=64M", "memory.soft_limit_in_bytes=32M", "2:memory.high=32M"],
            "memory.max=64M memory.high=32M",
            "memory.limit_in_bytes=64M memory.soft_limit_in_bytes=32M",
        ),
        (
            &["cpu.cfs_quota_us=1000", "cpu.cfs_period_us=9000", "2:cpu.max=2000 8000"],
            "cpu.max=2000 8000",
            "cpu.cfs_period_us=8000 cpu.cfs_quota_us=2000 cpu.cfs_quota_us=1000 cpu.cfs_period_us=9000",
        ),
        (
            &["cpu.cfs_period_us=50000", "2:cpu.max=25000 50000"],
            "cpu.max=25000 50000",
            "cpu.cfs_period_us=50000 cpu.cfs_quota_us=25000 cpu.cfs_period_us=50000",
        ),
        (
            &["2:io.max=8:0 rbps=5", "blkio.throttle.write_bps_device=8:16 7"],
            "io.max=8:16 wbps=7 io.max=8:0 rbps=5",
            "blkio.throttle.read_bps_device=8:0 5 blkio.throttle.write_bps_device=8:16 7",
        ),
        (&["cpuset.cpus=0", "2:cpuset.cpus=1"], "cpuset.cpus=1", "cpuset.cpus=0"),
        (
            &["devices.deny=a", "2:devices.deny=a", "2:devices.allow=c 1:3 rw"],
            "2 device rules",
            "devices.deny=a",
        ),
        (&["2:devices.deny=a"], "1 device rules", "devices.deny=a"),
    ] {
        assert_eq!((mixed(rules, &v2_only()).as_str(), mixed(rules, &v1_only()).as_str()), (on_v2, on_v1));
    }
}

#[test]
fn memory_with_swap_comes_after_the_last_limit_of_memory() {
    let rules = [
        "memory.memsw.limit_in_bytes=96M",
        "memory.limit_in_bytes=64M",
        "pids.max=9",
        "memory.limit_in_bytes=32M",
    ];
    assert_eq!(
        mixed(&rules, &v1_only()),
        "memory.limit_in_bytes=64M pids.max=9 memory.limit_in_bytes=32M memory.memsw.limit_in_bytes=96M"
    );
    assert_eq!(
        mixed(&rules, &v2_only()),
        "memory.max=64M pids.max=9 memory.max=32M memory.swap.max=67108864"
    );
}
