//! The container's first process, from clone to exec: it performs the steps of `Place::Child`.

use super::conversation::{self, Message};
use crate::error::{Error, Kind, Result};
use crate::plan::{Place, Planned, Step};
use crate::profile::container::{Container, CreateTarget, DEFAULT_PATH, Dev, Personality};
use crate::profile::value::Capabilities;
use crate::sys::mount::{self, Pivoted, Target};
use crate::sys::netlink::Netlink;
use crate::sys::rootfs::{Create, Links, Root, open_path};
use crate::sys::selfexec::Image;
use crate::sys::{caps, cgroup, dev, poll, process, pty, signal};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// What the first process gets from its monitor, besides the steps.
pub struct First<'a> {
    /// The container.
    pub container: &'a Container,
    /// The whole plan.
    pub steps: &'a [Planned],
    /// Its end of the conversation.
    pub monitor: OwnedFd,
    /// The `tasks` files of its cgroups, in the order of the `JoinCgroup` steps, opened before the clone.
    pub tasks: Vec<OwnedFd>,
    /// It was born in its v2 cgroup, and need not join that.
    pub born_in_unified: bool,
    /// The console's slave on the host.
    pub console: Option<String>,
    /// The command's standard input, output and error are the console; otherwise the caller's.
    pub console_is_stdio: bool,
    /// The ttys' slaves on the host.
    pub ttys: Vec<String>,
    /// boardbox's own init.
    pub image: Option<Image>,
}

/// Sets the container up and executes its command.
pub fn run(first: First<'_>) -> ! {
    let error = match set_up(&first) {
        Err(error) => error,
        Ok(()) => finish(&first),
    };
    conversation::fail(&first.monitor, error);
    process::exit(255)
}

/// Everything that the kernel lets a process do in namespaces of its own.
fn set_up(first: &First<'_>) -> Result<()> {
    // A set-up that hangs must not outlive its monitor; what comes after a change of user, `finish` sets anew.
    process::die_with_parent()?;
    process::new_session()?;
    let mut room = Room::default();
    let joins = first.steps.iter().filter_map(|planned| match &planned.step {
        Step::JoinCgroup { unified, .. } => Some((planned, *unified)),
        _ => None,
    });
    for ((planned, unified), tasks) in joins.zip(&first.tasks) {
        if !(unified && first.born_in_unified) {
            cgroup::join(tasks.as_fd()).map_err(|error| failed(error, planned, first))?;
        }
    }
    if first.container.own_network {
        let netlink = Netlink::open().map_err(|error| error.tried("open a netlink socket inside"))?;
        Message::Network.say(first.monitor.as_fd(), Some(netlink.as_fd()))?;
    }
    mount::make_slave()?;
    // Before there is another /dev: without a root file system of its own, the container's is on top of the host's.
    let slaves = first.console.iter().chain(&first.ttys);
    room.slaves = slaves.map(|slave| open_path(slave)).collect::<Result<_>>()?;
    let console = first.console.as_deref().map(pty::open_terminal).transpose()?;
    for planned in first.steps.iter().filter(|planned| planned.place == Place::Child) {
        room.perform(&planned.step, first).map_err(|error| failed(error, planned, first))?;
    }
    Message::SetUp.say(first.monitor.as_fd(), None)?;
    match Message::hear(first.monitor.as_fd())? {
        Some((Message::Go, _)) => {}
        // The monitor gave up, or is gone: nobody to tell.
        _ => process::exit(255),
    }
    if let Some(console) = console {
        if first.container.uid != 0 {
            dev::give_to(console.as_fd(), first.container.uid)?;
        }
        if first.console_is_stdio {
            pty::make_controlling(console.as_fd())?;
            process::become_stdio(console.as_fd())?;
        }
    }
    Ok(())
}

/// `ORIGIN: container "NAME": STEP: CAUSE`.
fn failed(error: Error, planned: &Planned, first: &First<'_>) -> Error {
    let step = planned.step.to_string();
    let error = if error.tried.starts_with(&step) { error } else { error.tried(step) };
    error.tried(format!("container \"{}\"", first.container.name)).at(&planned.origin)
}

