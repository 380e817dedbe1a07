//! A container as the user asked for it. Every default is spelled out, so that an LXC file and a TOML section that mean
//! the same are equal.

use super::startup::Startup;
use super::value::{
    Capabilities, ContainerName, Gateway4, Gateway6, IfName, Ipv4Net, Ipv6Net, Mac, MacvlanMode, Signal,
};
use crate::error::{Error, Origin, Places};
use std::rc::Rc;

/// PATH of a container that sets none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One container.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Its name: `container.name`, `lxc-start -n`.
    pub name: ContainerName,
    /// Host name inside (`lxc.utsname`), 1..=64 bytes; `None` leaves the host's.
    pub hostname: Option<String>,
    /// Absolute path of the root file system on the host (`lxc.rootfs`); `None` runs on the host's own files.
    pub rootfs: Option<String>,
    /// Mount the root file system read-only.
    pub rootfs_read_only: bool,
    /// Where LXC would bind the rootfs (`lxc.rootfs.mount`): only the prefix it gives mount targets matters here.
    pub rootfs_mount: Option<String>,
    /// Command and arguments; empty means `/sbin/init`.
    pub command: Vec<String>,
    /// Environment (`lxc.environment`), name and value, in order.
    pub environment: Vec<(String, String)>,
    /// Working directory inside (`lxc.init.cwd`); default `/`.
    pub cwd: Option<String>,
    /// User id of the command (`lxc.init.uid`); default 0.
    pub uid: u32,
    /// Group id of the command (`lxc.init.gid`); default 0.
    pub gid: u32,
    /// The kernel personality (`lxc.arch`).
    pub personality: Personality,
    /// A private devpts instance (`lxc.pts`, any number but 0).
    pub pts: bool,
    /// How many ttys (`lxc.tty`), 0..=32.
    pub tty: u32,
    /// The directory under /dev that the ttys and the console go to (`lxc.devttydir`); empty means /dev itself.
    pub tty_dir: String,
    /// What /dev is.
    pub dev: Dev,
    /// The console (`lxc.console`).
    pub console: Console,
    /// Mounted by itself, as `lxc.mount.auto` names it.
    pub auto_mounts: AutoMounts,
    /// An fstab file on the host (`lxc.mount`), mounted before `mounts`.
    pub fstab: Option<(String, Origin)>,
    /// Mounts in order (`lxc.mount.entry`).
    pub mounts: Vec<Mount>,
    /// cgroup v1 settings in file order (`lxc.cgroup.FILE`).
    pub cgroup: Vec<CgroupRule>,
    /// Capabilities.
    pub capabilities: Capabilities,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privs: bool,
    /// `false` shares the host's network namespace (an LXC file without any NIC).
    pub own_network: bool,
    /// NICs in order.
    pub network: Vec<Nic>,
    /// What asks the container's init to end (`lxc.stopsignal`).
    pub stop_signal: Signal,
    /// The command that `lxc-execute` runs under an init of boardbox's own where it is given none
    /// (`lxc.execute.cmd`).
    pub execute_command: Vec<String>,
    /// How much is logged (`lxc.loglevel`); a command-line option goes before it.
    pub log_level: Option<log::LevelFilter>,
    /// Where it is logged (`lxc.logfile`), a file on the host.
    pub log_file: Option<String>,
    /// When `up` starts it, and what happens when it ends.
    pub startup: Startup,
    /// Where the section starts.
    pub origin: Origin,
    /// Where its values stand, by their TOML keys also for an LXC file's.
    pub places: Places,
}

/// What /dev is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dev {
    /// The root file system's own, as LXC 0.9.0 has it without `lxc.autodev`.
    Rootfs,
    /// A tmpfs with the standard nodes: null zero full random urandom tty, fd stdin stdout stderr, pts, ptmx, shm.
    Tmpfs,
}

/// Where the console goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Console {
    /// A pseudo terminal of its own.
    Pty,
    /// None at all.
    None,
    /// A pseudo terminal whose output is also appended to this file or terminal on the host.
    Path(String),
}

/// /proc and /sys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AutoMounts {
    /// /proc.
    pub proc: Option<AutoMode>,
    /// /sys.
    pub sys: Option<AutoMode>,
    /// /sys/fs/cgroup.
    pub cgroup: Option<CgroupMount>,
}

/// `cgroup` and `cgroup-full` of `lxc.mount.auto`: what a container sees of the hierarchies on /sys/fs/cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CgroupMount {
    /// `Ro`: all read-only. `Mixed`: its own cgroups writable. `Rw`: what holds their mount points, too.
    pub mode: AutoMode,
    /// The whole hierarchies, not its own cgroups alone.
    pub full: bool,
}

/// How one of them is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AutoMode {
    /// Read-write.
    Rw,
    /// Read-only.
    Ro,
    /// /proc with /proc/sys and /proc/sysrq-trigger read-only; /sys read-only with /sys/devices/virtual/net writable.
    Mixed,
}

/// `lxc.arch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Personality {
    /// The kernel's own.
    #[default]
    Native,
    /// `PER_LINUX32`: a 32-bit name on a 64-bit kernel.
    Linux32,
}

