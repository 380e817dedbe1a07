//! What a monitor that was killed left behind: its record, cgroups, and at times the container itself.

use super::RUN_DIR;
use super::freezer::Freezer;
use super::state::{self, Claim, Record, UNIFIED};
use crate::apply::Undo;
use crate::error::{Error, Kind, Result};
use crate::profile::value::ContainerName;
use crate::sys::{cgroup, process};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// How long a killed container is waited for: the kernel ends all its processes, some of which may be in a driver.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Clears up after the monitor of this container, if it was killed. True when the container itself still ran, and was ended.
pub fn clear(name: &ContainerName) -> Result<bool> {
    let mut claim = match Claim::take(name) {
        // It has a monitor.
        Err(error) if error.kind == Kind::Taken => return Ok(false),
        other => other?,
    };
    let ran = claim.stale.take().is_some_and(|stale| clean_up_after(&stale));
    claim.release();
    Ok(ran)
}

/// The same for one that has just been found not to run: its monitor had a record, or has never been. A start that is under
/// way is let alone, and so is the note of an end.
pub fn clear_recorded(name: &ContainerName) -> Result<bool> {
    if Record::read(name).monitor == 0 { Ok(false) } else { clear(name) }
}

/// The same for all of them.
pub fn clear_all() -> Vec<Error> {
    state::names().iter().filter_map(|name| clear(name).err()).collect()
}

/// A monitor that was killed took its container along (the kernel sees to that, in most cases), but not its cgroups. True when
/// the container still ran.
pub(super) fn clean_up_after(stale: &Record) -> bool {
    log::warn!(
        "a monitor (process {}) was killed and left its record in {RUN_DIR}: cleaning up",
        stale.monitor
    );
    let ran = end_what_outlived(stale);
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

/// Whether pid 1 of the container that was recorded still runs.
fn outlives(record: &Record) -> bool {
    record.started != 0 && process::started(record.init) == Some(record.started)
}

/// The pid of a container's pid 1 that has outlived its monitor; of one that has been found to have none. A start and an end
/// that are under way are none of these.
pub fn survivor(name: &ContainerName) -> Option<i32> {
    let record = Record::read(name);
    (record.monitor != 0 && process::started(record.monitor).is_none() && outlives(&record))
        .then_some(record.init)
}

/// The kernel ends a container with its monitor, unless its pid 1 has changed its user or executed a privileged file, which
/// clears PR_SET_PDEATHSIG (prctl(2)). True when that was so, and it is ended now.
fn end_what_outlived(stale: &Record) -> bool {
    let lives = || outlives(stale);
    if !lives() {
        return false;
    }
    log::warn!("its container (pid 1 is process {}) has outlived it: ending that, too", stale.init);
    let begun = Instant::now();
    if let Err(error) = process::kill(Pid::from_raw(stale.init), libc::SIGKILL) {
        log::warn!("{error}");
    }
    let freezer = Freezer::find(&stale.cgroups);
    while lives() {
        // After the signal: it must not run on between the two. Again and again: its end waits for all others of its namespace.
        if let Some(freezer) = &freezer {
            let _ = freezer.thaw();
            freezer.thaw_below();
        }
        if begun.elapsed() >= PATIENCE {
            log::warn!("process {} does not end by SIGKILL: it hangs in the kernel", stale.init);
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
