//! Mounting cgroup v1 hierarchies and the tmpfs that holds their mount points.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Nothing in these file systems is ever run, and none of their nodes is a device.
const FLAGS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// The source of `mount_run`'s tmpfs.
pub const RUN_SOURCE: &str = "boardbox";

/// Mounts a small tmpfs, mode 0755.
pub fn mount_tmpfs(target: &str) -> Result<()> {
    mount(Some("tmpfs"), target, Some("tmpfs"), FLAGS, Some("mode=755"))
        .map_err(|errno| Error::sys(format!("mount tmpfs on {target}"), errno))
}

/// Mounts a tmpfs for what boardbox remembers; its source says whose it is.
pub fn mount_run(target: &str) -> Result<()> {
    // Programs are run from there where there is no memfd: no MS_NOEXEC.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some(RUN_SOURCE), target, Some("tmpfs"), flags, Some("mode=755"))
        .map_err(|errno| Error::sys(format!("mount tmpfs on {target}"), errno))
}

/// Mounts the v1 hierarchy of exactly these controllers. `favordynmods` is dropped where the kernel does not know it.
pub fn mount_v1(controllers: &[String], target: &str, favordynmods: bool) -> Result<()> {
    let set = controllers.join(",");
    let attempt = |data: &str| mount(Some("cgroup"), target, Some("cgroup"), FLAGS, Some(data));
    if favordynmods {
        match attempt(&format!("{set},favordynmods")) {
            // Before 6.0 it is an unknown controller: EINVAL, on kernels before 4.4 or so ENOENT.
            Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(errno) => return Err(refused(&set, target, errno)),
            Ok(()) => return Ok(()),
        }
    }
    attempt(&set).map_err(|errno| refused(&set, target, errno))
}

fn refused(set: &str, target: &str, errno: Errno) -> Error {
    let error = Error::sys(format!("mount cgroup hierarchy {set} on {target}"), errno);
    match errno {
        Errno::EBUSY => error.hint(
            "a controller of it is mounted with other ones, or is in use by cgroup v2; /proc/cgroups and \
             /proc/self/mountinfo say where",
        ),
        Errno::EINVAL | Errno::ENOENT => {
            error.hint("the kernel lacks or disables a controller of it: see /proc/cgroups")
        }
        Errno::ENODEV => error.hint("the kernel has no cgroup v1 (CONFIG_CGROUPS)"),
        Errno::EPERM => error.hint("this needs root"),
        _ => error,
    }
}

/// Mounts the unified hierarchy at a directory that is there.
pub fn mount_v2(target: &str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("cgroup2"), target, Some("cgroup2"), flags, None::<&str>).map_err(|errno| {
        let error = Error::sys(format!("mount cgroup2 on {target}"), errno);
        match errno {
            Errno::ENODEV => error.hint("the kernel has no cgroup v2 (Linux 4.5)"),
            _ => error,
        }
    })
}

/// Unmounts what is mounted there; nothing mounted there is no error.
pub fn unmount(target: &str) -> Result<()> {
    match umount2(target, MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(errno) => Err(Error::sys(format!("unmount {target}"), errno)),
    }
}
