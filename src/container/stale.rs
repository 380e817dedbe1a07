//! What a monitor that was killed left behind: its record, cgroups, and at times the container itself.

use super::freezer::Freezer;
use super::launch::clean_up_after;
use super::state::{self, Claim, Record};
use crate::error::{Error, Kind, Result};
use crate::profile::value::ContainerName;
use crate::sys::process;
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// How long a killed container is waited for: the kernel ends all its processes, some of which may be in a driver.
const PATIENCE: Duration = Duration::from_secs(5);

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

/// The kernel ends a container with its monitor, unless its pid 1 has changed its user or executed a privileged file, which
/// clears PR_SET_PDEATHSIG (prctl(2)). True when that was so, and it is ended now.
pub(super) fn end_what_outlived(stale: &Record) -> bool {
    let lives = || stale.started != 0 && process::started(stale.init) == Some(stale.started);
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
