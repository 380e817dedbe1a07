//! Unix SOCK_SEQPACKET sockets: whole messages in order, an end that is seen, and descriptors that travel along.
//!
//! Nothing here allocates unless it fails. accept4, SOCK_CLOEXEC and MSG_CMSG_CLOEXEC are older than Linux 3.2.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr};
use nix::sys::stat::Mode;
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::Pid;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// How many descriptors one message carries at most: a console, LXC's 32 ttys and a few more.
pub const MAX_FDS: usize = 40;

/// Descriptors that came with a message.
pub type Fds = heapless::Vec<OwnedFd, MAX_FDS>;

/// A connected pair, for a parent and its child.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|errno| Error::sys("make a socket pair", errno))
}

fn address(path: &str) -> nix::Result<UnixAddr> {
    UnixAddr::new(path)
}

fn new(flags: SockFlag) -> nix::Result<OwnedFd> {
    socket::socket(AddressFamily::Unix, SockType::SeqPacket, flags | SockFlag::SOCK_CLOEXEC, None)
}

/// Listens at `path`, with these permissions from the first moment on. A socket that a dead listener left there is
/// replaced: the caller holds a lock that says nobody is alive behind it. Accepting from it does not block.
pub fn listen(path: &str, mode: u32) -> Result<OwnedFd> {
    let listen = || -> nix::Result<OwnedFd> {
        let fd = new(SockFlag::SOCK_NONBLOCK)?;
        // The kernel gives the file the socket's own mode: no umask that other code could see, no moment of 0755.
        nix::sys::stat::fchmod(&fd, Mode::from_bits_truncate(mode))?;
        let address = address(path)?;
        match socket::bind(fd.as_raw_fd(), &address) {
            Err(Errno::EADDRINUSE) => {
                nix::unistd::unlink(path)?;
                socket::bind(fd.as_raw_fd(), &address)?;
            }
            other => other?,
        }
        socket::listen(&fd, Backlog::new(16)?)?;
        Ok(fd)
    };
    listen().map_err(|errno| Error::sys(format!("listen at {path}"), errno))
}

/// The next client of `listener`, non-blocking; `None` where none waits (any more).
pub fn accept(listener: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    match socket::accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK) {
        // SAFETY: accept4 has just made this descriptor, nobody else owns it.
        Ok(fd) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        Err(Errno::EAGAIN | Errno::ECONNABORTED | Errno::EINTR) => Ok(None),
        Err(errno) => Err(Error::sys("accept a connection", errno)),
    }
}

/// Connects to the listener at `path`. Non-blocking, so that a listener which hangs cannot hang its clients: EAGAIN
/// means that its queue is full, and whoever receives waits with `sys::poll` before.
pub fn connect(path: &str) -> Result<OwnedFd> {
    let connect = || -> nix::Result<OwnedFd> {
        let fd = new(SockFlag::SOCK_NONBLOCK)?;
        let address = address(path)?;
        again(|| socket::connect(fd.as_raw_fd(), &address))?;
        Ok(fd)
    };
    connect().map_err(|errno| Error::sys(format!("connect to {path}"), errno))
}

fn again<T>(call: impl Fn() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

fn cut() -> Error {
    Error::host("the message is longer than its buffer").tried("receive")
}

/// Sends one message. An end that is gone is EPIPE, never a signal.
pub fn send(fd: BorrowedFd<'_>, message: &[u8]) -> Result<()> {
    again(|| socket::send(fd.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL))
        .map(|_| ())
        .map_err(|errno| Error::sys("send", errno))
}

/// Receives one message; 0 is the end of the conversation (nobody sends empty ones). A message that does not fit is
/// an error, not half a message.
pub fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    let room = buffer.len();
    let length = loop {
        // With MSG_TRUNC the kernel returns the message's own length.
        match socket::recv(fd.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::sys("receive", errno)),
            Ok(length) => break length,
        }
    };
    if length > room { Err(cut()) } else { Ok(length) }
}

/// Receiving on `fd` fails with EAGAIN after `timeout`; zero waits for ever.
pub fn set_receive_timeout(fd: BorrowedFd<'_>, timeout: Duration) -> Result<()> {
    let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX).min(i32::MAX.into());
    let time = TimeVal::milliseconds(milliseconds);
    socket::setsockopt(&fd, socket::sockopt::ReceiveTimeout, &time)
        .map_err(|errno| Error::sys("set a socket's receive timeout", errno))
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its pid when it connected.
    pub pid: i32,
    /// Its effective user id.
    pub uid: u32,
    /// Its effective group id.
    pub gid: u32,
}

/// Who connected `fd`: the kernel's word, not the peer's.
pub fn peer_credentials(fd: BorrowedFd<'_>) -> Result<Peer> {
    let peer = socket::getsockopt(&fd, socket::sockopt::PeerCredentials)
        .map_err(|errno| Error::sys("ask for a socket's peer", errno))?;
    Ok(Peer { pid: peer.pid(), uid: peer.uid(), gid: peer.gid() })
}

const FD_BYTES: usize = size_of::<RawFd>();
// SAFETY: CMSG_SPACE only computes.
const CONTROL_BYTES: usize = unsafe {
    libc::CMSG_SPACE((MAX_FDS * FD_BYTES) as u32) + libc::CMSG_SPACE(size_of::<libc::ucred>() as u32)
} as usize;

/// Room for the ancillary data; the header inside gives it the alignment that CMSG_FIRSTHDR assumes.
union Control {
    _align: libc::cmsghdr,
    bytes: [u8; CONTROL_BYTES],
}

