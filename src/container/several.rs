//! Several containers started or stopped at once, in the order that they ask for: one loop, no threads, each wait bounded.

use super::client;
use super::control::{NEVER, Reply, Request};
use super::launch::{self, Launch, Options};
use super::ready::{self, Life, Look};
use super::stale;
use super::state;
use crate::error::{Error, Kind, Result};
use crate::plan::sequence::{Act, Sequence};
use crate::profile::Container;
use crate::profile::startup::Ready;
use crate::profile::value::ContainerName;
use crate::sys::poll;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a start may take until its command is executed, in milliseconds: more than its monitor takes to give up by itself.
const START_LIMIT: u64 = 90_000;

/// What the kernel may take to end a killed container and the monitor to clear up, beyond the time limit asked for, in
/// milliseconds. In a debug build, which is what tests run, they need not wait a minute for one that hangs on purpose.
const CLEARING_UP: u64 = if cfg!(debug_assertions) { 15_000 } else { 60_000 };

/// How often those that are not ready are looked at, in milliseconds: often at first.
const OFTEN: u64 = 10;
const SELDOM: u64 = 200;

/// The longest sleep, in milliseconds, where nothing is to be waited for but messages.
const SLEEP: u64 = 1000;

/// Something that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Its start begins.
    Start,
    /// Its command has been executed.
    Running,
    /// It ran before.
    RunsAlready,
    /// It is ready.
    Ready,
    /// It has failed.
    Failed,
    /// It is not started, because another one has failed.
    Refused,
}

impl What {
    /// For machines.
    pub fn name(self) -> &'static str {
        match self {
            What::Start => "start",
            What::Running => "running",
            What::RunsAlready => "runs already",
            What::Ready => "ready",
            What::Failed => "failed",
            What::Refused => "not started",
        }
    }
}

/// An event: milliseconds since the beginning, which container, what.
pub type Event = (u64, usize, What);

/// How the starts went.
#[derive(Default)]
pub struct Started {
    /// In the order in which it happened.
    pub events: Vec<Event>,
    /// Why, of those that failed or were not started: which one, the reason, and because of which other one.
    pub errors: Vec<(usize, Error, Option<usize>)>,
}

impl Started {
    /// When that happened to this one.
    pub fn when(&self, index: usize, what: What) -> Option<u64> {
        self.events.iter().find(|(_, who, happened)| (*who, *happened) == (index, what)).map(|event| event.0)
    }
}

/// How far one of them is.
enum Phase {
    Idle,
    /// Its monitor starts it, since then.
    Starting(Launch, u64),
    /// It runs, and is looked at next at.
    Running {
        life: Life,
        next: u64,
        ours: bool,
    },
}

struct Starter<'a> {
    containers: &'a [&'a Container],
    options: &'a Options,
    begun: Instant,
    phases: Vec<Phase>,
    sequence: Sequence,
    started: Started,
    tell: &'a mut dyn FnMut(&Started),
}

/// Starts them, and waits until each is ready or has failed; those that run already count as started. `tell` is told after each
/// event. Times count from `begun`.
pub fn start(
    containers: &[&Container],
    options: &Options,
    begun: Instant,
    tell: &mut dyn FnMut(&Started),
) -> Result<Started> {
    let mut starter = Starter {
        containers,
        options,
        begun,
        phases: containers.iter().map(|_| Phase::Idle).collect(),
        sequence: Sequence::starting(containers),
        started: Started::default(),
        tell,
    };
    let running = client::names()?;
    loop {
        while let Some(act) = starter.sequence.next(starter.now()) {
            match act {
                Act::Begin(index) => match containers.get(index) {
                    Some(container) if running.contains(&container.name) => {
                        starter.runs(index, What::RunsAlready);
                    }
                    _ => starter.launch(index),
                },
                Act::Refuse { index, because } => starter.refuse(index, because),
            }
        }
        if starter.sequence.is_over() {
            return Ok(starter.started);
        }
        starter.wait()?;
        starter.look_at_all()?;
    }
}

