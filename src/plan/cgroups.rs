//! A container's cgroups on v1: one per hierarchy it uses, its rules in file order, devices last.

use super::host::{Controller, Hierarchy, Host, Version};
use super::{Place, Planned, Step};
use crate::error::{Error, Origin, Result};
use crate::profile::Container;
use crate::profile::container::CgroupRule;
use crate::profile::value::CpuList;

/// The directory in each hierarchy that holds the containers' cgroups.
pub const PARENT: &str = "boardbox";

/// The container's cgroup in this hierarchy.
pub fn dir(hierarchy: &Hierarchy, container: &str) -> String {
    format!("{}/{PARENT}/{container}", hierarchy.mountpoint.trim_end_matches('/'))
}

/// Appends the steps. `join` names the controllers the container joins where its host has them mounted writable; those
/// its rules are about have to be there.
pub fn container(
    container: &Container,
    join: &[String],
    host: &Host,
    steps: &mut Vec<Planned>,
) -> Result<()> {
    let name = container.name.as_str();
    let mut used: Vec<(&Hierarchy, &Origin)> = Vec::new();
    let mut writes = Vec::new();
    for rule in &container.cgroup {
        let hierarchy = needed(rule, host)
            .map_err(|error| error.tried(format!("container \"{name}\"")).at(&rule.origin))?;
        take(&mut used, hierarchy, &rule.origin);
        // Set-up inside makes device nodes: until that is done no device may be denied.
        let place = if rule.controller() == "devices" { Place::Late } else { Place::Host };
        let file = hierarchy.file(&rule.file).to_owned();
        let step = Step::WriteCgroup { dir: dir(hierarchy, name), file, value: rule.value.clone() };
        writes.push(Planned { place, step, origin: rule.origin.clone() });
    }
    for controller in join {
        if let Some(hierarchy) =
            host.hierarchy(controller).filter(|found| found.version == Version::V1 && !found.read_only)
        {
            take(&mut used, hierarchy, &container.origin);
        }
    }
    let (late, now): (Vec<_>, Vec<_>) = writes.into_iter().partition(|planned| planned.place == Place::Late);
    // In the host's order, so that a plan does not change with the order of a file's lines.
    used.sort_by_key(|(used, _)| host.hierarchies.iter().position(|other| std::ptr::eq(other, *used)));
    steps.extend(used.iter().map(|(hierarchy, origin)| {
        let root = hierarchy.mountpoint.trim_end_matches('/').to_owned();
        let (controllers, path) = (hierarchy.controllers.clone(), format!("{PARENT}/{name}"));
        let step = Step::MakeCgroup { controllers, root, path };
        Planned { place: Place::Host, step, origin: (*origin).clone() }
    }));
    steps.extend(now);
    steps.extend(used.iter().map(|(hierarchy, origin)| {
        let step = Step::JoinCgroup { dir: dir(hierarchy, name) };
        Planned { place: Place::Child, step, origin: (*origin).clone() }
    }));
    steps.extend(late);
    Ok(())
}

fn take<'a>(used: &mut Vec<(&'a Hierarchy, &'a Origin)>, hierarchy: &'a Hierarchy, origin: &'a Origin) {
    if !used.iter().any(|(other, _)| std::ptr::eq(*other, hierarchy)) {
        used.push((hierarchy, origin));
    }
}

/// The hierarchy a rule is written in.
fn needed<'a>(rule: &CgroupRule, host: &'a Host) -> Result<&'a Hierarchy> {
    let name = rule.controller();
    let file = rule.file.escape_default();
    if !rule.file.contains('.') || rule.file.contains('/') {
        return Err(Error::config(format!("\"{file}\" is not a cgroup file"))
            .hint("CONTROLLER.SETTING, as in cpuset.cpus"));
    }
    let hierarchy = mounted(name, host).map_err(|error| error.tried(format!("cgroup file {file}")))?;
    if hierarchy.read_only {
        let cause =
            format!("the hierarchy of controller {name} on {} is mounted read-only", hierarchy.mountpoint);
        return Err(Error::host(cause).tried(format!("cgroup file {file}")));
    }
    if rule.file == "cpuset.cpus" && host.cpus > 0 {
        // What is no list goes to the kernel as it is: some kernels know further words.
        if let Ok(list) = rule.value.trim().parse::<CpuList>() {
            list.within(host.cpus)?;
        }
    }
    Ok(hierarchy)
}

