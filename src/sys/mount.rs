//! Mounts of a container: mount(2) onto descriptors, and the newer calls that make a bind read-only in one go.

use super::rootfs::{Links, Root};
use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

// Numbers of calls this young are the same on every architecture we build for (linux/mount.h, fcntl.h).
const SYS_OPEN_TREE: libc::c_long = 428;
const SYS_MOVE_MOUNT: libc::c_long = 429;
const SYS_MOUNT_SETATTR: libc::c_long = 442;
const OPEN_TREE_CLONE: libc::c_int = 1;
const AT_RECURSIVE: libc::c_int = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_int = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_int = 0x40;
const MOUNT_ATTR_RDONLY: u64 = 0x01;
const MOUNT_ATTR_NOSUID: u64 = 0x02;
const MOUNT_ATTR_NODEV: u64 = 0x04;
const MOUNT_ATTR_NOEXEC: u64 = 0x08;
const MOUNT_ATTR_ATIME: u64 = 0x70;
const MOUNT_ATTR_NOATIME: u64 = 0x10;
const MOUNT_ATTR_STRICTATIME: u64 = 0x20;
const MOUNT_ATTR_NODIRATIME: u64 = 0x80;

/// `struct mount_attr` (linux/mount.h).
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// `MS_*` bits of mount(2), at 64 bits on every architecture.
fn flags(bits: u64) -> MsFlags {
    MsFlags::from_bits_retain(bits as libc::c_ulong)
}

/// The per-mount flags: those a bind takes only by a remount.
#[allow(clippy::unnecessary_cast)] // c_ulong has 32 bits on powerpc
const PER_MOUNT: u64 = (libc::MS_RDONLY
    | libc::MS_NOSUID
    | libc::MS_NODEV
    | libc::MS_NOEXEC
    | libc::MS_NOATIME
    | libc::MS_NODIRATIME
    | libc::MS_RELATIME
    | libc::MS_STRICTATIME) as u64;

/// MS_RDONLY.
#[allow(clippy::unnecessary_cast)]
pub const READ_ONLY: u64 = libc::MS_RDONLY as u64;

fn not_there(errno: Errno) -> bool {
    matches!(errno, Errno::ENOSYS | Errno::EPERM | Errno::EINVAL | Errno::EOPNOTSUPP)
}

/// mount(2) and fchmodat know no descriptors; this name of one works wherever /proc of the host is still in sight.
fn name(fd: BorrowedFd<'_>) -> heapless::String<24> {
    let mut name = heapless::String::new();
    // A descriptor has at most ten digits: it always fits.
    let _ = std::fmt::Write::write_fmt(&mut name, format_args!("/proc/self/fd/{}", fd.as_raw_fd()));
    name
}

/// Cuts the mount namespace off from the host's: what is mounted here stays here, unmounts there come through.
pub fn make_slave() -> Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
        .map_err(|errno| Error::sys("make all mounts slaves of the host's", errno))
}

