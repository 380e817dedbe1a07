//! boardbox's own init, for a command that is none (`lxc-execute`): pid 1 reaps and passes signals on, the command is
//! pid 2. It runs from a sealed copy in memory and ends with the command's status once all processes are gone.

use super::conversation::{self, Message};
use super::init;
use crate::error::{Error, Kind, Result};
use crate::sys::process::{self, Side};
use crate::sys::signal::{self, Signals};
use nix::unistd::Pid;
use std::os::fd::{AsFd, OwnedFd};

/// argv[0], which the multi-call program knows it by.
pub const NAME: &str = "boardbox-init";

/// `boardbox-init DESCRIPTOR COMMAND…`: the descriptor is the conversation's end.
pub fn main(arguments: &[String]) -> u8 {
    let Some((number, command)) = arguments.split_first() else { return 255 };
    let Some(monitor) = number.parse().ok().and_then(|number| process::inherited(number).ok()) else {
        return 255;
    };
    match start(&monitor, command) {
        Ok((signals, child)) => {
            drop(monitor);
            reap(signals, child)
        }
        Err(error) => {
            conversation::fail(&monitor, error);
            255
        }
    }
}

fn start(monitor: &OwnedFd, command: &[String]) -> Result<(Signals, Pid)> {
    let signals = Signals::listen()?;
    match process::fork()? {
        Side::Parent(child) => Ok((signals, child)),
        Side::Child => {
            let error = execute(monitor, command);
            conversation::fail(monitor, error);
            process::exit(255)
        }
    }
}

fn execute(monitor: &OwnedFd, command: &[String]) -> Error {
    let prepared = Message::User.say(monitor.as_fd(), None).and_then(|()| signal::reset());
    if let Err(error) = prepared {
        return error;
    }
    let environment: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    process::exec(command, &environment, init::path(&environment)).kind(Kind::Config)
}

/// Until there are no processes left; the command's own status is what counts.
fn reap(mut signals: Signals, child: Pid) -> u8 {
    let mut status = None;
    loop {
        while let Some(number) = signals.take() {
            match (number, status) {
                (libc::SIGCHLD | libc::SIGWINCH | libc::SIGCONT, _) => {}
                (_, None) => drop(process::kill(child, number)),
                // The command is gone; what it left behind is asked to go as well.
                (_, Some(_)) => drop(process::kill(Pid::from_raw(-1), libc::SIGKILL)),
            }
        }
        loop {
            match process::reap_any(false) {
                Ok(Some((pid, ended))) => status = if pid == child { Some(ended) } else { status },
                Ok(None) => break,
                Err(_) => return status.map_or(255, process::exit_code),
            }
        }
        // Blocking: nothing to do until the next signal.
        if signals.wait().is_err() {
            return 255;
        }
    }
}
