//! Every rule of `check`, its severity, and what it is about in a line: SARIF has that, docs/checks.md says more.

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing: a risk taken, a condition that only the site can meet.
    Note,
    /// It will probably not do what was meant.
    Warning,
    /// It can not work, or boardbox refuses it.
    Error,
}

impl Severity {
    /// As messages, JSON and SARIF (its `level`) have it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A rule.
pub struct Rule {
    /// Its name, which stays.
    pub id: &'static str,
    /// Of all its findings.
    pub severity: Severity,
    /// What it is about.
    pub about: &'static str,
}

const fn error(id: &'static str, about: &'static str) -> Rule {
    Rule { id, severity: Severity::Error, about }
}

const fn warning(id: &'static str, about: &'static str) -> Rule {
    Rule { id, severity: Severity::Warning, about }
}

const fn note(id: &'static str, about: &'static str) -> Rule {
    Rule { id, severity: Severity::Note, about }
}

/// All of them, in the order of docs/checks.md.
pub const RULES: &[Rule] = &[
    error("unreadable", "a file that can not be read, is too long or is not UTF-8"),
    error("syntax", "text that is not TOML, or an LXC line without an equals sign"),
    error("unknown-key", "a key that is none"),
    error("missing-key", "a key that has to be there"),
    error("wrong-type", "a value of another type than the key's"),
    error("value", "a value outside of its range or form"),
    error("duplicate", "a name that is there twice"),
    error("not-supported", "a key of LXC's that boardbox does not apply"),
    warning("ignored-line", "a line of an LXC file that does not start with lxc."),
    error("dependency", "containers that wait for each other, or for one that is not there"),
    error("allow", "a rule to be allowed that is none, or an error"),
    error("cpus-beyond-board", "a cpu that the board does not have"),
    error("exclusive-overlap", "exclusive cpus that another container has, too"),
    warning("no-cpu-left", "exclusive cpus that leave the board none"),
    warning("quota-beyond-cpus", "a quota that the container's cpus can not use up"),
    error("real-time-budget", "more real-time budget than there is"),
    warning("memory-beyond-board", "a memory limit above what the board has"),
    warning("memory-overcommitted", "memory limits that are together above what the board has"),
    warning("memory-without-effect", "a memory setting that another one leaves without effect"),
    warning("unknown-controller", "a controller that no kernel of kernel.org has"),
    error("loopback", "the loopback where another interface is meant"),
    error("port-is-a-bridge", "a bridge's port that is a bridge itself"),
    error("mtu-below-ipv6", "an mtu below the 1280 bytes that IPv6 needs"),
    error("duplicate-address", "an address that is there twice on one link"),
    error("duplicate-mac", "a MAC address that is there twice on one link"),
    warning("subnet-overlap", "two subnets of which one is a part of the other"),
    warning("not-a-host-address", "an address that no interface should have"),
    error("gateway", "a gateway that is no other host's address, or on an interface that is not up"),
    warning("gateway-off-subnet", "a gateway that is not in the interface's subnet"),
    warning("gateway-auto", "a gateway by the bridge's address, which the profile does not give it"),
    error("gateway-twice", "two default routes of one family in one container"),
    error("link-is-a-port", "an interface on a link that is a bridge's port"),
    error("passthru-not-alone", "a passthru interface that is not alone on its link"),
    error("mtu-above-link", "an mtu above the bridge's"),
    warning("unknown-link", "a link with a name close to that of a bridge"),
    note("vepa-needs-reflection", "containers that reach each other only by way of a switch that reflects"),
    error("cgroup-layout", "a setting that the profile's cgroup layout has no equal for"),
    warning("mount-outside", "a mount target outside of the root file system, which is skipped"),
    error("bind-relative", "a bind whose source is not absolute"),
    warning("mount-twice", "two mounts on one target"),
    note(
        "wide-capabilities",
        "capabilities with which root inside can leave the container, or change the board's network",
    ),
    note("open-devices", "no device rule that denies all first"),
    note("host-network", "a container in the host's network namespace"),
    note("host-files", "a container without a root file system of its own"),
    note("writable-sys", "a /sys that can be written inside"),
    note("shared-rootfs", "a root file system that several containers can write"),
    error("rootfs-missing", "a root file system that the tree does not have"),
    error("fstab-missing", "an fstab file that the tree does not have"),
    error("bind-source-missing", "a bind whose source the tree does not have"),
    error("mount-target-missing", "a mount target that the root file system does not have"),
    error("mount-target-kind", "a directory bound on a file, or the other way round"),
    error("cwd-missing", "a working directory that is not there inside"),
    error("program-missing", "a command that the container would not find"),
    error("not-executable", "a command without the x bit"),
    error("not-a-program", "a command that the kernel can not execute"),
    error("wrong-architecture", "a program or library for another processor"),
    error("interpreter-missing", "a program's interpreter that is not there inside"),
    error("library-missing", "a library that is not there inside"),
    error("kernel-option", "an option that this profile needs and the kernel does not have"),
    warning("kernel-module", "an option that this profile needs and the kernel has as a module"),
    note("kernel-controller", "a controller that is left out, as the kernel does not have it"),
    warning(
        "initramfs-root",
        "a root file system on the initramfs, which confines nobody with CAP_SYS_ADMIN",
    ),
    note("real-time-refused", "real-time scheduling that RT_GROUP_SCHED refuses inside"),
    error("dtb-compatible", "a device tree for another board"),
    error("dtb-cpus", "more cpus than the device tree has"),
    warning("dtb-more-cpus", "fewer cpus than the device tree has"),
];

/// A rule's severity; of none, an error's.
pub fn severity(id: &str) -> Severity {
    RULES.iter().find(|rule| rule.id == id).map_or(Severity::Error, |rule| rule.severity)
}
