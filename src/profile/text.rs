//! Files as bytes, bounded, and places in them.

use crate::error::{Error, Kind, Origin, Result};
use std::io::Read;
use std::rc::Rc;

/// The largest profile or LXC file in bytes; the largest known one has 30 KB.
pub const MAX_FILE: usize = 1 << 20;

/// What reading a file has brought up.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong, in the order in which it was found.
    pub wrong: Vec<Error>,
    /// What is read over, as LXC does: for the log, and for `check`.
    pub remarks: Vec<Error>,
}

impl Findings {
    /// The first thing that is wrong; the remarks go to the log.
    pub fn first(self) -> Result<()> {
        for remark in &self.remarks {
            log::warn!("{remark}");
        }
        self.wrong.into_iter().next().map_or(Ok(()), Err)
    }
}

impl From<Error> for Findings {
    fn from(error: Error) -> Self {
        Self { wrong: vec![error], remarks: Vec::new() }
    }
}

/// The file's bytes, at most one more than [`MAX_FILE`] of them: [`bounded`] refuses that one with its place.
pub fn read(path: &str, what: &str) -> Result<Vec<u8>> {
    let failed = |error| {
        let error = Error::io(format!("read {what} {}", shown(path)), &error);
        error.kind(Kind::Config).rule("unreadable")
    };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

/// Refuses a file that is too large to be meant.
pub fn bounded(text: &[u8], file: &Rc<str>) -> Result<()> {
    if text.len() <= MAX_FILE {
        return Ok(());
    }
    Err(Error::config("the file is longer than 1 MiB")
        .hint("is this the right file?")
        .rule("unreadable")
        .at(&origin(text, MAX_FILE, file)))
}

/// Line and column of the byte `offset` of `text`; columns count characters.
pub fn origin(text: &[u8], offset: usize, file: &Rc<str>) -> Origin {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Origin::new(file, line as u32, column(before.get(start..).unwrap_or_default()))
}

/// The column after `before`, which is the beginning of a line.
pub fn column(before: &[u8]) -> u32 {
    String::from_utf8_lossy(before).chars().count() as u32 + 1
}

/// Text of the user's for a message: control characters escaped, cut at 120 characters.
pub fn shown(text: &str) -> String {
    escaped(text, 120)
}

/// The same with a bound of the caller's.
pub fn escaped(text: &str, most: usize) -> String {
    let mut short = String::new();
    for letter in text.chars().take(most) {
        match letter {
            '\'' | '"' | '\\' => short.push(letter),
            _ => short.extend(letter.escape_debug()),
        }
    }
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

/// The one of `known` that `word` was probably meant to be: at most two letters are different, missing, added or
/// swapped, and no more than a third of them.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let most = (word.chars().count() / 3).min(2);
    known
        .map(|name| (distance(word, name), name))
        .filter(|near| near.0 <= most)
        .min_by_key(|near| near.0)
        .map(|n| n.1)
}

/// Edit distance where swapping two neighbours counts as one.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = '\0';
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut cost =
                (at(&last, j) + usize::from(x != *y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && previous == *y && b.get(j - 1) == Some(&x) {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
        previous = x;
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters() {
        let file: Rc<str> = "f".into();
        let text = "a\nöö=x\n".as_bytes();
        assert_eq!(origin(text, 0, &file).to_string(), "f:1:1");
        assert_eq!(origin(text, 7, &file).to_string(), "f:2:4");
        assert_eq!(origin(text, 99, &file).to_string(), "f:3:1");
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["lxc.utsname", "lxc.tty", "lxc.pts"];
        let near = |word| nearest(word, known.into_iter());
        assert_eq!(near("lxc.utsnam"), Some("lxc.utsname"));
        assert_eq!(near("lxc.ustname"), Some("lxc.utsname"));
        assert_eq!(near("lxc.tyt"), Some("lxc.tty"));
        assert_eq!(near("lxc.rootfs"), None);
        assert_eq!(nearest("ro", ["to"].into_iter()), None);
        assert_eq!(near(&"x".repeat(100_000)), None);
    }

    #[test]
    fn a_message_shows_text_short_and_escaped() {
        assert_eq!(shown("'a'\tö\u{1b}"), "'a'\\tö\\u{1b}");
        assert_eq!(shown(&"x".repeat(121)).chars().count(), 121);
        assert_eq!(shown(&"x".repeat(120)).chars().count(), 120);
    }

    #[test]
    fn an_endless_file_is_refused() {
        let text = read("/dev/zero", "LXC file").unwrap();
        let error = bounded(&text, &"/dev/zero".into()).unwrap_err().to_string();
        assert!(error.starts_with("/dev/zero:1:1048577: the file is longer than 1 MiB"), "{error}");
    }
}
