//! What `up` does: hierarchies, then bridges.

use super::host::{Hierarchy, Host};
use super::{Planned, Step, bridges, hierarchies};
use crate::error::Result;
use crate::profile::Board;

/// The steps that bring the host to where the profile wants it; none if it is there.
pub fn up(board: &Board, host: &Host) -> Result<Vec<Planned>> {
    let mut steps = Vec::new();
    let rules = board.containers.iter().flat_map(|container| &container.cgroup);
    hierarchies::plan(&board.cgroup, rules, host, &mut steps)?;
    steps.append(&mut bridges::steps(&board.bridges, host)?);
    bridges::without_hairpin(&board.containers, host)?;
    Ok(steps)
}

/// Puts into the snapshot what the steps would mount, so that the containers' starts can be planned before it is.
pub fn pretend(steps: &[Planned], host: &mut Host) {
    for planned in steps {
        if let Step::MountHierarchy { controllers, target, .. } = &planned.step {
            host.hierarchies.push(Hierarchy {
                controllers: controllers.clone(),
                mountpoint: target.clone(),
                ..Hierarchy::default()
            });
        }
    }
}
