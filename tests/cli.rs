//! The command lines of the built binary: what needs neither containers nor root.

use std::process::{Command, Output, Stdio};

const BOARDBOX: &str = env!("CARGO_BIN_EXE_boardbox");

const COMMANDS: [&str; 18] = [
    "up", "check", "down", "plan", "status", "start", "run", "exec", "stop", "kill", "freeze", "unfreeze",
    "wait", "info", "cgroup", "ps", "restart", "probe",
];

const APPLETS: [&str; 10] = [
    "lxc-start",
    "lxc-execute",
    "lxc-attach",
    "lxc-stop",
    "lxc-kill",
    "lxc-freeze",
    "lxc-unfreeze",
    "lxc-wait",
    "lxc-info",
    "lxc-cgroup",
];

const DESCRIPTION: &str = include_str!("../docs/commands.md");

/// A container that does not run: no other test and no user starts one of this name.
const NOBODY: &str = "boardbox-cli-nobody";

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().expect("an exit code, not a signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn boardbox(args: &[&str]) -> Ran {
    ran(Command::new(BOARDBOX).args(args).stdin(Stdio::null()).output().unwrap())
}

/// Fails with this code and one line on standard error.
#[track_caller]
fn fails(args: &[&str], code: i32, message: &str) {
    let ran = boardbox(args);
    assert_eq!(ran.err, format!("{message}\n"), "{args:?}");
    assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{args:?}");
}

/// The options that a help text has: name, and whether it takes a value.
fn options(help: &str) -> Vec<(String, bool)> {
    let usage = help.lines().next().unwrap();
    let mut long = Vec::new();
    for line in help.lines().skip_while(|line| *line != "Options:") {
        for word in
            line.split_whitespace().take(2).filter(|word| word.starts_with("--") && *word != "--help,")
        {
            long.push(word.trim_end_matches(',').to_string());
        }
    }
    // In the usage line an option stands by its letter, where it has one.
    let letter = |long: &str| {
        let line = help.lines().find(|line| line.contains(&format!(", {long} ")));
        line.map_or(long.to_string(), |line| line.trim_start()[..2].to_string())
    };
    let value = |long: &str| usage.contains(&format!("[{} <", letter(long)));
    long.into_iter().map(|name| (name.clone(), value(&name))).collect()
}

