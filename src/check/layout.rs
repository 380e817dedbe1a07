//! What only the whole of a container tells: settings that its cgroup layout has no words for, mounts that miss.

use super::{Report, called};
use crate::plan::cgroups::spelling::Said;
use crate::plan::cgroups::{self, spelling};
use crate::plan::host::{Hierarchy, Host, Version};
use crate::plan::mounts::{is_bind, target};
use crate::profile::container::Dev;
use crate::profile::{Board, Container, Layout};

/// The controllers of cgroup v2, as Documentation/admin-guide/cgroup-v2.rst lists them.
const UNIFIED: [&str; 8] = ["cpuset", "cpu", "io", "memory", "pids", "hugetlb", "rdma", "misc"];

pub fn check(board: &Board, report: &mut Report) {
    for container in &board.containers {
        report.about = called(container);
        match board.cgroup.layout {
            Layout::Auto => {}
            Layout::V1 => spelled(container, Version::V1, report),
            Layout::V2 => spelled(container, Version::V2, report),
        }
        mounts(container, report);
    }
    report.about.clear();
}

/// Every setting has to have an equal on that layout.
fn spelled(container: &Container, version: Version, report: &mut Report) {
    let mut controllers: Vec<String> = match version {
        Version::V1 => container.cgroup.iter().map(|rule| spelling::family(&rule.file).to_string()).collect(),
        Version::V2 => UNIFIED.iter().map(|name| name.to_string()).collect(),
    };
    controllers.dedup();
    let hierarchy = Hierarchy { version, controllers, mountpoint: "/".into(), ..Hierarchy::default() };
    let host = Host { hierarchies: vec![hierarchy], ..Host::default() };
    let mut speller = spelling::Speller::default();
    let (last, others): (Vec<_>, Vec<_>) =
        container.cgroup.iter().partition(|rule| spelling::after_the_limit(&rule.file));
    for rule in others.into_iter().chain(last) {
        let family = spelling::family(&rule.file);
        if cgroups::home(family, &host).is_none() {
            let cause = format!("{}: cgroup {version} has no controller {family}", rule.file);
            report.tell("cgroup-layout", &rule.origin, cause, "");
            continue;
        }
        // What is said in the layout's own words, too, is not meant here.
        let instead = spelling::said(rule, &container.cgroup, version) == Said::Instead;
        if family == "devices" && version == Version::V2 || instead {
            continue;
        }
        if let Err(error) = speller.spell(rule, version) {
            let cause = format!("{} on cgroup {version}: {}", rule.file, error.cause);
            report.tell("cgroup-layout", &rule.origin, cause, &error.hint);
        }
    }
}

fn mounts(container: &Container, report: &mut Report) {
    let own = [
        ("proc", container.auto_mounts.proc.is_some()),
        ("sys", container.auto_mounts.sys.is_some()),
        ("dev", container.dev == Dev::Tmpfs),
    ];
    let own = own.into_iter().filter(|own| own.1).map(|own| own.0);
    let mut seen: Vec<String> = own.clone().map(String::from).collect();
    for mount in &container.mounts {
        if is_bind(mount) && !mount.source.starts_with('/') {
            let cause = format!("bind source \"{}\" is not absolute", mount.source.escape_default());
            report.tell("bind-relative", &mount.origin, cause, "it is a path of the host");
        }
        let Some(path) = target(mount, container) else {
            let cause =
                format!("mount target {} is outside of the root file system: it is skipped", mount.target);
            report.tell(
                "mount-outside",
                &mount.origin,
                cause,
                "a relative target begins at the root file system",
            );
            continue;
        };
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let path = parts.join("/");
        if seen.contains(&path) {
            let (what, hint) = match own.clone().any(|own| own == path) {
                true => (
                    "boardbox's own",
                    "proc, sys and dev, or lxc.mount.auto and lxc.autodev, say what that is",
                ),
                false => ("something", ""),
            };
            let cause = format!("{what} is mounted on /{path} before: it is hidden");
            report.tell("mount-twice", &mount.origin, cause, hint);
        }
        seen.push(path);
    }
}
