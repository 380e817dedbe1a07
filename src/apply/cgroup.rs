//! Makes a container's cgroup and writes its settings, with the words a user needs when the kernel refuses.

use super::undo::{Journal, Undo};
use crate::error::{Error, Kind, Result};
use crate::profile::value::CpuList;
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
    let memory = controllers.iter().any(|name| name == "memory");
    making(cpuset, journal, &mut || make_once(root, path, cpuset, memory))
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
        let mut error = Error::new(Kind::Taken, "processes are in it already")
            .tried(format!("make cgroup {dir}"))
            .hint("a process of an earlier container of this name was left behind, or somebody else's: see its tasks");
        // Tells it from a container that somebody else starts, which is waited for.
        error.errno = Errno::EBUSY as i32;
        return Err(error);
    }
    Ok(made)
}

fn make_once(root: &str, path: &str, cpuset: bool, memory: bool) -> Result<()> {
    let mut parent = root.to_owned();
    let mut fill = Fill::default();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let dir = format!("{parent}/{name}");
        let made = enter(&dir, names.peek().is_none())?;
        if cpuset {
            fill.descend(&parent, &dir, made)?;
        }
        // Before Linux 5.11 what a container makes below its cgroup is not counted for its limit otherwise. It is to be said before
        // there is one below; later kernels know nothing else.
        if memory && made && names.peek().is_some() {
            let _ = cgroup::write(&dir, "memory.use_hierarchy", "1");
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
                match cgroup::write(dir, self.name(file), &value) {
                    // What a sibling has for itself is not to be had.
                    Err(error) if error.is(Errno::EINVAL) && file == "cpuset.cpus" => {
                        let rest = self.without_exclusive(parent, dir, &value).ok_or(error)?;
                        cgroup::write(dir, self.name(file), &rest)?;
                        rest
                    }
                    written => written.map(|()| value)?,
                }
            } else {
                own
            };
            if let Some(above) = self.above.get_mut(index) {
                *above = Some(value);
            }
        }
        Ok(())
    }

    /// The cpus of `all` that no other cgroup in `parent` has for itself.
    fn without_exclusive(&self, parent: &str, own: &str, all: &str) -> Option<String> {
        let mut rest: CpuList = all.parse().ok()?;
        for entry in std::fs::read_dir(parent).ok()?.flatten() {
            let Some(dir) = entry.path().to_str().map(str::to_owned).filter(|dir| dir != own) else {
                continue;
            };
            let read = |file: &str| cgroup::read_value(&dir, self.name(file)).unwrap_or_default();
            if read("cpuset.cpu_exclusive") == "1" {
                rest = rest.without(&read("cpuset.cpus").parse().ok()?);
            }
        }
        let rest = rest.to_string();
        (!rest.is_empty()).then_some(rest)
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

/// Where a weight goes on a kernel that has no such file but BFQ's, and in which numbers.
pub fn alias(dir: &str, file: &str, value: &str) -> Option<(&'static str, String)> {
    let number = value.trim_start_matches("default ").trim().parse::<u32>().ok()?;
    let (alias, weight) = match file {
        // 500 of 10..=1000 is BFQ's 100 of 1..=1000.
        "blkio.weight" => ("blkio.bfq.weight", (number / 5).max(1)),
        "io.weight" => ("io.bfq.weight", number.min(1000)),
        _ => return None,
    };
    let there = |file: &str| std::fs::metadata(format!("{dir}/{file}")).is_ok();
    (!there(file) && there(alias)).then(|| (alias, weight.to_string()))
}

/// Writes one setting.
pub fn write(dir: &str, file: &str, value: &str) -> Result<()> {
    if let Some((alias, value)) = alias(dir, file, value) {
        return write(dir, alias, &value);
    }
    match file {
        "cpuset.cpu_exclusive" | "cpu_exclusive" if value.trim() == "1" => exclusive_above(dir, file)?,
        "cpu.rt_runtime_us" if value.trim() != "0" => real_time_above(dir, file)?,
        "cpuset.cpus.partition" if value.trim() != "member" => return partition(dir, value),
        _ => {}
    }
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

/// v1 takes cpus out of an exclusive cpuset only: the directory of the containers becomes one.
fn exclusive_above(dir: &str, file: &str) -> Result<()> {
    match dir.rsplit_once('/') {
        Some((above, _)) if cgroup::read_value(above, file)? != "1" => cgroup::write(above, file, "1")
            .map_err(|error| match error.is(Errno::EINVAL) {
                true => error.hint("another cgroup beside it has some of these cpus"),
                false => error,
            }),
        _ => Ok(()),
    }
}

/// v1 gives real-time budgets out of that of the cgroup above, and a new one has none: the directory of the containers may
/// have as much as the one above it.
fn real_time_above(dir: &str, file: &str) -> Result<()> {
    let Some((above, _)) = dir.rsplit_once('/') else { return Ok(()) };
    match (above.rsplit_once('/'), cgroup::read_value(above, file)) {
        (Some((top, _)), Ok(budget)) if budget.trim() == "0" => {
            let most = cgroup::read_value(top, file)?;
            cgroup::write(above, file, most.trim()).map_err(|error| match error.is(Errno::EINVAL) {
                true => error.hint(
                    "cgroups beside it have a part of the real-time budget, so that it can not have all",
                ),
                false => error,
            })
        }
        _ => Ok(()),
    }
}

/// v2 takes a partition's cpus through all cgroups above it (Linux 6.7), and says in the file itself whether it is one.
fn partition(dir: &str, value: &str) -> Result<()> {
    const EXCLUSIVE: &str = "cpuset.cpus.exclusive";
    const PARTITION: &str = "cpuset.cpus.partition";
    let cpus = cgroup::read_value(dir, "cpuset.cpus")?;
    if let Some((above, _)) = dir.rsplit_once('/')
        && let Ok(others) = cgroup::read_value(above, EXCLUSIVE)
    {
        let comma = if others.is_empty() || cpus.is_empty() { "" } else { "," };
        cgroup::write(above, EXCLUSIVE, &format!("{others}{comma}{cpus}"))?;
        cgroup::write(dir, EXCLUSIVE, &cpus)
            .map_err(|error| error.hint("another container has some of these cpus for itself"))?;
    }
    cgroup::write(dir, PARTITION, value)?;
    let state = cgroup::read_value(dir, PARTITION)?;
    if !state.contains("invalid") {
        return Ok(());
    }
    // Left as it is, it would become one at some later time.
    cgroup::write(dir, PARTITION, "member")?;
    Err(Error::host(state).tried(format!("write \"{value}\" to {dir}/{PARTITION}")).hint(
        "it needs Linux 6.7, a list of cpus, and at least one cpu that stays for the rest of the board",
    ))
}

/// Whether a list of cpus or memory nodes is within that of the cgroup above.
fn above_has(dir: &str, file: &str, value: &str) -> bool {
    let list = |text: &str| text.trim().parse::<CpuList>().ok();
    let above = above(dir, file).and_then(|value| list(&value));
    list(value).zip(above).is_some_and(|(list, above)| list.without(&above).ranges().is_empty())
}

/// What the cgroup above has of cpus or memory nodes; on v2 an empty list means what there is above that.
fn above(dir: &str, file: &str) -> Option<String> {
    let (above, _) = dir.rsplit_once('/')?;
    let value = cgroup::read_value(above, file).ok()?;
    match value.is_empty() {
        true => cgroup::read_value(above, &format!("{file}.effective")).ok(),
        false => Some(value),
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
        Errno::EINVAL | Errno::EBUSY if cpus && above_has(dir, file, value) => {
            "another cgroup has some of them for itself, or this one wants to (cpu_exclusive, mem_exclusive)"
                .into()
        }
        Errno::EINVAL | Errno::EACCES | Errno::ERANGE if cpus => {
            let above = above(dir, file);
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
        Errno::EINVAL if setting == "cpu_exclusive" || file == "cpu_exclusive" => {
            "another container, or another cgroup beside it, has some of these cpus: give each container a list of its own".into()
        }
        Errno::EINVAL | Errno::ERANGE => format!("{file} does not take this value"),
        Errno::EPERM => "this needs root".into(),
        Errno::EACCES => "the file can not be written".into(),
        Errno::EROFS => "the hierarchy is mounted read-only".into(),
        Errno::ENOSPC if value.trim().is_empty() => "a cpuset in use can not be emptied".into(),
        Errno::ENOSPC => "cpuset.cpus or cpuset.mems would be empty".into(),
        Errno::EBUSY if controller == "memory" => "more than that is in use and can not be reclaimed".into(),
        Errno::ENODEV if controller == "blkio" => "there is no such block device".into(),
        Errno::EOPNOTSUPP => "the kernel does not support it here".into(),
        _ => String::new(),
    }
}
