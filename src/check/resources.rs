//! Cpus, cpu time and memory: what containers have against what the board has.

use super::{Report, called};
use crate::error::Origin;
use crate::plan::cgroups::spelling::family;
use crate::profile::container::CgroupRule;
use crate::profile::text::nearest;
use crate::profile::value::CpuList;
use crate::profile::{Board, Container, Layout};

/// The last rule for a file: the one that stays.
pub fn rule<'a>(container: &'a Container, file: &str) -> Option<&'a CgroupRule> {
    container.cgroup.iter().rev().find(|rule| rule.file == file)
}

/// The number that a rule writes, if it is one.
fn number<'a>(container: &'a Container, file: &str) -> Option<(u64, &'a CgroupRule)> {
    let rule = rule(container, file)?;
    let text = rule.value.trim();
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (text.get(..text.len() - 1)?, 10),
        b'm' | b'M' => (text.get(..text.len() - 1)?, 20),
        b'g' | b'G' => (text.get(..text.len() - 1)?, 30),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().ok()?;
    // v1 writes no limit as a number beyond any memory.
    number.checked_mul(1 << shift).filter(|number| *number < 1 << 62).map(|number| (number, rule))
}

/// The cpus it may run on; `None` where it may on all.
fn cpus(container: &Container) -> Option<CpuList> {
    rule(container, "cpuset.cpus")?.value.parse().ok()
}

fn exclusive(container: &Container) -> Option<&CgroupRule> {
    let v1 = rule(container, "cpuset.cpu_exclusive").filter(|rule| rule.value.trim() == "1");
    v1.or_else(|| rule(container, "cpuset.cpus.partition").filter(|rule| rule.value.trim() != "member"))
}

fn count(list: &CpuList) -> u32 {
    list.ranges().iter().map(|&(first, last)| u32::from(last.saturating_sub(first)) + 1).sum()
}

/// The controllers that kernels from 2.6.24 to 6.16 have (include/linux/cgroup_subsys.h); io is v2's name of blkio, and
/// cgroup is the core's own files.
const CONTROLLERS: [&str; 19] = [
    "cpuset",
    "cpu",
    "cpuacct",
    "blkio",
    "io",
    "memory",
    "devices",
    "freezer",
    "net_cls",
    "net_prio",
    "perf_event",
    "hugetlb",
    "pids",
    "rdma",
    "misc",
    "dmem",
    "debug",
    "ns",
    "cgroup",
];

fn controllers(board: &Board, report: &mut Report) {
    let mut unknown = |name: &str, at: &Origin| {
        if !CONTROLLERS.contains(&name) {
            let hint = match nearest(name, CONTROLLERS.into_iter()) {
                Some(near) => format!("did you mean {near}?"),
                None => "a vendor's kernel may".to_string(),
            };
            let cause = format!("no kernel of kernel.org has a controller {name}");
            report.tell("unknown-controller", at, cause, &hint);
        }
    };
    for name in &board.cgroup.controllers {
        unknown(name, board.cgroup.places.get("controllers").unwrap_or(&board.cgroup.origin));
    }
    for rule in board.containers.iter().flat_map(|container| &container.cgroup) {
        // By its file's own name: families have v1's.
        unknown(rule.controller(), &rule.origin);
    }
}

pub fn check(board: &Board, report: &mut Report) {
    controllers(board, report);
    exclusive_cpus(board, report);
    for container in &board.containers {
        report.about = called(container);
        quota(board, container, report);
        memory(board, container, report);
    }
    report.about.clear();
    real_time(board, report);
    sums(board, report);
}

/// Nobody else gets exclusive cpus, and somebody has to be left with one.
fn exclusive_cpus(board: &Board, report: &mut Report) {
    let all = board.cpus.and_then(|cpus| format!("0-{}", cpus - 1).parse::<CpuList>().ok());
    let joins = board.cgroup.controllers.iter().any(|name| name == "cpuset");
    let mut left = all;
    for (index, container) in board.containers.iter().enumerate() {
        let Some(at) = exclusive(container) else { continue };
        report.about = called(container);
        let Some(list) = cpus(container) else {
            // v2's own files can name them in another one.
            if rule(container, "cpuset.cpus.exclusive").is_none() {
                let cause = "its cpus are exclusive, and it has no list of them: it would get all".into();
                let hint = "name them: cpuset = { cpus = \"2-3\", exclusive = true }";
                report.tell("exclusive-overlap", &at.origin, cause, hint);
            }
            continue;
        };
        for (number, other) in board.containers.iter().enumerate() {
            // Two exclusive ones are told once, at the later one.
            if number == index || exclusive(other).is_some() && number > index {
                continue;
            }
            let Some(others) = cpus(other) else {
                // Where it joins cpuset's v1 hierarchy it gets all cpus there; v2 gives it what is left.
                if board.cgroup.layout != Layout::V2 && joins {
                    let cause = format!(
                        "its cpus {list} are exclusive, but container \"{}\" has no list of cpus and so gets all",
                        other.name
                    );
                    let hint = "give that one a list without them: cpuset = { cpus = … }";
                    report.tell("exclusive-overlap", &at.origin, cause, hint);
                }
                continue;
            };
            let shared = list.without(&list.without(&others));
            if !shared.ranges().is_empty() {
                let cause =
                    format!("its cpus are exclusive, but container \"{}\" has cpu {shared}, too", other.name);
                report.tell(
                    "exclusive-overlap",
                    &at.origin,
                    cause,
                    "the kernel refuses the later one of the two",
                );
            }
        }
        let some_left = left.as_ref().is_some_and(|left| !left.ranges().is_empty());
        left = left.map(|left| left.without(&list));
        if some_left && left.as_ref().is_some_and(|left| left.ranges().is_empty()) {
            let cause = format!(
                "with its exclusive cpus {list} all {} cpus of the board are taken: cgroup v2 refuses the last one, and on v1 \
                 the board's own processes run on them all the same",
                board.cpus.unwrap_or(0)
            );
            report.tell("no-cpu-left", &at.origin, cause, "leave the board one, cpu 0 in most cases");
        }
    }
    report.about.clear();
}

