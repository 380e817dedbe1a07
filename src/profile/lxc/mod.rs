//! LXC configuration files, one `key = value` a line: LXC 0.9.0's keys and those names of today's that mean the same.
//!
//! As in 0.9.0: lines that do not start with `lxc.` are ignored, `#` starts a comment line, one pair of quotes around a
//! value is none of it, an unknown `lxc.` key fails the load. Unlike it, every error says file, line, column and the text
//! that is wrong, and a known key that is not applied is an error too. As today: an empty value takes back what was said.

mod keys;
mod lines;
mod nic;

use super::container::Container;
use super::fstab;
use super::text::{self, Findings, column, shown};
use super::value::ContainerName;
use crate::error::{Error, Kind, Origin, Result};
use std::rc::Rc;

/// How deep `lxc.include` may nest.
const MAX_INCLUDES: u32 = 16;

/// Reads `path` for the container `name`, then applies `settings`, each a `KEY=VALUE` as `lxc-start -s` takes it.
pub fn read(path: &str, name: &ContainerName, settings: &[String]) -> Result<Container> {
    let option: Rc<str> = "-s".into();
    let origin = Origin::new(&option, 0, 0);
    let settings = settings.iter().map(|setting| (setting.as_str(), origin.clone()));
    let (container, findings) = survey(path, name, settings);
    findings.first().map_err(|error| match &error.origin.file {
        // What is wrong was written on the command line.
        Some(file) if *file == option => error.kind(Kind::Usage),
        _ => error,
    })?;
    Ok(container)
}

/// The same for settings that stand in a file, with everything that is wrong: the container is what could be made of the
/// rest, without a place of its own when the file could not be read.
pub fn survey<'a>(
    path: &str,
    name: &ContainerName,
    settings: impl Iterator<Item = (&'a str, Origin)>,
) -> (Container, Findings) {
    let mut reader = Reader::new(name);
    if let Err(error) = reader.file(path, 0) {
        return (reader.container, error.into());
    }
    reader.container.origin = Origin::new(&path.into(), 0, 0);
    for (setting, origin) in settings {
        if !setting.trim_start().starts_with("lxc.") {
            reader.findings.wrong.push(
                Error::usage(format!("setting \"{}\" does not start with lxc.", shown(setting)))
                    .hint("a line of an LXC file, as in lxc.tty=1")
                    .at(&origin),
            );
            continue;
        }
        reader.noted(setting, 0, &|_| origin.clone());
    }
    reader.finish()
}

/// Reads `text` as if it were the file `file`.
pub fn parse(text: &[u8], file: &Rc<str>, name: &ContainerName) -> Result<Container> {
    let mut reader = Reader::new(name);
    reader.text(text, file, 0)?;
    reader.container.origin = Origin::new(file, 0, 0);
    let (container, findings) = reader.finish();
    findings.first()?;
    Ok(container)
}

/// What the file has said so far.
struct Reader {
    container: Container,
    sections: Vec<nic::Section>,
    /// `lxc.mount.entry` as written: whether one lost a blank is known when the rootfs is.
    entries: Vec<(String, Origin)>,
    findings: Findings,
    /// Files include each other: no more is read.
    circle: bool,
    /// The polite signal was said by its own name: `stopsignal` is the last resort then.
    halt: bool,
    /// It has names of LXC 2.1 or later: to these versions a container without interfaces is alone with its loopback, while to
    /// 0.9.0 it has the host's network.
    todays: bool,
    /// `stopsignal` was said, which is the polite signal where no other is.
    stop: bool,
}

impl Reader {
    fn new(name: &ContainerName) -> Self {
        Self {
            container: Container::lxc_defaults(name.clone()),
            sections: Vec::new(),
            entries: Vec::new(),
            findings: Findings::default(),
            circle: false,
            halt: false,
            stop: false,
            todays: false,
        }
    }

    fn file(&mut self, path: &str, depth: u32) -> Result<()> {
        self.text(&text::read(path, "LXC file")?, &path.into(), depth)
    }

    fn text(&mut self, text: &[u8], file: &Rc<str>, depth: u32) -> Result<()> {
        for line in lines::Lines::new(text, file) {
            let (line, number) = line?;
            let place = |before: &str| Origin::new(file, number, column(before.as_bytes()));
            self.noted(line, depth, &place);
            if self.circle {
                break;
            }
        }
        text::bounded(text, file)
    }

    /// One line; what is wrong with it is noted, and reading goes on.
    fn noted(&mut self, line: &str, depth: u32, place: &dyn Fn(&str) -> Origin) {
        if let Err(error) = self.line(line, depth, place) {
            self.findings.wrong.push(error);
        }
    }

