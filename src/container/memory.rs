//! Whether the kernel killed processes of a container for want of memory: an end of that kind looks like any SIGKILL.

use super::state::UNIFIED;
use crate::sys::stream;
use std::fmt::Write;

/// How many processes of these cgroups the kernel has killed at their memory limit. v1 counts since Linux 4.13; before,
/// and without the controller, this is 0. Does not allocate.
pub fn killed(cgroups: &[(Vec<String>, String)]) -> u64 {
    let with = |name: &str| cgroups.iter().find(|(all, _)| all.iter().any(|other| other == name));
    let Some((controllers, dir)) = with("memory") else { return 0 };
    let unified = controllers.iter().any(|name| name == UNIFIED);
    let mut path = heapless::String::<512>::new();
    if write!(path, "{dir}/{}", if unified { "memory.events" } else { "memory.oom_control" }).is_err() {
        return 0;
    }
    stream::read_file(&path, &mut [0; 512]).and_then(count).unwrap_or(0)
}

/// The count in `memory.oom_control` or `memory.events`; `None` where the kernel keeps none.
pub fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_count_under_one_word() {
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(count("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n"), Some(1));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\n"), None);
    }
}
