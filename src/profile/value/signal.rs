//! Signals by number and name.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A signal number, 1..=64. Real-time signals are given relative to glibc's SIGRTMIN, 34, as LXC's users write them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Signal(pub i32);

impl Signal {
    /// SIGKILL.
    pub const KILL: Signal = Signal(libc::SIGKILL);
    /// SIGPWR.
    pub const PWR: Signal = Signal(libc::SIGPWR);
    /// SIGTERM.
    pub const TERM: Signal = Signal(libc::SIGTERM);
}

/// Names without `SIG`; numbers differ between architectures, so they are libc's.
const NAMES: [(&str, i32); 30] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// glibc's SIGRTMIN and the kernel's SIGRTMAX; musl's SIGRTMIN is 35, which no user of LXC means.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

impl FromStr for Signal {
    type Err = Error;

    /// A number 1..=64, `SIGTERM` or `TERM` in any case, `SIGRTMIN+n`, `SIGRTMAX-n`.
    fn from_str(text: &str) -> Result<Self> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let offset = |rest: &str, sign: char| match rest.strip_prefix(sign) {
            Some(digits) if digits.bytes().all(|c| c.is_ascii_digit()) => digits.parse::<i32>().ok(),
            Some(_) => None,
            None => rest.is_empty().then_some(0),
        };
        let number = if let Some(rest) = name.strip_prefix("RTMIN") {
            offset(rest, '+').filter(|n| *n <= RTMAX - RTMIN).map(|n| RTMIN + n)
        } else if let Some(rest) = name.strip_prefix("RTMAX") {
            offset(rest, '-').filter(|n| *n <= RTMAX - RTMIN).map(|n| RTMAX - n)
        } else if let Some(known) = NAMES.iter().find(|known| known.0 == name) {
            Some(known.1)
        } else if text.bytes().all(|c| c.is_ascii_digit()) {
            text.parse().ok().filter(|n| (1..=RTMAX).contains(n))
        } else {
            None
        };
        number.map(Signal).ok_or_else(|| {
            Error::config(format!("signal \"{}\" is unknown", text.escape_default()))
                .hint("a number 1..=64, a name such as SIGTERM or TERM, SIGRTMIN+3")
        })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|known| known.1 == self.0) {
            Some(known) => write!(f, "SIG{}", known.0),
            None if self.0 >= RTMIN => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
            None => write!(f, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_real_time_signals_are_read() {
        for (text, number) in
            [("9", 9), ("SIGTERM", 15), ("kill", 9), ("SIGRTMIN", 34), ("RTMIN+3", 37), ("SIGRTMAX-1", 63)]
        {
            assert_eq!(text.parse::<Signal>().unwrap(), Signal(number), "{text}");
        }
        assert_eq!("SIGPWR".parse::<Signal>().unwrap(), Signal::PWR);
        assert_eq!(Signal(37).to_string(), "SIGRTMIN+3");
        assert_eq!(Signal::KILL.to_string(), "SIGKILL");
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for bad in ["0", "65", "-9", "", "SIG", "TERMM", "RTMIN+31", "RTMIN3", "RTMIN+", "99999999999"] {
            assert!(bad.parse::<Signal>().is_err(), "{bad}");
        }
    }
}
