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
        ("systemd", "644 usr/lib/systemd/system/boardbox-down.service"),
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

        // A rebuilt image has the profile as it is by then; without one it keeps what it has.
        let installed = tree.0.join("etc/boardbox/board.toml");
        std::fs::write(&installed, "mine").unwrap();
        run(install.env_remove("PROFILE"));
        assert_eq!(std::fs::read_to_string(&installed).unwrap(), "mine");
        run(install.env("PROFILE", &profile));
        assert_eq!(std::fs::read(&installed).unwrap(), std::fs::read(&profile).unwrap());
    }
}

#[test]
fn what_calls_the_program_calls_it_where_it_is() {
    for (init, files) in [
        ("busybox", &["etc/init.d/S50boardbox"][..]),
        ("sysvinit", &["etc/init.d/boardbox"]),
        ("openrc", &["etc/init.d/boardbox"]),
        (
            "systemd",
            &[
                "opt/bb/lib/systemd/system/boardbox.service",
                "opt/bb/lib/systemd/system/boardbox-down.service",
            ],
        ),
    ] {
        let tree = Scratch::new(&format!("prefix-{init}"));
        let mut install = script("install");
        install.env("DESTDIR", tree.path()).env("INIT", init).env("DOCS", "0").env("PREFIX", "/opt/bb");
        run(&mut install);
        for file in files {
            let text = std::fs::read_to_string(tree.0.join(file)).unwrap();
            let called =
                if init == "busybox" { "PATH=/opt/bb/sbin:$PATH\n" } else { "/opt/bb/sbin/boardbox" };
            assert!(text.contains(called) && !text.contains("/usr/sbin/boardbox"), "{init}: {text}");
            assert!(init == "systemd" || text.starts_with("#!/"), "{init}: {text}");
        }
        // In its usual place they are as they are in the source tree.
        run(install.env("PREFIX", "/usr"));
        if init == "busybox" {
            let here = std::fs::read(Path::new(TOP).join("rootfs/etc/init.d/S50boardbox")).unwrap();
            assert_eq!(std::fs::read(tree.0.join(files[0])).unwrap(), here);
        }
    }
}

/// In mounts of its own: the script writes to the system it runs on.
fn privately(script: &str) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", script]).current_dir(TOP);
    for name in ["DESTDIR", "PREFIX", "ARCH", "INIT", "PROFILE", "LXC", "DOCS", "OUT"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

#[test]
fn a_running_system_keeps_the_profile_it_has() {
    let prefix = Scratch::new("running");
    let said = privately(&format!(
        "mount -t tmpfs etc /etc; export FILE={BOARDBOX} PREFIX={} DOCS=0 PROFILE=boards/p4080ds.toml
         scripts/install; cmp boards/p4080ds.toml /etc/boardbox/board.toml && echo installed
         echo mine >/etc/boardbox/board.toml; scripts/install; cat /etc/boardbox/board.toml",
        prefix.path()
    ));
    let kept = "kept: /etc/boardbox/board.toml (remove it first to have boards/p4080ds.toml)";
    assert_eq!(text(&said), format!("installed\n{kept}\nmine\n"));
}

#[test]
fn removing_the_debian_package_takes_the_board_down() {
    let prerm = format!("{TOP}/packaging/debian/prerm");
    let said = privately(&format!(
        r#"mount -t tmpfs run /run; mount -t tmpfs sbin /usr/sbin; mkdir /run/bin
           printf '#!/bin/sh\necho boardbox "$@"\nrm /run/boardbox/.profile\n' >/usr/sbin/boardbox
           printf '#!/bin/sh\necho systemctl "$@"\n' >/run/bin/systemctl; chmod 755 /usr/sbin/boardbox /run/bin/systemctl
           export PATH=/run/bin:$PATH
           up() {{ mkdir -p /run/boardbox; touch /run/boardbox/.profile; }}
           echo nothing is up; {prerm} remove
           up; echo upgrade; {prerm} upgrade 1.0; echo remove; {prerm} remove
           up; mkdir -p /run/systemd/system; echo systemd; {prerm} remove"#
    ));
    assert_eq!(
        text(&said),
        "nothing is up\nupgrade\nremove\nboardbox down\nsystemd\n\
         systemctl stop boardbox.service boardbox-down.service\nboardbox down\n"
    );
}

#[test]
fn a_profile_that_names_other_files_is_installed_as_one() {
    let tree = Scratch::new("extends");
    let mut install = script("install");
    install.env("DESTDIR", tree.path()).env("DOCS", "0");
    install.env("PROFILE", format!("{TOP}/boards/qemu-ppce500.toml"));
    run(&mut install);
    let installed = tree.0.join("etc/boardbox/board.toml");
    let read = |path: &Path| boardbox::profile::toml::read(path.to_str().unwrap()).unwrap();
    let (there, here) = (read(&installed), read(&Path::new(TOP).join("boards/qemu-ppce500.toml")));
    assert_eq!((there.containers, there.bridges), (here.containers.clone(), here.bridges));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&installed).unwrap());
    assert_eq!(mode & 0o777, 0o644);
    assert!(!std::fs::read_to_string(&installed).unwrap().contains("extends"));
    // Also by a name that does not say so.
    let own = tree.0.join("board.cfg");
    std::fs::write(&own, format!("extends = '{TOP}/boards/qemu-ppce500.toml'\n")).unwrap();
    run(install.env("PROFILE", &own));
    assert_eq!(read(&installed).containers, here.containers);
}

