//! What kind of file it is, what is refused, and what is told of the rest.

use super::{Files, canonical, from_toml, source};
use crate::profile::container::Container;
use crate::profile::toml;

#[test]
fn a_commands_own_quotes_are_kept() {
    let mut source = source(&from_toml(
        "[[container]]\nname = 'c'\ncommand = ['/opt/my prog', 'and more']\nenvironment = { \"'A\" = \"b'\" }",
    ));
    let text = source.to_lxc(None, false).unwrap();
    assert!(text.contains("\nlxc.init.cmd = \"\"/opt/my prog\" \"and more\"\"\n"), "{text}");
    assert!(text.contains("\nlxc.environment = \"'A=b'\"\n"), "{text}");
    // Where it is a comment, too, for whoever makes it a setting.
    let text = source.to_lxc(None, true).unwrap();
    assert!(text.contains("# newer than 0.9.0: lxc.init.cmd = \"\"/opt"), "{text}");
}

#[test]
fn an_included_interface_that_can_not_be_had_does_not_share_the_hosts_network() {
    let files = Files::new("included");
    let net = files.write("net.conf", "lxc.network.type = veth\nlxc.network.veth.pair = x\n");
    let mut source = files.read("c.conf", &format!("lxc.rootfs = /srv/c\nlxc.include = {net}\n")).unwrap();
    let text = source.to_toml();
    assert!(!text.contains("network = \"host\""), "{text}");
    assert_eq!(
        files.warnings(&source),
        [
            "net.conf:1:20: interface type \"veth\": has no equal in a profile: left out",
            "net.conf:2:1: lxc.network.veth.pair: has no equal in a profile: left out",
        ]
    );
}

/// By its ending, as `check` has it, else by what is in it: read as the other kind a profile was a container that may do all.
#[test]
fn a_file_is_what_is_in_it() {
    let files = Files::new("kinds");
    files.write("base.toml", "[board]\nname = 'b'\n[[container]]\nname = 'c'\nrootfs = '/r'\n");
    let mut profile = files.read("board.cfg", "extends = 'base.toml'\n[board]\ncpus = 2\n").unwrap();
    let text = profile.to_toml();
    assert!(text.contains("[board]\nname = \"b\"\ncpus = 2\n") && text.contains("name = \"c\""), "{text}");
    assert!(!text.contains("extends"), "{text}");
    let container = |name: &str, text: &str| {
        let source = files.read(name, text).unwrap();
        assert!(source.board.is_none(), "{name}");
        source.containers[0].0.rootfs.clone().unwrap_or_default()
    };
    assert_eq!(container("old.lxc", "# mine\n  lxc.rootfs = /r\n"), "/r");
    assert_eq!(container("config", "lxc.rootfs = /r\n"), "/r");
    assert_eq!(container("groups", "group a { cpu { cpu.shares = 10; } }\n"), "");
    for text in ["", "# lxc.rootfs = /r\n", "[board]\nname = 'b'\n", "group = 'a'\n"] {
        let error = files.read("x.conf", text).err().unwrap();
        let expected =
            "x.conf: is no LXC file: no line of it begins with lxc. (the name of a profile ends in .toml)";
        assert_eq!(error, expected, "{text}");
    }
    assert!(files.read("empty", "").err().unwrap().starts_with("empty:"));
}

#[test]
fn a_quoted_arch_is_the_same() {
    let files = Files::new("arch");
    let text = files.read("c.conf", "lxc.arch = \"i686\"\nlxc.rootfs = /r\n").unwrap().to_toml();
    assert!(text.contains("\narch = \"i686\"\n"), "{text}");
}

#[test]
fn groups_of_one_last_name_are_told() {
    let files = Files::new("groups");
    let text = "group a/web { cpu { cpu.shares = 10; } }\ngroup b/web { }\ngroup c { }\n";
    let mut source = files.read("cg.conf", text).unwrap();
    assert_eq!(
        files.warnings(&source),
        [
            "cg.conf:2:1: group b/web: its container is called web, as that of line 1 (a profile has each name once: give one of \
          the two another one)"
        ]
    );
    assert!(source.to_toml().contains("\nname = \"web\"\ncpu = { shares = 10 }\n"));
}

