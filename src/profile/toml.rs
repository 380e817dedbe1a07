//! Board profiles in TOML. boards/README.md describes every key.
//!
//! Every error says file, line and column of the text that is wrong. Reading goes on after one: [`survey`] tells all, the
//! others the first.

mod boards;
mod containers;
mod extends;
mod limits;
mod mounts;
mod network;
mod tree;

pub use limits::{STANDARD_DEVICES, bytes};

use super::Board;
use super::text::{self, Findings};
use crate::error::{Origin, Result};
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
    let (board, findings) = survey(text, file);
    findings.first()?;
    Ok(board)
}

/// The same, with everything that is wrong: the board is what could be made of the rest.
pub fn survey(text: &[u8], file: &Rc<str>) -> (Board, Findings) {
    let mut profile = Profile { sources: Vec::new(), findings: RefCell::default() };
    let board = match profile.load(text, file, &mut Vec::new()) {
        Ok(root) => boards::board(&profile, Spanned::new(0..0, root)),
        // What is left of a table without its broken line is not what was meant: no more is said of it.
        Err(error) => {
            profile.findings.borrow_mut().wrong.insert(0, error);
            Board::default()
        }
    };
    (board, profile.findings.take())
}

/// The profile being read: what turns a byte range into a place. Each file's ranges begin where the one's before end, so
/// that a value keeps its place wherever it is merged into.
struct Profile {
    /// The profile's own file, then those it extends.
    sources: Vec<Source>,
    /// What was found to be wrong, and what is worth a word.
    findings: RefCell<Findings>,
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
