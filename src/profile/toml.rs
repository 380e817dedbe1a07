//! Board profiles: TOML by serde. The schema is `raw`'s structs, its meaning `boards` and `containers`, its description
//! boards/README.md.
//!
//! Every error says file, line and column of the text that is wrong; the first one found is told.

mod boards;
mod containers;
mod limits;
mod raw;

pub use limits::STANDARD_DEVICES;

use super::Board;
use super::text::{self, nearest, shown};
use crate::error::{Error, Origin, Result};
use ::toml::Spanned;
use raw::{Number, Text, Texts};
use std::ops::Range;
use std::rc::Rc;
use std::str::FromStr;

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
    let profile = Profile { text, file };
    let raw = ::toml::from_str(text).map_err(|error| profile.refused(&error))?;
    boards::board(&profile, raw)
}

/// The profile being read: what turns a byte range into a place.
struct Profile<'a> {
    text: &'a str,
    file: &'a Rc<str>,
}

impl Profile<'_> {
    fn origin(&self, span: Range<usize>) -> Origin {
        text::origin(self.text.as_bytes(), span.start, self.file)
    }

    /// What toml and serde refuse, in the words of a profile's author. What was found is the profile's own text: serde
    /// prints values by `Debug`, which release builds leave empty.
    fn refused(&self, error: &::toml::de::Error) -> Error {
        let message = error.message();
        let span = error.span().unwrap_or(0..0);
        let found = self.text.get(span.clone()).unwrap_or_default();
        let (what, expected) = message.rsplit_once(", expected ").unwrap_or((message, ""));
        // Names stand between backquotes.
        let mut names = expected.split('`').skip(1).step_by(2);
        let refused = if what.starts_with("unknown field") {
            let error = Error::config(format!("unknown key \"{}\"", shown(found)));
            match nearest(found, names.clone()) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(format!("known here: {}", names.collect::<Vec<_>>().join(", "))),
            }
        } else if let Some(name) = message.strip_prefix("missing field `") {
            Error::config(format!("key \"{}\" is missing", name.trim_end_matches('`')))
        } else if what.starts_with("invalid ")
            && names.next().is_none()
            && !found.is_empty()
            && !expected.is_empty()
        {
            let expected = expected.replace("i64", "an integer");
            Error::config(format!("{} stands where {expected} is expected", shown(found)))
        } else {
            Error::config(message.replace('\n', ": "))
        };
        refused.at(&self.origin(span))
    }

    /// `error` is about `key`, whose value stands at `span`.
    fn wrong(&self, error: Error, key: &str, span: Range<usize>) -> Error {
        error.tried(key).at(&self.origin(span))
    }

    /// A text that is not empty and holds no control character: none is meant in a path, name or option.
    fn text<'t>(&self, text: &'t Text, key: &str) -> Result<&'t str> {
        let value = text.get_ref().as_str();
        let wrong = match value.chars().find(|c| c.is_control()) {
            Some(bad) => Error::config(format!("\"{}\" holds '{}'", shown(value), bad.escape_debug())),
            None if value.is_empty() => {
                Error::config("is empty").hint("leave the key out to have its default")
            }
            None => return Ok(value),
        };
        Err(self.wrong(wrong, key, text.span()))
    }

    /// A value that reads itself.
    fn value<T: FromStr<Err = Error>>(&self, text: &Text, key: &str) -> Result<T> {
        self.by(text, key, str::parse)
    }

    /// A value read by `parse`.
    fn by<T>(&self, text: &Text, key: &str, parse: fn(&str) -> Result<T>) -> Result<T> {
        parse(self.text(text, key)?).map_err(|error| self.wrong(error, key, text.span()))
    }

    /// An optional one.
    fn maybe<T>(&self, text: &Option<Text>, key: &str, parse: fn(&str) -> Result<T>) -> Result<Option<T>> {
        text.as_ref().map(|text| self.by(text, key, parse)).transpose()
    }

    /// One or several, each read by itself.
    fn each<T: FromStr<Err = Error>>(&self, texts: Option<Spanned<Texts>>, key: &str) -> Result<Vec<T>> {
        let list = match texts {
            None => Vec::new(),
            Some(texts) => {
                let span = texts.span();
                match texts.into_inner() {
                    Texts::One(text) => vec![Spanned::new(span, text)],
                    Texts::Many(list) => list,
                }
            }
        };
        list.iter().map(|text| self.value(text, key)).collect()
    }

    /// Texts as they are.
    fn list(&self, texts: &[Text], key: &str) -> Result<Vec<String>> {
        texts.iter().map(|text| Ok(self.text(text, key)?.to_string())).collect()
    }

    /// A number within bounds.
    fn number(&self, number: &Number, key: &str, least: i64, most: i64) -> Result<i64> {
        let value = *number.get_ref();
        match (least..=most).contains(&value) {
            true => Ok(value),
            false => {
                let error = Error::config(format!("{value} is not a number {least}..={most}"));
                Err(self.wrong(error, key, number.span()))
            }
        }
    }

    /// An optional number within bounds that fit 32 bits.
    fn small(&self, number: &Option<Number>, key: &str, least: u32, most: u32) -> Result<Option<u32>> {
        number.as_ref().map(|n| Ok(self.number(n, key, least.into(), most.into())? as u32)).transpose()
    }
}

#[cfg(test)]
mod tests;
