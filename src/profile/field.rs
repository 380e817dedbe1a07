//! Values that both readers check alike.

use super::container::{AutoMode, CgroupRule, Personality};
use super::text::shown;
use super::value::{CpuList, DeviceRule, Mac};
use crate::error::{Error, Origin, Result};
use log::LevelFilter;
use std::rc::Rc;

/// A host name: 1..=64 bytes, what sethostname(2) takes, without what no name can hold.
pub fn hostname(text: &str) -> Result<String> {
    let wrong = |why: &str| Error::config(format!("host name \"{}\" {why}", shown(text)));
    if text.is_empty() || text.len() > 64 {
        return Err(wrong("has not 1 to 64 bytes"));
    }
    match text.chars().find(|c| c.is_control() || c.is_whitespace() || *c == '/') {
        Some(bad) => Err(wrong(&format!("holds '{}'", bad.escape_debug()))),
        None => Ok(text.into()),
    }
}

/// A path on the host that does not depend on where the command was called.
pub fn absolute(text: &str) -> Result<String> {
    match text.starts_with('/') {
        true => Ok(text.into()),
        false => {
            Err(Error::config(format!("path \"{}\" is not absolute", shown(text))).hint("it begins with /"))
        }
    }
}

/// The directory under /dev for console and ttys.
pub fn tty_dir(text: &str) -> Result<String> {
    if text.starts_with('/') || text.split('/').any(|part| part == ".." || part == ".") {
        return Err(Error::config(format!("\"{}\" is not a directory under /dev", shown(text)))
            .hint("a relative path without . and .., as in lxc"));
    }
    Ok(text.trim_end_matches('/').into())
}

/// A number in decimal, `least..=most`.
pub fn number(text: &str, least: u32, most: u32) -> Result<u32> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) && !text.starts_with('+') => Ok(number),
        _ => Err(Error::config(format!("\"{}\" is not a number {least}..={most}", shown(text)))),
    }
}

/// `500ms`, `2s`, `1m` in milliseconds, a day at most.
pub fn duration(text: &str) -> Result<u32> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("s") => 1000,
        Some("m") => 60_000,
        _ => 0,
    };
    match digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(time) if unit != 0 && !digits.starts_with('+') && time <= 86_400_000 => Ok(time),
        _ => Err(Error::config(format!("\"{}\" is not a time", shown(text)))
            .hint("a whole number and its unit, as in 500ms, 2s or 1m; a day at most")),
    }
}

/// `0` or `1`.
pub fn flag(text: &str) -> Result<bool> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(Error::config(format!("\"{}\" is neither 0 nor 1", shown(text)))),
    }
}

/// The largest and smallest mtu of an interface.
pub fn mtu(text: &str) -> Result<u32> {
    number(text, 68, 65535)
}

/// `lxc.arch` and `arch`: what uname -m says, or a distribution's name for it.
pub fn personality(text: &str) -> Result<Personality> {
    match text {
        "linux32" | "x86" | "i386" | "i486" | "i586" | "i686" | "ppc" | "powerpc" | "arm" | "armel"
        | "armhf" | "armv5l" | "armv6l" | "armv7l" | "armv8l" | "mips" | "mipsel" | "riscv32" => {
            Ok(Personality::Linux32)
        }
        "linux64" | "x86_64" | "amd64" | "ppc64" | "powerpc64" | "ppc64le" | "powerpc64le" | "ppc64el"
        | "aarch64" | "arm64" | "mips64" | "mips64el" | "riscv64" | "s390x" | "loongarch64" => {
            Ok(Personality::Native)
        }
        _ => Err(Error::config(format!("architecture \"{}\" is unknown", shown(text)))
            .hint("as uname -m says it: ppc, powerpc, i686, x86_64, arm, aarch64, …")),
    }
}

/// A log level by LXC's name or number: trace debug info notice warn error crit alert fatal, 0 to 8.
pub fn log_level(text: &str) -> Result<LevelFilter> {
    match text.to_ascii_lowercase().as_str() {
        "trace" | "0" => Ok(LevelFilter::Trace),
        "debug" | "1" => Ok(LevelFilter::Debug),
        "info" | "2" | "notice" | "3" => Ok(LevelFilter::Info),
        "warn" | "4" => Ok(LevelFilter::Warn),
        "error" | "5" | "crit" | "6" | "alert" | "7" | "fatal" | "8" => Ok(LevelFilter::Error),
        _ => Err(Error::config(format!("log level \"{}\" is unknown", shown(text)))
            .hint("trace debug info notice warn error crit alert fatal, or 0 to 8")),
    }
}

/// How /proc or /sys is mounted.
pub fn auto_mode(text: &str) -> Option<AutoMode> {
    match text {
        "rw" => Some(AutoMode::Rw),
        "ro" => Some(AutoMode::Ro),
        "mixed" => Some(AutoMode::Mixed),
        _ => None,
    }
}

