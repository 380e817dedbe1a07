//! What brings boardbox onto a system: make install, the Debian package, completions, init scripts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const BOARDBOX: &str = env!("CARGO_BIN_EXE_boardbox");

/// A directory of the test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("boardbox-packaging-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// All that is in it, links and what they lead to.
    fn list(&self) -> Vec<String> {
        let found = run(Command::new("find").arg(&self.0).args(["!", "-type", "d", "-printf", "%m %P %l\n"]));
        let mut lines: Vec<String> = found.lines().map(|line| line.trim_end().to_string()).collect();
        lines.sort();
        lines
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(TOP).join("scripts").join(name));
    // What make was called with must not reach what a test calls.
    for name in ["DESTDIR", "PREFIX", "ARCH", "INIT", "PROFILE", "LXC", "DOCS", "OUT"] {
        command.env_remove(name);
    }
    command.env("FILE", BOARDBOX);
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_target_tree_gets_the_file_its_names_and_the_init_script() {
    for (init, script_there) in [
        ("busybox", "755 etc/init.d/S50boardbox"),
        ("sysvinit", "755 etc/init.d/boardbox"),
        ("openrc", "755 etc/init.d/boardbox"),
        ("systemd", "644 usr/lib/systemd/system/boardbox.service"),
    ] {
        let tree = Scratch::new(init);
        let profile = format!("{TOP}/boards/p4080ds.toml");
        let mut install = script("install");
        install.env("DESTDIR", tree.path()).env("INIT", init).env("PROFILE", &profile);
        run(install.env("LXC", "1").env("DOCS", "0"));
        let list = tree.list();
        for wanted in [
            "755 usr/sbin/boardbox",
            "777 usr/sbin/lxc-start boardbox",
            "777 usr/sbin/lxc-cgroup boardbox",
            "644 etc/boardbox/board.toml",
            script_there,
        ] {
            assert!(list.iter().any(|line| line == wanted), "{init}: {wanted} is not in {list:#?}");
        }
        assert!(!list.iter().any(|line| line.contains("share")), "{list:#?}");
        let started = run(Command::new(tree.0.join("usr/sbin/lxc-start")).arg("--version"));
        assert!(started.contains(env!("CARGO_PKG_VERSION")), "{started}");

        // A profile that is there is the board's: it stays.
        std::fs::write(tree.0.join("etc/boardbox/board.toml"), "mine").unwrap();
        run(&mut install);
        assert_eq!(std::fs::read_to_string(tree.0.join("etc/boardbox/board.toml")).unwrap(), "mine");
    }
}

#[test]
fn what_cannot_be_installed_is_said() {
    let tree = Scratch::new("wrong");
    let wrong = script("install").env("DESTDIR", tree.path()).env("INIT", "upstart").output().unwrap();
    assert!(!wrong.status.success());
    assert!(text(&wrong).contains("INIT=upstart: no such init (busybox, sysvinit, openrc, systemd)"));
    let none = script("install").env("FILE", "/nowhere/boardbox").output().unwrap();
    assert!(!none.status.success());
    assert!(text(&none).contains("/nowhere/boardbox is not there (make dist/boardbox-"), "{}", text(&none));
}

#[test]
fn the_debian_package_is_whole_and_the_same_each_time() {
    let (first, second) = (Scratch::new("deb1"), Scratch::new("deb2"));
    let packages: Vec<PathBuf> = [&first, &second]
        .iter()
        .map(|out| {
            run(script("deb").env("OUT", out.path()).arg("powerpc"));
            out.0.join(format!("boardbox_{}_powerpc.deb", env!("CARGO_PKG_VERSION")))
        })
        .collect();
    assert_eq!(std::fs::read(&packages[0]).unwrap(), std::fs::read(&packages[1]).unwrap());
    let field = |name: &str| run(Command::new("dpkg-deb").arg("-f").arg(&packages[0]).arg(name));
    assert_eq!(field("Architecture").trim(), "powerpc");
    assert_eq!(field("Version").trim(), env!("CARGO_PKG_VERSION"));
    assert_eq!(field("Depends").trim(), "");
    let contents = run(Command::new("dpkg-deb").arg("-c").arg(&packages[0]));
    for wanted in [
        "./usr/sbin/boardbox\n",
        "./usr/lib/systemd/system/boardbox.service\n",
        "./etc/init.d/boardbox\n",
        "./usr/lib/boardbox/lxc/lxc-start -> ../../../sbin/boardbox\n",
        "./usr/share/man/man8/boardbox.8.gz\n",
        "./usr/share/man/man5/boardbox-profile.5.gz\n",
        "./usr/share/bash-completion/completions/boardbox\n",
        "./usr/share/doc/boardbox/copyright\n",
    ] {
        assert!(contents.contains(wanted), "{wanted} is not in {contents}");
    }
    assert!(!contents.lines().any(|line| !line.contains(" root/root ")), "{contents}");
}

