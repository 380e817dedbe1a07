use super::super::container::*;
use super::super::value::*;
use super::{keys, nic, parse, read};

const SEED: &str = include_str!("../../../tests/data/foo23.conf");

fn model(text: &str) -> Container {
    parse(text.as_bytes(), &"f".into(), &"foo1".parse().unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

fn error(text: impl AsRef<[u8]>) -> String {
    match parse(text.as_ref(), &"f".into(), &"foo1".parse().unwrap()) {
        Ok(_) => panic!("{}", String::from_utf8_lossy(text.as_ref())),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_seed_means_what_it_says() {
    let foo = model(SEED);
    assert_eq!(foo.hostname.as_deref(), Some("foo23"));
    assert!(foo.pts && foo.own_network);
    assert_eq!((foo.tty, foo.dev), (1, Dev::Rootfs));
    assert_eq!(foo.rootfs.as_deref(), Some("/var/lib/lxc/temp/rootfs"));
    assert_eq!(foo.capabilities, Capabilities::All);
    assert_eq!(foo.fstab.as_ref().map(|fstab| fstab.0.as_str()), Some("/var/lib/lxc/temp/fstab"));
    let rules: Vec<String> = foo.cgroup.iter().map(|rule| format!("{}={}", rule.file, rule.value)).collect();
    assert_eq!(
        rules,
        [
            "cpuset.cpus=0,1",
            "cpu.shares=1234",
            "devices.deny=a",
            "devices.allow=c 1:3 rw",
            "devices.allow=b 8:0 rw"
        ]
    );
    assert_eq!(foo.mounts.len(), 1);
    assert_eq!(foo.mounts[0].origin.to_string(), "f:22:26");
    let nics: Vec<String> = foo
        .network
        .iter()
        .map(|nic| {
            let NicKind::Macvlan { link, mode } = &nic.kind else { panic!("not a macvlan") };
            format!("{} on {link} {mode} {} up={}", nic.name.as_ref().unwrap(), nic.ipv4[0], nic.up)
        })
        .collect();
    assert_eq!(
        nics,
        ["eth0 on br0 vepa 192.168.0.23/24 up=true", "eth1 on br0 vepa 192.168.128.23/24 up=true"]
    );
}

#[test]
fn todays_names_mean_the_same() {
    // What lxc-update-config makes of the seed.
    let mut today = String::new();
    let mut nics = 0;
    for line in SEED.lines() {
        let (key, value) = line.trim().split_once('=').unwrap();
        nics += u32::from(key == "lxc.network.type");
        let net = format!("lxc.net.{}.", nics.max(1) - 1);
        let key = match key {
            "lxc.utsname" => "lxc.uts.name".into(),
            "lxc.tty" => "lxc.tty.max".into(),
            "lxc.pts" => "lxc.pty.max".into(),
            "lxc.rootfs" => "lxc.rootfs.path".into(),
            "lxc.mount" => "lxc.mount.fstab".into(),
            "lxc.network.ipv4" => format!("{net}ipv4.address"),
            _ => key.replace("lxc.network.", &net),
        };
        today.push_str(&format!("{key} = {value}\n"));
    }
    assert_eq!(today.matches("lxc.net.1.").count(), 6, "{today}");
    assert_eq!(model(&today), model(SEED));
    for (old, new) in [
        ("devttydir = lxc", "tty.dir = lxc"),
        ("console = /c", "console.path = /c"),
        ("loglevel = 1", "log.level = DEBUG"),
        ("logfile = /l", "log.file = /l"),
        ("stopsignal = 15", "signal.halt = SIGTERM"),
        ("aa_profile = unconfined", "apparmor.profile = unconfined"),
        ("rootfs = /r", "rootfs.path = dir:/r"),
        ("arch = x86", "arch = i686"),
    ] {
        // With an interface: without one they differ (`own_network`).
        let with = |line: &str| model(&format!("lxc.network.type = empty\nlxc.{line}"));
        assert_eq!(with(old), with(new));
    }
}

#[test]
fn the_published_seeds_lost_blank_is_found_and_put_back() {
    let published = include_str!("../../../tests/data/foo23-as-published.conf");
    assert_eq!(
        error(published),
        "f:22:26: lxc.mount.entry: \"/lib/var/lib/lxc/temp/rootfs/lib none ro,bind 0 0\": a blank is missing \
         (probably meant: /lib /var/lib/lxc/temp/rootfs/lib none ro,bind 0 0)"
    );
}

#[test]
fn every_key_is_applied_or_says_that_it_is_not_yet() {
    let value = |key: &str| match key {
        "lxc.kmsg" => "0",
        "lxc.net" | "lxc.network" => "",
        "lxc.signal.stop" => "SIGKILL",
        "lxc.aa_profile" | "lxc.apparmor.profile" => "unconfined",
        "lxc.console" | "lxc.console.path" | "lxc.cap.keep" => "none",
        "lxc.loglevel" | "lxc.log.level" => "info",
        "lxc.mount.entry" => "/lib lib none bind",
        "lxc.mount.auto" => "proc",
        "lxc.rootfs.options" => "ro",
        "lxc.cap.drop" => "mknod",
        "lxc.arch" => "powerpc",
        "lxc.environment" => "A=b",
        _ if key.contains("rootfs") || key.contains("init.cwd") => "/srv",
        _ => "1",
    };
    for (key, applied) in keys::tests::all().filter(|(key, _)| key != "lxc.include") {
        let line = format!("{key} = {}", value(&key));
        match applied {
            true => drop(model(&line)),
            false => assert!(error(&line).starts_with(&format!("f:1:1: {key}: not supported yet")), "{line}"),
        }
    }
    let value = |key: &str| match key {
        "type" => "empty",
        "hwaddr" => "02:00:00:00:00:01",
        "mtu" => "1500",
        "macvlan.mode" => "vepa",
        _ if key.contains("ipv4") => "10.0.0.1",
        _ if key.contains("ipv6") => "fd00::1",
        _ => "x",
    };
    for (key, applied) in nic::tests::all() {
        let value = value(key);
        for name in [format!("lxc.network.{key}"), format!("lxc.network.0.{key}"), format!("lxc.net.0.{key}")]
        {
            let net = if name.starts_with("lxc.net.") { "lxc.net.0" } else { "lxc.network" };
            let text = format!("{net}.type = empty\n{net}.link = br0\n{name} = {value}");
            match applied {
                true => drop(model(&text)),
                false => {
                    assert!(error(&text).contains(&format!("f:3:1: {name}: not supported yet")), "{text}")
                }
            }
        }
    }
    for key in
        "id_map seccomp hook.pre-start hook.pre-mount hook.mount hook.autodev hook.start hook.post-stop idmap \
         seccomp.profile signal.reboot hook.start-host hook.stop \
         ephemeral namespace.clone namespace.keep namespace.share.net console.logfile console.buffer.size \
         console.rotate console.size network.veth.pair network.vlan.id network.script.up network.script.down"
            .split(' ')
    {
        assert!(error(format!("lxc.{key} = 1")).contains(": not supported yet"), "{key}");
    }
    for key in ["prlimit.nofile", "sysctl.net.ipv4.ip_forward", "proc.oom_score_adj"] {
        assert!(error(format!("lxc.{key} = 1")).contains(": not supported yet"));
    }
}

#[test]
fn a_value_that_is_not_applied_says_so() {
    for line in [
        "lxc.kmsg = 1",
        "lxc.aa_profile = lxc-container-default",
        "lxc.mount.auto = shmounts:/srv",
        "lxc.rootfs.path = overlay:/a:/b",
        "lxc.rootfs.options = noatime",
        "lxc.network.type = veth",
        "lxc.net.0.type = ipvlan",
    ] {
        let error = error(line);
        assert!(error.contains("not supported yet"), "{error}");
        let value = line.find("= ").unwrap() + 3;
        assert!(error.starts_with(&format!("f:1:{value}: ")), "{error}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest() {
    for (line, message) in [
        ("lxc.utsnam = x", "f:1:1: lxc.utsnam: unknown key (did you mean lxc.utsname?)"),
        (" lxc.network.typ = x", "f:1:2: lxc.network.typ: unknown key (did you mean lxc.network.type?)"),
        (
            "lxc.network.7.lnik = x",
            "f:1:1: lxc.network.7.lnik: unknown key (did you mean lxc.network.7.link?)",
        ),
        (
            "lxc.net.3.ipv4.adress=x",
            "f:1:1: lxc.net.3.ipv4.adress: unknown key (did you mean lxc.net.3.ipv4.address?)",
        ),
        ("lxc.bogus = x", "f:1:1: lxc.bogus: unknown key"),
        ("lxc. = x", "f:1:1: lxc.: unknown key"),
    ] {
        assert_eq!(error(line), message);
    }
}

#[test]
fn what_is_wrong_is_named_with_line_and_column() {
    for (text, message) in [
        ("\n lxc.cgroup.cpuset.cpus = 0-x", "f:2:27: lxc.cgroup.cpuset.cpus: cpu list \"0-x\": \"0-x\" at"),
        (
            "lxc.cgroup.devices.allow = d 1:3 r",
            "f:1:28: lxc.cgroup.devices.allow: device rule \"d 1:3 r\": type",
        ),
        ("lxc.cgroup.tasks = 1", "f:1:20: lxc.cgroup.tasks: \"tasks\" is not a file"),
        ("a\nlxc.tty", "f:2:1: \"lxc.tty\" has no '='"),
        ("lxc.tty = 33", "f:1:11: lxc.tty: \"33\" is not a number 0..=32"),
        ("lxc.arch =", "f:1:11: lxc.arch: has no value"),
        ("lxc.tty = \"x\"", "f:1:12: lxc.tty: \"x\" is not a number"),
        ("lxc.net = 1", "f:1:11: lxc.net: the interfaces as a whole have no value"),
        ("lxc.net.0.type =", "f:1:17: lxc.net.0.type: has no value"),
        ("lxc.ephemeral = 1", "f:1:1: lxc.ephemeral: not supported yet"),
        ("lxc.rootfs.managed = yes", "f:1:1: lxc.rootfs.managed: not supported yet"),
        ("lxc.network.link = br0", "f:1:1: lxc.network.link: there is no such interface yet"),
        ("lxc.network.type = macvlan", "f:1:20: this macvlan has no link"),
        ("lxc.net.0.link = br0", "f:1:18: this interface has no type"),
        ("lxc.net.link = br0", "f:1:1: lxc.net.link: has no index (which interface? lxc.net.0.link)"),
        ("lxc.net.64.type = empty", "f:1:1: lxc.net.64.type: \"64\" is not a number 0..=63"),
        ("lxc.net.99999999999.type = empty", "f:1:1: lxc.net.99999999999.type: \"99999999999\" is not"),
        ("lxc.environment = A", "f:1:19: lxc.environment: \"A\" is not NAME=VALUE"),
        (
            "lxc.cap.drop = mknod\nlxc.cap.keep = kill",
            "f:2:16: lxc.cap.keep: lxc.cap.drop and lxc.cap.keep exclude",
        ),
        ("lxc.rootfs = rootfs", "f:1:14: lxc.rootfs: path \"rootfs\" is not absolute"),
        ("lxc.utsname = ö\0", "f:1:16: a NUL byte"),
        ("lxc.tty = 1\r\n", "f:1:12: a carriage return (CRLF line ending)"),
        ("\u{feff}lxc.tty = 1", "f:1:1: a byte order mark"),
        ("lxc.include = /nowhere/x", "f:1:15: read LXC file /nowhere/x: No such file"),
    ] {
        let error = error(text);
        assert!(error.starts_with(message), "{error}");
    }
    assert!(error(b"lxc.tty = 1\n\xc3\xb6 \xff").starts_with("f:2:3: a byte that is not UTF-8"));
    let long = error(vec![b'x'; 10_000_000]);
    assert!(long.starts_with("f:1:4097: the line is longer than 4096 bytes"), "{long}");
    let many = error("# a comment\n".repeat(100_000));
    assert!(many.starts_with("f:87382:5: the file is longer than 1 MiB"), "{many}");
}

#[test]
fn lists_gather_and_an_empty_value_takes_them_back() {
    assert_eq!(
        model("lxc.cap.drop = mknod\nlxc.cap.drop = sys_time 22").capabilities,
        Capabilities::Drop(CapSet(1 << 27 | 1 << 25 | 1 << 22))
    );
    assert_eq!(model("lxc.cap.keep = none").capabilities, Capabilities::Keep(CapSet(0)));
    assert_eq!(model("lxc.cap.drop = mknod\nlxc.cap.drop =").capabilities, Capabilities::All);
    assert!(model("lxc.mount.entry = /lib lib none bind\nlxc.mount.entry =").mounts.is_empty());
    assert!(model("lxc.environment = A=b\nlxc.environment =").environment.is_empty());
    let nic = "lxc.network.type = empty\nlxc.network.ipv4 = 10.0.0.1/8\n";
    assert_eq!(model(&format!("{nic}lxc.network.ipv4 = 10.0.0.2")).network[0].ipv4.len(), 2);
    assert!(model(&format!("{nic}lxc.network.ipv4 =")).network[0].ipv4.is_empty());
}

#[test]
fn an_empty_value_is_as_if_nothing_had_been_said() {
    let value = |key: &str| match key {
        "lxc.loglevel" | "lxc.log.level" => "info",
        "lxc.mount.entry" => "/lib lib none bind",
        "lxc.mount.auto" => "proc",
        "lxc.rootfs.options" => "ro",
        "lxc.cap.drop" => "mknod",
        "lxc.cap.keep" | "lxc.console" | "lxc.console.path" => "none",
        "lxc.environment" => "A=b",
        "lxc.aa_profile" | "lxc.apparmor.profile" => "unconfined",
        "lxc.kmsg" => "0",
        "lxc.signal.stop" => "SIGKILL",
        _ if key.contains("rootfs") || key.contains("init.cwd") => "/srv",
        _ => "1",
    };
    let unset = |key: &str| !matches!(key, "lxc.include" | "lxc.arch" | "lxc.net" | "lxc.network");
    for (key, applied) in keys::tests::all().filter(|(key, _)| unset(key)) {
        let said = if applied { format!("{key} = {}\n", value(&key)) } else { String::new() };
        let interface = "lxc.network.type = empty\n";
        assert_eq!(model(&format!("{interface}{said}{key} =\n")), model(interface), "{key}");
    }
    let nic = "lxc.net.0.type = macvlan\nlxc.net.0.link = br0\n";
    for (key, value) in [
        ("name", "wan"),
        ("hwaddr", "02:00:00:00:00:01"),
        ("mtu", "1400"),
        ("macvlan.mode", "vepa"),
        ("ipv4.address", "10.0.0.1/8"),
        ("ipv6.address", "fd00::1/64"),
        ("ipv4.gateway", "10.0.0.2"),
        ("ipv6.gateway", "fd00::2"),
        ("flags", "up"),
    ] {
        assert_ne!(model(&format!("{nic}lxc.net.0.{key} = {value}")), model(nic), "{key}");
        assert_eq!(model(&format!("{nic}lxc.net.0.{key} = {value}\nlxc.net.0.{key} =")), model(nic), "{key}");
    }
    assert!(error(format!("{nic}lxc.net.0.link =")).contains("has no link"));
    assert!(model(&format!("{nic}lxc.net =")).network.is_empty());
    assert_eq!(model("lxc.net.0.type = none"), model(""));
    // Without interfaces: 0.9.0's words are the host's network, today's are none at all.
    assert!(!model("lxc.utsname = a").own_network && model("lxc.uts.name = a").own_network);
    assert!(!model("lxc.uts.name = a\nlxc.net.0.type = none").own_network);
    assert!(model(&format!("{nic}lxc.net.1.type = none")).own_network);
    let rules =
        model("lxc.cgroup.cpu.shares = 1\nlxc.cgroup2.cpu.weight = 2\nlxc.cgroup.cpu.shares =").cgroup;
    assert_eq!(rules.iter().map(|rule| rule.file.as_str()).collect::<Vec<_>>(), ["cpu.weight"]);
    for off in ["ephemeral", "monitor.unshare", "seccomp.allow_nesting", "keyring.session"] {
        assert_eq!(model(&format!("lxc.{off} = 0")), model(""));
    }
}

#[test]
fn cgroups_are_mounted_as_lxc_says_it() {
    let of = |value: &str| model(&format!("lxc.mount.auto = proc {value}")).auto_mounts.cgroup;
    let mount = |mode, full| Some(CgroupMount { mode, full });
    for (value, expected) in [
        ("cgroup", mount(AutoMode::Mixed, false)),
        ("cgroup:ro", mount(AutoMode::Ro, false)),
        ("cgroup:force", mount(AutoMode::Mixed, false)),
        ("cgroup:rw:force", mount(AutoMode::Rw, false)),
        ("cgroup-full", mount(AutoMode::Mixed, true)),
        ("cgroup-full:ro:force", mount(AutoMode::Ro, true)),
        ("sys", None),
    ] {
        assert_eq!(of(value), expected, "{value}");
    }
    for wrong in ["cgroup:", "cgroup:wr", "cgroup:force:ro", "cgroups", "proc:force"] {
        let error = error(format!("lxc.mount.auto = {wrong}"));
        assert!(
            error.contains(&format!("\"{wrong}\" is unknown (proc, sys, cgroup or cgroup-full")),
            "{error}"
        );
    }
}

#[test]
fn values_have_the_forms_lxc_takes() {
    let c = model(
        "lxc.mount.auto = proc sys:ro\nlxc.console = none\nlxc.devttydir = lxc\nlxc.autodev = 1\nlxc.pts = 0\n\
         lxc.arch = i686\nlxc.stopsignal = SIGRTMIN+3\nlxc.init.cmd = /bin/sh -c 'a b'\nlxc.init.uid = 7\n\
         lxc.environment = A=b=c\nlxc.rootfs.path = dir:/srv/r\nlxc.rootfs.options = ro\nlxc.loglevel = 1\n\
         lxc.cgroup.devices.allow = c 1:3 rwm  # /dev/null\nlxc.no_new_privs = 1\nlxc.pivotdir = x",
    );
    assert_eq!(
        c.auto_mounts,
        AutoMounts { proc: Some(AutoMode::Mixed), sys: Some(AutoMode::Ro), cgroup: None }
    );
    assert_eq!((c.console, c.dev, c.personality), (Console::None, Dev::Tmpfs, Personality::Linux32));
    assert_eq!((c.tty_dir.as_str(), c.pts, c.stop_signal), ("lxc", false, Signal(37)));
    assert_eq!((c.command.len(), c.uid, c.no_new_privs), (3, 7, true));
    assert_eq!(c.environment, [("A".to_string(), "b=c".to_string())]);
    assert_eq!((c.rootfs.as_deref(), c.rootfs_read_only), (Some("/srv/r"), true));
    assert_eq!(c.log_level, Some(log::LevelFilter::Debug));
    assert_eq!(c.cgroup[0].value, "c 1:3 rwm");
    assert!(c.own_network && c.network.is_empty());
}

#[test]
fn an_interface_is_opened_by_type_or_index() {
    // 0.9.0's index counts the interfaces there are; today's names one, in any order.
    let old = model(
        "lxc.network.type=macvlan\nlxc.network.link=br0\nlxc.network.type=empty\nlxc.network.0.name=a\n\
         lxc.network.1.name=b\nlxc.network.flags=up\nlxc.network.0.macvlan.mode=bridge",
    );
    let new = model(
        "lxc.net.5.type=empty\nlxc.net.5.name=b\nlxc.net.5.flags=up\nlxc.net.2.link=br0\n\
         lxc.net.2.type=macvlan\nlxc.net.2.macvlan.mode=bridge\nlxc.net.2.name=a",
    );
    assert_eq!(old, new);
    assert_eq!(old.network.len(), 2);
    assert!(!old.network[0].up && old.network[1].up);
    let two = model("lxc.network.0.type=empty\nlxc.network.1.type=empty\nlxc.network.1.flags=up");
    assert!(!two.network[0].up && two.network[1].up);
    let unset = model("lxc.network.type=macvlan\nlxc.network.link=br0");
    assert!(matches!(unset.network[0].kind, NicKind::Macvlan { mode: MacvlanMode::Private, .. }));
}

#[test]
fn settings_come_after_the_file_and_includes_where_they_stand() {
    let dir = std::env::temp_dir().join(format!("boardbox-lxc-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("d")).unwrap();
    let path = |name: &str| dir.join(name).into_os_string().into_string().unwrap();
    let write = |name: &str, text: String| std::fs::write(path(name), text).unwrap();
    write(
        "a.conf",
        format!("lxc.tty = 1\nlxc.include = {}\nlxc.include={}\nlxc.pts=1", path("b"), path("d")),
    );
    write("b", "lxc.tty = 2\nlxc.utsname = b".into());
    write("d/2.conf", "lxc.devttydir = two".into());
    write("d/1.conf", "lxc.devttydir = one".into());
    write("d/README", "lxc.bogus = 1".into());
    write("loop", format!("\n  lxc.include = {}", path("loop")));
    write("crooked", format!("lxc.include = {}", path("bad")));
    write("bad", "lxc.tty = x".into());
    let name: ContainerName = "foo1".parse().unwrap();
    let read = |file: &str, settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|setting| setting.to_string()).collect();
        read(&path(file), &name, &settings).map_err(|error| error.to_string().replace(&path(""), ""))
    };
    for depth in 0..18 {
        write(&format!("deep{depth}"), format!("lxc.include = {}", path(&format!("deep{}", depth + 1))));
    }
    write("deep18", String::new());
    read("deep2", &[]).unwrap();
    assert!(read("deep1", &[]).unwrap_err().starts_with("deep17:1:15: lxc.include nests more than 16 deep"));
    let c = read("a.conf", &["lxc.tty=3", " lxc.utsname = c"]).unwrap();
    assert_eq!((c.tty, c.hostname.as_deref(), c.tty_dir.as_str(), c.pts), (3, Some("c"), "two", true));
    assert_eq!(
        read("loop", &[]).unwrap_err(),
        "loop:2:17: lxc.include nests more than 16 deep (does a file include itself?)"
    );
    assert_eq!(read("crooked", &[]).unwrap_err(), "bad:1:11: lxc.tty: \"x\" is not a number 0..=32");
    assert_eq!(read("a.conf", &["lxc.tty=x"]).unwrap_err(), "-s: lxc.tty: \"x\" is not a number 0..=32");
    assert!(
        read("a.conf", &["tty=1"]).unwrap_err().starts_with("-s: setting \"tty=1\" does not start with lxc.")
    );
    assert_eq!(read("gone", &[]).unwrap_err(), "read LXC file gone: No such file or directory");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let path = std::env::temp_dir().join(format!("boardbox-survey-{}.conf", std::process::id()));
    let text = "lxc.tyt = 1\nlxc.tty = 99\nwhat\nlxc.pts\nlxc.id_map = u 0 0 1\nlxc.network.type = macvlan\n\
        lxc.network.mtu = 1\nlxc.network.type = macvlan\nlxc.network.name = eth0\n";
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let (_, findings) = super::survey(file, &"foo".parse().unwrap(), std::iter::empty());
    std::fs::remove_file(&path).unwrap();
    let told: Vec<String> = findings
        .wrong
        .iter()
        .map(|error| format!("{} {}", error.rule, error.to_string().replace(file, "f")))
        .collect();
    let expected = [
        "unknown-key f:1:1: lxc.tyt: unknown key (did you mean lxc.tty?)",
        "value f:2:11: lxc.tty: \"99\" is not a number 0..=32",
        "syntax f:4:1: \"lxc.pts\" has no '='",
        "not-supported f:5:1: lxc.id_map: not supported yet",
        "value f:7:19: lxc.network.mtu: \"1\" is not a number 68..=65535",
        // The first one lacks its link, too, but that it is wrong was told.
        "missing-key f:8:20: this macvlan has no link",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
    assert_eq!((told.len(), findings.remarks.len()), (expected.len(), 1), "{told:#?}");
}

#[test]
fn the_polite_signal_is_haltsignal_where_there_is_one() {
    let signal = |text: &str| {
        parse(text.as_bytes(), &"f".into(), &"x".parse().unwrap()).map(|c| c.stop_signal.to_string())
    };
    for (text, wanted) in [
        ("lxc.stopsignal = SIGINT\n", "SIGINT"),
        ("lxc.haltsignal = SIGTERM\nlxc.stopsignal = SIGKILL\n", "SIGTERM"),
        ("lxc.stopsignal = SIGKILL\nlxc.signal.halt = SIGTERM\nlxc.signal.stop = SIGKILL\n", "SIGTERM"),
        ("lxc.signal.stop = 9\n", "SIGPWR"),
        ("lxc.haltsignal = SIGTERM\nlxc.stopsignal =\n", "SIGTERM"),
        ("lxc.stopsignal = SIGINT\nlxc.stopsignal =\nlxc.haltsignal = SIGTERM\n", "SIGTERM"),
        ("lxc.stopsignal = SIGKILL\nlxc.haltsignal = SIGTERM\nlxc.haltsignal = SIGINT\n", "SIGINT"),
        ("lxc.stopsignal = SIGTERM\nlxc.haltsignal =\n", "SIGTERM"),
        ("lxc.haltsignal = SIGTERM\nlxc.stopsignal = SIGKILL\nlxc.haltsignal =\n", "SIGPWR"),
    ] {
        assert_eq!(signal(text).unwrap(), wanted, "{text}");
    }
    let error = signal("lxc.signal.stop = SIGTERM\n").unwrap_err().to_string();
    assert!(
        error.starts_with("f:1:19: lxc.signal.stop: what does not stop in time is killed by SIGKILL"),
        "{error}"
    );
    for (text, place) in [
        ("lxc.haltsignal = SIGTERM\nlxc.stopsignal = nonsense\n", "f:2:18: lxc.stopsignal: "),
        ("lxc.haltsignal = SIGTERM\nlxc.stopsignal = SIGINT\n", "f:2:18: lxc.stopsignal: what does not stop"),
        ("lxc.stopsignal = SIGINT\nlxc.haltsignal = SIGTERM\n", "f:2:18: lxc.stopsignal: what does not stop"),
    ] {
        let error = signal(text).unwrap_err().to_string();
        assert!(error.starts_with(place), "{error}");
    }
}

#[test]
fn a_pair_of_quotes_is_none_of_the_value_and_groups_are_words() {
    let text = "lxc.utsname = \"foo\"\nlxc.environment = 'A=b c'\nlxc.cgroup.cpu.shares = \"512\"\nlxc.environment = B='x\n\
                lxc.group = onboot extra\n";
    let container = parse(text.as_bytes(), &"f".into(), &"x".parse().unwrap()).unwrap();
    assert_eq!(container.hostname.as_deref(), Some("foo"));
    assert_eq!(container.environment, [("A".into(), "b c".into()), ("B".into(), "'x".into())]);
    assert_eq!(container.cgroup.first().map(|rule| rule.value.as_str()), Some("512"));
    assert_eq!(container.startup.groups, ["onboot", "extra"]);
}
