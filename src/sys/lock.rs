//! flock(2): the lock goes with its holder, however that ends.

use crate::error::{Error, Kind, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// An exclusive lock on a file or a directory, held until it is dropped.
pub struct Lock(#[allow(dead_code)] Flock<OwnedFd>);

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
}