/// Capabilities, user, exec. Returns on failure only.
fn finish(first: &First<'_>) -> Error {
    let prepare = || -> Result<()> {
        let container = first.container;
        if let Some(dir) = &container.cwd {
            let hint = "cwd is a directory inside, which has to be there";
            let place = container.places.get("cwd").unwrap_or(&container.origin);
            process::enter(dir).map_err(|error| error.hint(hint).kind(Kind::Config).at(place))?;
        }
        if container.personality == Personality::Linux32 {
            process::personality_32()?;
        }
        let keep = kept(&container.capabilities);
        if let Some(keep) = keep {
            caps::limit_bounding_set(keep)?;
        }
        if (container.uid, container.gid) != (0, 0) {
            caps::become_user(container.uid, container.gid)?;
        }
        if let Some(keep) = keep {
            caps::limit(keep)?;
        }
        if container.no_new_privs {
            caps::no_new_privileges()?;
        }
        signal::reset()?;
        // After the change of user, which would clear it.
        process::die_with_parent()?;
        // It has said all it has to say: what can be read now is its end, which came before the line above.
        match poll::readable(first.monitor.as_fd(), Some(Duration::ZERO))? {
            true => process::exit(255),
            false => Ok(()),
        }
    };
    if let Err(error) = prepare() {
        return first.container.about("", error);
    }
    let environment = environment(first.container);
    let exec = first.steps.iter().find_map(|planned| match &planned.step {
        Step::Exec { command, .. } => Some((planned, command)),
        _ => None,
    });
    let Some((planned, command)) = exec else { return Error::host("the plan has no command") };
    let error = match &first.image {
        None => process::exec(command, &environment, path(&environment)).kind(Kind::Config),
        Some(image) => {
            let monitor = first.monitor.as_raw_fd();
            let mut arguments = vec![super::own_init::NAME.to_string(), monitor.to_string()];
            arguments.extend_from_slice(command);
            match process::keep_on_exec(first.monitor.as_fd()) {
                Ok(()) => image.exec(&arguments, &environment),
                Err(error) => error,
            }
        }
    };
    error.tried(format!("container \"{}\"", first.container.name)).at(&planned.origin)
}

/// What stays of the capabilities; `None` when all do.
pub fn kept(capabilities: &Capabilities) -> Option<u64> {
    let keep = match capabilities {
        Capabilities::All => u64::MAX,
        Capabilities::Drop(set) => !set.0,
        Capabilities::Keep(set) => set.0,
    };
    // Before 3.4 reboot(2) inside a pid namespace reboots the board.
    let keep = if keep & caps::SYS_BOOT != 0 && process::kernel_release() < (3, 4) {
        keep & !caps::SYS_BOOT
    } else {
        keep
    };
    (keep != u64::MAX).then_some(keep)
}

/// The command's environment: the caller's is no business of the container's.
pub fn environment(container: &Container) -> Vec<String> {
    let mut environment = vec!["container=lxc".to_string()];
    let given = |name: &str| container.environment.iter().any(|(key, _)| key == name);
    if !given("PATH") {
        environment.push(format!("PATH={DEFAULT_PATH}"));
    }
    if !given("TERM") {
        let term =
            std::env::var("TERM").ok().filter(|term| !term.is_empty()).unwrap_or_else(|| "linux".into());
        environment.push(format!("TERM={term}"));
    }
    environment.extend(container.environment.iter().map(|(key, value)| format!("{key}={value}")));
    environment
}

/// The last PATH of an environment.
pub fn path(environment: &[String]) -> &str {
    environment.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH)
}

/// The root file system while it is furnished.
#[derive(Default)]
struct Room {
    root: Option<Root>,
    /// The terminals: the console's, where there is one, then the ttys'.
    slaves: Vec<OwnedFd>,
}

impl Room {
    /// The container's root; without one of its own, the host's.
    fn root(&mut self) -> Result<&Root> {
        if self.root.is_none() {
            self.root = Some(Root::open("/")?);
        }
        self.root.as_ref().ok_or_else(|| Error::host("there is no root file system"))
    }

    fn perform(&mut self, step: &Step, first: &First<'_>) -> Result<()> {
        match step {
            Step::SetHostname { name } => process::set_hostname(name),
            // The joins come before all steps.
            Step::CgroupNamespace => process::new_cgroup_namespace(),
            Step::MountRootfs { source } => {
                self.root = Some(mount::bind_rootfs(source).map_err(|error| {
                    error.hint("the root file system has to be a directory of the host").kind(Kind::Config)
                })?);
                Ok(())
            }
            Step::Bind { source, target, recursive, set, clear, optional, create, propagation } => {
                let done = self.bind(source, target, *recursive, *set, *clear, *create);
                let done = done.and_then(|()| self.propagate(target, *propagation));
                unless_optional(done, *optional, step)
            }
            Step::Mount { source, target, fstype, flags, data, optional, create, propagation, strict } => {
                let links = if *strict { Links::Refused } else { Links::Inside };
                let done = self.prepare(target, *create).and_then(|root| {
                    mount::mount_fs(source, fstype, Target { root, path: target, links }, *flags, data)
                });
                let done = done.and_then(|()| self.propagate(target, *propagation));
                unless_optional(done, *optional, step)
            }
            Step::ReadOnly { target, own, optional } => {
                let root = self.root()?;
                let done = mount::read_only(Target { root, path: target, links: Links::Refused }, *own);
                unless_optional(done, *optional, step)
            }
            Step::KeepWritable { target } => {
                let root = self.root()?;
                let at = root.resolve(target, Links::Refused)?;
                mount::bind(at.as_fd(), Target { root, path: target, links: Links::Refused }, false, 0, 0)
            }
            Step::MakeDev { dev: Dev::Tmpfs } => self.make_dev(),
            Step::MountDevpts => self.mount_devpts(first.container.dev == Dev::Tmpfs),
            Step::BindTtys { dir, .. } => self.bind_ttys(dir, first),
            Step::Pivot => {
                if let Some(root) = self.root.take()
                    && mount::pivot(&root)? == Pivoted::Moved
                {
                    log::warn!(
                        "/ is the initramfs, which pivot_root cannot leave: the container is chrooted, which does not \
                         hold a root with CAP_SYS_ADMIN; let the board switch_root first"
                    );
                }
                Ok(())
            }
            // The cgroups are joined before all else, capabilities and exec come after the monitor's Go.
            Step::JoinCgroup { .. } | Step::DropCapabilities { .. } | Step::Exec { .. } => Ok(()),
            Step::MakeDev { dev: Dev::Rootfs } => Ok(()),
            other => Err(Error::host(format!("\"{other}\" is no step of a container's first process"))),
        }
    }