/// What bash offers after these words.
fn completed(dir: &Scratch, words: &[&str]) -> Vec<String> {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let typed = format!(
        "source {}/boardbox.bash; COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _boardbox; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        dir.path(),
        words.join(" ")
    );
    let printed =
        run(Command::new("bash").args(["--norc", "-c", &typed]).current_dir(Path::new(TOP).join("boards")));
    printed.lines().map(String::from).filter(|line| !line.is_empty()).collect()
}

#[test]
fn bash_completes_commands_options_and_files() {
    let dir = Scratch::new("completion");
    run(script("completion").arg(dir.path()));
    let help = run(Command::new(BOARDBOX).arg("--help"));
    let commands: Vec<&str> = help
        .lines()
        .filter_map(|l| l.strip_prefix("  "))
        .filter_map(|l| l.split_whitespace().next())
        .collect();
    assert!(commands.len() > 15, "{help}");
    let offered = completed(&dir, &["boardbox", ""]);
    for command in &commands {
        assert!(offered.iter().any(|word| word == command), "{command} is not in {offered:?}");
        // What the program says of itself is what is offered.
        let help = run(Command::new(BOARDBOX).args([command, "--help"]));
        let options = completed(&dir, &["boardbox", command, "--"]);
        for option in help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|w| w.len() > 3) {
            if option.starts_with("--") {
                assert!(options.iter().any(|word| word == option), "{command}: {option} not in {options:?}");
            }
        }
        let zsh = std::fs::read_to_string(dir.0.join("_boardbox")).unwrap();
        assert!(zsh.contains(&format!("\n    {command}) options=(")), "{command}: {zsh}");
    }
    assert_eq!(completed(&dir, &["boardbox", "unf"]), ["unfreeze"]);
    assert_eq!(completed(&dir, &["boardbox", "up", "p40"]), ["p4080ds.toml"]);
    assert_eq!(completed(&dir, &["boardbox", "up", "--po"]), ["--port"]);
    assert_eq!(completed(&dir, &["lxc-start", "--rc"]), ["--rcfile"]);
    assert_eq!(completed(&dir, &["lxc-start", "-f", "p40"]), ["p4080ds.toml"]);
    // A command that runs inside is not boardbox's to complete.
    assert!(completed(&dir, &["boardbox", "exec", "x", "--", "--po"]).is_empty());
}

#[test]
fn init_scripts_are_shell_and_say_what_they_take() {
    for script in ["rootfs/etc/init.d/S50boardbox", "rootfs/sysvinit/boardbox", "rootfs/openrc/boardbox"] {
        let path = Path::new(TOP).join(script);
        run(Command::new("busybox").args(["ash", "-n"]).arg(&path));
        run(Command::new("sh").arg("-n").arg(&path));
    }
    let script = Path::new(TOP).join("rootfs/etc/init.d/S50boardbox");
    let output = Command::new(script).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("start|stop|restart|status"), "{}", text(&output));
    let lsb = std::fs::read_to_string(Path::new(TOP).join("rootfs/sysvinit/boardbox")).unwrap();
    for field in
        ["Provides", "Required-Start", "Required-Stop", "Default-Start", "Default-Stop", "Short-Description"]
    {
        assert!(lsb.contains(&format!("\n# {field}:")), "{field}");
    }
}
