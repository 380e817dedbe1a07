//! A container's cgroup in the unified hierarchy: controllers are passed down to it directory by directory, and taken back
//! where it was the last to need them.

use super::undo::{Journal, Undo};
use crate::error::{Error, Kind, Result};
use crate::sys::cgroup;
use nix::errno::Errno;

/// How often a directory that another container's end removed under our hands is made again.
const ATTEMPTS: u32 = 100;

/// Makes `root`/`path` with the controllers `enable`, and those of `also` that can be had.
pub fn make(
    root: &str,
    path: &str,
    enable: &[String],
    also: &[String],
    journal: &mut dyn Journal,
) -> Result<()> {
    journal.note(Undo::RemoveCgroup { dir: format!("{root}/{path}") })?;
    let mut attempts = ATTEMPTS;
    loop {
        match make_once(root, path, enable, also) {
            // The last container to end takes the boardbox directory along, also while this one is on its way into it.
            Err(error) if attempts > 0 && (error.is(Errno::ENOENT) || error.is(Errno::ENODEV)) => {
                attempts -= 1
            }
            Err(error) if error.kind == Kind::Taken => {
                journal.forget();
                return Err(error);
            }
            Err(error) if error.is(Errno::EROFS) => {
                return Err(error.hint("the hierarchy is mounted read-only"));
            }
            Err(error) if error.is(Errno::EACCES) || error.is(Errno::EPERM) => {
                return Err(error.hint("this needs root"));
            }
            other => return other,
        }
    }
}

fn make_once(root: &str, path: &str, enable: &[String], also: &[String]) -> Result<()> {
    let mut parent = root.to_owned();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        pass_down(&parent, enable, also)?;
        let dir = format!("{parent}/{name}");
        let made = cgroup::make(&dir)?;
        if !made && names.peek().is_none() && cgroup::has_tasks(&dir)? {
            return Err(Error::new(Kind::Taken, "processes are in it already")
                .tried(format!("make cgroup {dir}"))
                .hint("a container of this name runs, or a process of one was left behind"));
        }
        parent = dir;
    }
    Ok(())
}

/// Enables controllers for the cgroups below `dir`, where they are not yet.
fn pass_down(dir: &str, enable: &[String], also: &[String]) -> Result<()> {
    let enabled = cgroup::read_value(dir, CONTROL)?;
    let missing = |name: &&String| !enabled.split_ascii_whitespace().any(|other| other == name.as_str());
    for name in enable.iter().filter(missing) {
        cgroup::write(dir, CONTROL, &format!("+{name}")).map_err(|error| {
            let error = error.tried(format!("pass controller {name} down"));
            match Errno::from_raw(error.errno) {
                Errno::EBUSY => error
                    .hint("processes are in that cgroup itself, which v2 refuses: move them to one below"),
                Errno::ENOENT => error.hint("the cgroup above keeps this controller back"),
                Errno::EINVAL => error.hint("cpu: are there real-time processes outside the root cgroup?"),
                _ => error,
            }
        })?;
    }
    for name in also.iter().filter(missing) {
        if let Err(error) = cgroup::write(dir, CONTROL, &format!("+{name}")) {
            log::info!("controller {name} is not passed down: {error}");
        }
    }
    Ok(())
}

const CONTROL: &str = "cgroup.subtree_control";