#[test]
fn without_arguments_all_commands_are_listed() {
    let ran = boardbox(&[]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    for command in COMMANDS {
        assert!(ran.out.lines().any(|line| line.split_whitespace().next() == Some(command)), "{command}");
    }
    for args in [&["--help"][..], &["-h"], &["help"], &["-v", "--help"]] {
        let help = boardbox(args);
        assert_eq!((help.code, help.out == ran.out), (0, true), "{args:?}");
    }
}

#[test]
fn every_command_has_a_help_text() {
    for command in COMMANDS {
        let ran = boardbox(&[command, "--help"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command}");
        assert!(ran.out.starts_with(&format!("Usage: boardbox {command}")), "{}", ran.out);
        for args in [[command, "-h"], ["help", command], ["--help", command]] {
            assert_eq!(boardbox(&args).out, ran.out, "{args:?}");
        }
    }
}

#[test]
fn every_option_with_a_value_takes_it_by_an_equals_sign_and_no_flag_does() {
    let mut values = 0;
    for command in COMMANDS {
        let help = boardbox(&[command, "--help"]).out;
        for (option, value) in options(&help) {
            // argh parses before it helps: what it does not know is an error.
            let ran = boardbox(&[command, &format!("{option}=1"), "--help"]);
            assert_eq!(ran.code, if value { 0 } else { 1 }, "{command} {option}: {}", ran.err);
            values += u32::from(value);
        }
    }
    assert!(values > 30, "{values}");
}

#[test]
fn what_is_wrong_with_a_command_line_is_said_on_one_line() {
    fails(&["strat"], 1, "boardbox: there is no command \"strat\" (did you mean boardbox start?)");
    fails(
        &["zzz"],
        1,
        "boardbox: there is no command \"zzz\" (boardbox without arguments lists the commands)",
    );
    fails(&["stop", "--bogus=1"], 1, "boardbox: unrecognized argument: --bogus=1 (boardbox stop --help)");
    fails(&["stop"], 1, "boardbox: which container? (boardbox stop --help)");
    fails(
        &["info"],
        1,
        "boardbox: required positional arguments not provided: container (boardbox info --help)",
    );
    fails(&["run", "--readonly", "true"], 1, "boardbox: --readonly goes with --rootfs");
    fails(&["run"], 1, "boardbox: run what? (boardbox run [OPTIONS] [--] COMMAND...)");
    fails(&["start"], 1, "boardbox: which container? (boardbox start --help)");
    fails(
        &["ps", "--", "x"],
        1,
        "boardbox: boardbox ps runs no command, so \"x\" has no meaning (boardbox ps --help)",
    );
    fails(
        &["kill", "FOO", "foo"],
        1,
        "boardbox: signal \"FOO\" is unknown (a number 1..=64, a name such as SIGTERM or TERM, SIGRTMIN+3)",
    );
    let ran = boardbox(&["wait", "--state=RUNING", NOBODY]);
    assert!(ran.code == 1 && ran.err.contains("\"RUNING\" is no state"), "{}", ran.err);
    // The container's name is checked on the command line.
    let ran = boardbox(&["stop", "a b"]);
    assert!(ran.code == 1 && ran.err.lines().count() == 1 && ran.err.contains("holds ' '"), "{}", ran.err);
}

#[test]
fn a_container_that_does_not_run_is_exit_code_4() {
    let message =
        format!("boardbox: container \"{NOBODY}\" is not running (start it: boardbox start {NOBODY})");
    for args in [
        &["stop", NOBODY][..],
        &["stop", "-k", "-t5", NOBODY],
        &["kill", "-9", NOBODY],
        &["kill", "SIGTERM", NOBODY],
        &["freeze", NOBODY],
        &["unfreeze", NOBODY],
        &["info", "--json", NOBODY],
        &["cgroup", NOBODY, "cpuset.cpus"],
        &["cgroup", NOBODY, "cpuset.cpus", "0"],
    ] {
        fails(args, 4, &message);
    }
    // Commands that pass on a container's own exit code.
    let ran = boardbox(&["exec", NOBODY, "true"]);
    assert_eq!((ran.code, ran.err), (255, format!("{message}\n")));
}

#[test]
fn what_does_not_run_is_stopped() {
    assert_eq!(boardbox(&["wait", NOBODY]).code, 0);
    assert_eq!(boardbox(&["wait", "-s", "RUNNING|STOPPED", NOBODY]).code, 0);
    let ran = boardbox(&["wait", "--state=running", "--timeout=0", NOBODY]);
    assert_eq!(ran.code, 6);
    assert_eq!(ran.err, format!("boardbox: container \"{NOBODY}\" reached none of these states in time\n"));
}

#[test]
fn convert_prints_the_other_form_and_warns_of_what_has_no_equal() {
    let dir = std::env::temp_dir().join(format!("boardbox-cli-convert-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("foo")).unwrap();
    let path = |name: &str| dir.join(name).into_os_string().into_string().unwrap();
    std::fs::write(path("foo/config"), "lxc.tty = 1\nlxc.hook.start = /bin/x\n").unwrap();
    std::fs::write(path("bar.conf"), "lxc.rootfs = /srv/bar\n").unwrap();
    let run = |args: &[&str]| Command::new(BOARDBOX).arg("convert").args(args).output().unwrap();
    let out = run(&["--board=b", &path("foo/config"), &path("bar.conf")]);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    let (text, said) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert_eq!(
        said,
        format!(
            "boardbox: warning: {}:2:1: lxc.hook.start: has no equal in a profile: left out\n",
            path("foo/config")
        )
    );
    assert!(text.starts_with("[board]\nname = \"b\"\n\n[[container]]\nname = \"foo\"\n"), "{text}");
    std::fs::write(path("p.toml"), &text).unwrap();
    let quiet = run(&["-q", "--board=b", &path("foo/config")]);
    assert!(quiet.stderr.is_empty() && !quiet.stdout.is_empty());
    // From what it printed, back.
    let back = run(&["-nbar", "--to", "lxc-0.9", &path("p.toml")]);
    assert_eq!(String::from_utf8(back.stdout).unwrap(), "lxc.rootfs = /srv/bar\n");
    let p = path("p.toml");
    for (args, code, message) in [
        (vec![], 1, "no file is named (boardbox convert FILE)".to_string()),
        (vec![p.as_str()], 1, "an LXC file is for one container (-n NAME: foo, bar)".into()),
        (vec!["-n", "x", p.as_str()], 1, "there is no container \"x\" (-n NAME: foo, bar)".into()),
        (vec!["--board=x", p.as_str()], 1, format!("{p} has a [board] of its own")),
        (vec!["--to=toml", "-n", "foo", p.as_str()], 1, "a profile is printed whole (without -n)".into()),
        (vec!["--to=lxc", "a", "b"], 1, "an LXC file is for one file at a time".into()),
        (vec!["-nx", "a", "b"], 1, "a name is for one file at a time".into()),
        (vec!["/nonexistent"], 2, "read file /nonexistent: No such file or directory".into()),
    ] {
        let out = run(&args);
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(
            (out.status.code(), said.as_str()),
            (Some(code), format!("boardbox: {message}\n").as_str())
        );
        assert!(out.stdout.is_empty());
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_profile_that_is_not_there_or_wrong_is_exit_code_2() {
    let none = "read profile /nonexistent: No such file or directory";
    for command in ["up", "down", "plan", "status", "start"] {
        fails(&[command, "--profile=/nonexistent"], 2, &format!("boardbox: {none}"));
    }
    // In the foreground the code is a container's.
    fails(&["start", "-F", "--profile", "/nonexistent", "x"], 255, &format!("boardbox: {none}"));
    fails(
        &["plan", "-f", "/nonexistent"],
        1,
        "boardbox: an LXC file has no name for its container (give it one: -n NAME)",
    );
    fails(
        &["plan", "-f", "/nonexistent", "-n", "foo"],
        2,
        "boardbox: read LXC file /nonexistent: No such file or directory",
    );
}

#[test]
fn plan_prints_the_steps_of_an_lxc_file_and_where_they_come_from() {
    let path = std::env::temp_dir().join(format!("boardbox-cli-{}.conf", std::process::id()));
    std::fs::write(&path, "lxc.utsname = inside\nlxc.rootfs = /srv/root\n").unwrap();
    let file = path.to_str().unwrap();
    let ran = boardbox(&["plan", "--file", file, "--name=foo", "-slxc.tty = 1"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("foo  ")), "{}", ran.out);
    assert!(lines.contains(&format!("foo  child   set hostname inside  ({file})").as_str()), "{}", ran.out);
    assert!(lines.contains(&format!("foo  child   exec /sbin/init  ({file})").as_str()), "{}", ran.out);
    assert!(ran.out.contains("ttys on /dev/tty1..1"), "{}", ran.out);
}

#[test]
fn ports_are_adapted_by_name() {
    let path = std::env::temp_dir().join(format!("boardbox-cli-{}.toml", std::process::id()));
    let profile = "[board]\nname = \"x\"\n[cgroup]\ncontrollers = []\n[[bridge]]\nname = \"br77\"\nports = [\"eth77\"]\n";
    std::fs::write(&path, profile).unwrap();
    let file = path.to_str().unwrap();
    let plan = |port: &str| boardbox(&["plan", "--port", port, file]);
    // The loopback is an interface that every machine has and no bridge takes.
    let (adapted, other, bad) = (plan("eth77=lo"), plan("eth0=lo"), plan("eth77"));
    let unadapted = boardbox(&["plan", file]);
    std::fs::remove_file(&path).unwrap();
    assert!(unadapted.err.contains("eth77") || unadapted.out.contains("eth77"), "{}", unadapted.err);
    assert!(
        !adapted.err.contains("eth77") && !adapted.out.contains("eth77"),
        "{}{}",
        adapted.err,
        adapted.out
    );
    assert_eq!(other.err, "boardbox: --port eth0=lo: no bridge of the profile has this port\n");
    assert!(bad.code == 1 && bad.err.starts_with("boardbox: --port eth77: has no ="), "{}", bad.err);
}

#[test]
fn nobody_reading_is_no_reason_to_panic() {
    for args in [&["--help"][..], &["run", "--help"], &["ps", "--json"], &["lxc-start", "--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = ran(Command::new(BOARDBOX)
            .args(args)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (141, ""), "{args:?}");
    }
}

#[test]
fn words_that_are_not_utf_8_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let word = std::ffi::OsStr::from_bytes(b"a\xff");
    let ran = ran(Command::new(BOARDBOX).arg("info").arg(word).output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (1, "boardbox: argument 2, \"a\u{fffd}\", is not UTF-8\n"));
}

#[test]
fn versions() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(boardbox(&["--version"]).out, format!("boardbox {version}\n"));
    assert_eq!(boardbox(&["ps", "--version"]).out, format!("boardbox {version}\n"));
    assert_eq!(boardbox(&["lxc-start", "--version"]).out, format!("lxc-start {version}\n"));
}

#[test]
fn a_link_named_like_an_lxc_program_is_that_program() {
    let dir = std::env::temp_dir().join(format!("boardbox-cli-links-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let link = dir.join("lxc-info");
    std::os::unix::fs::symlink(BOARDBOX, &link).unwrap();
    let ran = ran(Command::new(&link).arg("--usage").output().unwrap());
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!((ran.code, ran.out.as_str()), (0, "usage: lxc-info -n NAME [OPTIONS]\n"));
}

#[test]
fn lxc_programs_help_with_0_and_refuse_with_1() {
    for applet in APPLETS {
        let help = boardbox(&[applet, "--help"]);
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{applet}");
        assert!(help.out.starts_with(&format!("usage: {applet} -n NAME")), "{}", help.out);
        for option in
            ["--name=NAME", "--quiet", "--logfile=FILE", "--logpriority=LEVEL", "--lxcpath=PATH", "--usage"]
        {
            assert!(help.out.contains(option), "{applet} {option}");
        }
        fails(&[applet, "--bogus"], 1, &format!("{applet}: unknown option --bogus ({applet} --help)"));
        fails(&[applet, "-n", NOBODY, "-Z"], 1, &format!("{applet}: unknown option -Z ({applet} --help)"));
        fails(&[applet], 1, &format!("{applet}: which container? (-n NAME)"));
        assert_eq!(boardbox(&[applet, "-n", "a/b"]).code, 1, "{applet}");
        assert_eq!(boardbox(&[applet, "-lloud", "-n", NOBODY]).code, 1, "{applet}");
    }
}

#[test]
fn lxc_programs_fail_with_255() {
    let hint = format!("is not running (start it: lxc-start -n {NOBODY})");
    for args in [
        &["lxc-kill", "-n", NOBODY][..],
        &["lxc-kill", "-n", NOBODY, "-15"],
        &["lxc-kill", "9", "-n", NOBODY],
        &["lxc-kill", NOBODY, "TERM"],
        &["lxc-freeze", "--name", NOBODY],
        &["lxc-unfreeze", "--na", NOBODY],
        &["lxc-cgroup", &format!("-n{NOBODY}"), "cpuset.cpus"],
        &["lxc-attach", &format!("--name={NOBODY}"), "--", "true", "-Z"],
    ] {
        fails(args, 255, &format!("{}: container \"{NOBODY}\" {hint}", args[0]));
        let quiet = boardbox(&[args[0], "-q", "-n", NOBODY, "x"]);
        assert_eq!(quiet.err, "", "{args:?}");
    }
    fails(&["lxc-stop", "-n", NOBODY, "-t1"], 2, &format!("lxc-stop: container \"{NOBODY}\" {hint}"));
    fails(&["lxc-ls"], 255, "lxc-ls: is not supported yet");
    fails(&["lxc-strat"], 1, "lxc-strat: there is no program \"lxc-strat\" (did you mean lxc-start?)");
    let ran = boardbox(&["lxc-start", "-n", NOBODY, "-P", "/nonexistent"]);
    assert!(ran.code == 255 && ran.err.contains("/nonexistent/boardbox-cli-nobody/config"), "{}", ran.err);
    let ran = boardbox(&["lxc-start", "-n", NOBODY, "-f", "/nonexistent"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (255, "lxc-start: read LXC file /nonexistent: No such file or directory\n")
    );
    fails(
        &["lxc-execute", "-n", NOBODY],
        1,
        "lxc-execute: execute what? (lxc-execute -n NAME -- COMMAND...)",
    );
}

#[test]
fn lxc_info_and_wait_know_what_does_not_run() {
    let ran = boardbox(&["lxc-info", "-n", NOBODY]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "state:   STOPPED\npid:        -1\n"));
    assert_eq!(boardbox(&["lxc-info", "-sn", NOBODY]).out, "state:   STOPPED\n");
    assert_eq!(boardbox(&["lxc-info", "-n", NOBODY, "-t", "STOPPED"]).code, 0);
    assert_eq!(boardbox(&["lxc-info", "-n", NOBODY, "-t", "RUNNING"]).code, 1);
    assert_eq!(boardbox(&["lxc-wait", "-n", NOBODY, "-s", "STOPPED|FROZEN"]).code, 0);
    let ran = boardbox(&["lxc-wait", "-n", NOBODY, "-s", "RUNNING", "-t", "0"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    fails(&["lxc-wait", "-n", NOBODY], 1, "lxc-wait: which state? (-s 'STOPPED|RUNNING')");
}

#[test]
fn lxc_programs_write_their_log_to_a_file() {
    let path = std::env::temp_dir().join(format!("boardbox-cli-{}.log", std::process::id()));
    let file = path.to_str().unwrap();
    for _ in 0..2 {
        assert_eq!(boardbox(&["lxc-freeze", "-n", NOBODY, "-q", "-o", file]).code, 255);
    }
    let log = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let line = format!("ERROR: container \"{NOBODY}\" is not running (start it: lxc-start -n {NOBODY})\n");
    assert_eq!(log, line.repeat(2));
}

/// What docs/commands.md says under a command's heading.
fn section(command: &str) -> &'static str {
    let heading = format!("\n### {command}\n");
    let (_, rest) = DESCRIPTION.split_once(&heading).unwrap_or_else(|| panic!("{command} has no section"));
    rest.split_once("\n##").map_or(rest, |(section, _)| section)
}

#[test]
fn the_description_has_every_command_and_option_and_no_others() {
    for command in COMMANDS {
        let section = section(&format!("boardbox {command}"));
        assert!(section.contains(&format!("`boardbox {command}")), "{command}");
        let options = options(&boardbox(&[command, "--help"]).out);
        for (option, _) in &options {
            assert!(section.contains(option.as_str()), "{command} {option}");
        }
        for word in section.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let known = options.iter().any(|(option, _)| option == word);
            assert!(
                !word.starts_with("--") || word.trim_matches('-').is_empty() || known,
                "{command} {word}"
            );
        }
    }
    for applet in APPLETS {
        let section = section(applet);
        assert!(section.contains(&format!("`{applet} -n NAME")), "{applet}");
        let help = boardbox(&[applet, "--help"]).out;
        for line in help.lines().filter(|line| line.starts_with("  ")) {
            let letter = line.split_whitespace().next().unwrap().trim_end_matches(',');
            let long = line.split_whitespace().find(|word| word.starts_with("--")).unwrap();
            let long = long.split(['=', '[']).next().unwrap();
            let said = |text: &str| text.contains(&format!("{long}`")) || text.contains(&format!("{long} "));
            let common = DESCRIPTION.split_once("## LXC's programs").unwrap().1.split_once("###").unwrap().0;
            let by_letter = letter != long && section.contains(&format!("{letter}`"));
            let in_usage =
                section.contains(&format!("[{letter}")) || section.contains(&format!(" {letter} "));
            assert!(said(common) || said(section) || by_letter || in_usage, "{applet} {letter} {long}");
        }
    }
}

#[test]
fn a_closed_standard_error_is_not_the_next_file_that_is_opened() {
    let log = std::env::temp_dir().join(format!("boardbox-cli-log-{}", std::process::id()));
    let script = "exec \"$0\" lxc-freeze -n boardbox-cli-nobody -o \"$1\" 2>&-";
    Command::new("sh").args(["-c", script, BOARDBOX]).arg(&log).status().unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert_eq!((text.lines().count(), text.starts_with("ERROR: ")), (1, true), "{text}");
}

/// A trap is what a panic is in release files. Sent from outside it carries no address of ours, but the same word.
#[test]
fn a_mistake_of_its_own_is_told_and_ends_it_by_the_traps_signal() {
    use std::os::unix::process::ExitStatusExt;
    let trap = if cfg!(target_arch = "x86_64") { "ILL" } else { "TRAP" };
    let child = Command::new(env!("CARGO_BIN_EXE_boardbox"))
        .args(["wait", "-s", "RUNNING", "-t", "60", "no-container-has-this-name"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    // Its handler is there before it opens anything.
    let files = format!("/proc/{pid}/fd");
    while std::fs::read_dir(&files).unwrap().count() < 4 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-s", trap, &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("boardbox: a mistake of its own ended it: please report \"boardbox 0"),
        "{said}"
    );
    assert!(said.ends_with(&format!("(pid {pid})\n")), "{said}");
    assert_eq!(output.status.signal(), Some(if trap == "ILL" { 4 } else { 5 }), "{:?}", output.status);
}
