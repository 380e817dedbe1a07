//! Capabilities (linux/capability.h).

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A set of capabilities, bit N for capability N.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct CapSet(pub u64);

/// Names in the kernel's order, lower case, without `cap_`.
pub const CAPABILITY_NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The usual fourteen, a TOML container's default: chown dac_override fowner fsetid kill setgid setuid setpcap
/// net_bind_service net_raw sys_chroot mknod audit_write setfcap.
pub const DEFAULT_CAPABILITIES: CapSet = CapSet(
    1 | 1 << 1
        | 1 << 3
        | 1 << 4
        | 1 << 5
        | 1 << 6
        | 1 << 7
        | 1 << 8
        | 1 << 10
        | 1 << 13
        | 1 << 18
        | 1 << 27
        | 1 << 29
        | 1 << 31,
);

/// What a container keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Capabilities {
    /// Everything (LXC without `lxc.cap.drop`).
    All,
    /// Everything but these (`lxc.cap.drop`).
    Drop(CapSet),
    /// These only (`lxc.cap.keep`, `capabilities = [...]`).
    Keep(CapSet),
}

impl fmt::Display for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for (number, name) in CAPABILITY_NAMES.iter().enumerate() {
            if self.0 & 1 << number != 0 {
                write!(f, "{gap}{name}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Capabilities::All => f.write_str("all"),
            Capabilities::Drop(set) => write!(f, "all but {set}"),
            Capabilities::Keep(set) => write!(f, "only {set}"),
        }
    }
}

impl FromStr for CapSet {
    type Err = Error;

    /// Names separated by blanks, with or without `cap_`, in any case, or numbers 0..=63.
    fn from_str(text: &str) -> Result<Self> {
        let mut set = 0;
        for word in text.split_ascii_whitespace() {
            let lower = word.to_ascii_lowercase();
            let name = lower.strip_prefix("cap_").unwrap_or(&lower);
            let number = match CAPABILITY_NAMES.iter().position(|known| *known == name) {
                Some(number) => Some(number),
                None => name.parse().ok().filter(|number| *number < 64),
            };
            let Some(number) = number else {
                return Err(Error::config(format!("capability \"{}\" is unknown", word.escape_default()))
                    .hint("names as in capabilities(7), sys_admin or CAP_SYS_ADMIN, or a number"));
            };
            set |= 1 << number;
        }
        Ok(Self(set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read() {
        assert_eq!("sys_admin CAP_CHOWN 39".parse::<CapSet>().unwrap(), CapSet(1 << 21 | 1 | 1 << 39));
        assert_eq!("".parse::<CapSet>().unwrap(), CapSet(0));
        assert_eq!(
            DEFAULT_CAPABILITIES.to_string(),
            "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot \
             mknod audit_write setfcap"
        );
    }

    #[test]
    fn an_unknown_one_is_named() {
        for bad in ["sys_admn", "64", "-1", "cap_"] {
            let error = format!("chown {bad}").parse::<CapSet>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("capability \"{bad}\" is unknown")), "{error}");
        }
    }
}
