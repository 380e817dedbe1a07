//! Starts a container, in the foreground or the background: how, what that takes, and what the caller waits for.

use super::conversation::{self, Message};
use super::lives::live;
use crate::error::{Error, Kind, Result};
use crate::plan::{self, Host, Planned};
use crate::profile::container::{self, Container, Mount};
use crate::profile::fstab;
use crate::sys::process::{self, Side};
use crate::sys::pty;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::OnceLock;

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The monitor goes to the background; the call returns when the container runs, or with the error.
    pub detach: bool,
    /// A file for the monitor's pid.
    pub pidfile: Option<String>,
    /// boardbox's own init as pid 1 (`lxc-execute`).
    pub init: bool,
    /// The controllers to join where the host has them.
    pub controllers: Vec<String>,
    /// Asked before the start, and again as soon as the container can be told to stop: an error ends it.
    pub may: Option<fn() -> Result<()>>,
    /// Called in its monitor before it starts: sends the log where the container wants it.
    pub log: Option<fn(&Container) -> Result<()>>,
}

impl Options {
    /// Asks that.
    pub fn may_start(&self, container: &Container) -> Result<()> {
        let tried = |error: Error| error.tried(format!("container \"{}\"", container.name));
        self.may.map_or(Ok(()), |may| may()).map_err(tried)
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It runs, in the background.
    Started,
    /// It ran in the foreground and ended with this wait(2) status.
    Ended(i32),
}

/// Starts `container`.
pub fn start(container: &Container, options: &Options) -> Result<Outcome> {
    if !options.detach {
        return live(container, options, &mut None).map(Outcome::Ended);
    }
    begin(container, options, &mut || {})?.finish().map(|()| Outcome::Started)
}

/// A start in the background that is under way.
pub struct Launch {
    monitor: OwnedFd,
    pid: Pid,
}

/// Begins a start in the background. `let_go` is called in the monitor's process: descriptors of other starts that are under
/// way are none of its own.
pub fn begin(container: &Container, options: &Options, let_go: &mut dyn FnMut()) -> Result<Launch> {
    let (launcher, monitor) = conversation::begin()?;
    match process::fork()? {
        Side::Parent(pid) => {
            drop(monitor);
            Ok(Launch { monitor: launcher, pid })
        }
        Side::Child => {
            drop(launcher);
            let_go();
            let mut to_tell = Some(monitor);
            let lived = process::new_session().and_then(|()| live(container, options, &mut to_tell));
            match (lived, to_tell) {
                (Err(error), Some(launcher)) => conversation::fail(&launcher, error),
                (Err(error), None) => log::error!("{error}"),
                _ => {}
            }
            process::exit(0)
        }
    }
}

impl Launch {
    /// What its end comes by: when it can be read, `finish` does not wait.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.monitor.as_fd()
    }

    /// Waits until it runs, or says why it does not.
    pub fn finish(self) -> Result<()> {
        match Message::hear(self.monitor.as_fd())? {
            Some((Message::Running, _)) => Ok(()),
            Some((Message::Failed(error), _)) => {
                // It ends by itself now; reaped, so that nothing of it is left when we say so.
                process::wait(self.pid, true)?;
                Err(error)
            }
            _ => {
                process::wait(self.pid, true)?;
                Err(Error::host("its monitor ended before the container ran").tried("start the container"))
            }
        }
    }

    /// Ends a start that takes too long: the monitor, and with it what it has begun. The next start of that name cleans up.
    /// Its end is not waited for, which may take as long.
    pub fn abandon(self) -> Result<()> {
        process::kill(self.pid, libc::SIGKILL)
    }
}

/// The steps that `start` takes on this host.
pub fn plan(container: &Container, options: &Options, host: &Host) -> Result<Vec<Planned>> {
    let mut cgroups = Vec::new();
    plan::cgroups::container(container, &options.controllers, host, &mut cgroups)?;
    let fstab = read_fstab(container)?;
    let console = wants_console(container, options);
    plan::container::start(
        &plan::container::Start { container, fstab: &fstab, init: options.init, console },
        cgroups,
    )
}

/// What `lxc.mount` names is read when the container starts, not when the profile is.
fn read_fstab(container: &Container) -> Result<Vec<Mount>> {
    let Some((path, origin)) = &container.fstab else { return Ok(Vec::new()) };
    // A relative one is from where the first life began: the others begin in /.
    static HERE: OnceLock<PathBuf> = OnceLock::new();
    let here = HERE.get_or_init(|| std::env::current_dir().unwrap_or_default());
    let text = std::fs::read(here.join(path)).map_err(|error| {
        Error::io(format!("read mount table {path}"), &error).kind(Kind::Config).at(origin)
    })?;
    match std::str::from_utf8(&text) {
        Ok(text) => fstab::parse(text, &path.as_str().into()),
        Err(_) => Err(Error::config(format!("mount table {path} is not UTF-8 text")).at(origin)),
    }
}

/// Whether a console is of use: somebody may look at it (a terminal, a log), or what runs is an init and expects one.
pub(super) fn wants_console(container: &Container, options: &Options) -> bool {
    match &container.console {
        container::Console::None => false,
        container::Console::Path(_) => true,
        container::Console::Pty => {
            options.detach || container.command.is_empty() || pty::is_terminal(std::io::stdin().as_fd())
        }
    }
}
