//! A step: one thing that `up` or `start` does, printed by `plan`, performed and undone by `apply` and `container`.

use crate::error::Origin;
use crate::plan::devices::Verb;
use crate::profile::container::Dev;
use crate::profile::value::{
    Capabilities, DeviceRule, Gateway4, Gateway6, IfName, Ipv4Net, Ipv6Net, Mac, MacvlanMode,
};
use std::fmt;

/// Who performs a step, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The calling process in the host's namespaces, before there is a child.
    Host,
    /// The container's monitor, for the child that has been cloned: its pid and network namespace are known now.
    Parent,
    /// The container's first process, in its own namespaces.
    Child,
    /// The monitor once the child has set itself up and waits to exec (devices rules: set-up needed mknod).
    Late,
}

/// A step, where it runs and which line of the profile asked for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Who performs it.
    pub place: Place,
    /// What is done.
    pub step: Step,
    /// Where it was asked for.
    pub origin: Origin,
}

/// What is done. The words of `Display` are the ones `plan` prints and errors begin with.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// mkdir, mode 0755; what exists stays.
    MakeDir { path: String },
    /// A tmpfs that holds the hierarchies' mount points.
    MountTmpfs { target: String },
    /// One cgroup v1 hierarchy with these controllers.
    MountHierarchy { controllers: Vec<String>, target: String, favordynmods: bool },
    /// A bridge, down and without ports.
    MakeBridge { bridge: IfName },
    /// The port gets the bridge as its master, and is set up.
    EnslavePort { bridge: IfName, port: IfName },
    /// Two interfaces, each the other's wire, both down; `mac` is the first one's address.
    MakeVeth { name: IfName, peer: IfName, mac: Mac, mtu: u32 },
    /// The bridge's port sends frames back out of itself.
    HairpinOn { port: IfName },
    /// The bridge learns nothing from what comes in at this port.
    LearningOff { port: IfName },
    /// The link has no IPv6 addresses, and asks for none.
    DisableIpv6 { link: IfName },
    /// The bridge's address, set explicitly: that pins it. Without `mac` it is the port's; with both, the port gets it too.
    PinBridgeAddress { bridge: IfName, port: Option<IfName>, mac: Option<Mac> },
    /// The link's mtu.
    SetMtu { link: IfName, mtu: u32 },
    /// An address on a host link.
    AddAddress4 { link: IfName, net: Ipv4Net },
    /// An address on a host link.
    AddAddress6 { link: IfName, net: Ipv6Net },
    /// The link is set up.
    LinkUp { link: IfName },
    /// A container's cgroup in one hierarchy: every missing directory of `root`/`path`, cpuset's cpus and mems
    /// filled in from the parent's where they are empty.
    MakeCgroup { controllers: Vec<String>, root: String, path: String },
    /// One write: `dir` is absolute, `file` a name in it.
    WriteCgroup { dir: String, file: String, value: String },
    /// The same on v2: the controllers of `enable` are passed down to it, those of `also` where that works.
    /// With `payload` its processes go into a cgroup of that name below, so that it may pass controllers on by itself.
    MakeUnified { root: String, path: String, enable: Vec<String>, also: Vec<String>, payload: bool },
    /// The unified hierarchy.
    MountUnified { target: String },
    /// The device rules as a program on the container's v2 cgroup.
    DeviceProgram { dir: String, rules: Vec<(Verb, DeviceRule)> },
    /// The first process enters the cgroup, by a descriptor opened before the clone; v2's it is born in, where the kernel
    /// can (5.7).
    JoinCgroup { dir: String, unified: bool },
    /// The cgroups joined are the roots of what the container sees from now on (cgroup_namespaces(7)).
    CgroupNamespace,
    /// The first process: new uts, pid, ipc, mount and, where it is its own, network namespace.
    Clone { network: bool },
    /// A macvlan, born in the container's network namespace.
    MakeMacvlan {
        number: usize,
        link: IfName,
        mode: MacvlanMode,
        mac: Option<Mac>,
        name: IfName,
        mtu: Option<u32>,
    },
    /// Addressed and up, in one batch inside.
    ConfigureNic {
        number: usize,
        name: IfName,
        up: bool,
        ipv4: Vec<Ipv4Net>,
        ipv6: Vec<Ipv6Net>,
        gateway4: Option<Gateway4>,
        gateway6: Option<Gateway6>,
    },
    /// The loopback is set up.
    LoopbackUp,
    /// sethostname.
    SetHostname { name: String },
    /// The rootfs is bound onto itself, to be pivoted into.
    MountRootfs { source: String },
    /// A bind mount from the host; `target` is relative to the rootfs.
    Bind {
        source: String,
        target: String,
        recursive: bool,
        set: u64,
        clear: u64,
        optional: bool,
        create: Option<crate::profile::container::CreateTarget>,
        propagation: u64,
    },
    /// A file system; `target` is relative to the rootfs.
    Mount {
        source: String,
        target: String,
        fstype: String,
        flags: u64,
        data: String,
        optional: bool,
        create: Option<crate::profile::container::CreateTarget>,
        propagation: u64,
        /// `target` must be a real directory, no symlink anywhere on the way (/proc, /sys).
        strict: bool,
    },
    /// The mount at `target` is made read-only; with `own`, `target` becomes a mount first (/proc/sys inside).
    ReadOnly { target: String, own: bool, optional: bool },
    /// `target` becomes a mount of its own, which stays writable when the one around it is made read-only.
    KeepWritable { target: String },
    /// /dev: a tmpfs with the standard nodes, or the rootfs's own left alone.
    MakeDev { dev: Dev },
    /// A private devpts and /dev/ptmx.
    MountDevpts,
    /// The console and N ttys, bound onto their nodes.
    BindTtys { console: bool, count: u32, dir: String },
    /// pivot_root into the rootfs; where / is the initramfs, move and chroot.
    Pivot,
    /// Bounding, permitted, effective and inheritable sets.
    DropCapabilities { capabilities: Capabilities },
    /// execve.
    Exec { command: Vec<String>, init: bool },
}

