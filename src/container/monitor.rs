//! The monitor of a running container: one thread, epoll and a signalfd. It allocates nothing but the text of errors.
//!
//! What needs a message's buffer is never inlined: the loop's own frame stays resident for as long as the container runs.

use super::clients::{CONTROL, Clients, Room, Waiting};
use super::console::Console;
use super::control::{Reply, State};
use super::freezer::{Freezer, Frozen};
use super::memory;
use super::restart::{Tally, wants_an_end};
use super::state::Record;
use crate::error::Result;
use crate::plan::devices::Policy;
use crate::profile::container::{CgroupRule, Container};
use crate::sys::events::Events;
use crate::sys::process;
use crate::sys::pty::Pty;
use crate::sys::signal::{self, Signals};
use nix::unistd::Pid;
use std::fmt::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

mod defaults;
mod drift;
mod reading;
mod requests;
mod settings;

/// How often a group that does not stand still yet is looked at.
const FREEZE_POLL: Duration = Duration::from_millis(5);

/// When what was killed is thawed for the second time; the pauses double up to `LAST`.
const AGAIN: Duration = Duration::from_millis(20);
/// No pause is as long as this: then it is something else that it does not end for.
const LAST: Duration = Duration::from_secs(60);

const SIGNALS: u64 = 0;
const MASTER: u64 = 2;
const STDIN: u64 = 3;

/// A sentence for the operator.
pub type Note = heapless::String<160>;

/// See the module.
pub struct Monitor<'a> {
    container: &'a Container,
    init: Pid,
    user: Pid,
    state: State,
    record: Record,
    freezer: Option<Freezer>,
    /// The device rules, once they were changed; before, they are the container's own.
    devices: Option<Policy>,
    /// What the last `Apply` did.
    last: settings::Done,
    /// The latest `Apply` was done: one that was refused has nothing to take back.
    applied: bool,
    /// The rules of the last `Apply`.
    rules: Option<Vec<CgroupRule>>,
    signals: &'a mut Signals,
    clients: &'a mut Clients,
    tally: Tally,
    console: Option<Console>,
    /// Held open: a tty without a master hangs up.
    _ttys: Vec<Pty>,
    events: Events,
    /// When to kill what does not stop.
    deadline: Option<Instant>,
    /// It was killed: when to thaw all of it once more, and how long to wait after that.
    again: Option<(Instant, Duration)>,
    /// Somebody wants it to end.
    asked: bool,
    note: Note,
}

/// A container that has ended.
pub struct Ended {
    /// Its wait(2) status.
    pub status: i32,
    /// Why it ended, where that is not plain from the status; empty in most cases.
    pub note: Note,
    /// Somebody wanted it to.
    pub asked: bool,
    /// The cgroup rules it has by now, where they were changed as a whole.
    pub rules: Option<Vec<CgroupRule>>,
}

impl<'a> Monitor<'a> {
    /// For the container whose pid 1 is `init` and whose first user process is `user`.
    #[allow(clippy::too_many_arguments)] // each is handed over once, by the launch
    pub fn new(
        container: &'a Container,
        init: Pid,
        user: Pid,
        record: Record,
        signals: &'a mut Signals,
        clients: &'a mut Clients,
        tally: Tally,
        console: Option<Console>,
        ttys: Vec<Pty>,
    ) -> Result<Self> {
        let events = Events::new()?;
        events.add(signals.as_fd(), SIGNALS)?;
        clients.watch(&events)?;
        if let Some(console) = &console {
            console.watch(&events, MASTER, STDIN)?;
        }
        let freezer = Freezer::find(&record.cgroups);
        Ok(Self {
            container,
            init,
            user,
            state: State::Running,
            record,
            freezer,
            devices: None,
            last: settings::Done::default(),
            applied: false,
            rules: None,
            signals,
            clients,
            tally,
            console,
            _ttys: ttys,
            events,
            deadline: None,
            again: None,
            asked: false,
            note: Note::new(),
        })
    }

