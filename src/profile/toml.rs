//! Board profiles in TOML. boards/README.md describes every key.
//!
//! Every error says file, line and column of the text that is wrong; the first one found is told.

mod boards;
mod containers;
mod extends;
mod limits;
mod mounts;
mod network;
mod tree;

pub use limits::STANDARD_DEVICES;

use super::Board;
use super::text;
use crate::error::{Error, Origin, Result};
use ::toml::Spanned;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

/// Reads the profile `path`.
pub fn read(path: &str) -> Result<Board> {
    parse(&text::read(path, "profile")?, &path.into())
}

/// Reads `text` as if it were the file `file`: what it extends and LXC files it names are looked for beside that.
pub fn parse(text: &[u8], file: &Rc<str>) -> Result<Board> {
    let mut profile = Profile { sources: Vec::new(), first: RefCell::new(None) };
    let root = profile.load(text, file, &mut Vec::new())?;
    boards::board(&profile, Spanned::new(0..0, root))
}

/// The profile being read: what turns a byte range into a place. Each file's ranges begin where the one's before end, so
/// that a value keeps its place wherever it is merged into.
struct Profile {
    /// The profile's own file, then those it extends.
    sources: Vec<Source>,
    /// The first thing found to be wrong.
    first: RefCell<Option<Error>>,
}

/// One of its files.
struct Source {
    file: Rc<str>,
    text: String,
    /// What its ranges are greater by than its own offsets.
    start: usize,
}

impl Profile {
    /// The file that a range is in, and where in that.
    fn place(&self, span: Range<usize>) -> Option<(&Source, Range<usize>)> {
        let source = self.sources.iter().rfind(|source| source.start <= span.start)?;
        Some((source, span.start - source.start..span.end.saturating_sub(source.start)))
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        match self.place(span) {
            Some((source, span)) => text::origin(source.text.as_bytes(), span.start, &source.file),
            None => Origin::default(),
        }
    }
}

#[cfg(test)]
mod extends_tests;
#[cfg(test)]
mod tests;
