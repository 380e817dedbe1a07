//! The image before it is written: paths and what is there.

use crate::error::{Error, Result};
use crate::profile::text::shown;
use crate::sys::process;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How many symbolic links a path may lead over, as in the kernel.
const MAX_LINKS: usize = 40;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file of this machine.
    Copy(PathBuf),
    /// A file that is made here.
    Text(Vec<u8>),
    /// A symbolic link, with its target.
    Link(String),
    /// A device: whether it is a block device, its major and minor number.
    Device(bool, u32, u32),
    /// A named pipe.
    Pipe,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is there.
    pub kind: Kind,
    /// Permissions, 12 bits.
    pub mode: u32,
    /// The user it belongs to.
    pub uid: u32,
    /// The group it belongs to.
    pub gid: u32,
}

impl Entry {
    /// One that belongs to root.
    pub fn new(kind: Kind, mode: u32) -> Self {
        Self { kind, mode, uid: 0, gid: 0 }
    }
}

/// All of them by their paths, which have no `/` at the beginning and no `.`, `..` or symbolic link in the middle. Each
/// directory is there, and stands before what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The paths.
    pub entries: BTreeMap<String, Entry>,
    /// What came without a set-uid or set-gid bit that it had, and nothing has said its mode since.
    pub lost: BTreeMap<String, Lost>,
}

/// What a file or directory of this machine was like before it became root's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where it is.
    source: PathBuf,
    /// Its permissions, as a table would say them.
    mode: u32,
    /// Those of them that it lost.
    bits: u32,
    uid: u32,
    gid: u32,
}