fn open_tree(source: BorrowedFd<'_>, recursive: bool) -> nix::Result<OwnedFd> {
    let flags =
        OPEN_TREE_CLONE | libc::O_CLOEXEC | libc::AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the descriptor is open and the path is an empty NUL-terminated string.
    let fd = unsafe { libc::syscall(SYS_OPEN_TREE, source.as_raw_fd(), c"".as_ptr(), flags) };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn move_mount(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> nix::Result<()> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    let (tree, target, empty) = (tree.as_raw_fd(), target.as_raw_fd(), c"".as_ptr());
    // SAFETY: both descriptors are open and both paths are empty NUL-terminated strings.
    Errno::result(unsafe { libc::syscall(SYS_MOVE_MOUNT, tree, empty, target, empty, flags) }).map(drop)
}

fn mount_setattr(fd: BorrowedFd<'_>, recursive: bool, set: u64, clear: u64) -> nix::Result<()> {
    #[allow(clippy::unnecessary_cast)] // c_ulong has 32 bits on powerpc
    let attributes = |bits: u64| {
        [
            (libc::MS_RDONLY as u64, MOUNT_ATTR_RDONLY),
            (libc::MS_NOSUID as u64, MOUNT_ATTR_NOSUID),
            (libc::MS_NODEV as u64, MOUNT_ATTR_NODEV),
            (libc::MS_NOEXEC as u64, MOUNT_ATTR_NOEXEC),
            (libc::MS_NODIRATIME as u64, MOUNT_ATTR_NODIRATIME),
            (libc::MS_NOATIME as u64, MOUNT_ATTR_NOATIME),
            (libc::MS_STRICTATIME as u64, MOUNT_ATTR_STRICTATIME),
        ]
        .iter()
        .filter(|(ms, _)| bits & ms != 0)
        .fold(0, |all, (_, attribute)| all | attribute)
    };
    let mut attr = MountAttr { set: attributes(set), clear: attributes(clear), ..MountAttr::default() };
    // The access time modes are a field of their own, which is cleared as a whole before it is set.
    #[allow(clippy::unnecessary_cast)]
    let atime = (libc::MS_NOATIME | libc::MS_RELATIME | libc::MS_STRICTATIME) as u64;
    attr.clear &= !MOUNT_ATTR_ATIME;
    if (set | clear) & atime != 0 {
        attr.clear |= MOUNT_ATTR_ATIME;
    }
    let flags = libc::AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let size = std::mem::size_of::<MountAttr>();
    // SAFETY: the descriptor is open, the path is an empty string, `attr` is a whole mount_attr of the size said.
    let done = unsafe {
        libc::syscall(SYS_MOUNT_SETATTR, fd.as_raw_fd(), c"".as_ptr(), flags, &raw const attr, size)
    };
    Errno::result(done).map(drop)
}

/// Sets and clears per-mount flags of the mount whose root `fd` is; flags it has otherwise stay.
fn set_attributes(fd: BorrowedFd<'_>, recursive: bool, set: u64, clear: u64) -> nix::Result<()> {
    match mount_setattr(fd, recursive, set, clear) {
        Err(errno) if not_there(errno) => {}
        done => return done,
    }
    // Before 5.12. A remount replaces all flags, and dropping a locked one is EPERM: read what is there.
    let now = fstatvfs(fd)?.flags();
    let mut bits = 0;
    for (has, ms) in [
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
    ] {
        if now.contains(has) {
            #[allow(clippy::unnecessary_cast)]
            let ms = ms.bits() as u64;
            bits |= ms;
        }
    }
    let bits = (bits | set) & !clear & PER_MOUNT;
    let remount = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags(bits);
    mount(None::<&str>, name(fd).as_str(), None::<&str>, remount, None::<&str>)
}

/// Where a mount goes and with which flags.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The root file system.
    pub root: &'a Root,
    /// The path inside.
    pub path: &'a str,
    /// Whether links on the way are followed.
    pub links: Links,
}

impl Target<'_> {
    fn open(&self) -> Result<OwnedFd> {
        self.root.resolve(self.path, self.links)
    }
}

/// Binds `source` on `target`. Read-only and the like are set before it can be seen, where the kernel has the calls
/// for that (5.12), otherwise by the second remount that a bind's flags need; with `recursive` also below it (5.12).
pub fn bind(source: BorrowedFd<'_>, target: Target<'_>, recursive: bool, set: u64, clear: u64) -> Result<()> {
    let failed = |errno| bind_failed(target.path, errno);
    let at = target.open()?;
    let (set, clear) = (set & PER_MOUNT, clear & PER_MOUNT);
    match bind_new(source, at.as_fd(), recursive, set, clear) {
        Err(errno) if not_there(errno) => {}
        done => return done.map_err(failed),
    }
    let how = if recursive { MsFlags::MS_BIND | MsFlags::MS_REC } else { MsFlags::MS_BIND };
    let (from, to) = (name(source), name(at.as_fd()));
    mount(Some(from.as_str()), to.as_str(), None::<&str>, how, None::<&str>).map_err(failed)?;
    if set | clear != 0 {
        // `at` is what the bind has covered; the mount itself has to be opened anew.
        set_attributes(target.open()?.as_fd(), recursive, set, clear).map_err(failed)?;
    }
    Ok(())
}

