//! Bytes to lines: what is no text is refused with its place, in memory bounded by the file.

use crate::error::{Error, Origin, Result};
use std::rc::Rc;

/// The longest line in bytes: a page, as the longest value the kernel takes from any of them.
const MAX_LINE: usize = 4096;

/// The lines of a file with their numbers, from 1. It ends after the first error.
pub struct Lines<'a> {
    rest: Option<&'a [u8]>,
    number: u32,
    file: &'a Rc<str>,
}

impl<'a> Lines<'a> {
    /// Over `text`, which is the content of `file`.
    pub fn new(text: &'a [u8], file: &'a Rc<str>) -> Self {
        Self { rest: Some(text), number: 0, file }
    }

    fn check(&self, line: &'a [u8]) -> Result<&'a str> {
        let wrong = |column: usize, cause: &str, hint: &str| {
            Error::config(cause).hint(hint).at(&Origin::new(self.file, self.number, column as u32))
        };
        if line.len() > MAX_LINE {
            return Err(wrong(MAX_LINE + 1, "the line is longer than 4096 bytes", "is this an LXC file?"));
        }
        if let Some(at) = line.iter().position(|byte| matches!(byte, 0 | b'\r')) {
            return Err(match line.get(at) {
                Some(0) => wrong(at + 1, "a NUL byte", "an LXC file is text"),
                _ => wrong(at + 1, "a carriage return (CRLF line ending)", "convert the file: sed -i 's/\\r$//' FILE"),
            });
        }
        std::str::from_utf8(line)
            .map_err(|error| wrong(error.valid_up_to() + 1, "a byte that is not UTF-8", "an LXC file is UTF-8 text"))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<(&'a str, u32)>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest?;
        self.number = self.number.saturating_add(1);
        let line = match text.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let (line, tail) = text.split_at(end);
                self.rest = tail.get(1..).filter(|tail| !tail.is_empty());
                line
            }
            None => {
                self.rest = None;
                text
            }
        };
        let checked = self.check(line);
        if checked.is_err() {
            self.rest = None;
        }
        Some(checked.map(|line| (line, self.number)))
    }
}

/// Text of the user's for a message: control characters escaped, cut at 120 characters.
pub fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(120).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.escape_default().to_string()
}