    /// The root, with the target made where the profile says so.
    fn prepare(&mut self, target: &str, create: Option<CreateTarget>) -> Result<&Root> {
        let root = self.root()?;
        match create {
            Some(CreateTarget::Dir) => drop(root.create(target, Create::Dir)?),
            Some(CreateTarget::File) => drop(root.create(target, Create::File)?),
            None => {}
        }
        Ok(root)
    }

    fn propagate(&mut self, target: &str, propagation: u64) -> Result<()> {
        if propagation == 0 {
            return Ok(());
        }
        mount::set_propagation(Target { root: self.root()?, path: target, links: Links::Inside }, propagation)
    }

    fn bind(
        &mut self,
        source: &str,
        target: &str,
        recursive: bool,
        set: u64,
        clear: u64,
        create: Option<CreateTarget>,
    ) -> Result<()> {
        let source =
            open_path(source).map_err(|error| error.hint("a bind's source is a path of the host"))?;
        let root = self.prepare(target, create)?;
        mount::bind(
            source.as_fd(),
            Target { root, path: target, links: Links::Inside },
            recursive,
            set,
            clear,
        )
    }

    fn make_dev(&mut self) -> Result<()> {
        let root = self.root()?;
        let target = Target { root, path: "dev", links: Links::Refused };
        #[allow(clippy::unnecessary_cast)] // c_ulong has 32 bits on powerpc
        let flags = (libc::MS_NOSUID | libc::MS_NOEXEC) as u64;
        mount::mount_fs("tmpfs", "tmpfs", target, flags, "mode=755,size=500k")?;
        dev::populate(root.resolve("dev", Links::Refused)?.as_fd())
    }

    fn mount_devpts(&mut self, ours: bool) -> Result<()> {
        let root = self.root()?;
        #[allow(clippy::unnecessary_cast)]
        let flags = (libc::MS_NOSUID | libc::MS_NOEXEC) as u64;
        root.create("dev/pts", Create::Dir)?;
        let target = Target { root, path: "dev/pts", links: Links::Inside };
        mount::mount_fs("devpts", "devpts", target, flags, "newinstance,ptmxmode=0666,mode=0620,gid=5")?;
        let dev = root.resolve("dev", Links::Inside)?;
        if dev::ptmx_is_link(dev.as_fd()) || dev::link_ptmx(dev.as_fd())? || ours {
            return Ok(());
        }
        // A node of the root file system's own: it would open the host's instance.
        let ptmx = root.resolve("dev/pts/ptmx", Links::Inside)?;
        match root.resolve("dev/ptmx", Links::Inside) {
            Ok(_) => mount::bind(
                ptmx.as_fd(),
                Target { root, path: "dev/ptmx", links: Links::Inside },
                false,
                0,
                0,
            ),
            Err(error) => {
                log::info!("{error}: no pseudo terminals inside");
                Ok(())
            }
        }
    }

    fn bind_ttys(&mut self, dir: &str, first: &First<'_>) -> Result<()> {
        let make = first.container.dev == Dev::Tmpfs || !dir.is_empty();
        let slaves = std::mem::take(&mut self.slaves);
        let root = self.root()?;
        let slash = if dir.is_empty() { "" } else { "/" };
        let console = first.console.iter().map(|_| format!("dev/{dir}{slash}console"));
        let ttys = (1..=first.ttys.len()).map(|number| format!("dev/{dir}{slash}tty{number}"));
        for (path, slave) in console.chain(ttys).zip(&slaves) {
            match dev::terminal_node(root, &path, make)? {
                Some(_) => {
                    let target = Target { root, path: &path, links: Links::Inside };
                    mount::bind(slave.as_fd(), target, false, 0, 0)?;
                }
                None => log::info!("the root file system has no /{path}: no terminal is bound there"),
            }
        }
        Ok(())
    }
}

fn unless_optional(done: Result<()>, optional: bool, step: &Step) -> Result<()> {
    match done {
        Err(error) if optional => {
            log::info!("{step}: {error}: it is optional and left out");
            Ok(())
        }
        done => done,
    }
}
