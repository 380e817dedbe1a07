//! Ethernet frames as they are, over a packet socket (AF_PACKET) of one interface.

use super::poll::readable;
use crate::error::{Error, Result};
use nix::errno::Errno;
use std::io::Read;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// IEEE 802's "local experimental ethertype 1": no protocol's own, so nothing answers it and every switch passes it on.
const EXPERIMENTAL: u16 = 0x88b5;
/// The shortest Ethernet frame without its checksum, which is all we send.
const LENGTH: usize = 60;
/// What is inside begins with this.
const WORD: &[u8; 14] = b"boardbox probe";

/// A marked frame: what comes back is told from everybody else's by a number that nobody can guess.
pub struct Frame([u8; LENGTH]);

impl Frame {
    /// From one Ethernet address to another.
    pub fn new(from: [u8; 6], to: [u8; 6]) -> Result<Self> {
        let mut nonce = [0; 16];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut nonce))
            .map_err(|error| Error::io("read /dev/urandom", &error))?;
        let ethertype = EXPERIMENTAL.to_be_bytes();
        let parts = to.iter().chain(&from).chain(&ethertype).chain(WORD).chain(&nonce);
        let mut bytes = [0; LENGTH];
        bytes.iter_mut().zip(parts).for_each(|(place, byte)| *place = *byte);
        Ok(Self(bytes))
    }
}

/// A socket of one interface that sends and receives such frames. It belongs to the network namespace it was opened in.
pub struct Packet(OwnedFd);

impl Packet {
    /// Opens it on the interface with this index.
    pub fn open(index: u32) -> Result<Self> {
        let failed = |errno| Error::sys("open a packet socket", errno);
        let explained = |errno| match errno {
            Errno::EAFNOSUPPORT => {
                failed(errno).hint("the kernel lacks CONFIG_PACKET, or its module af_packet")
            }
            Errno::EPERM => failed(errno).hint("this needs root, or CAP_NET_RAW"),
            _ => failed(errno),
        };
        // Protocol 0 receives nothing until it is bound: no frame of another interface gets in before.
        // SAFETY: numbers only.
        let fd = Errno::result(unsafe {
            libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0)
        })
        .map_err(explained)?;
        // SAFETY: socket has just made this descriptor, nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: sockaddr_ll is numbers; all zero is a valid one.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = EXPERIMENTAL.to_be();
        address.sll_ifindex = index as i32;
        // SAFETY: `address` is a whole sockaddr_ll of the size said, alive across the call.
        Errno::result(unsafe {
            libc::bind(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        })
        .map_err(failed)?;
        Ok(Self(fd))
    }

    /// Sends the frame; false where the interface has no room for it now, which a missing carrier looks like too.
    pub fn send(&self, frame: &Frame) -> Result<bool> {
        match nix::sys::socket::send(self.0.as_raw_fd(), &frame.0, nix::sys::socket::MsgFlags::empty()) {
            Ok(_) => Ok(true),
            Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::ENETDOWN | Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::sys("send a frame", errno)),
        }
    }

    /// Whether the frame arrives here within this time; others are passed over.
    pub fn receives(&self, frame: &Frame, limit: Duration) -> Result<bool> {
        let end = Instant::now() + limit;
        let mut buffer = [0; LENGTH];
        loop {
            match nix::sys::socket::recv(self.0.as_raw_fd(), &mut buffer, nix::sys::socket::MsgFlags::empty())
            {
                Ok(_) if buffer == frame.0 => return Ok(true),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    if !readable(self.0.as_fd(), Some(end.saturating_duration_since(Instant::now())))? {
                        return Ok(false);
                    }
                    continue;
                }
                Err(errno) => return Err(Error::sys("receive a frame", errno)),
            }
            if Instant::now() >= end {
                return Ok(false);
            }
        }
    }
}
