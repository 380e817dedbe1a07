//! Tables of nodes, directories, owners and modes, in the form of Buildroot's `BR2_ROOTFS_DEVICE_TABLE` (makedevs):
//! `NAME TYPE MODE UID GID MAJOR MINOR START INC COUNT`, `-` or nothing where a column does not matter.

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
        _ if word == "-" => Ok(0),
        Ok(number) if number <= most && !word.starts_with('+') => Ok(number),
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
    let (major, minor) = (number("major", next(), 10, 0xfff)?, number("minor", next(), 10, 0xf_ffff)?);
    let (start, step) = (number("start", next(), 10, most)?, number("inc", next(), 10, most)?);
    let count = number("count", next(), 10, MAX_COUNT)?;
    if let Some(more) = words.next() {
        return Err(Error::config(format!("\"{}\" is left over after ten columns", shown(more))));
    }
    let owned = |kind| Entry { kind, mode, uid, gid };
    let there = |tree: &mut Tree| match tree.get(path) {
        Some(_) => Ok(()),
        None => Err(Error::config(format!("{} is not in the image", shown(path)))
            .hint("a row of type f or r is about what an overlay has brought")),
    };
    match kind {
        "d" => tree.put(path, owned(Kind::Directory)),
        "p" => tree.put(path, owned(Kind::Pipe)),
        "c" | "b" => {
            for index in 0..count.max(1) {
                let name =
                    if count == 0 { path.into() } else { format!("{path}{}", start.saturating_add(index)) };
                let minor = minor.saturating_add(index.saturating_mul(step));
                tree.put(&name, owned(Kind::Device(kind == "b", major, minor)))?;
            }
            Ok(())
        }
        "f" => {
            there(tree)?;
            tree.own(path, false, mode, uid, gid)
        }
        "r" => {
            there(tree)?;
            tree.own(path, true, mode, uid, gid)
        }
        _ => Err(Error::config(format!("type \"{}\" is unknown", shown(kind)))
            .hint("d directory, f file, r directory with all that is in it, c and b devices, p pipe")),
    }
}

impl Tree {
    /// Gives what is at a path another owner and other permissions; `all`: what is in it another owner, too, and
    /// permissions that say more than none.
    fn own(&mut self, path: &str, all: bool, mode: u32, uid: u32, gid: u32) -> Result<()> {
        let place = self.resolve(path, false)?;
        let inside = format!("{place}/");
        for (path, entry) in &mut self.entries {
            let itself = *path == place;
            if itself || all && path.starts_with(&inside) {
                (entry.uid, entry.gid) = (uid, gid);
                if !all || mode != 0 && !matches!(entry.kind, Kind::Link(_)) {
                    entry.mode = mode;
                }
            }
        }
        Ok(())
    }
}
