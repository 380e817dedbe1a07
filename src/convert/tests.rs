use super::{Source, read, toml as written};
use crate::profile::container::{Container, NicKind};
use crate::profile::mutations::Random;
use crate::profile::toml::bytes;
use crate::profile::value::{CapSet, Capabilities};
use crate::profile::{lxc, toml};
use std::path::PathBuf;

mod files;

const SEED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/foo23.conf");

/// A directory of files, gone with it.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("boardbox-convert-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name).into_os_string().into_string().unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The file converted, or what is wrong with it.
    fn read(&self, name: &str, text: &str) -> Result<Source, String> {
        let path = self.write(name, text);
        read(&path, None).map_err(|error| self.short(&error.to_string()))
    }

    fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.display()), "")
    }

    fn warnings(&self, source: &Source) -> Vec<String> {
        source.warnings.iter().map(|warning| self.short(&warning.to_string())).collect()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What two containers that ask for the same have in common: writes into different files have no order, of a file that is
/// written twice the last value counts, a size is a number of bytes, and a network of its own has the loopback in any case.
fn canonical(mut c: Container) -> Container {
    let mut rules = Vec::new();
    for mut rule in std::mem::take(&mut c.cgroup) {
        let size = rule.file.ends_with("_in_bytes") || rule.file == "memory.low" && rule.unified;
        if let (true, Some(bytes)) = (size, bytes(&rule.value)) {
            rule.value = bytes.to_string();
        }
        if !rule.file.contains("_device") && rule.controller() != "devices" {
            rules.retain(|other: &crate::profile::container::CgroupRule| {
                other.file != rule.file || other.unified != rule.unified
            });
        }
        rules.push(rule);
    }
    rules.sort_by_key(written::rank);
    c.cgroup = rules;
    let mut environment: Vec<(String, String)> = Vec::new();
    for (name, value) in std::mem::take(&mut c.environment) {
        environment.retain(|other| other.0 != name);
        environment.push((name, value));
    }
    environment.sort_unstable();
    c.environment = environment;
    c.network.retain(|nic| nic.kind != NicKind::Empty);
    if c.capabilities == Capabilities::Drop(CapSet(0)) {
        c.capabilities = Capabilities::All;
    }
    c
}

fn from_lxc(text: &str) -> Container {
    lxc::parse(text.as_bytes(), &"f".into(), &"foo1".parse().unwrap())
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn from_toml(text: &str) -> Container {
    let text = format!("[board]\nname = 'b'\n{text}");
    let board = toml::parse(text.as_bytes(), &"p".into()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    board.containers.into_iter().next().unwrap()
}

fn source(container: &Container) -> Source {
    Source { containers: vec![(container.clone(), Default::default())], ..Source::default() }
}

/// There and back, by each form.
fn same_again(container: &Container, told: usize) {
    let expected = canonical(container.clone());
    let mut source = source(container);
    let text = source.to_toml();
    assert_eq!(source.warnings.len(), told, "{:?}\n{text}", source.warnings);
    assert_eq!(canonical(from_toml(&text)), expected, "{text}");
    source.warnings.clear();
    let text = source.to_lxc(None, false).unwrap();
    assert_eq!(source.warnings.len(), told, "{:?}\n{text}", source.warnings);
    let mut back = canonical(from_lxc(&text));
    back.name = expected.name.clone();
    assert_eq!(back, expected, "{text}");
    // The old names are read as the same where all of them are there.
    source.warnings.clear();
    let text = source.to_lxc(None, true).unwrap();
    if source.warnings.is_empty() {
        let mut back = canonical(from_lxc(&text));
        back.name = expected.name.clone();
        assert_eq!(back, expected, "{text}");
    }
}

#[test]
fn the_seed_is_pleasant_to_read_and_the_same_again() {
    let mut source = read(SEED, None).unwrap();
    let text = source.to_toml();
    assert!(source.warnings.is_empty());
    let network = |name: &str, third: u8| {
        format!(
            "\n[[container.network]]\ntype = \"macvlan\"\nmode = \"vepa\"\nlink = \"br0\"\nname = \"{name}\"\n\
             ipv4 = \"192.168.{third}.23/24\"\n"
        )
    };
    let expected = "[[container]]\nname = \"foo23\"\nrootfs = \"/var/lib/lxc/temp/rootfs\"\ntty = 1\ndev = \"rootfs\"\n\
         proc = \"none\"\nsys = \"none\"\nfstab = \"/var/lib/lxc/temp/fstab\"\n\
         mounts = [{ bind = \"/lib\", to = \"lib\", read-only = true }]\ncpuset = { cpus = \"0,1\" }\n\
         cpu = { shares = 1234 }\ndevices = { deny = [\"a\"], allow = [\"c 1:3 rw\", \"b 8:0 rw\"] }\n\
         capabilities = \"all\"\n";
    assert_eq!(text, format!("{expected}{}{}", network("eth0", 0), network("eth1", 128)));
    let seed = lxc::read(SEED, &"foo23".parse().unwrap(), &[]).unwrap();
    // As it is, without any allowance.
    assert_eq!(from_toml(&text), seed);
    let again = source.to_lxc(None, true).unwrap();
    assert!(again.starts_with("lxc.utsname = foo23\nlxc.rootfs = /var/lib/lxc/temp/rootfs\n"), "{again}");
    assert!(again.ends_with("lxc.network.name = eth1\nlxc.network.ipv4 = 192.168.128.23/24\n"), "{again}");
    assert_eq!(canonical(from_lxc(&again)).network, seed.network);
    same_again(&seed, 0);
}

/// A value for each key; several where it has several forms.
fn values(key: &str) -> &'static [&'static str] {
    match key {
        "lxc.kmsg" => &["0"],
        "lxc.aa_profile" | "lxc.apparmor.profile" => &["unconfined"],
        "lxc.utsname" | "lxc.uts.name" => &["foo1", "other"],
        "lxc.pts" | "lxc.pty.max" | "lxc.autodev" | "lxc.no_new_privs" | "lxc.start.auto" => &["0", "1"],
        "lxc.tty" | "lxc.tty.max" | "lxc.init.uid" | "lxc.init_uid" | "lxc.init.gid" | "lxc.init_gid" => {
            &["0", "7"]
        }
        "lxc.start.order" => &["-3"],
        "lxc.start.delay" => &["90"],
        "lxc.group" => &["a\nlxc.group = b"],
        "lxc.devttydir" | "lxc.tty.dir" => &["lxc"],
        "lxc.console" | "lxc.console.path" => &["none", "/dev/ttyS1"],
        "lxc.loglevel" | "lxc.log.level" => &["trace", "2", "error"],
        "lxc.mount.entry" => &[
            "/lib lib none bind",
            "/a\\040b c\\134d none rbind,ro,rslave,optional,create=dir",
            "tmpfs run tmpfs ro,nodev,size=1M,rw,mode=755",
            "proc proc proc",
            "/dev/sda1 data ext4 noatime,suid,exec,sync,errors=remount-ro",
            "/x y auto bind,create=file",
            "relative z none bind",
        ],
        "lxc.mount.auto" => {
            &["proc", "proc:rw sys:ro", "sys:mixed", "cgroup", "sys cgroup:ro", "cgroup-full:rw"]
        }
        "lxc.rootfs.options" => &["ro", "rw"],
        "lxc.cap.drop" => &["mknod sys_admin", "63"],
        "lxc.cap.keep" => &["none", "chown kill 41"],
        "lxc.arch" => &["powerpc", "\"i686\"", "x86_64"],
        "lxc.environment" => {
            &["A=b", "''A'='b''", "A=1\nlxc.environment = A-B=\"\\ x=y\nlxc.environment = A=2"]
        }
        "lxc.init.cmd" | "lxc.init_cmd" | "lxc.execute.cmd" => &[
            "/bin/sh -c \"a 'b' \\\" \\\\ c\" '' d",
            "\"\"/opt/my prog\" \"and more\"\"",
            "'\"/opt/my prog\"'",
        ],
        "lxc.haltsignal" | "lxc.signal.halt" => &["SIGRTMIN+3", "15", "32", "64"],
        // Beside one of these it can be no other.
        "lxc.stopsignal" => &["SIGKILL", "9"],
        "lxc.signal.stop" => &["SIGKILL", "9"],
        "lxc.network.type" => &["empty", "macvlan"],
        "lxc.network.flags" => &["up"],
        "lxc.network.hwaddr" => &["02:00:00:00:00:01"],
        "lxc.network.mtu" => &["1400"],
        "lxc.network.macvlan.mode" => &["vepa", "private", "bridge", "passthru"],
        "lxc.network.ipv4" | "lxc.network.ipv4.address" => {
            &["10.0.0.1", "10.1.2.3/24 10.1.2.200", "10.0.0.1/31\nlxc.network.ipv4 = 10.0.0.3/32"]
        }
        "lxc.network.ipv6" | "lxc.network.ipv6.address" => &["fd00::1", "fd00::1/128"],
        "lxc.network.ipv4.gateway" => &["auto", "10.0.0.1"],
        "lxc.network.ipv6.gateway" => &["auto", "fd00::2"],
        _ if key.starts_with("lxc.network.") => &["x0"],
        _ => &["/srv/x"],
    }
}

#[test]
fn each_key_is_the_same_again() {
    let mut count = 0;
    for key in lxc::applied() {
        for value in values(&key) {
            let before = match (key.starts_with("lxc.network."), *value) {
                (true, "empty") => "lxc.network.type = macvlan\nlxc.network.link = br0\n",
                (true, _) => "lxc.network.type = macvlan\nlxc.network.link = br1\n",
                _ => "",
            };
            let behind = if *value == "macvlan" { "\nlxc.network.link = br0" } else { "" };
            if key != "lxc.include" {
                same_again(&from_lxc(&format!("{before}{key} = {value}{behind}\n")), 0);
                count += 1;
            }
        }
    }
    assert!(count > 90, "{count}");
}

/// cgroup settings that have a key in a profile, that have none, and that have one in another form.
const RULES: &[&str] = &[
    "cpuset.cpus = 0-3,7",
    "cpuset.cpus = 2",
    "cpuset.mems = 0",
    "cpuset.cpu_exclusive = 1",
    "cpuset.cpu_exclusive = 0",
    "cpu.shares = 1024",
    "cpu.shares = 1",
    "cpu.cfs_quota_us = 50000",
    "cpu.cfs_quota_us = -1",
    "cpu.cfs_period_us = 100000",
    "cpu.rt_runtime_us = 0",
    "memory.limit_in_bytes = 67108864",
    "memory.limit_in_bytes = 64M",
    "memory.limit_in_bytes = -1",
    "memory.limit_in_bytes = 5000",
    "memory.memsw.limit_in_bytes = 1G",
    "memory.memsw.limit_in_bytes = 4096",
    "memory.soft_limit_in_bytes = 12k",
    "memory.swappiness = 100",
    "memory.swappiness = 0100",
    "memory.oom_control = 1",
    "pids.max = 64",
    "pids.max = max",
    "blkio.weight = 500",
    "blkio.throttle.read_bps_device = 8:0 1048576",
    "blkio.throttle.write_bps_device = 8:0 1048577",
    "blkio.throttle.read_iops_device = 8:16 100",
    "blkio.throttle.write_iops_device = sda 100",
    "net_cls.classid = 0x100001",
    "devices.deny = a",
    "devices.allow = c 1:3 rwm",
    "devices.allow = b *:* m",
    "devices.deny = c 1:5 w",
];

fn of<'a>(random: &mut Random, list: &[&'a str]) -> &'a str {
    list[random.below(list.len())]
}

