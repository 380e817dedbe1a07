//! The image as a tree of files.

use super::tree::{Kind, Tree};
use crate::error::{Error, Result};
use crate::sys::{dev, process};
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;

/// Makes the tree in `top`, which is there and empty.
pub fn write(tree: &Tree, time: u32, top: &Path) -> Result<()> {
    for (path, entry) in &tree.entries {
        let full = top.join(path);
        let failed = |error| Error::io(format!("make {}", full.display()), &error);
        match &entry.kind {
            Kind::Directory => fs::create_dir(&full).map_err(failed)?,
            Kind::Copy(source) => drop(fs::copy(source, &full).map_err(failed)?),
            Kind::Text(text) => fs::write(&full, text).map_err(failed)?,
            Kind::Link(target) => symlink(target, &full).map_err(failed)?,
            Kind::Pipe => dev::make_node(&full, None)?,
            Kind::Device(block, major, minor) => {
                dev::make_node(&full, Some((*block, *major, *minor))).map_err(|error| {
                    error.hint("device nodes need root; an archive does not: -o NAME.cpio.gz")
                })?;
            }
        }
        // Who is not root owns what he makes: then only what was asked for fails.
        if process::is_root() || (entry.uid, entry.gid) != (0, 0) {
            lchown(&full, Some(entry.uid), Some(entry.gid)).map_err(failed)?;
        }
    }
    // From the inside out: what is made in a directory needs its permissions and changes its time.
    for (path, entry) in tree.entries.iter().rev() {
        let full = top.join(path);
        if !matches!(entry.kind, Kind::Link(_)) {
            fs::set_permissions(&full, fs::Permissions::from_mode(entry.mode))
                .map_err(|error| Error::io(format!("set permissions of {}", full.display()), &error))?;
        }
        dev::set_time(&full, time)?;
    }
    // What it was made with is the umask of who made it.
    let failed = |error| Error::io(format!("set owner and permissions of {}", top.display()), &error);
    if process::is_root() {
        lchown(top, Some(0), Some(0)).map_err(failed)?;
    }
    fs::set_permissions(top, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    dev::set_time(top, time)
}
