//! Which cgroup hierarchies `up` mounts: what is mounted is used as it is, what the board lacks is mounted.

use super::cgroups::{in_kernel, spelling};
use super::host::{Hierarchy, Host, Version};
use super::{Place, Planned, Step};
use crate::error::{Error, Origin, Result};
use crate::profile::board::DEFAULT_CONTROLLERS;
use crate::profile::container::CgroupRule;
use crate::profile::{CgroupSetup, Layout};

/// Appends the steps for the profile's controllers and for those its containers' rules need.
pub fn plan<'a>(
    setup: &'a CgroupSetup,
    rules: impl Iterator<Item = &'a CgroupRule>,
    host: &Host,
    steps: &mut Vec<Planned>,
) -> Result<()> {
    check(setup).map_err(|error| error.at(&setup.origin))?;
    let mountpoint = setup.mountpoint.trim_end_matches('/');
    if setup.layout == Layout::V2 {
        return unified(setup, mountpoint, host, steps).map_err(|error| error.at(&setup.origin));
    }
    let rules = rules.filter(|rule| !rule.unified || home_of(rule, host).is_none());
    // (controller, where it is asked for, whether the board may lack it)
    let default = setup.controllers == DEFAULT_CONTROLLERS;
    let mut wanted: Vec<(&str, &Origin, bool)> =
        setup.controllers.iter().map(|name| (name.as_str(), &setup.origin, default)).collect();
    for rule in rules {
        let family = spelling::family(&rule.file);
        match wanted.iter_mut().find(|(name, ..)| *name == family) {
            Some(entry) => {
                if entry.2 {
                    *entry = (entry.0, &rule.origin, false);
                }
            }
            None => wanted.push((family, &rule.origin, false)),
        }
    }
    let mut sets: Vec<(Vec<String>, &Origin)> = Vec::new();
    for (name, origin, may_lack) in wanted {
        if sets.iter().any(|(set, _)| set.iter().any(|other| other == name)) {
            continue;
        }
        match missing(name, setup, host) {
            Ok(Some(set)) => sets.push((set, origin)),
            Ok(None) => {}
            Err(error) if may_lack && in_kernel(name, host).is_err() => log::info!("left out: {error}"),
            Err(error) => return Err(error.at(origin)),
        }
    }
    if sets.is_empty() {
        return Ok(());
    }
    holder(setup, mountpoint, host, steps).map_err(|error| error.at(&setup.origin))?;
    for (controllers, origin) in sets {
        let target = format!("{mountpoint}/{}", controllers.join(","));
        if let Some(there) = host.mounted_at(&target) {
            let cause = format!("{} is mounted there", there.fstype);
            return Err(Error::host(cause).tried(format!("mount cgroup hierarchy on {target}")).at(origin));
        }
        for step in [
            Step::MakeDir { path: target.clone() },
            Step::MountHierarchy { controllers, target, favordynmods: setup.favordynmods },
        ] {
            steps.push(Planned { place: Place::Host, step, origin: origin.clone() });
        }
    }
    Ok(())
}

fn home_of<'a>(rule: &CgroupRule, host: &'a Host) -> Option<&'a Hierarchy> {
    super::cgroups::home(spelling::family(&rule.file), host)
}

/// The unified hierarchy. One that is mounted already is used as it is: a second mount without its options would clear
/// them for the whole host.
fn unified(setup: &CgroupSetup, mountpoint: &str, host: &Host, steps: &mut Vec<Planned>) -> Result<()> {
    for name in &setup.controllers {
        if let Some(v1) =
            host.hierarchies.iter().find(|one| one.version == Version::V1 && one.controllers.contains(name))
        {
            return Err(Error::host(format!("controller {name} is mounted on {}, cgroup v1", v1.mountpoint))
                .tried("cgroup layout v2")
                .hint("set layout = \"auto\": it uses each controller where it is"));
        }
    }
    if host.hierarchies.iter().any(|hierarchy| hierarchy.version == Version::V2) {
        return Ok(());
    }
    for step in [Step::MakeDir { path: mountpoint.into() }, Step::MountUnified { target: mountpoint.into() }]
    {
        steps.push(Planned { place: Place::Host, step, origin: setup.origin.clone() });
    }
    Ok(())
}