/// One mount inside the container: an fstab line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mount {
    /// Source: a host path for binds, a device or a name otherwise.
    pub source: String,
    /// Target as written: absolute with the rootfs's prefix, or relative to the rootfs (see `plan::mounts`).
    pub target: String,
    /// File system type; `none` for binds.
    pub fstype: String,
    /// The mount flags the options name.
    pub flags: MountFlags,
    /// What is left of the options: the file system's own, joined by commas.
    pub data: String,
    /// `optional`: a failure is logged, not an error.
    pub optional: bool,
    /// `create=dir` or `create=file`: make the target if it is missing.
    pub create: Option<CreateTarget>,
    /// Where it was written.
    pub origin: Origin,
}

/// What `create=` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreateTarget {
    /// A directory.
    Dir,
    /// An empty file.
    File,
}

/// Mount options that are flags: `set` and `clear` as the options say, `MS_*` bits of mount(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MountFlags {
    /// Bits to set (`ro` nosuid nodev noexec sync … bind rbind).
    pub set: u64,
    /// Bits explicitly cleared (`rw` suid dev exec …).
    pub clear: u64,
    /// Propagation bits (`shared` `rslave` …), a mount(2) call of their own; 0 for none.
    pub propagation: u64,
}

/// One write into a cgroup file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupRule {
    /// The file: `cpuset.cpus`.
    pub file: String,
    /// The value, verbatim.
    pub value: String,
    /// In v2's spelling (`lxc.cgroup2.FILE`), else in v1's.
    pub unified: bool,
    /// Where it was written.
    pub origin: Origin,
}

impl CgroupRule {
    /// The controller the file belongs to: what stands before the first dot.
    pub fn controller(&self) -> &str {
        self.file.split('.').next().unwrap_or("")
    }
}

/// One network interface of the container.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Nic {
    /// `type` and what belongs to it.
    pub kind: NicKind,
    /// `name` inside; `None` means `eth0`, `eth1` … by position.
    pub name: Option<IfName>,
    /// `flags = up`.
    pub up: bool,
    /// `hwaddr`; `None` means a stable one (see `plan::network`).
    pub hwaddr: Option<Mac>,
    /// `hwaddr` as it is written, where digits of it are `x`: those were drawn when the profile was read, and are others each
    /// time.
    pub hwaddr_pattern: Option<Rc<str>>,
    /// `mtu` in bytes, 68..=65535.
    pub mtu: Option<u32>,
    /// `ipv4`.
    pub ipv4: Vec<Ipv4Net>,
    /// `ipv6`.
    pub ipv6: Vec<Ipv6Net>,
    /// `ipv4.gateway`.
    pub gateway4: Option<Gateway4>,
    /// `ipv6.gateway`.
    pub gateway6: Option<Gateway6>,
    /// Where the section starts.
    pub origin: Origin,
    /// Where its values stand, by their TOML keys also for an LXC file's.
    pub places: Places,
}

/// What kind of interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NicKind {
    /// Only the loopback.
    Empty,
    /// A macvlan on `link`.
    Macvlan {
        /// The lower device on the host.
        link: IfName,
        /// Its mode.
        mode: MacvlanMode,
    },
}

impl Container {
    /// A container with LXC 0.9.0's defaults: what an empty file means.
    pub fn lxc_defaults(name: ContainerName) -> Self {
        Self {
            name,
            hostname: None,
            rootfs: None,
            rootfs_read_only: false,
            rootfs_mount: None,
            command: Vec::new(),
            environment: Vec::new(),
            cwd: None,
            uid: 0,
            gid: 0,
            personality: Personality::Native,
            pts: false,
            tty: 0,
            tty_dir: String::new(),
            dev: Dev::Rootfs,
            console: Console::Pty,
            auto_mounts: AutoMounts::default(),
            fstab: None,
            mounts: Vec::new(),
            cgroup: Vec::new(),
            capabilities: Capabilities::All,
            no_new_privs: false,
            own_network: false,
            network: Vec::new(),
            stop_signal: Signal::PWR,
            execute_command: Vec::new(),
            log_level: None,
            log_file: None,
            startup: Startup::default(),
            origin: Origin::default(),
            places: Places::default(),
        }
    }

    /// A container with a TOML profile's safe defaults (docs/security.md).
    pub fn toml_defaults(name: ContainerName) -> Self {
        Self {
            hostname: Some(name.to_string()),
            pts: true,
            dev: Dev::Tmpfs,
            auto_mounts: AutoMounts { proc: Some(AutoMode::Mixed), sys: Some(AutoMode::Ro), cgroup: None },
            capabilities: Capabilities::Keep(super::value::DEFAULT_CAPABILITIES),
            own_network: true,
            ..Self::lxc_defaults(name)
        }
    }

    /// An error about the value of `key`, which is a profile's name of it: with the container's name and a place.
    pub fn about(&self, key: &str, error: Error) -> Error {
        error.tried(format!("container \"{}\"", self.name)).at(self.places.get(key).unwrap_or(&self.origin))
    }
}
