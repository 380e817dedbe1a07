//! What a performed step left behind: enough to take it back, also by a later process that reads it from a file.

use crate::error::{Error, Result};
use crate::profile::value::{IfName, Mac};
use crate::sys::{cgroup, hierarchy};
use nix::errno::Errno;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// How long an emptying cgroup is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a performed step left behind that has to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// A directory was made.
    RemoveDir {
        /// Its path.
        path: String,
    },
    /// A file system was mounted.
    Unmount {
        /// Where.
        target: String,
    },
    /// A cgroup v1 hierarchy was mounted.
    UnmountHierarchy {
        /// Where.
        target: String,
    },
    /// A cgroup was made; the `boardbox` directory above it goes with its last one.
    RemoveCgroup {
        /// Its path.
        dir: String,
    },
    /// The same in the unified hierarchy; what was passed down for the containers is given back with the last one.
    RemoveUnified {
        /// Its path.
        dir: String,
    },
    /// A network interface was made.
    DeleteLink {
        /// Its name.
        name: IfName,
    },
    /// A network interface became a bridge's port.
    ReleasePort {
        /// The port.
        port: IfName,
    },
    /// An address was added.
    RemoveAddress {
        /// The interface.
        link: IfName,
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix: u8,
    },
    /// A network interface was set up.
    LinkDown {
        /// Its name.
        link: IfName,
    },
    /// A network interface got another mtu.
    RestoreMtu {
        /// Its name.
        link: IfName,
        /// The mtu it had.
        mtu: u32,
    },
    /// A bridge got another Ethernet address.
    RestoreMac {
        /// Its name.
        link: IfName,
        /// The address it had.
        mac: Mac,
    },
}

/// Where undos are kept while steps are performed: a `Vec` for one process's own, a file for those that a later process
/// takes back.
pub trait Journal {
    /// Notes what will have to be taken back, *before* the kernel is asked: an end in between loses nothing.
    fn note(&mut self, undo: Undo) -> Result<()>;
    /// Drops the last one noted: the kernel refused.
    fn forget(&mut self);
}

impl Journal for Vec<Undo> {
    fn note(&mut self, undo: Undo) -> Result<()> {
        self.push(undo);
        Ok(())
    }

    fn forget(&mut self) {
        self.pop();
    }
}

/// Notes `undo`, acts, and forgets it again if that failed.
pub fn noted<T>(journal: &mut dyn Journal, undo: Undo, act: impl FnOnce() -> Result<T>) -> Result<T> {
    journal.note(undo)?;
    let done = act();
    if done.is_err() {
        journal.forget();
    }
    done
}

/// Takes everything back, the last first. What is gone already is no error; what fails does not stop the rest.
pub fn undo_all(undo: &mut Vec<Undo>) -> Vec<Error> {
    let mut errors = Vec::new();
    while let Some(last) = undo.pop() {
        errors.extend(last.perform().err());
    }
    errors
}

impl Undo {
    /// The path it is about, where it is about one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Undo::RemoveDir { path } => Some(path),
            Undo::Unmount { target } | Undo::UnmountHierarchy { target } => Some(target),
            Undo::RemoveCgroup { dir } | Undo::RemoveUnified { dir } => Some(dir),
            _ => None,
        }
    }

    /// Takes it back. What is gone already is no error.
    pub fn perform(&self) -> Result<()> {
        match self {
            Undo::RemoveDir { path } => match std::fs::remove_dir(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::io(format!("remove directory {path}"), &error))
                }
                _ => Ok(()),
            },
            Undo::Unmount { target } => {
                hierarchy::unmount(target).map_err(|error| match error.is(Errno::EBUSY) {
                    true => error.hint("a process or a container uses it"),
                    false => error,
                })
            }
            Undo::UnmountHierarchy { target } => unmount_hierarchy(target),
            Undo::RemoveCgroup { dir } => remove_cgroup(dir),
            Undo::RemoveUnified { dir } => super::unified::remove(dir, PATIENCE),
            _ => super::bridge::undo(self),
        }
    }
}

fn remove_cgroup(dir: &str) -> Result<()> {
    cgroup::remove(dir, PATIENCE)?;
    if let Some((parent, _)) = dir.rsplit_once('/').filter(|(parent, _)| parent.ends_with("/boardbox")) {
        // Refused while another container is in it.
        let _ = std::fs::remove_dir(parent);
    }
    Ok(())
}

/// A hierarchy with cgroups in it would live on after its mount, and keep its controllers from any other one.
fn unmount_hierarchy(target: &str) -> Result<()> {
    let own = format!("{target}/boardbox");
    let _ = std::fs::remove_dir(&own);
    match cgroup::child(target) {
        Some(child) => Err(Error::host(format!("cgroup {child} is still there"))
            .tried(format!("unmount {target}"))
            .hint(if child == own { "stop the containers first" } else { "remove it first" })),
        None => hierarchy::unmount(target).map_err(|error| error.hint("a process has a file open in it")),
    }
}