/// A msghdr over one piece of `data` and `control`, both of which have to outlive its use.
fn message(data: &mut libc::iovec, control: &mut Control, control_bytes: usize) -> libc::msghdr {
    // SAFETY: msghdr is plain data (musl pads it, so it cannot be written out as a literal); all zero is an empty one.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = data;
    header.msg_iovlen = 1;
    header.msg_control = std::ptr::from_mut(control).cast();
    header.msg_controllen = control_bytes as _;
    header
}

/// Sends one message with descriptors, `MAX_FDS` at most. The payload must not be empty: an empty message is an end.
pub fn send_fds(fd: BorrowedFd<'_>, payload: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
    if fds.is_empty() {
        return send(fd, payload);
    }
    if fds.len() > MAX_FDS {
        return Err(Error::sys("send descriptors", Errno::EINVAL));
    }
    let length = (fds.len() * FD_BYTES) as u32;
    let mut control = Control { bytes: [0; CONTROL_BYTES] };
    let mut data = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
    // SAFETY: CMSG_SPACE only computes.
    let space = unsafe { libc::CMSG_SPACE(length) } as usize;
    let header = message(&mut data, &mut control, space);
    // SAFETY: `control` is aligned for a cmsghdr and has CMSG_SPACE(MAX_FDS * FD_BYTES) bytes, `length` is no more
    // than that: the header and all descriptors lie inside it. The data's address need not be aligned for RawFd.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(&header);
        (*first).cmsg_level = libc::SOL_SOCKET;
        (*first).cmsg_type = libc::SCM_RIGHTS;
        (*first).cmsg_len = libc::CMSG_LEN(length) as _;
        let mut place = libc::CMSG_DATA(first).cast::<RawFd>();
        for fd in fds {
            place.write_unaligned(fd.as_raw_fd());
            place = place.add(1);
        }
    }
    again(|| {
        // SAFETY: `header` points at `data` and `control`, alive until the end; sendmsg only reads what they point at.
        Errno::result(unsafe { libc::sendmsg(fd.as_raw_fd(), &header, libc::MSG_NOSIGNAL) })
    })
    .map(|_| ())
    .map_err(|errno| Error::sys("send descriptors", errno))
}

/// Receives one message and the descriptors that came with it, close-on-exec from the first moment. A message or a
/// list of descriptors that does not fit is an error, and what did come is closed.
pub fn recv_fds(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Fds)> {
    receive(fd, buffer).map(|(length, fds, _)| (length, fds))
}

/// From now on each message received on `fd` tells who sent it.
pub fn pass_credentials(fd: BorrowedFd<'_>) -> Result<()> {
    nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::PassCred, &true)
        .map_err(|errno| Error::sys("ask for the senders of messages", errno))
}

/// Receives one message, its first descriptor, and its sender's pid as this pid namespace knows it, after
/// `pass_credentials`.
pub fn recv_from(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Option<OwnedFd>, Option<Pid>)> {
    receive(fd, buffer).map(|(length, fds, sender)| (length, fds.into_iter().next(), sender))
}

fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Fds, Option<Pid>)> {
    let mut control = Control { bytes: [0; CONTROL_BYTES] };
    let mut data = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut header = message(&mut data, &mut control, CONTROL_BYTES);
    let length = loop {
        let flags = libc::MSG_CMSG_CLOEXEC;
        // SAFETY: `header` points at `data`, which is `buffer`'s place and length, and at `control` with its length.
        match Errno::result(unsafe { libc::recvmsg(fd.as_raw_fd(), &mut header, flags) }) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::sys("receive descriptors", errno)),
            Ok(length) => break length as usize,
        }
    };
    let mut fds = Fds::new();
    let mut sender = None;
    // SAFETY: recvmsg has set msg_controllen to what it filled in; CMSG_FIRSTHDR and CMSG_NXTHDR stay inside that.
    // Every SCM_RIGHTS holds as many whole descriptors as its length says, new ones that only this process owns;
    // every SCM_CREDENTIALS holds one ucred.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(&header);
        while let Some(part) = next.as_ref() {
            if part.cmsg_level == libc::SOL_SOCKET && part.cmsg_type == libc::SCM_RIGHTS {
                #[allow(clippy::unnecessary_cast)] // socklen_t with musl, size_t with glibc
                let bytes = (part.cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
                let start = libc::CMSG_DATA(part).cast::<RawFd>();
                for at in 0..bytes / FD_BYTES {
                    // One that finds no room is dropped here, that is closed.
                    let _ = fds.push(OwnedFd::from_raw_fd(start.add(at).read_unaligned()));
                }
            }
            if part.cmsg_level == libc::SOL_SOCKET && part.cmsg_type == libc::SCM_CREDENTIALS {
                let credentials = libc::CMSG_DATA(part).cast::<libc::ucred>().read_unaligned();
                // 0 is somebody this pid namespace does not know.
                sender = Some(Pid::from_raw(credentials.pid)).filter(|pid| pid.as_raw() > 0);
            }
            next = libc::CMSG_NXTHDR(&header, part);
        }
    }
    if header.msg_flags & (libc::MSG_CTRUNC | libc::MSG_TRUNC) != 0 {
        return Err(cut());
    }
    Ok((length, fds, sender))
}

/// Sends one descriptor.
pub fn send_fd(fd: BorrowedFd<'_>, payload: &[u8], sent: BorrowedFd<'_>) -> Result<()> {
    send_fds(fd, payload, &[sent.as_fd()])
}

/// Receives one message and, where one came with it, its first descriptor.
pub fn recv_fd(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Option<OwnedFd>)> {
    let (length, fds) = recv_fds(fd, buffer)?;
    Ok((length, fds.into_iter().next()))
}

#[cfg(test)]
mod tests;
