//! A container's cgroup in the unified hierarchy: controllers are passed down to it directory by directory, and taken back
//! where it was the last to need them.
//!
//! What was passed down at the top for boardbox's sake stands in an extended attribute of the `boardbox` directory: it goes
//! with that, and is known to whoever comes after a monitor that was killed.

use super::cgroup::{enter, making};
use super::undo::{Journal, Undo};
use crate::error::{Kind, Result};
use crate::plan::cgroups::PAYLOAD;
use crate::sys::cgroup;
use crate::sys::lock::Lock;
use nix::errno::Errno;
use std::time::Duration;

const CONTROL: &str = "cgroup.subtree_control";

/// How long another start or end is waited for; they are quick.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a container's cgroup is made with.
#[derive(Clone, Copy)]
pub struct Passed<'a> {
    /// The controllers it has to have.
    pub enable: &'a [String],
    /// Those it gets where they can be had.
    pub also: &'a [String],
    /// Its processes go into one below, which gets the same.
    pub payload: bool,
}

/// Makes `root`/`path`.
pub fn make(root: &str, path: &str, passed: Passed<'_>, journal: &mut dyn Journal) -> Result<()> {
    journal.note(Undo::RemoveUnified { dir: format!("{root}/{path}") })?;
    making(false, journal, &mut || {
        let _lock = lock(root)?;
        make_once(root, path, passed)
    })
}

/// One end that gives controllers back must not meet a start that finds them there.
fn lock(root: &str) -> Result<Lock> {
    Lock::take(root, PATIENCE).map_err(|error| match error.kind {
        Kind::Timeout => error.hint("another boardbox is starting or ending a container"),
        _ => error,
    })
}

fn make_once(root: &str, path: &str, passed: Passed<'_>) -> Result<()> {
    let mut parent = root.to_owned();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let dir = format!("{parent}/{name}");
        enter(&dir, names.peek().is_none())?;
        pass_down(&parent, passed, (parent == root).then_some(dir.as_str()))?;
        parent = dir;
    }
    if passed.payload {
        enter(&format!("{parent}/{PAYLOAD}"), true)?;
        pass_down(&parent, passed, None)?;
    }
    Ok(())
}

/// Enables controllers for the cgroups below `dir`, where they are not yet; what that changes is noted on `note`.
fn pass_down(dir: &str, passed: Passed<'_>, note: Option<&str>) -> Result<()> {
    let enabled = cgroup::read_value(dir, CONTROL)?;
    let missing = |name: &&String| !enabled.split_ascii_whitespace().any(|other| other == name.as_str());
    for name in passed.enable.iter().filter(missing) {
        add(dir, name, note).map_err(|error| {
            let error = error.tried(format!("pass controller {name} down"));
            match Errno::from_raw(error.errno) {
                Errno::EBUSY => error
                    .hint("processes are in that cgroup itself, which v2 refuses: move them to one below"),
                Errno::ENOENT => error.hint("the cgroup above keeps this controller back"),
                Errno::EINVAL => error.hint("cpu: are there real-time processes outside the root cgroup?"),
                Errno::EOPNOTSUPP => error.hint("that cgroup is threaded"),
                _ => error,
            }
        })?;
    }
    for name in passed.also.iter().filter(missing) {
        if let Err(error) = add(dir, name, note) {
            log::info!("controller {name} is not passed down: {error}");
        }
    }
    Ok(())
}

fn add(dir: &str, name: &str, note: Option<&str>) -> Result<()> {
    // Where systemd has the tree it passes down, and takes back, what its units want. Ours stay: they are in use below.
    let note = note.filter(|_| std::fs::metadata("/run/systemd/system").is_err());
    if let Some(note) = note {
        let noted = cgroup::note(note);
        cgroup::set_note(note, &format!("{noted} {name}"));
        return cgroup::write(dir, CONTROL, &format!("+{name}"))
            .inspect_err(|_| cgroup::set_note(note, &noted));
    }
    cgroup::write(dir, CONTROL, &format!("+{name}"))
}

/// Removes a container's cgroup. With the last one goes `boardbox` above it, and what was passed down for it is given back.
pub fn remove(dir: &str, patience: Duration) -> Result<()> {
    cgroup::remove(dir, patience)?;
    let above = |dir: &str| dir.rsplit_once('/').map(|(above, _)| above.to_owned());
    let Some(parent) = above(dir).filter(|parent| parent.ends_with("/boardbox")) else { return Ok(()) };
    let Some(root) = above(&parent) else { return Ok(()) };
    let _lock = match lock(&root) {
        Err(error) if error.is(Errno::ENOENT) => return Ok(()),
        lock => lock?,
    };
    let noted = cgroup::note(&parent);
    // Refused while another container is in it.
    if std::fs::remove_dir(&parent).is_err() {
        return Ok(());
    }
    for name in noted.split_ascii_whitespace() {
        // EBUSY: somebody below passes it down further, by now.
        if let Err(error) = cgroup::write(&root, CONTROL, &format!("-{name}")) {
            log::info!("controller {name} is not given back: {error}");
        }
    }
    Ok(())
}