impl fmt::Display for Undo {
    /// One line: a word, then what it is about. `FromStr` reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undo::RemoveDir { path } => write!(f, "remove-directory {}", Line(path)),
            Undo::Unmount { target } => write!(f, "unmount {}", Line(target)),
            Undo::UnmountHierarchy { target } => write!(f, "unmount-hierarchy {}", Line(target)),
            Undo::RemoveCgroup { dir } => write!(f, "remove-cgroup {}", Line(dir)),
            Undo::RemoveUnified { dir } => write!(f, "remove-unified {}", Line(dir)),
            Undo::DeleteLink { name } => write!(f, "delete-link {name}"),
            Undo::ReleasePort { port } => write!(f, "release-port {port}"),
            Undo::RemoveAddress { link, address, prefix } => {
                write!(f, "remove-address {link} {address}/{prefix}")
            }
            Undo::LinkDown { link } => write!(f, "link-down {link}"),
            Undo::RestoreMtu { link, mtu } => write!(f, "restore-mtu {link} {mtu}"),
            Undo::RestoreMac { link, mac } => write!(f, "restore-mac {link} {mac}"),
        }
    }
}

/// A path on one line: a newline in it becomes `\n`, a backslash `\\`.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.split('\\').enumerate() {
            f.write_str(if index > 0 { "\\\\" } else { "" })?;
            for (index, part) in part.split('\n').enumerate() {
                f.write_str(if index > 0 { "\\n" } else { "" })?;
                f.write_str(part)?;
            }
        }
        Ok(())
    }
}

impl FromStr for Undo {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let parsed = || {
            let (word, rest) = line.split_once(' ')?;
            let path =
                || rest.split("\\\\").map(|part| part.replace("\\n", "\n")).collect::<Vec<_>>().join("\\");
            Some(match word {
                "remove-directory" => Undo::RemoveDir { path: path() },
                "unmount" => Undo::Unmount { target: path() },
                "unmount-hierarchy" => Undo::UnmountHierarchy { target: path() },
                "remove-cgroup" => Undo::RemoveCgroup { dir: path() },
                "remove-unified" => Undo::RemoveUnified { dir: path() },
                "delete-link" => Undo::DeleteLink { name: rest.parse().ok()? },
                "release-port" => Undo::ReleasePort { port: rest.parse().ok()? },
                "link-down" => Undo::LinkDown { link: rest.parse().ok()? },
                "remove-address" => {
                    let (link, net) = rest.split_once(' ')?;
                    let (address, prefix) = net.split_once('/')?;
                    let (address, prefix) = (address.parse().ok()?, prefix.parse().ok()?);
                    Undo::RemoveAddress { link: link.parse().ok()?, address, prefix }
                }
                "restore-mtu" => {
                    let (link, mtu) = rest.split_once(' ')?;
                    Undo::RestoreMtu { link: link.parse().ok()?, mtu: mtu.parse().ok()? }
                }
                "restore-mac" => {
                    let (link, mac) = rest.split_once(' ')?;
                    Undo::RestoreMac { link: link.parse().ok()?, mac: mac.parse().ok()? }
                }
                _ => return None,
            })
        };
        parsed().ok_or_else(|| Error::host(format!("\"{}\" is no line of a record", line.escape_default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was() {
        for undo in [
            Undo::RemoveDir { path: "/a b/c\\n\n\\".into() },
            Undo::Unmount { target: "/run/boardbox".into() },
            Undo::UnmountHierarchy { target: "/sys/fs/cgroup/cpu,cpuacct".into() },
            Undo::RemoveCgroup { dir: "/sys/fs/cgroup/cpu/boardbox/foo".into() },
            Undo::RemoveUnified { dir: "/sys/fs/cgroup/boardbox/foo".into() },
            Undo::DeleteLink { name: "br0".parse().unwrap() },
            Undo::ReleasePort { port: "eth0".parse().unwrap() },
            Undo::RemoveAddress {
                link: "br0".parse().unwrap(),
                address: "fd00::1".parse().unwrap(),
                prefix: 64,
            },
            Undo::LinkDown { link: "eth0".parse().unwrap() },
            Undo::RestoreMtu { link: "eth0".parse().unwrap(), mtu: 1500 },
            Undo::RestoreMac { link: "br0".parse().unwrap(), mac: "02:00:00:00:00:17".parse().unwrap() },
        ] {
            let line = undo.to_string();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(line.parse::<Undo>().unwrap(), undo, "{line}");
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in
            ["", "unmount", "delete-link a/b", "remove-address br0 1.2.3.4", "restore-mtu br0 x", "rm -rf /"]
        {
            assert!(line.parse::<Undo>().is_err(), "{line}");
        }
    }

    #[test]
    fn directories_go_in_reverse_and_missing_ones_are_no_error() {
        let base = format!("{}/boardbox-undo-{}", std::env::temp_dir().display(), std::process::id());
        let inner = format!("{base}/inner");
        std::fs::create_dir_all(&inner).unwrap();
        let gone = Undo::RemoveDir { path: format!("{base}/gone") };
        let mut undo =
            vec![Undo::RemoveDir { path: base.clone() }, gone, Undo::RemoveDir { path: inner.clone() }];
        assert!(undo_all(&mut undo).is_empty() && undo.is_empty());
        assert!(!std::path::Path::new(&base).exists());

        std::fs::create_dir_all(&inner).unwrap();
        let errors = undo_all(&mut vec![Undo::RemoveDir { path: base.clone() }]);
        assert_eq!(errors[0].to_string(), format!("remove directory {base}: Directory not empty"));
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn what_fails_is_not_noted() {
        let mut undo = Vec::new();
        let line = || Undo::Unmount { target: "/x".into() };
        assert!(noted(&mut undo, line(), || Err::<(), _>(Error::host("no"))).is_err());
        assert!(undo.is_empty());
        noted(&mut undo, line(), || Ok(())).unwrap();
        assert_eq!(undo, [line()]);
    }
}
