//! The other end of a container's control socket: one request, one reply; and waiting for containers to be.

use super::RUN_DIR;
use super::control::{Buffer, MAX_MESSAGE, Reply, Request, State};
use crate::error::{Error, Kind, Result};
use crate::profile::value::ContainerName;
use crate::sys::inotify::Watch;
use crate::sys::{poll, socket};
use nix::errno::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a monitor that is not waiting for anything may take to answer.
pub const PROMPT: Duration = Duration::from_secs(10);

/// A monitor's reply; `Reply::Failed` never comes as one, it is an error.
pub struct Answer(Buffer);

impl Answer {
    /// What it says.
    pub fn reply(&self) -> Reply<'_> {
        // Decoded once before; what could not be is not here.
        Reply::decode(&self.0).unwrap_or(Reply::Done)
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The state that was waited for.
    pub state: State,
    /// The container's wait(2) status, where it ended while somebody looked.
    pub status: Option<i32>,
}

/// The error for a container without a live monitor. What to start it with, the caller says as a hint.
pub fn not_running(name: &ContainerName) -> Error {
    Error::new(Kind::NotRunning, format!("container \"{name}\" is not running"))
}

/// Says `request` to the container's monitor; `None` waits for ever. Fails with `Kind::NotRunning`, with
/// `Kind::Timeout`, and with whatever the monitor says failed.
pub fn request(name: &ContainerName, request: &Request<'_>, timeout: Option<Duration>) -> Result<Answer> {
    request_in(RUN_DIR, name, request, timeout)
}

/// The containers that have a live monitor, by name.
pub fn names() -> Result<Vec<ContainerName>> {
    names_in(RUN_DIR)
}

/// Waits until the container is in one of `states` (`State::bit`s). One that does not run is STOPPED; where that is
/// not asked for, it is waited for until it starts. `None` waits for ever; `Kind::Timeout` when the time is over.
pub fn wait(name: &ContainerName, states: u32, timeout: Option<Duration>) -> Result<Reached> {
    wait_in(RUN_DIR, name, states, timeout)
}

/// Says `request`, and does not wait for the reply: it is there when the descriptor can be read. Waits `timeout` at most for a
/// monitor that is too busy to be connected to.
pub fn say(name: &ContainerName, request: &Request<'_>, timeout: Option<Duration>) -> Result<OwnedFd> {
    say_in(RUN_DIR, name, request, timeout)
}

/// The reply to what was said, waited for as long at most.
pub fn reply(name: &ContainerName, monitor: &OwnedFd, timeout: Duration) -> Result<Answer> {
    match poll::readable(monitor.as_fd(), Some(timeout))? {
        true => hear(name, monitor),
        false => Err(late(name, Some(timeout))),
    }
}

fn named(name: &ContainerName, error: Error) -> Error {
    error.tried(format!("container \"{name}\""))
}

/// The monitor has not answered in time.
pub fn late(name: &ContainerName, timeout: Option<Duration>) -> Error {
    let cause = match timeout {
        Some(timeout) => format!("no answer within {} ms", timeout.as_millis()),
        None => "no answer".into(),
    };
    named(name, Error::new(Kind::Timeout, cause))
}

/// The monitor has closed its end: it has ended, or has refused us before it heard us; `hear` finds out.
fn closed(error: &Error) -> bool {
    error.is(Errno::EPIPE) || error.is(Errno::ECONNRESET)
}

