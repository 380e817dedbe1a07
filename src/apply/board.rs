//! `up` and `down`: the board's hierarchies and bridges, made and taken back.

use super::record::Record;
use super::{host, perform, run};
use crate::error::{Error, Kind, Result};
use crate::plan::host::Controller;
use crate::plan::{self, Host, Planned, Step};
use crate::profile::Board;
use crate::profile::text::escaped;
use crate::sys::file;
use crate::sys::lock::{Lock, Mark};
use crate::sys::netlink::LinkWatch;
use nix::errno::Errno;
use std::time::{Duration, Instant};

/// Holds the path of the profile the board is up with, and its ports. No container can have this name.
const PROFILE: &str = "/run/boardbox/.profile";

/// Marked while the board is being taken down: an `up` that is under way starts nothing more.
const DOWN: &str = "/run/boardbox/.down";

/// How long another `up` or `down` is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How soon an `up` that waits for a port notices that the board is being taken down.
const STEP: Duration = Duration::from_millis(100);

/// Brings the host to where the profile wants it. `progress` is told each step before it is done: its number from 1, how
/// many there are, and the step. Returns the steps that were done; none if nothing was to do. A failure takes back what
/// this run made, and only that. `profile` is what to remember for the commands that follow: its path, and what its ports are
/// called here (`eth0=enp3s0`). A `down` that is under way is waited for.
pub fn up(
    board: &Board,
    profile: Option<(&str, &[String])>,
    progress: &mut dyn FnMut(usize, usize, &Step),
) -> Result<Vec<Planned>> {
    let done = prepared().and_then(|_lock| up_locked(board, profile, progress));
    run::release();
    done
}

