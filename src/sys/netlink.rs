//! rtnetlink: links, addresses and routes, over a raw socket of our own.
//!
//! The kernel works a request off inside the send call, so what it has to say is there when send returns: replies are
//! read without blocking, and only where one is missing is it waited for, five seconds at most. Every change asks for
//! an acknowledgement and as many are read: a batch does not stop at its first error, and the error has to name the
//! message. Nothing here allocates as long as it succeeds, except [`Link`] and the lists.

mod address;
mod ethtool;
mod link;
mod message;
mod new_link;
mod nic;
mod watch;

pub use ethtool::permanent_mac;
pub use link::{Link, PortFlag, PortFlags};
pub use new_link::NewMacvlan;
pub use nic::NicConfig;
pub use watch::LinkWatch;

use super::poll::readable;
use crate::error::{Error, Kind, Result};
use libc::c_int;
use message::{Batch, Message, Messages, acknowledged};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// A change: asks for an acknowledgement.
const CHANGE: c_int = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
/// A change that makes something that must not be there yet.
const CREATE: c_int = CHANGE | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
/// A list of all of a kind.
const DUMP: c_int = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;

/// The kernel's datagrams are no larger than this, as it fills a list's to what was read before or a page.
const DATAGRAM: usize = 8192;
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an address that an ending network namespace still holds is waited for.
const LINGER: Duration = Duration::from_secs(1);

/// An rtnetlink socket; it belongs to the network namespace it was opened in, wherever it is used.
pub struct Netlink {
    fd: OwnedFd,
    sequence: u32,
}

/// What the kernel answered to one message.
struct Failure {
    errno: Errno,
    /// Its own words, cut where they are long; empty on kernels before 4.12.
    text: heapless::String<96>,
}

impl Failure {
    fn error(&self, tried: impl Into<String>) -> Error {
        let mut error = Error::sys(tried, self.errno);
        if !self.text.is_empty() {
            error.cause.push_str(": ");
            error.cause.extend(self.text.chars().flat_map(char::escape_default));
        }
        let hint = match self.errno {
            Errno::EPERM => "this needs root, or CAP_NET_ADMIN in the network namespace",
            Errno::ETIMEDOUT => "the kernel did not answer within 5 s",
            _ => return error,
        };
        error.hint(hint)
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self { errno, text: heapless::String::new() }
    }
}

/// What ends the wait for replies.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    /// One acknowledgement for each of this many messages.
    Acknowledged(u32),
    /// One message of data, or an error: what a plain `RTM_GET…` is answered by.
    Data,
    /// The end of a list.
    Done,
}