fn say_in(
    dir: &str,
    name: &ContainerName,
    request: &Request<'_>,
    timeout: Option<Duration>,
) -> Result<OwnedFd> {
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let monitor = loop {
        match socket::connect(&format!("{dir}/{name}/control")) {
            Ok(fd) => break fd,
            Err(error) if error.is(Errno::ENOENT) || error.is(Errno::ECONNREFUSED) => {
                return Err(not_running(name));
            }
            // Its queue is full: it is busy, or stopped by a signal.
            Err(error) if error.is(Errno::EAGAIN) => {
                if end.is_some_and(|end| Instant::now() >= end) {
                    return Err(late(name, timeout));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) if error.is(Errno::EACCES) || error.is(Errno::EPERM) => {
                return Err(named(name, error.hint("run this as root")));
            }
            Err(error) => return Err(named(name, error)),
        }
    };
    match socket::send(monitor.as_fd(), &request.encode()?) {
        Err(error) if !closed(&error) => Err(named(name, error)),
        _ => Ok(monitor),
    }
}

/// The reply on a descriptor that can be read.
pub fn hear(name: &ContainerName, monitor: &OwnedFd) -> Result<Answer> {
    let mut buffer = Buffer::new();
    // Filled up front: the kernel writes into its whole length.
    let _ = buffer.resize(MAX_MESSAGE, 0);
    let length = match socket::recv(monitor.as_fd(), &mut buffer) {
        // What it said before it closed comes after this error, then its end.
        Err(error) if closed(&error) => socket::recv(monitor.as_fd(), &mut buffer),
        other => other,
    };
    let length =
        length.map_err(|error| if closed(&error) { not_running(name) } else { named(name, error) })?;
    buffer.truncate(length);
    match Reply::decode(&buffer) {
        Some(Reply::Failed { errno, text }) => {
            let mut error = Error::host(text);
            error.errno = errno;
            Err(error)
        }
        Some(_) => Ok(Answer(buffer)),
        None if length == 0 => Err(not_running(name)),
        None => Err(named(name, Error::host("its monitor's answer makes no sense"))
            .hint("was it started by another version of boardbox?")),
    }
}

fn request_in(
    dir: &str,
    name: &ContainerName,
    request: &Request<'_>,
    timeout: Option<Duration>,
) -> Result<Answer> {
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let monitor = say_in(dir, name, request, timeout)?;
    if !poll::readable(monitor.as_fd(), end.map(|end| end.saturating_duration_since(Instant::now())))? {
        return Err(late(name, timeout));
    }
    hear(name, &monitor)
}

fn names_in(dir: &str) -> Result<Vec<ContainerName>> {
    let failed = |error: std::io::Error| Error::io(format!("read directory {dir}"), &error);
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?.file_name();
        let Some(name) = entry.to_str().and_then(|name| name.parse::<ContainerName>().ok()) else { continue };
        match socket::connect(&format!("{dir}/{name}/control")) {
            Ok(_) => names.push(name),
            // Alive and busy.
            Err(error) if error.is(Errno::EAGAIN) => names.push(name),
            Err(error) if error.is(Errno::EACCES) || error.is(Errno::EPERM) => {
                return Err(error.hint("run this as root"));
            }
            Err(_) => {}
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Without a word from inotify: how soon to look again, at first and at most. Looking again soon after a word
/// matters too: between bind and listen a socket is there, but refuses.
const SOON: Duration = Duration::from_millis(10);
const LATER: Duration = Duration::from_secs(1);

fn wait_in(dir: &str, name: &ContainerName, states: u32, timeout: Option<Duration>) -> Result<Reached> {
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let left = || end.map(|end| end.saturating_duration_since(Instant::now()));
    let late =
        || Error::new(Kind::Timeout, format!("container \"{name}\" reached none of these states in time"));
    let stopped = State::Stopped.bit() & states != 0;
    // Without inotify there is still the looking again.
    let watch = Watch::new().ok();
    let mut pause = SOON;
    loop {
        if let Some(watch) = &watch {
            // From the inside out, so that nothing can appear between two of them unseen.
            let parent = dir.rsplit_once('/').map_or("/", |(parent, _)| parent);
            if watch.add(&format!("{dir}/{name}")).is_err() && watch.add(dir).is_err() {
                let _ = watch.add(parent);
            }
        }
        // No time to wait is still time to ask what it is now.
        let (question, patience) = match left() {
            Some(Duration::ZERO) => (Request::Info, Some(PROMPT)),
            left => (Request::Wait { states }, left),
        };
        match request_in(dir, name, &question, patience) {
            Ok(answer) => match answer.reply() {
                Reply::Info { state, .. } if state.bit() & states != 0 => {
                    return Ok(Reached { state, status: None });
                }
                Reply::Ended { status, .. } if stopped => {
                    return Ok(Reached { state: State::Stopped, status: Some(status) });
                }
                // It ended, and that was not the question: wait for its next life.
                _ => {}
            },
            Err(error) if error.kind == Kind::NotRunning && stopped => {
                return Ok(Reached { state: State::Stopped, status: None });
            }
            Err(error) if error.kind == Kind::NotRunning => {}
            Err(error) if error.kind == Kind::Timeout => return Err(late()),
            Err(error) => return Err(error),
        }
        let nap = left().map_or(pause, |left| left.min(pause));
        if nap.is_zero() {
            return Err(late());
        }
        let seen = match &watch {
            Some(watch) => watch.wait(nap)?,
            None => {
                std::thread::sleep(nap);
                false
            }
        };
        pause = if seen { SOON } else { (pause * 2).min(LATER) };
    }
}

#[cfg(test)]
mod tests;
