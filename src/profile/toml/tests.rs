use super::{parse, read};
use crate::profile::Board;
use crate::profile::board::Layout;
use crate::profile::container::*;
use crate::profile::lxc;
use crate::profile::value::*;
use std::collections::BTreeSet;

const P4080DS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/boards/p4080ds.toml");
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/boards/demo.toml");
const SEED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/foo23.conf");

fn model(text: &str) -> Board {
    parse(text.as_bytes(), &"b/p".into()).unwrap_or_else(|error| panic!("{error}"))
}

fn error(text: impl AsRef<[u8]>) -> String {
    match parse(text.as_ref(), &"b/p".into()) {
        Ok(_) => panic!("{}", String::from_utf8_lossy(text.as_ref())),
        Err(error) => error.to_string(),
    }
}

/// A profile with one container `c`, whose section begins on line 3.
fn with(lines: &str) -> String {
    format!("[board]\nname = 'b'\n[[container]]\nname = 'c'\n{lines}\n")
}

#[test]
fn a_container_that_spells_out_lxcs_defaults_is_the_seeds() {
    let board = read(P4080DS).unwrap();
    let seed = lxc::read(SEED, &"foo23".parse().unwrap(), &[]).unwrap();
    assert_eq!(board.containers[0], seed);
}

#[test]
fn a_board_is_read() {
    let board = read(P4080DS).unwrap();
    assert_eq!((board.name.as_str(), board.arch.as_str(), board.cpus), ("p4080ds", "ppc", Some(8)));
    assert_eq!(board.memory, Some(4 << 30));
    assert_eq!(board.compatible, ["fsl,P4080DS"]);
    assert_eq!(board.bridges.len(), 1);
    assert_eq!(board.bridges[0].ports, ["eth0".parse().unwrap()]);
    let place = board.containers[1].origin.to_string();
    assert!(place.contains("boards/p4080ds.toml:") && place.ends_with(":1"), "{place}");
    let board = model(
        "board = { name = 'b', arch = 'arm64' }\n\
         cgroup = { layout = 'v2', mountpoint = '/cg', controllers = ['cpu', 'cpuacct', 'memory'],\n\
         comount = [['cpu', 'cpuacct']], favordynmods = true }\n\
         bridge = [{ name = 'br0', hwaddr = '02:00:00:00:00:01', mtu = 1400, ipv4 = ['10.0.0.1/8', '10.0.0.2/8'],\n\
         ipv6 = 'fd00::1' }]",
    );
    assert_eq!((board.arch.as_str(), board.cgroup.layout), ("aarch64", Layout::V2));
    assert_eq!((board.cgroup.comount.len(), board.cgroup.favordynmods), (1, true));
    assert_eq!((board.bridges[0].ipv4.len(), board.bridges[0].mtu), (2, Some(1400)));
    assert_eq!(model("board.name = 'b'").cgroup, Default::default());
}

#[test]
fn every_board_is_read_and_listed_and_says_what_it_is() {
    let boards = concat!(env!("CARGO_MANIFEST_DIR"), "/boards");
    let readme = std::fs::read_to_string(format!("{boards}/README.md")).unwrap();
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(boards).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let board = read(path.to_str().unwrap()).unwrap_or_else(|error| panic!("{error}"));
        assert!(readme.contains(&format!("\n| `{}.toml` |", board.name)), "{}", board.name);
        assert_eq!(path.file_stem().unwrap().to_str(), Some(board.name.as_str()));
        assert!(board.cpus.is_some() && !board.description.is_empty(), "{}", board.name);
        // What `make demo` runs on is any machine.
        if board.name != "demo" {
            // A PC has no device tree.
            let trees = usize::from(board.arch != "x86_64");
            assert!(board.memory.is_some() && board.compatible.len() == trees, "{}", board.name);
            assert!(board.containers.len() >= 2 && !board.arch.is_empty(), "{}", board.name);
        }
        seen.push(board.name);
    }
    for name in [
        "p4080ds",
        "ls1046ardb",
        "imx8mm-evk",
        "raspberrypi-4",
        "qemu-ppce500",
        "qemu-virt-aarch64",
        "qemu-q35",
    ] {
        assert!(seen.iter().any(|other| other == name), "{name}");
    }
    let (real, emulated) =
        (read(P4080DS).unwrap(), read(&P4080DS.replace("p4080ds", "qemu-ppce500")).unwrap());
    assert_eq!((real.containers, real.cgroup), (emulated.containers, emulated.cgroup));
    assert_eq!(
        (emulated.compatible.as_slice(), emulated.memory),
        (["fsl,qemu-e500".into()].as_slice(), Some(512 << 20))
    );
}

