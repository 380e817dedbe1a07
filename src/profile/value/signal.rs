//! Signals by number and name.

/// A signal number, 1..=64. Real-time signals are given relative to glibc's SIGRTMIN, 34, as LXC's users write them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal(pub i32);

impl Signal {
    /// SIGKILL.
    pub const KILL: Signal = Signal(libc::SIGKILL);
    /// SIGPWR.
    pub const PWR: Signal = Signal(libc::SIGPWR);
    /// SIGTERM.
    pub const TERM: Signal = Signal(libc::SIGTERM);
}
