//! Board profiles in TOML. boards/README.md describes every key.
//!
//! Every error says file, line and column of the text that is wrong; the first one found is told.

mod boards;
mod containers;
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

/// Reads `text` as if it were the file `file`: LXC files it names are looked for beside that.
pub fn parse(text: &[u8], file: &Rc<str>) -> Result<Board> {
    text::bounded(text, file)?;
    let text = std::str::from_utf8(text).map_err(|error| {
        Error::config("a byte that is not UTF-8").hint("a profile is UTF-8 text").at(&text::origin(
            text,
            error.valid_up_to(),
            file,
        ))
    })?;
    let profile = Profile { text, file, first: RefCell::new(None) };
    match ::toml::de::DeTable::parse(text) {
        Ok(parsed) => boards::board(&profile, Spanned::new(0..0, tree::table(parsed.into_inner()))),
        Err(error) => Err(Error::config(error.message().replace('\n', ": "))
            .at(&profile.origin(error.span().unwrap_or(0..0)))),
    }
}

/// The profile being read: what turns a byte range into a place.
struct Profile<'a> {
    text: &'a str,
    file: &'a Rc<str>,
    /// The first thing found to be wrong.
    first: RefCell<Option<Error>>,
}

impl Profile<'_> {
    fn origin(&self, span: Range<usize>) -> Origin {
        text::origin(self.text.as_bytes(), span.start, self.file)
    }
}

#[cfg(test)]
mod tests;
