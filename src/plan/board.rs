//! What `up` does: hierarchies, then bridges.

use super::cgroups::spelling;
use super::host::{Hierarchy, Host, Version};
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
        let (version, controllers, target) = match &planned.step {
            Step::MountHierarchy { controllers, target, .. } => (Version::V1, controllers.clone(), target),
            Step::MountUnified { target } => (Version::V2, unified(host), target),
            _ => continue,
        };
        host.hierarchies.push(Hierarchy {
            version,
            controllers,
            mountpoint: target.clone(),
            ..Hierarchy::default()
        });
    }
}

/// What its cgroup.controllers will say: whatever no v1 hierarchy has, by v2's names.
fn unified(host: &Host) -> Vec<String> {
    let v1_only = ["cpuacct", "devices", "freezer", "net_cls", "net_prio", "perf_event", "debug"];
    let free = host.controllers.iter().filter(|controller| controller.enabled && controller.hierarchy == 0);
    let names = free.map(|controller| controller.name.as_str()).filter(|name| !v1_only.contains(name));
    names.map(|name| spelling::unified_name(name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::host::Controller;
    use super::*;
    use crate::profile::Layout;

    #[test]
    fn a_unified_hierarchy_to_come_has_what_no_v1_hierarchy_has() {
        let mut board = Board::default();
        (board.cgroup.layout, board.cgroup.mountpoint) = (Layout::V2, "/cg/".into());
        let controller =
            |name: &str, hierarchy, enabled| Controller { name: name.into(), hierarchy, enabled };
        let mut host = Host {
            controllers: vec![
                controller("cpuset", 0, true),
                controller("blkio", 0, true),
                controller("hugetlb", 4, true),
                controller("devices", 0, true),
                controller("memory", 0, false),
            ],
            ..Host::default()
        };
        let steps = up(&board, &host).unwrap();
        pretend(&steps, &mut host);
        assert_eq!(
            host.hierarchies,
            [Hierarchy {
                version: Version::V2,
                controllers: vec!["cpuset".into(), "io".into()],
                mountpoint: "/cg".into(),
                ..Hierarchy::default()
            }]
        );
        // Then there is nothing more to do.
        assert_eq!(up(&board, &host).unwrap(), []);
    }
}
