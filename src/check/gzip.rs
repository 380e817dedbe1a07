//! Unpacks gzip (RFC 1952), which /proc/config.gz is.

use crate::error::{Error, Result};
use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// What a packed file begins with.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Flags: there is a checksum of the header, an extra field, a name, a comment.
const HCRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// The file's contents, `most` bytes of them; of several members, the first one's.
pub fn unpack(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let broken = || Error::host("is no gzip file, or a damaged one");
    let deflated = body(bytes).ok_or_else(broken)?;
    let unpacked = decompress_to_vec_with_limit(deflated, most).map_err(|_| broken())?;
    // The last word is the length. A file whose end is missing fails above.
    let said = bytes.last_chunk::<4>().map(|word| u32::from_le_bytes(*word));
    match said == Some(unpacked.len() as u32) {
        true => Ok(unpacked),
        false => Err(broken()),
    }
}

/// What follows the header.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = bytes.split_at_checked(10)?;
    let (magic, method, flags) = (header.get(..2)?, header.get(2)?, *header.get(3)?);
    if magic != MAGIC || *method != 8 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, more) = rest.split_first_chunk::<2>()?;
        rest = more.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    rest.get(if flags & HCRC != 0 { 2 } else { 0 }..)
}