#[test]
fn the_demos_containers_sit_on_one_vepa_link() {
    let board = read(DEMO).unwrap();
    let names: Vec<&str> = board.containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["demo-a", "demo-b"]);
    for container in &board.containers {
        assert_eq!(container.rootfs.as_deref(), Some("/run/boardbox-demo/rootfs"));
        assert_eq!(container.mounts[0].target, "lib");
        for nic in &container.network {
            assert!(
                matches!(&nic.kind, NicKind::Macvlan { link, mode: MacvlanMode::Vepa } if link.as_str() == "br0")
            );
        }
    }
}

#[test]
fn defaults_are_the_safe_ones_and_every_key_says_otherwise() {
    let plain = &model(&with("")).containers[0];
    let mut expected = Container::toml_defaults("c".parse().unwrap());
    expected.cgroup = plain.cgroup.clone();
    assert_eq!(*plain, expected);
    let rules: Vec<&str> = plain.cgroup.iter().map(|rule| rule.value.as_str()).collect();
    assert_eq!(
        rules.join(", "),
        "a, c *:* m, b *:* m, c 1:3 rwm, c 1:5 rwm, c 1:7 rwm, c 1:8 rwm, c 1:9 rwm, c 5:0 rwm, c 5:1 rwm, c 5:2 rwm, \
         c 136:* rwm"
    );
    let other = &model(&with(
        "hostname = ''\nrootfs = '/r'\nrootfs-read-only = true\nrootfs-mount = '/m'\ncommand = ['a', '']\n\
         execute-command = ['e']\nenvironment = { A = 'b c' }\ncwd = '/w'\nuser = 1\ngroup = 2\narch = 'i686'\n\
         pts = false\ntty = 3\ntty-dir = 'lxc'\ndev = 'rootfs'\nconsole = 'none'\nproc = 'none'\nsys = 'mixed'\ncgroup-mount = 'full:rw'\n\
         fstab = '/f'\nmounts = [{ bind = '/lib', to = '/lib' }]\ndevices = { deny = [] }\ncapabilities = 'all'\n\
         no-new-privs = true\nnetwork = 'host'\nstop-signal = 'TERM'\nlog-level = 'debug'\nlog-file = '/l'",
    ))
    .containers[0];
    let defaults = Container::lxc_defaults("c".parse().unwrap());
    assert_eq!(other.hostname, None);
    assert_eq!((other.rootfs_read_only, other.rootfs_mount.as_deref()), (true, Some("/m")));
    assert_eq!((other.command.len(), other.execute_command.len()), (2, 1));
    assert_eq!(other.environment, [("A".to_string(), "b c".to_string())]);
    assert_eq!((other.cwd.as_deref(), other.uid, other.gid), (Some("/w"), 1, 2));
    assert_eq!((other.personality, other.pts, other.tty), (Personality::Linux32, false, 3));
    assert_eq!((other.tty_dir.as_str(), other.dev, &other.console), ("lxc", Dev::Rootfs, &Console::None));
    let cgroup = Some(CgroupMount { mode: AutoMode::Rw, full: true });
    assert_eq!(other.auto_mounts, AutoMounts { proc: None, sys: Some(AutoMode::Mixed), cgroup });
    assert_eq!(other.fstab.as_ref().map(|fstab| fstab.0.as_str()), Some("/f"));
    assert_eq!((other.mounts[0].target.as_str(), &other.cgroup), ("lib", &defaults.cgroup));
    assert_eq!((other.capabilities, other.no_new_privs), (Capabilities::All, true));
    assert_eq!((other.own_network, other.stop_signal), (false, Signal::TERM));
    assert_eq!((other.log_level, other.log_file.as_deref()), (Some(log::LevelFilter::Debug), Some("/l")));
}

#[test]
fn limits_become_cgroup_files_in_order_devices_last() {
    let container = &model(&with(
        "devices = { allow = ['standard', 'c 10:200 rw # tun'] }\n\
         cgroup = [['blkio.weight', '500'], ['cpu.stat', 'x y']]\n\
         pids = { max = 9 }\nmemory = { limit = '1M', soft-limit = 4096, limit-with-swap = '2M', swappiness = 0 }\n\
         cpu = { quota = 1000, period = 2000, shares = 2, rt-runtime = 0, rt-period = 1 }\n\
         cpuset = { mems = '0', cpus = '1,0' }",
    ))
    .containers[0];
    let rules: Vec<String> =
        container.cgroup.iter().map(|rule| format!("{}={}", rule.file, rule.value)).collect();
    assert_eq!(
        rules[..13],
        [
            "cpuset.cpus=1,0",
            "cpuset.mems=0",
            "cpu.shares=2",
            "cpu.cfs_period_us=2000",
            "cpu.cfs_quota_us=1000",
            "cpu.rt_period_us=1",
            "cpu.rt_runtime_us=0",
            "memory.limit_in_bytes=1048576",
            "memory.soft_limit_in_bytes=4096",
            "memory.memsw.limit_in_bytes=2097152",
            "memory.swappiness=0",
            "pids.max=9",
            "blkio.weight=500",
        ]
    );
    assert_eq!(rules[14], "devices.deny=a");
    assert_eq!(rules[15], "devices.allow=c *:* m");
    assert_eq!(rules.last().unwrap(), "devices.allow=c 10:200 rw");
}