impl Netlink {
    /// A socket of the calling thread's network namespace.
    pub fn open() -> Result<Netlink> {
        let fd = nix::sys::socket::socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )
        .map_err(|errno| Error::sys("open an rtnetlink socket", errno))?;
        let on: c_int = 1;
        // Before 4.12 there are no such texts, and errors stay without. NETLINK_CAP_ACK would only shorten replies that
        // fit anyway, for one more system call.
        // SAFETY: `on` is a c_int that lives across the call, and its size is what is passed.
        unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_NETLINK,
                libc::NETLINK_EXT_ACK,
                (&raw const on).cast(),
                size_of::<c_int>() as libc::socklen_t,
            )
        };
        Ok(Netlink { fd, sequence: 0 })
    }

    /// A socket that somebody else opened in the namespace it is about: the container's first process.
    pub fn from_fd(fd: OwnedFd) -> Netlink {
        // What its former owner left unread must not be taken for an answer: number far from where that one counted.
        Netlink { fd, sequence: 1 << 30 }
    }

    /// The socket, to be handed on.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends one change and reads its acknowledgement.
    fn change(&mut self, build: impl FnOnce(&mut Batch, u32)) -> std::result::Result<(), Failure> {
        let mut batch = Batch::new();
        let sequence = self.next();
        build(&mut batch, sequence);
        let mut outcome = Ok(());
        self.exchange(
            &batch,
            sequence,
            Until::Acknowledged(1),
            &mut |_, failure| outcome = Err(failure),
            &mut |_| {},
        )
        .map_err(Failure::from)?;
        outcome
    }

    /// Sends a question and hands each message of the answer to `each`.
    fn ask(
        &mut self,
        until: Until,
        build: impl FnOnce(&mut Batch, u32),
        each: &mut dyn FnMut(&Message),
    ) -> std::result::Result<(), Failure> {
        let mut batch = Batch::new();
        let sequence = self.next();
        build(&mut batch, sequence);
        let mut outcome = Ok(());
        self.exchange(&batch, sequence, until, &mut |_, failure| outcome = Err(failure), each)
            .map_err(Failure::from)?;
        outcome
    }

    /// Sends a batch whose messages are numbered from `first`, and reads until the answers are complete. `failed` gets
    /// the position of each message that failed.
    fn exchange(
        &mut self,
        batch: &Batch,
        first: u32,
        until: Until,
        failed: &mut dyn FnMut(u32, Failure),
        each: &mut dyn FnMut(&Message),
    ) -> std::result::Result<(), Errno> {
        let bytes = batch.bytes().ok_or(Errno::EMSGSIZE)?;
        while let Err(errno) = nix::sys::socket::send(self.fd.as_raw_fd(), bytes, MsgFlags::empty()) {
            if errno != Errno::EINTR {
                return Err(errno);
            }
        }
        let count = if let Until::Acknowledged(count) = until { count } else { 1 };
        let mut open = count;
        let deadline = Instant::now() + PATIENCE;
        let mut datagram = [0; DATAGRAM];
        while open > 0 {
            let length = self.receive(&mut datagram, deadline)?;
            for message in Messages(datagram.get(..length).unwrap_or(&[])) {
                let position = message.sequence.wrapping_sub(first);
                if position >= count {
                    continue;
                }
                if message.kind == libc::NLMSG_ERROR as u16 || message.kind == libc::NLMSG_DONE as u16 {
                    let (errno, text) = acknowledged(&message);
                    if errno != 0 {
                        let mut failure = Failure::from(Errno::from_raw(errno));
                        text.chars().take_while(|&c| failure.text.push(c).is_ok()).for_each(drop);
                        failed(position, failure);
                    }
                    open = open.saturating_sub(1);
                } else {
                    each(&message);
                    if until == Until::Data {
                        open = 0;
                    }
                }
            }
        }
        Ok(())
    }

    /// One datagram of the kernel's. Others may write to this socket too, root inside the container among them: what
    /// does not come from the kernel is dropped, and does not prolong the wait.
    fn receive(&self, datagram: &mut [u8; DATAGRAM], deadline: Instant) -> std::result::Result<usize, Errno> {
        loop {
            // SAFETY: all-zero bytes are a valid sockaddr_nl.
            let mut sender: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
            let mut size = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
            // SAFETY: the buffer is as long as is passed, `sender` and `size` live across the call, and `size` is the
            // room there is in `sender`.
            let received = unsafe {
                libc::recvfrom(
                    self.fd.as_raw_fd(),
                    datagram.as_mut_ptr().cast(),
                    datagram.len(),
                    libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                    (&raw mut sender).cast(),
                    &raw mut size,
                )
            };
            let left = || deadline.saturating_duration_since(Instant::now());
            match Errno::result(received) {
                // With MSG_TRUNC this is the datagram's whole length; a cut list would silently lack links.
                Ok(length) if length as usize > datagram.len() => return Err(Errno::EMSGSIZE),
                Ok(length) if sender.nl_pid == 0 => return Ok(length as usize),
                Ok(_) | Err(Errno::EINTR) if !left().is_zero() => {}
                Err(Errno::EAGAIN)
                    if readable(self.fd.as_fd(), Some(left())).is_ok_and(|readable| readable) => {}
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => return Err(Errno::ETIMEDOUT),
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A time limit for what passes by itself, with pauses that grow: a link that is being deleted is mostly out of sight before
/// a millisecond is over, and in tens of them where the kernel waits for a grace period.
struct Patience {
    end: Instant,
    pause: Duration,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, pause: Duration::from_micros(100) }
    }

    /// Pauses; false when the limit has passed.
    fn pause(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(Duration::from_millis(20));
        true
    }
}

/// The error of a name the kernel cannot have.
fn no_such_link(name: &str) -> Error {
    Error::new(Kind::Host, "no such interface")
        .tried(format!("link \"{}\"", name.escape_default()))
        .hint(format!("declare [[bridge]] name = \"{0}\", or run boardbox up", name.escape_default()))
}