#[test]
fn generated_files_are_the_same_again() {
    let mut random = Random(2463534242);
    let keys: Vec<String> = lxc::applied();
    let keys: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .filter(|key| *key != "lxc.include" && !key.contains("lxc.network"))
        .collect();
    for _ in 0..crate::profile::mutations::rounds(1000) {
        let mut text = String::new();
        let mut kept = false;
        for _ in 0..random.below(12) {
            let key = of(&mut random, &keys);
            // These two exclude each other.
            if key.starts_with("lxc.cap.") && std::mem::replace(&mut kept, true) {
                continue;
            }
            text.push_str(&format!("{key} = {}\n", of(&mut random, values(key))));
        }
        for _ in 0..random.below(10) {
            let family = if random.below(6) == 0 { "cgroup2" } else { "cgroup" };
            text.push_str(&format!("lxc.{family}.{}\n", of(&mut random, RULES)));
        }
        for _ in 0..random.below(3) {
            text.push_str("lxc.network.type = macvlan\nlxc.network.link = br0\n");
            for key in ["flags", "macvlan.mode", "ipv4", "mtu", "hwaddr", "ipv6"] {
                if random.below(2) == 0 {
                    let key = format!("lxc.network.{key}");
                    text.push_str(&format!("{key} = {}\n", of(&mut random, values(&key))));
                }
            }
        }
        same_again(&from_lxc(&text), 0);
    }
}

