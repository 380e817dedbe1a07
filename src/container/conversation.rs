//! What the monitor and the container's first process say to each other while it starts, over a SOCK_SEQPACKET pair
//! that ends by itself when the command is executed (close-on-exec):
//!
//! ```text
//! monitor                                   first process
//!    │  cgroups made, rules written               │
//!    ├──── clone ───────────────────────────────▶ │  joins its cgroups
//!    │ ◀──────────────────── Network (its socket) ┤
//!    │  NICs born, named, addressed               │  hostname, mounts, /dev, terminals, pivot_root
//!    │ ◀───────────────────────────────────SetUp  ┤
//!    │  device rules                              │
//!    ├──── Go ──────────────────────────────────▶ │  capabilities, exec
//!    │ ◀────────────────────────── User (pid 2)   ┤  only with boardbox's own init as pid 1
//!    │ ◀───────────────────────────── end: it runs│
//! ```
//! Failed may come instead of any of the first process's words.

use crate::error::{Error, Kind, Result};
use crate::sys::socket;
use nix::errno::Errno;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The longest message in bytes.
pub const MAX: usize = 2048;

/// One of them.
#[derive(Clone, Debug)]
pub enum Message {
    /// An rtnetlink socket of the container's network namespace comes with this.
    Network,
    /// All is set up but the capabilities.
    SetUp,
    /// The device rules are in force.
    Go,
    /// Said by pid 2 before it executes the command.
    User,
    /// Said by a detached monitor to the command that launched it: the container runs.
    Running,
    /// It did not work.
    Failed(Error),
}

/// A message and the descriptor that came with it.
pub type Heard = (Message, Option<OwnedFd>);

impl Message {
    /// Says it; with a descriptor if there is one.
    pub fn say(&self, to: BorrowedFd<'_>, with: Option<BorrowedFd<'_>>) -> Result<()> {
        let bytes = self.encode();
        match with {
            Some(fd) => socket::send_fd(to, &bytes, fd),
            None => socket::send(to, &bytes),
        }
    }

    /// Hears the next one and who said it, as this pid namespace knows the sender (`socket::pass_credentials` first).
    pub fn hear_from(from: BorrowedFd<'_>) -> Result<(Option<Heard>, Option<Pid>)> {
        let mut buffer = [0; MAX];
        match socket::recv_from(from, &mut buffer) {
            Err(error) if error.is(Errno::ECONNRESET) => Ok((None, None)),
            Err(error) => Err(error),
            Ok((length, fd, sender)) => Ok((Self::understand(buffer.get(..length), fd)?, sender)),
        }
    }

    /// Hears the next one; `None` is the end of the conversation.
    pub fn hear(from: BorrowedFd<'_>) -> Result<Option<Heard>> {
        let mut buffer = [0; MAX];
        let (length, fd) = match socket::recv_fd(from, &mut buffer) {
            // The other end is gone with a message of ours unread.
            Err(error) if error.is(Errno::ECONNRESET) => return Ok(None),
            heard => heard?,
        };
        Self::understand(buffer.get(..length), fd)
    }

    fn understand(bytes: Option<&[u8]>, fd: Option<OwnedFd>) -> Result<Option<Heard>> {
        match bytes {
            None | Some([]) => Ok(None),
            Some(bytes) => match Message::decode(bytes) {
                Some(message) => Ok(Some((message, fd))),
                None => Err(Error::host("a word of the start's conversation makes no sense")),
            },
        }
    }

    fn encode(&self) -> heapless::Vec<u8, MAX> {
        let mut bytes = heapless::Vec::new();
        let tag = match self {
            Message::Network => b'n',
            Message::SetUp => b's',
            Message::Go => b'g',
            Message::User => b'u',
            Message::Running => b'r',
            Message::Failed(_) => b'f',
        };
        // One byte, five more and a text that is cut: always room.
        let _ = bytes.push(tag);
        if let Message::Failed(error) = self {
            let _ = bytes.push(error.kind.exit_code());
            let _ = bytes.extend_from_slice(&error.errno.to_ne_bytes());
            let text = error.to_string();
            let mut end = text.len().min(MAX - bytes.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let _ = bytes.extend_from_slice(text.get(..end).unwrap_or_default().as_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Message> {
        let (tag, rest) = bytes.split_first()?;
        Some(match tag {
            b'n' => Message::Network,
            b's' => Message::SetUp,
            b'g' => Message::Go,
            b'u' => Message::User,
            b'r' => Message::Running,
            b'f' => {
                let (&code, rest) = rest.split_first()?;
                let (errno, text) = rest.split_first_chunk::<4>()?;
                let kinds =
                    [Kind::Usage, Kind::Config, Kind::Host, Kind::NotRunning, Kind::Taken, Kind::Timeout];
                let kind = kinds.into_iter().find(|kind| kind.exit_code() == code)?;
                let mut error = Error::new(kind, String::from_utf8_lossy(text));
                error.errno = i32::from_ne_bytes(*errno);
                Message::Failed(error)
            }
            _ => return None,
        })
    }
}

/// The two ends: the monitor's and the first process's.
pub fn begin() -> Result<(OwnedFd, OwnedFd)> {
    socket::pair()
}

/// Says that it failed; there is nobody to tell when that fails too.
pub fn fail(to: &OwnedFd, error: Error) {
    let _ = Message::Failed(error).say(to.as_fd(), None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_arrives_as_it_was_and_the_end_is_told() {
        let (monitor, child) = begin().unwrap();
        let long = "ä".repeat(MAX);
        fail(&child, Error::sys("exec /bin/x", Errno::ENOENT).hint("why").kind(Kind::Config));
        fail(&child, Error::config(long));
        Message::Network.say(child.as_fd(), Some(child.as_fd())).unwrap();
        drop(child);
        let Some((Message::Failed(error), None)) = Message::hear(monitor.as_fd()).unwrap() else { panic!() };
        assert_eq!(error.to_string(), "exec /bin/x: No such file or directory (why)");
        assert_eq!((error.kind, error.errno), (Kind::Config, libc::ENOENT));
        let Some((Message::Failed(error), None)) = Message::hear(monitor.as_fd()).unwrap() else { panic!() };
        assert!(error.cause.len() > 1900);
        assert!(matches!(Message::hear(monitor.as_fd()).unwrap(), Some((Message::Network, Some(_)))));
        // The end that came with the last message holds the conversation open until it is dropped, as just now.
        assert!(Message::hear(monitor.as_fd()).unwrap().is_none());
    }
}
