//! A flattened device tree (the Devicetree Specification, chapter 5): what board it is for, and how many cpus it has.

use super::Report;
use crate::error::{Error, Origin, Result};
use crate::profile::Board;
use crate::profile::text::shown;

/// What a profile is compared with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dtb {
    /// `compatible` of the root, in order.
    pub compatible: Vec<String>,
    /// The nodes below /cpus whose device_type is "cpu", or whose name says so.
    pub cpus: u32,
}

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(word.try_into().ok()?))
}

/// The text at `at` up to its NUL.
fn text(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    rest.get(..rest.iter().position(|byte| *byte == 0)?)
}

/// Reads the tree.
pub fn parse(bytes: &[u8]) -> Result<Dtb> {
    if word(bytes, 0) != Some(MAGIC) {
        return Err(Error::host("is no flattened device tree").hint("the .dtb that the board boots with"));
    }
    walk(bytes).ok_or_else(|| Error::host("is damaged: its structure leads out of it"))
}

fn walk(bytes: &[u8]) -> Option<Dtb> {
    let (mut at, strings) = (word(bytes, 8)? as usize, word(bytes, 12)? as usize);
    let mut tree = Dtb::default();
    let mut depth = 0u32;
    let (mut in_cpus, mut counted) = (false, false);
    loop {
        let token = word(bytes, at)?;
        at += 4;
        match token {
            BEGIN_NODE => {
                let name = text(bytes, at)?;
                at += (name.len() + 4) & !3;
                depth += 1;
                match depth {
                    2 => in_cpus = name == b"cpus",
                    3 => {
                        counted =
                            name == b"cpu" || name.starts_with(b"cpu@") || name.starts_with(b"PowerPC,");
                        tree.cpus += u32::from(in_cpus && counted);
                    }
                    _ => {}
                }
            }
            END_NODE => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(tree);
                }
            }
            PROPERTY => {
                let (length, name) = (word(bytes, at)? as usize, word(bytes, at + 4)? as usize);
                let value = bytes.get(at + 8..(at + 8).checked_add(length)?)?;
                at += 8 + ((length + 3) & !3);
                match (depth, text(bytes, strings.checked_add(name)?)?) {
                    (1, b"compatible") => {
                        let names = value.split(|byte| *byte == 0).filter(|name| !name.is_empty());
                        tree.compatible =
                            names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                    }
                    (3, b"device_type") if in_cpus && !counted && value.starts_with(b"cpu\0") => {
                        counted = true;
                        tree.cpus += 1;
                    }
                    _ => {}
                }
            }
            NOP => {}
            _ => return None,
        }
    }
}

/// Compares the profile with it.
pub fn check(board: &Board, tree: &Dtb, file: &str, report: &mut Report) {
    let nowhere = Origin::default();
    let at = |key: &str| board.places.get(key).unwrap_or(&nowhere);
    let both = |name: &&String| tree.compatible.contains(name);
    if !board.compatible.is_empty() && !board.compatible.iter().any(|name| both(&name)) {
        let quoted = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| format!("\"{}\"", shown(name))).collect();
            names.join(", ")
        };
        let cause =
            format!("{file} is for {}, none of {}", quoted(&tree.compatible), quoted(&board.compatible));
        report.tell("dtb-compatible", at("compatible"), cause, "");
    }
    if let Some(cpus) = board.cpus.filter(|cpus| *cpus != tree.cpus) {
        let (rule, cause) = match cpus > tree.cpus {
            true => ("dtb-cpus", format!("the profile says {cpus} cpus, {file} has {}", tree.cpus)),
            false => (
                "dtb-more-cpus",
                format!("the profile says {cpus} cpus, {file} has {}: the rest idles", tree.cpus),
            ),
        };
        report.tell(rule, at("cpus"), cause, "");
    }
}
