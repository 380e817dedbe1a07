//! Bytes through descriptors that may not be ready.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::BorrowedFd;

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// This many bytes, at least one.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing ever: the other end is closed, or the terminal hung up.
    End,
}

/// Reads what is there.
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Got {
    match nix::unistd::read(fd, buffer) {
        Ok(0) => Got::End,
        Ok(length) => Got::Bytes(length),
        Err(Errno::EAGAIN | Errno::EINTR) => Got::Nothing,
        Err(_) => Got::End,
    }
}

/// Writes as much as fits now and says how much that was; `None` when nobody will ever read it.
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Option<usize> {
    match nix::unistd::write(fd, bytes) {
        Ok(length) => Some(length),
        Err(Errno::EAGAIN | Errno::EINTR) => Some(0),
        Err(_) => None,
    }
}

/// True when a write to `fd` would not block now.
pub fn is_writable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(count) if count > 0)
}

/// Reads a small file into `buffer` without allocating; `None` where it can not be read or does not fit.
pub fn read_file<'a>(path: &str, buffer: &'a mut [u8]) -> Option<&'a str> {
    let flags = nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC;
    let file = nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty()).ok()?;
    let mut length = 0;
    loop {
        match nix::unistd::read(&file, buffer.get_mut(length..)?) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
    std::str::from_utf8(buffer.get(..length)?).ok()
}

/// Writes a small value to a file that is there, without allocating.
pub fn write_file(path: &str, value: &str) -> nix::Result<()> {
    let flags = nix::fcntl::OFlag::O_WRONLY | nix::fcntl::OFlag::O_CLOEXEC;
    let file = nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty())?;
    nix::unistd::write(&file, value.as_bytes()).map(drop)
}
