//! One life of a container: performs its plan, stays as its monitor, and takes back what it made, after the end as well as
//! after a failure.

use super::clients::Clients;
use super::console::Console;
use super::conversation::{self, Message};
use super::init::{self, First};
use super::launch::{self, Options, wants_console};
use super::monitor::{Ended, Monitor};
use super::network::Nics;
use super::restart::Tally;
use super::stale;
use super::state::{Claim, Record, UNIFIED};
use crate::apply::{self, Undo, undo_all};
use crate::error::{Error, Kind, Result};
use crate::plan::{Host, Place, Planned, Step};
use crate::profile::container::{self, Container};
use crate::sys::netlink::Netlink;
use crate::sys::process::{self, Side};
use crate::sys::pty::{self, Pty};
use crate::sys::selfexec::Image;
use crate::sys::signal::Signals;
use crate::sys::{caps, cgroup, poll, rootfs, socket};
use nix::errno::Errno;
use nix::unistd::Pid;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long the set-up may take before it is given up: a mount of a dead server must not hang a boot for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// One start and everything it has made so far.
pub(super) struct Life<'a> {
    container: &'a Container,
    options: &'a Options,
    claim: &'a Claim,
    clients: &'a mut Clients,
    signals: &'a mut Option<Signals>,
    tally: Tally,
    undo: Vec<Undo>,
    first: Option<Pid>,
    nics: Option<Nics>,
}

impl<'a> Life<'a> {
    pub(super) fn begin(
        container: &'a Container,
        options: &'a Options,
        claim: &'a Claim,
        clients: &'a mut Clients,
        signals: &'a mut Option<Signals>,
        tally: Tally,
    ) -> Self {
        let (undo, first, nics) = (Vec::new(), None, None);
        Self { container, options, claim, clients, signals, tally, undo, first, nics }
    }

