//! `boardbox image`: the same bytes whatever the machine's clock, umask and directories are like; what is in them.

mod sandbox;

use sandbox::Sandbox;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BOARDBOX: &str = env!("CARGO_BIN_EXE_boardbox");
const TOP: &str = env!("CARGO_MANIFEST_DIR");

/// A directory of the test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("boardbox-image-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().unwrap()
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn image(&self, args: &[&str]) -> Output {
        let mut command = Command::new(BOARDBOX);
        command.arg("image").args(args).current_dir(&self.0).env_remove("SOURCE_DATE_EPOCH");
        command.output().unwrap()
    }

    fn made(&self, args: &[&str]) -> String {
        let output = self.image(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        said
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn shell(dir: &Path, script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Two overlays, a table and a profile, made in one order or the other.
fn sources(scratch: &Scratch, reverse: bool, masked: u32) {
    let mut files = vec![
        ("base/etc/motd", "hello\n", 0o664),
        ("base/bin/tool", "#!/bin/sh\n", 0o775),
        ("base/bin/su", "su\n", 0o4755),
        ("base/private/key", "secret\n", 0o600),
        ("over/etc/motd", "welcome\n", 0o644),
        ("over/lib/a", "a\n", 0o644),
        ("table", "/dev/console c 600 0 0 5 1\n/srv/me d 750 7 7\n", 0o644),
    ];
    if reverse {
        files.reverse();
    }
    for (name, text, mode) in files {
        scratch.write(name, text, mode & !masked);
    }
    std::fs::create_dir_all(scratch.0.join("base/usr/lib")).unwrap();
    symlink("usr/lib", scratch.0.join("base/lib")).unwrap();
}

const ALL: [&str; 6] =
    ["--overlay=base", "--overlay", "over", "--table=table", "--link=/init=bin/tool", "-o"];

fn with(out: &str) -> Vec<&str> {
    ALL.into_iter().chain([out]).collect()
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (one, two) = (Scratch::new("one"), Scratch::new("two"));
    sources(&one, false, 0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    sources(&two, true, 0o22);
    for out in ["i.cpio", "i.cpio.gz", "i.cpio.xz", "i.cpio.zst", "i.cpio.lz4"] {
        one.made(&with(out));
        two.made(&with(out));
        assert_eq!(std::fs::read(one.path(out)).unwrap(), std::fs::read(two.path(out)).unwrap(), "{out}");
    }
    // Compressed it is the same archive.
    let plain = std::fs::read(one.path("i.cpio")).unwrap();
    for (out, unpack) in
        [("i.cpio.gz", "gzip"), ("i.cpio.xz", "xz"), ("i.cpio.zst", "zstd"), ("i.cpio.lz4", "lz4")]
    {
        let unpacked = Command::new(unpack).args(["-dc"]).arg(one.path(out)).output().unwrap();
        assert_eq!(unpacked.stdout, plain, "{out}");
    }
    // Trees of them, too: contents, modes, owners, times.
    one.made(&with("tree/"));
    let masked = format!("umask 077; {BOARDBOX} image {} -o tree/", ALL[..5].join(" "));
    shell(&two.0, &masked);
    let list = "find tree -printf '%P %y %m %U %G %T@ %l\\n' | sort; cat tree/etc/motd";
    let (first, second) = (shell(&one.0, list), shell(&two.0, list));
    assert_eq!(first, second);
    assert!(first.lines().all(|line| line == "welcome" || line.contains(" 0.0000000000 ")), "{first}");
    // Nothing else is left beside what was made.
    assert_eq!(
        one.names(),
        ["base", "i.cpio", "i.cpio.gz", "i.cpio.lz4", "i.cpio.xz", "i.cpio.zst", "over", "table", "tree"]
    );
}

#[test]
fn what_is_in_it_is_what_was_asked_for() {
    let scratch = Scratch::new("content");
    sources(&scratch, false, 0);
    scratch.made(&with("i.cpio"));
    let listed = shell(&scratch.0, "busybox cpio -t <i.cpio 2>/dev/null");
    assert_eq!(
        listed.split_whitespace().collect::<Vec<_>>().join(" "),
        "bin bin/su bin/tool dev dev/console etc etc/motd init lib private private/key srv srv/me usr usr/lib usr/lib/a"
    );
    shell(&scratch.0, "mkdir out; cd out; busybox cpio -id <../i.cpio 2>/dev/null");
    let shown = shell(&scratch.0, "cd out; stat -c '%n %A %u:%g %t,%T' $(find * | sort)");
    for line in [
        "bin/su -rwsr-xr-x 0:0 0,0",
        "bin/tool -rwxr-xr-x 0:0 0,0",
        "dev/console crw------- 0:0 5,1",
        "etc/motd -rw-r--r-- 0:0 0,0",
        "srv/me drwxr-x--- 7:7 0,0",
        "private/key -rw------- 0:0 0,0",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    assert_eq!(std::fs::read_link(scratch.0.join("out/init")).unwrap(), Path::new("bin/tool"));
    assert_eq!(std::fs::read_to_string(scratch.0.join("out/usr/lib/a")).unwrap(), "a\n");
    // The tree has the same.
    scratch.made(&with("tree/"));
    let list = |of: &str| {
        let list = "find * -printf '%p %y %m %U %G %l\\n' | sort; find * -type f | sort | xargs md5sum";
        shell(&scratch.0.join(of), list)
    };
    assert_eq!(list("out"), list("tree"));
    assert_eq!(std::fs::metadata(scratch.0.join("tree/dev/console")).unwrap().rdev(), libc::makedev(5, 1));
    // A time that all agree on.
    let dated = Command::new(BOARDBOX)
        .args(["image", "--overlay=base", "-o", "dated/"])
        .env("SOURCE_DATE_EPOCH", "86400")
        .current_dir(&scratch.0)
        .status()
        .unwrap();
    assert!(dated.success());
    for name in ["", "bin", "bin/tool", "lib"] {
        let there = std::fs::symlink_metadata(scratch.0.join("dated").join(name)).unwrap();
        assert_eq!(there.mtime(), 86400, "{name}");
    }
}

const PROFILE: &str = "extends = 'board.toml'
[[container]]
name = 'thin'
rootfs = '/var/thin'
rootfs-read-only = true
command = ['/bin/tool']
mounts = [{ bind = '/bin', to = 'bin', read-only = true }, { bind = '/etc/motd', to = 'etc/motd' },
    { type = 'tmpfs', to = 'var/log' }, { bind = '/dev/x', to = 'dev/x' }]
[[container]]
config = 'old.conf'
[[container]]
name = 'full'
rootfs = '/var/full'
";

#[test]
fn a_profile_brings_its_containers() {
    let scratch = Scratch::new("profile");
    sources(&scratch, false, 0);
    scratch.write("board.toml", "[board]\nname = 'b'\ncpus = 2\n", 0o644);
    scratch.write("p.toml", PROFILE, 0o644);
    scratch.write("old.conf", "lxc.rootfs = /var/old\nlxc.init.cmd = /bin/x\n", 0o644);
    scratch.write("full-root/sbin/init", "init\n", 0o755);
    let said =
        scratch.made(&["--overlay=base", "--profile=p.toml", "--rootfs=full=full-root", "-o", "tree/"]);
    assert_eq!(
        said,
        "boardbox: warning: old.conf: container \"old\": /bin/x is not in its root file system /var/old (--rootfs \
         old=DIRECTORY brings it)\n"
    );
    // What it is mounted on is there, and no more: the container costs no flash.
    let thin = shell(&scratch.0, "cd tree/var/thin; find * -printf '%p %y %s\\n' | sort");
    let kinds: Vec<&str> = thin.lines().filter(|line| !line.contains(" d ")).collect();
    assert_eq!(kinds, ["etc/motd f 0"]);
    let names: Vec<&str> = thin.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["bin", "dev", "etc", "etc/motd", "proc", "sys", "var", "var/log"]);
    assert!(scratch.0.join("tree/var/full/sbin/init").exists());
    assert!(scratch.0.join("tree/var/full/proc").is_dir() && scratch.0.join("tree/var/old").is_dir());
    // The profile needs no other file on the board.
    let path = scratch.path("tree/etc/boardbox/board.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("cpus = 2") && !text.contains("extends") && !text.contains("config"), "{text}");
    let (here, there) =
        (boardbox::profile::toml::read(&scratch.path("p.toml")), boardbox::profile::toml::read(&path));
    assert_eq!(here.unwrap().containers, there.unwrap().containers);
    // One that is whole stays as it is, with its comments.
    let board = format!("{TOP}/boards/p4080ds.toml");
    scratch.made(&["-q", &format!("--profile={board}"), "-o", "whole/"]);
    assert_eq!(
        std::fs::read(scratch.path("whole/etc/boardbox/board.toml")).unwrap(),
        std::fs::read(&board).unwrap()
    );
}

#[test]
fn what_can_not_be_made_is_said_and_leaves_nothing() {
    let scratch = Scratch::new("wrong");
    sources(&scratch, false, 0);
    scratch.write("full/x", "", 0o644);
    scratch.write("bad", "/dev/x q\n", 0o644);
    scratch.write("p.toml", "[board]\nname = 'b'\n[[container]]\nname = 'abc'\n", 0o644);
    std::fs::create_dir(scratch.0.join("bin")).unwrap();
    let before = scratch.names();
    for (args, code, message) in [
        (vec!["-o", "i.cpio"], 1, "there is nothing to write (boardbox image --help)"),
        (vec!["--overlay=base", "-o", "i.img"], 1, "i.img: what is it to be? (NAME.cpio, NAME.cpio.gz, .xz,"),
        (
            vec!["--overlay=base", "-o", "full"],
            5,
            "full is not empty (an image goes to a new directory, or to an",
        ),
        (vec!["--overlay=gone", "-o", "i.cpio"], 3, "read gone: No such file or directory"),
        (vec!["--overlay=table", "-o", "i.cpio"], 1, "table is not a directory"),
        (vec!["--overlay=base", "-o", "gone/i.cpio"], 3, "make gone/i.cpio."),
        (vec!["--overlay=base", "--table=bad", "-o", "i.cpio"], 2, "bad:1:1: type \"q\" is unknown"),
        (vec!["--file=x", "-o", "i.cpio"], 1, "--file x (--file PATH=SOURCE)"),
        (
            vec!["--rootfs=a=base", "-o", "i.cpio"],
            1,
            "--rootfs a: where is its place? (a profile says it: --profile",
        ),
        (
            vec!["--profile=p.toml", "--rootfs=abd=base", "-o", "i.cpio"],
            1,
            "--rootfs abd: p.toml has no such container (did you mean abc?)",
        ),
        (
            vec!["--profile=p.toml", "--rootfs=abc=base", "-o", "i.cpio"],
            2,
            "p.toml:3:1: container \"abc\" runs on the board's own files: it has no rootfs",
        ),
    ] {
        let output = scratch.image(&args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(&format!("boardbox: {message}")), "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(scratch.names(), before, "{args:?}");
    }
    // A compressor that is not there, and one that fails.
    let run = |path: &str| {
        let mut command = Command::new(BOARDBOX);
        command
            .args(["image", "--overlay=base", "-o", "i.cpio.gz"])
            .current_dir(&scratch.0)
            .env("PATH", path);
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    assert_eq!(
        run("/nonexistent"),
        "boardbox: run gzip: No such file or directory (install gzip on this machine, or write an archive that is not \
         compressed: NAME.cpio)\n"
    );
    scratch.write("bin/gzip", "#!/bin/sh\nexec 0<&-\nexit 3\n", 0o755);
    let said = run(&format!("{}:/bin:/usr/bin", scratch.path("bin")));
    assert!(
        said.starts_with("boardbox: gzip has failed: exit status: 3") || said.contains("Broken pipe"),
        "{said}"
    );
    assert_eq!(scratch.names(), before);
}

/// rootfs/README.md's container that costs no flash, on the kernel: its root file system is what `image` makes of the
/// profile, everything that runs in it is the machine's.
#[test]
fn a_container_that_costs_no_flash_runs_on_the_boards_programs() {
    let sandbox = Sandbox::new();
    let readme = std::fs::read_to_string(Path::new(TOP).join("rootfs/README.md")).unwrap();
    let section = readme.split_once("\n```toml\n").unwrap().1.split("\n```").next().unwrap();
    let name = sandbox.name("thin");
    let section = section.replace("name = \"thin\"", &format!("name = \"{name}\""));
    let profile = sandbox.dir.join("p.toml").into_os_string().into_string().unwrap();
    std::fs::write(&profile, format!("[board]\nname = 'b'\n{section}\n")).unwrap();
    let tree = sandbox.dir.join("tree").into_os_string().into_string().unwrap();
    let made =
        Command::new(BOARDBOX).args(["image", "--profile", &profile, "-o", &format!("{tree}/")]).output();
    let made = made.unwrap();
    assert!(made.status.success() && made.stderr.is_empty(), "{}", String::from_utf8_lossy(&made.stderr));
    let script = format!(
        "set -e
         mount --bind {tree}/srv /srv
         find /srv/thin ! -type d
         {BOARDBOX} start --profile {profile} {name}
         {BOARDBOX} exec {name} -- sh -c 'tr \"\\0\" \" \" </proc/1/cmdline; echo x >/tmp/x; cat /tmp/x; ls -A /'
         for path in /usr/bin/x /lib/x /x; do
             if {BOARDBOX} exec {name} -- touch $path 2>{tree}/e; then echo $path is written; fi
             sed 's/^.*: //' {tree}/e
         done
         {BOARDBOX} stop -k {name}"
    );
    let said = sandbox.sh(&script);
    let mut expected = String::from("/bin/sleep 1000000 x\nbin\ndev\nlib\n");
    // Where the board has none the skeleton has its place, and nothing is on it.
    expected.push_str("lib64\nproc\nsbin\nsys\ntmp\nusr\n");
    expected.push_str(&"Read-only file system\n".repeat(3));
    assert_eq!((said.out.as_str(), said.code), (expected.as_str(), 0), "{}", said.err);
}

/// All files of an image are root's: a program that was somebody else's with a set-uid bit is not to be root's with one.
#[test]
fn no_program_becomes_set_uid_root() {
    use std::os::unix::fs::chown;
    let scratch = Scratch::new("setuid");
    for (name, mode, uid, gid) in [
        ("base/bin/su", 0o4755, 0, 0),
        ("base/bin/game", 0o2755, 0, 60),
        ("base/bin/mine", 0o6755, 7, 8),
        ("base/bin/theirs", 0o6755, 9, 10),
        ("base/bin/plain", 0o755, 9, 10),
    ] {
        scratch.write(name, "#!/bin/sh\n", mode);
        chown(scratch.0.join(name), Some(uid), Some(gid)).unwrap();
        std::fs::set_permissions(scratch.0.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::create_dir(scratch.0.join("base/mail")).unwrap();
    chown(scratch.0.join("base/mail"), None, Some(60)).unwrap();
    std::fs::set_permissions(scratch.0.join("base/mail"), std::fs::Permissions::from_mode(0o2775)).unwrap();
    let warning = |name: &str, what: &str, line: &str| {
        format!(
            "boardbox: warning: base/{name}: without its {what}, which would be root's (a table line says whose: /{name} \
             {line})\n"
        )
    };
    let game = warning("bin/game", "set-gid bit", "f 2755 0 60");
    let mail = warning("mail", "set-gid bit", "d 2755 0 60");
    let theirs = warning("bin/theirs", "set-uid and set-gid bits", "f 6755 9 10");
    let mine = warning("bin/mine", "set-uid and set-gid bits", "f 6755 7 8");
    assert_eq!(scratch.made(&["--overlay=base", "-o", "tree/"]), format!("{game}{mine}{theirs}{mail}"));
    let modes = |of: &str| shell(&scratch.0, &format!("cd {of}; stat -c '%n %a' bin/* mail"));
    assert_eq!(
        modes("tree"),
        "bin/game 755\nbin/mine 755\nbin/plain 755\nbin/su 4755\nbin/theirs 755\nmail 755\n"
    );
    // What is the builder's own becomes root's, as all else of his.
    let copy = scratch.path("boardbox");
    std::fs::copy(BOARDBOX, &copy).unwrap();
    chown(&scratch.0, Some(7), Some(8)).unwrap();
    let mut builder = Command::new(&copy);
    std::os::unix::process::CommandExt::uid(&mut builder, 7);
    std::os::unix::process::CommandExt::gid(&mut builder, 8);
    let output =
        builder.args(["image", "--overlay=base", "-o", "own/"]).current_dir(&scratch.0).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("{game}{theirs}{mail}"));
    assert_eq!(
        modes("own"),
        "bin/game 755\nbin/mine 6755\nbin/plain 755\nbin/su 4755\nbin/theirs 755\nmail 755\n"
    );
    // The table that the warnings hint at.
    scratch.write("table", "/bin/theirs f 6755 9 10\n/mail d 2755 0 60\n/bin/game f 755\n", 0o644);
    assert_eq!(scratch.made(&["--overlay=base", "--table=table", "-o", "told/"]), mine);
    assert_eq!(shell(&scratch.0, "stat -c '%a %u %g' told/bin/theirs told/mail"), "6755 9 10\n2755 0 60\n");
}

/// A link in a container's root file system leads where it does for the container, also an absolute one.
#[test]
fn links_of_a_container_stay_inside_it() {
    let scratch = Scratch::new("inside");
    let profile = "[board]\nname = 'b'\n[[container]]\nname = 'c'\nrootfs = '/var/link'\ncommand = ['/bin/tool']\n\
                   mounts = [{ type = 'tmpfs', to = 'log' }, { type = 'tmpfs', to = 'out/x' }]\n\
                   [[container]]\nconfig = 'old.conf'\n";
    scratch.write("p.toml", profile, 0o644);
    let old = "lxc.rootfs.path = /var/old\nlxc.init.cmd = /sbin/tool\nlxc.mount.entry = /usr /var/old/data/in none bind 0 0\n\
               lxc.mount.entry = /usr /elsewhere none bind 0 0\nlxc.mount.entry = /usr bin none bind 0 0\n";
    scratch.write("old.conf", old, 0o644);
    scratch.write("board/usr/bin/other", "", 0o755);
    std::fs::create_dir_all(scratch.0.join("board/var/c/etc")).unwrap();
    symlink("/var/c", scratch.0.join("board/var/link")).unwrap();
    symlink("/usr/bin", scratch.0.join("board/var/c/lib")).unwrap();
    scratch.write("root/usr/bin/tool", "", 0o755);
    scratch.write("root/lib/a", "", 0o644);
    for (link, target) in [("bin", "/usr/bin"), ("log", "/var/log"), ("out", "../../../var/out")] {
        symlink(target, scratch.0.join("root").join(link)).unwrap();
    }
    std::fs::create_dir_all(scratch.0.join("root-old/bin")).unwrap();
    symlink("/bin", scratch.0.join("root-old/sbin")).unwrap();
    let said = scratch.made(&[
        "--overlay=board",
        "--profile=p.toml",
        "--rootfs=c=root",
        "--rootfs=old=root-old",
        "-o",
        "tree/",
    ]);
    // What LXC skips, and a profile can not say.
    assert_eq!(
        said,
        "boardbox: warning: old.conf:4:19: mount target \"/elsewhere\", outside of the root file system,: has no equal in a \
         profile: left out\n"
    );
    let files =
        shell(&scratch.0, "cd tree; find usr var ! -type l ! -name proc ! -name sys ! -name dev | sort");
    assert_eq!(
        files.split_whitespace().collect::<Vec<_>>(),
        [
            "usr",
            "usr/bin",
            "usr/bin/other",
            "var",
            "var/c",
            "var/c/etc",
            "var/c/usr",
            "var/c/usr/bin",
            "var/c/usr/bin/a",
            "var/c/usr/bin/tool",
            "var/c/var",
            "var/c/var/log",
            "var/c/var/out",
            "var/c/var/out/x",
            "var/old",
            "var/old/bin",
            "var/old/data",
            "var/old/data/in",
        ]
    );
}

/// Digits of an Ethernet address that are to be drawn are the board's to draw: an image with drawn ones gave all boards the
/// same address.
#[test]
fn an_address_that_is_to_be_drawn_stays_one() {
    let scratch = Scratch::new("drawn");
    let old = "lxc.network.type = macvlan\nlxc.network.link = br0\nlxc.network.hwaddr = 00:16:3e:xx:xx:01\nlxc.rootfs = /r\n";
    scratch.write("old.conf", old, 0o644);
    let base = "[board]\nname = 'b'\n[[container]]\nname = 'b'\n[[container.network]]\ntype = 'macvlan'\n\
                link = 'br0'\nhwaddr = '00:16:3e:xx:xx:02'\n";
    scratch.write("base.toml", base, 0o644);
    let profile = "extends = 'base.toml'\n[[container]]\nconfig = 'old.conf'\n[[container]]\nname = 'c'\n\
                   network = [{ type = 'macvlan', link = 'br0', hwaddr = '00:16:3e:xx:xx:03' }]\n";
    scratch.write("p.toml", profile, 0o644);
    let made = |out: &str| {
        scratch.made(&["-q", "--profile=p.toml", "-o", &format!("{out}/")]);
        std::fs::read_to_string(scratch.path(&format!("{out}/etc/boardbox/board.toml"))).unwrap()
    };
    let (one, two) = (made("one"), made("two"));
    assert_eq!(one, two);
    for number in 1..=3 {
        assert!(one.contains(&format!("hwaddr = \"00:16:3e:xx:xx:0{number}\"\n")), "{one}");
    }
}

/// docs/commands.md's example, with what it names: nothing is missing for a boot, and nothing of rootfs/ is there but etc.
#[test]
fn the_documents_example_is_one_that_boots() {
    let scratch = Scratch::new("example");
    let text = std::fs::read_to_string(Path::new(TOP).join("docs/commands.md")).unwrap();
    let script = text.split("```sh\n").find(|part| part.starts_with("cat >nodes")).unwrap();
    let script = script.split("```").next().unwrap().replace("boardbox image", &format!("{BOARDBOX} image"));
    let profile = "[board]\nname = 'b'\n[[container]]\nname = 'logger'\nrootfs = '/srv/logger'\n";
    for (name, text) in [
        ("busybox/_install/sbin/init", ""),
        ("logger/full/sbin/init", ""),
        ("dist/boardbox-powerpc", ""),
        ("hostname", "b\n"),
        ("board.toml", profile),
    ] {
        scratch.write(name, text, 0o755);
    }
    symlink("full", scratch.0.join("logger/root")).unwrap();
    symlink(Path::new(TOP).join("rootfs"), scratch.0.join("rootfs")).unwrap();
    let said = shell(&scratch.0, &format!("{{ {script} }} 2>&1"));
    assert!(said.starts_with("rootfs.cpio.gz: ") && said.lines().count() == 1, "{said}");
    let listed = shell(&scratch.0, "gzip -dc rootfs.cpio.gz | busybox cpio -t 2>/dev/null");
    for name in [
        "proc",
        "sys",
        "init",
        "etc/inittab",
        "etc/init.d/S50boardbox",
        "srv/logger/proc",
        "usr/sbin/boardbox",
    ] {
        assert!(listed.lines().any(|line| line == name), "{name} is not in\n{listed}");
    }
    assert!(!listed.contains("README") && !listed.contains("systemd"), "{listed}");
}
