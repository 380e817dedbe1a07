//! Signals by descriptor: blocked, and read when the event loop gets to them.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// What a monitor listens to: its child's end, the window's size, and what is meant for the container.
const LISTENED: [Signal; 11] = [
    Signal::SIGCHLD,
    Signal::SIGWINCH,
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGPWR,
    Signal::SIGALRM,
    Signal::SIGCONT,
];

/// The blocked signals as a descriptor. What was blocked before is restored by `reset`.
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks them and opens the descriptor, non-blocking and closed on exec.
    pub fn listen() -> Result<Self> {
        let set: SigSet = LISTENED.into_iter().collect();
        set.thread_block().map_err(|errno| Error::sys("block signals", errno))?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(|errno| Error::sys("open a signalfd", errno))?;
        Ok(Self { fd })
    }

    /// The next signal's number; `None` when there is none now.
    pub fn take(&mut self) -> Option<i32> {
        self.fd.read_signal().ok().flatten().map(|info| info.ssi_signo as i32)
    }
}

impl Signals {
    /// Waits until there is one to take.
    pub fn wait(&self) -> Result<()> {
        super::poll::readable(self.fd.as_fd(), None).map(drop)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// For a process about to exec: no signal blocked, SIGPIPE (which Rust ignores) and what the caller ignored at default.
pub fn reset() -> Result<()> {
    let failed = |errno| Error::sys("reset signals", errno);
    for ignored in [Signal::SIGPIPE, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        // SAFETY: the default disposition runs no code of ours.
        unsafe { signal(ignored, SigHandler::SigDfl) }.map_err(failed)?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(failed)
}

/// Whether a process takes a signal: it has a handler, or blocks it to read it from a signalfd, as systemd does (`SigCgt` and
/// `SigBlk` in /proc/PID/status). A pid 1 that does neither never gets it: the kernel drops it. `None` when the process is gone or /proc says nothing.
pub fn is_caught(pid: i32, signal: i32) -> Option<bool> {
    caught_in(status_of(pid, &mut [0; 4096])?, signal)
}

/// The parent of a process, by /proc; `None` when the process is gone or /proc says nothing.
pub fn parent(pid: i32) -> Option<i32> {
    let mut text = [0; 4096];
    status_of(pid, &mut text)?.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// The beginning of /proc/PID/status. Does not allocate.
pub fn status_of(pid: i32, text: &mut [u8; 4096]) -> Option<&str> {
    let path = stack_path(pid)?;
    let file = nix::fcntl::open(
        path.as_str(),
        nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )
    .ok()?;
    let length = loop {
        match nix::unistd::read(&file, text) {
            Err(Errno::EINTR) => {}
            read => break read.ok()?,
        }
    };
    std::str::from_utf8(text.get(..length)?).ok()
}

fn caught_in(status: &str, signal: i32) -> Option<bool> {
    let mask = |name: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    Some(
        (mask("SigCgt:")? | mask("SigBlk:").unwrap_or(0))
            & 1u64.checked_shl(u32::try_from(signal - 1).ok()?)?
            != 0,
    )
}

fn stack_path(pid: i32) -> Option<heapless::String<32>> {
    let mut path = heapless::String::new();
    std::fmt::Write::write_fmt(&mut path, format_args!("/proc/{pid}/status")).ok()?;
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_caught_signals_counts_from_one() {
        let status = "Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t0000000020000001\n";
        assert_eq!(caught_in(status, libc::SIGHUP), Some(true));
        assert_eq!(caught_in(status, libc::SIGTERM), Some(false));
        assert_eq!(caught_in(status, 15 + 15), Some(true));
        assert_eq!(caught_in("Name:\tx\n", 15), None);
        assert_eq!(caught_in(status, 0), None);
        let blocked = "SigBlk:\t0000001000004000\nSigCgt:\t0000000000000000\n";
        assert_eq!(caught_in(blocked, libc::SIGTERM), Some(true));
        assert_eq!(caught_in(blocked, 37), Some(true));
        assert_eq!(caught_in(blocked, libc::SIGHUP), Some(false));
    }
}
