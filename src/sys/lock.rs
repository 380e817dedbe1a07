//! flock(2) and fcntl(2): the lock goes with its holder, however that ends.

use crate::error::{Error, Kind, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl, open};
use nix::sys::stat::{Mode, fstat, stat};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// An exclusive lock on a file or a directory, held until it is dropped.
pub struct Lock(Flock<OwnedFd>);

impl Lock {
    /// Locks what is at `path`, which has to be there. Waits for `patience` at most: `Kind::Timeout`.
    pub fn take(path: &str, patience: Duration) -> Result<Self> {
        let wrong = |errno| Error::sys(format!("lock {path}"), errno);
        let mut fd = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(wrong)?;
        let start = Instant::now();
        loop {
            match Flock::lock(fd, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self(lock)),
                Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => fd = back,
                Err((_, errno)) => return Err(wrong(errno)),
            }
            if start.elapsed() >= patience {
                return Err(wrong(Errno::EWOULDBLOCK).kind(Kind::Timeout));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Locks the file at `path`, made if it is missing; `None` when somebody else holds it.
    pub fn of_file(path: &str) -> Result<Option<Self>> {
        let wrong = |errno| Error::sys(format!("lock {path}"), errno);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::from_bits_truncate(0o600)).map_err(wrong)?;
        match Flock::lock(fd, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self(lock))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(wrong(errno)),
        }
    }

    /// True while what is locked is what is at `path`: who held it before may have removed that.
    pub fn is_at(&self, path: &str) -> bool {
        is_at(&*self.0, path)
    }
}

fn is_at(held: impl AsFd, path: &str) -> bool {
    match (fstat(held), stat(path)) {
        (Ok(held), Ok(there)) => (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino),
        _ => false,
    }
}

/// A file that says that something is under way. Several processes may do it at once, and who looks does not get in their way:
/// fcntl(2)'s locks can be asked for without being taken. They are the process's: it must not open the file otherwise.
pub struct Mark {
    fd: OwnedFd,
    path: &'static str,
}

impl Mark {
    /// Sets it; makes the file.
    pub fn set(path: &'static str) -> Result<Self> {
        let wrong = |errno| Error::sys(format!("lock {path}"), errno);
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_CLOEXEC;
        loop {
            let fd = open(path, flags, Mode::from_bits_truncate(0o600)).map_err(wrong)?;
            match fcntl(&fd, FcntlArg::F_SETLK(&whole(libc::F_RDLCK))) {
                Ok(_) if is_at(&fd, path) => return Ok(Self { fd, path }),
                // Another one's end removes the file this moment.
                Ok(_) | Err(Errno::EAGAIN | Errno::EACCES | Errno::EINTR) => {}
                Err(errno) => return Err(wrong(errno)),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether another process has set it.
    pub fn is_set(path: &str) -> bool {
        let Ok(fd) = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) else { return false };
        let mut lock = whole(libc::F_WRLCK);
        fcntl(&fd, FcntlArg::F_GETLK(&mut lock)).is_ok() && i32::from(lock.l_type) != libc::F_UNLCK
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // The last one takes the file away: nobody can set it between the lock and that.
        if fcntl(&self.fd, FcntlArg::F_SETLK(&whole(libc::F_WRLCK))).is_ok() {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

/// Of the whole file.
fn whole(kind: i32) -> libc::flock {
    libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_holder_at_a_time() {
        let dir = format!("{}/boardbox-lock-{}", std::env::temp_dir().display(), std::process::id());
        std::fs::create_dir(&dir).unwrap();
        let held = Lock::take(&dir, Duration::ZERO).unwrap();
        let second = Lock::take(&dir, Duration::from_millis(20)).err().unwrap();
        assert_eq!(second.kind, Kind::Timeout);
        drop(held);
        Lock::take(&dir, Duration::ZERO).unwrap();
        std::fs::remove_dir(&dir).unwrap();
        assert!(Lock::take(&dir, Duration::ZERO).err().unwrap().is(Errno::ENOENT));
    }

    #[test]
    fn a_file_has_one_holder_and_its_removal_is_noticed() {
        let path = std::env::temp_dir().join(format!("boardbox-lock-file-{}", std::process::id()));
        let path = path.to_str().unwrap();
        let lock = Lock::of_file(path).unwrap().unwrap();
        assert!(Lock::of_file(path).unwrap().is_none() && lock.is_at(path));
        std::fs::remove_file(path).unwrap();
        assert!(!lock.is_at(path));
        let other = Lock::of_file(path).unwrap().unwrap();
        assert!(!lock.is_at(path) && other.is_at(path));
        drop(other);
        assert!(Lock::of_file(path).unwrap().is_some());
        std::fs::remove_file(path).unwrap();
    }
}
