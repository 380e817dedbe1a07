//! What the monitor does when it is asked.

use super::{Monitor, Note, Waiting};
use crate::apply;
use crate::container::control::{Reply, Request, State};
use crate::container::freezer::Frozen;
use crate::container::state::UNIFIED;
use crate::error::{Error, Origin};
use crate::plan::cgroups::device_rule;
use crate::plan::cgroups::spelling::{Speller, counterpart, family, unified_name};
use crate::plan::devices;
use crate::plan::host::Version;
use crate::profile::container::CgroupRule;
use crate::sys::{process, stream};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// The longest path of a cgroup file in bytes.
type Path = heapless::String<512>;

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
                let done = self.cgroup_set(file, value);
                self.done(client, done);
                None
            }
        }
    }

    #[inline(never)]
    fn done(&mut self, client: usize, done: crate::error::Result<()>) {
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

    /// The container's cgroup that has this file; true where that is v2's.
    fn dir_of(&self, file: &str) -> crate::error::Result<(&str, bool)> {
        if file.contains('/') {
            return Err(Error::usage(format!("\"{}\" is no file of a cgroup", file.escape_default())));
        }
        let family = family(file);
        let has = |name: &str| {
            let with = |controllers: &[String]| controllers.iter().any(|other| other == name);
            self.record.cgroups.iter().find(|(controllers, _)| with(controllers)).map(|(_, dir)| dir.as_str())
        };
        let core = matches!(family, "freezer" | "devices" | "cgroup");
        match (has(family), has(UNIFIED), has(unified_name(family)).is_some() || core) {
            (Some(dir), unified, _) => Ok((dir, unified == Some(dir))),
            (None, Some(dir), true) => Ok((dir, true)),
            _ => Err(Error::host(format!(
                "the container is in no cgroup of a controller \"{}\"",
                family.escape_default()
            ))
            .tried(file.escape_default().to_string())
            .hint("files are named CONTROLLER.SETTING, as in cpuset.cpus; see `boardbox status` for what is mounted")),
        }
    }

    /// Writes a setting in the words of the hierarchy that has it, whichever the caller uses.
    #[inline(never)]
    fn cgroup_set(&mut self, file: &str, value: &str) -> crate::error::Result<()> {
        let (dir, unified) = self.dir_of(file)?;
        if unified && family(file) == "devices" {
            let dir = dir.to_string();
            let rule = rule(file, value, false);
            return self.change_devices(&dir, &rule);
        }
        let version = if unified { Version::V2 } else { Version::V1 };
        let native = std::fs::metadata(format!("{dir}/{file}")).is_ok();
        let written = match Speller::default().spell(&rule(file, value, native == unified), version) {
            Ok(written) => written,
            // Neither a file that is there nor one that is known by another name: the kernel's word is the better one.
            Err(_) if native => return apply::write_cgroup(dir, file, value),
            Err(error) => return Err(error.tried(format!("{file} on cgroup {version}"))),
        };
        written.iter().try_for_each(|one| apply::write_cgroup(dir, &one.file, &one.value))
    }

    /// v1's devices.allow and devices.deny on a v2 host: the rules so far, this one, and a new program in place of the old.
    fn change_devices(&mut self, dir: &str, rule: &CgroupRule) -> crate::error::Result<()> {
        let (verb, rule) = device_rule(rule)?;
        let mut policy = self.policy()?;
        let before = policy.clone();
        let done = policy
            .change(&devices::Policy::default(), false, verb, &rule)
            .and_then(|()| apply::devices::set(dir, &policy));
        self.devices = Some(if done.is_ok() { policy } else { before });
        done
    }

    /// The device rules in force on v2, where the kernel cannot give them back.
    fn policy(&self) -> crate::error::Result<devices::Policy> {
        if let Some(policy) = &self.devices {
            return Ok(policy.clone());
        }
        let rules = self.container.cgroup.iter().filter(|rule| family(&rule.file) == "devices");
        Ok(devices::evaluate(&rules.map(device_rule).collect::<crate::error::Result<Vec<_>>>()?))
    }

    #[inline(never)]
    fn cgroup_get(&mut self, client: usize, file: &str) {
        let mut buffer = [0; crate::container::control::MAX_MESSAGE];
        let mut path = Path::new();
        let found = self.dir_of(file).and_then(|(dir, unified)| {
            write!(path, "{dir}/{file}")
                .map_err(|_| Error::host(format!("the path of {file} is too long")))?;
            Ok((dir.to_string(), unified))
        });
        let (dir, unified) = match found {
            Ok(found) => found,
            Err(error) => return self.done(client, Err(error)),
        };
        if let Some(text) = stream::read_file(&path, &mut buffer) {
            return self.reply(client, Reply::Value { text });
        }
        if unified && file == "devices.list" {
            return match self.policy() {
                Ok(policy) => self.reply(client, Reply::Value { text: &policy.to_string() }),
                Err(error) => self.done(client, Err(error)),
            };
        }
        match read_translated(&dir, unified, file) {
            Some(text) => self.reply(client, Reply::Value { text: &text }),
            None => {
                // Once more, for the reason.
                let error = match std::fs::read(path.as_str()) {
                    Err(error) => Error::io(format!("read {path}"), &error),
                    Ok(_) => Error::host(format!("{path} does not fit into a message of 4096 bytes")),
                };
                self.done(client, Err(error));
            }
        }
    }
}

fn rule(file: &str, value: &str, unified: bool) -> CgroupRule {
    CgroupRule { file: file.into(), value: value.into(), unified, origin: Origin::default() }
}

/// A setting read by the name it has in the other layout, in that layout's words.
fn read_translated(dir: &str, unified: bool, file: &str) -> Option<String> {
    let there = counterpart(file)?;
    let value = crate::sys::cgroup::read(dir, there).ok()?;
    let (version, rule) = if unified {
        (Version::V1, rule(there, &value, true))
    } else {
        (Version::V2, rule(there, &value, false))
    };
    let written = Speller::default().spell(&rule, version).ok().unwrap_or_default();
    let value = written.into_iter().find(|one| one.file == file).map_or(value, |one| one.value);
    Some(format!("{value}\n"))
}

fn no_freezer() -> Error {
    Error::host("the container is in no freezer cgroup")
        .hint("mount that hierarchy (boardbox up) before the container is started")
}
