//! /run/boardbox: what boardbox remembers until the next boot. It is in memory, by a tmpfs of its own where /run is not.

use crate::error::{Error, Kind, Result};
use crate::sys::lock::Lock;
use crate::sys::{file, hierarchy, mountinfo};
use nix::errno::Errno;
use std::time::Duration;

/// The directory.
pub const DIR: &str = "/run/boardbox";

/// What is locked while the directory is made or removed: it is there before and after.
const PARENT: &str = "/run";

/// Its holders are quick.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes sure the directory is there and in memory. Until the caller has a file open in it, another one's `release` may
/// take it away again: where /run is on flash, what is made then may land below the tmpfs, so look with `is_in_memory`.
pub fn prepare() -> Result<()> {
    // One system call in the usual case.
    if is_in_memory(DIR) {
        return Ok(());
    }
    prepare_locked(&lock()?)
}

/// True when `path`, in the directory, is in memory. It stays there while a file in it is open.
pub fn is_in_memory(path: &str) -> bool {
    file::in_memory(path).unwrap_or(false)
}

/// Leaves nothing behind: the directory goes, and its tmpfs if that is boardbox's, unless something is in it.
pub fn release() {
    // The usual case by one call: /run is in memory, and the directory is a plain one. EBUSY says that it is a mount.
    match std::fs::remove_dir(DIR).err().and_then(|error| error.raw_os_error()) {
        Some(libc::EBUSY) => {}
        _ => return,
    }
    let empty = || std::fs::read_dir(DIR).is_ok_and(|mut entries| entries.next().is_none());
    if !empty() {
        return;
    }
    let Ok(_lock) = lock() else { return };
    if !empty() {
        return;
    }
    let Ok(text) = mountinfo::read() else { return };
    let ours = |mount: &mountinfo::Mount<'_>| mount.target == DIR && mount.source == hierarchy::RUN_SOURCE;
    // Refused while another command has it open; that one will come here too.
    if !mountinfo::parse(&text).iter().any(ours) || hierarchy::unmount(DIR).is_ok() {
        let _ = std::fs::remove_dir(DIR);
    }
}

fn lock() -> Result<Lock> {
    match Lock::take(PARENT, PATIENCE) {
        Err(error) if error.is(Errno::ENOENT) => {
            file::make_dir(PARENT).or_else(exists).map_err(|error| {
                error.hint("boardbox keeps its state in /run: make that directory, best with a tmpfs on it")
            })?;
            Lock::take(PARENT, PATIENCE)
        }
        Err(error) if error.kind == Kind::Timeout => Err(error.hint("another boardbox holds it")),
        other => other,
    }
}

fn prepare_locked(_: &Lock) -> Result<()> {
    file::make_dir(DIR).or_else(exists).map_err(|error| match Errno::from_raw(error.errno) {
        Errno::EROFS => error.hint("boardbox keeps its state there: mount a tmpfs on /run"),
        Errno::EACCES | Errno::EPERM => error.hint("this needs root"),
        _ => error,
    })?;
    if file::in_memory(DIR)? { Ok(()) } else { hierarchy::mount_run(DIR) }
}

fn exists(error: Error) -> Result<()> {
    if error.is(Errno::EEXIST) { Ok(()) } else { Err(error) }
}
