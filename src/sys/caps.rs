//! Capabilities of the calling process (capabilities(7), linux/capability.h).

use crate::error::{Error, Result};
use nix::errno::Errno;

/// `_LINUX_CAPABILITY_VERSION_3`: 64 capabilities in two words.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// CAP_SYS_BOOT as a bit.
pub const SYS_BOOT: u64 = 1 << 22;

/// The bounding set of the calling process, by /proc: one by one it would take forty system calls. All where /proc says nothing.
pub fn bounding_set() -> u64 {
    let mut text = [0; 4096];
    let status = super::signal::status_of(std::process::id() as i32, &mut text);
    let mask = status.and_then(|status| status.lines().find_map(|line| line.strip_prefix("CapBnd:")));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(u64::MAX)
}

/// Drops every capability outside `keep` from the bounding set, for good.
pub fn limit_bounding_set(keep: u64) -> Result<()> {
    for number in 0..64 {
        if keep & 1 << number != 0 {
            continue;
        }
        // SAFETY: PR_CAPBSET_DROP takes a number and no pointer.
        match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number as libc::c_ulong, 0, 0, 0) }) {
            Ok(_) => {}
            // Past the last one this kernel knows.
            Err(Errno::EINVAL) => break,
            Err(errno) => {
                return Err(Error::sys(format!("drop capability {number} from the bounding set"), errno));
            }
        }
    }
    Ok(())
}

/// Drops every capability outside `keep` from the permitted, effective and inheritable sets.
pub fn limit(keep: u64) -> Result<()> {
    let failed = |errno| Error::sys("drop capabilities", errno);
    let header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: header and two data words, as version 3 asks for, outlive the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) })
        .map_err(failed)?;
    for (word, half) in data.iter_mut().zip([keep as u32, (keep >> 32) as u32]) {
        word.effective &= half;
        word.permitted &= half;
        word.inheritable &= half;
    }
    // SAFETY: as above; the kernel only reads.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })
        .map_err(failed)?;
    Ok(())
}

/// No exec gains privileges from here on (PR_SET_NO_NEW_PRIVS, Linux 3.5).
pub fn no_new_privileges() -> Result<()> {
    // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers and no pointer.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, 0, 0, 0) })
        .map(drop)
        .map_err(|errno| Error::sys("set no_new_privs", errno).hint("needs Linux 3.5"))
}

/// User and group of the calling process, supplementary groups dropped.
pub fn become_user(uid: u32, gid: u32) -> Result<()> {
    nix::unistd::setgroups(&[]).map_err(|errno| Error::sys("drop supplementary groups", errno))?;
    nix::unistd::setgid(gid.into()).map_err(|errno| Error::sys(format!("set group id {gid}"), errno))?;
    nix::unistd::setuid(uid.into()).map_err(|errno| Error::sys(format!("set user id {uid}"), errno))
}
