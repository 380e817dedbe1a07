//! What `up` does: hierarchies, then bridges.

use super::host::Host;
use super::{Planned, bridges, hierarchies};
use crate::error::Result;
use crate::profile::Board;

/// The steps that bring the host to where the profile wants it; none if it is there.
pub fn up(board: &Board, host: &Host) -> Result<Vec<Planned>> {
    let mut steps = Vec::new();
    let rules = board.containers.iter().flat_map(|container| &container.cgroup);
    hierarchies::plan(&board.cgroup, rules, host, &mut steps)?;
    steps.append(&mut bridges::steps(&board.bridges, host)?);
    Ok(steps)
}
