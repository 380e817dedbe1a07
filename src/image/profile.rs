//! The board's profile and its containers' root file systems in the image.

use super::tree::{Entry, Kind, Tree};
use crate::convert;
use crate::error::{Error, Result};
use crate::plan::mounts;
use crate::profile::container::{Container, Dev};
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
    tree.put(PLACE, Entry::new(Kind::Text(whole(path, &board)?), 0o644))?;
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
fn whole(path: &str, board: &Board) -> Result<Vec<u8>> {
    let bytes = text::read(path, "profile")?;
    let extends =
        String::from_utf8_lossy(&bytes).lines().any(|line| line.trim_start().starts_with("extends"));
    if !extends && board.containers.iter().all(|container| container.origin.file == board.file) {
        return Ok(bytes);
    }
    Ok(convert::read(path, None)?.to_toml().into_bytes())
}

/// What each container's root file system needs to be mounted: the directories and files that something is mounted on. A
/// read-only one can not get them on the board. A container whose programs are all bound from the board is no more than
/// these.
pub fn complete(tree: &mut Tree, path: &str, warnings: &mut Vec<Error>) -> Result<()> {
    for container in &toml::read(path)?.containers {
        if let Some(rootfs) = &container.rootfs {
            tree.directory(rootfs)?;
            // Its links lead where they do for the container, whose / this is.
            let base = tree.resolve(rootfs, true)?;
            points(tree, container, &base)?;
            starts(tree, container, &base, warnings);
        }
    }
    Ok(())
}

fn points(tree: &mut Tree, container: &Container, base: &str) -> Result<()> {
    let own = [
        ("dev", container.dev == Dev::Tmpfs),
        ("proc", container.auto_mounts.proc.is_some()),
        ("sys", container.auto_mounts.sys.is_some()),
    ];
    for (name, mounted) in own {
        if mounted {
            tree.directory_in(base, name)?;
        }
    }
    for mount in &container.mounts {
        let Some(point) = mounts::target(mount, container) else { continue };
        let file = tree.get(&mount.source).is_some_and(|entry| entry.kind != Kind::Directory);
        // In a /dev of its own there is nothing to prepare.
        if tree.get_in(base, &point).is_some() || container.dev == Dev::Tmpfs && point.starts_with("dev/") {
            continue;
        }
        match mount.fstype == "none" && mount.source.starts_with('/') && file {
            true => tree.put_in(base, &point, Entry::new(Kind::Text(Vec::new()), 0o644))?,
            false => tree.directory_in(base, &point)?,
        }
    }
    Ok(())
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
