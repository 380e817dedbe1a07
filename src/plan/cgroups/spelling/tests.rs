use super::*;

fn spelled(rules: &[(&str, &str)], unified: bool, version: Version) -> String {
    let mut speller = Speller::default();
    let mut all = Vec::new();
    for (file, value) in rules {
        let rule = CgroupRule {
            file: file.to_string(),
            value: value.to_string(),
            unified,
            origin: Origin::default(),
        };
        match speller.spell(&rule, version) {
            Ok(written) => all.extend(written.iter().map(|one| format!("{}={}", one.file, one.value))),
            Err(error) => all.push(error.to_string()),
        }
    }
    all.join(" | ")
}

fn v2(rules: &[(&str, &str)]) -> String {
    spelled(rules, false, Version::V2)
}

fn v1(rules: &[(&str, &str)]) -> String {
    spelled(rules, true, Version::V1)
}

#[test]
fn v1_on_v2() {
    assert_eq!(v2(&[("cpu.shares", "1234")]), "cpu.weight=121");
    assert_eq!(v2(&[("cpu.shares", "1024")]), "cpu.weight=100");
    assert_eq!(v2(&[("cpu.shares", "2")]), "cpu.weight=1");
    assert_eq!(v2(&[("cpu.shares", "99999999")]), "cpu.weight=10000");
    assert_eq!(
        v2(&[("cpu.cfs_quota_us", "20000"), ("cpu.cfs_period_us", "50000")]),
        "cpu.max=20000 | cpu.max=20000 50000"
    );
    assert_eq!(
        v2(&[("cpu.cfs_period_us", "50000"), ("cpu.cfs_quota_us", "-1")]),
        "cpu.max=max 50000 | cpu.max=max"
    );
    assert_eq!(
        v2(&[("memory.limit_in_bytes", "64M"), ("memory.memsw.limit_in_bytes", "96M")]),
        "memory.max=64M | memory.swap.max=33554432"
    );
    assert_eq!(v2(&[("memory.limit_in_bytes", "-1")]), "memory.max=max");
    assert_eq!(v2(&[("blkio.weight", "500"), ("blkio.weight", "1000")]), "io.weight=100 | io.weight=200");
    assert_eq!(v2(&[("blkio.throttle.read_bps_device", "8:0 1048576")]), "io.max=8:0 rbps=1048576");
    assert_eq!(v2(&[("freezer.state", "FROZEN"), ("pids.max", "max")]), "cgroup.freeze=1 | pids.max=max");
    assert_eq!(v2(&[("hugetlb.2MB.limit_in_bytes", "4M")]), "hugetlb.2MB.max=4M");
    assert_eq!(
        v2(&[("cpuset.cpus", "0,1"), ("cpuset.cpu_exclusive", "1")]),
        "cpuset.cpus=0,1 | cpuset.cpus.partition=root"
    );
}

#[test]
fn v2_on_v1() {
    assert_eq!(v1(&[("cpu.weight", "121"), ("cpu.weight", "100")]), "cpu.shares=1239 | cpu.shares=1024");
    assert_eq!(v1(&[("cpu.max", "20000 50000")]), "cpu.cfs_period_us=50000 | cpu.cfs_quota_us=20000");
    assert_eq!(v1(&[("cpu.max", "max")]), "cpu.cfs_quota_us=-1");
    assert_eq!(
        v1(&[("memory.max", "64M"), ("memory.swap.max", "32M")]),
        "memory.limit_in_bytes=64M | memory.memsw.limit_in_bytes=100663296"
    );
    assert_eq!(
        v1(&[("io.max", "8:0 rbps=1 wiops=max")]),
        "blkio.throttle.read_bps_device=8:0 1 | blkio.throttle.write_iops_device=8:0 0"
    );
    assert_eq!(
        v1(&[("io.weight", "default 100"), ("cgroup.freeze", "1")]),
        "blkio.weight=500 | freezer.state=FROZEN"
    );
}

