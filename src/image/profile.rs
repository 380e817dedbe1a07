//! The board's profile and its containers' root file systems in the image.

use super::tree::{Entry, Kind, Tree};
use crate::convert;
use crate::error::{Error, Result};
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
        tree.add(source, rootfs, warnings)?;
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
            points(tree, container, rootfs)?;
            starts(tree, container, rootfs, warnings);
        }
    }
    Ok(())
}

fn points(tree: &mut Tree, container: &Container, rootfs: &str) -> Result<()> {
    let own = [
        ("dev", container.dev == Dev::Tmpfs),
        ("proc", container.auto_mounts.proc.is_some()),
        ("sys", container.auto_mounts.sys.is_some()),
    ];
    tree.directory(rootfs)?;
    for (name, mounted) in own {
        if mounted {
            tree.directory(&format!("{rootfs}/{name}"))?;
        }
    }
    for mount in container.mounts.iter().filter(|mount| !mount.target.starts_with('/')) {
        let point = format!("{rootfs}/{}", mount.target);
        let file = tree.get(&mount.source).is_some_and(|entry| entry.kind != Kind::Directory);
        // In a /dev of its own there is nothing to prepare.
        if tree.get(&point).is_some() || container.dev == Dev::Tmpfs && mount.target.starts_with("dev/") {
            continue;
        }
        match mount.fstype == "none" && mount.source.starts_with('/') && file {
            true => tree.put(&point, Entry::new(Kind::Text(Vec::new()), 0o644))?,
            false => tree.directory(&point)?,
        }
    }
    Ok(())
}

/// Says so where the command is neither in the root file system nor below something that is mounted there.
fn starts(tree: &Tree, container: &Container, rootfs: &str, warnings: &mut Vec<Error>) {
    let command = container.command.first().map_or("/sbin/init", String::as_str);
    let Some(inside) = command.strip_prefix('/') else { return };
    let mounted = |target: &str| inside == target || inside.starts_with(&format!("{target}/"));
    let bound = container.mounts.iter().any(|mount| mounted(mount.target.trim_matches('/')));
    if !bound && container.fstab.is_none() && tree.get(&format!("{rootfs}/{inside}")).is_none() {
        let error =
            Error::config(format!("{} is not in its root file system {}", shown(command), shown(rootfs)))
                .tried(format!("container \"{}\"", container.name))
                .hint(format!("--rootfs {}=DIRECTORY brings it", container.name));
        warnings.push(error.at(&container.origin));
    }
}
