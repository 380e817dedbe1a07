//! epoll(7): which of a handful of descriptors are ready.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// How many descriptors are told at once.
const ROOM: usize = 16;

/// The set.
pub struct Events(Epoll);

/// Those that are ready: the tokens they were added with.
pub type Ready = heapless::Vec<u64, ROOM>;

impl Events {
    /// An empty set.
    pub fn new() -> Result<Self> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map(Self)
            .map_err(|errno| Error::sys("open an epoll set", errno))
    }

    /// Tells `token` when `fd` can be read or its other end is gone. False for a regular file, which is always ready
    /// and which epoll refuses.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64) -> Result<bool> {
        match self.0.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token)) {
            Ok(()) => Ok(true),
            Err(Errno::EPERM) => Ok(false),
            Err(errno) => Err(Error::sys("watch a descriptor", errno)),
        }
    }

    /// No word of `fd` any more. One that is not in the set is no error.
    pub fn remove(&self, fd: BorrowedFd<'_>) {
        let _ = self.0.delete(fd);
    }

    /// Waits until something is ready, `timeout` is over (rounded up to milliseconds) or a signal came in between; then
    /// nothing may be ready.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<Ready> {
        let timeout = match timeout {
            None => EpollTimeout::NONE,
            Some(timeout) => timeout
                .checked_add(Duration::from_micros(999))
                .and_then(|timeout| EpollTimeout::try_from(timeout).ok())
                .unwrap_or(EpollTimeout::MAX),
        };
        let mut events = [EpollEvent::empty(); ROOM];
        let count = match self.0.wait(&mut events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(Error::sys("wait for events", errno)),
        };
        Ok(events.iter().take(count).map(EpollEvent::data).collect())
    }
}
