//! A container's console: a pseudo terminal whose output goes to the caller's terminal, to a file, or nowhere.

use crate::error::{Error, Result};
use crate::sys::events::Events;
use crate::sys::pty::{self, Pty, RawMode};
use crate::sys::stream::{self, Got};
use std::fs::File;
use std::io::{Stdin, Stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How much goes through at once: little enough that a terminal which said it is ready takes it without blocking.
const CHUNK: usize = 256;

/// How soon a terminal that takes no more is asked again (XOFF on a serial line may last).
const STALL: Duration = Duration::from_millis(20);

/// The monitor's end of it.
pub struct Console {
    master: OwnedFd,
    /// Held open so that the master does not hang up whenever the container closes its last descriptor.
    _slave: OwnedFd,
    log: Option<File>,
    terminal: Option<Terminal>,
}

/// The caller's terminal, in the foreground; or its output alone, where that is no terminal.
struct Terminal {
    stdin: Stdin,
    stdout: Stdout,
    /// `None`: nothing is read from the caller.
    raw: Option<RawMode>,
    /// Typed, but not taken yet.
    typed: heapless::Vec<u8, CHUNK>,
    stalled: bool,
    open: bool,
}

impl Console {
    /// The console of `pty`, with its output appended to `log`.
    pub fn new(pty: Pty, log: Option<&str>) -> Result<Self> {
        let slave = pty::open_terminal(&pty.slave)?;
        let log = match log {
            Some(path) => Some(open_log(path)?),
            None => None,
        };
        Ok(Self { master: pty.master, _slave: slave, log, terminal: None })
    }

    /// The master.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Joins the caller's terminal to it, in raw mode until the console is dropped.
    pub fn attach(&mut self) -> Result<()> {
        let stdin = std::io::stdin();
        pty::copy_window_size(stdin.as_fd(), self.master.as_fd());
        let raw = RawMode::set(stdin.as_fd())?;
        self.join(Some(raw));
        Ok(())
    }

    /// Shows the caller what is written to it: an init writes to /dev/console, wherever its standard output goes.
    pub fn show(&mut self) {
        self.join(None);
    }

    fn join(&mut self, raw: Option<RawMode>) {
        let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
        self.terminal =
            Some(Terminal { stdin, stdout, raw, typed: heapless::Vec::new(), stalled: false, open: true });
    }

    /// Adds what there is to watch.
    pub fn watch(&self, events: &Events, master: u64, stdin: u64) -> Result<()> {
        events.add(self.master.as_fd(), master)?;
        if let Some(terminal) = self.terminal.as_ref().filter(|terminal| terminal.raw.is_some()) {
            events.add(terminal.stdin.as_fd(), stdin)?;
        }
        Ok(())
    }

    /// When to come back though nothing happened.
    pub fn timeout(&self) -> Option<Duration> {
        let terminal = self.terminal.as_ref()?;
        (terminal.stalled || !terminal.typed.is_empty()).then_some(STALL)
    }

    /// The window has another size.
    pub fn resize(&self) {
        if let Some(terminal) = &self.terminal {
            pty::copy_window_size(terminal.stdin.as_fd(), self.master.as_fd());
        }
    }

    /// Output is there. While the terminal takes none, the master is not watched.
    pub fn output(&mut self, events: &Events) {
        if let Some(terminal) = &mut self.terminal
            && terminal.open
            && !stream::is_writable(terminal.stdout.as_fd())
        {
            if !terminal.stalled {
                terminal.stalled = true;
                events.remove(self.master.as_fd());
            }
            return;
        }
        self.pass();
    }

    /// One chunk; false when there was none.
    fn pass(&mut self) -> bool {
        let mut buffer = [0; CHUNK];
        let Got::Bytes(length) = stream::read(self.master.as_fd(), &mut buffer) else { return false };
        let bytes = buffer.get(..length).unwrap_or_default();
        if let Some(log) = &self.log {
            // A full disk is no reason to stop a container.
            let _ = stream::write(log.as_fd(), bytes);
        }
        if let Some(terminal) = &mut self.terminal {
            let mut rest = bytes;
            while terminal.open && !rest.is_empty() {
                match stream::write(terminal.stdout.as_fd(), rest) {
                    Some(written) => rest = rest.get(written..).unwrap_or_default(),
                    None => terminal.open = false,
                }
            }
        }
        true
    }

    /// Something was typed, or can be passed on now.
    pub fn input(&mut self, events: &Events) {
        let Some(terminal) = &mut self.terminal else { return };
        if terminal.typed.is_empty() {
            let mut buffer = [0; CHUNK];
            match stream::read(terminal.stdin.as_fd(), &mut buffer) {
                Got::Bytes(length) => {
                    drop(terminal.typed.extend_from_slice(buffer.get(..length).unwrap_or_default()))
                }
                Got::Nothing => {}
                Got::End => events.remove(terminal.stdin.as_fd()),
            }
        }
        // A container that reads nothing lets no more be typed; what is typed is never lost in between.
        match stream::write(self.master.as_fd(), &terminal.typed) {
            Some(written) => {
                let rest: heapless::Vec<u8, CHUNK> =
                    heapless::Vec::from_slice(terminal.typed.get(written..).unwrap_or_default())
                        .unwrap_or_default();
                terminal.typed = rest;
            }
            None => terminal.typed.clear(),
        }
    }

    /// Time has passed: what waited is tried again.
    pub fn retry(&mut self, events: &Events, master: u64) {
        let Some(terminal) = &mut self.terminal else { return };
        if terminal.stalled && stream::is_writable(terminal.stdout.as_fd()) {
            terminal.stalled = false;
            let _ = events.add(self.master.as_fd(), master);
        }
        if !terminal.typed.is_empty() {
            self.input(events);
        }
    }

    /// The container has ended: what it wrote last is still in the terminal.
    pub fn drain(&mut self) {
        while self.pass() {}
    }
}

/// A file is appended to; a terminal is written to without waiting for it.
fn open_log(path: &str) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .create(true)
        .append(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .mode(0o640)
        .open(path)
        .map_err(|error| Error::io(format!("open console log {path}"), &error))
}
