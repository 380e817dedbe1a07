//! The cgroups below another one, which are a container's own work: their names are any bytes, they may be nested deeper than
//! PATH_MAX, and there may be very many. Walked by one descriptor, down by name and up by `..`, without allocating.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Removes those below `dir` that nothing is in, on one way down after the other, until the next one is in use or `until` is over.
/// True when it has removed any.
pub fn remove_below(dir: &str, until: Instant) -> bool {
    let (mut removed, mut depth) = (false, 0u32);
    let Ok(mut at) = open(dir, DIRECTORY, Mode::empty()) else { return false };
    while Instant::now() < until {
        let (mut less, mut below) = (false, None);
        directories(at.as_fd(), &mut |name, _| {
            match unlinkat(&at, name, UnlinkatFlags::RemoveDir) {
                Ok(()) => less = true,
                Err(_) if below.is_none() => below = down(&at, name),
                Err(_) => {}
            }
            true
        });
        removed |= less;
        let next = match below {
            Some(below) => {
                depth += 1;
                Some(below)
            }
            // It is empty now, and goes next.
            None if less && depth > 0 => {
                depth -= 1;
                down(&at, c"..")
            }
            // All of them are gone, or this one is in use.
            None => None,
        };
        let Some(next) = next else { break };
        at = next;
    }
    removed
}

/// Writes a value to a file of each cgroup below `dir`, to those above first; `until` is over before a tree without end is. Where
/// it can not be written is passed over.
#[inline(never)]
pub fn write_below(dir: &str, file: &CStr, value: &str, until: Instant) {
    let Ok(mut at) = open(dir, DIRECTORY, Mode::empty()) else { return };
    let mut depth = 0u32;
    // The one that was left last: what follows it is next.
    let mut after = None;
    while Instant::now() < until {
        let mut below = None;
        directories(at.as_fd(), &mut |name, inode| {
            if after.is_none() {
                below = down(&at, name);
            } else if after == Some(inode) {
                after = None;
            }
            below.is_none()
        });
        let next = match below {
            Some(below) => {
                (depth, after) = (depth + 1, None);
                if let Ok(file) = openat(&below, file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()) {
                    let _ = nix::unistd::write(&file, value.as_bytes());
                }
                Some(below)
            }
            None if depth > 0 => {
                depth -= 1;
                after = fstat(&at).ok().map(|stat| stat.st_ino);
                down(&at, c"..")
            }
            None => None,
        };
        let Some(next) = next else { return };
        at = next;
    }
}

fn down(at: &OwnedFd, name: &CStr) -> Option<OwnedFd> {
    openat(at, name, DIRECTORY, Mode::empty()).ok()
}

/// Calls `each` with the name and inode of the directories in `dir`, until it returns false.
fn directories(dir: BorrowedFd<'_>, each: &mut dyn FnMut(&CStr, u64) -> bool) {
    let mut entries = Entries([0; 1024]);
    loop {
        // SAFETY: the kernel writes at most as many bytes as are said to be there.
        let length = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                libc::c_long::from(dir.as_raw_fd()),
                entries.0.as_mut_ptr(),
                entries.0.len(),
            )
        };
        let length = Errno::result(length).ok().and_then(|length| usize::try_from(length).ok());
        let Some(mut rest) = length.filter(|length| *length > 0).and_then(|length| entries.0.get(..length))
        else {
            return;
        };
        while let Some((inode, kind, name, next)) = entry(rest) {
            rest = next;
            let other = kind == libc::DT_DIR && name != c"." && name != c"..";
            if other && !each(name, inode) {
                return;
            }
        }
    }
}

/// What getdents64(2) fills.
#[repr(align(8))]
struct Entries([u8; 1024]);

/// The first of some `struct linux_dirent64`, and the others: inode, offset, length, kind, name.
fn entry(entries: &[u8]) -> Option<(u64, u8, &CStr, &[u8])> {
    let length = u16::from_ne_bytes(entries.get(16..18)?.try_into().ok()?);
    let (entry, rest) = entries.split_at_checked(length.into())?;
    let inode = u64::from_ne_bytes(*entry.first_chunk()?);
    let name = CStr::from_bytes_until_nul(entry.get(19..)?).ok()?;
    Some((inode, *entry.get(18)?, name, rest))
}
