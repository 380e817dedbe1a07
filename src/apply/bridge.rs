//! The bridge steps (not there yet).

use super::undo::{Journal, Undo};
use crate::error::{Error, Result};
use crate::plan::Step;
use crate::plan::host::HostLink;

/// The host's network interfaces.
pub fn links() -> Result<Vec<HostLink>> {
    Err(Error::host("not supported yet").tried("list network interfaces"))
}

/// Performs a bridge's step.
pub fn perform(step: &Step, _journal: &mut dyn Journal) -> Result<()> {
    Err(Error::host("not supported yet").tried(step.to_string()))
}

/// Takes a bridge's step back.
pub fn undo(undo: &Undo) -> Result<()> {
    Err(Error::host("not supported yet").tried(undo.to_string()))
}
