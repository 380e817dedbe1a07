//! The same cases against LXC's own tools and against ours, so that a case says what LXC does and not what we do.
//!
//! `cargo test --test compat` runs all; `UNDER_TEST=lxc` or `UNDER_TEST=ours` one side. The cases are in tests/compat/,
//! one table for each subject. Where ours differs on purpose, the case says how and why. LXC is Debian's package (5.0 or
//! later; `lxc-kill` is older and not in it). Ours has to be the static file (scripts/test host): `lxc-execute` runs it
//! inside, where there is no dynamic linker.

#![allow(missing_docs)] // a case explains itself

mod sandbox;

#[path = "compat/attach.rs"]
mod attach;
#[path = "compat/files.rs"]
mod files;
#[path = "compat/inside.rs"]
mod inside;
#[path = "compat/options.rs"]
mod options;
#[path = "compat/running.rs"]
mod running;
#[path = "compat/start.rs"]
mod start;

use sandbox::Sandbox;
use std::time::Instant;

/// One thing that LXC's tools do.
pub struct Case {
    pub what: &'static str,
    /// Settings beside those every case has, in today's keys.
    pub config: &'static str,
    /// For sh. `$N` is the container, `$F` its configuration file, which stands where LXC looks for it; `$R` is its root
    /// file system, `$T` a directory of the case's own and where it runs.
    pub script: &'static str,
    pub lxc: Lxc,
    pub ours: Ours,
}

