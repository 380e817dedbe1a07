//! `--rootfs`: whether what the profile names is in the target's file tree, as the board and each container will see it.

use super::config::Config;
use super::programs::Programs;
use super::tree::{Found, Tree, View};
use super::{Report, at, called};
use crate::error::Origin;
use crate::plan::mounts::{is_bind, target};
use crate::profile::container::{AutoMounts, Container, Dev, Mount};
use crate::profile::{Board, fstab};
use std::path::PathBuf;

pub fn check(board: &Board, tree: &Tree, kernel: Option<&Config>, report: &mut Report) {
    let host = tree.host();
    for container in &board.containers {
        report.about = called(container);
        let mut inside = match &container.rootfs {
            None => tree.host(),
            Some(rootfs) => {
                let Some(base) = directory(container, rootfs, &host, report) else { continue };
                let mut inside = tree.inside(base);
                own_mounts(container, &mut inside, report);
                inside
            }
        };
        if let Some((path, origin)) = &container.fstab {
            from_fstab(container, path, origin, &host, &mut inside, report);
        }
        for mount in &container.mounts {
            mounted(container, mount, &mount.origin, &host, &mut inside, report);
        }
        cwd(container, &inside, report);
        Programs::new(board, container, &inside, kernel).check(report);
    }
    report.about.clear();
}

/// The directory that the command starts in: without it nothing starts.
fn cwd(container: &Container, inside: &View<'_>, report: &mut Report) {
    let Some(cwd) = &container.cwd else { return };
    let cause = match inside.find(cwd) {
        Found::Here(place) if place.meta.is_dir() => return,
        Found::Later(_) => return,
        Found::Here(_) => format!("cwd {cwd} is not a directory inside"),
        Found::Missing(what) => format!("cwd {cwd}: there is no {what} inside"),
    };
    report.tell("cwd-missing", at(container, "cwd"), cause, "the command starts in it");
}

/// The root file system on this machine, if it is there.
fn directory(container: &Container, rootfs: &str, host: &View<'_>, report: &mut Report) -> Option<PathBuf> {
    let cause = match host.find(rootfs) {
        Found::Here(place) if place.meta.is_dir() => return Some(place.real),
        Found::Here(_) => format!("root file system {rootfs} is not a directory"),
        Found::Missing(what) => format!("root file system {rootfs} is not in the tree: there is no {what}"),
        Found::Later(_) => return None,
    };
    report.tell("rootfs-missing", at(container, "rootfs"), cause, "");
    None
}

/// /proc, /sys, /dev and the cgroups, which boardbox itself mounts; on directories only, as a link may lead anywhere.
fn own_mounts(container: &Container, inside: &mut View<'_>, report: &mut Report) {
    let AutoMounts { proc, sys, cgroup } = &container.auto_mounts;
    let wanted = [
        ("/proc", proc.is_some()),
        ("/sys", sys.is_some()),
        // In a /sys of its own the kernel has it.
        ("/sys/fs/cgroup", cgroup.is_some() && sys.is_none()),
        ("/dev", container.dev == Dev::Tmpfs),
    ];
    for (path, _) in wanted.iter().filter(|wanted| wanted.1) {
        match inside.find(path) {
            Found::Here(place) if place.path == *path && place.meta.is_dir() => {}
            Found::Missing(_) => {
                let cause = format!("there is no {path} in its root file system to mount it on");
                report.tell(
                    "mount-target-missing",
                    at(container, "rootfs"),
                    cause,
                    "an empty directory will do",
                );
            }
            _ => {
                let cause =
                    format!("{path} in its root file system is not a directory: nothing is mounted on it");
                report.tell(
                    "mount-target-kind",
                    at(container, "rootfs"),
                    cause,
                    "an empty directory will do, but no link to one",
                );
            }
        }
        inside.mount(path, None);
    }
    if container.pts && container.dev != Dev::Tmpfs {
        inside.mount("dev/pts", None);
    }
}

fn from_fstab(
    container: &Container,
    path: &str,
    origin: &Origin,
    host: &View<'_>,
    inside: &mut View<'_>,
    report: &mut Report,
) {
    match host.find(path) {
        Found::Here(place) => {
            let text = place.text().unwrap_or_default();
            match fstab::parse(&text, &path.into()) {
                // What is wrong with a line is told where the profile names the file.
                Ok(list) => {
                    list.iter().for_each(|mount| mounted(container, mount, origin, host, inside, report))
                }
                Err(error) => report.findings.push(error.tried(report.about.clone())),
            }
        }
        Found::Missing(what) => {
            report.tell(
                "fstab-missing",
                origin,
                format!("fstab {path} is not in the tree: there is no {what}"),
                "",
            );
        }
        Found::Later(_) => {}
    }
}

/// One mount: its source, its target, and that they are of one kind.
fn mounted(
    container: &Container,
    mount: &Mount,
    origin: &Origin,
    host: &View<'_>,
    inside: &mut View<'_>,
    report: &mut Report,
) {
    let Some(path) = target(mount, container) else { return };
    let bind = is_bind(mount);
    let source = if bind { host.find(&mount.source) } else { Found::Later(String::new()) };
    if let (Found::Missing(what), false) = (&source, mount.optional) {
        let cause = format!("bind source {} is not in the tree: there is no {what}", mount.source);
        report.tell("bind-source-missing", origin, cause, "optional = true goes on without it");
    }
    let found = inside.find(&path);
    let on = match &found {
        Found::Here(place) => place.path.clone(),
        Found::Later(path) => path.clone(),
        Found::Missing(what) => {
            if mount.create.is_none() && !mount.optional {
                let cause = format!(
                    "mount target /{} is not in the root file system: there is no {what}",
                    path.trim_start_matches('/')
                );
                report.tell(
                    "mount-target-missing",
                    origin,
                    cause,
                    "create = \"dir\" or \"file\" makes it, where / can be written",
                );
            }
            path.clone()
        }
    };
    if let (Found::Here(source), Found::Here(place)) = (&source, &found)
        && source.meta.is_dir() != place.meta.is_dir()
    {
        let kind = |dir: bool| if dir { "a directory" } else { "a file" };
        let cause = format!(
            "bind source {} is {}, its target {} {}",
            mount.source,
            kind(source.meta.is_dir()),
            place.path,
            kind(place.meta.is_dir())
        );
        report.tell("mount-target-kind", origin, cause, "the kernel binds like on like");
        return;
    }
    match source {
        Found::Here(source) => inside.mount(&on, Some(source.real)),
        Found::Later(_) => inside.mount(&on, None),
        Found::Missing(_) => {}
    }
}