impl Tree {
    /// What is at a path, which may lead over symbolic links.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.get_in("", path)
    }

    /// What a path leads to whose root is `base`.
    pub fn get_in(&self, base: &str, path: &str) -> Option<&Entry> {
        self.entries.get(&self.resolve_in(base, path, true).ok()?)
    }

    /// Where a path leads; `last`: also over a symbolic link at its end.
    pub fn resolve(&self, path: &str, last: bool) -> Result<String> {
        self.resolve_in("", path, last)
    }

    /// The same for what has the directory `base` as its root, a path that leads over no symbolic link: what is absolute
    /// begins there, and no `..` leads out of it.
    pub fn resolve_in(&self, base: &str, path: &str, last: bool) -> Result<String> {
        let mut place: Vec<String> = Vec::new();
        let full = |place: &[String]| match (base, place) {
            ("", _) => place.join("/"),
            (_, []) => base.into(),
            _ => format!("{base}/{}", place.join("/")),
        };
        let mut rest: Vec<String> = path.split('/').rev().map(String::from).collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    place.pop();
                    continue;
                }
                _ => place.push(part),
            }
            let ends = rest.iter().all(|part| part.is_empty());
            if let Some(Entry { kind: Kind::Link(target), .. }) = self.entries.get(&full(&place))
                && (last || !ends)
            {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Error::host(format!("/{}: a circle of symbolic links", shown(path))));
                }
                place.pop();
                if target.starts_with('/') {
                    place.clear();
                }
                rest.extend(target.split('/').rev().map(String::from));
            }
        }
        Ok(full(&place))
    }

    /// Puts something at a path, with the directories above it; what was there goes. A directory is laid over one that is
    /// there, also over a symbolic link to one.
    pub fn put(&mut self, path: &str, entry: Entry) -> Result<()> {
        self.put_in("", path, entry)
    }

    /// The same where `base` is the root (`resolve_in`).
    pub fn put_in(&mut self, base: &str, path: &str, entry: Entry) -> Result<()> {
        let directory = entry.kind == Kind::Directory;
        let place = self.resolve_in(base, path, directory)?;
        if place.is_empty() {
            return match directory {
                true => Ok(()),
                false => Err(Error::usage("the image's root is a directory")),
            };
        }
        if let Some((above, _)) = place.rsplit_once('/')
            && self.entries.get(above).is_none_or(|entry| entry.kind != Kind::Directory)
        {
            self.put(above, Entry::new(Kind::Directory, 0o755))?;
        }
        if !directory {
            // A directory goes with all that is in it.
            let inside = format!("{place}/");
            self.entries.retain(|path, _| !path.starts_with(&inside));
        }
        self.lost.remove(&place);
        self.entries.insert(place, entry);
        Ok(())
    }

    /// A directory, unless something that is one is there.
    pub fn directory(&mut self, path: &str) -> Result<()> {
        self.directory_in("", path)
    }

    /// The same where `base` is the root (`resolve_in`).
    pub fn directory_in(&mut self, base: &str, path: &str) -> Result<()> {
        match self.get_in(base, path) {
            Some(Entry { kind: Kind::Directory, .. }) => Ok(()),
            _ => self.put_in(base, path, Entry::new(Kind::Directory, 0o755)),
        }
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.put(path, link(target))
    }

    /// Copies a file or a directory's content of this machine to a path, whose root is `base` (`resolve_in`).
    pub fn add(&mut self, source: &str, base: &str, path: &str, warnings: &mut Vec<Error>) -> Result<()> {
        let failed = |error| Error::io(format!("read {}", shown(source)), &error);
        let there = std::fs::metadata(source).map_err(failed)?;
        match there.is_dir() {
            true => self.walk(Path::new(source), base, path, warnings),
            // What is named itself is followed where it is a link.
            false if path.trim_matches('/').is_empty() => {
                Err(Error::usage(format!("{} is not a directory", shown(source))))
            }
            false => {
                let source = std::fs::canonicalize(source).map_err(failed)?;
                self.one(&source, base, path, warnings)
            }
        }
    }

    fn walk(&mut self, source: &Path, base: &str, path: &str, warnings: &mut Vec<Error>) -> Result<()> {
        let failed = |error| Error::io(format!("read directory {}", source.display()), &error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(source).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        // The order matters where two names lead to the same place.
        names.sort_unstable();
        if !base.is_empty() || !path.trim_matches('/').is_empty() {
            let there = std::fs::metadata(source).map_err(failed)?;
            self.take(source, &there, base, path, Kind::Directory)?;
        }
        for name in names {
            let full = source.join(&name);
            let Some(name) = name.to_str() else {
                return Err(Error::host("the name is not UTF-8").tried(format!("read {}", full.display())));
            };
            self.one(&full, base, &format!("{}/{name}", path.trim_end_matches('/')), warnings)?;
        }
        Ok(())
    }

    /// One thing and, if it is a directory, what is in it.
    fn one(&mut self, source: &Path, base: &str, path: &str, warnings: &mut Vec<Error>) -> Result<()> {
        let failed = |error| Error::io(format!("read {}", source.display()), &error);
        let there = std::fs::symlink_metadata(source).map_err(failed)?;
        let of = there.file_type();
        let device = there.rdev();
        let kind = if of.is_dir() {
            return self.walk(source, base, path, warnings);
        } else if of.is_file() {
            // Whether it can be read is told before anything is written.
            std::fs::File::open(source).map_err(failed)?;
            return self.take(source, &there, base, path, Kind::Copy(source.into()));
        } else if of.is_symlink() {
            let target = std::fs::read_link(source).map_err(failed)?;
            let Some(target) = target.to_str() else {
                return Err(
                    Error::host("its target is not UTF-8").tried(format!("read {}", source.display()))
                );
            };
            return self.put_in(base, path, link(target));
        } else if of.is_block_device() || of.is_char_device() {
            Kind::Device(of.is_block_device(), libc::major(device), libc::minor(device))
        } else if of.is_fifo() {
            Kind::Pipe
        } else {
            warnings.push(Error::host("a socket: left out").tried(source.display().to_string()));
            return Ok(());
        };
        // Its own mode is what it was made for.
        self.put_in(base, path, Entry::new(kind, there.permissions().mode() & 0o7777))
    }

    /// A file or directory of this machine, which becomes root's. A set-uid or set-gid bit of somebody else than root, or
    /// than the builder, whose files all become root's, would be another one then: a game that writes its scores, and root's
    /// rights for whoever runs it.
    fn take(&mut self, source: &Path, there: &Metadata, base: &str, path: &str, kind: Kind) -> Result<()> {
        let mode = plain(there.permissions().mode());
        let (own_uid, own_gid, uid, gid) = (process::uid(), process::gid(), there.uid(), there.gid());
        let foreign = |bit, owner, own| if owner == 0 || owner == own { 0 } else { mode & bit };
        let bits = foreign(0o4000, uid, own_uid) | foreign(0o2000, gid, own_gid);
        let place = self.resolve_in(base, path, kind == Kind::Directory)?;
        self.put_in(base, path, Entry::new(kind, mode & !bits))?;
        if bits != 0 {
            self.lost.insert(place, Lost { source: source.into(), mode, bits, uid, gid });
        }
        Ok(())
    }

    /// A warning for each bit that was lost, with the table's line that keeps it.
    pub fn tell_lost(&self, warnings: &mut Vec<Error>) {
        for (path, lost) in &self.lost {
            let Some(entry) = self.entries.get(path) else { continue };
            let what = match lost.bits {
                0o4000 => "set-uid bit",
                0o2000 => "set-gid bit",
                _ => "set-uid and set-gid bits",
            };
            let kind = if entry.kind == Kind::Directory { 'd' } else { 'f' };
            let Lost { source, mode, uid, gid, .. } = lost;
            let error = Error::host(format!("without its {what}, which would be root's"));
            let hint = format!("a table line says whose: /{} {kind} {mode:o} {uid} {gid}", shown(path));
            warnings.push(error.tried(source.display().to_string()).hint(hint));
        }
    }
}

fn link(target: &str) -> Entry {
    Entry::new(Kind::Link(target.into()), 0o777)
}

/// Permissions without what the umask of a checkout leaves to others than the owner: 664 is 644. A directory that is
/// everybody's and sticky is meant to be.
fn plain(mode: u32) -> u32 {
    match mode & 0o1000 {
        0 => mode & 0o7755,
        _ => mode & 0o7777,
    }
}
