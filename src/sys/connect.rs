//! Whether somebody accepts TCP connections inside another network namespace.

use super::process;
use crate::error::{Error, Result};
use nix::sched::CloneFlags;
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long an answer is waited for: within one namespace it comes at once.
const PATIENCE: Duration = Duration::from_millis(20);

/// Connects to `address` in the network namespace of the process `pid`, and hangs up. False: nobody accepts it (now). An error is
/// serious: this process may not be in its own namespace any more.
pub fn accepts(pid: i32, address: SocketAddr) -> Result<bool> {
    let open = |path: &str| File::open(path).map_err(|error| Error::io(format!("open {path}"), &error));
    let own = open("/proc/self/ns/net")?;
    let theirs = open(&format!("/proc/{pid}/ns/net"));
    let enter = |theirs: File| process::enter_namespace(theirs.as_fd(), CloneFlags::CLONE_NEWNET, "network");
    if theirs.and_then(enter).is_err() {
        // It is going away this moment.
        return Ok(false);
    }
    let connected = TcpStream::connect_timeout(&address, PATIENCE).is_ok();
    process::enter_namespace(own.as_fd(), CloneFlags::CLONE_NEWNET, "network")?;
    Ok(connected)
}