/// One write into a cgroup file. Cpu lists and device rules are checked here, as the kernel only answers EINVAL; a
/// device rule is kept as the kernel takes it: one blank between its words, no trailing comment.
pub fn cgroup_rule(file: &str, value: &str, origin: &Origin) -> Result<CgroupRule> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let dotted =
        file.split_once('.').is_some_and(|(controller, name)| !controller.is_empty() && !name.is_empty());
    if !dotted || file.len() > 128 || !file.chars().all(good) {
        return Err(Error::config(format!("\"{}\" is not a file of a cgroup controller", shown(file)))
            .hint("CONTROLLER.NAME, as in memory.limit_in_bytes"));
    }
    if value.is_empty() {
        return Err(Error::config("has no value"));
    }
    let mut value = value.to_string();
    match file {
        "cpuset.cpus" | "cpuset.mems" => drop(value.parse::<CpuList>()?),
        "devices.allow" | "devices.deny" => value = value.parse::<DeviceRule>()?.to_string(),
        _ => {}
    }
    Ok(CgroupRule { file: file.into(), value, unified: false, origin: origin.clone() })
}

/// A MAC address of which digits are to be drawn, as it is written.
pub fn mac_pattern(text: &str) -> Option<Rc<str>> {
    text.contains(['x', 'X']).then(|| text.into())
}

/// A MAC address. Each `x` in it is a random digit, drawn when the file is read, as LXC does: what `plan` shows and the
/// next `start` are two draws. (Without any `hwaddr` the address is a stable one.)
pub fn mac(text: &str) -> Result<Mac> {
    if mac_pattern(text).is_none() {
        return text.parse();
    }
    let mut random = [0; 12];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| std::io::Read::read_exact(&mut source, &mut random))
        .map_err(|error| {
            Error::io(format!("draw the random digits of \"{}\" from /dev/urandom", shown(text)), &error)
        })?;
    Mac::from_pattern(text, &random)
}

/// A command line: words at blanks, `"…"` and `'…'` keep blanks, `\` takes the next character as it is.
pub fn words(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            (None | Some('"'), '\\') => match letters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => {
                    return Err(Error::config(format!("command \"{}\" ends in a backslash", shown(text))));
                }
            },
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    match quote {
        Some(open) => Err(Error::config(format!("command \"{}\": its {open} is not closed", shown(text)))),
        None if words.is_empty() => Err(Error::config("the command is empty")),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_at_blanks_outside_quotes() {
        assert_eq!(
            words(r#"/bin/sh -c "a 'b' \" c" '' d\ e 'f\'"#).unwrap(),
            ["/bin/sh", "-c", "a 'b' \" c", "", "d e", "f\\"]
        );
        for bad in ["", "  ", "a 'b", "a \\"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(["0s", "500ms", "2s", "1m"].map(|text| duration(text).unwrap()), [0, 500, 2000, 60_000]);
        for bad in ["", "5", "s", "+5s", "-1s", "1.5s", "5 s", "5h", "5sm", "99999m", "4294967297ms"] {
            assert!(duration(bad).unwrap_err().to_string().contains("is not a time"), "{bad}");
        }
    }

    #[test]
    fn a_cgroup_file_is_a_name_with_a_controller() {
        let rule = |file, value| cgroup_rule(file, value, &Origin::default()).map(|rule| rule.value);
        assert_eq!(rule("memory.kmem.limit_in_bytes", "1M").unwrap(), "1M");
        assert_eq!(rule("cpuset.cpus", "0,1").unwrap(), "0,1");
        assert_eq!(rule("devices.allow", "c  1:3\trw # /dev/null").unwrap(), "c 1:3 rw");
        let long = "a.".repeat(99);
        for bad in ["tasks", ".x", "x.", "../x", "cpu/x.y", "cpu.sh ares", "", long.as_str()] {
            assert!(rule(bad, "1").is_err(), "{bad}");
        }
        assert!(rule("cpuset.cpus", "0-x").is_err());
        assert!(rule("devices.deny", "all").is_err());
        assert!(rule("cpu.shares", "").is_err());
    }

    #[test]
    fn random_digits_are_drawn_anew() {
        let (one, two) = (mac("00:16:3e:xx:xx:xx").unwrap(), mac("00:16:3e:xx:xx:xx").unwrap());
        assert_ne!(one, two);
        assert_eq!(one.0[..3], [0x00, 0x16, 0x3e]);
        assert!(mac("00:16:3e:xx:xx").is_err());
    }

    #[test]
    fn names_paths_and_numbers_have_bounds() {
        assert_eq!(hostname("foo23").unwrap(), "foo23");
        for bad in ["", "a b", "a/b", "a\u{7}", &"a".repeat(65)] {
            assert!(hostname(bad).is_err(), "{bad}");
        }
        for bad in ["+1", "-1", "1.0", "33", " 1", ""] {
            assert!(number(bad, 0, 32).is_err(), "{bad}");
        }
        assert!(absolute("var/lib").is_err());
        assert_eq!(tty_dir("lxc/").unwrap(), "lxc");
        for bad in ["/lxc", "..", "a/../b"] {
            assert!(tty_dir(bad).is_err(), "{bad}");
        }
        assert_eq!(personality("powerpc").unwrap(), Personality::Linux32);
        assert_eq!(log_level("NOTICE").unwrap(), LevelFilter::Info);
        assert!(log_level("9").is_err());
    }
}