struct Or<'a, T>(&'a Option<T>, &'a str);

impl<T: fmt::Display> fmt::Display for Or<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str(self.1),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::MakeDir { path } => write!(f, "make directory {path}"),
            Step::MountTmpfs { target } => write!(f, "mount tmpfs on {target}"),
            Step::MountHierarchy { controllers, target, favordynmods } => {
                write!(f, "mount cgroup hierarchy {} on {target}", controllers.join(","))?;
                f.write_str(if *favordynmods { " (favordynmods where the kernel has it)" } else { "" })
            }
            Step::MakeBridge { bridge } => write!(f, "make bridge {bridge}"),
            Step::EnslavePort { bridge, port } => write!(f, "enslave port {port} to bridge {bridge}"),
            Step::MakeVeth { name, peer, mac, mtu } => {
                write!(f, "make veths {name} and {peer}, address {mac}, mtu {mtu}")
            }
            Step::HairpinOn { port } => write!(f, "set hairpin on at port {port}"),
            Step::LearningOff { port } => write!(f, "set learning off at port {port}"),
            Step::DisableIpv6 { link } => write!(f, "disable IPv6 on {link}"),
            Step::PinBridgeAddress { bridge, mac: Some(mac), port: Some(port) } => {
                write!(f, "set address of bridge {bridge} and of port {port} to {mac}")
            }
            Step::PinBridgeAddress { bridge, mac: Some(mac), .. } => {
                write!(f, "set address of bridge {bridge} to {mac}")
            }
            Step::PinBridgeAddress { bridge, port, .. } => {
                write!(f, "set address of bridge {bridge} to that of port {}", Or(port, "none"))
            }
            Step::SetMtu { link, mtu } => write!(f, "set mtu of {link} to {mtu}"),
            Step::AddAddress4 { link, net } => write!(f, "add address {net} to {link}"),
            Step::AddAddress6 { link, net } => write!(f, "add address {net} to {link}"),
            Step::LinkUp { link } => write!(f, "set {link} up"),
            Step::MakeCgroup { controllers, root, path } => {
                write!(f, "make cgroup {root}/{path} ({})", controllers.join(","))
            }
            Step::WriteCgroup { dir, file, value } => write!(f, "write {} to {dir}/{file}", Text(value)),
            Step::MakeUnified { root, path, enable, also, payload } => {
                write!(f, "make cgroup {root}/{path} (v2: {})", [&enable[..], &also[..]].concat().join(","))?;
                f.write_str(if *payload { " and payload below it" } else { "" })
            }
            Step::MountUnified { target } => write!(f, "mount cgroup2 on {target}"),
            Step::DeviceProgram { dir, rules } => {
                write!(f, "attach a device program to {dir}:")?;
                let mut comma = "";
                for (verb, rule) in rules {
                    write!(f, "{comma} {verb} {rule}")?;
                    comma = ",";
                }
                Ok(())
            }
            Step::JoinCgroup { dir, .. } => write!(f, "join cgroup {dir}"),
            Step::CgroupNamespace => f.write_str("enter a new cgroup namespace"),
            Step::Clone { network } => {
                write!(
                    f,
                    "clone with new uts, pid, ipc, mount{} namespace",
                    if *network { ", network" } else { "" }
                )
            }
            Step::MakeMacvlan { link, mode, mac, name, mtu, .. } => {
                write!(f, "make macvlan {name} on {link}, mode {mode}, address {}", Or(mac, "stable"))?;
                match mtu {
                    Some(mtu) => write!(f, ", mtu {mtu}"),
                    None => Ok(()),
                }
            }
            Step::ConfigureNic { name, up, ipv4, ipv6, gateway4, gateway6, .. } => {
                write!(f, "configure {name}")?;
                for net in ipv4 {
                    write!(f, ", address {net}")?;
                }
                for net in ipv6 {
                    write!(f, ", address {net}")?;
                }
                if *up {
                    f.write_str(", up")?;
                }
                if let Some(gateway) = gateway4 {
                    write!(f, ", gateway {gateway}")?;
                }
                if let Some(gateway) = gateway6 {
                    write!(f, ", gateway {gateway}")?;
                }
                Ok(())
            }
            Step::LoopbackUp => f.write_str("set lo up"),
            Step::SetHostname { name } => write!(f, "set hostname {name}"),
            Step::MountRootfs { source } => write!(f, "mount rootfs {source}"),
            Step::Bind { source, target, set, .. } => {
                #[allow(clippy::useless_conversion)] // c_ulong has 32 bits on powerpc
                let read_only = u64::from(libc::MS_RDONLY);
                let ro = if *set & read_only != 0 { " read-only" } else { "" };
                write!(f, "bind {source} on /{target}{ro}")
            }
            Step::Mount { source, target, fstype, data, .. } => {
                write!(f, "mount {fstype} {source} on /{target}")?;
                if data.is_empty() { Ok(()) } else { write!(f, " ({data})") }
            }
            Step::ReadOnly { target, .. } => write!(f, "make /{target} read-only"),
            Step::KeepWritable { target } => write!(f, "keep /{target} writable"),
            Step::MakeDev { dev: Dev::Tmpfs } => f.write_str("mount tmpfs on /dev with the standard nodes"),
            Step::MakeDev { dev: Dev::Rootfs } => f.write_str("leave /dev as the rootfs has it"),
            Step::MountDevpts => {
                f.write_str("mount devpts on /dev/pts (new instance) and its ptmx on /dev/ptmx")
            }
            Step::BindTtys { console, count, dir } => {
                let slash = if dir.is_empty() { "" } else { "/" };
                f.write_str("bind")?;
                if *console {
                    write!(f, " the console on /dev/{dir}{slash}console")?;
                }
                if *count > 0 {
                    write!(f, " ttys on /dev/{dir}{slash}tty1..{count}")?;
                }
                Ok(())
            }
            Step::Pivot => f.write_str("pivot_root into the rootfs"),
            Step::DropCapabilities { capabilities } => write!(f, "capabilities: {capabilities}"),
            Step::Exec { command, init } => {
                f.write_str(if *init { "exec boardbox's init with" } else { "exec" })?;
                for word in command {
                    write!(f, " {word}")?;
                }
                Ok(())
            }
        }
    }
}

/// Quotes a value and escapes what would break the line, without `Debug`, which release builds print empty.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_debug())
    }
}