impl Starter<'_> {
    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    fn happened(&mut self, index: usize, what: What) {
        self.started.events.push((self.now(), index, what));
        (self.tell)(&self.started);
    }

    fn set(&mut self, index: usize, phase: Phase) -> Phase {
        self.phases.get_mut(index).map_or(Phase::Idle, |place| std::mem::replace(place, phase))
    }

    fn fail(&mut self, index: usize, error: Error) {
        self.set(index, Phase::Idle);
        self.started.errors.push((index, error, None));
        self.sequence.settle(index, false);
        self.happened(index, What::Failed);
    }

    fn ready(&mut self, index: usize) {
        self.set(index, Phase::Idle);
        self.sequence.settle(index, true);
        self.happened(index, What::Ready);
    }

    fn refuse(&mut self, index: usize, because: usize) {
        let (Some(container), Some(other)) = (self.containers.get(index), self.containers.get(because))
        else {
            return;
        };
        let kind = self.started.errors.iter().find(|error| error.0 == because).map(|error| error.1.kind);
        let mut error = Error::new(
            kind.unwrap_or(Kind::Host),
            format!("not started: it requires container \"{}\", which has failed", other.name),
        )
        .tried(format!("container \"{}\"", container.name));
        if let Some(named) = container.startup.requires.iter().find(|one| one.name == other.name) {
            error = error.at(&named.origin);
        }
        self.started.errors.push((index, error, Some(because)));
        self.happened(index, What::Refused);
    }

    fn launch(&mut self, index: usize) {
        let Some(container) = self.containers.get(index) else { return };
        // A second attempt is no second start.
        if self.started.when(index, What::Start).is_none() {
            self.happened(index, What::Start);
        }
        if let Err(error) = self.options.may_start(container) {
            return self.fail(index, error);
        }
        let phases = &mut self.phases;
        match launch::begin(container, self.options, &mut || phases.clear()) {
            Ok(launch) => {
                let now = self.now();
                self.set(index, Phase::Starting(launch, now));
            }
            Err(error) => self.fail(index, error),
        }
    }

    /// Its command has been executed, now or earlier.
    fn runs(&mut self, index: usize, what: What) {
        self.happened(index, what);
        let (now, ours) = (self.now(), what == What::Running);
        self.set(index, Phase::Running { life: Life::since(now), next: now, ours });
        let ready = self.containers.get(index).map(|container| &container.startup.ready);
        if ours && ready == Some(&Ready::Exec) {
            self.ready(index);
        }
    }

    /// Until there is something to do.
    fn wait(&self) -> Result<()> {
        let now = self.now();
        let mut sleep = self.sequence.held(now).unwrap_or(SLEEP).min(SLEEP);
        let mut fds: Vec<BorrowedFd<'_>> = Vec::new();
        for phase in &self.phases {
            match phase {
                Phase::Idle => {}
                Phase::Starting(launch, _) => fds.push(launch.news()),
                Phase::Running { next, .. } => sleep = sleep.min(next.saturating_sub(now)),
            }
        }
        poll::any_readable(&fds, Duration::from_millis(sleep)).map(drop)
    }

    fn look_at_all(&mut self) -> Result<()> {
        for index in 0..self.phases.len() {
            let now = self.now();
            match self.phases.get(index) {
                Some(Phase::Starting(launch, since)) => {
                    let late = now.saturating_sub(*since) > START_LIMIT;
                    let news = poll::readable(launch.news(), Some(Duration::ZERO));
                    match news {
                        Ok(false) if !late => {}
                        Ok(true) => self.finish(index),
                        _ => self.abandon(index),
                    }
                }
                Some(Phase::Running { life, next, ours }) if now >= *next => {
                    let (life, ours) = (*life, *ours);
                    self.look_at(index, life, ours)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn finish(&mut self, index: usize) {
        let Phase::Starting(launch, _) = self.set(index, Phase::Idle) else { return };
        match launch.finish() {
            Ok(()) => self.runs(index, What::Running),
            // Somebody else is starting it this moment: not what a cgroup that is in use comes from.
            Err(error) if error.kind == Kind::Taken && error.errno == 0 => {
                let now = self.now();
                self.set(index, Phase::Running { life: Life::since(now), next: now + OFTEN, ours: false });
            }
            Err(error) => self.fail(index, error),
        }
    }

    fn abandon(&mut self, index: usize) {
        let Phase::Starting(launch, _) = self.set(index, Phase::Idle) else { return };
        let Some(container) = self.containers.get(index) else { return };
        let error = Error::new(Kind::Timeout, format!("its start took longer than {START_LIMIT} ms"))
            .tried(format!("container \"{}\"", container.name));
        let error = launch.abandon().err().unwrap_or(error);
        self.fail(index, error);
    }

    /// `ours` if it was started here. An error ends it all.
    fn look_at(&mut self, index: usize, mut life: Life, ours: bool) -> Result<()> {
        let Some(&container) = self.containers.get(index) else { return Ok(()) };
        let now = self.now();
        // From its start, where that was here.
        let begin = self.started.when(index, What::Start).unwrap_or(life.since);
        match ready::look(container, &mut life, now, ours) {
            Ok(Look::Lost(error)) => {
                return Err(error.tried(format!("come back from container \"{}\"", container.name)));
            }
            Ok(Look::Ready) => self.ready(index),
            Ok(Look::Gone) if ours => {
                let how = state::noted_end(&container.name).unwrap_or_else(|| "ended (exit code 0)".into());
                let error = Error::host(format!("it has {how} before it was ready"));
                self.fail(
                    index,
                    error.tried(format!("container \"{}\"", container.name)).at(&container.origin),
                );
            }
            Ok(_) if now.saturating_sub(begin) >= u64::from(container.startup.ready_timeout) => {
                self.fail(index, ready::late(container));
            }
            // It was about to end when it was found.
            Ok(Look::Gone) => self.launch(index),
            Ok(Look::NotYet) => {
                let ran = now.saturating_sub(life.since);
                let pause = (ran / 10).clamp(OFTEN, SELDOM);
                let pause = match container.startup.ready {
                    Ready::Delay(time) if ours => u64::from(time).saturating_sub(ran).clamp(1, SELDOM),
                    _ => pause,
                };
                self.set(index, Phase::Running { life, next: now + pause, ours });
            }
            Err(error) => self.fail(index, error),
        }
        Ok(())
    }
}

/// Stops containers, each after those of `profile` that depend on it. What does not stop within `timeout`, all of them
/// together, is killed. `note` is told what an operator should know of one; the errors come as they happen.
pub fn stop(
    names: &[ContainerName],
    profile: &[Container],
    timeout: Duration,
    note: &mut dyn FnMut(&ContainerName, &str),
) -> Result<Vec<Error>> {
    let begun = Instant::now();
    let now = || begun.elapsed().as_millis() as u64;
    let end = timeout.as_millis() as u64;
    let mut sequence = Sequence::stopping(names, profile);
    // Which, its monitor, and when nobody waits for it any longer: one that hangs takes no time from those after it.
    let mut waiting: Vec<(usize, OwnedFd, u64)> = Vec::new();
    let mut errors: Vec<Error> = Vec::new();
    loop {
        while let Some(Act::Begin(index)) = sequence.next(now()) {
            let Some(name) = names.get(index) else { continue };
            let timeout_ms = end.saturating_sub(now()).min(u64::from(NEVER - 1)) as u32;
            match client::say(name, &Request::Stop { timeout_ms, signal: 0 }, Some(client::PROMPT)) {
                Ok(monitor) => waiting.push((index, monitor, end.max(now()) + CLEARING_UP)),
                Err(error) => {
                    match error.kind {
                        Kind::NotRunning => errors.extend(stale::clear_recorded(name).err()),
                        _ => errors.push(error),
                    }
                    sequence.settle(index, true);
                }
            }
        }
        if sequence.is_over() {
            break;
        }
        let left = waiting.iter().map(|(.., late)| late.saturating_sub(now())).min().unwrap_or(SLEEP);
        let fds: Vec<BorrowedFd<'_>> = waiting.iter().map(|(_, monitor, _)| monitor.as_fd()).collect();
        let news = poll::any_readable(&fds, Duration::from_millis(left.min(SLEEP)))?;
        let mut still = Vec::new();
        for (place, (index, monitor, late)) in waiting.into_iter().enumerate() {
            let Some(name) = names.get(index) else { continue };
            let answer = match news.contains(&place) {
                true => client::hear(name, &monitor).map(|answer| {
                    if let Reply::Ended { note: text, .. } = answer.reply() {
                        note(name, text);
                    }
                }),
                false if now() < late => {
                    still.push((index, monitor, late));
                    continue;
                }
                false => Err(client::late(name, Some(Duration::from_millis(late)))),
            };
            if let Err(error) = answer
                && error.kind != Kind::NotRunning
            {
                errors.push(error);
            }
            sequence.settle(index, true);
        }
        waiting = still;
    }
    Ok(errors)
}