/// What is wrong with the profile whatever the host is.
fn check(setup: &CgroupSetup) -> Result<()> {
    if !setup.mountpoint.starts_with('/') || setup.mountpoint.trim_end_matches('/').is_empty() {
        let shown = setup.mountpoint.escape_default();
        return Err(Error::config(format!(
            "cgroup mountpoint \"{shown}\" is not the absolute path of a directory"
        )));
    }
    let mut seen: Vec<&String> = Vec::new();
    for name in setup.comount.iter().flatten() {
        if seen.contains(&name) {
            return Err(Error::config(format!(
                "cgroup comount: controller {} is in it twice",
                name.escape_default()
            )));
        }
        seen.push(name);
    }
    Ok(())
}

/// The controllers to mount together so that this one is there; `None` if it is already, or is v2's.
fn missing(name: &str, setup: &CgroupSetup, host: &Host) -> Result<Option<Vec<String>>> {
    let group = setup.comount.iter().find(|group| group.iter().any(|member| member == name));
    let Some(group) = group else {
        return match super::cgroups::home(name, host) {
            Some(hierarchy) if hierarchy.version == Version::V1 => Ok(None),
            Some(hierarchy) if setup.layout != Layout::V1 => {
                log::info!("controller {name} is on cgroup v2, {}", hierarchy.mountpoint);
                Ok(None)
            }
            _ => bound(name, host).map(Some),
        };
    };
    let asked = || format!("cgroup comount {}", group.join(","));
    if let Some(hierarchy) = group.iter().find_map(|member| host.hierarchy(member)) {
        if hierarchy.version == Version::V1 {
            return if group.iter().all(|member| hierarchy.controllers.contains(member)) {
                Ok(None)
            } else {
                Err(conflict(hierarchy).tried(asked()))
            };
        }
        if setup.layout == Layout::Auto {
            log::info!("controllers {} are on cgroup v2, {}", group.join(","), hierarchy.mountpoint);
            return Ok(None);
        }
    }
    let mut set = group.clone();
    for member in group {
        let bound = bound(member, host).map_err(|error| error.tried(asked()))?;
        if bound.len() > 1 {
            set = bound;
        }
    }
    let apart = group.iter().any(|member| !set.contains(member));
    match apart {
        true => Err(Error::host(format!(
            "{} are bound to one hierarchy, which is mounted elsewhere",
            set.join(",")
        ))
        .tried(asked())
        .hint("leave comount out, or unmount that one")),
        false => Ok(Some(set)),
    }
}

/// The controllers this one can be mounted with: alone, or all that the kernel holds together in a hierarchy that is not
/// mounted here (in another mount namespace, or kept by cgroups in it).
fn bound(name: &str, host: &Host) -> Result<Vec<String>> {
    let controller = in_kernel(name, host)?;
    let together = |other: &&super::host::Controller| {
        other.name == name || (controller.hierarchy != 0 && other.hierarchy == controller.hierarchy)
    };
    Ok(host.controllers.iter().filter(together).map(|other| other.name.clone()).collect())
}

fn conflict(hierarchy: &Hierarchy) -> Error {
    let (set, mountpoint) = (hierarchy.controllers.join(","), &hierarchy.mountpoint);
    Error::host(format!("{set} is mounted on {mountpoint} already"))
        .hint("unmount it, or make comount say the same, or leave comount out")
}

