//! What is said when the program meets a mistake of its own.
//!
//! Release files are built with `panic = immediate-abort`: a panic is a trap instruction and has no message, which would be
//! 30 KB of them on powerpc. The kernel answers the trap by a signal; its handler says where the instruction is, on standard
//! error and in the kernel's log, since a monitor's standard error is /dev/null. With the file's symbols the address names the
//! line; the messages that it stands for had no places.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use std::ffi::{c_int, c_void};
use std::fmt::Write;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::BorrowedFd;

/// The signal of the trap instruction: `ud2` is an illegal one, `trap` and `brk` are made for this.
const TRAP: Signal = if cfg!(target_arch = "x86_64") { Signal::SIGILL } else { Signal::SIGTRAP };

/// From now on such an end is told.
pub fn listen() {
    // Once: the second one, which the handler itself sends, ends the process as the kernel does by default.
    let action = SigAction::new(
        SigHandler::SigAction(tell),
        SaFlags::SA_SIGINFO | SaFlags::SA_RESETHAND,
        SigSet::empty(),
    );
    // SAFETY: the handler does only what signal-safety(7) allows: open, write, raise, and formatting into its own stack.
    let _ = unsafe { sigaction(TRAP, &action) };
}

extern "C" fn tell(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands over a siginfo_t that lives as long as the handler; for these signals it has an address.
    let at = unsafe { info.as_ref().map_or(0, |info| info.si_addr() as usize) };
    let line = line(at, std::process::id());
    // SAFETY: standard error is open for as long as the process is (see `entry::begin`).
    let error = unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) };
    let _ = nix::unistd::write(error, line.as_bytes());
    if let Ok(mut log) = File::options().write(true).open("/dev/kmsg") {
        let _ = log.write_all(line.as_bytes());
    }
    let _ = raise(TRAP);
}

/// The line that is told: with a newline, in one write.
fn line(at: usize, pid: u32) -> heapless::String<128> {
    let mut line = heapless::String::new();
    let (version, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let _ = writeln!(
        line,
        "boardbox: a mistake of its own ended it: please report \"boardbox {version} {arch}, at {at:#x}\" (pid {pid})"
    );
    line
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_room_for_the_longest_line() {
        assert!(super::line(usize::MAX, 4_194_304).ends_with(" (pid 4194304)\n"));
    }
}
