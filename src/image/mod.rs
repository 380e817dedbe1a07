//! `boardbox image`: what a board boots, as an initramfs or as a tree, from overlays, a profile and root file systems.
//!
//! The same input gives the same bytes on any machine: entries are sorted, have no times and no inode numbers of their own,
//! and belong to root unless a table says otherwise. It needs no root: device nodes are lines of a table.

mod cpio;
mod disk;
mod output;
mod profile;
mod table;
#[cfg(test)]
mod tests;
mod tree;

pub use output::write;
pub use tree::Tree;

use crate::error::{Error, Result};
use crate::profile::text::shown;

/// What the image is made of, in the order in which it is put together: what comes later goes before what was there.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Directories whose content goes to the image's root.
    pub overlays: Vec<String>,
    /// The board's profile.
    pub profile: Option<String>,
    /// Root file systems by the container's name.
    pub rootfs: Vec<(String, String)>,
    /// Files or directories by the path they get.
    pub files: Vec<(String, String)>,
    /// Symbolic links: path and target.
    pub links: Vec<(String, String)>,
    /// Tables of nodes, directories, owners and modes.
    pub tables: Vec<String>,
}

/// Puts the parts together; what is worth a word is returned beside.
pub fn build(parts: &Parts) -> Result<(Tree, Vec<Error>)> {
    let mut tree = Tree::default();
    let mut warnings = Vec::new();
    for overlay in &parts.overlays {
        tree.add(overlay, "", "", &mut warnings)?;
    }
    if let Some(path) = &parts.profile {
        profile::add(&mut tree, path, &parts.rootfs, &mut warnings)?;
    } else if let Some((name, _)) = parts.rootfs.first() {
        return Err(Error::usage(format!("--rootfs {}: where is its place?", shown(name)))
            .hint("a profile says it: --profile FILE; or --file PATH=DIRECTORY"));
    }
    for (path, source) in &parts.files {
        tree.add(source, "", path, &mut warnings)?;
    }
    for (path, target) in &parts.links {
        tree.link(path, target)?;
    }
    let mut unknown = Vec::new();
    if let Some(path) = &parts.profile {
        unknown = profile::complete(&mut tree, path, &mut warnings)?;
    }
    for file in &parts.tables {
        table::apply(&mut tree, file)?;
    }
    profile::settle(&mut tree, unknown, &mut warnings)?;
    if parts.profile.is_some() {
        profile::boots(&tree, &mut warnings);
    }
    tree.tell_lost(&mut warnings);
    Ok((tree, warnings))
}
