//! Pseudo terminals and terminal modes.

use super::rootfs::{Links, Root};
use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::statfs::fstatfs;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The master of a pseudo terminal of the host's devpts.
pub struct Pty {
    /// The master, non-blocking.
    pub master: OwnedFd,
    /// The slave's path, `/dev/pts/N`.
    pub slave: String,
}

/// Opens a new one.
pub fn open_pty() -> Result<Pty> {
    new("/dev/ptmx").map_err(|errno| {
        Error::sys("open a pseudo terminal", errno)
            .hint("/dev/ptmx and a devpts on /dev/pts have to be on the host")
    })
}

/// Opens one of a container's own, whose name (`tty`, `ps`) its programs find; with the slave, whose path is this
/// process's. `None` where the container has no devpts, or the kernel is older than 4.13.
pub fn open_pty_inside(root: &Root) -> Option<(Pty, OwnedFd)> {
    let ptmx = root.resolve("dev/pts/ptmx", Links::Refused).ok()?;
    // What goes by this name may be anything; in a devpts it is the real one.
    if fstatfs(&ptmx).ok()?.filesystem_type().0 as u32 != libc::DEVPTS_SUPER_MAGIC as u32 {
        return None;
    }
    let mut pty = new(&format!("/proc/self/fd/{}", ptmx.as_raw_fd())).ok()?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags and returns a descriptor.
    let slave = unsafe { libc::ioctl(pty.master.as_raw_fd(), libc::TIOCGPTPEER as _, flags) };
    let slave = Errno::result(slave).ok()?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    pty.slave = format!("/proc/self/fd/{}", slave.as_raw_fd());
    Some((pty, slave))
}

fn new(ptmx: &str) -> nix::Result<Pty> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let master = open(ptmx, flags, Mode::empty())?;
    let unlock: libc::c_int = 0;
    let mut number: libc::c_uint = 0;
    // SAFETY: TIOCSPTLCK reads an int, TIOCGPTN writes an unsigned int; both live here. The request's type is c_ulong
    // in glibc and c_int in musl, hence the casts.
    let done = unsafe {
        match libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK as _, &raw const unlock) {
            0 => libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN as _, &raw mut number),
            failed => failed,
        }
    };
    Errno::result(done)?;
    Ok(Pty { master, slave: format!("/dev/pts/{number}") })
}

/// Opens a terminal without making it the controlling one.
pub fn open_terminal(path: &str) -> Result<OwnedFd> {
    open(path, OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| Error::sys(format!("open terminal {path}"), errno))
}

/// Makes `fd` the controlling terminal of this session, which the caller leads.
pub fn make_controlling(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: TIOCSCTTY takes a number.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY as _, 0 as libc::c_int) })
        .map(drop)
        .map_err(|errno| Error::sys("make the console the controlling terminal", errno))
}

/// True for a terminal.
pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    nix::unistd::isatty(fd).unwrap_or(false)
}

/// Hands the window size of one terminal on to another; a terminal that has none is left alone.
pub fn copy_window_size(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    // SAFETY: an all-zero winsize is a valid value of that struct of four numbers.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes and TIOCSWINSZ reads one winsize.
    unsafe {
        if libc::ioctl(from.as_raw_fd(), libc::TIOCGWINSZ as _, &raw mut size) == 0 {
            libc::ioctl(to.as_raw_fd(), libc::TIOCSWINSZ as _, &raw const size);
        }
    }
}

/// A terminal in raw mode; dropped, it is as it was.
pub struct RawMode {
    fd: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Every key goes through, nothing is echoed.
    pub fn set(terminal: BorrowedFd<'_>) -> Result<Self> {
        let failed = |errno| Error::sys("set the terminal to raw mode", errno);
        let fd = terminal.try_clone_to_owned().map_err(|error| Error::io("keep the terminal", &error))?;
        let before = tcgetattr(&fd).map_err(failed)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&fd, SetArg::TCSADRAIN, &raw).map_err(failed)?;
        Ok(Self { fd, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // There is nobody left to tell; TCSADRAIN would hang on a line that no longer drains.
        let _ = tcsetattr(self.fd.as_fd(), SetArg::TCSANOW, &self.before);
    }
}
