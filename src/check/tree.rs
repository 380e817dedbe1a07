//! Files as the board, or a container on it, will see them: paths looked up in a directory that stands for the board's /,
//! symbolic links resolved inside it, with what is mounted where. The one room of `check` that reads a file tree.

use crate::error::{Error, Result};
use std::fs::{File, Metadata};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// The target's file tree: a directory of the build machine.
pub struct Tree {
    root: PathBuf,
    /// Where the board's own /etc/fstab mounts something at boot.
    later: Vec<String>,
}

/// What a path leads to.
pub enum Found {
    /// A file or directory: where the view has it, where it is in truth, and what it is.
    Here(Place),
    /// Below something that is only mounted on the board: nobody knows here.
    Later(String),
    /// Nothing; what of the path is missing.
    Missing(String),
}

/// A file that is there.
pub struct Place {
    /// Its path in the view, without links.
    pub path: String,
    /// Its path on this machine.
    pub real: PathBuf,
    /// Its kind and mode.
    pub meta: Metadata,
}

impl Place {
    /// So many bytes at an offset, or as many as there are; of what is no file, which might never answer, none.
    pub fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        if !self.meta.is_file() {
            return None;
        }
        let file = File::open(&self.real).ok()?;
        let length = length.min(usize::try_from(self.meta.len().saturating_sub(offset)).unwrap_or(length));
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }

    /// Its text, a mebibyte of it at most.
    pub fn text(&self) -> Option<String> {
        String::from_utf8(self.read(0, 1 << 20)?).ok()
    }
}

/// As in Linux: how many links one path may lead over.
const MOST_LINKS: u32 = 40;

/// What a process sees.
pub struct View<'a> {
    tree: &'a Tree,
    base: PathBuf,
    /// Mount points, without links, and what is there: none, where only the board knows.
    mounts: Vec<(String, Option<PathBuf>)>,
}

impl Tree {
    /// The tree below a directory.
    pub fn open(root: &str) -> Result<Self> {
        let failed = |error| Error::io(format!("look at the file tree {root}"), &error);
        if !std::fs::metadata(root).map_err(failed)?.is_dir() {
            return Err(Error::host(format!("{root} is not a directory"))
                .hint("the one that stands for the board's /"));
        }
        let mut tree = Self { root: root.into(), later: Vec::new() };
        let mut later = Vec::new();
        if let Found::Here(place) = tree.host().find("/etc/fstab") {
            for line in place.text().unwrap_or_default().lines() {
                let target = line.split_ascii_whitespace().nth(1).unwrap_or("");
                if !line.trim_start().starts_with('#') && target.len() > 1 && target.starts_with('/') {
                    later.push(target.trim_end_matches('/').to_string());
                }
            }
        }
        tree.later = later;
        Ok(tree)
    }

    /// What the board sees: /proc, /sys, /dev and /run are filled when it runs.
    pub fn host(&self) -> View<'_> {
        let mounts = ["proc", "sys", "dev", "run"].map(|path| (path.to_string(), None)).to_vec();
        View { tree: self, base: self.root.clone(), mounts }
    }

    /// What a container sees whose root file system is this directory.
    pub fn inside(&self, base: PathBuf) -> View<'_> {
        View { tree: self, base, mounts: Vec::new() }
    }
}

impl View<'_> {
    /// Mounts something on a path that was found; none: what only the board knows.
    pub fn mount(&mut self, path: &str, what: Option<PathBuf>) {
        self.mounts.push((path.trim_matches('/').to_string(), what));
    }

    /// Where a path leads.
    pub fn find(&self, path: &str) -> Found {
        let mut todo: Vec<String> = path.rsplit('/').map(String::from).collect();
        // The way so far, and what each step of it is; none: only the board knows.
        let mut names: Vec<String> = Vec::new();
        let mut real: Vec<Option<PathBuf>> =
            vec![self.mounted("").unwrap_or_else(|| Some(self.base.clone()))];
        let mut links = 0;
        while let Some(name) = todo.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    if names.pop().is_some() {
                        real.pop();
                    }
                    continue;
                }
                _ => {}
            }
            let parent = real.last().cloned().flatten();
            names.push(name.clone());
            let at = names.join("/");
            let place = self.mounted(&at).unwrap_or_else(|| parent.map(|parent| parent.join(&name)));
            let Some(place) = place else {
                real.push(None);
                continue;
            };
            let Ok(meta) = std::fs::symlink_metadata(&place) else {
                match self.later(&at) {
                    true => real.push(None),
                    false => return Found::Missing(format!("/{at}")),
                }
                continue;
            };
            if !meta.is_symlink() {
                real.push(Some(place));
                continue;
            }
            links += 1;
            let target =
                std::fs::read_link(&place).ok().and_then(|target| target.into_os_string().into_string().ok());
            let Some(target) = target.filter(|_| links <= MOST_LINKS) else {
                return Found::Missing(format!("/{at}"));
            };
            names.pop();
            if target.starts_with('/') {
                names.clear();
                real.truncate(1);
            }
            todo.extend(target.rsplit('/').map(String::from));
        }
        let path = format!("/{}", names.join("/"));
        let Some(Some(place)) = real.pop() else { return Found::Later(path) };
        match std::fs::metadata(&place) {
            Ok(meta) => Found::Here(Place { path, real: place, meta }),
            Err(_) => Found::Missing(path),
        }
    }

    /// The names in a directory, in their order; none where there is no such directory.
    pub fn list(&self, dir: &str) -> Vec<String> {
        let Found::Here(place) = self.find(dir) else { return Vec::new() };
        let Ok(entries) = std::fs::read_dir(&place.real) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// What is mounted there, the last one.
    fn mounted(&self, at: &str) -> Option<Option<PathBuf>> {
        self.mounts.iter().rev().find(|(path, _)| path == at).map(|(_, what)| what.clone())
    }

    /// Whether what is not there may be on the board: on something its fstab mounts, or on the way to a mount point.
    fn later(&self, at: &str) -> bool {
        let below = |path: &str, of: &str| {
            path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let host = self.base == self.tree.root;
        host && self.tree.later.iter().any(|mount| below(&format!("/{at}"), mount))
            || self.mounts.iter().any(|(path, _)| path != at && below(path, at))
    }
}