#[test]
fn the_boards_containers_are_the_same_again() {
    let boards = concat!(env!("CARGO_MANIFEST_DIR"), "/boards");
    let mut count = 0;
    for entry in std::fs::read_dir(boards).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let path = path.to_str().unwrap();
            let board = toml::read(path).unwrap();
            for container in &board.containers {
                same_again(container, 0);
                count += 1;
            }
            // The whole profile in one file.
            let mut source = read(path, None).unwrap();
            let text = source.to_toml();
            let again =
                toml::parse(text.as_bytes(), &path.into()).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(again, board, "{text}");
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn what_only_a_profile_says_is_the_same_again_in_a_profile() {
    let container = from_toml(
        "[[container]]\nname = 'foo1'\nrequires = ['d']\nafter = ['e']\nstart-delay = '1500ms'\nready = 'delay:2s'\n\
         ready-timeout = '1m'\nrestart = 'always'\nrestart-delay = '10ms'\nrestart-limit = 7\n\
         environment = { 'A B' = \"\\u0001 \\\"\", C = 'x\ty' }\nio = { weight = 50, throttle = [{ device = '8:0', \
         read-bps = '1M', write-iops = 7 }] }\nmemory = { limit = '1G', low = '16M' }\nnetwork = 'host'\n\
         devices = ['allow c 1:3 r', 'deny a']\n[[container]]\nname = 'd'\n[[container]]\nname = 'e'\n",
    );
    let mut source = source(&container);
    let text = source.to_toml();
    assert!(source.warnings.is_empty(), "{:?}", source.warnings);
    let others = "[[container]]\nname = 'd'\n[[container]]\nname = 'e'\n";
    assert_eq!(canonical(from_toml(&format!("{text}{others}"))), canonical(container), "{text}");
    source.to_lxc(None, false).unwrap();
    let told: Vec<String> = source.warnings.iter().map(ToString::to_string).collect();
    let keys = [
        "environment \"A B=\\u{1} \"\"",
        "environment \"C=x\\ty\"",
        "start-delay",
        "requires",
        "after",
        "ready",
    ];
    for key in keys {
        assert!(told.iter().any(|told| told.contains(&format!("p:3:1: {key}"))), "{key}: {told:?}");
    }
    assert!(told.iter().all(|told| told.ends_with("has no equal in an LXC file: left out")), "{told:?}");
}

#[test]
fn every_key_of_a_profile_is_printed() {
    let readme = include_str!("../../boards/README.md");
    let printer = concat!(include_str!("toml.rs"), include_str!("toml/limits.rs"));
    let sections = readme.split_once("## `[board]`").unwrap().1;
    let keys = sections.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut count = 0;
    // What names an LXC file is printed as what that says, capabilities to keep as a list.
    for key in keys.filter(|key| !matches!(*key, "config" | "settings" | "keep")) {
        let named = printer.contains(&format!("\"{key}\"")) || printer.contains(&format!("\"{key} = "));
        assert!(named || printer.contains(&format!("{{ {key} = ")), "{key}");
        count += 1;
    }
    assert!(count > 80, "{count}");
    let text = "[board]\nname = \"b\"\ndescription = \"d\"\ncompatible = [\"x\"]\narch = \"ppc\"\ncpus = 2\n\
         memory = \"3M\"\n\n[cgroup]\nlayout = \"v2\"\nmountpoint = \"/cg\"\ncontrollers = [\"cpu\", \"cpuacct\"]\n\
         comount = [[\"cpu\", \"cpuacct\"]]\nfavordynmods = true\n\n[[bridge]]\nname = \"br0\"\nports = [\"eth0\"]\n\
         hwaddr = \"02:00:00:00:00:01\"\nmtu = 1400\nipv4 = [\"10.0.0.1/8\"]\nipv6 = [\"fd00::1/64\"]\nwait = \"1500ms\"\n\
         relay = true\n";
    let files = Files::new("board");
    assert_eq!(files.read("b.toml", text).unwrap().to_toml(), text);
}

const COMMENTED: &str = "# About the file.

# who
lxc.utsname = gw
lxc.mount.entry = /lib lib none ro,bind 0 0
# in memory
lxc.mount.entry = tmpfs tmp tmpfs defaults 0 0
# how much
lxc.cgroup.memory.limit_in_bytes = 64M
lxc.cgroup.devices.deny = a
# null
lxc.cgroup.devices.allow = c 1:3 rwm
lxc.cgroup.devices.allow = c 1:5 rwm  # zero
lxc.hook.start = /bin/x
# outside
lxc.network.type = macvlan
lxc.network.link = br0
lxc.network.hwaddr = 00:16:3e:xx:xx:xx
# inside
lxc.network.type = veth
# the end
";

#[test]
fn comments_go_along_and_what_has_no_equal_is_told() {
    let files = Files::new("comments");
    let mut source = files.read("gw.conf", COMMENTED).unwrap();
    let text = source.to_toml();
    for part in [
        "# About the file.\n[[container]]\nname = \"gw\"\n",
        "    # in memory\n    { type = \"tmpfs\", to = \"tmp\" },\n",
        "# how much\nmemory = { limit = \"64M\" }\n",
        "[container.devices]\ndeny = [\"a\"]\nallow = [\n    # null\n    \"c 1:3 rwm\",\n    # zero\n    \"c 1:5 rwm\",\n]\n",
        "\n# outside\n[[container.network]]\n",
        "hwaddr = \"00:16:3e:xx:xx:xx\"\n",
        "\n# the end\n# no equal: lxc.hook.start = /bin/x\n# no equal: lxc.network.type = veth\n",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    assert_eq!(
        files.warnings(&source),
        [
            "gw.conf:14:1: lxc.hook.start: has no equal in a profile: left out",
            "gw.conf:20:20: interface type \"veth\": has no equal in a profile: left out",
        ]
    );
    // And from there.
    let mut source = files.read("gw.toml", &format!("[board]\nname = 'b'\n{text}")).unwrap();
    let back = source.to_lxc(None, true).unwrap();
    assert!(source.warnings.is_empty());
    for part in [
        "# About the file.\n\nlxc.utsname = gw\n",
        "# in memory\nlxc.mount.entry = tmpfs tmp tmpfs defaults 0 0\n",
        "# how much\nlxc.cgroup.memory.limit_in_bytes = 67108864\n",
        "# null\nlxc.cgroup.devices.allow = c 1:3 rwm\n# zero\nlxc.cgroup.devices.allow = c 1:5 rwm\n",
        "# outside\nlxc.network.type = macvlan\n",
        "lxc.network.hwaddr = 00:16:3e:xx:xx:xx\n",
        "\n# the end\n",
    ] {
        assert!(back.contains(part), "{part}\nis not in\n{back}");
    }
    // A container whose only interface can not be had does not get the host's.
    let mut source = files.read("v.conf", "lxc.network.type = veth\n").unwrap();
    assert!(source.containers[0].0.own_network);
    assert!(!source.to_toml().contains("network = \"host\""));
}

#[test]
fn what_an_old_lxc_does_not_know_is_a_comment_there() {
    let container = from_toml("[[container]]\nname = 'c'\ncommand = ['/bin/sh']");
    let mut source = source(&container);
    let text = source.to_lxc(None, true).unwrap();
    assert!(text.contains("\n# newer than 0.9.0: lxc.init.cmd = /bin/sh\n"), "{text}");
    assert!(!text.contains("\nlxc.mount.auto") && !text.contains("\nlxc.cap.keep"), "{text}");
    let told: Vec<String> = source.warnings.iter().map(ToString::to_string).collect();
    assert!(told.contains(&"p:3:1: lxc.init.cmd: is newer than LXC 0.9.0: left out".into()), "{told:?}");
}

#[test]
fn a_damaged_file_is_no_reason_to_panic() {
    let files = Files::new("damaged");
    let cgconfig =
        "mount { cpu = /cg/cpu; }\ngroup a/b { perm { task { uid = 1; } } cpu { cpu.shares = \"1\"; } }";
    let toml = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/boards/p4080ds.toml")).unwrap();
    let mut random = Random(88675123);
    for round in 0..crate::profile::mutations::rounds(600) {
        let (name, text) =
            [("x.conf", COMMENTED), ("x.toml", toml.as_str()), ("cg.conf", cgconfig)][round % 3];
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] = b"#={};\"\n[]"[random.below(9)],
                _ => drop(bytes.remove(at)),
            }
            bytes.push(b'\n');
        }
        std::fs::write(files.0.join(name), &bytes).unwrap();
        if let Ok(mut source) = read(files.0.join(name).to_str().unwrap(), None) {
            source.to_toml();
            let _ = source.to_lxc(None, round % 2 == 0);
        }
    }
}
