//! The freezer of cgroup v1. Nothing here allocates: a running monitor does not.

use crate::error::{Error, Result};
use crate::sys::stream;
use std::fmt::Write;

/// A container's freezer cgroup.
#[derive(Clone, Debug)]
pub struct Freezer {
    file: heapless::String<512>,
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
        let (_, dir) =
            cgroups.iter().find(|(controllers, _)| controllers.iter().any(|name| name == "freezer"))?;
        let mut file = heapless::String::new();
        write!(file, "{dir}/freezer.state").ok()?;
        Some(Self { file })
    }

    /// Asks for it. A group that is busy forking may have to be asked again: see `state`.
    pub fn freeze(&self) -> Result<()> {
        self.write("FROZEN")
    }

    /// Lets it run.
    pub fn thaw(&self) -> Result<()> {
        self.write("THAWED")
    }

    fn write(&self, value: &str) -> Result<()> {
        stream::write_file(&self.file, value)
            .map_err(|errno| Error::sys(format!("write {value} to {}", self.file), errno))
    }

    /// The state now. Reading it is also what makes the kernel look again.
    pub fn state(&self) -> Frozen {
        match stream::read_file(&self.file, &mut [0; 16]) {
            Some(text) if text.starts_with("FROZEN") => Frozen::Frozen,
            Some(text) if text.starts_with("FREEZING") => Frozen::Freezing,
            _ => Frozen::Thawed,
        }
    }
}
