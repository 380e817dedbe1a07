//! A container's lives: its name is taken for all of them, and one follows another after a reboot or by `restart`.

use super::clients::Clients;
use super::launch::Options;
use super::life::Life;
use super::monitor::{Ended, Note};
use super::restart::{self, Next, Tally};
use super::stale;
use super::state::{self, Claim, Record};
use crate::error::{Error, Result};
use crate::profile::container::Container;
use crate::sys::kmsg;
use crate::sys::process;
use crate::sys::signal::Signals;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// One life after another, until there is none to follow.
pub(super) fn live(container: &Container, options: &Options, launcher: &mut Option<OwnedFd>) -> Result<i32> {
    // A monitor in the background outlives whoever started it, and with that the lock they hold (`flock /run/x boardbox up`).
    process::let_go_of_inherited(options.detach);
    options.log.map_or(Ok(()), |log| log(container))?;
    let mut claim = Claim::take(&container.name)?;
    if let Some(stale) = claim.stale.take() {
        stale::clean_up_after(&stale);
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
    // Where it failed before it was written there may be another one's.
    let ours = |path: &&String| {
        std::fs::read_to_string(path).is_ok_and(|text| text.trim() == std::process::id().to_string())
    };
    if let Some(path) = options.pidfile.as_ref().filter(ours) {
        let _ = std::fs::remove_file(path);
    }
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
        if restart::powered_off(ended.status) {
            ended.note = Note::try_from("it has powered itself off").unwrap_or_default();
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