/// The directory that holds the mount points: what is mounted there is used, else it gets a tmpfs.
fn holder(setup: &CgroupSetup, mountpoint: &str, host: &Host, steps: &mut Vec<Planned>) -> Result<()> {
    let below = format!("{mountpoint}/");
    match host.mounted_at(mountpoint) {
        Some(there) if there.fstype.starts_with("cgroup") => {
            // A directory made in there would be a cgroup.
            return Err(Error::host(format!("{mountpoint} is itself a {} hierarchy", there.fstype))
                .hint("set another mountpoint in [cgroup]"));
        }
        Some(_) => return Ok(()),
        // A tmpfs would hide what is mounted below.
        None if host.mounts.iter().any(|mount| mount.target.starts_with(&below)) => return Ok(()),
        None => {}
    }
    for step in
        [Step::MakeDir { path: mountpoint.to_owned() }, Step::MountTmpfs { target: mountpoint.to_owned() }]
    {
        steps.push(Planned { place: Place::Host, step, origin: setup.origin.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::host::{Controller, Mounted};
    use super::*;
    use std::rc::Rc;

    fn host(mounted: &[(&str, &[&str])], bound: &[(&str, u32)]) -> Host {
        let mut host = Host::default();
        for (index, (mountpoint, controllers)) in mounted.iter().enumerate() {
            let v2 = mountpoint.ends_with("unified");
            host.hierarchies.push(Hierarchy {
                version: if v2 { Version::V2 } else { Version::V1 },
                mountpoint: mountpoint.to_string(),
                controllers: controllers.iter().map(|name| name.to_string()).collect(),
                ..Hierarchy::default()
            });
            let fstype = if v2 { "cgroup2" } else { "cgroup" }.to_string();
            host.mounts.push(Mounted { target: mountpoint.to_string(), fstype, read_only: false });
            for name in *controllers {
                let hierarchy = if v2 { 0 } else { index as u32 + 1 };
                host.controllers.push(Controller { name: name.to_string(), hierarchy, enabled: true });
            }
        }
        for (name, hierarchy) in bound {
            host.controllers.push(Controller {
                name: name.to_string(),
                hierarchy: *hierarchy,
                enabled: true,
            });
        }
        host
    }

    fn setup(controllers: &[&str], comount: &[&[&str]]) -> CgroupSetup {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        CgroupSetup {
            controllers: owned(controllers),
            comount: comount.iter().map(|group| owned(group)).collect(),
            mountpoint: "/cg".into(),
            origin: Origin::new(&"b.toml".into(), 7, 1),
            ..CgroupSetup::default()
        }
    }

    fn run(setup: &CgroupSetup, rules: &[CgroupRule], host: &Host) -> Result<Vec<String>> {
        let mut steps = Vec::new();
        plan(setup, rules.iter(), host, &mut steps)?;
        assert!(steps.iter().all(|planned| planned.place == Place::Host));
        Ok(steps.iter().map(|planned| planned.step.to_string()).collect())
    }

    fn rule(file: &str) -> CgroupRule {
        let name: Rc<str> = "foo.conf".into();
        CgroupRule { file: file.into(), value: "1".into(), unified: false, origin: Origin::new(&name, 3, 0) }
    }

    #[test]
    fn a_bare_board_gets_a_tmpfs_and_one_hierarchy_each() {
        let host = host(&[], &[("cpuset", 0), ("cpu", 0), ("cpuacct", 0)]);
        assert_eq!(
            run(&setup(&["cpuset", "cpu", "cpuacct"], &[&["cpu", "cpuacct"]]), &[], &host).unwrap(),
            [
                "make directory /cg",
                "mount tmpfs on /cg",
                "make directory /cg/cpuset",
                "mount cgroup hierarchy cpuset on /cg/cpuset",
                "make directory /cg/cpu,cpuacct",
                "mount cgroup hierarchy cpu,cpuacct on /cg/cpu,cpuacct",
            ]
        );
    }

    #[test]
    fn what_is_mounted_is_used_wherever_it_is() {
        let host = host(&[("/dev/cpu", &["cpu", "cpuacct"]), ("/cg/cpuset", &["cpuset"])], &[("pids", 0)]);
        assert_eq!(run(&setup(&["cpuset", "cpu", "cpuacct"], &[]), &[], &host).unwrap(), [""; 0]);
        assert_eq!(run(&setup(&["cpu"], &[&["cpuacct", "cpu"]]), &[], &host).unwrap(), [""; 0]);
        // /cg holds a mount point without being one: a tmpfs on it would hide that.
        assert_eq!(
            run(&setup(&["cpuset", "pids"], &[]), &[], &host).unwrap(),
            ["make directory /cg/pids", "mount cgroup hierarchy pids on /cg/pids"]
        );
    }

    #[test]
    fn a_rule_wants_its_controller_too() {
        let host = host(&[("/x", &["cpuset"])], &[("net_cls", 0)]);
        let steps =
            run(&setup(&["cpuset"], &[]), &[rule("net_cls.classid"), rule("cpuset.cpus")], &host).unwrap();
        assert_eq!(steps[3], "mount cgroup hierarchy net_cls on /cg/net_cls");
        assert_eq!(steps.len(), 4);
    }

    #[test]
    fn a_lacking_controller_of_the_default_list_is_left_out_but_not_one_that_is_asked_for() {
        let mut host = host(&[("/x", &["cpuset"])], &[("memory", 0)]);
        host.controllers[1].enabled = false;
        let default = CgroupSetup { mountpoint: "/cg".into(), ..CgroupSetup::default() };
        assert_eq!(run(&default, &[], &host).unwrap(), [""; 0]);
        let error = run(&default, &[rule("memory.limit_in_bytes")], &host).unwrap_err().to_string();
        assert!(error.starts_with("foo.conf:3: controller memory is compiled in but disabled"), "{error}");
        let error = run(&setup(&["cpuset", "pids"], &[]), &[], &host).unwrap_err().to_string();
        assert!(error.starts_with("b.toml:7:1: the kernel has no controller \"pids\""), "{error}");
    }

    #[test]
    fn a_comount_that_is_mounted_otherwise_is_refused() {
        let host =
            host(&[("/x/cpu", &["cpu"]), ("/x/acct", &["cpuacct", "cpuset"])], &[("pids", 0), ("blkio", 9)]);
        let error =
            |comount: &[&str]| run(&setup(&comount[..1], &[comount]), &[], &host).unwrap_err().to_string();
        assert_eq!(
            error(&["cpu", "cpuacct"]),
            "b.toml:7:1: cgroup comount cpu,cpuacct: cpu is mounted on /x/cpu already (unmount it, or make comount say \
             the same, or leave comount out)"
        );
        assert!(error(&["pids", "cpuset"]).contains("cpuacct,cpuset is mounted on /x/acct"));
        let twice = run(&setup(&["cpu"], &[&["cpu", "pids"], &["pids"]]), &[], &host).unwrap_err();
        assert!(twice.to_string().contains("controller pids is in it twice"), "{twice}");
    }

    #[test]
    fn a_hierarchy_the_kernel_holds_together_is_mounted_together() {
        let host = host(&[], &[("net_cls", 4), ("net_prio", 4), ("pids", 5), ("freezer", 0)]);
        let steps = run(&setup(&["net_prio"], &[]), &[], &host).unwrap();
        assert_eq!(steps[3], "mount cgroup hierarchy net_cls,net_prio on /cg/net_cls,net_prio");
        let error = run(&setup(&["pids"], &[&["pids", "net_cls"]]), &[], &host).unwrap_err().to_string();
        assert!(error.contains("net_cls,net_prio are bound to one hierarchy"), "{error}");
    }

    #[test]
    fn controllers_on_v2_stay_there_unless_v1_is_asked_for() {
        let host = host(&[("/cg/unified", &["memory", "pids"])], &[]);
        let mut setup = setup(&["memory"], &[]);
        assert_eq!(run(&setup, &[], &host).unwrap(), [""; 0]);
        setup.layout = Layout::V1;
        assert_eq!(run(&setup, &[], &host).unwrap()[1], "mount cgroup hierarchy memory on /cg/memory");
        setup.layout = Layout::V2;
        assert_eq!(run(&setup, &[], &host).unwrap(), [""; 0]);
    }

    #[test]
    fn v2_is_mounted_once_and_takes_no_controller_away() {
        let mut setup = setup(&["memory", "pids"], &[]);
        setup.layout = Layout::V2;
        let bare = host(&[], &[("memory", 0), ("pids", 0)]);
        assert_eq!(run(&setup, &[], &bare).unwrap(), ["make directory /cg", "mount cgroup2 on /cg"]);
        let taken = host(&[("/other/memory", &["memory"])], &[("pids", 0)]);
        let error = run(&setup, &[], &taken).unwrap_err().to_string();
        assert!(error.contains("controller memory is mounted on /other/memory, cgroup v1"), "{error}");
    }

    #[test]
    fn no_mount_point_is_made_inside_a_hierarchy() {
        let host = host(&[("/cg", &["cpu"])], &[("pids", 0)]);
        let error = run(&setup(&["cpu", "pids"], &[]), &[], &host).unwrap_err().to_string();
        assert!(error.contains("/cg is itself a cgroup hierarchy (set another mountpoint"), "{error}");
        for bad in ["cg", "", "/"] {
            let bad = CgroupSetup { mountpoint: bad.into(), ..CgroupSetup::default() };
            assert!(run(&bad, &[], &host).unwrap_err().to_string().contains("is not the absolute path"));
        }
    }
}
