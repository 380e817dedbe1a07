//! LXC configuration files, one `key = value` a line: LXC 0.9.0's keys and those names of today's that mean the same.
//!
//! As in 0.9.0: lines that do not start with `lxc.` are ignored, `#` starts a comment line, there is no quoting, an
//! unknown `lxc.` key fails the load. Unlike it, every error says file, line, column and the text that is wrong.

mod keys;
mod lines;

use super::container::{Container, Nic, NicKind};
use super::value::{ContainerName, IfName, MacvlanMode};
use crate::error::{Error, Origin, Result};
use std::rc::Rc;

/// How deep `lxc.include` may nest.
const MAX_INCLUDES: u32 = 16;

/// Reads `path` for the container `name`, then applies `settings`, each a `KEY=VALUE` as `lxc-start -s` takes it.
pub fn read(path: &str, name: &ContainerName, settings: &[String]) -> Result<Container> {
    let mut reader = Reader::new(name);
    reader.file(path, 0)?;
    for setting in settings {
        reader.line(setting, &"-s".into(), 0, 0)?;
    }
    reader.finish()
}

/// Reads `text` as if it were the file `file`.
pub fn parse(text: &[u8], file: &Rc<str>, name: &ContainerName) -> Result<Container> {
    let mut reader = Reader::new(name);
    reader.text(text, file, 0)?;
    reader.finish()
}

/// A NIC section while its keys come in.
struct Section {
    /// N of `lxc.network.N.` or `lxc.net.N.`, where it was given.
    index: Option<u32>,
    /// `macvlan` or `empty`.
    kind: String,
    link: Option<IfName>,
    mode: MacvlanMode,
    nic: Nic,
}

/// What the file has said so far.
struct Reader {
    container: Container,
    sections: Vec<Section>,
}

impl Reader {
    fn new(name: &ContainerName) -> Self {
        Self { container: Container::lxc_defaults(name.clone()), sections: Vec::new() }
    }

    fn file(&mut self, path: &str, depth: u32) -> Result<()> {
        let text = std::fs::read(path)
            .map_err(|error| Error::io(format!("read LXC file {path}"), &error).kind(crate::error::Kind::Config))?;
        self.text(&text, &path.into(), depth)
    }

    fn text(&mut self, text: &[u8], file: &Rc<str>, depth: u32) -> Result<()> {
        for line in lines::Lines::new(text, file) {
            let (line, number) = line?;
            self.line(line, file, number, depth)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str, file: &Rc<str>, number: u32, depth: u32) -> Result<()> {
        let entry = line.trim();
        let column = (line.len() - line.trim_start().len() + 1) as u32;
        if !entry.starts_with("lxc.") {
            return Ok(());
        }
        let origin = Origin::new(file, number, column);
        let Some((key, value)) = entry.split_once('=') else {
            return Err(Error::config(format!("\"{}\" has no '='", lines::shown(entry)))
                .hint("one KEY = VALUE a line")
                .at(&origin));
        };
        let (key, value) = (key.trim_end(), value.trim());
        if key == "lxc.include" {
            if depth == MAX_INCLUDES {
                return Err(Error::config("lxc.include nests more than 16 deep")
                    .hint("does a file include itself?")
                    .at(&origin));
            }
            return self.include(value, depth + 1).map_err(|error| error.at(&origin));
        }
        self.key(key, value, &origin).map_err(|error| {
            let error = if error.tried.is_empty() { error.tried(key) } else { error };
            error.at(&origin)
        })
    }

    /// A file, or a directory's `*.conf` in the order of their names.
    fn include(&mut self, path: &str, depth: u32) -> Result<()> {
        if !std::path::Path::new(path).is_dir() {
            return self.file(path, depth);
        }
        let failed = |error| Error::io(format!("read directory {path}"), &error).kind(crate::error::Kind::Config);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            if let Ok(file) = entry.map_err(failed)?.path().into_os_string().into_string()
                && file.ends_with(".conf")
            {
                files.push(file);
            }
        }
        files.sort_unstable();
        files.iter().try_for_each(|file| self.file(file, depth))
    }

    /// What only the whole file can tell: NICs that lack something, mount entries that lost a blank.
    fn finish(mut self) -> Result<Container> {
        for section in self.sections {
            let mut nic = section.nic;
            if section.kind == "macvlan" {
                let Some(link) = section.link else {
                    return Err(Error::config("this macvlan has no lxc.network.link")
                        .hint("name the host interface it goes on: lxc.network.link = br0")
                        .at(&nic.origin));
                };
                nic.kind = NicKind::Macvlan { link, mode: section.mode };
            }
            self.container.network.push(nic);
        }
        self.container.own_network = !self.container.network.is_empty();
        if let Some(rootfs) = &self.container.rootfs {
            for mount in &self.container.mounts {
                keys::refuse_lost_blank(mount, rootfs)?;
            }
        }
        Ok(self.container)
    }
}

#[cfg(test)]
mod tests;
