//! Starts a container: takes its name, performs its plan, and stays as its monitor; what it made it takes back, after the
//! end as well as after a failure.

use super::RUN_DIR;
use super::clients::Clients;
use super::console::Console;
use super::conversation::{self, Message};
use super::freezer::Freezer;
use super::init::{self, First};
use super::monitor::{Ended, Monitor, Note};
use super::network::Nics;
use super::restart::{self, Next, Tally};
use super::stale;
use super::state::{self, Claim, Record, UNIFIED};
use crate::apply::{self, Undo, undo_all};
use crate::error::{Error, Kind, Result};
use crate::plan::{self, Host, Place, Planned, Step};
use crate::profile::container::{self, Container, Mount};
use crate::profile::fstab;
use crate::sys::netlink::Netlink;
use crate::sys::process::{self, Side};
use crate::sys::pty::{self, Pty};
use crate::sys::selfexec::Image;
use crate::sys::signal::Signals;
use crate::sys::{caps, cgroup, kmsg, poll, rootfs, socket};
use nix::errno::Errno;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long the set-up may take before it is given up: a mount of a dead server must not hang a boot for ever.
const PATIENCE: Duration = Duration::from_secs(60);

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
    let text = std::fs::read(path).map_err(|error| {
        Error::io(format!("read mount table {path}"), &error).kind(Kind::Config).at(origin)
    })?;
    match std::str::from_utf8(&text) {
        Ok(text) => fstab::parse(text, &path.as_str().into()),
        Err(_) => Err(Error::config(format!("mount table {path} is not UTF-8 text")).at(origin)),
    }
}

/// Whether a console is of use: somebody may look at it (a terminal, a log), or what runs is an init and expects one.
fn wants_console(container: &Container, options: &Options) -> bool {
    match &container.console {
        container::Console::None => false,
        container::Console::Path(_) => true,
        container::Console::Pty => {
            options.detach || container.command.is_empty() || pty::is_terminal(std::io::stdin().as_fd())
        }
    }
}

/// One life after another, until there is none to follow.
fn live(container: &Container, options: &Options, launcher: &mut Option<OwnedFd>) -> Result<i32> {
    // A monitor in the background outlives whoever started it, and with that the lock they hold (`flock /run/x boardbox up`).
    process::let_go_of_inherited(options.detach);
    let mut claim = Claim::take(&container.name)?;
    if let Some(stale) = claim.stale.take() {
        clean_up_after(&stale);
    }
    let may = |clients| options.may_start(container).map(|()| clients);
    let mut clients = match Clients::listen(&claim.control()).and_then(may) {
        Ok(clients) => clients,
        Err(error) => {
            claim.release();
            return Err(error);
        }
    };
    let lived = lives(container, options, launcher, &claim, &mut clients);
    claim.release();
    lived.map(|ended| {
        clients.farewell(ended.status, &ended.note, true);
        ended.status
    })
}

/// The next one where the last one asked for a reboot, or where it has ended and is to be restarted; with the rules that it had
/// by then.
fn lives(
    container: &Container,
    options: &Options,
    launcher: &mut Option<OwnedFd>,
    claim: &Claim,
    clients: &mut Clients,
) -> Result<Ended> {
    let mut changed: Option<Container> = None;
    let mut signals = None;
    let mut tally = Tally::default();
    let restart = &container.startup.restart;
    loop {
        let begun = Instant::now();
        let first = tally == Tally::default();
        let life =
            Life::begin(changed.as_ref().unwrap_or(container), options, claim, clients, &mut signals, tally);
        let (mut ended, lived) = match life.lead(launcher) {
            Err(error) if first || !options.detach => return Err(error),
            // What stands in the way of this start may be gone at the next one. However long it took, it was no life.
            Err(error) => (failed(&error), Duration::ZERO),
            Ok(ended) => (ended, begun.elapsed()),
        };
        if let Some(cgroup) = ended.rules.take() {
            changed = Some(Container { cgroup, ..container.clone() });
        }
        // reboot(2) in a pid namespace ends its pid 1 by SIGHUP, which nothing else can (pid_namespaces(7)).
        if process::ending_signal(ended.status) == Some(libc::SIGHUP) && !ended.asked {
            log::info!("container \"{}\" reboots", container.name);
            clients.farewell(ended.status, &ended.note, false);
            if let (Some(delay), Some(signals)) = (tally.rebooted(ended.status, lived), signals.as_mut())
                && !between(container, claim, clients, signals, delay, &tally)
            {
                return Ok(ended);
            }
            continue;
        }
        if ended.asked || !options.detach {
            return Ok(ended);
        }
        let next = tally.ended(ended.status, lived, restart);
        tally.tell(container, ended.status, &ended.note, &next);
        match (&next, signals.as_mut()) {
            (Next::Again(delay), Some(signals)) => {
                clients.farewell(ended.status, &ended.note, false);
                if !between(container, claim, clients, signals, *delay, &tally) {
                    return Ok(ended);
                }
            }
            _ => {
                let mut text = format!("ended ({})", restart::ending(ended.status));
                if !ended.note.is_empty() {
                    text.push_str(&format!(", {}", ended.note));
                }
                if next == Next::GiveUp {
                    text.push_str(&format!(", {}", tally.gave_up()));
                }
                if next == Next::GiveUp || ended.status != 0 {
                    state::note_end(&container.name, &text);
                }
                return Ok(ended);
            }
        }
    }
}