#[test]
fn a_file_that_is_wrong_is_refused_at_its_place() {
    let files = Files::new("wrong");
    let error = |name: &str, text: &str| files.read(name, text).err().unwrap();
    assert_eq!(
        error("a.conf", "\nlxc.utsnam = x"),
        "a.conf:2:1: lxc.utsnam: unknown key (did you mean lxc.utsname?)"
    );
    assert!(error("a.toml", "[board]\nnam = 'x'").starts_with("a.toml:2:1: unknown key \"nam\""));
    assert!(error("-.conf", "").contains("(name it: -n NAME)"));
    for (text, message) in [
        ("mount {\n  cpu = x;\n}", "cg.conf:2:9: path \"x\" is not absolute"),
        ("mount {\n  cpu /x;\n}", "cg.conf:2:7: /x stands where = is expected"),
        ("group a {\n cpu {\n  cpu.shares = \"5;\n }", "cg.conf:3:16: a quotation mark that is not closed"),
        ("group a {\n cpu {\n", "cg.conf:3:1: the file ends where a file or } is expected"),
        ("group a {\n cpuset { cpuset.cpus = 0-x; }\n}", "cg.conf:2:25: cpuset.cpus: cpu list \"0-x\""),
        (
            "group a { }\nfoo b { }",
            "cg.conf:2:1: foo stands where mount, group, default or template is expected",
        ),
    ] {
        let error = error("cg.conf", text);
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn a_cgconfig_is_read() {
    let files = Files::new("cgconfig");
    let text = "# made by hand
mount {
    cpuset = /cgroup/cpuset;
    cpu = /cgroup/cpu,cpuacct;
    cpuacct = /cgroup/cpu,cpuacct;
    memory = /cgroup/mem;
    \"name=systemd\" = /cgroup/systemd;
}
group daemons/www {
    perm { task { uid = root; } admin { uid = root; } }
    cpuset { cpuset.cpus = 0-1; cpuset.mems = \"0\"; }
    cpu { cpu.shares = \"512\"; }
    memory { memory.limit_in_bytes = 64M; }
}
group db {
    devices { devices.deny = a; devices.allow = c 1:3 rw; }
    blkio { blkio.weight = 100; }
}
default { perm { } }
";
    let mut source = files.read("cgconfig.conf", text).unwrap();
    let out = source.to_toml();
    assert_eq!(
        out,
        "\
[cgroup]
layout = \"v1\"
mountpoint = \"/cgroup\"
controllers = [\"cpuset\", \"cpu\", \"cpuacct\", \"memory\"]
comount = [[\"cpu\", \"cpuacct\"]]

# Group daemons/www: what a cgroup is called here is boardbox/www. It has no rootfs and no command yet.
[[container]]
name = \"www\"
cpuset = { cpus = \"0-1\", mems = \"0\" }
cpu = { shares = 512 }
memory = { limit = \"64M\" }

# Group db: what a cgroup is called here is boardbox/db. It has no rootfs and no command yet.
[[container]]
name = \"db\"
cgroup = [[\"blkio.weight\", \"100\"]]
devices = { deny = [\"a\"], allow = [\"c 1:3 rw\"] }
"
    );
    assert_eq!(
        files.warnings(&source),
        [
            "cgconfig.conf:7:5: hierarchy name=systemd without a controller: has no equal in a profile: left out",
            "cgconfig.conf:10:5: group daemons/www: perm: has no equal in a profile: left out",
            "cgconfig.conf:19:1: default: has no equal in a profile: left out",
            "cgconfig.conf:6:5: mount of memory on /cgroup/mem: up would mount it on /cgroup/memory (what is mounted \
             already is used where it is)",
        ]
    );
    let board = toml::parse(format!("board.name = 'b'\n{out}").as_bytes(), &"p".into()).unwrap();
    assert_eq!(Some(board.cgroup), source.cgroup);
    let again: Vec<Container> = board.containers.into_iter().map(canonical).collect();
    let made: Vec<Container> = source.containers.into_iter().map(|one| canonical(one.0)).collect();
    assert_eq!(again, made);
}

#[test]
fn what_an_empty_interface_can_not_have_is_told() {
    let files = Files::new("empty");
    let text = "lxc.network.type = empty\nlxc.network.flags = up\nlxc.network.hwaddr = 02:00:00:00:00:01\n\
                lxc.network.type = empty\n";
    let mut source = files.read("c.conf", text).unwrap();
    let text = source.to_toml();
    assert_eq!(from_toml(&text).network.len(), 2, "{text}");
    assert!(!text.contains("hwaddr") && !text.contains("up = "), "{text}");
    let told =
        "c.conf:1:20: all but type of interface 0, which is empty,: has no equal in a profile: left out";
    assert_eq!(files.warnings(&source), [told]);
}

/// The reader wants both limits; an LXC file may say one of them, or none that is a number.
#[test]
fn memory_with_swap_alone_stays_the_files() {
    for before in ["", "lxc.cgroup.memory.limit_in_bytes = -1\n"] {
        let files = Files::new("swap");
        let text = format!("{before}lxc.cgroup.memory.memsw.limit_in_bytes = 96M\n");
        let text = files.read("c.conf", &text).unwrap().to_toml();
        assert!(text.contains("[\"memory.memsw.limit_in_bytes\", \"96M\"]"), "{text}");
        assert_eq!(from_toml(&text).cgroup.iter().filter(|rule| rule.value == "96M").count(), 1);
    }
}
