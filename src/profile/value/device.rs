//! Device rules of the cgroup device controller (`c 1:3 rwm`, `b *:* m`, `a`).

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Which devices by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceKind {
    /// `a`: all devices; the rest of the rule is ignored by the kernel.
    All,
    /// `b`.
    Block,
    /// `c`.
    Char,
}

/// One rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceRule {
    /// `a`, `b` or `c`.
    pub kind: DeviceKind,
    /// Major number; `None` is `*`.
    pub major: Option<u32>,
    /// Minor number; `None` is `*`.
    pub minor: Option<u32>,
    /// `r`.
    pub read: bool,
    /// `w`.
    pub write: bool,
    /// `m`.
    pub mknod: bool,
}

impl FromStr for DeviceRule {
    type Err = Error;

    /// `a`, or `TYPE MAJOR:MINOR ACCESS` as the kernel's devices.allow takes it; a trailing `# comment`, which files in
    /// the field carry, is dropped.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::config(format!("device rule \"{}\": {why}", text.escape_default()))
                .hint("\"a\", or type, major:minor and access, as in \"c 1:3 rwm\"")
        };
        let rule = text.split('#').next().unwrap_or("");
        let mut words = rule.split_ascii_whitespace();
        let kind = match words.next() {
            Some("a") => {
                let all = Self {
                    kind: DeviceKind::All,
                    major: None,
                    minor: None,
                    read: true,
                    write: true,
                    mknod: true,
                };
                return Ok(all);
            }
            Some("b") => DeviceKind::Block,
            Some("c") => DeviceKind::Char,
            Some(other) => {
                return Err(wrong(format!("type \"{}\" is not a, b or c", other.escape_default())));
            }
            None => return Err(wrong("is empty".into())),
        };
        let Some((major, minor)) = words.next().and_then(|word| word.split_once(':')) else {
            return Err(wrong("has no major:minor".into()));
        };
        let number = |word: &str| match word {
            "*" => Ok(None),
            _ if word.is_empty() || !word.bytes().all(|c| c.is_ascii_digit()) => {
                Err(wrong(format!("\"{}\" is neither a number nor *", word.escape_default())))
            }
            _ => word.parse().map(Some).map_err(|_| wrong(format!("{word} is too large"))),
        };
        let (major, minor) = (number(major)?, number(minor)?);
        let access = words.next().ok_or_else(|| wrong("has no access".into()))?;
        if let Some(bad) = access.chars().find(|c| !matches!(c, 'r' | 'w' | 'm')) {
            return Err(wrong(format!("access '{}' is not r, w or m", bad.escape_default())));
        }
        if let Some(more) = words.next() {
            return Err(wrong(format!("\"{}\" is left over", more.escape_default())));
        }
        let has = |letter| access.contains(letter);
        Ok(Self { kind, major, minor, read: has('r'), write: has('w'), mknod: has('m') })
    }
}

impl fmt::Display for DeviceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DeviceKind::All => return f.write_str("a"),
            DeviceKind::Block => 'b',
            DeviceKind::Char => 'c',
        };
        write!(f, "{kind} ")?;
        match self.major {
            Some(major) => write!(f, "{major}:")?,
            None => f.write_str("*:")?,
        }
        match self.minor {
            Some(minor) => write!(f, "{minor} ")?,
            None => f.write_str("* ")?,
        }
        for (letter, set) in [("r", self.read), ("w", self.write), ("m", self.mknod)] {
            f.write_str(if set { letter } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        text.parse::<DeviceRule>().map_or_else(|error| error.to_string(), |rule| rule.to_string())
    }

    #[test]
    fn rules_are_read_as_the_kernel_does() {
        for rule in ["a", "c 1:3 rw", "b 8:0 rw", "c *:* m", "b 7:* rwm"] {
            assert_eq!(read(rule), rule);
        }
        assert_eq!(read("a *:* rwm"), "a");
        assert_eq!(read("c 1:3 mr  # /dev/null"), "c 1:3 rm");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (rule, why) in [
            ("d 1:3 r", "type \"d\" is not a, b or c"),
            ("c 1 r", "has no major:minor"),
            ("c 1:x r", "\"x\" is neither a number nor *"),
            ("c 1:-3 r", "\"-3\" is neither"),
            ("c 1:99999999999 r", "99999999999 is too large"),
            ("c 1:3", "has no access"),
            ("c 1:3 rx", "access 'x' is not"),
            ("c 1:3 r w", "\"w\" is left over"),
            ("# all", "is empty"),
        ] {
            assert!(read(rule).contains(why), "{rule}: {}", read(rule));
        }
    }
}
