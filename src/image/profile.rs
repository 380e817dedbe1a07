//! The board's profile and its containers' root file systems in the image.

use super::tree::{Entry, Kind, Tree};
use crate::convert;
use crate::error::{Error, Result};
use crate::plan::mounts;
use crate::profile::container::{AutoMounts, Container, CreateTarget, Dev, Mount};
use crate::profile::text::{self, nearest, shown};
use crate::profile::{Board, toml};

/// Where `boardbox up` looks for it.
const PLACE: &str = "etc/boardbox/board.toml";

/// The profile and the root file systems by their containers' names.
pub fn add(
    tree: &mut Tree,
    path: &str,
    rootfs: &[(String, String)],
    warnings: &mut Vec<Error>,
) -> Result<()> {
    let board = toml::read(path)?;
    tree.put(PLACE, Entry::new(Kind::Text(whole(path, &board, warnings)?), 0o644))?;
    for (name, source) in rootfs {
        let container = board.containers.iter().find(|container| container.name.as_str() == name);
        let Some(container) = container else {
            let error = Error::usage(format!("--rootfs {}: {path} has no such container", shown(name)));
            let names = board.containers.iter().map(|container| container.name.as_str());
            return Err(match nearest(name, names) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            });
        };
        let Some(rootfs) = &container.rootfs else {
            let what = format!("container \"{name}\" runs on the board's own files: it has no rootfs");
            return Err(Error::config(what).at(&container.origin));
        };
        tree.directory(rootfs)?;
        let base = tree.resolve(rootfs, true)?;
        tree.add(source, &base, "", warnings)?;
    }
    Ok(())
}

/// The profile as it is; in one file, where it stands in several, which would not be found on the board.
fn whole(path: &str, board: &Board, warnings: &mut Vec<Error>) -> Result<Vec<u8>> {
    let bytes = text::read(path, "profile")?;
    let extends =
        String::from_utf8_lossy(&bytes).lines().any(|line| line.trim_start().starts_with("extends"));
    if !extends && board.containers.iter().all(|container| container.origin.file == board.file) {
        return Ok(bytes);
    }
    let mut source = convert::profile(path)?;
    let text = source.to_toml();
    // What an LXC file says and no profile can.
    warnings.append(&mut source.warnings);
    Ok(text.into_bytes())
}

/// What each container's root file system needs to be mounted: the directories and files that something is mounted on. A
/// read-only one can not get them on the board. A container whose programs are all bound from the board is no more than
/// these.
pub fn complete(tree: &mut Tree, path: &str, warnings: &mut Vec<Error>) -> Result<Vec<Unknown>> {
    let mut unknown = Vec::new();
    for container in &toml::read(path)?.containers {
        if let Some(rootfs) = &container.rootfs {
            tree.directory(rootfs)?;
            // Its links lead where they do for the container, whose / this is.
            let base = tree.resolve(rootfs, true)?;
            points(tree, container, &base, &mut unknown)?;
            starts(tree, container, &base, warnings);
        }
    }
    Ok(unknown)
}

/// A bind whose source is not in the image yet: it has a directory.
pub struct Unknown {
    mount: Mount,
    /// Where that is, from the image's root.
    place: String,
    warning: Error,
}

/// What a table has made meanwhile is a source, too: a device is bound on a file.
pub fn settle(tree: &mut Tree, unknown: Vec<Unknown>, warnings: &mut Vec<Error>) -> Result<()> {
    for Unknown { mount, place, warning } in unknown {
        match kind(tree, &mount) {
            Some(CreateTarget::File) => tree.put(&place, empty())?,
            Some(CreateTarget::Dir) => {}
            None => warnings.push(warning),
        }
    }
    Ok(())
}

fn empty() -> Entry {
    Entry::new(Kind::Text(Vec::new()), 0o644)
}

