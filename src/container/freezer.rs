//! The freezer: a controller of cgroup v1, a core feature of v2. Nothing here allocates: a running monitor does not.

use super::state::UNIFIED;
use crate::error::{Error, Result};
use crate::sys::{cgroup, stream};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// How long one walk of a container's cgroups may take.
const WALK: Duration = Duration::from_secs(2);

/// A path, bounded: what a cgroup's may take is checked when it is made.
type Path = heapless::String<512>;

/// A container's freezer.
#[derive(Clone, Debug)]
pub struct Freezer {
    /// `freezer.state` or `cgroup.freeze`.
    file: Path,
    /// v2's `cgroup.events`, which says when it is done.
    events: Option<Path>,
}

/// What `freezer.state` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frozen {
    /// Runs.
    Thawed,
    /// Some of its tasks do not stand still yet.
    Freezing,
    /// Stands still.
    Frozen,
}

impl Freezer {
    /// The freezer among a container's cgroups; `None` where its host has none mounted.
    pub fn find(cgroups: &[(Vec<String>, String)]) -> Option<Self> {
        let with = |name: &str| {
            let found = cgroups.iter().find(|(controllers, _)| controllers.iter().any(|other| other == name));
            found.map(|(_, dir)| dir)
        };
        let path = |dir: &str, file: &str| {
            let mut path = Path::new();
            write!(path, "{dir}/{file}").ok().map(|()| path)
        };
        match (with("freezer"), with(UNIFIED)) {
            (Some(dir), _) => Some(Self { file: path(dir, "freezer.state")?, events: None }),
            (None, Some(dir)) => {
                Some(Self { file: path(dir, "cgroup.freeze")?, events: Some(path(dir, "cgroup.events")?) })
            }
            (None, None) => None,
        }
    }

    /// Asks for it. A group that is busy forking may have to be asked again: see `state`.
    pub fn freeze(&self) -> Result<()> {
        self.write(if self.events.is_some() { "1" } else { "FROZEN" })
    }

    /// Lets it run.
    pub fn thaw(&self) -> Result<()> {
        self.write(if self.events.is_some() { "0" } else { "THAWED" })
    }

    /// Lets run what it has frozen in cgroups of its own: on v1 SIGKILL does not end a frozen task. Whoever lives may freeze
    /// anew, so it is to be done again until the end.
    #[inline(never)]
    pub fn thaw_below(&self) {
        cgroup::write_below(self.dir(), c"freezer.state", "THAWED", Instant::now() + WALK);
    }

    /// The cgroup.
    pub fn dir(&self) -> &str {
        self.file.rsplit_once('/').map_or("", |(dir, _)| dir)
    }

    /// True where what is frozen has to be thawed before it can be killed.
    pub fn holds_killed(&self) -> bool {
        self.events.is_none()
    }

    fn write(&self, value: &str) -> Result<()> {
        stream::write_file(&self.file, value)
            .map_err(|errno| Error::sys(format!("write {value} to {}", self.file), errno))
    }

    /// The state now. Reading it is also what makes the kernel look again.
    pub fn state(&self) -> Frozen {
        if let Some(events) = &self.events {
            let asked = stream::read_file(&self.file, &mut [0; 16]).is_some_and(|text| text.starts_with('1'));
            let mut buffer = [0; 128];
            let done = stream::read_file(events, &mut buffer).is_some_and(|text| text.contains("frozen 1"));
            return match (asked, done) {
                (_, true) => Frozen::Frozen,
                (true, false) => Frozen::Freezing,
                (false, false) => Frozen::Thawed,
            };
        }
        match stream::read_file(&self.file, &mut [0; 16]) {
            Some(text) if text.starts_with("FROZEN") => Frozen::Frozen,
            Some(text) if text.starts_with("FREEZING") => Frozen::Freezing,
            _ => Frozen::Thawed,
        }
    }
}
