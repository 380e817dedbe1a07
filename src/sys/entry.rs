//! Where the program begins: C's `main` instead of Rust's.
//!
//! std's start sets up what this program has no use for: a handler for stack overflows with a stack and a map of threads
//! of its own, the main thread's name, a clean-up at the end. Without it the release file is 8 KB smaller (powerpc), every
//! command takes twelve system calls less. What is needed of it is done here.

use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::Mode;
use std::ffi::{CStr, OsString, c_char};
use std::os::fd::{BorrowedFd, IntoRawFd};
use std::os::unix::ffi::OsStringExt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The command line as the C library handed it over, which never changes or frees it.
static WORDS: AtomicPtr<*const c_char> = AtomicPtr::new(ptr::null_mut());

/// Defines `main` of a program that is `$run`, a function that returns an exit code. Once, in a program without Rust's
/// own (`#![no_main]`).
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        // SAFETY: the one definition of C's main, by the signature that the start code calls it with.
        #[unsafe(no_mangle)]
        extern "C" fn main(_: std::ffi::c_int, words: *mut *const std::ffi::c_char) -> std::ffi::c_int {
            // SAFETY: it is called once, by the start code, with the words of the command line.
            unsafe { $crate::sys::entry::begin(words) };
            std::ffi::c_int::from($run())
        }
    };
}

/// What comes before everything else.
///
/// # Safety
/// `words` points to NUL-terminated strings, the last one followed by a null pointer, which are there for good.
pub unsafe fn begin(words: *mut *const c_char) {
    WORDS.store(words, Ordering::Relaxed);
    super::trap::listen();
    // Whoever reads from us may go away; that is an error of the write, and no reason to leave a container alone.
    // SAFETY: ignoring a signal runs no code of ours.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    // A standard descriptor that is closed would become the first file we open, and messages would be written there.
    // SAFETY: only asked whether it is one; the borrows end with the call.
    let mut three =
        [0, 1, 2].map(|number| PollFd::new(unsafe { BorrowedFd::borrow_raw(number) }, PollFlags::empty()));
    let _ = poll(&mut three, PollTimeout::ZERO);
    for fd in three {
        if fd.revents().is_some_and(|events| events.contains(PollFlags::POLLNVAL))
            && let Ok(null) = open("/dev/null", OFlag::O_RDWR, Mode::empty())
        {
            // The lowest free number is the one that was closed. It stays open to the end.
            let _ = null.into_raw_fd();
        }
    }
}

/// The words of the command line, the program's name first. Empty in a program with another `main` (a test's).
pub fn words() -> Vec<OsString> {
    let mut words = Vec::new();
    let mut next = WORDS.load(Ordering::Relaxed);
    if next.is_null() {
        return words;
    }
    // SAFETY: as `begin` was promised; the walk ends at the null pointer.
    unsafe {
        while !(*next).is_null() {
            words.push(OsString::from_vec(CStr::from_ptr(*next).to_bytes().to_vec()));
            next = next.add(1);
        }
    }
    words
}