#[test]
fn disks_and_exclusive_cpus_and_protected_memory() {
    let container = &model(&with(
        "io = { weight = 50, throttle = [{ device = '8:0', read-bps = '1M', write-iops = 7 }] }\n\
         memory = { low = '16M' }\ncpuset = { cpus = '1', exclusive = true }",
    ))
    .containers[0];
    let rule = |rule: &crate::profile::container::CgroupRule| {
        format!("{}{}={}", if rule.unified { "v2 " } else { "" }, rule.file, rule.value)
    };
    let rules: Vec<String> = container.cgroup.iter().take(6).map(rule).collect();
    assert_eq!(
        rules,
        [
            "cpuset.cpus=1",
            "cpuset.cpu_exclusive=1",
            "v2 memory.low=16777216",
            "v2 io.weight=50",
            "blkio.throttle.read_bps_device=8:0 1048576",
            "blkio.throttle.write_iops_device=8:0 7",
        ]
    );
}

#[test]
#[allow(clippy::useless_conversion)]
fn a_mount_is_a_bind_or_a_file_system() {
    let container = &model(&with(
        "mounts = [{ bind = '/a b', to = 'x', read-only = true, recursive = true, optional = true, create = 'file' },\n\
         { type = 'tmpfs', to = '/y/z', options = 'ro,nodev,size=1M,rslave', read-only = false }]",
    ))
    .containers[0];
    let (bind, tmpfs) = (&container.mounts[0], &container.mounts[1]);
    let flags = |flags: libc::c_ulong| u64::from(flags);
    assert_eq!(bind.flags.set, flags(libc::MS_BIND | libc::MS_REC | libc::MS_RDONLY));
    assert_eq!((bind.source.as_str(), bind.fstype.as_str(), bind.optional), ("/a b", "none", true));
    assert_eq!(bind.create, Some(CreateTarget::File));
    assert_eq!(
        (tmpfs.source.as_str(), tmpfs.target.as_str(), tmpfs.data.as_str()),
        ("tmpfs", "y/z", "size=1M")
    );
    assert_eq!((tmpfs.flags.set, tmpfs.flags.clear), (flags(libc::MS_NODEV), flags(libc::MS_RDONLY)));
    assert_eq!(tmpfs.flags.propagation, flags(libc::MS_SLAVE | libc::MS_REC));
}

#[test]
fn capabilities_and_interfaces_have_several_forms() {
    let caps = |value: &str| model(&with(&format!("capabilities = {value}"))).containers[0].capabilities;
    assert_eq!(caps("['chown', 'CAP_KILL']"), Capabilities::Keep(CapSet(1 | 1 << 5)));
    assert_eq!(caps("{ keep = [] }"), Capabilities::Keep(CapSet(0)));
    assert_eq!(caps("{ drop = ['chown'] }"), Capabilities::Drop(CapSet(1)));
    let container = &model(&with(
        "[[container.network]]\ntype = 'empty'\n[[container.network]]\ntype = 'macvlan'\nlink = 'br0'\nup = false\n\
         hwaddr = '02:00:00:00:00:01'\nmtu = 1500\nipv4 = '10.0.0.1/8 10.0.0.255'\nipv6 = ['fd00::1', 'fd00::2/9']\n\
         ipv4-gateway = 'auto'\nipv6-gateway = 'fe80::1'",
    ))
    .containers[0];
    let nic = &container.network[1];
    assert!(container.own_network && container.network[0].up && container.network[0].kind == NicKind::Empty);
    assert!(matches!(nic.kind, NicKind::Macvlan { mode: MacvlanMode::Private, .. }));
    assert_eq!((nic.up, nic.mtu, nic.ipv6.len(), nic.name.is_none()), (false, Some(1500), 2, true));
    assert_eq!((nic.gateway4, nic.ipv4[0].broadcast), (Some(Gateway4::Auto), Some([10, 0, 0, 255].into())));
}

