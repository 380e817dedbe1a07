//! A further command in a running container: it joins the cgroups and the namespaces.

use super::client;
use super::console::Console;
use super::control::{Reply, Request, State};
use super::conversation::{self, Message};
use super::init;
use super::state::{Record, UNIFIED};
use crate::error::{Error, Kind, Result};
use crate::plan::cgroups::{EXEC, PAYLOAD};
use crate::profile::container::Personality;
use crate::profile::value::ContainerName;
use crate::sys::events::Events;
use crate::sys::process::{self, Side};
use crate::sys::pty::{self, Pty};
use crate::sys::rootfs::{self, Root};
use crate::sys::signal::{self, Signals};
use crate::sys::{caps, cgroup, dev, mount, selfexec};
use nix::sched::CloneFlags;
use nix::unistd::Pid;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// A namespace of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Mounts.
    Mount,
    /// Process ids.
    Pid,
    /// Host name.
    Uts,
    /// System V IPC and message queues.
    Ipc,
    /// Network.
    Network,
    /// The roots of cgroup hierarchies.
    Cgroup,
}

impl Namespace {
    /// All of them.
    pub const ALL: [Namespace; 6] = [
        Namespace::Pid,
        Namespace::Network,
        Namespace::Ipc,
        Namespace::Uts,
        Namespace::Cgroup,
        Namespace::Mount,
    ];

    /// The kernel's name in /proc/PID/ns, and the flag.
    fn names(self) -> (&'static str, CloneFlags) {
        match self {
            Namespace::Mount => ("mnt", CloneFlags::CLONE_NEWNS),
            Namespace::Pid => ("pid", CloneFlags::CLONE_NEWPID),
            Namespace::Uts => ("uts", CloneFlags::CLONE_NEWUTS),
            Namespace::Ipc => ("ipc", CloneFlags::CLONE_NEWIPC),
            Namespace::Network => ("net", CloneFlags::CLONE_NEWNET),
            Namespace::Cgroup => ("cgroup", CloneFlags::CLONE_NEWCGROUP),
        }
    }
}

/// What is executed, and how.
#[derive(Clone, Debug)]
pub struct Attach {
    /// The container.
    pub name: ContainerName,
    /// Command and arguments; empty means `/bin/sh`.
    pub command: Vec<String>,
    /// The namespaces to join; empty means all.
    pub namespaces: Vec<Namespace>,
    /// Drop the caller's environment.
    pub clear_env: bool,
    /// Names and values to add to it.
    pub environment: Vec<(String, String)>,
    /// Keep all capabilities, whatever the container's are, and join no cgroups (`lxc-attach -e`).
    pub elevated: bool,
    /// Mount /proc (and /sys) anew for the namespaces joined, where the container's mounts are not (`lxc-attach -R`).
    pub remount_proc: bool,
    /// User id inside; `None` stays root.
    pub uid: Option<u32>,
    /// Group id inside.
    pub gid: Option<u32>,
    /// Working directory inside; `None` is the caller's where the container has one of that name, else `/`.
    pub cwd: Option<String>,
    /// `lxc-attach -a`.
    pub personality: Personality,
}

/// What is found out before anything is entered.
struct Found {
    namespaces: Vec<(Namespace, OwnedFd)>,
    /// The root directory of its pid 1, where its mounts are joined.
    root: Option<Root>,
    tasks: Vec<OwnedFd>,
    /// Capabilities to keep; `None` keeps all.
    keep: Option<u64>,
    no_new_privs: bool,
}

/// Executes it and returns its wait(2) status.
pub fn exec(attach: &Attach) -> Result<i32> {
    // The container may look at, and write to, whatever its processes were executed from.
    selfexec::run_from_memory()?;
    process::undumpable()?;
    process::let_go_of_inherited(false);
    let found = find(attach)?;
    let terminal = pty::is_terminal(std::io::stdin().as_fd());
    let (pty, slave) = terminal.then(|| open_pty(&found)).transpose()?.unzip();
    let signals = Signals::listen()?;
    let (ours, theirs) = conversation::begin()?;
    for (namespace, fd) in found.namespaces.iter().filter(|(namespace, _)| *namespace == Namespace::Pid) {
        // Holds for children only.
        let (name, flag) = namespace.names();
        process::enter_namespace(fd.as_fd(), flag, name)?;
    }
    let child = match process::fork()? {
        Side::Parent(child) => child,
        Side::Child => {
            drop(ours);
            let error = enter(attach, &found, slave, &theirs);
            conversation::fail(&theirs, error);
            process::exit(255)
        }
    };
    drop(theirs);
    match Message::hear(ours.as_fd())? {
        None => {}
        Some((Message::Failed(error), _)) => {
            process::wait(child, true)?;
            return Err(error);
        }
        Some(_) => return Err(Error::host("the conversation with the new process is out of order")),
    }
    let console = match pty {
        Some(pty) => {
            let mut console = Console::new(pty, None)?;
            drop(slave);
            console.attach()?;
            Some(console)
        }
        None => None,
    };
    wait(child, signals, console)
}