/// Refuses a machine whose device tree says that it is another board than the profile's. One that has no device tree can not
/// be asked: that is told.
pub fn fits(board: &Board) -> Result<()> {
    if board.compatible.is_empty() {
        return Ok(());
    }
    match file::read(COMPATIBLE) {
        Ok(text) => fits_to(board, &text),
        Err(error) if error.is(Errno::ENOENT) => {
            log::warn!("whether this is the profile's board is not known: there is no {COMPATIBLE} here");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// What the machine says it is: texts, each ended by a NUL.
const COMPATIBLE: &str = "/proc/device-tree/compatible";

fn fits_to(board: &Board, text: &str) -> Result<()> {
    let mut names = text.split('\0').filter(|name| !name.is_empty());
    if names.clone().any(|name| board.compatible.iter().any(|other| other == name)) {
        return Ok(());
    }
    let first = escaped(names.next().unwrap_or("nothing"), 60);
    let list = board.compatible.join("\", \"");
    let error = Error::config(format!("the profile is for \"{list}\", this board is \"{first}\""))
        .tried("board.compatible")
        .hint("another profile, or --any-board to take this one all the same");
    Err(match board.places.get("compatible") {
        Some(place) => error.at(place),
        None => error,
    })
}

/// The directory of the record, locked, while nobody takes the board down.
fn prepared() -> Result<Lock> {
    let start = Instant::now();
    loop {
        // A down needs the lock at its end.
        while is_going_down() {
            if start.elapsed() >= PATIENCE {
                return Err(going_down().kind(Kind::Timeout));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        run::prepare()?;
        match lock() {
            // Another one's end took the directory away in between.
            Err(error) if error.is(Errno::ENOENT) => {}
            Ok(_) if is_going_down() || !run::is_in_memory(run::DIR) => {}
            other => return other,
        }
    }
}

fn up_locked(
    board: &Board,
    profile: Option<(&str, &[String])>,
    progress: &mut dyn FnMut(usize, usize, &Step),
) -> Result<Vec<Planned>> {
    let host = with_ports(board, settled(!board.bridges.is_empty() || !board.containers.is_empty())?)?;
    let steps = plan::board::up(board, &host)?;
    let mut record = Record::load()?;
    let before = record.len();
    let mut numbered = steps.iter().enumerate();
    let done = numbered.try_for_each(|(index, planned)| {
        progress(index + 1, steps.len(), &planned.step);
        perform(planned, &mut record)
    });
    // Under the lock: a down that has come and gone since has taken it away again. One that waits for the lock has stopped what
    // it knows of: nobody may start more by this profile.
    let remember = || profile.map_or(Ok(()), remember_profile);
    if let Err(error) = done.and_then(|()| may_start()).and_then(|()| remember()) {
        for left in record.take_back(before) {
            log::error!("{left}");
        }
        return Err(error);
    }
    Ok(steps)
}

/// The host, once controllers that were mounted together and have just been unmounted are let go: the kernel takes some
/// 30 ms for that, and until then they could only be mounted together again.
fn settled(links: bool) -> Result<Host> {
    for _ in 0..20 {
        let host = host::read(links)?;
        if !host.controllers.iter().any(|controller| together_unseen(controller, &host)) {
            return Ok(host);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    host::read(links)
}

/// The host, once the bridges' ports are there or their time is over: drivers come late at boot. Who misses one then is the
/// planner.
fn with_ports(board: &Board, mut host: Host) -> Result<Host> {
    let start = Instant::now();
    let mut watch: Option<LinkWatch> = None;
    loop {
        let late = board.bridges.iter().find_map(|bridge| {
            let left = Duration::from_millis(bridge.wait.into()).checked_sub(start.elapsed());
            let port = bridge.ports.iter().find(|port| host.link(port.as_str()).is_none());
            Some((bridge, port?, left.filter(|left| !left.is_zero())?))
        });
        match (late, &watch) {
            (None, _) => return Ok(host),
            // In steps: a down waits for the lock, and this one may have minutes.
            (Some((_, _, left)), Some(watch)) => watch.wait(left.min(STEP))?,
            (Some((bridge, port, _)), None) => {
                log::warn!("waiting {} ms at most for port {port} of bridge {}", bridge.wait, bridge.name);
                watch = Some(LinkWatch::open()?);
            }
        }
        may_start()?;
        host.links = super::bridge::links()?;
    }
}

fn together_unseen(controller: &Controller, host: &Host) -> bool {
    let together = |other: &&Controller| other.hierarchy == controller.hierarchy;
    controller.hierarchy != 0
        && host.hierarchy(&controller.name).is_none()
        && host.controllers.iter().filter(together).count() > 1
}

/// Tells an `up` that is under way that the board is being taken down, until what it returns is dropped or this process has
/// ended. Where nothing is up there is nobody to tell.
pub fn begin_down() -> Option<Mark> {
    Mark::set(DOWN).ok()
}

/// Whether another process takes the board down.
fn is_going_down() -> bool {
    Mark::is_set(DOWN)
}

fn going_down() -> Error {
    Error::host("the board is being taken down").hint("boardbox down runs this moment")
}

/// An error while the board is being taken down.
pub fn may_start() -> Result<()> {
    if is_going_down() { Err(going_down()) } else { Ok(()) }
}

/// That, and an error once the board that an `up` has left is down.
pub fn may_start_on_board() -> Result<()> {
    // In this order: a down takes the profile away before it says that it is over.
    may_start()?;
    match std::fs::metadata(PROFILE) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(Error::host("the board has been taken down meanwhile").hint("boardbox up brings it up"))
        }
    }
}

/// Takes back what `up` made, the last first, and nothing else. What can not be taken back stays in the record for the
/// next `down`; the errors say why. Ends what `begin_down` has begun.
pub fn down(mark: Option<Mark>) -> Result<Vec<Error>> {
    let lock = match lock() {
        // Nothing is up.
        Err(error) if error.is(Errno::ENOENT) => return Ok(Vec::new()),
        other => other?,
    };
    let errors = Record::load()?.take_back(0);
    if errors.is_empty() {
        let _ = std::fs::remove_file(PROFILE);
    }
    drop(mark);
    drop(lock);
    run::release();
    Ok(errors)
}

fn remember_profile((path, ports): (&str, &[String])) -> Result<()> {
    let failed = |error: std::io::Error| Error::io(format!("note profile {path}"), &error);
    let mut text = std::fs::canonicalize(path).map_err(failed)?.into_os_string().into_encoded_bytes();
    for port in ports {
        text.push(b'\n');
        text.extend_from_slice(port.as_bytes());
    }
    // By rename: a power cut leaves the whole text or none.
    let new = format!("{PROFILE}.new");
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, PROFILE)).map_err(failed)
}

/// The profile that `up` was given last, while the board is up, and its ports.
pub fn remembered_profile() -> Option<(String, Vec<String>)> {
    let text = std::fs::read_to_string(PROFILE).ok()?;
    let mut lines = text.lines().map(String::from);
    Some((lines.next()?, lines.collect()))
}

fn lock() -> Result<Lock> {
    Lock::take(run::DIR, PATIENCE).map_err(|error| match error.kind {
        Kind::Timeout => error.hint("another boardbox up or down takes long"),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_is_known_by_any_of_its_names() {
        let text = b"[board]\nname = 'b'\ncompatible = ['fsl,P4080DS', 'x,y']\n";
        let board = crate::profile::toml::parse(text, &"p".into()).unwrap();
        for good in ["fsl,P4080DS\0", "a,b\0x,y\0"] {
            fits_to(&board, good).unwrap();
        }
        // The places of values are kept for build machines only.
        let place = if cfg!(feature = "workbench") { "p:3:14: " } else { "" };
        for (bad, name) in [("fsl,P4080\0z\0", "fsl,P4080"), ("", "nothing")] {
            let error = fits_to(&board, bad).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "{place}board.compatible: the profile is for \"fsl,P4080DS\", \"x,y\", this board is \"{name}\" \
                     (another profile, or --any-board to take this one all the same)"
                )
            );
            assert_eq!(error.kind, Kind::Config);
        }
    }
}
