//! Names the kernel bounds.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A network interface's name: 1..=15 bytes, none of them `/`, `:` or white space, and not `.` or `..`
/// (`dev_valid_name()` in the kernel); nor `%`, which makes it a pattern of names (`dev_alloc_name()`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IfName(heapless::String<15>);

impl IfName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IfName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::config(format!("interface name \"{}\": {why}", text.escape_debug()));
        if text.is_empty() {
            return Err(wrong("is empty"));
        }
        if text == "." || text == ".." {
            return Err(wrong("is not a name the kernel takes"));
        }
        if let Some(bad) = text.chars().find(|c| matches!(c, '/' | ':' | '\0') || c.is_whitespace()) {
            return Err(wrong(&format!("holds '{}', which the kernel refuses", bad.escape_debug())));
        }
        if text.contains('%') {
            return Err(wrong("holds '%', which makes it a pattern of names to the kernel"));
        }
        heapless::String::try_from(text).map(Self).map_err(|_| wrong("is longer than the kernel's 15 bytes"))
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container's name: 1..=64 bytes of letters, digits, `_`, `-`, `.`, not starting with `.` or `-`. It becomes a
/// directory under /run/boardbox and a cgroup.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerName(heapless::String<64>);

impl ContainerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::config(format!("container name \"{}\": {why}", text.escape_default()));
        if text.is_empty() {
            return Err(wrong("is empty"));
        }
        if text.starts_with(['.', '-']) {
            return Err(wrong("starts with '.' or '-'"));
        }
        if let Some(bad) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
        {
            return Err(wrong(&format!("holds '{}'", bad.escape_default()))
                .hint("letters, digits, '_', '-' and '.' are allowed"));
        }
        heapless::String::try_from(text).map(Self).map_err(|_| wrong("is longer than 64 bytes"))
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