/// A pseudo terminal, of the container's devpts where it has one, and its slave.
fn open_pty(found: &Found) -> Result<(Pty, OwnedFd)> {
    if let Some(inside) = found.root.as_ref().and_then(pty::open_pty_inside) {
        return Ok(inside);
    }
    let pty = pty::open_pty()?;
    let slave = pty::open_terminal(&pty.slave)?;
    Ok((pty, slave))
}

/// Everything by the container's pid 1, which is looked up twice: a pid may be another process's by now.
fn find(attach: &Attach) -> Result<Found> {
    let init = init_of(&attach.name)?;
    let wanted = if attach.namespaces.is_empty() { &Namespace::ALL[..] } else { &attach.namespaces };
    let mut namespaces = Vec::new();
    for namespace in Namespace::ALL.into_iter().filter(|namespace| wanted.contains(namespace)) {
        let path = format!("/proc/{init}/ns/{}", namespace.names().0);
        let file = File::open(&path);
        // Before 4.6 there are none.
        if file.is_err() && namespace == Namespace::Cgroup {
            continue;
        }
        let file = file.map_err(|error| {
            let error = Error::io(format!("open {path}"), &error);
            match namespace {
                Namespace::Mount | Namespace::Pid => {
                    error.hint("joining pid and mount namespaces needs Linux 3.8")
                }
                _ => error,
            }
        })?;
        namespaces.push((namespace, file.into()));
    }
    let root = match wanted.contains(&Namespace::Mount) {
        true => Root::open(&format!("/proc/{init}/root")).ok(),
        false => None,
    };
    let mut tasks = Vec::new();
    let record = Record::read(&attach.name);
    if !attach.elevated {
        for (controllers, dir) in &record.cgroups {
            let unified = controllers.iter().any(|name| name == UNIFIED);
            // A cgroup that passes controllers on takes no processes: those of an init that may, are in one below.
            if unified && std::fs::metadata(format!("{dir}/{PAYLOAD}")).is_ok() {
                let dir = format!("{dir}/{EXEC}");
                cgroup::make(&dir)?;
                tasks.push(cgroup::open_tasks(&dir)?);
            } else {
                tasks.push(cgroup::open_tasks(dir)?);
            }
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{init}/status")).unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // What it has given up since then is respected; what it seems to have gained, in a user namespace of its own, is not.
    let bounding = field("CapBnd:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    let no_new_privs = record.no_new_privs || field("NoNewPrivs:") == Some("1");
    if init_of(&attach.name)? != init || record.init != init {
        return Err(client::not_running(&attach.name));
    }
    let keep = (!attach.elevated).then(|| record.capabilities & bounding.unwrap_or(u64::MAX));
    Ok(Found { namespaces, root, tasks, keep, no_new_privs: no_new_privs && !attach.elevated })
}

fn init_of(name: &ContainerName) -> Result<i32> {
    match client::request(name, &Request::Info, Some(client::PROMPT))?.reply() {
        Reply::Info { state: State::Frozen | State::Freezing, .. } => {
            Err(Error::new(Kind::NotRunning, format!("container \"{name}\" is frozen"))
                .hint("a command in it would stand still as well: unfreeze it first"))
        }
        Reply::Info { init: 0, .. } => Err(client::not_running(name)),
        Reply::Info { init, .. } => Ok(init),
        _ => Err(client::not_running(name)),
    }
}

/// In the child: enters what is left to enter and executes. Returns on failure only.
fn enter(attach: &Attach, found: &Found, slave: Option<OwnedFd>, parent: &OwnedFd) -> Error {
    let environment = environment(attach);
    let here = std::env::current_dir().ok();
    let prepare = || -> Result<()> {
        process::new_session()?;
        for tasks in &found.tasks {
            cgroup::join(tasks.as_fd())?;
        }
        // Mount comes last: the others' files are known already, and nothing of the host is opened after it.
        for (namespace, fd) in found.namespaces.iter().filter(|(namespace, _)| *namespace != Namespace::Pid) {
            let (name, flag) = namespace.names();
            process::enter_namespace(fd.as_fd(), flag, name)?;
        }
        let has_mounts = found.namespaces.iter().any(|(namespace, _)| *namespace == Namespace::Mount);
        if attach.remount_proc && !has_mounts {
            remount(found)?;
        }
        match (&attach.cwd, here.as_deref().and_then(Path::to_str)) {
            (Some(dir), _) => process::enter(dir)?,
            (None, Some(dir)) if process::enter(dir).is_ok() => {}
            _ => process::enter("/")?,
        }
        if let Some(slave) = slave {
            if let Some(uid) = attach.uid {
                dev::give_to(slave.as_fd(), uid)?;
            }
            pty::make_controlling(slave.as_fd())?;
            process::become_stdio(slave.as_fd())?;
        }
        if attach.personality == Personality::Linux32 {
            process::personality_32()?;
        }
        if let Some(keep) = found.keep {
            caps::limit_bounding_set(keep)?;
        }
        if attach.uid.is_some() || attach.gid.is_some() {
            caps::become_user(attach.uid.unwrap_or(0), attach.gid.unwrap_or(0))?;
        }
        if let Some(keep) = found.keep {
            caps::limit(keep)?;
        }
        if found.no_new_privs {
            caps::no_new_privileges()?;
        }
        signal::reset()?;
        Ok(())
    };
    if let Err(error) = prepare() {
        return error;
    }
    // Close-on-exec: its end says that the command runs.
    let _ = parent;
    let shell = ["/bin/sh".to_string()];
    let command = if attach.command.is_empty() { &shell[..] } else { &attach.command };
    process::exec(command, &environment, init::path(&environment)).kind(Kind::Config)
}

/// /proc and /sys of the namespaces joined, over the host's, in a mount namespace of the command's own.
fn remount(found: &Found) -> Result<()> {
    process::unshare(CloneFlags::CLONE_NEWNS)?;
    mount::make_slave()?;
    let root = Root::open("/")?;
    let joined = |wanted| found.namespaces.iter().any(|(namespace, _)| *namespace == wanted);
    for (fstype, path, needed) in
        [("proc", "proc", joined(Namespace::Pid)), ("sysfs", "sys", joined(Namespace::Network))]
    {
        if needed {
            let target = mount::Target { root: &root, path, links: rootfs::Links::Refused };
            mount::mount_fs(fstype, fstype, target, 0, "")?;
        }
    }
    Ok(())
}

fn environment(attach: &Attach) -> Vec<String> {
    let mut environment = Vec::new();
    if attach.clear_env {
        environment.push(format!("PATH={}", init::path(&[])));
    } else {
        environment.extend(
            std::env::vars_os()
                .filter(|(name, _)| name != "container")
                .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy())),
        );
    }
    environment.push("container=lxc".into());
    for (name, value) in &attach.environment {
        environment.retain(|entry| entry.split('=').next() != Some(name));
        environment.push(format!("{name}={value}"));
    }
    environment
}

const SIGNALS: u64 = 0;
const MASTER: u64 = 1;
const STDIN: u64 = 2;

/// Until the command ends: its terminal is served, signals are passed on.
fn wait(child: Pid, mut signals: Signals, mut console: Option<Console>) -> Result<i32> {
    let events = Events::new()?;
    events.add(signals.as_fd(), SIGNALS)?;
    if let Some(console) = &console {
        console.watch(&events, MASTER, STDIN)?;
    }
    loop {
        if let Some(status) = process::wait(child, false)? {
            if let Some(console) = &mut console {
                console.drain();
            }
            return Ok(status);
        }
        for token in events.wait(console.as_ref().and_then(Console::timeout))? {
            match (token, &mut console) {
                (MASTER, Some(console)) => console.output(&events),
                (STDIN, Some(console)) => console.input(&events),
                _ => {}
            }
        }
        while let Some(number) = signals.take() {
            match (number, &console) {
                (libc::SIGCHLD | libc::SIGCONT, _) => {}
                (libc::SIGWINCH, Some(console)) => console.resize(),
                (number, _) => process::kill(child, number)?,
            }
        }
        if let Some(console) = &mut console
            && console.timeout().is_some()
        {
            console.retry(&events, MASTER);
        }
    }
}