fn points(tree: &mut Tree, container: &Container, base: &str, unknown: &mut Vec<Unknown>) -> Result<()> {
    let AutoMounts { proc, sys, cgroup } = &container.auto_mounts;
    let own = [
        ("dev", container.dev == Dev::Tmpfs),
        ("proc", proc.is_some()),
        ("sys", sys.is_some()),
        // In a /sys of its own the kernel has it.
        ("sys/fs/cgroup", cgroup.is_some() && sys.is_none()),
    ];
    for (name, mounted) in own {
        if mounted {
            tree.directory_in(base, name)?;
        }
    }
    for mount in &container.mounts {
        let Some(point) = mounts::target(mount, container) else { continue };
        // In a /dev of its own there is nothing to prepare.
        if tree.get_in(base, &point).is_some() || container.dev == Dev::Tmpfs && point.starts_with("dev/") {
            continue;
        }
        let kind = kind(tree, mount);
        match kind {
            Some(CreateTarget::File) => tree.put_in(base, &point, empty())?,
            Some(CreateTarget::Dir) | None => tree.directory_in(base, &point)?,
        }
        if kind.is_none() {
            let what = format!("bind source {} is not in the image", shown(&mount.source));
            let error = Error::config(format!("{what}: a directory is made to bind it on"))
                .tried(format!("container \"{}\"", container.name))
                .hint("create = \"file\" or \"dir\" says what it is");
            let (mount, place) = (mount.clone(), tree.resolve_in(base, &point, true)?);
            unknown.push(Unknown { warning: error.at(&mount.origin), mount, place });
        }
    }
    Ok(())
}

/// What a mount needs to be mounted on: what the profile says, or else what the source is on the board; `None` where the image
/// does not tell, as by a link into what is only mounted when the board runs.
fn kind(tree: &Tree, mount: &Mount) -> Option<CreateTarget> {
    if mount.create.is_some() || !mounts::is_bind(mount) {
        return mount.create.or(Some(CreateTarget::Dir));
    }
    match tree.get(&mount.source) {
        Some(Entry { kind: Kind::Directory, .. }) => Some(CreateTarget::Dir),
        Some(_) => Some(CreateTarget::File),
        // What stands at the top of a file tree is a directory. A skeleton for a board that comes from elsewhere binds little else.
        None => (!mount.source.trim_matches('/').contains('/')).then_some(CreateTarget::Dir),
    }
}

/// Says so where the command is neither in the root file system nor below something that is mounted there.
fn starts(tree: &Tree, container: &Container, base: &str, warnings: &mut Vec<Error>) {
    let command = container.command.first().map_or("/sbin/init", String::as_str);
    if !command.starts_with('/') {
        return;
    }
    let place = |path: &str| tree.resolve_in(base, path, true).ok();
    let program = place(command).unwrap_or_default();
    let bound = container.mounts.iter().any(|mount| {
        let point = mounts::target(mount, container).and_then(|point| place(&point));
        let rest = point.as_deref().and_then(|point| program.strip_prefix(point));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if !bound && container.fstab.is_none() && !tree.entries.contains_key(&program) {
        let rootfs = container.rootfs.as_deref().unwrap_or_default();
        let error =
            Error::config(format!("{} is not in its root file system {}", shown(command), shown(rootfs)))
                .tried(format!("container \"{}\"", container.name))
                .hint(format!("--rootfs {}=DIRECTORY brings it", container.name));
        warnings.push(error.at(&container.origin));
    }
}

/// Says so where a board that boots from this has nothing to mount /proc and /sys on, without which no container starts. What has
/// no init is a container's skeleton, or goes to a board that has the rest.
pub fn boots(tree: &Tree, warnings: &mut Vec<Error>) {
    let there = |path: &&str| tree.resolve(path, false).is_ok_and(|path| tree.entries.contains_key(&path));
    if !["init", "sbin/init"].iter().any(there) {
        return;
    }
    for name in ["proc", "sys"] {
        if !matches!(tree.get(name), Some(Entry { kind: Kind::Directory, .. })) {
            let error = Error::config(format!(
                "there is no /{name} to mount the kernel's on: no container will start"
            ));
            warnings
                .push(error.hint(format!("a line of a --table makes it: /{name} d 755 0 0")).tried("image"));
        }
    }
}