    /// Until the container has ended.
    pub fn run(mut self) -> Result<Ended> {
        crate::sys::memory::give_back();
        // Those who have waited for this since an earlier life.
        if self.tally.restarts > 0 {
            self.changed(State::Running);
        }
        // It may have ended before its signal was listened to by this loop: look first.
        let mut child_changed = true;
        loop {
            if child_changed && let Some(status) = process::wait(self.init, false)? {
                if let Some(console) = &mut self.console {
                    console.drain();
                }
                if process::ending_signal(status) == Some(libc::SIGKILL) && self.note.is_empty() {
                    self.say_if_out_of_memory();
                }
                let Self { note, asked, rules, .. } = self;
                return Ok(Ended { status, note, asked, rules });
            }
            child_changed = false;
            for token in self.events.wait(self.timeout())? {
                match token {
                    SIGNALS => {
                        while let Some(number) = self.signals.take() {
                            child_changed |= number == libc::SIGCHLD;
                            self.signalled(number);
                        }
                    }
                    CONTROL => self.clients.accept(&self.events),
                    MASTER => {
                        if let Some(console) = &mut self.console {
                            console.output(&self.events);
                        }
                    }
                    STDIN => {
                        if let Some(console) = &mut self.console {
                            console.input(&self.events);
                        }
                    }
                    client => self.heard_from(client),
                }
            }
            self.time_has_passed();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let next = [self.deadline, self.again.map(|(again, _)| again)].into_iter().flatten().min();
        let deadline = next.map(|next| next.saturating_duration_since(Instant::now()));
        let freezing = self.clients.anybody(Waiting::Frozen).then_some(FREEZE_POLL);
        let console = self.console.as_ref().and_then(Console::timeout);
        [deadline, freezing, console].into_iter().flatten().min()
    }

    fn time_has_passed(&mut self) {
        if let Some(console) = &mut self.console
            && console.timeout().is_some()
        {
            console.retry(&self.events, MASTER);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.deadline = None;
            self.say("it did not stop in time and was killed");
            self.kill_all();
        }
        if let Some((again, pause)) = self.again
            && Instant::now() >= again
        {
            self.thaw_to_end(pause * 2);
        }
        if self.clients.anybody(Waiting::Frozen) {
            match self.freezer.as_ref().map(Freezer::state) {
                Some(Frozen::Frozen) => self.changed(State::Frozen),
                // Asked again: tasks that were forked meanwhile were missed.
                _ => drop(self.freezer.as_ref().map(Freezer::freeze)),
            }
        }
    }

    /// A signal of the monitor's own: what is meant for the container goes there.
    fn signalled(&mut self, number: i32) {
        self.asked |= wants_an_end(number);
        match number {
            libc::SIGCHLD | libc::SIGCONT => {}
            libc::SIGWINCH => {
                if let Some(console) = &self.console {
                    console.resize();
                }
            }
            // A pid 1 without a handler never sees it; whoever sent this wants an end.
            libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT
                if !self.would_see(self.target(), number) =>
            {
                self.say_not_caught(number);
                self.kill_all();
            }
            number => {
                let _ = process::kill(self.target(), number);
                // What stands still never hears it.
                if wants_an_end(number) {
                    self.thaw();
                }
            }
        }
    }

    /// Who gets a signal: the command; once it has ended, and only processes that it left run on, boardbox's own init, for
    /// the command's pid may be anybody's by then.
    #[inline(never)] // its buffer
    fn target(&self) -> Pid {
        let is_ours =
            self.user == self.init || signal::parent(self.user.as_raw()) == Some(self.init.as_raw());
        if is_ours { self.user } else { self.init }
    }

    /// Whether a signal from outside does anything to `pid`: a pid namespace's pid 1 gets only what it handles.
    fn would_see(&self, pid: Pid, number: i32) -> bool {
        number == libc::SIGKILL
            || number == libc::SIGSTOP
            || pid != self.init
            || signal::is_caught(pid.as_raw(), number).unwrap_or(true)
    }

    fn say(&mut self, note: &str) {
        self.note.clear();
        let _ = self.note.push_str(note);
    }

    fn say_not_caught(&mut self, number: i32) {
        self.note.clear();
        let signal = crate::profile::value::Signal(number);
        // Cut where it does not fit: it is for reading.
        let _ =
            write!(self.note, "pid 1 of the container has no handler for {signal}, so it was killed at once");
    }

    /// An end by SIGKILL that nobody asked for: the kernel counts those it caused.
    #[inline(never)]
    fn say_if_out_of_memory(&mut self) {
        let killed = memory::killed(&self.record.cgroups);
        if killed > 0 {
            self.note.clear();
            let processes = if killed == 1 { "process" } else { "processes" };
            let _ = write!(
                self.note,
                "it ran out of memory: the kernel killed {killed} {processes} at its memory limit"
            );
        }
    }

    /// Ends pid 1, and with it all others of its namespace; a frozen one has to be thawed for that.
    fn kill_all(&mut self) {
        let _ = process::kill(self.init, libc::SIGKILL);
        self.thaw_to_end(AGAIN);
    }

    /// Thaws what was killed, with what it has frozen itself, and does so again, ever more rarely, until it has ended:
    /// what still ran may have frozen more meanwhile.
    fn thaw_to_end(&mut self, pause: Duration) {
        self.thaw();
        if let Some(freezer) = self.freezer.as_ref().filter(|freezer| freezer.holds_killed()) {
            freezer.thaw_below();
            self.again = (pause < LAST).then(|| (Instant::now() + pause, pause));
        }
    }

    fn thaw(&mut self) {
        self.clients.not_frozen();
        if let Some(freezer) = &self.freezer
            && freezer.state() != Frozen::Thawed
        {
            if let Err(error) = freezer.thaw() {
                log::warn!("{error}");
            }
            if self.state == State::Frozen {
                self.state = State::Running;
            }
        }
    }

    /// What it is doing, by the kernel's word: somebody may have written to freezer.state.
    fn state_now(&self) -> State {
        match (self.state, self.freezer.as_ref().map(Freezer::state)) {
            (State::Running | State::Frozen, Some(Frozen::Frozen)) => State::Frozen,
            (State::Running | State::Frozen, Some(Frozen::Freezing)) => State::Freezing,
            (State::Frozen, _) => State::Running,
            (state, _) => state,
        }
    }

    /// Enters a state and tells those who wait for it.
    #[inline(never)]
    fn changed(&mut self, state: State) {
        self.state = state;
        let info = self.info();
        self.clients.entered(state, info);
    }

    fn info(&self) -> Reply<'static> {
        Reply::Info {
            state: self.state_now(),
            init: self.init.as_raw(),
            user: self.target().as_raw(),
            monitor: self.record.monitor,
            restarts: self.tally.restarts,
            last: self.tally.last,
        }
    }

    #[inline(never)]
    fn heard_from(&mut self, token: u64) {
        let mut room: Room = [0; _];
        if let Some((client, request)) = self.clients.hear(token, &mut room)
            && let Some(waiting) = self.answer(client, request)
        {
            self.clients.waits(client, waiting);
        }
    }

    fn reply(&mut self, client: usize, reply: Reply<'_>) {
        self.clients.reply(client, reply);
    }
}
