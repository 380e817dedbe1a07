//! A container's start as steps: cgroups, clone, NICs, mounts, device rules, exec.

use super::{Place, Planned, Step};
use crate::error::Result;
use crate::profile::container::{Container, Mount, NicKind};
use crate::profile::value::IfName;

/// What a start is planned from, besides the host.
pub struct Start<'a> {
    /// The container.
    pub container: &'a Container,
    /// What the file of `container.fstab` holds.
    pub fstab: &'a [Mount],
    /// boardbox's own init is pid 1 and the command pid 2 (`lxc-execute`).
    pub init: bool,
    /// There is a console to bind on /dev/console.
    pub console: bool,
}

/// The whole list, in the order in which it is safe to do it by one hand; Parent and Child steps between the clone and
/// the Late ones run side by side. `cgroups` are the steps that `plan::cgroups` made for it.
pub fn start(start: &Start<'_>, cgroups: Vec<Planned>) -> Result<Vec<Planned>> {
    let container = start.container;
    let planned = |place, step| Planned { place, step, origin: container.origin.clone() };
    let (mut steps, mut joins, mut mounts, mut late) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for step in cgroups {
        match step.place {
            Place::Host => steps.push(step),
            Place::Late => late.push(step),
            _ if matches!(step.step, Step::JoinCgroup { .. } | Step::CgroupNamespace) => joins.push(step),
            Place::Parent | Place::Child => mounts.push(step),
        }
    }
    steps.push(planned(Place::Host, Step::Clone { network: container.own_network }));
    steps.append(&mut joins);
    network(container, &mut steps);
    if let Some(name) = &container.hostname {
        steps.push(planned(Place::Child, Step::SetHostname { name: name.clone() }));
    }
    super::mounts::steps(container, start.fstab, start.console, mounts, &mut steps)?;
    steps.append(&mut late);
    steps.push(planned(Place::Child, Step::DropCapabilities { capabilities: container.capabilities }));
    let command = match container.command.is_empty() {
        true => vec!["/sbin/init".into()],
        false => container.command.clone(),
    };
    steps.push(planned(Place::Child, Step::Exec { command, init: start.init }));
    Ok(steps)
}

/// The NICs, in order; one without a name is `eth` and its position.
fn network(container: &Container, steps: &mut Vec<Planned>) {
    if !container.own_network {
        return;
    }
    steps.push(Planned { place: Place::Parent, step: Step::LoopbackUp, origin: container.origin.clone() });
    for (number, nic) in container.network.iter().enumerate() {
        let NicKind::Macvlan { link, mode } = &nic.kind else { continue };
        let name = nic.name.clone().or_else(|| format!("eth{number}").parse::<IfName>().ok());
        let Some(name) = name else { continue };
        let make = Step::MakeMacvlan {
            number,
            link: link.clone(),
            mode: *mode,
            mac: nic.hwaddr,
            name: name.clone(),
            mtu: nic.mtu,
        };
        let configure = Step::ConfigureNic {
            number,
            name,
            up: nic.up,
            ipv4: nic.ipv4.clone(),
            ipv6: nic.ipv6.clone(),
            gateway4: nic.gateway4,
            gateway6: nic.gateway6,
        };
        for step in [make, configure] {
            steps.push(Planned { place: Place::Parent, step, origin: nic.origin.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Origin;
    use crate::profile::container::Nic;
    use crate::profile::value::MacvlanMode;

    fn nic(name: Option<&str>) -> Nic {
        Nic {
            kind: NicKind::Macvlan { link: "br0".parse().unwrap(), mode: MacvlanMode::Vepa },
            name: name.map(|name| name.parse().unwrap()),
            up: true,
            hwaddr: None,
            hwaddr_pattern: None,
            mtu: None,
            ipv4: vec!["192.168.0.23".parse().unwrap()],
            ipv6: Vec::new(),
            gateway4: None,
            gateway6: None,
            origin: Origin::default(),
            places: Default::default(),
        }
    }

    #[test]
    fn nics_come_after_the_clone_and_device_rules_after_the_set_up() {
        let mut container = Container::lxc_defaults("foo1".parse().unwrap());
        container.own_network = true;
        container.network = vec![nic(None), nic(Some("wan"))];
        container.hostname = Some("foo23".into());
        let rule = |place, file: &str| Planned {
            place,
            step: Step::WriteCgroup { dir: "/d".into(), file: file.into(), value: "x".into() },
            origin: Origin::default(),
        };
        let cgroups = vec![
            rule(Place::Late, "devices.deny"),
            rule(Place::Host, "cpuset.cpus"),
            Planned {
                place: Place::Child,
                step: Step::JoinCgroup { dir: "/d".into(), unified: false },
                origin: Origin::default(),
            },
        ];
        let request = Start { container: &container, fstab: &[], init: false, console: false };
        let list: Vec<String> =
            start(&request, cgroups).unwrap().iter().map(|planned| planned.step.to_string()).collect();
        assert_eq!(
            list,
            [
                "write \"x\" to /d/cpuset.cpus",
                "clone with new uts, pid, ipc, mount, network namespace",
                "join cgroup /d",
                "set lo up",
                "make macvlan eth0 on br0, mode vepa, address stable",
                "configure eth0, address 192.168.0.23/24, up",
                "make macvlan wan on br0, mode vepa, address stable",
                "configure wan, address 192.168.0.23/24, up",
                "set hostname foo23",
                "write \"x\" to /d/devices.deny",
                "capabilities: all",
                "exec /sbin/init",
            ]
        );
    }
}