/// Buildroot's package, by make: Buildroot itself is stood in for by what its infrastructure defines and calls.
#[test]
fn buildroots_package_installs_what_it_says() {
    let work = Scratch::new("buildroot");
    // The source tree as Buildroot copies it, with a file that runs here.
    let build = work.0.join("build");
    std::fs::create_dir_all(build.join("dist")).unwrap();
    for entry in std::fs::read_dir(TOP).unwrap().flatten().filter(|entry| entry.file_name() != "dist") {
        std::os::unix::fs::symlink(entry.path(), build.join(entry.file_name())).unwrap();
    }
    for arch in ["aarch64", std::env::consts::ARCH] {
        std::fs::copy(BOARDBOX, build.join("dist").join(format!("boardbox-{arch}"))).unwrap();
    }
    let make = |rules: &str| {
        let file = work.0.join("Makefile");
        let head = format!(
            "BR2_EXTERNAL_BOARDBOX_PATH = {TOP}/packaging/buildroot\nBR2_aarch64 = y\nHOSTARCH = {}\n\
             TARGET_DIR = {}/target\nINSTALL = install\nqstrip = $(strip $(subst \",,$(1)))\n\
             KCONFIG_ENABLE_OPT = echo enable $(1)\ngeneric-package = BOARDBOX_IS_A_PACKAGE = y\n",
            std::env::consts::ARCH,
            work.path()
        );
        std::fs::write(&file, format!("{head}{rules}")).unwrap();
        // Not in the source tree, nor beside a profile that is named by itself.
        let mut make = Command::new("make");
        make.arg("--no-print-directory").arg("-f").arg(&file).current_dir(&work.0).output().unwrap()
    };
    let steps = "include $(BR2_EXTERNAL_BOARDBOX_PATH)/external.mk\nall: $(BUILD)/.stamp\n.PHONY: $(BUILD)/.stamp\n\
         $(BUILD)/.stamp:\n\ttest $(BOARDBOX_IS_A_PACKAGE) = y\n\t$(BOARDBOX_BUILD_CMDS)\n\
         \t$(BOARDBOX_INSTALL_TARGET_CMDS)\n\t$(BOARDBOX_INSTALL_INIT_SYSV)\n\t$(BOARDBOX_LINUX_CONFIG_FIXUPS)\n";
    let rules = |profile: &str| {
        let top =
            format!("BR2_PACKAGE_BOARDBOX_PROFILE = \"{profile}\"\nBR2_PACKAGE_BOARDBOX_LXC_NAMES = y\n");
        format!("{top}BUILD = {}\n{steps}", build.display())
    };
    // A profile relative to Buildroot's top.
    let own = format!("extends = '{TOP}/boards/qemu-ppce500.toml'\n");
    std::fs::write(work.0.join("own.toml"), own).unwrap();
    let made = make(&rules("own.toml"));
    assert!(made.status.success(), "{}", text(&made));
    let said = text(&made);
    for option in ["MACVLAN", "BPF_SYSCALL", "CPUSETS_V1", "MEMCG_V1", "SYSVIPC", "BLK_DEV_THROTTLING"] {
        assert!(said.contains(&format!("enable CONFIG_{option}\n")), "{option}: {said}");
    }
    let target = Scratch(work.0.join("target"));
    let list = target.list();
    for wanted in [
        "755 usr/sbin/boardbox",
        "777 usr/sbin/lxc-start boardbox",
        "644 etc/boardbox/board.toml",
        "755 etc/init.d/S50boardbox",
    ] {
        assert!(list.iter().any(|line| line == wanted), "{wanted} is not in {list:#?}");
    }
    drop(target);
    // A profile with a mistake fails the build before it is on the target.
    let bad = work.0.join("bad.toml").into_os_string().into_string().unwrap();
    std::fs::write(&bad, "[board]\nnam = 'b'\n").unwrap();
    let made = make(&rules(&bad));
    assert!(!made.status.success() && text(&made).contains("unknown key \"nam\""), "{}", text(&made));
    assert!(!work.0.join("target/etc/boardbox/board.toml").exists());
    // One that can not be checked is not taken unseen.
    let here = build.join("dist").join(format!("boardbox-{}", std::env::consts::ARCH));
    std::fs::remove_file(&here).unwrap();
    let made = make(&rules("own.toml"));
    let wanted = format!("boardbox: run make dist/boardbox-{} in", std::env::consts::ARCH);
    assert!(!made.status.success() && text(&made).contains(&wanted), "{}", text(&made));
    assert!(!work.0.join("target/etc/boardbox/board.toml").exists());
    let _ = std::fs::remove_file(build.join("dist/boardbox-aarch64"));
    let made = make(&rules(""));
    assert!(text(&made).contains("boardbox: run make dist/boardbox-aarch64 in"), "{}", text(&made));
}

