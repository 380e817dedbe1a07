//! The mounts of a container: root file system, /proc, /sys, /dev, the fstab file's and the profile's own.

use super::{Place, Planned, Step};
use crate::error::{Error, Origin, Result};
use crate::profile::container::{AutoMode, Container, Dev, Mount, MountFlags};

#[allow(clippy::unnecessary_cast)] // c_ulong has 32 bits on powerpc
const BIND: u64 = libc::MS_BIND as u64;
#[allow(clippy::unnecessary_cast)]
const REC: u64 = libc::MS_REC as u64;
/// What the kernel's own file systems are mounted with.
#[allow(clippy::unnecessary_cast)]
pub const NO_SUID_DEV_EXEC: u64 = (libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC) as u64;

/// The steps up to and including pivot_root. `fstab` is what the file of `container.fstab` holds; `console` says whether
/// there is a console to bind; `cgroups` go onto the container's /sys.
pub fn steps(
    container: &Container,
    fstab: &[Mount],
    console: bool,
    cgroups: Vec<Planned>,
    steps: &mut Vec<Planned>,
) -> Result<()> {
    let mut push = |step, origin: &Origin| {
        steps.push(Planned { place: Place::Child, step, origin: origin.clone() });
    };
    let whole = &container.origin;
    if let Some(rootfs) = &container.rootfs {
        push(Step::MountRootfs { source: rootfs.clone() }, whole);
    }
    if let Some(mode) = container.auto_mounts.proc {
        push(file_system("proc", "proc"), whole);
        match mode {
            AutoMode::Rw => {}
            AutoMode::Ro => push(read_only("proc", false), whole),
            AutoMode::Mixed => {
                push(read_only("proc/sys", true), whole);
                push(read_only("proc/sysrq-trigger", true), whole);
            }
        }
    }
    if let Some(mode) = container.auto_mounts.sys {
        push(file_system("sysfs", "sys"), whole);
        if mode == AutoMode::Mixed {
            push(Step::KeepWritable { target: "sys/devices/virtual/net".into() }, whole);
        }
        if mode != AutoMode::Rw {
            push(read_only("sys", false), whole);
        }
    }
    for mount in cgroups {
        push(mount.step, &mount.origin);
    }
    if container.dev == Dev::Tmpfs {
        push(Step::MakeDev { dev: Dev::Tmpfs }, whole);
    }
    if container.pts {
        push(Step::MountDevpts, whole);
    }
    for mount in fstab.iter().chain(&container.mounts) {
        match target(mount, container) {
            Some(path) => push(mount_step(mount, path)?, &mount.origin),
            // LXC only warns about these, and configurations in the field rely on that.
            None => log::warn!(
                "{}: mount target {} is outside the root file system: skipped",
                mount.origin,
                mount.target
            ),
        }
    }
    if console || container.tty > 0 {
        push(Step::BindTtys { console, count: container.tty, dir: container.tty_dir.clone() }, whole);
    }
    if container.rootfs.is_some() {
        if container.rootfs_read_only {
            push(read_only("", false), whole);
        }
        push(Step::Pivot, whole);
    }
    Ok(())
}

fn read_only(target: &str, own: bool) -> Step {
    // CONFIG_MAGIC_SYSRQ and CONFIG_SYSCTL may be off.
    Step::ReadOnly { target: target.into(), own, optional: own }
}

fn file_system(fstype: &str, target: &str) -> Step {
    Step::Mount {
        source: fstype.into(),
        target: target.into(),
        fstype: fstype.into(),
        flags: NO_SUID_DEV_EXEC,
        data: String::new(),
        optional: false,
        create: None,
        propagation: 0,
        strict: true,
    }
}

/// Whether it binds what is there, instead of mounting a file system.
pub fn is_bind(mount: &Mount) -> bool {
    mount.flags.set & BIND != 0
}

