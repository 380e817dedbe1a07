//! cgroupfs: a cgroup is a directory, its settings are files in it.

use super::file;
use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

mod groups;

pub use groups::write_below;

/// How long it goes on as long as there is something to remove: whoever lives may make more than we remove.
const ENOUGH: Duration = Duration::from_secs(20);

/// Makes a cgroup; `false` if it was there already.
pub fn make(dir: &str) -> Result<bool> {
    match nix::unistd::mkdir(dir, Mode::from_bits_truncate(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => Err(Error::sys(format!("make cgroup {dir}"), errno)),
    }
}

/// Removes a cgroup and those below it. The kernel says EBUSY while a task of it is still on its way out, so that is
/// tried again until `patience` is over. A cgroup that is not there is no error.
pub fn remove(dir: &str, patience: Duration) -> Result<()> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        let Err(error) = std::fs::remove_dir(dir) else { return Ok(()) };
        match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            Errno::ENOENT => return Ok(()),
            Errno::EBUSY | Errno::ENOTEMPTY => {}
            errno => return Err(Error::sys(format!("remove cgroup {dir}"), errno)),
        }
        // What runs inside may have made cgroups of its own.
        if start.elapsed() < ENOUGH && groups::remove_below(dir, start + ENOUGH) {
            continue;
        }
        if start.elapsed() >= patience {
            return Err(Error::io(format!("remove cgroup {dir}"), &error).hint("it still holds processes"));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The path of one cgroup in `dir`, to be read: its name may be any bytes.
pub fn child(dir: &str) -> Option<String> {
    let mut entries = std::fs::read_dir(dir).ok()?.filter_map(|entry| entry.ok());
    let directory = entries.find(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))?;
    Some(format!("{dir}/{}", directory.file_name().to_string_lossy()))
}

/// True when a task is in the cgroup itself (not in one below it).
pub fn has_tasks(dir: &str) -> Result<bool> {
    match file::read_value(&format!("{dir}/tasks")) {
        // v2 has no `tasks`.
        Err(error) if error.is(Errno::ENOENT) => {
            Ok(!file::read_value(&format!("{dir}/cgroup.procs"))?.is_empty())
        }
        other => Ok(!other?.is_empty()),
    }
}

/// Reads a control file; the newline at its end is dropped.
pub fn read(dir: &str, file: &str) -> Result<String> {
    let mut value = file::read(&format!("{dir}/{file}"))?;
    if value.ends_with('\n') {
        value.pop();
    }
    Ok(value)
}

/// The same for a file of one short value, with fewer system calls.
pub fn read_value(dir: &str, file: &str) -> Result<String> {
    Ok(file::read_value(&format!("{dir}/{file}"))?.trim_end().to_owned())
}

/// Writes a control file, the whole value at once.
pub fn write(dir: &str, file: &str, value: &str) -> Result<()> {
    file::write_value(&format!("{dir}/{file}"), value)
}

/// Opens a v1 cgroup's `tasks`, to be joined later by `join`; where only `cgroup.procs` is, that.
pub fn open_tasks(dir: &str) -> Result<OwnedFd> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let path = format!("{dir}/tasks");
    match nix::fcntl::open(path.as_str(), flags, Mode::empty()) {
        Err(Errno::ENOENT) => {
            let path = format!("{dir}/cgroup.procs");
            nix::fcntl::open(path.as_str(), flags, Mode::empty())
                .map_err(|errno| Error::sys(format!("open {path}"), errno))
        }
        opened => opened.map_err(|errno| Error::sys(format!("open {path}"), errno)),
    }
}

/// The calling process, which has one thread, enters the cgroup: `0` written by oneself to `tasks` is far cheaper than a
/// pid written to `cgroup.procs` by another, which waits for a grace period.
pub fn join(tasks: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::write(tasks, b"0").map(drop).map_err(|errno| {
        let error = Error::sys("enter the cgroup", errno);
        match errno {
            Errno::ENOSPC => error.hint("its cpuset.cpus or cpuset.mems is empty"),
            _ => error,
        }
    })
}

/// What boardbox keeps on a directory of its own: an extended attribute, which goes with it.
const NOTE: &std::ffi::CStr = c"trusted.boardbox";

/// What `set_note` has left there; nothing where the kernel keeps no such things.
pub fn note(dir: &str) -> String {
    let mut buffer = [0u8; 256];
    let Ok(dir) = CString::new(dir) else { return String::new() };
    // SAFETY: both strings end in NUL, and the buffer has the size said.
    let length =
        unsafe { libc::getxattr(dir.as_ptr(), NOTE.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    let text = usize::try_from(length).ok().and_then(|length| buffer.get(..length)).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Leaves a note on a cgroup's directory. Where that can not be done, there is none.
pub fn set_note(dir: &str, text: &str) {
    let Ok(dir) = CString::new(dir) else { return };
    // SAFETY: both strings end in NUL, and `text` has the size said.
    unsafe { libc::setxattr(dir.as_ptr(), NOTE.as_ptr(), text.as_ptr().cast(), text.len(), 0) };
}
