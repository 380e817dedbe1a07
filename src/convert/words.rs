//! How values are spelled, and what keys are called on the other side.

use crate::profile::container::AutoMode;
use crate::profile::lxc::unquoted;
use std::borrow::Cow;
use std::fmt::Write;

/// A profile's key of a container, LXC 0.9.0's name for it (empty where it had none), today's.
pub const NAMES: &[(&str, &str, &str)] = &[
    ("hostname", "utsname", "uts.name"),
    ("arch", "arch", "arch"),
    ("rootfs", "rootfs", "rootfs.path"),
    ("rootfs-read-only", "", "rootfs.options"),
    ("rootfs-mount", "rootfs.mount", "rootfs.mount"),
    ("command", "", "init.cmd"),
    ("execute-command", "", "execute.cmd"),
    ("environment", "", "environment"),
    ("cwd", "", "init.cwd"),
    ("user", "", "init.uid"),
    ("group", "", "init.gid"),
    ("pts", "pts", "pty.max"),
    ("tty", "tty", "tty.max"),
    ("tty-dir", "devttydir", "tty.dir"),
    ("dev", "autodev", "autodev"),
    ("console", "console", "console.path"),
    ("proc", "", "mount.auto"),
    ("fstab", "mount", "mount.fstab"),
    ("mounts", "mount.entry", "mount.entry"),
    ("capabilities", "cap.drop", "cap.drop"),
    ("capabilities", "", "cap.keep"),
    ("no-new-privs", "", "no_new_privs"),
    ("stop-signal", "stopsignal", "signal.halt"),
    ("log-level", "loglevel", "log.level"),
    ("log-file", "logfile", "log.file"),
    ("autostart", "", "start.auto"),
    ("order", "", "start.order"),
    ("start-delay", "", "start.delay"),
    ("groups", "", "group"),
];

/// A string of TOML.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ if letter.is_control() => {
                let _ = write!(out, "\\u{:04X}", letter as u32);
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// A list of TOML's strings.
pub fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(quoted).collect();
    format!("[{}]", words.join(", "))
}

/// A key of TOML: bare where it may be.
pub fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match !name.is_empty() && name.chars().all(bare) {
        true => name.into(),
        false => quoted(name),
    }
}

/// A command as LXC takes it: what has a blank or a quote in it is quoted.
pub fn command(words: &[String]) -> String {
    let word = |word: &String| {
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '\'' | '\\');
        match !word.is_empty() && word.chars().all(plain) {
            true => word.clone(),
            false => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A value as it stands in an LXC file: readers take one pair of quotes off, so that one which begins and ends with a quote of its
/// own, a command of two quoted words, gets a further pair.
pub fn value(text: &str) -> Cow<'_, str> {
    match unquoted(text) == text {
        true => text.into(),
        false => format!("\"{text}\"").into(),
    }
}

/// Bytes as a person writes them.
pub fn size(bytes: u64) -> String {
    for (unit, letter) in [(1 << 30, 'G'), (1 << 20, 'M'), (1 << 10, 'K')] {
        if bytes != 0 && bytes.is_multiple_of(unit) {
            return format!("\"{}{letter}\"", bytes / unit);
        }
    }
    bytes.to_string()
}

/// Milliseconds as a person writes them.
pub fn time(milliseconds: u32) -> String {
    match milliseconds.is_multiple_of(1000) {
        true => format!("\"{}s\"", milliseconds / 1000),
        false => format!("\"{milliseconds}ms\""),
    }
}

/// How /proc or /sys is mounted.
pub fn mode(mode: Option<AutoMode>) -> &'static str {
    match mode {
        None => "none",
        Some(AutoMode::Rw) => "rw",
        Some(AutoMode::Ro) => "ro",
        Some(AutoMode::Mixed) => "mixed",
    }
}

/// A log level by its name.
pub fn level(level: log::LevelFilter) -> String {
    level.as_str().to_ascii_lowercase()
}