    /// `place` is the origin of what stands after a beginning of the line.
    fn line(&mut self, line: &str, depth: u32, place: &dyn Fn(&str) -> Origin) -> Result<()> {
        let entry = line.trim();
        // The place of what `rest`, a tail of the line, begins with.
        let place = |rest: &str| place(line.strip_suffix(rest).unwrap_or_default());
        if !entry.starts_with("lxc.") {
            if !entry.is_empty() && !entry.starts_with('#') {
                let text = format!("ignored, it does not start with lxc.: {}", shown(entry));
                let remark = Error::config(text).rule("ignored-line").at(&place(line.trim_start()));
                self.findings.remarks.push(remark);
            }
            return Ok(());
        }
        let key_place = place(line.trim_start());
        let Some((key, value)) = entry.split_once('=') else {
            return Err(Error::config(format!("\"{}\" has no '='", shown(entry)))
                .hint("one KEY = VALUE a line")
                .rule("syntax")
                .at(&key_place));
        };
        let key = key.trim_end();
        let quoted = value.trim();
        let value = unquoted(quoted);
        let value_place = match line.split_once('=') {
            Some((_, tail)) => {
                place(tail.trim_start().get((quoted.len() - value.len()) / 2..).unwrap_or_default())
            }
            None => key_place.clone(),
        };
        if key == "lxc.include" {
            return self.include(value, depth).map_err(|error| error.at(&value_place));
        }
        self.key(key, value, &value_place).map_err(|error| {
            let error = if error.tried.is_empty() { error.tried(shown(key)) } else { error };
            error.at(&key_place)
        })
    }

    /// A file, or a directory's `*.conf` in the order of their names.
    fn include(&mut self, path: &str, depth: u32) -> Result<()> {
        if depth == MAX_INCLUDES {
            self.circle = true;
            return Err(
                Error::config("lxc.include nests more than 16 deep").hint("does a file include itself?")
            );
        }
        if !std::path::Path::new(path).is_dir() {
            return self.file(path, depth + 1);
        }
        let failed = |error| Error::io(format!("read directory {}", shown(path)), &error).kind(Kind::Config);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            if let Ok(file) = entry.map_err(failed)?.path().into_os_string().into_string()
                && file.ends_with(".conf")
            {
                files.push(file);
            }
        }
        files.sort_unstable();
        files.iter().try_for_each(|file| self.file(file, depth + 1))
    }

    /// What only the whole file can tell: NICs that lack something, mount entries that lost a blank.
    fn finish(mut self) -> (Container, Findings) {
        let container = &mut self.container;
        let hosts = self.sections.iter().any(nic::Section::is_none);
        container.network = nic::finish(self.sections, &mut self.findings.wrong);
        container.own_network = !container.network.is_empty() || self.todays && !hosts;
        let prefixes: Vec<&str> =
            container.rootfs.iter().chain(&container.rootfs_mount).map(|path| path.as_str()).collect();
        for mount in &mut container.mounts {
            if let Some(inside) = inside(&mount.target, &prefixes) {
                mount.target = inside;
            }
        }
        for (entry, origin) in &self.entries {
            if let Err(error) = fstab::refuse_lost_blank(entry, &prefixes) {
                self.findings.wrong.push(error.tried("lxc.mount.entry").at(origin));
            }
        }
        (self.container, self.findings)
    }
}

/// A value without the pair of quotes around it, if there is one.
pub fn unquoted(value: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value)
}

/// An absolute mount target as a path relative to the rootfs; `None` for one that is outside of it, or relative already.
fn inside(target: &str, prefixes: &[&str]) -> Option<String> {
    prefixes.iter().find_map(|prefix| {
        let rest = target.strip_prefix(prefix.trim_end_matches('/'))?.strip_prefix('/')?;
        let rest = rest.trim_start_matches('/');
        (target.starts_with('/') && !rest.is_empty()).then(|| rest.into())
    })
}

/// Every key that is applied, a network's as `network.KEY`.
#[cfg(test)]
pub fn applied() -> Vec<String> {
    let nics = nic::tests::all().map(|(key, applied)| (format!("lxc.network.{key}"), applied));
    // Those of all interfaces have no value.
    let valued = |key: &String| !matches!(key.as_str(), "lxc.net" | "lxc.network");
    keys::tests::all().chain(nics).filter(|key| key.1).map(|key| key.0).filter(valued).collect()
}

#[cfg(test)]
mod tests;