/// The v1 hierarchy of a controller, or why there is none and what to do.
pub fn mounted<'a>(name: &str, host: &'a Host) -> Result<&'a Hierarchy> {
    match host.hierarchy(name) {
        Some(hierarchy) if hierarchy.version == Version::V1 => return Ok(hierarchy),
        Some(_) => {
            return Err(Error::host(format!("controller {name} is on cgroup v2: not supported yet")));
        }
        None => {}
    }
    in_kernel(name, host)?;
    Err(Error::host(format!("controller {name} is not mounted")).hint("run boardbox up"))
}

/// The kernel's entry for a controller it has and has not disabled.
pub fn in_kernel<'a>(name: &str, host: &'a Host) -> Result<&'a Controller> {
    let shown = name.escape_default();
    match host.controller(name) {
        Some(controller) if controller.enabled => Ok(controller),
        Some(_) => Err(Error::host(format!("controller {name} is compiled in but disabled")).hint(format!(
            "take cgroup_disable={name} off the kernel's command line, or add cgroup_enable={name}"
        ))),
        None if host.controllers.is_empty() => {
            Err(Error::host("the kernel has no cgroups").hint("it needs CONFIG_CGROUPS and its controllers"))
        }
        None => {
            let known: Vec<&str> =
                host.controllers.iter().map(|controller| controller.name.as_str()).collect();
            Err(Error::host(format!("the kernel has no controller \"{shown}\""))
                .hint(format!("it has {}", known.join(" "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    fn hierarchy(mountpoint: &str, controllers: &[&str]) -> Hierarchy {
        Hierarchy {
            mountpoint: mountpoint.into(),
            controllers: controllers.iter().map(|name| name.to_string()).collect(),
            ..Hierarchy::default()
        }
    }

    fn host() -> Host {
        let controller = |(name, enabled): &(&str, bool)| Controller {
            name: name.to_string(),
            hierarchy: 1,
            enabled: *enabled,
        };
        let names = [
            ("cpuset", true),
            ("cpu", true),
            ("cpuacct", true),
            ("devices", true),
            ("memory", false),
            ("blkio", true),
            ("pids", true),
        ];
        let mut v2 = hierarchy("/cg/unified", &["pids"]);
        v2.version = Version::V2;
        let mut systemd = hierarchy("/cg/systemd", &[]);
        systemd.name = Some("systemd".into());
        Host {
            hierarchies: vec![
                hierarchy("/cg/cpuset", &["cpuset"]),
                systemd,
                hierarchy("/cg/cpu,cpuacct", &["cpu", "cpuacct"]),
                hierarchy("/cg/devices", &["devices"]),
                v2,
            ],
            controllers: names.iter().map(controller).collect(),
            cpus: 8,
            ..Host::default()
        }
    }

    fn with(rules: &[(&str, &str)]) -> Container {
        let file: Rc<str> = "foo.conf".into();
        let mut container = Container::lxc_defaults("foo".parse().unwrap());
        for (line, (file_name, value)) in (1..).zip(rules) {
            let origin = Origin::new(&file, line, 0);
            container.cgroup.push(CgroupRule {
                file: file_name.to_string(),
                value: value.to_string(),
                origin,
            });
        }
        container
    }

    fn plan(rules: &[(&str, &str)], join: &[&str], host: &Host) -> Vec<String> {
        let join: Vec<String> = join.iter().map(|name| name.to_string()).collect();
        let mut steps = Vec::new();
        container(&with(rules), &join, host, &mut steps).unwrap();
        let place = |place| match place {
            Place::Host => "host",
            Place::Parent => "parent",
            Place::Child => "child",
            Place::Late => "late",
        };
        steps.iter().map(|planned| format!("{}: {}", place(planned.place), planned.step)).collect()
    }

    fn refused(file: &str, value: &str) -> String {
        container(&with(&[(file, value)]), &[], &host(), &mut Vec::new()).unwrap_err().to_string()
    }

    #[test]
    fn the_seeds_rules_come_in_file_order_and_devices_last() {
        let rules = [
            ("devices.deny", "a"),
            ("cpuset.cpus", "0,1"),
            ("devices.allow", "c 1:3 rw"),
            ("cpu.shares", "1234"),
        ];
        assert_eq!(
            plan(&rules, &[], &host()),
            [
                "host: make cgroup /cg/cpuset/boardbox/foo (cpuset)",
                "host: make cgroup /cg/cpu,cpuacct/boardbox/foo (cpu,cpuacct)",
                "host: make cgroup /cg/devices/boardbox/foo (devices)",
                "host: write \"0,1\" to /cg/cpuset/boardbox/foo/cpuset.cpus",
                "host: write \"1234\" to /cg/cpu,cpuacct/boardbox/foo/cpu.shares",
                "child: join cgroup /cg/cpuset/boardbox/foo",
                "child: join cgroup /cg/cpu,cpuacct/boardbox/foo",
                "child: join cgroup /cg/devices/boardbox/foo",
                "late: write \"a\" to /cg/devices/boardbox/foo/devices.deny",
                "late: write \"c 1:3 rw\" to /cg/devices/boardbox/foo/devices.allow",
            ]
        );
    }

    #[test]
    fn a_comounted_hierarchy_is_joined_once_and_what_is_not_mounted_is_left_out() {
        assert_eq!(
            plan(&[], &["cpuacct", "cpu", "memory", "blkio", "pids", "systemd", "nonsense"], &host()),
            [
                "host: make cgroup /cg/cpu,cpuacct/boardbox/foo (cpu,cpuacct)",
                "child: join cgroup /cg/cpu,cpuacct/boardbox/foo",
            ]
        );
        assert!(plan(&[], &[], &host()).is_empty());
    }

    #[test]
    fn a_read_only_hierarchy_is_not_joined_and_no_rule_is_written_there() {
        let mut host = host();
        host.hierarchies[0].read_only = true;
        assert!(plan(&[], &["cpuset"], &host).is_empty());
        let error = container(&with(&[("cpuset.cpus", "0")]), &[], &host, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("on /cg/cpuset is mounted read-only"), "{error}");
    }

    #[test]
    fn noprefix_changes_the_file() {
        let mut host = host();
        host.hierarchies[0].noprefix = true;
        let steps = plan(&[("cpuset.cpus", "0,1")], &[], &host);
        assert_eq!(steps[1], "host: write \"0,1\" to /cg/cpuset/boardbox/foo/cpus");
    }

    #[test]
    fn a_rule_that_cannot_be_written_says_where_it_stands_and_why() {
        let front = "foo.conf:1: container \"foo\": cgroup file ";
        assert_eq!(
            refused("blkio.weight", "500"),
            format!("{front}blkio.weight: controller blkio is not mounted (run boardbox up)")
        );
        assert_eq!(
            refused("memory.limit_in_bytes", "1M"),
            format!(
                "{front}memory.limit_in_bytes: controller memory is compiled in but disabled (take \
                 cgroup_disable=memory off the kernel's command line, or add cgroup_enable=memory)"
            )
        );
        assert!(
            refused("cpustat.cpus", "0")
                .contains("the kernel has no controller \"cpustat\" (it has cpuset cpu")
        );
        assert!(refused("pids.max", "5").contains("controller pids is on cgroup v2: not supported yet"));
        for bad in ["tasks", "cpuset/../../cpuset.cpus", ""] {
            assert!(refused(bad, "0").contains("is not a cgroup file (CONTROLLER.SETTING"), "{bad}");
        }
        assert_eq!(
            refused("cpuset.cpus", "0,8-9"),
            "foo.conf:1: container \"foo\": cpu list \"0,8-9\": there is no cpu 8 (the board has 8 cpus, numbered from 0)"
        );
        let none =
            container(&with(&[("cpu.shares", "1")]), &[], &Host::default(), &mut Vec::new()).unwrap_err();
        assert!(none.to_string().contains("the kernel has no cgroups"), "{none}");
    }
}