#[test]
fn what_is_wrong_is_named_with_line_and_column() {
    for (text, message) in [
        ("[board\n", "b/p:1:7: unclosed table"),
        ("[board]\nname = 'b'\nname = 'c'", "b/p:3:1: duplicate key"),
        ("[board]", "b/p:1:1: key \"name\" is missing"),
        (
            "name = 'b'",
            "b/p:1:1: unknown key \"name\" (known here: extends, board, check, cgroup, bridge, container)",
        ),
        ("[board]\nnam = 'b'", "b/p:2:1: unknown key \"nam\" (did you mean name?)"),
        ("[board]\nname = ''", "b/p:2:8: name: is empty"),
        ("[board]\nname = \"a\\u0000\"", "b/p:2:8: name: \"a\\0\" holds '\\0'"),
        ("[board]\nname = 'b'\ncpus = '8'", "b/p:3:8: '8' stands where a whole number is expected"),
        ("[board]\nname = 'b'\ncpus = 1025", "b/p:3:8: cpus: 1025 is not a number 1..=1024"),
        (
            "[board]\nname = 'b'\ncpus = 99999999999999999999",
            "b/p:3:8: 99999999999999999999 stands where a whole",
        ),
        ("[board]\nname = 'b'\ncpus = 9223372036854775808", "b/p:3:8: 9223372036854775808 stands where"),
        (
            "[board]\nname = 'b'\n[[bridge]]\nname = 'x'\nports = ['e', 'e']",
            "b/p:5:15: bridge \"x\": ports: \"e\" is named twice",
        ),
        (
            "[board]\nname = 'b'\nmemory = '1X'",
            "b/p:3:10: memory: \"1X\" is not a size (a number of bytes, or",
        ),
        ("[board]\nname = 'b'\nmemory = 640", "b/p:3:10: memory: 640 bytes are less than 1048576"),
        ("[board]\nname = 'b'\narch = 'x87'", "b/p:3:8: arch: architecture \"x87\" is unknown"),
        ("board = 3", "b/p:1:9: 3 stands where a table is expected"),
        ("container = 'x'\n[board]\nname = 'b'", "b/p:1:13: 'x' stands where a list is expected"),
        (
            "[board]\nname = 'b'\n[cgroup]\nlayout = 'v3'",
            "b/p:4:10: layout: layout \"v3\" is unknown (auto, v1 or v2)",
        ),
        (
            "[board]\nname = 'b'\n[cgroup]\ncontrollers = ['cpu', 'cpu']",
            "b/p:4:23: controllers: \"cpu\" is named twice",
        ),
        (
            "[board]\nname = 'b'\n[cgroup]\ncomount = [['net_cls']]",
            "b/p:4:13: comount: \"net_cls\" is not one of",
        ),
        ("[board]\nname = 'b'\n[cgroup]\ncontrollers = ['../x']", "b/p:4:16: controllers: \"../x\" is not a"),
        (
            "[board]\nname = 'b'\n[[bridge]]\nname = 'br-network'\nports = ['eth0']\nrelay = true",
            "b/p:4:8: bridge \"br-network\": relay: interface name \"br-network-relay\": is longer than \
             the kernel's 15 bytes (with relay = true, a bridge's name has at most 9 bytes)",
        ),
        (
            "[board]\nname = 'b'\n[[bridge]]\nname = 'br0'\nrelay = true",
            "b/p:3:1: bridge \"br0\": relay: there is no port to relay to",
        ),
        (
            "[board]\nname = 'b'\n[[bridge]]\nname = 'br0'\nports = ['eth0', 'br0']",
            "b/p:5:18: bridge \"br0\": ports: a bridge is not its own port",
        ),
        (
            "[board]\nname = 'b'\n[[bridge]]\nname = 'br0'\nports = ['a-name-of-sixteen']",
            "b/p:5:10: bridge \"br0\": ports: interface name \"a-name-of-sixteen\": is longer than",
        ),
        (
            "[board]\nname = 'b'\n[[bridge]]\nname = 'br0'\nports = ['e']\n[[bridge]]\nname = 'br1'\nports = ['e']",
            "b/p:8:10: bridge \"br1\": ports: \"e\" is named twice",
        ),
        (
            "[board]\nname = 'b'\n[[bridge]]\nname = 'x'\n[[bridge]]\nname = 'x'",
            "b/p:6:8: bridge \"x\": name: \"x\" is named twice",
        ),
        (
            "[board]\nname = 'b'\n[[bridge]]\nname = 'x'\nports = 'e'",
            "b/p:5:9: bridge \"x\": 'e' stands where a list is",
        ),
        ("[board]\nname = 'b'\n[[container]]\n", "b/p:3:1: key \"name\" is missing (a container has a name)"),
        (
            "[board]\nname = 'b'\n[[container]]\nname = '-c'",
            "b/p:4:8: name: container name \"-c\": starts with",
        ),
        (
            "[board]\nname = 'b'\n[[container]]\nname = 'c'\n[[container]]\nname = 'c'",
            "b/p:6:8: container \"c\" is declared twice (the first one: b/p:3:1)",
        ),
        (
            "[board]\nname = 'b'\ncpus = 2\n[[container]]\nname = 'c'\ncpuset = { cpus = '0-2' }",
            "b/p:6:19: container \"c\": cpuset.cpus: cpu list \"0-2\": there is no cpu 2 (the board has 2 cpus,",
        ),
        (
            "[board]\nname = 'b'\n[[container]]\nconfig = 'x.conf'\ntty = 1",
            "b/p:5:1: key \"tty\" stands beside config",
        ),
        (
            "[board]\nname = 'b'\n[[container]]\nconfig = 'x.conf'",
            "b/p:4:10: container \"x\": read LXC file b/x.conf: No such file",
        ),
        (
            "[board]\nname = 'b'\n[[container]]\nconfig = '.conf/..'",
            "b/p:4:10: config: container name \"\": is empty",
        ),
    ] {
        let error = error(text);
        assert!(error.starts_with(message), "{error}");
    }
    assert!(error(b"# \xc3\xb6 \xff").starts_with("b/p:1:5: a byte that is not UTF-8"));
    assert!(error(vec![b'x'; 10_000_000]).starts_with("b/p:1:1048577: the file is longer than 1 MiB"));
    assert!(error("[board]\nname = 'b\0'").starts_with("b/p:2:10: invalid literal string"));
    assert!(error(format!("a = {}", "[".repeat(100_000))).starts_with("b/p:1:"));
    model("[board]\r\nname = 'b'\r\n");
}

