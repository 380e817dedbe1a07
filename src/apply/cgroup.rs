//! Makes a container's cgroup and writes its settings, with the words a user needs when the kernel refuses.

use super::undo::{Journal, Undo};
use crate::error::{Error, Kind, Result};
use crate::sys::{cgroup, procfs};
use nix::errno::Errno;
use std::time::Duration;

/// How often a directory that another container's end removed under our hands is made again.
const ATTEMPTS: u32 = 100;

/// How often a new default for devices is tried while the kernel sees cgroups below that are gone, every 10 ms.
const DYING: u32 = 200;

/// Makes `root`/`path`, every directory of it, and fills cpuset's cpus and mems in.
pub fn make(controllers: &[String], root: &str, path: &str, journal: &mut dyn Journal) -> Result<()> {
    journal.note(Undo::RemoveCgroup { dir: format!("{root}/{path}") })?;
    let cpuset = controllers.iter().any(|name| name == "cpuset");
    making(cpuset, journal, &mut || make_once(root, path, cpuset))
}

/// Makes a cgroup, once more where another one's end came in between: the last container to end takes the boardbox directory
/// along, also while this one is on its way into it. EACCES is a cpuset in one that yet another start has just made anew and
/// not filled so far.
pub fn making(cpuset: bool, journal: &mut dyn Journal, once: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    for left in (0..=ATTEMPTS).rev() {
        let Err(error) = once() else { return Ok(()) };
        match Errno::from_raw(error.errno) {
            _ if error.kind == Kind::Taken => {
                // Not ours to remove.
                journal.forget();
                return Err(error);
            }
            Errno::ENOENT | Errno::ENODEV if left > 0 => {}
            Errno::EACCES if left > 0 && cpuset => {}
            Errno::EROFS => return Err(error.hint("the hierarchy is mounted read-only")),
            Errno::EACCES | Errno::EPERM => return Err(error.hint("this needs root")),
            _ => return Err(error),
        }
    }
    Ok(())
}

/// Makes one directory on the way; false when it was there. The container's own may not be in use.
pub fn enter(dir: &str, own: bool) -> Result<bool> {
    let made = cgroup::make(dir)?;
    // An empty one is what a killed run left behind; it serves again.
    if !made && own && cgroup::has_tasks(dir)? {
        return Err(Error::new(Kind::Taken, "processes are in it already")
            .tried(format!("make cgroup {dir}"))
            .hint("a container of this name runs, or a process of one was left behind"));
    }
    Ok(made)
}

fn make_once(root: &str, path: &str, cpuset: bool) -> Result<()> {
    let mut parent = root.to_owned();
    let mut fill = Fill::default();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let dir = format!("{parent}/{name}");
        let made = enter(&dir, names.peek().is_none())?;
        if cpuset {
            fill.descend(&parent, &dir, made)?;
        }
        parent = dir;
    }
    Ok(())
}

/// No task can enter a cpuset without cpus and memory nodes, and a new one has neither.
#[derive(Default)]
struct Fill {
    /// The value of the directory above, once it is known: cpus and mems.
    above: [Option<String>; 2],
    noprefix: bool,
}

impl Fill {
    fn descend(&mut self, parent: &str, dir: &str, fresh: bool) -> Result<()> {
        for (index, file) in ["cpuset.cpus", "cpuset.mems"].into_iter().enumerate() {
            let own = if fresh { String::new() } else { self.read(dir, file)? };
            let value = if own.is_empty() {
                let known = self.above.get_mut(index).and_then(Option::take);
                let value = match known {
                    Some(value) => value,
                    None => self.read(parent, file)?,
                };
                if value.is_empty() {
                    return Err(Error::host("is empty")
                        .tried(format!("{file} of cgroup {parent}"))
                        .hint("fill it first"));
                }
                cgroup::write(dir, self.name(file), &value)?;
                value
            } else {
                own
            };
            if let Some(above) = self.above.get_mut(index) {
                *above = Some(value);
            }
        }
        Ok(())
    }

