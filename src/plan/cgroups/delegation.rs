//! What a container sees of the cgroup hierarchies, for one that runs an init of its own: its own cgroups on /sys/fs/cgroup,
//! as they are bound from where the host has them. Nothing is mounted anew, so that the options of the host's mounts stay.

use super::{PAYLOAD, dir};
use crate::error::Origin;
use crate::plan::host::{Hierarchy, Version};
use crate::plan::{Place, Planned, Step};
use crate::profile::container::{AutoMode, CgroupMount, CreateTarget};

const TOP: &str = "sys/fs/cgroup";

/// Appends the steps. `used` are the hierarchies it is in; `namespace` says that it has a cgroup namespace, in which its own
/// cgroups are the roots.
pub fn mounts(
    mount: CgroupMount,
    name: &str,
    used: &[(&Hierarchy, &Origin)],
    namespace: bool,
    origin: &Origin,
    steps: &mut Vec<Planned>,
) {
    let mut push = |step| steps.push(Planned { place: Place::Child, step, origin: origin.clone() });
    let alone = matches!(used, [(hierarchy, _)] if hierarchy.version == Version::V2);
    if !alone {
        push(Step::Mount {
            source: "cgroup".into(),
            target: TOP.into(),
            fstype: "tmpfs".into(),
            flags: super::super::mounts::NO_SUID_DEV_EXEC,
            data: "mode=755,size=64k".into(),
            optional: false,
            create: None,
            propagation: 0,
            strict: true,
        });
    }
    for (hierarchy, _) in used {
        let own = match hierarchy.version {
            Version::V1 => dir(hierarchy, name),
            Version::V2 => format!("{}/{PAYLOAD}", dir(hierarchy, name)),
        };
        let at = match hierarchy.version {
            _ if alone => TOP.to_string(),
            Version::V1 => format!("{TOP}/{}", label(hierarchy)),
            Version::V2 => format!("{TOP}/unified"),
        };
        let root = hierarchy.mountpoint.trim_end_matches('/');
        // Without a namespace /proc/self/cgroup has the path from the top, and that is where it is looked for.
        let below = own.strip_prefix(root).unwrap_or_default();
        let own_at = if namespace { at.clone() } else { format!("{at}{below}") };
        if mount.full {
            let create = (!alone).then_some(CreateTarget::Dir);
            push(bind(root, &at, mount.mode != AutoMode::Rw, create));
        }
        if !mount.full || mount.mode == AutoMode::Mixed {
            let create = (!mount.full && own_at != TOP).then_some(CreateTarget::Dir);
            push(bind(&own, &own_at, mount.mode == AutoMode::Ro, create));
        }
    }
    if !alone && mount.mode != AutoMode::Rw {
        push(Step::ReadOnly { target: TOP.into(), own: false, optional: false });
    }
}

/// What a v1 hierarchy's directory is called: its controllers, or its name.
fn label(hierarchy: &Hierarchy) -> String {
    match &hierarchy.name {
        Some(name) if hierarchy.controllers.is_empty() => name.clone(),
        _ => hierarchy.controllers.join(","),
    }
}