#[test]
fn what_is_wrong_in_a_container_is_named_with_line_and_column() {
    for (line, message) in [
        ("hostnam = 'x'", "5:1: container \"c\": unknown key \"hostnam\" (did you mean hostname?)"),
        ("hostname = 'a b'", "5:12: container \"c\": hostname: host name \"a b\" holds ' '"),
        ("rootfs = 'r'", "5:10: container \"c\": rootfs: path \"r\" is not absolute"),
        ("command = '/bin/sh'", "5:11: container \"c\": '/bin/sh' stands where a list is expected"),
        ("command = ['']", "5:12: container \"c\": command: the command is empty"),
        ("command = ['a', \"\\u0000\"]", "5:17: container \"c\": command: a NUL cannot be passed on"),
        (
            "environment = { 'A=' = 'x' }",
            "5:17: container \"c\": environment: variable name \"A=\" holds '='",
        ),
        ("environment = { A = 1 }", "5:21: container \"c\": 1 stands where a string is expected"),
        ("user = -1", "5:8: container \"c\": user: -1 is not a number 0..=4294967294"),
        ("tty = 33", "5:7: container \"c\": tty: 33 is not a number 0..=32"),
        ("tty-dir = '../x'", "5:11: container \"c\": tty-dir: \"../x\" is not a directory under /dev"),
        ("dev = 'devtmpfs'", "5:7: container \"c\": dev: \"devtmpfs\" is unknown (tmpfs or rootfs)"),
        (
            "console = 'tty'",
            "5:11: container \"c\": console: \"tty\" is unknown (pty, none or an absolute path)",
        ),
        ("proc = 'yes'", "5:8: container \"c\": proc: \"yes\" is unknown (none, ro, rw or mixed)"),
        ("mounts = [{ bind = '/l', to = '//' }]", "5:31: container \"c\": mounts.to: \"//\" is not a path"),
        ("mounts = [{ to = 'lib' }]", "5:11: container \"c\": mounts: either bind or type is needed"),
        ("mounts = [{ bind = '/lib' }]", "5:11: container \"c\": mounts: key \"to\" is missing"),
        (
            "mounts = [{ bind = '/lib', to = '../x' }]",
            "5:33: container \"c\": mounts.to: \"../x\" is not a path",
        ),
        (
            "mounts = [{ bind = '/l', to = 'x', source = '/y' }]",
            "5:45: container \"c\": mounts.source: stands beside",
        ),
        (
            "mounts = [{ bind = '/l', to = 'x', options = 'create=x' }]",
            "5:46: container \"c\": mounts.options: \"cr",
        ),
        (
            "mounts = [{ bind = '/l', to = 'x', create = 'link' }]",
            "5:45: container \"c\": mounts.create: \"link\" is",
        ),
        (
            "cpuset = { cpus = '0-x' }",
            "5:19: container \"c\": cpuset.cpus: cpu list \"0-x\": \"0-x\" at its character 1",
        ),
        ("cpuset = { cpu = '0' }", "5:12: container \"c\": unknown key \"cpu\" (did you mean cpus?)"),
        (
            "cgroup-mount = 'full:none'",
            "5:16: container \"c\": cgroup-mount: \"full:none\" is unknown (none, ro, rw or mixed",
        ),
        ("cpu = { weight = 10001 }", "5:18: container \"c\": cpu.weight: 10001 is not a number 1..=10000"),
        ("cpu = { shares = 1 }", "5:18: container \"c\": cpu.shares: 1 is not a number 2..=262144"),
        ("memory = { limit = '64MB' }", "5:20: container \"c\": memory.limit: \"64MB\" is not a size"),
        ("memory = { limit = 1.5 }", "5:20: container \"c\": 1.5 stands where a size such as"),
        (
            "memory = { limit = '2M', limit-with-swap = '1M' }",
            "5:44: container \"c\": memory.limit-with-swap: 1048576 bytes are less than 2097152",
        ),
        ("cpuset = 1979-05-27", "5:10: container \"c\": 1979-05-27 stands where a table is expected"),
        ("pts = 1", "5:7: container \"c\": 1 stands where true or false is expected"),
        (
            "devices = { allow = ['standart'] }",
            "5:22: container \"c\": devices.allow: device rule \"standart\": type",
        ),
        ("io = { weight = 1 }", "5:17: container \"c\": io.weight: 1 is not a number 2..=200"),
        ("io = { throttle = [{ read-bps = 1 }] }", "5:20: container \"c\": key \"device\" is missing"),
        (
            "io = { throttle = [{ device = 'sda' }] }",
            "5:31: container \"c\": io.throttle.device: \"sda\" is not MAJOR:MINOR of a block device",
        ),
        ("pids = { max = 0 }", "5:16: container \"c\": pids.max: 0 is not a number 1..=4194304"),
        ("cgroup = [['cpu.x']]", "5:11: container \"c\": ['cpu.x'] stands where a pair of strings"),
        ("cgroup = [['tasks', '1']]", "5:21: container \"c\": cgroup: \"tasks\" is not a file"),
        (
            "cgroup = [['devices.deny', 'a']]",
            "5:12: container \"c\": cgroup: \"devices.deny\" has keys of its own",
        ),
        (
            "devices = { allow = ['c 1:3'] }",
            "5:22: container \"c\": devices.allow: device rule \"c 1:3\": has no",
        ),
        (
            "devices = { deny = ['standard'] }",
            "5:21: container \"c\": devices.deny: device rule \"standard\": type",
        ),
        ("capabilities = 'none'", "5:16: container \"c\": 'none' stands where \"all\", a list of names"),
        (
            "capabilities = ['sys_amdin']",
            "5:17: container \"c\": capabilities: capability \"sys_amdin\" is unknown",
        ),
        (
            "capabilities = { keep = [], drop = [] }",
            "5:16: container \"c\": capabilities: one of keep and drop",
        ),
        ("capabilities = 3", "5:16: container \"c\": 3 stands where \"all\", a list of names"),
        ("network = 'none'", "5:11: container \"c\": 'none' stands where \"host\" or [["),
        ("network = [{ type = 'macvlan' }]", "5:12: container \"c\": network: this macvlan has no link"),
        (
            "network = [{ type = 'veth' }]",
            "5:21: container \"c\": network.type: interface type \"veth\" is unknown",
        ),
        (
            "network = [{ type = 'empty', link = 'x' }]",
            "5:37: container \"c\": network.link: an empty interface",
        ),
        (
            "network = [{ type = 'empty', ipv4 = '10.0.0.1/8' }]",
            "5:37: container \"c\": network.ipv4: an empty interface is the loopback alone: it has no ipv4",
        ),
        (
            "network = [{ type = 'empty', up = false }]",
            "5:35: container \"c\": network.up: an empty interface",
        ),
        (
            "network = [{ type = 'macvlan', link = 'x', ipv4 = '10.0.0.1' }]",
            "5:51: container \"c\": network.ipv4: address",
        ),
        (
            "network = [{ type = 'macvlan', link = 'x', ipv4 = ['10.0.0.1/8', 'x/8'] }]",
            "5:66: container \"c\": network.ipv4: \"x\"",
        ),
        (
            "network = [{ type = 'macvlan', link = 'x', hwaddr = '1' }]",
            "5:53: container \"c\": network.hwaddr: MAC address \"1\"",
        ),
        (
            "network = [{ type = 'macvlan', link = 'x', name = 'a' }, { type = 'macvlan', link = 'x', name = 'a' }]",
            "5:97: container \"c\": network.n",
        ),
        (
            "memory = { limit-with-swap = '1M' }",
            "5:10: container \"c\": memory: limit-with-swap is not taken without a limit",
        ),
        ("stop-signal = 'SIGFOO'", "5:15: container \"c\": stop-signal: signal \"SIGFOO\" is unknown"),
        ("log-level = 'loud'", "5:13: container \"c\": log-level: log level \"loud\" is unknown"),
        ("settings = ['lxc.tty=1']", "5:13: container \"c\": settings: has no effect without config"),
    ] {
        let error = error(with(line));
        assert!(
            error.strip_prefix("b/p:").unwrap().starts_with(message.trim_start_matches("b/p:")),
            "{error}"
        );
    }
}

