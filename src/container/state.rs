//! A container's directory under /run/boardbox: `lock`, held by its live monitor, `control`, and `record`.

use super::RUN_DIR;
use crate::apply::run;
use crate::error::{Error, Kind, Result};
use crate::profile::value::ContainerName;
use crate::sys::file;
use crate::sys::lock::Lock;
use nix::errno::Errno;
use std::fmt::Write;

/// Stands first among the controllers of a cgroup in the unified hierarchy.
pub const UNIFIED: &str = "cgroup2";

/// What a monitor tells other processes about its container, and the next command about what a killed one left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The monitor's pid.
    pub monitor: i32,
    /// Pid 1 of the container, as the host sees it; 0 before there is one.
    pub init: i32,
    /// When that one was started, by `process::started`: another process may get its number later. 0 before there is one.
    pub started: u64,
    /// Its cgroups: controllers and directory.
    pub cgroups: Vec<(Vec<String>, String)>,
    /// The capabilities it was started with, a bit each; further commands in it have no more, whatever its pid 1 has by
    /// now: in a user namespace of its own that looks like all of them.
    pub capabilities: u64,
    /// It was started so that no exec in it gains privileges.
    pub no_new_privs: bool,
}

/// Notes the end of a container that nobody had asked to end, for whoever comes later; it goes with the next start of that
/// name, or with the board.
pub fn note_end(name: &ContainerName, text: &str) {
    // Nobody is there to be told that it failed.
    let _ = std::fs::write(end_path(name.as_str()), text);
}

/// What was noted, if it was.
pub fn noted_end(name: &ContainerName) -> Option<String> {
    std::fs::read_to_string(end_path(name.as_str())).ok().filter(|text| !text.is_empty())
}

/// Forgets all of them.
pub fn forget_ends() {
    for entry in std::fs::read_dir(RUN_DIR).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(ENDED)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The containers that have a directory, with a live monitor or without.
pub fn names() -> Vec<ContainerName> {
    let entries = std::fs::read_dir(RUN_DIR).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// No container's name begins with a dot.
const ENDED: &str = ".ended-";

fn end_path(name: &str) -> String {
    format!("{RUN_DIR}/{ENDED}{name}")
}

impl Record {
    fn to_text(&self) -> String {
        let Self { monitor, init, started, capabilities, .. } = self;
        let mut text =
            format!("monitor {monitor}\ninit {init}\nstarted {started}\ncapabilities {capabilities:x}\n");
        if self.no_new_privs {
            text.push_str("no-new-privs 1\n");
        }
        for (controllers, dir) in &self.cgroups {
            // Writing to a String does not fail.
            let _ = writeln!(text, "cgroup {} {dir}", controllers.join(","));
        }
        text
    }

    fn from_text(text: &str) -> Self {
        let mut record = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("monitor", pid)) => record.monitor = pid.parse().unwrap_or(0),
                Some(("init", pid)) => record.init = pid.parse().unwrap_or(0),
                Some(("started", ticks)) => record.started = ticks.parse().unwrap_or(0),
                Some(("capabilities", mask)) => {
                    record.capabilities = u64::from_str_radix(mask, 16).unwrap_or(0)
                }
                Some(("no-new-privs", _)) => record.no_new_privs = true,
                Some(("cgroup", rest)) => {
                    if let Some((controllers, dir)) = rest.split_once(' ') {
                        let controllers = controllers.split(',').map(String::from).collect();
                        record.cgroups.push((controllers, dir.into()));
                    }
                }
                _ => {}
            }
        }
        record
    }

    /// The record of a container; empty where there is none.
    pub fn read(name: &ContainerName) -> Self {
        match std::fs::read_to_string(format!("{RUN_DIR}/{name}/record")) {
            Ok(text) => Self::from_text(&text),
            Err(_) => Self::default(),
        }
    }
}

/// A name taken for one container by its monitor, until it is released or the monitor ends.
pub struct Claim {
    dir: String,
    lock: Lock,
    /// What a monitor that was killed left behind, if one was.
    pub stale: Option<Record>,
}

impl Claim {
    /// Takes `name`. `Kind::Taken` when a live monitor has it.
    pub fn take(name: &ContainerName) -> Result<Self> {
        let dir = format!("{RUN_DIR}/{name}");
        // The monitor before us removes its directory while it still holds the lock: start over when that happens.
        for _ in 0..100 {
            run::prepare()?;
            let was_there = match make_dir(&dir) {
                Err(error) if error.is(Errno::ENOENT) => continue,
                made => !made?,
            };
            let path = format!("{dir}/lock");
            let lock = match Lock::of_file(&path) {
                Ok(Some(lock)) => lock,
                Ok(None) => return Err(taken(name)),
                Err(error) if error.is(Errno::ENOENT) => continue,
                Err(error) => return Err(error),
            };
            if !lock.is_at(&path) {
                continue;
            }
            // Where /run is on flash, the end of another container may just have taken the tmpfs above it away.
            if !run::is_in_memory(&dir) {
                let _ = std::fs::remove_file(&path);
                let _ = std::fs::remove_dir(&dir);
                continue;
            }
            let _ = std::fs::remove_file(end_path(name.as_str()));
            let stale = was_there.then(|| Record::read(name)).filter(|record| record.monitor != 0);
            return Ok(Self { dir, lock, stale });
        }
        Err(Error::host("its directory keeps vanishing").tried(format!("take the name \"{name}\"")))
    }

    /// Where the control socket is.
    pub fn control(&self) -> String {
        format!("{}/control", self.dir)
    }

    /// Writes the record, by rename: whoever reads it reads a whole one.
    pub fn write(&self, record: &Record) -> Result<()> {
        let (path, new) = (format!("{}/record", self.dir), format!("{}/record.new", self.dir));
        std::fs::write(&new, record.to_text())
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(|error| Error::io(format!("write {path}"), &error))
    }

    /// Removes the directory and gives the name back.
    pub fn release(self) {
        for file in ["record", "control", "lock"] {
            let _ = std::fs::remove_file(format!("{}/{file}", self.dir));
        }
        if std::fs::remove_dir(&self.dir).is_err() {
            // A monitor that was killed while it wrote.
            let _ = std::fs::remove_file(format!("{}/record.new", self.dir));
            let _ = std::fs::remove_dir(&self.dir);
        }
        drop(self.lock);
        // Goes with the last container, unless the board's own record is in it.
        run::release();
    }
}

fn taken(name: &ContainerName) -> Error {
    let error = Error::new(Kind::Taken, format!("container \"{name}\" runs already"));
    match Record::read(name).init {
        0 => error.hint("it is being started or stopped this moment, or waits to be restarted"),
        init => error.hint(format!("its pid 1 is process {init}; stop it first, or choose another name")),
    }
}

/// Makes a directory; false when it is there already.
fn make_dir(path: &str) -> Result<bool> {
    match file::make_dir(path) {
        Err(error) if error.is(Errno::EEXIST) => Ok(false),
        made => made.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_foreign_lines_are_passed_over() {
        let record = Record {
            monitor: 12,
            init: 13,
            started: 1 << 40,
            cgroups: vec![
                (vec!["cpu".into(), "cpuacct".into()], "/sys/fs/cgroup/cpu,cpuacct/boardbox/foo".into()),
                (vec!["cpuset".into()], "/a b/boardbox/foo".into()),
            ],
            capabilities: 1 << 40 | 0xf,
            no_new_privs: true,
        };
        let text = record.to_text();
        assert_eq!(Record::from_text(&text), record);
        assert_eq!(Record::from_text(&format!("{text}later something\ncgroup\n\n")), record);
    }
}