fn bind_new(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    recursive: bool,
    set: u64,
    clear: u64,
) -> nix::Result<()> {
    let tree = open_tree(from, recursive)?;
    if set | clear != 0 {
        mount_setattr(tree.as_fd(), recursive, set, clear)?;
    }
    move_mount(tree.as_fd(), to)
}

fn bind_failed(path: &str, errno: Errno) -> Error {
    let error = Error::sys(format!("bind on /{}", path.trim_start_matches('/')), errno);
    match errno {
        Errno::ENOTDIR => error.hint("a directory can be bound on a directory only, a file on a file"),
        _ => error,
    }
}

/// Mounts a file system. `propagation` (MS_SHARED …) is a call of its own, 0 for none.
pub fn mount_fs(source: &str, fstype: &str, target: Target<'_>, bits: u64, data: &str) -> Result<()> {
    let at = target.open()?;
    let data = Some(data).filter(|data| !data.is_empty());
    mount(Some(source), name(at.as_fd()).as_str(), Some(fstype), flags(bits), data).map_err(|errno| {
        let error = Error::sys(format!("mount {fstype} on /{}", target.path.trim_start_matches('/')), errno);
        match errno {
            Errno::ENODEV => error.hint("this kernel does not have the file system: see /proc/filesystems"),
            Errno::EBUSY => error.hint("it is mounted there already"),
            _ => error,
        }
    })
}

/// Sets a mount's propagation (MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, with MS_REC for all below).
pub fn set_propagation(target: Target<'_>, bits: u64) -> Result<()> {
    let at = target.open()?;
    mount(None::<&str>, name(at.as_fd()).as_str(), None::<&str>, flags(bits), None::<&str>)
        .map_err(|errno| Error::sys(format!("set propagation of /{}", target.path), errno))
}

/// Makes the mount at `target` read-only; with `own`, `target` is bound onto itself first, to be a mount at all.
pub fn read_only(target: Target<'_>, own: bool) -> Result<()> {
    if own {
        return bind(target.open()?.as_fd(), target, false, READ_ONLY, 0);
    }
    set_attributes(target.open()?.as_fd(), false, READ_ONLY, 0)
        .map_err(|errno| Error::sys(format!("make /{} read-only", target.path), errno))
}

/// Binds a container's root file system onto itself, with what is mounted below it: pivot_root needs a mount.
pub fn bind_rootfs(path: &str) -> Result<Root> {
    let failed = |errno| Error::sys(format!("bind root file system {path} onto itself"), errno);
    let outside = Root::open(path)?;
    match bind_new(outside.as_fd(), outside.as_fd(), true, 0, 0) {
        Err(errno) if not_there(errno) => {
            mount(Some(path), path, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
                .map_err(failed)?;
        }
        done => done.map_err(failed)?,
    }
    Root::open(path)
}

/// How the root file system became `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pivoted {
    /// pivot_root, and the host's tree is out of reach.
    Pivoted,
    /// / is the initramfs, which cannot be pivoted away: moved and chrooted, no boundary for CAP_SYS_ADMIN.
    Moved,
}

/// Makes `root` the `/` of this mount namespace.
pub fn pivot(root: &Root) -> Result<Pivoted> {
    let failed = |what: &'static str| move |errno| Error::sys(what, errno);
    nix::unistd::fchdir(root).map_err(failed("enter the root file system"))?;
    let how = match nix::unistd::pivot_root(".", ".") {
        Ok(()) => {
            // Both trees are stacked on `.` now; the upper one is the host's.
            umount2(".", MntFlags::MNT_DETACH).map_err(failed("unmount the host's tree"))?;
            Pivoted::Pivoted
        }
        Err(Errno::EINVAL) => {
            mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
                .map_err(failed("move the root file system to /"))?;
            nix::unistd::chroot(".").map_err(failed("chroot into the root file system"))?;
            Pivoted::Moved
        }
        Err(errno) => return Err(failed("pivot_root into the root file system")(errno)),
    };
    nix::unistd::chdir("/").map_err(failed("enter the new /"))?;
    Ok(how)
}
