//! Bytes to lines: what is no text is refused with its place, in memory bounded by the file.

use crate::error::{Error, Origin, Result};
use crate::profile::text::column;
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
        let wrong = |at: usize, cause: &str, hint: &str| {
            let place = column(line.get(..at).unwrap_or(line));
            Error::config(cause).hint(hint).at(&Origin::new(self.file, self.number, place))
        };
        if line.len() > MAX_LINE {
            return Err(wrong(MAX_LINE, "the line is longer than 4096 bytes", "is this an LXC file?"));
        }
        if self.number == 1 && line.starts_with(b"\xef\xbb\xbf") {
            return Err(wrong(0, "a byte order mark", "save the file as plain UTF-8, without one"));
        }
        match line.iter().position(|byte| matches!(byte, 0 | b'\r')) {
            Some(at) if line.get(at) == Some(&0) => Err(wrong(at, "a NUL byte", "an LXC file is text")),
            Some(at) => {
                Err(wrong(at, "a carriage return (CRLF line ending)", "remove it: sed -i 's/\\r$//' FILE"))
            }
            None => std::str::from_utf8(line).map_err(|error| {
                wrong(error.valid_up_to(), "a byte that is not UTF-8", "an LXC file is UTF-8 text")
            }),
        }
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
