//! What the monitor does when it is asked.

use super::{Monitor, Note, Waiting};
use crate::apply;
use crate::container::control::{Reply, Request, State};
use crate::container::freezer::Frozen;
use crate::error::Error;
use crate::sys::{process, stream};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// The longest path of a cgroup file in bytes.
type Path = heapless::String<512>;

impl Monitor<'_> {
    /// Answers a request; `Some` when the answer comes later.
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
            Request::CgroupSet { file, value } => {
                let done = self.dir_of(file).and_then(|dir| apply::write_cgroup(dir, file, value));
                self.done(client, done);
                None
            }
        }
    }

    fn done(&mut self, client: usize, done: crate::error::Result<()>) {
        match done {
            Ok(()) => self.reply(client, Reply::Done),
            Err(error) => {
                let text = error.to_string();
                self.reply(client, Reply::Failed { errno: error.errno, text: &text });
            }
        }
    }

    fn kill(&mut self, client: usize, signal: i32) -> Option<Waiting> {
        let seen = self.would_see(self.user, signal);
        let done = process::kill(self.user, signal);
        // After the signal: a frozen container must not run on between the two.
        self.thaw();
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
        let signal = if signal == 0 { self.container.stop_signal.0 } else { signal };
        if timeout_ms == 0 {
            self.changed(State::Stopping);
            self.kill_all();
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

    /// The container's cgroup that has this file: what stands before the first dot is the controller.
    fn dir_of(&self, file: &str) -> crate::error::Result<&str> {
        let controller = file.split('.').next().unwrap_or_default();
        if file.contains('/') {
            return Err(Error::usage(format!("\"{}\" is no file of a cgroup", file.escape_default())));
        }
        let found = self
            .record
            .cgroups
            .iter()
            .find(|(controllers, _)| controllers.iter().any(|name| name == controller));
        found.map(|(_, dir)| dir.as_str()).ok_or_else(|| {
            Error::host(format!("the container is in no cgroup of a controller \"{}\"", controller.escape_default()))
                .tried(file.escape_default().to_string())
                .hint("files are named CONTROLLER.SETTING, as in cpuset.cpus; see `boardbox status` for what is mounted")
        })
    }

    fn cgroup_get(&mut self, client: usize, file: &str) {
        let mut buffer = [0; crate::container::control::MAX_MESSAGE];
        let mut path = Path::new();
        let read = self.dir_of(file).and_then(|dir| {
            write!(path, "{dir}/{file}").map_err(|_| Error::host(format!("the path of {file} is too long")))
        });
        match read {
            Err(error) => self.done(client, Err(error)),
            Ok(()) => match stream::read_file(&path, &mut buffer) {
                Some(text) => self.reply(client, Reply::Value { text }),
                None => {
                    // Once more, for the reason.
                    let error = match std::fs::read(path.as_str()) {
                        Err(error) => Error::io(format!("read {path}"), &error),
                        Ok(_) => Error::host(format!("{path} does not fit into a message of 4096 bytes")),
                    };
                    self.done(client, Err(error));
                }
            },
        }
    }
}

fn no_freezer() -> Error {
    Error::host("the container is in no freezer cgroup")
        .hint("mount that hierarchy (boardbox up) before the container is started")
}
