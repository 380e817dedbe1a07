//! Files that were damaged at random: the readers answer with a model or an error with a place, they never panic.

use super::{lxc, toml};
use crate::error::{Error, Kind};

const SEEDS: [&str; 3] = [
    include_str!("../../tests/data/foo23.conf"),
    include_str!("../../tests/data/foo23-as-published.conf"),
    include_str!("../../boards/demo-b.conf"),
];
const PROFILES: [&str; 2] =
    [include_str!("../../boards/p4080ds.toml"), include_str!("../../boards/demo.toml")];

/// What a damaged place is often made of.
const SCRAPS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"=",
    b"'",
    b"\"",
    b"[",
    b"]",
    b"[[",
    b"]]",
    b"{",
    b"}",
    b",",
    b".",
    b":",
    b"/",
    b"..",
    b"#",
    b"-",
    b"-1",
    b"0",
    b"4294967296",
    b"18446744073709551616",
    b"1e999",
    b"nan",
    b"true",
    b"1024-2",
    b"\xff",
    b"\xc3",
    "ö".as_bytes(),
    "\u{202e}".as_bytes(),
    b"\\u0000",
    b"\\",
    b"*",
    b"a",
    b"x",
    b"lxc.",
    b"lxc.net.",
    b"lxc.net.63.",
    b"lxc.network.0.type=empty\n",
    b"lxc.include=\n",
    b"config = 'x'\n",
    b"[[container]]\n",
    b"extends = 'p4080ds.toml'\n",
    b"drop = true\n",
];

/// How many rounds of `all`: a part of them, one of BOARDBOX_TEST_SHARE, where a machine is emulated and others have done all.
pub fn rounds(all: usize) -> usize {
    let share = std::env::var("BOARDBOX_TEST_SHARE").ok().and_then(|share| share.parse().ok());
    all / share.unwrap_or(1).max(1)
}

/// Between a sixth and 59 sixtieths.
fn many(refused: usize, rounds: usize) -> bool {
    (rounds / 6..rounds * 59 / 60).contains(&refused)
}

/// Marsaglia's xorshift: the same sequence in each run.
pub struct Random(pub u32);

impl Random {
    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % end.max(1)
    }

    /// `text` with one to four places changed.
    pub fn damaged(&mut self, text: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        for _ in 0..=self.below(4) {
            let from = self.below(bytes.len());
            let to = (from + self.below(12)).min(bytes.len());
            let scrap = SCRAPS[self.below(SCRAPS.len())].to_vec();
            match self.below(6) {
                0 => bytes.truncate(from),
                1 => drop(bytes.splice(from..to, scrap)),
                2 => drop(bytes.splice(from..from, scrap)),
                // A piece from elsewhere in the file, so that good syntax meets a wrong place.
                3 | 4 => {
                    let start = self.below(bytes.len());
                    let end = (start + self.below(40)).min(bytes.len());
                    let piece = bytes[start..end].to_vec();
                    bytes.splice(from..to, piece);
                }
                _ => {
                    let bit = 1 << self.below(8);
                    if let Some(byte) = bytes.get_mut(from) {
                        *byte ^= bit;
                    }
                }
            }
        }
        bytes
    }
}

/// An error of a reader says where, in one line that a terminal can show.
fn check(error: &Error, text: &[u8]) {
    let said = error.to_string();
    let shown = String::from_utf8_lossy(text);
    assert_eq!(error.kind, Kind::Config, "{said}\n{shown}");
    assert!(!said.chars().any(char::is_control), "{said:?}\n{shown}");
    assert!(said.len() < 4096, "{said}\n{shown}");
    assert!(error.origin.file.is_some(), "{said}\n{shown}");
    let lines = text.split(|byte| *byte == b'\n').count() as u32;
    assert!((1..=lines).contains(&error.origin.line), "{said}\n{shown}");
    assert!(error.origin.column > 0, "{said}\n{shown}");
}

#[test]
fn a_damaged_lxc_file_is_read_or_refused_with_its_place() {
    let (file, name) = ("damaged".into(), "foo".parse().unwrap());
    let mut random = Random(2463534242);
    let mut refused = 0;
    let rounds = rounds(3000);
    for round in 0..rounds {
        let text = random.damaged(SEEDS[round % SEEDS.len()].as_bytes());
        if let Err(error) = lxc::parse(&text, &file, &name) {
            check(&error, &text);
            refused += 1;
        }
    }
    assert!(many(refused, rounds), "{refused} refused: the damage is too small or too great");
}

#[test]
fn a_damaged_profile_is_read_or_refused_with_its_place() {
    let file = "boards/damaged".into();
    let mut random = Random(88675123);
    let mut refused = 0;
    let rounds = rounds(3000);
    for round in 0..rounds {
        let text = random.damaged(PROFILES[round % PROFILES.len()].as_bytes());
        if let Err(error) = toml::parse(&text, &file) {
            // demo.toml's second container is an LXC file, with places of its own.
            if error.origin.file.as_deref() == Some(file.as_ref()) {
                check(&error, &text);
            }
            refused += 1;
        }
    }
    assert!(many(refused, rounds), "{refused} refused: the damage is too small or too great");
}