#[test]
fn an_lxc_file_is_read_beside_the_profile_and_its_settings_after_it() {
    let dir = std::env::temp_dir().join(format!("boardbox-toml-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = |name: &str| dir.join(name).into_os_string().into_string().unwrap();
    std::fs::write(path("foo.conf"), "lxc.tty = 1\nlxc.cgroup.cpuset.cpus = 1\n").unwrap();
    let read = |cpus: u32, lines: &str| {
        let text = format!("[board]\nname='b'\ncpus={cpus}\n[[container]]\nconfig='foo.conf'\n{lines}");
        std::fs::write(path("p.toml"), text).unwrap();
        read(&path("p.toml")).map_err(|error| error.to_string().replace(&path(""), ""))
    };
    let foo = &read(2, "").unwrap().containers[0];
    assert_eq!((foo.name.as_str(), foo.tty, foo.dev), ("foo", 1, Dev::Rootfs));
    let foo = &read(2, "name='bar'\nsettings=['lxc.tty = 2', 'lxc.pts = 1']").unwrap().containers[0];
    assert_eq!((foo.name.as_str(), foo.tty, foo.pts), ("bar", 2, true));
    assert_eq!(
        read(1, "").unwrap_err(),
        "foo.conf:2:26: container \"foo\": cpuset.cpus: cpu list \"1\": there is no cpu 1 (the board has 1 cpus, numbered \
         from 0)"
    );
    assert_eq!(
        read(2, "settings=['lxc.tty = x']").unwrap_err(),
        "p.toml:6:11: container \"foo\": lxc.tty: \"x\" is not a number 0..=32"
    );
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The keys that the reader knows in each table, by its own word: what it answers to one it does not know.
fn known() -> Vec<(&'static str, BTreeSet<String>)> {
    let zzz = "zzzzzzzzzzzz";
    let inside = |key: &str| with(&format!("{key} = {{ {zzz} = 1 }}"));
    [
        ("[board]", format!("[board]\n{zzz} = 1")),
        ("[check]", format!("[board]\nname = 'b'\n[check]\n{zzz} = 1")),
        ("[cgroup]", format!("[board]\nname = 'b'\n[cgroup]\n{zzz} = 1")),
        ("[[bridge]]", format!("[board]\nname = 'b'\n[[bridge]]\n{zzz} = 1")),
        ("[[container]]", with(&format!("{zzz} = 1"))),
        ("mounts", with(&format!("mounts = [{{ {zzz} = 1 }}]"))),
        ("cpuset", inside("cpuset")),
        ("cpu", inside("cpu")),
        ("memory", inside("memory")),
        ("io", inside("io")),
        ("io.throttle", with(&format!("io = {{ throttle = [{{ device = '8:0', {zzz} = 1 }}] }}"))),
        ("pids", inside("pids")),
        ("devices", inside("devices")),
        ("capabilities", inside("capabilities")),
        ("[[container.network]]", with(&format!("[[container.network]]\n{zzz} = 1"))),
    ]
    .map(|(table, text)| {
        let error = error(text);
        let list = error.rsplit_once("(known here: ").unwrap_or_else(|| panic!("{table}: {error}")).1;
        (table, list.trim_end_matches(')').split(", ").map(str::to_string).collect())
    })
    .into()
}

#[test]
fn the_readme_describes_every_key_and_no_other() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/boards/README.md")).unwrap();
    let mut described: Vec<(String, BTreeSet<String>)> = Vec::new();
    for line in readme.lines() {
        if let Some(title) = line.strip_prefix('#') {
            described.push((title.trim_matches(['#', ' ', '`']).to_string(), BTreeSet::new()));
        } else if let Some(row) = line.strip_prefix("| `")
            && let Some((key, _)) = row.split_once("` |")
            && let Some(section) = described.last_mut()
            && section.0 != "Board profiles"
        {
            assert_eq!(row.matches('|').count(), 5, "five columns: {line}");
            assert!(section.1.insert(key.to_string()), "described twice: {line}");
        }
    }
    described.retain(|section| !section.1.is_empty());
    let known: Vec<(String, BTreeSet<String>)> =
        known().into_iter().map(|(table, keys)| (table.to_string(), keys)).collect();
    assert_eq!(described, known);
}

#[test]
fn startup_keys_are_read_and_an_lxc_file_is_overruled() {
    use crate::profile::startup::{Policy, Ready, Restart};
    let board = model(&with(
        "autostart = false\nrequires = ['d']\nafter = ['e']\norder = -3\nstart-delay = '2s'\nready = 'file:/run/up'\n\
         ready-timeout = '1m'\ngroups = ['g', 'h']\nrestart = 'on-failure'\nrestart-delay = '10ms'\nrestart-limit = 7\n\
         [[container]]\nname = 'd'\n[[container]]\nname = 'e'\nafter = ['d']",
    ));
    let c = &board.containers[0].startup;
    assert_eq!((c.autostart, c.order, c.delay, c.ready_timeout), (Some(false), -3, 2000, 60_000));
    let names: Vec<_> = c.dependencies().map(|(key, other)| format!("{key} {}", other.name)).collect();
    assert_eq!(names, ["requires d", "after e"]);
    assert_eq!((&c.ready, c.groups.join(" ").as_str()), (&Ready::File("/run/up".into()), "g h"));
    assert_eq!(c.restart, Restart { policy: Policy::OnFailure, delay: 10, limit: 7 });
    assert_eq!(board.containers[1].startup, Default::default());

    let dir = std::env::temp_dir().join(format!("boardbox-startup-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = "lxc.start.auto = 0\nlxc.start.delay = 3\nlxc.start.order = 7\nlxc.group = a\nlxc.group = b\n";
    std::fs::write(dir.join("foo.conf"), file).unwrap();
    let path = dir.join("p.toml");
    let read = |lines: &str| {
        let text = format!("[board]\nname='b'\n[[container]]\nconfig='foo.conf'\n{lines}");
        parse(text.as_bytes(), &path.to_str().unwrap().into())
            .map(|board| board.containers[0].startup.clone())
    };
    let said = read("").unwrap();
    assert_eq!((said.autostart, said.delay, said.order, said.groups.len()), (Some(false), 3000, 7, 2));
    let said = read("autostart = true\norder = 1\ngroups = ['c']\nrestart = 'always'").unwrap();
    assert_eq!((said.autostart, said.delay, said.order), (Some(true), 3000, 1));
    assert_eq!((said.groups.join(" ").as_str(), said.restart.policy), ("c", Policy::Always));
    let error = read("restart = 'x'").unwrap_err().to_string();
    assert!(
        error.ends_with(
            "p.toml:5:11: container \"foo\": restart: \"x\" is unknown (no, on-failure or always)"
        ),
        "{error}"
    );
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn circles_and_names_of_nobody_are_named_with_their_place() {
    let all = |keys: &[&str]| {
        let container = |(index, keys): (usize, &&str)| format!("[[container]]\nname = 'c{index}'\n{keys}\n");
        let containers: Vec<String> = keys.iter().enumerate().map(container).collect();
        format!("[board]\nname = 'b'\n{}", containers.concat())
    };
    for (keys, message) in [
        (
            &["requires = ['c0']"][..],
            "b/p:5:13: container \"c0\": they wait for each other: c0 -> c0 (take one",
        ),
        (
            &["requires = ['c1']", "after = ['c2']", "requires = ['c1']"],
            "b/p:8:10: container \"c1\": they wait for each other: c1 -> c2 -> c1 (",
        ),
        (&["after = ['c9']", ""], "b/p:5:10: container \"c0\": after: there is no container \"c9\""),
        (&["requires = ['c1', 'c1']", ""], "b/p:5:19: container \"c0\": requires: \"c1\" is named twice"),
        (&["requires = ['a b']"], "b/p:5:13: container \"c0\": requires: container name \"a b\": holds ' '"),
        (&["ready = 'tcp:x:1'"], "b/p:5:9: container \"c0\": ready: \"tcp:x:1\" has no address of numbers"),
        (
            &["restart-limit = -1"],
            "b/p:5:17: container \"c0\": restart-limit: -1 is not a number 0..=1000000",
        ),
        (&["order = 3000000000"], "b/p:5:9: container \"c0\": order: 3000000000 is not a number"),
    ] {
        let error = error(all(keys));
        assert!(error.starts_with(message), "{keys:?}: {error}");
    }
    model(&all(&["requires = ['c1', 'c2']", "requires = ['c2']", ""]));
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let text = "[board]\nname = 'b'\ncpu = 8\ncpus = 'x'\n[[bridge]]\nname = 'br0'\nports = ['br0']\n\
        [[container]]\ntty = 99\n[[container]]\nname = 'c'\ncpuset = { cpus = '0-' }\nmounts = [{ bnd = '/lib', to = 'lib' }]\n\
        [[container.network]]\ntype = 'macvlan'\nlink = 'a/b'\nhwaddr = '01:00:00:00:00:01'\n";
    let (board, findings) = super::survey(text.as_bytes(), &"p".into());
    let told: Vec<String> = findings.wrong.iter().map(|error| format!("{} {error}", error.rule)).collect();
    let expected = [
        "unknown-key p:3:1: unknown key \"cpu\" (did you mean cpus?)",
        "wrong-type p:4:8: 'x' stands where a whole number is expected",
        "value p:7:10: bridge \"br0\": ports: a bridge is not its own port",
        "missing-key p:8:1: key \"name\" is missing (a container has a name)",
        "value p:9:7: tty: 99 is not a number 0..=32",
        "unknown-key p:13:13: container \"c\": unknown key \"bnd\" (did you mean bind?)",
        "value p:17:10: container \"c\": network.hwaddr: MAC address",
        "value p:16:8: container \"c\": network.link: interface name \"a/b\"",
        "value p:12:19: container \"c\": cpuset.cpus: cpu list \"0-\"",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told} {expected}");
    }
    assert_eq!((told.len(), board.containers.len()), (expected.len(), 1), "{told:#?}");
    let (_, findings) = super::survey(b"[board]\nname = \nx y\ncpus = 'x'\n", &"p".into());
    assert!(findings.wrong.len() > 1 && findings.wrong.iter().all(|error| error.rule == "syntax"));
}
