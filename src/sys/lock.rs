//! flock(2): the lock goes with its holder, however that ends.

use crate::error::{Error, Kind, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::{Mode, fstat, stat};
use std::os::fd::OwnedFd;
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
        match (fstat(&*self.0), stat(path)) {
            (Ok(held), Ok(there)) => (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino),
            _ => false,
        }
    }
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