fn bind(source: &str, target: &str, read_only: bool, create: Option<CreateTarget>) -> Step {
    #[allow(clippy::useless_conversion)] // c_ulong has 32 bits on powerpc
    let ro = if read_only { u64::from(libc::MS_RDONLY) } else { 0 };
    Step::Bind {
        source: source.into(),
        target: target.into(),
        recursive: false,
        set: super::super::mounts::NO_SUID_DEV_EXEC | ro,
        clear: 0,
        optional: false,
        create,
        propagation: 0,
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Planned;
    use crate::plan::host::{Hierarchy, Host, Version};
    use crate::profile::Container;
    use crate::profile::container::{AutoMode, CgroupMount};

    fn hierarchy(mountpoint: &str, controllers: &[&str], name: Option<&str>, version: Version) -> Hierarchy {
        Hierarchy {
            mountpoint: mountpoint.into(),
            controllers: controllers.iter().map(|name| name.to_string()).collect(),
            name: name.map(String::from),
            version,
            ..Hierarchy::default()
        }
    }

    fn hybrid() -> Host {
        Host {
            hierarchies: vec![
                hierarchy("/cg/cpu", &["cpu", "cpuacct"], None, Version::V1),
                hierarchy("/cg/systemd", &[], Some("systemd"), Version::V1),
                hierarchy("/cg/unified", &["pids"], None, Version::V2),
            ],
            cgroup_namespaces: true,
            ..Host::default()
        }
    }

    fn plan(mode: AutoMode, full: bool, host: &Host) -> Vec<String> {
        let mut container = Container::lxc_defaults("foo".parse().unwrap());
        container.auto_mounts.cgroup = Some(CgroupMount { mode, full });
        let mut steps: Vec<Planned> = Vec::new();
        super::super::container(&container, &["cpu".into()], host, &mut steps).unwrap();
        steps.iter().map(|planned| planned.step.to_string()).collect()
    }

    #[test]
    fn its_processes_are_below_its_limits_and_see_their_own_cgroups_as_roots() {
        let made = [
            "make cgroup /cg/cpu/boardbox/foo (cpu,cpuacct)",
            "make cgroup /cg/systemd/boardbox/foo (name=systemd)",
            "make cgroup /cg/unified/boardbox/foo (v2: ) and payload below it",
            "join cgroup /cg/cpu/boardbox/foo",
            "join cgroup /cg/systemd/boardbox/foo",
            "join cgroup /cg/unified/boardbox/foo/payload",
        ];
        let seen = [
            "enter a new cgroup namespace",
            "mount tmpfs cgroup on /sys/fs/cgroup (mode=755,size=64k)",
            "bind /cg/cpu/boardbox/foo on /sys/fs/cgroup/cpu,cpuacct",
            "bind /cg/systemd/boardbox/foo on /sys/fs/cgroup/systemd",
            "bind /cg/unified/boardbox/foo/payload on /sys/fs/cgroup/unified",
            "make /sys/fs/cgroup read-only",
        ];
        assert_eq!(plan(AutoMode::Mixed, false, &hybrid()), [&made[..], &seen[..]].concat());
        assert_eq!(plan(AutoMode::Rw, false, &hybrid()), [&made[..], &seen[..5]].concat());
        let ro = plan(AutoMode::Ro, false, &hybrid());
        assert_eq!(ro.iter().filter(|step| step.ends_with(" read-only")).count(), 4);
    }

    #[test]
    fn before_4_6_the_paths_are_the_hosts() {
        let host = Host { cgroup_namespaces: false, ..hybrid() };
        let seen = plan(AutoMode::Mixed, false, &host);
        assert!(!seen.iter().any(|step| step.contains("namespace")), "{seen:?}");
        assert_eq!(seen[7], "bind /cg/cpu/boardbox/foo on /sys/fs/cgroup/cpu,cpuacct/boardbox/foo");
        let payload = "/cg/unified/boardbox/foo/payload";
        assert_eq!(seen[9], format!("bind {payload} on /sys/fs/cgroup/unified/boardbox/foo/payload"));
    }

    #[test]
    fn v2_alone_is_bound_and_never_mounted_anew() {
        let alone = Host { hierarchies: vec![hierarchy("/cg", &["cpu"], None, Version::V2)], ..hybrid() };
        assert_eq!(
            plan(AutoMode::Rw, false, &alone),
            [
                "make cgroup /cg/boardbox/foo (v2: cpu) and payload below it",
                "join cgroup /cg/boardbox/foo/payload",
                "enter a new cgroup namespace",
                "bind /cg/boardbox/foo/payload on /sys/fs/cgroup",
            ]
        );
        assert_eq!(
            plan(AutoMode::Mixed, true, &alone)[2..],
            [
                "bind /cg on /sys/fs/cgroup read-only",
                "bind /cg/boardbox/foo/payload on /sys/fs/cgroup/boardbox/foo/payload",
            ]
        );
    }

    #[test]
    fn without_any_hierarchy_there_is_nothing_to_show() {
        let mut container = Container::lxc_defaults("foo".parse().unwrap());
        container.auto_mounts.cgroup = Some(CgroupMount { mode: AutoMode::Ro, full: false });
        let error = super::super::container(&container, &[], &Host::default(), &mut Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "container \"foo\": mount cgroups on /sys/fs/cgroup: no hierarchy is mounted (boardbox up mounts them)"
        );
    }
}
