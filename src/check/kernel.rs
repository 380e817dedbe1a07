//! What boardbox needs of the kernel: one table, for `check --kernel-config`, for lxc-checkconfig and for README's table
//! (a test compares them).

use super::config::{Config, Setting};
use crate::plan::cgroups::spelling;
use crate::profile::Layout;

/// What an option is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Any container.
    Any,
    /// A network namespace.
    Net,
    /// Consoles and private devpts instances.
    Ptys,
    /// A mounted /sys.
    Sys,
    /// `[[bridge]]`.
    Bridge,
    /// `relay = true` of a bridge.
    Relay,
    /// macvlan interfaces.
    Macvlan,
    /// IPv6 addresses.
    Ipv6,
    /// A controller, by its v1 name.
    Controller(&'static str),
    /// A setting: the file of a v1 controller, or what has the same meaning on v2.
    Setting(&'static str),
    /// Mounts of a file system of this type.
    Mount(&'static str),
    /// Programs that only a look into the file tree tells (`programs`).
    Program,
}

/// An option of the kernel's.
pub struct Opt {
    /// Without `CONFIG_`.
    pub name: &'static str,
    /// What it is needed for.
    pub of: For,
    /// On this layout only; `Auto`: on both.
    pub layout: Layout,
    /// From this kernel on, 4.3 as 4003; 0 from the beginning.
    pub from: u32,
    /// Before this one; 0 to the end.
    pub before: u32,
    /// What does not work without it.
    pub fails: &'static str,
}

const fn opt(name: &'static str, of: For, fails: &'static str) -> Opt {
    // On a board nobody asks: the texts stay out of the file.
    let fails = if cfg!(feature = "workbench") { fails } else { "" };
    Opt { name, of, layout: Layout::Auto, from: 0, before: 0, fails }
}

impl Opt {
    const fn v1(mut self) -> Self {
        self.layout = Layout::V1;
        self
    }

    const fn v2(mut self) -> Self {
        self.layout = Layout::V2;
        self
    }

    const fn from(mut self, version: u32) -> Self {
        self.from = version;
        self
    }

    const fn before(mut self, version: u32) -> Self {
        self.before = version;
        self
    }

    /// Whether a kernel of this version has it at all; where the version is not known, of those of today.
    pub fn in_version(&self, version: u32) -> bool {
        let version = if version == 0 { 6001 } else { version };
        version >= self.from && (self.before == 0 || version < self.before)
    }
}

const NO_NAMESPACE: &str = "no container starts: clone answers EINVAL";
const NO_CONTAINER: &str = "no container starts";

/// The table.
pub const OPTIONS: &[Opt] = &[
    opt("NAMESPACES", For::Any, NO_NAMESPACE),
    opt("UTS_NS", For::Any, NO_NAMESPACE),
    opt("IPC_NS", For::Any, NO_NAMESPACE),
    opt("PID_NS", For::Any, NO_NAMESPACE),
    opt("NET_NS", For::Net, "no network namespace: clone answers EINVAL"),
    opt("CGROUPS", For::Any, "there are no cgroups"),
    opt("PROC_FS", For::Any, "there is no /proc, which boardbox reads"),
    opt("TMPFS", For::Any, "there is no memory file system for /run/boardbox and /dev"),
    opt("UNIX", For::Any, "a container's monitor has no control socket"),
    opt("INET", For::Any, "there are no interfaces to set up"),
    opt("EPOLL", For::Any, "a container's monitor does not start"),
    opt("SIGNALFD", For::Any, "a container's monitor does not start"),
    opt("INOTIFY_USER", For::Any, "nobody can wait for a container's state"),
    opt("FILE_LOCKING", For::Any, "a running container is not told from one that ended"),
    opt("BINFMT_ELF", For::Any, NO_CONTAINER),
    opt("UNIX98_PTYS", For::Ptys, "no console and no ptys inside"),
    opt("DEVPTS_MULTIPLE_INSTANCES", For::Ptys, "the container sees the board's ptys").before(4007),
    opt("SYSFS", For::Sys, "there is no /sys to mount inside"),
    opt("BRIDGE", For::Bridge, "up can not make the bridge"),
    opt("VETH", For::Relay, "the relay can not be joined to its bridge"),
    opt("MACVLAN", For::Macvlan, "the interface can not be made, and the container does not start"),
    opt("IPV6", For::Ipv6, "the interface gets no IPv6 address"),
    opt("CPUSETS", For::Controller("cpuset"), "no container is pinned to cpus"),
    opt("CPUSETS_V1", For::Controller("cpuset"), "there is no cpuset on cgroup v1").v1().from(6012),
    opt("CGROUP_SCHED", For::Controller("cpu"), "cpu time is not shared out"),
    opt("FAIR_GROUP_SCHED", For::Controller("cpu"), "cpu time is not shared out"),
    opt("CFS_BANDWIDTH", For::Setting("cpu.cfs_quota_us"), "there are no quotas of cpu time"),
    opt("RT_GROUP_SCHED", For::Setting("cpu.rt_runtime_us"), "there are no real-time budgets"),
    opt("MEMCG", For::Controller("memory"), "memory is not limited").from(3006),
    opt("CGROUP_MEM_RES_CTLR", For::Controller("memory"), "memory is not limited").before(3006),
    opt("MEMCG_V1", For::Controller("memory"), "there is no memory controller on cgroup v1").v1().from(6011),
    opt("SWAP", For::Setting("memory.memsw.limit_in_bytes"), "memory and swap are not limited together"),
    opt(
        "MEMCG_SWAP",
        For::Setting("memory.memsw.limit_in_bytes"),
        "memory and swap are not limited together",
    )
    .from(3006)
    .before(6001),
    opt("CGROUP_DEVICE", For::Controller("devices"), "there are no device rules").v1(),
    opt("CGROUP_BPF", For::Controller("devices"), "there are no device rules").v2().from(4010),
    opt("BPF_SYSCALL", For::Controller("devices"), "there are no device rules").v2().from(3018),
    opt("CGROUP_FREEZER", For::Controller("freezer"), "containers can not be frozen").v1(),
    opt("CGROUP_PIDS", For::Controller("pids"), "the number of tasks is not limited").from(4003),
    opt("CGROUP_CPUACCT", For::Controller("cpuacct"), "cpu time is not counted").v1(),
    opt("BLK_CGROUP", For::Controller("blkio"), "input and output are neither limited nor counted"),
    opt("BLK_DEV_THROTTLING", For::Setting(spelling::THROTTLES[0].0), "disks are not throttled"),
    opt("BINFMT_SCRIPT", For::Program, "scripts are not executed"),
    opt("COMPAT", For::Program, "32-bit programs are not executed"),
    opt("IA32_EMULATION", For::Program, "32-bit programs are not executed"),
    opt("MIPS32_O32", For::Program, "32-bit programs are not executed"),
    opt("OVERLAY_FS", For::Mount("overlay"), "the mount fails"),
    opt("SQUASHFS", For::Mount("squashfs"), "the mount fails"),
    opt("EXT4_FS", For::Mount("ext4"), "the mount fails"),
    opt("VFAT_FS", For::Mount("vfat"), "the mount fails"),
    opt("UBIFS_FS", For::Mount("ubifs"), "the mount fails"),
    opt("JFFS2_FS", For::Mount("jffs2"), "the mount fails"),
    opt("NFS_FS", For::Mount("nfs"), "the mount fails"),
];

/// The groups of lxc-checkconfig, and of some of our own.
const GROUPS: [&str; 5] = ["Namespaces", "Control groups", "Network", "File systems", "Misc"];

fn group(option: &Opt) -> &'static str {
    match option.of {
        For::Bridge | For::Relay | For::Macvlan | For::Ipv6 => "Network",
        For::Controller(_) | For::Setting(_) => "Control groups",
        For::Mount(_) => "File systems",
        _ if option.name.ends_with("_NS") || option.name == "NAMESPACES" => "Namespaces",
        _ if option.name == "CGROUPS" => "Control groups",
        _ => "Misc",
    }
}

/// What lxc-checkconfig calls an option.
fn label(name: &str) -> String {
    let label = match name {
        "NAMESPACES" => "Namespaces",
        "UTS_NS" => "Utsname namespace",
        "IPC_NS" => "Ipc namespace",
        "PID_NS" => "Pid namespace",
        "NET_NS" => "Network namespace",
        "CGROUPS" => "Cgroups",
        "CGROUP_DEVICE" => "Cgroup device",
        "CGROUP_SCHED" => "Cgroup sched",
        "CGROUP_CPUACCT" => "Cgroup cpu account",
        "MEMCG" | "CGROUP_MEM_RES_CTLR" => "Cgroup memory controller",
        "CPUSETS" => "Cgroup cpuset",
        "MACVLAN" => "Macvlan",
        "VETH" => "Veth pair device",
        "BRIDGE" => "Bridges",
        other => return format!("CONFIG_{other}"),
    };
    label.into()
}

/// A line for each option of this kernel, in groups, as lxc-checkconfig prints it.
pub fn listing(kernel: &Config) -> String {
    let mut text = String::new();
    for wanted in GROUPS {
        text.push_str(&format!("\n--- {wanted} ---\n"));
        for option in OPTIONS {
            if group(option) != wanted || option.of == For::Program || !option.in_version(kernel.version) {
                continue;
            }
            text.push_str(&label(option.name));
            text.push_str(match kernel.setting(option.name) {
                Setting::Yes => ": enabled",
                Setting::Module => ": enabled, as a module",
                Setting::No if option.of == For::Any => ": required",
                Setting::No => ": missing",
            });
            text.push_str(match option.layout {
                Layout::Auto => "\n",
                Layout::V1 => " (cgroup v1)\n",
                Layout::V2 => " (cgroup v2)\n",
            });
        }
    }
    text
}
