//! Which of the kernel's options a profile needs, and what of them a kernel does not have.

use super::config::{Config, Setting};
use super::kernel::{For, OPTIONS};
use super::resources::{rule, uses};
use super::security::{SYS_ADMIN, SYS_NICE, kept};
use super::{Report, at, called};
use crate::error::Origin;
use crate::plan::cgroups::spelling::counterpart;
use crate::profile::board::DEFAULT_CONTROLLERS;
use crate::profile::container::{CgroupRule, Console, Container, NicKind};
use crate::profile::{Board, Bridge, Layout};

/// Who needs it first, and where that is written.
struct Need<'a> {
    who: String,
    at: &'a Origin,
    /// The board can do without.
    optional: bool,
}

/// The first container for which `place` names a place.
fn first<'a>(board: &'a Board, place: impl Fn(&'a Container) -> Option<&'a Origin>) -> Option<Need<'a>> {
    let found = board.containers.iter().find_map(|container| Some((container, place(container)?)));
    found.map(|(container, at)| Need { who: called(container), at, optional: false })
}

/// The first bridge of this kind.
fn bridge(board: &Board, kind: fn(&Bridge) -> bool) -> Option<Need<'_>> {
    let found = board.bridges.iter().find(|bridge| kind(bridge))?;
    Some(Need { who: format!("bridge \"{}\"", found.name), at: &found.origin, optional: false })
}

fn need<'a>(board: &'a Board, of: For) -> Option<Need<'a>> {
    match of {
        For::Any => first(board, |container| Some(&container.origin)),
        For::Net => first(board, |container| container.own_network.then_some(&container.origin)),
        For::Ptys => first(board, |container| {
            (container.pts || container.tty > 0 || container.console != Console::None)
                .then_some(&container.origin)
        }),
        For::Sys => first(board, |container| container.auto_mounts.sys.map(|_| at(container, "sys"))),
        For::Bridge => bridge(board, |_| true),
        For::Relay => bridge(board, |bridge| bridge.relay),
        For::Macvlan => first(board, |container| {
            let nic = container.network.iter().find(|nic| matches!(nic.kind, NicKind::Macvlan { .. }))?;
            Some(nic.places.get("type").unwrap_or(&nic.origin))
        }),
        For::Ipv6 => {
            let bridge = bridge(board, |bridge| !bridge.ipv6.is_empty());
            bridge.or_else(|| {
                first(board, |container| {
                    let nic = container.network.iter().find(|nic| !nic.ipv6.is_empty())?;
                    Some(nic.places.get("ipv6").unwrap_or(&nic.origin))
                })
            })
        }
        For::Controller(name) => first(board, |container| uses(container, name).map(|rule| &rule.origin))
            .or_else(|| {
                let listed = board.cgroup.controllers.iter().any(|controller| controller == name);
                // As `up` has it: the usual list may be had in part, another one is meant.
                let optional = board.cgroup.controllers == DEFAULT_CONTROLLERS;
                let at = board.cgroup.places.get("controllers").unwrap_or(&board.cgroup.origin);
                listed.then(|| Need { who: String::new(), at, optional })
            }),
        For::Setting(file) => {
            // In v2's words it is the same setting, and several files of v1 are one there.
            let v2 = counterpart(file);
            let wants = |rule: &CgroupRule| {
                let other = || counterpart(&rule.file);
                rule.file == file || v2.is_some() && (v2.as_deref() == Some(&rule.file) || v2 == other())
            };
            first(board, |container| {
                container.cgroup.iter().find(|rule| wants(rule)).map(|rule| &rule.origin)
            })
        }
        For::Program => None,
        For::Mount(fstype) => first(board, |container| {
            container.mounts.iter().find(|mount| mount.fstype == fstype).map(|mount| &mount.origin)
        }),
    }
}

/// Tells which options the profile needs and the kernel does not have.
pub fn check(board: &Board, kernel: &Config, report: &mut Report) {
    // Where nothing is mounted, up mounts v1.
    let layout = if board.cgroup.layout == Layout::V2 { Layout::V2 } else { Layout::V1 };
    for option in OPTIONS {
        if !(option.in_version(kernel.version) && (option.layout == Layout::Auto || option.layout == layout))
        {
            continue;
        }
        let setting = kernel.setting(option.name);
        if setting == Setting::Yes {
            continue;
        }
        let Some(need) = need(board, option.of) else { continue };
        report.about = need.who;
        let name = option.name;
        match setting {
            Setting::Module => {
                let cause = format!("CONFIG_{name} is a module: it has to be loaded before boardbox up");
                report.tell("kernel-module", need.at, cause, "load it in an init script, or build it in");
            }
            _ if need.optional => {
                let cause = format!("CONFIG_{name} is not set: {}", option.fails);
                report.tell("kernel-controller", need.at, cause, "up leaves this controller out");
            }
            _ => {
                let cause = format!("CONFIG_{name} is not set: {}", option.fails);
                report.tell("kernel-option", need.at, cause, "");
            }
        }
    }
    for container in &board.containers {
        report.about = called(container);
        let real_time = kernel.setting("RT_GROUP_SCHED") == Setting::Yes && uses_cpu(board);
        if real_time && kept(container) & 1 << SYS_NICE != 0 && rule(container, "cpu.rt_runtime_us").is_none()
        {
            let cause =
                "CONFIG_RT_GROUP_SCHED is set and it has no budget: real-time scheduling is refused inside"
                    .to_string();
            report.tell(
                "real-time-refused",
                &container.origin,
                cause,
                "cpu = { rt-runtime = … }, if it should have some",
            );
        }
        let source = kernel.get("INITRAMFS_SOURCE").unwrap_or_default().trim_matches('"');
        if !source.is_empty() && container.rootfs.is_some() && kept(container) & 1 << SYS_ADMIN != 0 {
            let cause = "the kernel brings an initramfs: where / stays on that, nothing keeps a root with sys_admin inside";
            report.tell(
                "initramfs-root",
                at(container, "capabilities"),
                cause.into(),
                "switch_root before boardbox up, or do not keep sys_admin",
            );
        }
    }
    report.about.clear();
}

/// Whether containers get a cgroup of the cpu controller.
fn uses_cpu(board: &Board) -> bool {
    board.cgroup.controllers.iter().any(|name| name == "cpu") && board.cgroup.layout != Layout::V2
}
