//! Device nodes and the like in a container's fresh /dev.

use super::rootfs::{Create, Links, Root};
use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mkdirat, mknodat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
#[cfg(feature = "workbench")]
use std::path::Path;

/// Name, major, minor: the nodes every program may expect (linux/devices.txt, memory devices and tty).
const NODES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Name and target of the symbolic links beside them.
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Makes a device node (whether a block device's, major and minor number) or a named pipe; its permissions come later.
#[cfg(feature = "workbench")]
pub fn make_node(path: &Path, device: Option<(bool, u32, u32)>) -> Result<()> {
    let (kind, number) = match device {
        None => (SFlag::S_IFIFO, 0),
        Some((block, major, minor)) => {
            let kind = if block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
            (kind, makedev(major.into(), minor.into()))
        }
    };
    nix::sys::stat::mknod(path, kind, Mode::from_bits_truncate(0o600), number)
        .map_err(|errno| Error::sys(format!("make {}", path.display()), errno))
}

/// Sets the time that something, also a symbolic link, was changed last, in seconds since 1970.
#[cfg(feature = "workbench")]
pub fn set_time(path: &Path, seconds: u32) -> Result<()> {
    use nix::sys::stat::{UtimensatFlags, utimensat};
    use nix::sys::time::TimeSpec;
    // time_t has 32 bits on powerpc here: what is beyond its end is its end.
    let time = TimeSpec::new(seconds.min(i32::MAX as u32) as _, 0);
    utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)
        .map_err(|errno| Error::sys(format!("set the time of {}", path.display()), errno))
}

/// Makes the standard nodes, links and directories in an empty directory.
pub fn populate(dev: BorrowedFd<'_>) -> Result<()> {
    let failed = |what: &str, errno: Errno| Error::sys(format!("make /dev/{what}"), errno);
    // mknod minds the umask. The process is about to exec: it gets its caller's back below.
    let before = nix::sys::stat::umask(Mode::empty());
    let made = populate_unmasked(dev, &failed);
    nix::sys::stat::umask(before);
    made
}

fn populate_unmasked(dev: BorrowedFd<'_>, failed: &dyn Fn(&str, Errno) -> Error) -> Result<()> {
    let all = Mode::from_bits_truncate(0o666);
    for (name, major, minor) in NODES {
        mknodat(dev, name, SFlag::S_IFCHR, all, makedev(major, minor)).map_err(|errno| {
            let error = failed(name, errno);
            match errno {
                Errno::EPERM => {
                    error.hint("boardbox itself needs CAP_MKNOD and a device rule that allows it")
                }
                _ => error,
            }
        })?;
    }
    for (name, target) in LINKS {
        nix::unistd::symlinkat(target, dev, name).map_err(|errno| failed(name, errno))?;
    }
    mkdirat(dev, "pts", Mode::from_bits_truncate(0o755)).map_err(|errno| failed("pts", errno))?;
    mkdirat(dev, "shm", Mode::from_bits_truncate(0o1777)).map_err(|errno| failed("shm", errno))
}

/// /dev/ptmx for a private devpts: a link where nothing is; what else to do with what is there, the caller decides.
pub fn link_ptmx(dev: BorrowedFd<'_>) -> Result<bool> {
    match nix::unistd::symlinkat("pts/ptmx", dev, "ptmx") {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST | Errno::EROFS) => Ok(false),
        Err(errno) => Err(Error::sys("make /dev/ptmx", errno)),
    }
}

/// True when /dev/ptmx is a symbolic link: it leads to pts/ptmx by itself.
pub fn ptmx_is_link(dev: BorrowedFd<'_>) -> bool {
    nix::fcntl::readlinkat(dev, "ptmx").is_ok()
}

/// The node a terminal is bound on; `None` where the root file system has none and `make` is false.
pub fn terminal_node(root: &Root, path: &str, make: bool) -> Result<Option<OwnedFd>> {
    if make {
        return root.create(path, Create::File).map(Some);
    }
    match root.resolve(path, Links::Inside) {
        Ok(fd) => Ok(Some(fd)),
        Err(error) if error.is(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a terminal to the user whose command it is.
pub fn give_to(terminal: BorrowedFd<'_>, uid: u32) -> Result<()> {
    nix::unistd::fchown(terminal.as_fd(), Some(uid.into()), None)
        .map_err(|errno| Error::sys(format!("give the console to user {uid}"), errno))
}
