//! `boardbox check` on the built binary: wrong profiles, one mistake each, with what is said of it; right ones with nothing.
//!
//! A file of tests/check says itself what is to come out: `#% ARGUMENTS` are given to the command, each `#= LINE` is a line
//! that it prints, without the file's name. `@board` among the arguments is the file tree that this test makes.

#![cfg(feature = "workbench")]

#[path = "check/json.rs"]
mod json;
mod made;

use boardbox::check::kernel::OPTIONS;
use boardbox::check::rules::RULES;
use json::Json;
use made::{ARM, Kind, PPC, X86_64, dtb, elf};
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const BOARDBOX: &str = env!("CARGO_BIN_EXE_boardbox");

/// A PowerPC board's file tree, as far as containers need it, with a container for each thing that may be wrong.
struct Tree(PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Tree {
    fn new(name: &str) -> Self {
        let tree = Self(std::env::temp_dir().join(format!("boardbox-check-{name}-{}", std::process::id())));
        let _ = std::fs::remove_dir_all(&tree.0);
        tree.dir("/proc");
        tree.file("/board.dtb", 0o644, &dtb(&["fsl,ls1046a-rdb", "fsl,ls1046a"], 4, true));
        tree.file("/lib/ld.so.1", 0o755, &elf(PPC, "", &[(14, "ld.so.1")]));
        tree.file("/usr/lib/libc-2.36.so", 0o755, &elf(PPC, "", &[(1, "ld.so.1")]));
        tree.link("/lib/libc.so.6", "../usr/lib/libc-2.36.so");
        tree.file("/lib/libx86.so", 0o644, &elf(X86_64, "", &[]));
        tree.file("/etc/fstab", 0o644, b"/dev/mmcblk0p3 /data ext4 defaults 0 0\n");
        tree.file("/etc/null.fstab", 0o644, b"/opt/firmware opt none bind,create=dir 0 0\n");
        // What the containers' root file systems have in common: mount points, and /lib to bind the board's on.
        for name in [
            "good",
            "x86",
            "noinit",
            "noexec",
            "text",
            "script",
            "linked",
            "lost",
            "other",
            "noproc",
            "loop",
            "damaged",
            "linkedproc",
            "outside",
            "arm",
            "armhf",
            "little",
        ] {
            for dir in ["proc", "sys", "dev", "lib"] {
                tree.dir(&format!("/srv/{name}/{dir}"));
            }
        }
        std::fs::remove_dir(tree.path("/srv/noproc/proc")).unwrap();
        std::fs::remove_dir(tree.path("/srv/linkedproc/proc")).unwrap();
        tree.link("/srv/linkedproc/proc", "sys");
        let linked = elf(PPC, "/lib/ld.so.1", &[(1, "libc.so.6"), (29, "$ORIGIN/../own")]);
        let fixed = elf(PPC, "", &[]);
        tree.file(
            "/srv/good/opt/app/bin/real",
            0o755,
            &elf(PPC, "/lib/ld.so.1", &[(1, "libc.so.6"), (1, "libown.so"), (29, "$ORIGIN/../own")]),
        );
        // An absolute link ends inside, however many ../ it has.
        tree.link("/srv/good/sbin/init", "/../../opt/app/bin/real");
        tree.link("/srv/good/empty/job", "/usr/bin/job");
        tree.file("/srv/good/opt/app/own/libown.so", 0o644, &elf(PPC, "", &[(1, "libc.so.6")]));
        tree.dir("/srv/good/empty");
        tree.file("/srv/good/bin/sh", 0o755, &fixed);
        tree.file("/srv/good/usr/bin/job", 0o755, b"#!/bin/sh -e\nexec true\n");
        tree.file(
            "/srv/x86/sbin/init",
            0o755,
            &elf(X86_64, "/lib64/ld-linux-x86-64.so.2", &[(1, "libc.so.6")]),
        );
        tree.file("/srv/noexec/sbin/init", 0o644, &fixed);
        tree.file("/srv/text/sbin/init", 0o755, b"exec sleep 1000\n");
        tree.file("/srv/script/sbin/init", 0o755, b"#! /bin/bash\nexec sleep 1000\n");
        tree.file("/srv/linked/sbin/init", 0o755, &linked);
        tree.file(
            "/srv/lost/sbin/init",
            0o755,
            &elf(PPC, "/lib/ld.so.1", &[(1, "libc.so.6"), (1, "libssl.so.3")]),
        );
        tree.file("/srv/other/sbin/init", 0o755, &elf(PPC, "/lib/ld.so.1", &[(1, "libx86.so")]));
        tree.file("/srv/noproc/sbin/init", 0o755, &fixed);
        tree.file("/srv/linkedproc/sbin/init", 0o755, &fixed);
        tree.file("/srv/arm/sbin/init", 0o755, &elf(ARM, "", &[]));
        // Debian's armhf on an arm64 board, without an ld.so.conf.
        let program = elf(ARM, "/lib/ld-linux-armhf.so.3", &[(1, "libc.so.6")]);
        tree.file("/srv/armhf/sbin/init", 0o755, &program);
        tree.file("/srv/armhf/lib/ld-linux-armhf.so.3", 0o755, &elf(ARM, "", &[]));
        tree.file("/srv/armhf/usr/lib/arm-linux-gnueabihf/libc.so.6", 0o755, &elf(ARM, "", &[]));
        // There on any build machine, and not inside.
        tree.link("/srv/outside/sbin/init", "/bin/sh");
        tree.file("/srv/little/sbin/init", 0o755, &elf(Kind { big: false, ..PPC }, "", &[]));
        tree.link("/srv/loop/sbin", "sbin");
        tree.file("/srv/damaged/sbin/init", 0o755, &linked[..linked.len() - 40]);
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    fn dir(&self, path: &str) {
        std::fs::create_dir_all(self.path(path)).unwrap();
    }

    fn file(&self, path: &str, mode: u32, bytes: &[u8]) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }
}

/// Runs `boardbox check`, in tests/check.
fn check(args: &[&str]) -> Output {
    Command::new(BOARDBOX)
        .arg("check")
        .args(args)
        .current_dir(Path::new(TOP).join("tests/check"))
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(String::from).collect()
}

/// A file of tests/check: its name, the arguments it wants, what is to be said of it.
struct Case {
    name: String,
    args: Vec<String>,
    expected: Vec<String>,
}

fn cases(tree: &Tree) -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(Path::new(TOP).join("tests/check")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if !name.ends_with(".toml") && !name.ends_with(".conf") {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
        let marked = |mark: &str| -> Vec<String> {
            text.lines()
                .filter_map(|line| line.strip_prefix(mark))
                .map(|line| line.trim().to_string())
                .collect()
        };
        let args = marked("#%").join(" ").replace("@board", tree.0.to_str().unwrap());
        let args = args.split_ascii_whitespace().map(String::from).collect();
        cases.push(Case { expected: marked("#="), args, name });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

#[test]
fn each_wrong_profile_is_told_its_mistake_and_right_ones_nothing() {
    let tree = Tree::new("cases");
    let (mut wrong, mut right) = (0, 0);
    for Case { name, args, expected } in cases(&tree) {
        let args: Vec<&str> = args.iter().map(String::as_str).chain([name.as_str()]).collect();
        let output = check(&args);
        let mut told = lines(&output);
        if !told.is_empty() {
            let summary = told.pop().unwrap();
            assert!(summary.contains(" error") && summary.contains(" note"), "{name}: {summary}");
        }
        let short = |line: &String| {
            let line = line.strip_prefix(name.as_str()).unwrap_or(line).trim_start_matches(": ");
            line.replace(tree.0.to_str().unwrap(), "@board")
        };
        let told: Vec<String> = told.iter().map(short).collect();
        assert_eq!(told, expected, "{name}");
        let has = |severity: &str| expected.iter().any(|line| line.contains(&format!("{severity}: ")));
        assert_eq!(output.status.code(), Some(if has("error") { 2 } else { 0 }), "{name}");
        assert!(output.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let strict = check(&[&["--strict"], args.as_slice()].concat()).status.code();
        assert_eq!(
            strict,
            Some(if has("error") {
                2
            } else if has("warning") {
                7
            } else {
                0
            }),
            "{name}"
        );
        assert_eq!(name.starts_with("right"), expected.is_empty(), "{name}");
        match expected.len() {
            0 => right += 1,
            _ => wrong += 1,
        }
    }
    assert!(wrong >= 60 && right >= 5, "{wrong} wrong ones, {right} right ones");
}

#[test]
fn every_rule_has_a_wrong_profile() {
    let tree = Tree::new("rules");
    let told: Vec<String> = cases(&tree).into_iter().flat_map(|case| case.expected).collect();
    for rule in RULES {
        let line = told.iter().find(|line| line.ends_with(&format!(" [{}]", rule.id)));
        let line = line.unwrap_or_else(|| panic!("no file of tests/check breaks {}", rule.id));
        assert!(line.contains(&format!("{}: ", rule.severity.name())), "{line}");
    }
}

#[test]
fn the_shipped_profiles_are_right() {
    let mut profiles: Vec<PathBuf> = std::fs::read_dir(Path::new(TOP).join("boards"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    profiles.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    assert!(profiles.len() > 5);
    let mut args = vec!["--strict"];
    args.extend(profiles.iter().map(|path| path.to_str().unwrap()));
    let output = check(&args);
    assert_eq!((lines(&output), output.status.code()), (Vec::new(), Some(0)));
}

#[test]
fn the_document_has_every_rule_and_no_other() {
    let text = std::fs::read_to_string(Path::new(TOP).join("docs/checks.md")).unwrap();
    let described: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            let (id, rest) = line.split_once("` | ").unwrap();
            (id.to_string(), rest.split_once(" |").unwrap().0.to_string())
        })
        .collect();
    let known: Vec<(String, String)> =
        RULES.iter().map(|rule| (rule.id.to_string(), rule.severity.name().to_string())).collect();
    let sorted = |list: &[(String, String)]| list.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(sorted(&described), sorted(&known));
    assert_eq!(
        (described.len(), known.len()),
        (sorted(&described).len(), sorted(&known).len()),
        "one is there twice"
    );
}

#[test]
fn the_readme_has_the_options_of_the_table() {
    let readme = std::fs::read_to_string(Path::new(TOP).join("README.md")).unwrap();
    let section = readme.split_once("## What the kernel needs").unwrap().1.split_once("\n## ").unwrap().0;
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let quoted: Vec<String> =
        rows.flat_map(|row| row.split('`').skip(1).step_by(2)).map(String::from).collect();
    let option = |word: &&str| {
        word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let described: BTreeSet<&str> =
        quoted.iter().flat_map(|words| words.split_ascii_whitespace()).filter(option).collect();
    let known: BTreeSet<&str> = OPTIONS.iter().map(|option| option.name).collect();
    assert_eq!(described, known);
}

/// A profile with an error, a warning and a note.
const MIXED: &str = "mixed/board.toml";

#[test]
fn json_has_every_finding() {
    let output = check(&["--json", MIXED]);
    assert_eq!(output.status.code(), Some(2));
    let told = json::parse(&output.stdout);
    assert_eq!(["errors", "warnings", "notes"].map(|key| told[key].clone()), ["1", "1", "1"].map(Json::bare));
    let findings = told["findings"].list();
    let severities: Vec<&str> = findings.iter().map(|finding| finding["severity"].text()).collect();
    assert_eq!(severities, ["error", "note", "warning"]);
    let first = &findings[0];
    assert_eq!((first["rule"].text(), first["file"].text()), ("link-is-a-port", MIXED));
    assert_eq!((&first["line"], &first["column"]), (&Json::bare("13"), &Json::bare("8")));
    assert_eq!(
        first["message"].text(),
        "container \"a\": link \"eth0\" is a port of br0: the kernel takes no macvlan on it"
    );
    assert_eq!(first["hint"].text(), "link = \"br0\"");
    let none = json::parse(&check(&["--json", "right-least.toml"]).stdout);
    assert_eq!((none["findings"].list().len(), &none["errors"]), (0, &Json::bare("0")));
}

#[test]
fn sarif_is_what_the_standard_says() {
    let output = check(&["--sarif", MIXED, "/nonexistent/a b.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let sarif = json::parse(&output.stdout);
    // Section 3.13: version is required, and $schema names it.
    assert_eq!(sarif["version"].text(), "2.1.0");
    assert!(sarif["$schema"].text().contains("sarif-2.1.0"));
    let [run] = sarif["runs"].list() else { panic!("one run") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"].text(), "boardbox");
    let rules = driver["rules"].list();
    assert_eq!(rules.len(), RULES.len());
    for (rule, known) in rules.iter().zip(RULES) {
        assert_eq!(rule["id"].text(), known.id);
        assert!(!rule["shortDescription"]["text"].text().is_empty());
        assert_eq!(rule["defaultConfiguration"]["level"].text(), known.severity.name());
    }
    let results = run["results"].list();
    assert_eq!(results.len(), 4);
    for result in results {
        // 3.27: ruleIndex leads to the rule with this id, level is one of four, message has a text.
        let Json::Bare(index) = &result["ruleIndex"] else { panic!("a number") };
        assert_eq!(rules[index.parse::<usize>().unwrap()]["id"].text(), result["ruleId"].text());
        assert!(["error", "warning", "note", "none"].contains(&result["level"].text()));
        assert!(!result["message"]["text"].text().is_empty());
        let [location] = result["locations"].list() else { panic!("one location") };
        let place = &location["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].text();
        assert!(!uri.contains(' '), "{uri}");
        if let Some(region) = place.get("region") {
            for key in ["startLine", "startColumn"] {
                let Json::Bare(number) = &region[key] else { panic!("a number") };
                assert!(number.parse::<u32>().unwrap() > 0, "they count from 1");
            }
        } else {
            assert_eq!(uri, "file:///nonexistent/a%20b.toml");
        }
    }
}

#[test]
fn what_is_allowed_is_not_told_and_errors_can_not_be() {
    let told = |args: &[&str]| {
        let output = check(&[args, &[MIXED]].concat());
        (lines(&output).len(), output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(told(&[]).0, 4);
    assert_eq!(told(&["--allow", "host-network", "--allow=memory-beyond-board"]).0, 2);
    assert_eq!(told(&["-q"]).0, 2);
    let (_, code, words) = told(&["--allow", "link-is-a-port"]);
    assert!(code == 1 && words.contains("no rule for warnings or notes has this name"), "{words}");
    let (_, code, words) = told(&["--allow", "host-netwrok"]);
    assert!(code == 1 && words.contains("did you mean host-network?"), "{words}");
}

#[test]
fn inputs_that_are_not_there_or_something_else_are_exit_code_3() {
    for (args, words) in [
        (&["--rootfs", "/nonexistent"][..], "look at the file tree /nonexistent: No such file or directory"),
        (
            &["--rootfs", "right-least.toml"],
            "right-least.toml is not a directory (the one that stands for the board's /)",
        ),
        (&["--dtb", "right-least.toml"], "device tree right-least.toml: is no flattened device tree"),
        (
            &["--kernel-config", "right-least.toml"],
            "kernel configuration right-least.toml: has no line that begins with CONFIG_",
        ),
        (&["--kernel-config", "/nonexistent"], "read /nonexistent: No such file or directory"),
    ] {
        let output = check(&[args, &["right-least.toml"]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(&format!("boardbox: {words}")), "{said}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{args:?}");
    }
    for args in [&["--json", "--sarif"][..], &["--running-kernel", "--kernel-config=x"]] {
        assert_eq!(check(args).status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn what_may_not_be_read_is_told_and_no_pipe_is_waited_for() {
    use std::os::unix::process::CommandExt;
    let tree = Tree::new("unreadable");
    tree.file("/srv/good/sbin/secret", 0o111, &elf(PPC, "", &[]));
    tree.file("/srv/good/bin/waits", 0o755, &elf(PPC, "/lib/ld.so.1", &[(1, "libpipe.so")]));
    assert!(Command::new("mkfifo").arg(tree.path("/lib/libpipe.so")).status().unwrap().success());
    let profile = tree.path("/profile.toml");
    let run = |command: &str| {
        let text = format!(
            "[board]\nname = 'b'\narch = 'ppc'\n[[container]]\nname = 'good'\nrootfs = '/srv/good'\n\
             mounts = [{{ bind = '/lib', to = 'lib' }}]\ncommand = ['{command}']\n"
        );
        std::fs::write(&profile, text).unwrap();
        let mut check = Command::new(BOARDBOX);
        // Nobody in particular: root may read all.
        lines(&check.args(["check", "--rootfs"]).arg(&tree.0).arg(&profile).uid(65534).output().unwrap())
    };
    let told = run("/sbin/secret");
    assert!(told[0].ends_with("command /sbin/secret can not be read here (check it as one who may read the whole tree) [unreadable]"), "{told:?}");
    let told = run("/bin/waits");
    assert!(told[0].contains("/bin/waits needs libpipe.so, which is not inside"), "{told:?}");
}

#[test]
fn the_issues_own_three_are_told_together() {
    let tree = Tree::new("three");
    let output = check(&[
        "--rootfs",
        tree.0.to_str().unwrap(),
        "--kernel-config",
        "no-macvlan.config",
        "mixed/three.toml",
    ]);
    assert_eq!(output.status.code(), Some(2));
    // The README shows it.
    let told = lines(&output).join("\n");
    let readme = std::fs::read_to_string(Path::new(TOP).join("README.md")).unwrap();
    assert!(readme.contains(&told.replace("mixed/three.toml", "board.toml")), "{told}");
    for words in [
        "/sbin/init is a program for x86_64 (64-bit, little-endian), the board's arch is ppc (32-bit, big-endian)",
        "bind source /opt/nothing is not in the tree: there is no /opt",
        "CONFIG_MACVLAN is not set: the interface can not be made",
    ] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn the_running_kernel_is_listed_as_lxc_does() {
    let run = |config: &str| {
        Command::new(BOARDBOX)
            .arg("lxc-checkconfig")
            .env("CONFIG", Path::new(TOP).join("tests/check").join(config))
            .output()
            .unwrap()
    };
    let output = run("config.gz");
    let told = lines(&output);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    assert!(told[0].starts_with("Kernel configuration found at "), "{}", told[0]);
    for line in [
        "--- Namespaces ---",
        "Namespaces: enabled",
        "Pid namespace: required",
        "Macvlan: enabled, as a module",
        "Network namespace: missing",
        "Cgroup device: missing (cgroup v1)",
    ] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:#?}");
    }
    // 4.19 has no CPUSETS_V1 yet, and no CGROUP_MEM_RES_CTLR any more.
    assert!(!told.iter().any(|told| told.contains("CPUSETS_V1")));
    assert_eq!(run("nothing").status.code(), Some(1));
}
