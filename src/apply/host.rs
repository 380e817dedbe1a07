//! Takes the snapshot of the host. Each file is read once: a start has 150 system calls in all.

use crate::error::Result;
use crate::plan::host::{Controller, Hierarchy, Host, Mounted, Version};
use crate::sys::mountinfo::{self, Mount};
use crate::sys::{file, procfs};

/// Reads what the host has; the network interfaces only if `links`.
pub fn read(links: bool) -> Result<Host> {
    let mut host = assemble(&mountinfo::read()?, &procfs::read_cgroups()?);
    for hierarchy in host.hierarchies.iter_mut().filter(|hierarchy| hierarchy.version == Version::V2) {
        // Unreadable is empty: a kernel before 4.5 has another name for it, and no controllers that matter.
        let text =
            file::read_value(&format!("{}/cgroup.controllers", hierarchy.mountpoint)).unwrap_or_default();
        hierarchy.controllers = text.split_ascii_whitespace().map(str::to_owned).collect();
    }
    host.cpus = procfs::possible_cpus();
    host.cgroup_namespaces = procfs::has_namespace("cgroup");
    if links {
        host.links = super::bridge::links()?;
    }
    Ok(host)
}

/// The part that only takes text.
fn assemble(mountinfo: &str, cgroups: &str) -> Host {
    let mounts = mountinfo::parse(mountinfo);
    let controllers: Vec<Controller> = procfs::parse_cgroups(cgroups)
        .iter()
        .map(|line| Controller {
            name: line.name.to_owned(),
            hierarchy: line.hierarchy,
            enabled: line.enabled,
        })
        .collect();
    let mut chosen: Vec<&Mount<'_>> = Vec::new();
    let mut seen = Vec::new();
    for mount in mounts.iter().filter(|mount| mountinfo::visible(&mounts, mount)) {
        seen.push(Mounted {
            target: mount.target.to_string(),
            fstype: mount.fstype.to_owned(),
            read_only: mount.read_only(),
        });
        if !matches!(mount.fstype, "cgroup" | "cgroup2") {
            continue;
        }
        // One hierarchy may be mounted in several places, or only a part of it: the whole, writable one serves best.
        match chosen.iter_mut().find(|other| other.device == mount.device) {
            Some(other) if rank(mount) > rank(other) => *other = mount,
            Some(_) => {}
            None => chosen.push(mount),
        }
    }
    let hierarchies = chosen.iter().map(|mount| hierarchy(mount, &controllers)).collect();
    Host { hierarchies, controllers, mounts: seen, ..Host::default() }
}

fn rank(mount: &Mount<'_>) -> u8 {
    u8::from(mount.root == "/") * 2 + u8::from(!mount.read_only())
}

fn hierarchy(mount: &Mount<'_>, known: &[Controller]) -> Hierarchy {
    let mut hierarchy = Hierarchy {
        version: if mount.fstype == "cgroup2" { Version::V2 } else { Version::V1 },
        mountpoint: mount.target.to_string(),
        read_only: mount.read_only(),
        ..Hierarchy::default()
    };
    if hierarchy.version == Version::V1 {
        for option in mount.data.split(',') {
            match option.strip_prefix("name=") {
                Some(name) => hierarchy.name = Some(name.to_owned()),
                None if option == "noprefix" => hierarchy.noprefix = true,
                None if known.iter().any(|controller| controller.name == option) => {
                    hierarchy.controllers.push(option.to_owned());
                }
                None => {}
            }
        }
    }
    hierarchy
}

#[cfg(test)]
mod tests {
    use super::*;

    const CGROUPS: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n\
        cpuset\t3\t1\t1\ncpu\t1\t1\t1\ncpuacct\t1\t1\t1\nmemory\t0\t1\t0\nfreezer\t0\t1\t1\n";

    #[test]
    fn a_hybrid_host_is_taken_apart() {
        let text = "23 27 0:22 / /sys rw - sysfs sysfs rw\n\
            31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct,clone_children\n\
            34 31 0:31 / /dev/cpuset rw - cgroup cpuset rw,cpuset,noprefix,release_agent=/sbin/cpuset_release_agent\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n";
        let host = assemble(text, CGROUPS);
        assert_eq!(host.hierarchies.len(), 4);
        let cpu = host.hierarchy("cpuacct").unwrap();
        assert_eq!(cpu.mountpoint, "/sys/fs/cgroup/cpu,cpuacct");
        assert_eq!(cpu.controllers, ["cpu", "cpuacct"]);
        assert!(!cpu.noprefix && !cpu.read_only && cpu.name.is_none());
        let cpuset = host.hierarchy("cpuset").unwrap();
        assert_eq!((cpuset.mountpoint.as_str(), cpuset.noprefix), ("/dev/cpuset", true));
        assert_eq!(host.hierarchies[2].name.as_deref(), Some("systemd"));
        assert!(host.hierarchies[2].controllers.is_empty());
        assert_eq!((host.hierarchies[3].version, host.hierarchies[3].read_only), (Version::V2, true));
        assert!(host.hierarchy("memory").is_none());
        assert!(!host.controller("memory").unwrap().enabled);
        assert_eq!(host.mounted_at("/sys/fs/cgroup").unwrap().fstype, "tmpfs");
    }

    #[test]
    fn of_several_mounts_the_whole_writable_one_is_taken() {
        let text = "1 9 0:5 /part /a rw - cgroup cgroup rw,cpu\n\
            2 9 0:5 / /b ro - cgroup cgroup rw,cpu\n\
            3 9 0:5 / /c rw - cgroup cgroup rw,cpu\n\
            4 9 0:5 / /d rw - cgroup cgroup rw,cpu\n\
            5 9 0:6 /part /e rw - cgroup cgroup rw,cpuset\n";
        let host = assemble(text, CGROUPS);
        assert_eq!(host.hierarchies.len(), 2);
        assert_eq!(host.hierarchy("cpu").unwrap().mountpoint, "/c");
        assert_eq!(host.hierarchy("cpuset").unwrap().mountpoint, "/e");
    }

    #[test]
    fn what_a_tmpfs_hides_is_not_there() {
        let text = "23 27 0:22 / /sys rw - sysfs sysfs rw\n\
            32 23 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            33 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n";
        let host = assemble(text, CGROUPS);
        assert!(host.hierarchies.is_empty());
        assert_eq!(host.mounts.len(), 2);
    }

    #[test]
    fn this_machine_can_be_read() {
        let host = read(false).unwrap();
        assert!(host.cpus >= 1 && host.mounted_at("/").is_some() && host.links.is_empty());
    }
}
