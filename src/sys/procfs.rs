//! The small files that say what the kernel has: /proc/cgroups and the cpu lists of sysfs.

use crate::error::Result;

/// A line of /proc/cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsystem<'a> {
    /// The controller's name.
    pub name: &'a str,
    /// The hierarchy it is bound to; 0 is v2's, or none.
    pub hierarchy: u32,
    /// False when the kernel's command line disables it.
    pub enabled: bool,
}

/// The text of /proc/cgroups; empty on a kernel without cgroups.
pub fn read_cgroups() -> Result<String> {
    match super::file::read("/proc/cgroups") {
        Err(error) if error.is(nix::errno::Errno::ENOENT) => Ok(String::new()),
        other => other,
    }
}

/// Reads the lines of /proc/cgroups; what does not look like one is left out.
pub fn parse_cgroups(text: &str) -> Vec<Subsystem<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(subsystem).collect()
}

fn subsystem(line: &str) -> Option<Subsystem<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (name, hierarchy, _count, enabled) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(Subsystem { name, hierarchy: hierarchy.parse().ok()?, enabled: enabled != "0" })
}

/// How many cpus the kernel may ever bring up, counted from 0: the highest one's number plus 1. 0 where sysfs does not say.
pub fn possible_cpus() -> u32 {
    ["/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/present"]
        .iter()
        .find_map(|path| highest(&super::file::read_value(path).ok()?))
        .map_or(0, |cpu| cpu + 1)
}

/// The cpus that run now, as a list (`0-3,5`).
pub fn online_cpus() -> Result<String> {
    Ok(super::file::read_value("/sys/devices/system/cpu/online")?.trim_end().to_owned())
}

/// Whether the kernel has this kind of namespaces, by its name in /proc/PID/ns.
pub fn has_namespace(kind: &str) -> bool {
    std::fs::metadata(format!("/proc/self/ns/{kind}")).is_ok()
}

/// The last number of a kernel cpu list: lists ascend.
fn highest(list: &str) -> Option<u32> {
    list.trim().rsplit([',', '-']).next()?.parse().ok().filter(|&cpu| cpu < 1 << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_are_read() {
        let text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\nmemory\t0\t1\t0\nbad\tx\t1\t1\nworse\n";
        assert_eq!(
            parse_cgroups(text),
            [
                Subsystem { name: "cpuset", hierarchy: 3, enabled: true },
                Subsystem { name: "memory", hierarchy: 0, enabled: false },
            ]
        );
    }

    #[test]
    fn the_highest_cpu_ends_the_list() {
        assert_eq!(highest("0-7\n"), Some(7));
        assert_eq!(highest("0\n"), Some(0));
        assert_eq!(highest("0-3,5,8-11\n"), Some(11));
        assert_eq!(highest("\n"), None);
        assert_eq!(highest("4294967295"), None);
    }
}
