//! Unpacks gzip (RFC 1952) of deflate (RFC 1951): what /proc/config.gz is. Slow and small: a bit at a time, no tables but the
//! codes' own.

use crate::error::{Error, Result};

/// What a packed file begins with.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Flags of the header: there is a checksum of it, an extra field, a name, a comment.
const HCRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// The file's contents, `most` bytes of them at most; of several members, the first one's.
pub fn unpack(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let broken = || Error::host("is a damaged gzip file");
    let deflated = body(bytes).ok_or_else(broken)?;
    let mut inflate = Inflate { bytes: deflated, bit: 0, out: Vec::new(), most };
    inflate.blocks().ok_or_else(broken)?;
    let (out, end) = (inflate.out, inflate.bit.div_ceil(8));
    // Checksum and length follow.
    let trailer = deflated.get(end..).and_then(|rest| rest.first_chunk::<8>()).ok_or_else(broken)?;
    let [a, b, c, d, length @ ..] = *trailer;
    let told = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(length));
    if told == (crc(&out), out.len() as u32) { Ok(out) } else { Err(broken()) }
}

/// What follows the header.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = bytes.split_first_chunk::<10>()?;
    let [first, second, method, flags, ..] = *header;
    if [first, second] != MAGIC || method != 8 {
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

/// CRC-32 of ISO 3309, reflected.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

struct Inflate<'a> {
    bytes: &'a [u8],
    /// The next bit, counted from the first byte's lowest.
    bit: usize,
    out: Vec<u8>,
    most: usize,
}

/// Huffman codes of 1 to 15 bits: how many there are of each length, and their symbols in the order of the codes.
struct Codes {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Codes {
    /// From each symbol's length, 0 for none; `None` where there are more codes than bits have room for.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        let mut room = 1u32;
        for (length, count) in counts.iter_mut().enumerate().skip(1) {
            let of = |symbol: &(usize, &u8)| usize::from(*symbol.1) == length;
            let before = symbols.len();
            symbols.extend(lengths.iter().enumerate().filter(of).map(|(symbol, _)| symbol as u16));
            *count = (symbols.len() - before) as u16;
            room = (room * 2).checked_sub((*count).into())?;
        }
        Some(Self { counts, symbols })
    }
}

/// In this order come the lengths of the codes for lengths (section 3.2.7).
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Inflate<'_> {
    /// A number of so many bits, the lowest first.
    fn bits(&mut self, count: u32) -> Option<usize> {
        let mut number = 0;
        for at in 0..count {
            let byte = *self.bytes.get(self.bit / 8)?;
            number |= usize::from(byte >> (self.bit % 8) & 1) << at;
            self.bit += 1;
        }
        Some(number)
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        self.out.push(byte);
        (self.out.len() <= self.most).then_some(())
    }

    /// The next symbol: codes of one length are consecutive numbers.
    fn symbol(&mut self, codes: &Codes) -> Option<u16> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in codes.counts.iter().skip(1) {
            code |= self.bits(1)?;
            let count = usize::from(*count);
            if code < first + count {
                return codes.symbols.get(index + (code - first)).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }

    fn blocks(&mut self) -> Option<()> {
        loop {
            let last = self.bits(1)?;
            match self.bits(2)? {
                0 => self.stored()?,
                1 => {
                    let lengths: Vec<u8> = (0..288u16)
                        .map(|symbol| match symbol {
                            144..=255 => 9,
                            256..=279 => 7,
                            _ => 8,
                        })
                        .collect();
                    self.packed(&Codes::new(&lengths)?, &Codes::new(&[5; 30])?)?;
                }
                2 => {
                    let (literals, distances) = self.codes()?;
                    self.packed(&literals, &distances)?;
                }
                _ => return None,
            }
            if last == 1 {
                return Some(());
            }
        }
    }

    fn stored(&mut self) -> Option<()> {
        self.bit = self.bit.next_multiple_of(8);
        let (length, complement) = (self.bits(16)?, self.bits(16)?);
        if length ^ complement != 0xffff {
            return None;
        }
        (0..length).try_for_each(|_| {
            let byte = self.bits(8)?;
            self.byte(byte as u8)
        })
    }

    /// The codes of a block that brings its own.
    fn codes(&mut self) -> Option<(Codes, Codes)> {
        let (literals, distances, count) = (self.bits(5)? + 257, self.bits(5)? + 1, self.bits(4)? + 4);
        let mut lengths = [0; 19];
        for at in ORDER.iter().take(count) {
            *lengths.get_mut(usize::from(*at))? = self.bits(3)? as u8;
        }
        let codes = Codes::new(&lengths)?;
        let mut lengths: Vec<u8> = Vec::new();
        while lengths.len() < literals + distances {
            let (length, times) = match self.symbol(&codes)? {
                16 => (*lengths.last()?, self.bits(2)? + 3),
                17 => (0, self.bits(3)? + 3),
                18 => (0, self.bits(7)? + 11),
                length => (length as u8, 1),
            };
            lengths.resize(lengths.len() + times, length);
        }
        if lengths.len() > literals + distances {
            return None;
        }
        let (literals, distances) = lengths.split_at_checked(literals)?;
        Some((Codes::new(literals)?, Codes::new(distances)?))
    }

    fn packed(&mut self, literals: &Codes, distances: &Codes) -> Option<()> {
        loop {
            let symbol = usize::from(self.symbol(literals)?);
            let length = match symbol {
                0..256 => {
                    self.byte(symbol as u8)?;
                    continue;
                }
                256 => return Some(()),
                // Each step of four codes has one extra bit more than the one before; the last code is a length of its own.
                257..265 => symbol - 254,
                285 => 258,
                265..285 => {
                    let extra = (symbol - 261) / 4;
                    ((4 + (symbol - 265) % 4) << extra) + 3 + self.bits(extra as u32)?
                }
                _ => return None,
            };
            let symbol = usize::from(self.symbol(distances)?);
            let distance = match symbol {
                0..4 => symbol + 1,
                4..30 => {
                    let extra = symbol / 2 - 1;
                    ((2 + symbol % 2) << extra) + 1 + self.bits(extra as u32)?
                }
                _ => return None,
            };
            let start = self.out.len().checked_sub(distance)?;
            for at in start..start + length {
                let byte = *self.out.get(at)?;
                self.byte(byte)?;
            }
        }
    }
}
