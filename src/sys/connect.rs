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

fn open(path: &str) -> Result<File> {
    File::open(path).map_err(|error| Error::io(format!("open {path}"), &error))
}

/// The network namespace of this process.
pub fn own_network() -> Result<File> {
    open("/proc/self/ns/net")
}

/// Connects to `address` in the network namespace of the process `pid`, hangs up and returns to `own`. False: nobody accepts it
/// (now). An error is serious: this process is not in its own namespace any more.
pub fn accepts(own: &File, pid: i32, address: SocketAddr) -> Result<bool> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_back_is_an_error_and_nobody_there_is_none() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (pid, address) = (std::process::id() as i32, listener.local_addr().unwrap());
        // Only root enters a namespace, even its own.
        if nix::unistd::geteuid().is_root() {
            assert!(accepts(&own_network().unwrap(), pid, address).unwrap());
            assert!(accepts(&open("/dev/null").unwrap(), pid, address).is_err());
        }
        assert!(!accepts(&open("/dev/null").unwrap(), i32::MAX, address).unwrap());
    }
}
