//! `boardbox convert`: the model as text again, as a profile's sections or as an LXC file.
//!
//! What is read is the model (src/profile), and the comments beside it (`remarks.rs`); what is written reads back as an
//! equal model. What has no equal on the other side is told, and left out.

pub mod cgconfig;
mod lxc;
mod remarks;
#[cfg(test)]
mod tests;
mod toml;
mod words;

pub use remarks::Remarks;

use crate::error::{Error, Origin, Result};
use crate::profile::container::Container;
use crate::profile::text::{self, shown};
use crate::profile::value::ContainerName;
use crate::profile::{self, Board, CgroupSetup};
use std::rc::Rc;

/// What a file says, read for conversion.
#[derive(Default)]
pub struct Source {
    /// Its board, where it is a profile.
    pub board: Option<Board>,
    /// Its cgroup hierarchies, where it is a cgconfig.conf.
    pub cgroup: Option<CgroupSetup>,
    /// Its containers, each with its comments.
    pub containers: Vec<(Container, Remarks)>,
    /// The comments before anything else.
    pub remarks: Remarks,
    /// What has no equal, each with its place.
    pub warnings: Vec<Error>,
}

/// What a converted file is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A profile's sections.
    Toml,
    /// An LXC file with the keys of today's LXC.
    Lxc,
    /// One with those of LXC 0.9.0, where it had the key.
    Lxc09,
}

/// Whether a file is taken for an LXC file, and not for a profile: by its name, else by what is in it.
pub fn is_lxc(path: &str, text: &[u8]) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.ends_with(".toml") || name.ends_with(".conf") || name == "config" {
        return !name.ends_with(".toml");
    }
    has_settings(text)
}

/// Whether a line is a setting of an LXC file.
fn has_settings(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_start().starts_with(b"lxc."))
}

/// Reads a profile.
pub fn profile(path: &str) -> Result<Source> {
    sections(&text::read(path, "profile")?, &path.into())
}

fn sections(bytes: &[u8], file: &Rc<str>) -> Result<Source> {
    let board = profile::toml::parse(bytes, file)?;
    let text = String::from_utf8_lossy(bytes);
    let mut found = remarks::profile(&text);
    let containers = board.containers.clone().into_iter().map(|container| {
        let remarks = found.take(container.name.as_str());
        (container, remarks)
    });
    let containers = containers.collect();
    Ok(Source { board: Some(board), containers, remarks: found.head(), ..Source::default() })
}

/// Reads a profile, a cgconfig.conf or an LXC file. `name` is what an LXC file's container is called.
pub fn read(path: &str, name: Option<&ContainerName>) -> Result<Source> {
    let file: Rc<str> = path.into();
    let bytes = text::read(path, "file")?;
    let cgconfig = !path.ends_with(".toml") && std::str::from_utf8(&bytes).is_ok_and(cgconfig::is_one);
    if !cgconfig && !is_lxc(path, &bytes) {
        return sections(&bytes, &file);
    }
    text::bounded(&bytes, &file)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        Error::config("a byte that is not UTF-8").at(&text::origin(&bytes, error.valid_up_to(), &file))
    })?;
    if cgconfig {
        return cgconfig::read(text, &file);
    }
    let name = match name {
        Some(name) => name.clone(),
        None => name_of(path)?,
    };
    // Of something else nothing would be left but LXC's defaults: all capabilities, all devices.
    if !has_settings(&bytes) {
        return Err(Error::config("is no LXC file: no line of it begins with lxc.")
            .hint("the name of a profile ends in .toml")
            .at(&Origin::new(&file, 0, 0)));
    }
    let (mut container, findings) = profile::lxc::survey(path, &name, std::iter::empty());
    let mut source = Source { remarks: Remarks::default(), ..Source::default() };
    let mut remarks = remarks::lxc(text);
    for error in findings.wrong {
        if error.rule != "not-supported" {
            return Err(error);
        }
        // A NIC that can not be had, also one of an included file, is no reason to share the host's.
        container.own_network |=
            error.tried.starts_with("interface type") || error.tried.starts_with("lxc.net");
        // The line itself, as a comment: it is the reader's to decide what it meant.
        if error.origin.file.as_deref() == Some(path)
            && let Some(line) = text.lines().nth((error.origin.line as usize).saturating_sub(1))
        {
            remarks.left_out(line.trim());
        }
        source.warnings.push(not_here(error));
    }
    source.warnings.extend(findings.remarks);
    source.containers.push((container, remarks));
    Ok(source)
}

/// What the reader says of a key that it knows and does not apply, as it is for who converts.
fn not_here(mut error: Error) -> Error {
    error.cause = "has no equal in a profile: left out".into();
    error.hint = String::new();
    error
}

/// The beginning of a whole profile.
pub fn begin(board: &str) -> String {
    let mut out = String::new();
    toml::board(&Board { name: board.into(), ..Board::default() }, &mut out);
    out
}

/// `/var/lib/lxc/NAME/config`, or the file's name without its ending.
fn name_of(path: &str) -> Result<ContainerName> {
    let path = std::path::Path::new(path);
    let stem = match path.file_name() {
        Some(name) if name == "config" => path.parent().and_then(|dir| dir.file_name()),
        _ => path.file_stem(),
    };
    let stem = stem.unwrap_or_default().to_string_lossy();
    stem.parse().map_err(|error: Error| error.hint("name it: -n NAME").kind(crate::error::Kind::Usage))
}

impl Source {
    /// The whole source as a profile's sections.
    pub fn to_toml(&mut self) -> String {
        let mut out = String::new();
        self.remarks.write_head(&mut out);
        if let Some(board) = &self.board {
            toml::board(board, &mut out);
        }
        if let Some(setup) = &self.cgroup {
            toml::cgroup(setup, &mut out);
        }
        for (container, remarks) in &self.containers {
            if !out.is_empty() {
                out.push('\n');
            }
            toml::container(container, remarks, &mut out, &mut self.warnings);
        }
        out
    }

    /// One container as an LXC file: the only one, or that of this name.
    pub fn to_lxc(&mut self, name: Option<&ContainerName>, old: bool) -> Result<String> {
        let found = match (name, self.containers.as_slice()) {
            (None, [one]) => Some(one),
            (None, _) => None,
            (Some(name), all) => all.iter().find(|one| one.0.name == *name),
        };
        let Some((container, remarks)) = found else {
            let names: Vec<&str> = self.containers.iter().map(|one| one.0.name.as_str()).collect();
            let error = match name {
                Some(name) => Error::usage(format!("there is no container \"{}\"", shown(name.as_str()))),
                None => Error::usage("an LXC file is for one container"),
            };
            return Err(error.hint(format!("-n NAME: {}", names.join(", "))));
        };
        let mut out = String::new();
        lxc::container(container, remarks, old, &mut out, &mut self.warnings);
        Ok(out)
    }
}

/// Something that the other side can not say.
fn no_equal(what: impl Into<String>, where_to: &str, origin: &Origin) -> Error {
    Error::config(format!("has no equal in {where_to}: left out")).tried(what).at(origin)
}