/// The target relative to the root file system; `None` when it is absolute and outside of it.
pub fn target(mount: &Mount, container: &Container) -> Option<String> {
    let Some(rootfs) = &container.rootfs else { return Some(mount.target.trim_start_matches('/').into()) };
    if !mount.target.starts_with('/') {
        return Some(mount.target.clone());
    }
    [Some(rootfs), container.rootfs_mount.as_ref()].into_iter().flatten().find_map(|prefix| {
        let rest = mount.target.strip_prefix(prefix.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/').into())
    })
}

fn mount_step(mount: &Mount, target: String) -> Result<Step> {
    let MountFlags { set, clear, propagation } = mount.flags;
    let (optional, create) = (mount.optional, mount.create);
    if !is_bind(mount) {
        return Ok(Step::Mount {
            source: mount.source.clone(),
            target,
            fstype: mount.fstype.clone(),
            flags: set & !clear,
            data: mount.data.clone(),
            optional,
            create,
            propagation,
            strict: matches!(mount.fstype.as_str(), "proc" | "sysfs"),
        });
    }
    if !mount.source.starts_with('/') {
        return Err(Error::config(format!(
            "bind source \"{}\" is not absolute",
            mount.source.escape_default()
        ))
        .hint("a bind's source is a path of the host that begins with /")
        .at(&mount.origin));
    }
    Ok(Step::Bind {
        source: mount.source.clone(),
        target,
        recursive: set & REC != 0,
        set: set & !(BIND | REC),
        clear,
        optional,
        create,
        propagation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::fstab;

    fn planned(container: &Container, fstab: &[Mount]) -> Vec<String> {
        let mut list = Vec::new();
        steps(container, fstab, true, Vec::new(), &mut list).unwrap();
        list.iter().map(|planned| planned.step.to_string()).collect()
    }

    fn entry(line: &str) -> Mount {
        fstab::parse_entry(line, &Origin::default()).unwrap()
    }

    #[test]
    fn the_fstab_file_comes_before_the_entries_and_targets_lose_the_root() {
        let mut container = Container::lxc_defaults("foo1".parse().unwrap());
        container.rootfs = Some("/srv/foo".into());
        container.rootfs_mount = Some("/usr/lib/lxc/rootfs".into());
        container.pts = true;
        container.tty = 1;
        container.mounts = vec![
            entry("/lib /srv/foo/lib none ro,bind 0 0"),
            entry("/opt /usr/lib/lxc/rootfs/opt none rbind 0 0"),
            entry("/opt /srv/foobar none bind 0 0"),
        ];
        let list = planned(&container, &[entry("proc proc proc nodev 0 0")]);
        assert_eq!(
            list,
            [
                "mount rootfs /srv/foo",
                "mount devpts on /dev/pts (new instance) and its ptmx on /dev/ptmx",
                "mount proc proc on /proc",
                "bind /lib on /lib read-only",
                "bind /opt on /opt",
                "bind the console on /dev/console ttys on /dev/tty1..1",
                "pivot_root into the rootfs",
            ]
        );
    }

    #[test]
    fn a_profiles_container_gets_a_safe_proc_sys_and_dev() {
        let mut container = Container::toml_defaults("foo1".parse().unwrap());
        container.rootfs = Some("/srv/foo/".into());
        container.rootfs_read_only = true;
        let list = planned(&container, &[]);
        assert_eq!(
            list,
            [
                "mount rootfs /srv/foo/",
                "mount proc proc on /proc",
                "make /proc/sys read-only",
                "make /proc/sysrq-trigger read-only",
                "mount sysfs sysfs on /sys",
                "make /sys read-only",
                "mount tmpfs on /dev with the standard nodes",
                "mount devpts on /dev/pts (new instance) and its ptmx on /dev/ptmx",
                "bind the console on /dev/console",
                "make / read-only",
                "pivot_root into the rootfs",
            ]
        );
    }

    #[test]
    fn a_bind_from_nowhere_is_refused_with_its_place() {
        let mut container = Container::lxc_defaults("foo1".parse().unwrap());
        container.rootfs = Some("/srv/foo".into());
        let origin = Origin::new(&"fstab".into(), 3, 1);
        let mounts = [fstab::parse_entry("lib lib none bind", &origin).unwrap()];
        let error = steps(&container, &mounts, false, Vec::new(), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.starts_with("fstab:3:1: bind source \"lib\" is not absolute"), "{error}");
    }
}