fn quota(board: &Board, container: &Container, report: &mut Report) {
    let v1 = || {
        let (quota, rule) = number(container, "cpu.cfs_quota_us")?;
        Some((quota, number(container, "cpu.cfs_period_us").map(|period| period.0), rule))
    };
    let v2 = || {
        let rule = rule(container, "cpu.max")?;
        let mut words = rule.value.split_ascii_whitespace().map(str::parse);
        // `max` is no number, and never limits.
        Some((words.next()?.ok()?, words.next().and_then(Result::ok), rule))
    };
    let Some((quota, period, rule)) = v2().or_else(v1) else { return };
    // The kernel's own: sched/fair.c.
    let period = period.unwrap_or(100_000);
    let Some(cpus) = cpus(container).map(|list| count(&list)).or(board.cpus) else { return };
    if quota > period.saturating_mul(cpus.into()) {
        let cause = format!(
            "a quota of {quota} us in each {period} us is more than {cpus} cpus have: it never limits"
        );
        report.tell("quota-beyond-cpus", &rule.origin, cause, "a whole cpu is a quota as long as the period");
    }
}

/// What the kernel gives real-time tasks of all: /proc/sys/kernel/sched_rt_runtime_us of each second, in thousandths.
const REAL_TIME: u64 = 950;

fn real_time(board: &Board, report: &mut Report) {
    let mut sum = 0;
    for container in &board.containers {
        let Some((runtime, rule)) = number(container, "cpu.rt_runtime_us") else { continue };
        let period = number(container, "cpu.rt_period_us").map_or(1_000_000, |period| period.0).max(1);
        report.about = called(container);
        let before = sum;
        sum = runtime.saturating_mul(1000).checked_div(period).unwrap_or(0).saturating_add(sum);
        let cause = if runtime > period {
            format!("a real-time runtime of {runtime} us does not fit into its period of {period} us")
        } else if before <= REAL_TIME && sum > REAL_TIME {
            format!(
                "with this one the containers' real-time budgets are {} % of a cpu's time, and the kernel has 95",
                sum.div_ceil(10)
            )
        } else {
            continue;
        };
        report.tell("real-time-budget", &rule.origin, cause, "the kernel refuses it with EINVAL");
    }
    report.about.clear();
}

fn memory(board: &Board, container: &Container, report: &mut Report) {
    let limit = number(container, "memory.limit_in_bytes").or_else(|| number(container, "memory.max"));
    if let (Some((limit, rule)), Some(memory)) = (limit, board.memory)
        && limit > memory
    {
        let cause =
            format!("a memory limit of {} is never reached: the board has {}", size(limit), size(memory));
        report.tell("memory-beyond-board", &rule.origin, cause, "");
    }
    let Some((limit, _)) = limit else { return };
    for (file, what) in [("memory.low", "protected memory"), ("memory.soft_limit_in_bytes", "a soft limit")] {
        if let Some((value, rule)) = number(container, file)
            && value > limit
        {
            let cause = format!("{what} of {} has no effect above the limit of {}", size(value), size(limit));
            report.tell("memory-without-effect", &rule.origin, cause, "");
        }
    }
}

/// All containers' limits together, told at the one that goes over it.
fn sums(board: &Board, report: &mut Report) {
    let Some(memory) = board.memory else { return };
    let mut sum: u64 = 0;
    for container in &board.containers {
        let limit = number(container, "memory.limit_in_bytes").or_else(|| number(container, "memory.max"));
        let Some((limit, rule)) = limit.filter(|limit| limit.0 <= memory) else { continue };
        let before = sum;
        sum = sum.saturating_add(limit);
        if before <= memory && sum > memory {
            report.about = called(container);
            let cause = format!(
                "with this one the memory limits are {} together: the board has {}",
                size(sum),
                size(memory)
            );
            report.tell(
                "memory-overcommitted",
                &rule.origin,
                cause,
                "when all use what they may, the kernel kills one of them, or of the board's own",
            );
        }
    }
    report.about.clear();
}

/// A size in the largest unit that divides it.
pub fn size(bytes: u64) -> String {
    let units = [(30, "G"), (20, "M"), (10, "K")];
    match units.iter().find(|(shift, _)| bytes >> shift != 0 && bytes.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

/// Whether a rule of the container is about this controller, by its v1 name.
pub fn uses<'a>(container: &'a Container, controller: &str) -> Option<&'a CgroupRule> {
    container.cgroup.iter().find(|rule| family(&rule.file) == controller)
}
