//! What the settings are that a profile does not name: `apply` writes them, `status` looks for them.

use super::Monitor;
use super::settings::{Setting, in_dir};
use crate::container::state::UNIFIED;
use crate::plan::cgroups::spelling::{counterpart, family};
use crate::sys::cgroup;

/// What a profile that says nothing of a setting means, for the files whose rules can come and go while a container runs.
const DEFAULTS: [(&str, &str); 23] = [
    ("cpuset.cpu_exclusive", "0"),
    ("cpuset.cpus.partition", "member"),
    ("cpuset.cpus.exclusive", "\n"),
    ("cpu.shares", "1024"),
    ("cpu.weight", "100"),
    ("cpu.cfs_quota_us", "-1"),
    ("cpu.cfs_period_us", "100000"),
    ("cpu.max", "max 100000"),
    ("cpu.rt_runtime_us", "0"),
    ("cpu.rt_period_us", "1000000"),
    ("memory.memsw.limit_in_bytes", "-1"),
    ("memory.limit_in_bytes", "-1"),
    ("memory.soft_limit_in_bytes", "-1"),
    ("memory.max", "max"),
    ("memory.high", "max"),
    ("memory.low", "0"),
    ("memory.min", "0"),
    ("memory.swap.max", "max"),
    ("pids.max", "max"),
    ("blkio.weight", "500"),
    ("blkio.bfq.weight", "100"),
    // Not "default 100", which BFQ does not take before Linux 5.4.
    ("io.weight", "100"),
    ("io.bfq.weight", "100"),
];

/// Files with a line for each device that has a setting, and what takes that back.
pub(super) const PER_DEVICE: [(&str, &str); 5] = [
    ("io.max", "rbps=max wbps=max riops=max wiops=max"),
    ("blkio.throttle.read_bps_device", "0"),
    ("blkio.throttle.write_bps_device", "0"),
    ("blkio.throttle.read_iops_device", "0"),
    ("blkio.throttle.write_iops_device", "0"),
];

impl Monitor<'_> {
    /// What the settings that are not among `writes` have to be.
    pub(super) fn defaults(&self, writes: &[Setting]) -> Vec<Setting> {
        let mut all = Vec::new();
        for (controllers, dir) in &self.record.cgroups {
            let mut push = |file: &str, value: &str| {
                all.push(Setting { dir: dir.clone(), file: file.into(), value: value.into() });
            };
            let set = |file: &str| writes.iter().any(|one| one.file == file && one.dir == *dir);
            let read = |file: &str| cgroup::read(dir, file).ok();
            for (file, value) in DEFAULTS {
                let file = in_dir(dir, file);
                // A partition's root has them for itself.
                let kept = file == "cpuset.cpus.exclusive" && set("cpuset.cpus.partition");
                if !set(&file) && !kept && read(&file).is_some() {
                    push(&file, value);
                }
            }
            for (file, none) in PER_DEVICE {
                for line in read(file).unwrap_or_default().lines() {
                    let device = line.split(' ').next().unwrap_or_default();
                    push(file, &format!("{device} {none}"));
                }
            }
            for file in self.sized(dir).into_iter().filter(|file| !set(file)) {
                push(&file, if file.ends_with(".max") { "max" } else { "-1" });
            }
            let unified = controllers.iter().any(|name| name == UNIFIED);
            for file in ["memory.swappiness", "cpuset.cpus", "cpuset.mems"].map(|file| in_dir(dir, file)) {
                let above = dir.rsplit_once('/').and_then(|(above, _)| cgroup::read(above, &file).ok());
                match above {
                    // On v2 an empty one has what there is above.
                    Some(_) if unified && !set(&file) => push(&file, "\n"),
                    Some(value) if !set(&file) => push(&file, value.trim_end()),
                    _ => {}
                }
            }
        }
        // What is in force is not written: some kernels refuse even that (limits of v1's memory on PREEMPT_RT).
        all.retain(|setting: &Setting| !setting.is_in_force());
        all
    }

    /// Limits of huge pages, which have their size in the name, as far as the container's rules have named them.
    fn sized(&self, dir: &str) -> Vec<String> {
        let rules = self.rules.as_ref().unwrap_or(&self.container.cgroup);
        let hugetlb = rules.iter().filter(|rule| family(&rule.file) == "hugetlb");
        let names = hugetlb.flat_map(|rule| [Some(rule.file.clone()), counterpart(&rule.file)]).flatten();
        names.filter(|file| std::fs::metadata(format!("{dir}/{file}")).is_ok()).collect()
    }
}

/// The settings of a whole profile: a quota without a period has the kernel's, not the one that there was.
pub(super) fn whole_quota(writes: &mut [Setting]) {
    let quota = |setting: &Setting| setting.file == "cpu.max";
    if !writes.iter().any(|setting| quota(setting) && setting.value.contains(' ')) {
        writes.iter_mut().filter(|setting| quota(setting)).for_each(|setting| setting.value += " 100000");
    }
}
