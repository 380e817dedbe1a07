//! To be woken when an interface appears, changes or goes.

use super::super::poll::readable;
use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// A socket in the group of link messages, of the network namespace it was opened in.
pub struct LinkWatch(OwnedFd);

impl LinkWatch {
    /// Messages from now on.
    pub fn open() -> Result<Self> {
        let failed = |errno| Error::sys("watch the network interfaces", errno);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)
            .map_err(failed)?;
        let group = 1 << (libc::RTNLGRP_LINK - 1);
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, group)).map_err(failed)?;
        Ok(Self(fd))
    }

    /// Waits until something happened, `timeout` at most. What it was does not matter: the caller looks again.
    pub fn wait(&self, timeout: Duration) -> Result<()> {
        readable(self.0.as_fd(), Some(timeout))?;
        let mut message = [0; 64];
        // Cut messages are read messages, and ENOBUFS tells of some that were lost.
        while matches!(
            recv(self.0.as_raw_fd(), &mut message, MsgFlags::empty()),
            Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR)
        ) {}
        Ok(())
    }
}