/// What LXC's tools make of it.
pub enum Lxc {
    /// This is printed. The container's name is shown as NAME.
    Prints(&'static str),
    /// They can't here, for this reason.
    Cannot(&'static str),
}

/// What ours do.
pub enum Ours {
    Same,
    /// Something else, for a reason.
    Differs {
        prints: &'static str,
        because: &'static str,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tools {
    Lxc,
    Ours,
    /// Ours, with a file in the keys of LXC 0.9.0.
    OursOldKeys,
}

const LXC_SET_UP: &str = r#"
mkdir -p /run/lock/lxc "$R/usr/sbin"
cp /usr/sbin/init.lxc.static "$R/usr/sbin/"
"#;

/// What today's keys were called in 0.9.0; those that are not here it did not have, or by the same name.
const OLD_KEYS: &[(&str, &str)] = &[
    ("lxc.uts.name", "lxc.utsname"),
    ("lxc.rootfs.path", "lxc.rootfs"),
    ("lxc.apparmor.profile", "lxc.aa_profile"),
    ("lxc.mount.fstab", "lxc.mount"),
    ("lxc.tty.max", "lxc.tty"),
    ("lxc.tty.dir", "lxc.devttydir"),
    ("lxc.pty.max", "lxc.pts"),
    ("lxc.console.path", "lxc.console"),
    ("lxc.signal.halt", "lxc.stopsignal"),
];

fn old_keys(settings: &str) -> String {
    let old = |line: &str| {
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
        let (key, value) = (key.trim(), value.trim());
        if let Some(nic) = key.strip_prefix("lxc.net.") {
            // The number is in the order of the `type` lines.
            let (_, of_nic) = nic.split_once('.').unwrap();
            let of_nic = of_nic.strip_suffix(".address").unwrap_or(of_nic);
            return format!("lxc.network.{of_nic} = {value}\n");
        }
        let key = OLD_KEYS.iter().find(|(today, _)| *today == key).map_or(key, |(_, old)| old);
        format!("{key} = {}\n", value.strip_prefix("dir:").unwrap_or(value))
    };
    settings.lines().filter(|line| !line.is_empty()).map(old).collect()
}

fn run(tools: Tools) {
    let (word, path) = match tools {
        Tools::Lxc => ("lxc", "/usr/sbin:/usr/bin:/sbin:/bin".to_string()),
        Tools::Ours | Tools::OursOldKeys => ("ours", String::new()),
    };
    if std::env::var("UNDER_TEST").is_ok_and(|under_test| under_test != word) {
        return;
    }
    let sandbox = Sandbox::new();
    let path = match tools {
        Tools::Lxc => path,
        _ => our_path(&sandbox),
    };
    if tools == Tools::Lxc {
        let there = sandbox.sh("command -v lxc-start lxc-execute lxc-attach /usr/sbin/init.lxc.static");
        assert_eq!(there.code, 0, "Debian's package lxc is missing: scripts/setup installs it");
        let made = sandbox.sh(&format!("set -e; R={}; {LXC_SET_UP}", inside::ROOTFS));
        assert_eq!(made.code, 0, "{}", made.err);
    }
    let tables = [start::CASES, running::CASES, attach::CASES, inside::CASES, files::CASES, options::CASES];
    let mut failures = Vec::new();
    // What v1's files are called and hold: LXC has no other names for it on v2, where ours translate (tests/qemu/layouts.sh).
    let v1 = |case: &&Case| {
        let counts = case.script.contains("lxc-info -n $N -S");
        case.config.contains("lxc.cgroup.") || case.script.contains("cgroup") || counts
    };
    let cases = tables.iter().copied().flatten().filter(|case| !(sandbox::on_v2("cpu") && v1(case)));
    for (number, case) in cases.enumerate() {
        let expected = match (tools, &case.lxc, &case.ours) {
            (Tools::Lxc, Lxc::Cannot(why), _) => {
                assert!(!why.is_empty(), "{}", case.what);
                continue;
            }
            (Tools::Lxc, Lxc::Prints(expected), _) => expected,
            (_, Lxc::Prints(expected), Ours::Same) => expected,
            (_, lxc, Ours::Differs { prints, because }) => {
                assert!(!because.is_empty(), "{}", case.what);
                if let Lxc::Prints(expected) = lxc {
                    assert_ne!(expected, prints, "\"{}\" does not differ", case.what);
                }
                prints
            }
            (_, Lxc::Cannot(_), Ours::Same) => panic!("\"{}\": the same as what?", case.what),
        };
        let begun = Instant::now();
        let (printed, errors) = one(&sandbox, tools, &path, number, case);
        if printed.trim_end() != expected.trim() {
            failures.push(format!(
                "== {}\n-- expected\n{}\n-- printed\n{printed}-- standard error\n{errors}",
                case.what,
                expected.trim()
            ));
        }
        if std::env::var_os("COMPAT_TIMES").is_some() {
            eprintln!("{:5} ms  {word}  {}", begun.elapsed().as_millis(), case.what);
        }
    }
    let version = sandbox.sh(&format!("PATH={path} lxc-start --version")).out;
    assert!(failures.is_empty(), "{} failed, {word} {version}{}", failures.len(), failures.join("\n"));
}

/// The directory with our programs' names in it, before all others.
fn our_path(sandbox: &Sandbox) -> String {
    let links = sandbox.dir.join("bin");
    std::fs::create_dir(&links).unwrap();
    let names = "start execute attach stop kill freeze unfreeze wait info cgroup checkconfig"
        .split_ascii_whitespace();
    for name in names {
        let link = links.join(format!("lxc-{name}"));
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_boardbox"), link).unwrap();
    }
    format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", links.display())
}

/// What it prints, and what is on standard error.
fn one(sandbox: &Sandbox, tools: Tools, path: &str, number: usize, case: &Case) -> (String, String) {
    let name = sandbox.name(&format!("compat{number}"));
    let settings = format!(
        "lxc.rootfs.path = dir:{}\nlxc.apparmor.profile = unconfined\n{}\n",
        inside::ROOTFS,
        case.config.trim()
    );
    let settings = match tools {
        // All that LXC makes of cgroups goes where the sandbox clears up.
        Tools::Lxc => format!("{settings}lxc.cgroup.dir = boardbox/{name}\n"),
        Tools::Ours => settings,
        Tools::OursOldKeys => old_keys(&settings),
    };
    let file = sandbox.file("config", &settings);
    let script = format!(
        "export PATH={path} N={name} F=/var/lib/lxc/{name}/config R={} T=/run/case-{name}\n\
         mkdir -p $T /var/lib/lxc/{name} && cp {file} $F && cd $T\n{}\nrm -rf $R/tmp/*\n\
         lxc-stop -k -n $N >/dev/null 2>&1",
        inside::ROOTFS,
        case.script
    );
    let said = sandbox.sh(&script);
    let text: String = said.out.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    (text.replace(&name, "NAME"), said.err)
}

#[test]
fn lxcs_own_tools_do_what_the_cases_say() {
    run(Tools::Lxc);
}

#[test]
fn ours_do_the_same() {
    run(Tools::Ours);
}

#[test]
fn ours_do_the_same_with_the_keys_of_lxc_0_9() {
    run(Tools::OursOldKeys);
}