    fn name<'a>(&self, file: &'a str) -> &'a str {
        if self.noprefix { file.trim_start_matches("cpuset.") } else { file }
    }

    fn read(&mut self, dir: &str, file: &str) -> Result<String> {
        match cgroup::read_value(dir, self.name(file)) {
            Err(error) if error.is(Errno::ENOENT) && !self.noprefix => {
                let value = cgroup::read_value(dir, file.trim_start_matches("cpuset.")).map_err(|_| error)?;
                self.noprefix = true;
                Ok(value)
            }
            other => other,
        }
    }
}

/// Writes one setting.
pub fn write(dir: &str, file: &str, value: &str) -> Result<()> {
    let mut left = DYING;
    loop {
        let Err(error) = cgroup::write(dir, file, value) else { return Ok(()) };
        // A cgroup below that has been removed counts for some milliseconds more.
        let dying = error.is(Errno::EINVAL)
            && matches!(file, "devices.deny" | "devices.allow")
            && value.trim_start().starts_with('a')
            && cgroup::child(dir).is_none();
        if !dying || left == 0 {
            let hint = hint(dir, file, value, &error);
            return Err(error.hint(hint));
        }
        left -= 1;
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn hint(dir: &str, file: &str, value: &str, error: &Error) -> String {
    let (controller, setting) = file.split_once('.').unwrap_or(("", file));
    let cpus = matches!(setting, "cpus" | "mems") || matches!(file, "cpus" | "mems");
    match Errno::from_raw(error.errno) {
        Errno::ENOENT if std::fs::metadata(dir).is_ok() => match (controller, setting) {
            ("memory", _) if setting.starts_with("memsw.") => {
                "the kernel counts no swap: CONFIG_MEMCG_SWAP, or swapaccount=1 on its command line".into()
            }
            ("cpu", _) if setting.starts_with("cfs_") => "the kernel needs CONFIG_CFS_BANDWIDTH".into(),
            ("cpu", _) if setting.starts_with("rt_") => "the kernel needs CONFIG_RT_GROUP_SCHED".into(),
            ("blkio", _) => {
                "the kernel has no such setting: weights need an I/O scheduler like BFQ or CFQ".into()
            }
            _ => format!("the kernel's controller \"{controller}\" has no such file"),
        },
        Errno::EINVAL | Errno::EACCES | Errno::ERANGE if cpus => {
            let above = dir.rsplit_once('/').and_then(|(above, _)| cgroup::read_value(above, file).ok());
            let which = if file.ends_with("cpus") { "cpus" } else { "memory nodes" };
            match (above, procfs::online_cpus()) {
                (Some(above), Ok(online)) if which == "cpus" && above != online => {
                    format!("a list like 0-1,3 of cpus that the cgroup above has: {above}; online: {online}")
                }
                (Some(above), _) => {
                    format!("a list like 0-1,3 of {which} that the cgroup above has: {above}")
                }
                (None, _) => format!("a list like 0-1,3 of {which}"),
            }
        }
        Errno::EINVAL if controller == "devices" && value.trim_start().starts_with('a') => {
            "the default can only be changed while there are no cgroups below".into()
        }
        Errno::EINVAL if controller == "devices" => {
            "\"a\", or type, major:minor and access, as in \"c 1:3 rwm\"".into()
        }
        Errno::EPERM if controller == "devices" => "the cgroup above does not have this device".into(),
        Errno::EINVAL | Errno::ERANGE => format!("{file} does not take this value"),
        Errno::EPERM => "this needs root".into(),
        Errno::EACCES => "the file can not be written".into(),
        Errno::EROFS => "the hierarchy is mounted read-only".into(),
        Errno::ENOSPC if value.trim().is_empty() => "a cpuset in use can not be emptied".into(),
        Errno::ENOSPC => "cpuset.cpus or cpuset.mems would be empty".into(),
        Errno::EBUSY if controller == "memory" => "more than that is in use and can not be reclaimed".into(),
        Errno::EBUSY if cpus => "another cgroup has them for itself (cpu_exclusive, mem_exclusive)".into(),
        Errno::ENODEV if controller == "blkio" => "there is no such block device".into(),
        Errno::EOPNOTSUPP => "the kernel does not support it here".into(),
        _ => String::new(),
    }
}