/// Each row of the table in docs/cgroups.md, both ways; a row that is not here, or not there, fails.
#[test]
fn every_row_of_the_documents_table() {
    type Rules = &'static [(&'static str, &'static str)];
    const LIMIT: (&str, &str) = ("memory.limit_in_bytes", "64M");
    const MAX: (&str, &str) = ("memory.max", "64M");
    let pairs: &[(&str, Rules, Rules)] = &[
        ("cpuset.cpus", &[("cpuset.cpus", "0,1")], &[("cpuset.cpus", "0,1")]),
        ("cpuset.mems", &[("cpuset.mems", "0")], &[("cpuset.mems", "0")]),
        ("cpuset.cpu_exclusive", &[("cpuset.cpu_exclusive", "1")], &[("cpuset.cpus.partition", "root")]),
        ("cpuset.cpu_exclusive", &[("cpuset.cpu_exclusive", "0")], &[("cpuset.cpus.partition", "member")]),
        ("cpu.shares", &[("cpu.shares", "512")], &[("cpu.weight", "50")]),
        ("cpu.cfs_quota_us", &[("cpu.cfs_quota_us", "-1")], &[("cpu.max", "max")]),
        ("cpu.cfs_period_us", &[("cpu.cfs_quota_us", "20000")], &[("cpu.max", "20000")]),
        ("memory.limit_in_bytes", &[LIMIT], &[MAX]),
        ("memory.limit_in_bytes", &[("memory.limit_in_bytes", "-1")], &[("memory.max", "max")]),
        (
            "memory.memsw.limit_in_bytes",
            &[LIMIT, ("memory.memsw.limit_in_bytes", "100663296")],
            &[MAX, ("memory.swap.max", "33554432")],
        ),
        ("pids.max", &[("pids.max", "64")], &[("pids.max", "64")]),
        ("rdma.max", &[("rdma.max", "mlx4_0 hca_handle=2")], &[("rdma.max", "mlx4_0 hca_handle=2")]),
        ("misc.max", &[("misc.max", "res_a 3")], &[("misc.max", "res_a 3")]),
        (
            "hugetlb.SIZE.limit_in_bytes",
            &[("hugetlb.2MB.limit_in_bytes", "4M")],
            &[("hugetlb.2MB.max", "4M")],
        ),
        (
            "hugetlb.SIZE.limit_in_bytes",
            &[("hugetlb.2MB.limit_in_bytes", "-1")],
            &[("hugetlb.2MB.max", "max")],
        ),
        ("blkio.weight", &[("blkio.weight", "500")], &[("io.weight", "100")]),
        ("blkio.bfq.weight", &[("blkio.bfq.weight", "200")], &[("io.bfq.weight", "200")]),
        (
            "blkio.throttle.read_bps_device",
            &[("blkio.throttle.read_bps_device", "8:0 1048576")],
            &[("io.max", "8:0 rbps=1048576")],
        ),
        (
            "blkio.throttle.read_bps_device",
            &[("blkio.throttle.write_bps_device", "8:0 0")],
            &[("io.max", "8:0 wbps=max")],
        ),
        (
            "blkio.throttle.read_bps_device",
            &[("blkio.throttle.read_iops_device", "8:0 7")],
            &[("io.max", "8:0 riops=7")],
        ),
        (
            "blkio.throttle.read_bps_device",
            &[("blkio.throttle.write_iops_device", "8:0 7")],
            &[("io.max", "8:0 wiops=7")],
        ),
        ("freezer.state", &[("freezer.state", "FROZEN")], &[("cgroup.freeze", "1")]),
        ("freezer.state", &[("freezer.state", "THAWED")], &[("cgroup.freeze", "0")]),
    ];
    for (_, one, other) in pairs {
        let text = |rules: Rules| {
            rules.iter().map(|(file, value)| format!("{file}={value}")).collect::<Vec<_>>().join(" | ")
        };
        assert_eq!((v2(one), v1(other)), (text(other), text(one)));
    }
    let document = include_str!("../../../../docs/cgroups.md");
    let rows = document.lines().skip_while(|line| !line.starts_with("| v1 | v2 |")).skip(2);
    let mut seen = Vec::new();
    for row in rows.take_while(|row| row.starts_with('|')) {
        let first = row.split('|').nth(1).unwrap();
        seen.extend(first.split('`').skip(1).step_by(2));
    }
    // A program, tested with its policy (src/apply/devices.rs).
    seen.retain(|name| !name.starts_with("devices."));
    for name in &seen {
        assert!(pairs.iter().any(|(row, ..)| row == name), "{name} has no test");
    }
    for (row, ..) in pairs {
        assert!(seen.contains(row), "{row} is in no row of the document");
    }
}

#[test]
fn what_is_set_already_counts() {
    let mut speller = Speller::knowing(Some("20000 100000\n"), Some("67108864"));
    let mut v2 = |file: &str, value: &str| {
        let rule =
            CgroupRule { file: file.into(), value: value.into(), unified: false, origin: Origin::default() };
        speller.spell(&rule, Version::V2).unwrap()[0].value.clone()
    };
    // A period alone must not lose the quota.
    assert_eq!(v2("cpu.cfs_period_us", "50000"), "20000 50000");
    assert_eq!(v2("memory.memsw.limit_in_bytes", "96M"), "33554432");
    assert_eq!(Speller::knowing(None, Some("9223372036854771712")).limit, None);
}

#[test]
fn what_has_no_equal_is_an_error_with_the_reason() {
    for (file, value, why) in [
        ("memory.soft_limit_in_bytes", "1M", "protects what is below"),
        ("memory.kmem.limit_in_bytes", "1M", "counts the kernel's memory with the rest"),
        ("memory.memsw.limit_in_bytes", "1M", "memory.limit_in_bytes is not set before"),
        ("cpu.rt_runtime_us", "1000", "no real-time budget"),
        ("net_cls.classid", "1", "no such controller"),
        ("cpu.shares", "many", "\"many\" is not a number"),
        ("freezer.state", "FREEZING", "is not FROZEN or THAWED"),
        ("cpuset.memory_migrate", "1", "no such setting"),
    ] {
        assert!(v2(&[(file, value)]).contains(why), "{file}: {}", v2(&[(file, value)]));
    }
    for (file, value, why) in [
        ("memory.low", "1M", "limits and soft limits only"),
        ("memory.swap.max", "1M", "memory.max is not set before"),
        ("io.weight", "5000", "2..=200"),
        ("cpuset.cpus.partition", "isolated", "no isolated partitions"),
        ("io.max", "8:0 fast=1", "one of rbps="),
    ] {
        assert!(v1(&[(file, value)]).contains(why), "{file}: {}", v1(&[(file, value)]));
    }
}

#[test]
fn the_native_spelling_stays_as_it_is() {
    assert_eq!(spelled(&[("cpu.shares", " x ")], false, Version::V1), "cpu.shares= x ");
    assert_eq!(spelled(&[("memory.high", "1M")], true, Version::V2), "memory.high=1M");
    assert_eq!(
        (family("io.max"), family("cgroup.freeze"), family("cpu.weight")),
        ("blkio", "freezer", "cpu")
    );
}