/// The recipe's own shell, with what bitbake would put into it.
#[test]
fn yoctos_recipe_checks_the_profile_and_puts_the_units_where_systemd_is() {
    let recipe = format!("{TOP}/packaging/yocto/recipes-containers/boardbox/boardbox_0.1.0.bb");
    let recipe = std::fs::read_to_string(recipe).unwrap();
    let work = Scratch::new("yocto");
    let source = work.0.join("source");
    std::fs::create_dir_all(source.join("dist")).unwrap();
    for name in ["scripts", "rootfs", "docs", "boards"] {
        std::os::unix::fs::symlink(Path::new(TOP).join(name), source.join(name)).unwrap();
    }
    std::fs::copy(BOARDBOX, source.join("dist/boardbox-aarch64")).unwrap();
    let task = |name: &str, units: &str| {
        let body = recipe.split_once(&format!("\n{name}() {{\n")).unwrap().1.split_once("\n}\n").unwrap().0;
        let mut body = format!("set -e\nbbfatal() {{ echo \"$*\"; exit 1; }}\n{body}\n");
        let python = body.lines().find(|line| line.contains("${@")).unwrap_or("none").to_string();
        body = body.replace(&python, "init=systemd");
        for (name, value) in [
            ("S", source.to_str().unwrap()),
            ("D", work.0.join("image").to_str().unwrap()),
            ("prefix", "/usr"),
            ("systemd_system_unitdir", units),
            ("BOARDBOX_ARCH", "aarch64"),
            ("BUILD_ARCH", "x86_64"),
            ("BOARDBOX_PROFILE", &format!("{TOP}/boards/qemu-virt-aarch64.toml")),
        ] {
            body = body.replace(&format!("${{{name}}}"), value);
        }
        assert!(!body.contains("${"), "{body}");
        Command::new("sh").arg("-c").arg(&body).current_dir(&work.0).output().unwrap()
    };
    let said = task("do_compile", "");
    let wanted = "run make dist/boardbox-x86_64 in ";
    assert!(!said.status.success() && text(&said).starts_with(wanted), "{}", text(&said));
    std::fs::copy(BOARDBOX, source.join("dist/boardbox-x86_64")).unwrap();
    assert!(task("do_compile", "").status.success());
    for units in ["/lib/systemd/system", "/usr/lib/systemd/system"] {
        let image = Scratch(work.0.join("image"));
        let said = task("do_install", units);
        assert!(said.status.success(), "{}", text(&said));
        let found: Vec<String> = image.list().into_iter().filter(|line| line.contains(".service")).collect();
        let wanted = |name: &str| format!("644 {}/{name}.service", units.trim_start_matches('/'));
        assert_eq!(found, [wanted("boardbox-down"), wanted("boardbox")]);
        assert!(units.starts_with("/usr") || !image.0.join("usr/lib/systemd").exists());
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
        "./usr/lib/systemd/system/boardbox-down.service\n",
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
    assert_eq!(completed(&dir, &["boardbox", "image", "--ov"]), ["--overlay"]);
    assert_eq!(completed(&dir, &["boardbox", "image", "--profile", "p40"]), ["p4080ds.toml"]);
    assert_eq!(completed(&dir, &["boardbox", "convert", "demo-"]), ["demo-b.conf"]);
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