/// From a life to the next one. False when there is to be none; what fails here nobody is told but by the kernel's log.
#[inline(never)]
fn between(
    container: &Container,
    claim: &Claim,
    clients: &mut Clients,
    signals: &mut Signals,
    delay: Duration,
    tally: &Tally,
) -> bool {
    let name = &container.name;
    if let Err(error) = claim.write(&Record { monitor: std::process::id() as i32, ..Record::default() }) {
        // /run is full: what stands there is about the last life, and the next one tries again.
        kmsg::warn(&format!("container \"{name}\": {error}"));
    }
    restart::pause(container, clients, signals, delay, tally).unwrap_or_else(|error| {
        let text = format!("could not wait for its restart: {error}");
        kmsg::warn(&format!("container \"{name}\" {text}"));
        state::note_end(name, &text);
        false
    })
}

/// A restart that did not come to life, as an end with the status that boardbox's own failures have.
#[inline(never)]
fn failed(error: &Error) -> Ended {
    let mut note = Note::new();
    // Cut where it does not fit: it is for reading.
    error.to_string().chars().try_for_each(|letter| note.push(letter)).unwrap_or_default();
    Ended { status: 255 << 8, note, asked: false, rules: None }
}

/// One start and everything it has made so far.
struct Life<'a> {
    container: &'a Container,
    options: &'a Options,
    claim: &'a Claim,
    clients: &'a mut Clients,
    signals: &'a mut Option<Signals>,
    tally: Tally,
    undo: Vec<Undo>,
    first: Option<Pid>,
    nics: Option<Nics>,
    pidfile: Option<&'a str>,
}

impl<'a> Life<'a> {
    fn begin(
        container: &'a Container,
        options: &'a Options,
        claim: &'a Claim,
        clients: &'a mut Clients,
        signals: &'a mut Option<Signals>,
        tally: Tally,
    ) -> Self {
        let (undo, first, nics, pidfile) = (Vec::new(), None, None, None);
        Self { container, options, claim, clients, signals, tally, undo, first, nics, pidfile }
    }

    /// From the first step to the last trace.
    fn lead(mut self, launcher: &mut Option<OwnedFd>) -> Result<Ended> {
        let ended = self.attempt(launcher);
        if let (Err(_), Some(first)) = (&ended, self.first) {
            let _ = process::kill(first, libc::SIGKILL);
            let _ = process::wait(first, true);
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
        if let Some(path) = self.pidfile {
            let _ = std::fs::remove_file(path);
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
        let steps = plan(container, options, &host)?;
        let console = self.console_of(&steps)?;
        let mut ttys = Vec::new();
        for _ in 0..container.tty {
            ttys.push(pty::open_pty()?);
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
        if self.signals.is_none() {
            *self.signals = Some(Signals::listen()?);
        }
        let (ours, theirs) = conversation::begin()?;
        // Written before there is a process: whoever comes after a monitor that was killed finds what to clean up.
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
        if let Some(path) = &options.pidfile {
            std::fs::write(path, format!("{}\n", std::process::id()))
                .map_err(|error| Error::io(format!("write {path}"), &error))?;
            self.pidfile = Some(path);
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
        let log = match &self.container.console {
            container::Console::Path(path) => Some(path.as_str()),
            _ => None,
        };
        let mut console = Console::new(pty, log)?;
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

/// A monitor that was killed took its container along (the kernel sees to that, in most cases), but not its cgroups. True when
/// the container still ran.
pub(super) fn clean_up_after(stale: &Record) -> bool {
    log::warn!(
        "a monitor (process {}) was killed and left its record in {RUN_DIR}: cleaning up",
        stale.monitor
    );
    let ran = stale::end_what_outlived(stale);
    end_what_is_frozen(stale);
    for (controllers, dir) in &stale.cgroups {
        let dir = dir.clone();
        let unified = controllers.iter().any(|name| name == UNIFIED);
        let left = if unified { Undo::RemoveUnified { dir } } else { Undo::RemoveCgroup { dir } };
        if let Err(error) = left.perform() {
            log::warn!("{error}");
        }
    }
    ran
}

/// On v1 a container that was frozen, or has frozen some of itself, has not ended with its monitor: it was killed, and has to run
/// for that.
fn end_what_is_frozen(stale: &Record) {
    let Some(freezer) = Freezer::find(&stale.cgroups).filter(Freezer::holds_killed) else { return };
    // Whoever still ran may have frozen more meanwhile. 1 s in all; what is left after that is told by whoever removes the others.
    for _ in 0..20 {
        let _ = freezer.thaw();
        freezer.thaw_below();
        if cgroup::remove(freezer.dir(), Duration::from_millis(50)).is_ok() {
            return;
        }
    }
}
