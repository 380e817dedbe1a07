//! Tables of nodes, directories, owners and modes, in the form of Buildroot's `BR2_ROOTFS_DEVICE_TABLE` (makedevs):
//! `NAME TYPE MODE UID GID MAJOR MINOR START INC COUNT`, `-` or nothing where a column does not matter: then mode and
//! owner stay as they are.

use super::tree::{Entry, Kind, Tree};
use crate::error::{Error, Origin, Result};
use crate::profile::text::{self, column, shown};
use std::rc::Rc;

/// How many nodes a line may make.
const MAX_COUNT: u32 = 4096;

/// Does what the table says, line by line.
pub fn apply(tree: &mut Tree, path: &str) -> Result<()> {
    let file: Rc<str> = path.into();
    let bytes = text::read(path, "table")?;
    text::bounded(&bytes, &file)?;
    let text = String::from_utf8_lossy(&bytes);
    for (line, number) in text.lines().zip(1..) {
        let words = line.split('#').next().unwrap_or("");
        let before = words.strip_suffix(words.trim_start()).unwrap_or("");
        let place = Origin::new(&file, number, column(before.as_bytes()));
        if !words.trim().is_empty() {
            row(tree, words).map_err(|error| error.at(&place))?;
        }
    }
    Ok(())
}

fn row(tree: &mut Tree, line: &str) -> Result<()> {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next().unwrap_or("-");
    let (path, kind, mode) = (next(), next(), next());
    let number = |name: &str, word: &str, radix, most: u32| match u32::from_str_radix(word, radix) {
        _ if word == "-" => Ok(None),
        Ok(number) if number <= most && !word.starts_with('+') => Ok(Some(number)),
        _ => {
            let most = if radix == 8 { format!("{most:o}, octal") } else { most.to_string() };
            Err(Error::config(format!("{name} \"{}\" is not a number up to {most}", shown(word))))
        }
    };
    if !path.starts_with('/') {
        return Err(Error::config(format!("path \"{}\" is not absolute", shown(path))));
    }
    let most = u32::MAX - 1;
    let mode = number("mode", mode, 8, 0o7777)?;
    let (uid, gid) = (number("uid", next(), 10, most)?, number("gid", next(), 10, most)?);
    let mut count = |name, most| Ok(number(name, next(), 10, most)?.unwrap_or(0));
    let (major, minor) = (count("major", 0xfff)?, count("minor", 0xf_ffff)?);
    let (start, step, count) = (count("start", most)?, count("inc", most)?, count("count", MAX_COUNT)?);
    if let Some(more) = words.next() {
        return Err(Error::config(format!("\"{}\" is left over after ten columns", shown(more))));
    }
    // What it is to be, with what the row leaves open from what is there.
    let owned = |tree: &Tree, path: &str, kind, usual| {
        let there = tree
            .get(path)
            .filter(|there| std::mem::discriminant(&there.kind) == std::mem::discriminant(&kind));
        let before = there.map_or((usual, 0, 0), |there| (there.mode, there.uid, there.gid));
        let (mode, uid, gid) = (mode.unwrap_or(before.0), uid.unwrap_or(before.1), gid.unwrap_or(before.2));
        Entry { kind, mode, uid, gid }
    };
    let mut own = |all| match tree.get(path) {
        Some(_) => tree.own(path, all, mode, uid, gid),
        None => Err(Error::config(format!("{} is not in the image", shown(path)))
            .hint("a row of type f or r is about what an overlay has brought")),
    };
    match kind {
        "d" => tree.put(path, owned(tree, path, Kind::Directory, 0o755)),
        "p" => tree.put(path, owned(tree, path, Kind::Pipe, 0o600)),
        "c" | "b" => {
            for index in 0..count.max(1) {
                let name =
                    if count == 0 { path.into() } else { format!("{path}{}", start.saturating_add(index)) };
                let minor = minor.saturating_add(index.saturating_mul(step));
                let device = Kind::Device(kind == "b", major, minor);
                tree.put(&name, owned(tree, &name, device, 0o600))?;
            }
            Ok(())
        }
        "f" => own(false),
        "r" => own(true),
        _ => Err(Error::config(format!("type \"{}\" is unknown", shown(kind)))
            .hint("d directory, f file, r directory with all that is in it, c and b devices, p pipe")),
    }
}

impl Tree {
    /// Gives what a path leads to another owner and other permissions, where they are said; `all`: what is in it, too.
    fn own(
        &mut self,
        path: &str,
        all: bool,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<()> {
        let place = self.resolve(path, true)?;
        let inside = format!("{place}/");
        for (path, entry) in &mut self.entries {
            let itself = *path == place;
            if itself || all && path.starts_with(&inside) {
                if mode.is_some() {
                    self.lost.remove(path);
                }
                (entry.uid, entry.gid) = (uid.unwrap_or(entry.uid), gid.unwrap_or(entry.gid));
                if !matches!(entry.kind, Kind::Link(_)) {
                    entry.mode = mode.unwrap_or(entry.mode);
                }
            }
        }
        Ok(())
    }
}