    /// From the first step to the last trace.
    pub(super) fn lead(mut self, launcher: &mut Option<OwnedFd>) -> Result<Ended> {
        let ended = self.attempt(launcher);
        if let (Err(_), Some(first)) = (&ended, self.first) {
            let _ = process::kill(first, libc::SIGKILL);
            let begun = Instant::now();
            // Somebody waits for the error: what hangs in the kernel, or is frozen by a cgroup above, must not keep it from them.
            while let Ok(None) = process::wait(first, false) {
                if begun.elapsed() >= stale::PATIENCE {
                    log::error!("process {first} does not end by SIGKILL: it hangs in the kernel");
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        // Before anybody is told that it has stopped: a start that follows at once finds its MACs and names free.
        if let Some(mut nics) = self.nics.take() {
            // In the foreground somebody waits for this very process; in the background nothing of it may be left when
            // the container is said to have stopped.
            nics.delete(!self.options.detach);
        }
        for error in undo_all(&mut self.undo) {
            log::error!("{error}");
        }
        // In the foreground this is the only place where anybody would look.
        if let Ok(ended) = &ended
            && !ended.note.is_empty()
        {
            log::warn!("container \"{}\": {}", self.container.name, ended.note);
        }
        ended
    }

    fn attempt(&mut self, launcher: &mut Option<OwnedFd>) -> Result<Ended> {
        let (container, options) = (self.container, self.options);
        // A container without cgroups asks nothing of the host: twenty system calls less.
        let none = container.cgroup.is_empty() && container.auto_mounts.cgroup.is_none();
        let host = match options.controllers.is_empty() && none {
            true => Host::default(),
            false => apply::host::read(false)?,
        };
        let steps = launch::plan(container, options, &host)?;
        let console = self.console_of(&steps)?;
        let mut ttys = Vec::new();
        for _ in 0..container.tty {
            ttys.push(pty::open_pty()?);
        }
        if self.signals.is_none() {
            *self.signals = Some(Signals::listen()?);
        }
        // Written before there is a cgroup: whoever comes after a monitor that was killed finds what to clean up.
        let cgroups = cgroups(&steps);
        let mut record = Record {
            monitor: std::process::id() as i32,
            init: 0,
            started: 0,
            cgroups,
            capabilities: init::kept(&container.capabilities).unwrap_or(u64::MAX) & caps::bounding_set(),
            no_new_privs: container.no_new_privs,
        };
        if !record.cgroups.is_empty() {
            self.claim.write(&record)?;
        }
        for planned in on_host(&steps) {
            apply::perform(planned, &mut self.undo).map_err(|error| self.named(error))?;
        }
        let image = if options.init { Some(Image::make()?) } else { None };
        let (mut tasks, mut birthplace) = (Vec::new(), None);
        for planned in &steps {
            if let Step::JoinCgroup { dir, unified } = &planned.step {
                tasks.push(cgroup::open_tasks(dir)?);
                if *unified {
                    birthplace = Some(rootfs::open_path(dir)?);
                }
            }
        }
        let (ours, theirs) = conversation::begin()?;
        log::info!("clone");
        let namespaces = process::container_namespaces(container.own_network);
        let first = match process::clone(namespaces, birthplace.as_ref().map(AsFd::as_fd))? {
            (Side::Parent(first), _) => first,
            (Side::Child, born_there) => {
                drop(ours);
                init::run(First {
                    container,
                    steps: &steps,
                    monitor: theirs,
                    tasks,
                    born_in_unified: born_there,
                    console: console.as_ref().map(|pty| pty.slave.clone()),
                    console_is_stdio: self.console_is_stdio(),
                    ttys: ttys.iter().map(|tty| tty.slave.clone()).collect(),
                    image,
                })
            }
        };
        self.first = Some(first);
        drop((theirs, tasks, birthplace, image));
        record.init = first.as_raw();
        record.started = process::started(record.init).unwrap_or(0);
        let user = self.converse(&ours, &steps, first, &record)?;
        // It is the monitor's, which has further lives.
        if let (Some(path), true) = (&options.pidfile, self.tally == Tally::default()) {
            std::fs::write(path, format!("{}\n", std::process::id()))
                .map_err(|error| Error::io(format!("write {path}"), &error))?;
        }
        let console = self.monitors_console(console)?;
        if let Some(launcher) = launcher.take() {
            let null = std::fs::File::options().read(true).write(true).open("/dev/null");
            Message::Running.say(launcher.as_fd(), None)?;
            // The caller's terminal and pipes are not ours to hold open.
            let null = null.map_err(|error| Error::io("open /dev/null", &error))?;
            process::become_stdio(null.as_fd())?;
            process::enter("/")?;
        }
        drop(steps);
        let Some(signals) = self.signals.as_mut() else { return Err(Error::host("there is no signalfd")) };
        let monitor =
            Monitor::new(container, first, user, record, signals, self.clients, self.tally, console, ttys)?;
        monitor.run()
    }

    /// The pseudo terminal, where the plan has one.
    fn console_of(&self, steps: &[Planned]) -> Result<Option<Pty>> {
        let planned = wants_console(self.container, self.options)
            || steps.iter().any(|planned| matches!(planned.step, Step::BindTtys { console: true, .. }));
        planned.then(pty::open_pty).transpose()
    }

    /// The command's input and output go to the console when nobody is there, or somebody at a terminal.
    fn console_is_stdio(&self) -> bool {
        wants_console(self.container, self.options)
            && (self.options.detach || pty::is_terminal(std::io::stdin().as_fd()))
    }

    fn monitors_console(&self, pty: Option<Pty>) -> Result<Option<Console>> {
        let Some(pty) = pty else { return Ok(None) };
        let container = self.container;
        let log = match &container.console {
            container::Console::Path(path) => Some(path.as_str()),
            _ => None,
        };
        let mut console = Console::new(pty, log).map_err(|error| container.about("console", error))?;
        match (self.options.detach, pty::is_terminal(std::io::stdin().as_fd())) {
            (true, _) => {}
            (false, true) => console.attach()?,
            (false, false) => console.show(),
        }
        Ok(Some(console))
    }

    fn named(&self, error: Error) -> Error {
        error.tried(format!("container \"{}\"", self.container.name))
    }

    /// The monitor's half of the conversation; see its picture. Returns the pid of the first user process.
    #[inline(never)] // its buffers are not the monitor's, whose frame lies below and stays
    fn converse(&mut self, with: &OwnedFd, steps: &[Planned], first: Pid, record: &Record) -> Result<Pid> {
        socket::set_receive_timeout(with.as_fd(), PATIENCE)?;
        socket::pass_credentials(with.as_fd())?;
        let mut user = first;
        let mut set_up = false;
        loop {
            let (heard, sender) =
                Message::hear_from(with.as_fd()).map_err(|error| match error.is(Errno::EAGAIN) {
                    true => Error::new(
                        Kind::Timeout,
                        format!("its set-up took longer than {} s", PATIENCE.as_secs()),
                    )
                    .tried(format!("container \"{}\"", self.container.name))
                    .hint("does one of its mounts wait for a server?"),
                    false => error,
                })?;
            match heard {
                Some((Message::Network, Some(socket))) => {
                    let nics = self.nics.insert(Nics::new(Netlink::from_fd(socket)));
                    nics.make(&self.container.name, steps, first.as_raw())
                        // Where the first process has ended meanwhile, its own word says why.
                        .map_err(|error| last_words(with).unwrap_or(error))?;
                }
                Some((Message::SetUp, _)) => {
                    for planned in steps.iter().filter(|planned| planned.place == Place::Late) {
                        apply::perform(planned, &mut self.undo).map_err(|error| self.named(error))?;
                    }
                    // Before it runs anything of its own, which may lose the tie to us.
                    self.claim.write(record)?;
                    set_up = true;
                    Message::Go.say(with.as_fd(), None)?;
                }
                Some((Message::User, _)) => user = sender.unwrap_or(first),
                Some((Message::Failed(error), _)) if error.cause.contains("container \"") => {
                    return Err(error);
                }
                Some((Message::Failed(error), _)) => {
                    return Err(self.named(error));
                }
                None if set_up => return Ok(user),
                None => {
                    let error = Error::host("its first process ended during set-up");
                    return Err(self.named(error.hint("was it killed for lack of memory? See dmesg")));
                }
                Some(_) => return Err(Error::host("the start's conversation is out of order")),
            }
        }
    }
}

/// What the first process failed with, if it has said so.
fn last_words(with: &OwnedFd) -> Option<Error> {
    while poll::readable(with.as_fd(), Some(Duration::ZERO)).ok()? {
        match Message::hear(with.as_fd()) {
            Ok(Some((Message::Failed(error), _))) => return Some(error),
            Ok(Some(_)) => {}
            _ => return None,
        }
    }
    None
}

fn on_host(steps: &[Planned]) -> impl Iterator<Item = &Planned> {
    steps.iter().filter(|planned| planned.place == Place::Host && !matches!(planned.step, Step::Clone { .. }))
}

/// Controllers and directories of the cgroups a plan makes.
fn cgroups(steps: &[Planned]) -> Vec<(Vec<String>, String)> {
    let made = steps.iter().filter_map(|planned| match &planned.step {
        Step::MakeCgroup { controllers, root, path } => Some((controllers.clone(), format!("{root}/{path}"))),
        Step::MakeUnified { root, path, enable, also, .. } => {
            Some(([&[UNIFIED.to_string()][..], enable, also].concat(), format!("{root}/{path}")))
        }
        _ => None,
    });
    made.collect()
}
