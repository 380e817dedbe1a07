//! What the monitor does when it is asked.

use super::{AGAIN, Monitor, Note};
use crate::container::clients::Waiting;
use crate::container::control::{NEVER, Reply, Request, State};
use crate::container::fields::fields;
use crate::container::freezer::Frozen;
use crate::error::{Error, Result};
use crate::sys::process;
use std::fmt::Write;
use std::time::{Duration, Instant};

impl Monitor<'_> {
    /// Answers a request; `Some` when the answer comes later.
    #[inline(never)]
    pub(super) fn answer(&mut self, client: usize, request: Request<'_>) -> Option<Waiting> {
        match request {
            Request::Info => {
                let info = self.info();
                self.reply(client, info);
                None
            }
            Request::Wait { states } if self.state_now().bit() & states != 0 => {
                let info = self.info();
                self.reply(client, info);
                None
            }
            Request::Wait { states } => Some(Waiting::States(states)),
            Request::Kill { signal } => self.kill(client, signal),
            Request::Stop { timeout_ms, signal } => self.stop(timeout_ms, signal),
            Request::Freeze => self.freeze(client),
            Request::Unfreeze => {
                self.clients.not_frozen();
                let done = match &self.freezer {
                    Some(freezer) => freezer.thaw(),
                    None => Err(no_freezer()),
                };
                if self.state == State::Frozen && done.is_ok() {
                    self.changed(State::Running);
                }
                self.done(client, done);
                None
            }
            Request::CgroupGet { file } => {
                self.cgroup_get(client, file);
                None
            }
            Request::CgroupSet { settings } => {
                let done = self.cgroup_set(settings);
                self.done(client, done);
                None
            }
            Request::Apply { settings } => {
                let text = self.apply(settings);
                self.applied = text.is_ok();
                self.tell(client, text)
            }
            Request::Compare { settings } => {
                let text = self.compare(settings);
                self.tell(client, text)
            }
            Request::Revert => {
                let done = if std::mem::take(&mut self.applied) { self.revert() } else { Ok(()) };
                self.done(client, done);
                None
            }
            Request::Fields => {
                let text = fields(self.container);
                self.reply(client, Reply::Value { text: &text });
                None
            }
        }
    }

    #[inline(never)]
    fn tell(&mut self, client: usize, text: Result<String>) -> Option<Waiting> {
        match text {
            Ok(text) => self.reply(client, Reply::Value { text: &text }),
            Err(error) => self.done(client, Err(error)),
        }
        // Comparing goes deep, and may be asked for once in a month.
        crate::sys::memory::give_back();
        None
    }

    #[inline(never)]
    pub(super) fn done(&mut self, client: usize, done: Result<()>) {
        match done {
            Ok(()) => self.reply(client, Reply::Done),
            Err(error) => {
                let text = error.to_string();
                self.reply(client, Reply::Failed { errno: error.errno, text: &text });
            }
        }
    }

    #[inline(never)]
    fn kill(&mut self, client: usize, signal: i32) -> Option<Waiting> {
        let target = self.target();
        let seen = self.would_see(target, signal);
        let done = process::kill(target, signal);
        // After the signal: a frozen container must not run on between the two.
        if signal == libc::SIGKILL {
            self.thaw_to_end(AGAIN);
        } else {
            self.thaw();
        }
        match done {
            Ok(()) if !seen => {
                let mut note = Note::new();
                let signal = crate::profile::value::Signal(signal);
                let _ = write!(
                    note,
                    "pid 1 of the container has no handler for {signal}, so the kernel drops it; SIGKILL always works"
                );
                self.reply(client, Reply::DoneBut { note: &note });
            }
            done => self.done(client, done),
        }
        None
    }

    fn stop(&mut self, timeout_ms: u32, signal: i32) -> Option<Waiting> {
        self.asked = true;
        let signal = if signal == 0 { self.container.stop_signal.0 } else { signal };
        if timeout_ms == 0 {
            self.changed(State::Stopping);
            self.kill_all();
        } else if timeout_ms == NEVER {
            // It may run on, for ever: it is not said to be stopping.
            let _ = process::kill(self.init, signal);
            self.thaw();
        } else if self.would_see(self.init, signal) {
            let _ = process::kill(self.init, signal);
            self.thaw();
            self.changed(State::Stopping);
            let deadline = Instant::now().checked_add(Duration::from_millis(timeout_ms.into()));
            // The earlier of two who want an end gets it.
            self.deadline = [self.deadline, deadline].into_iter().flatten().min();
        } else {
            self.changed(State::Stopping);
            self.say_not_caught(signal);
            self.kill_all();
        }
        Some(Waiting::Stop)
    }

    fn freeze(&mut self, client: usize) -> Option<Waiting> {
        let Some(freezer) = &self.freezer else {
            self.done(client, Err(no_freezer()));
            return None;
        };
        // It would not hear its stop signal.
        if self.state == State::Stopping {
            self.done(client, Err(Error::host("the container is being stopped")));
            return None;
        }
        if let Err(error) = freezer.freeze() {
            self.done(client, Err(error));
            return None;
        }
        if freezer.state() == Frozen::Frozen {
            self.changed(State::Frozen);
            self.reply(client, Reply::Done);
            return None;
        }
        Some(Waiting::Frozen)
    }
}

fn no_freezer() -> Error {
    Error::host("the container is in no freezer cgroup")
        .hint("mount that hierarchy (boardbox up) before the container is started")
}
