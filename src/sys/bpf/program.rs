//! The assembler: a default and its exceptions become a `BPF_PROG_TYPE_CGROUP_DEVICE` program.
//!
//! The program looks at `struct bpf_cgroup_dev_ctx`: a word with the access wanted in its upper half and the device's type
//! in the lower one, the major and the minor number. It answers 1 for yes and 0 for no. It only jumps forward, and only
//! uses instructions of the first kernel that has such programs (4.15):
//!
//! ```text
//!     r0 = answer of an exception         ; this and what follows only as far as it is needed
//!     r2 = word   r3 = major   r4 = minor   r5 = major << 20 | minor
//!   for each type and access:
//!     if it is another type, or more than that access is wanted: goto the next one
//!     for each exception: if r5 (r3, r4) is its number: goto exit
//!   r0 = the default
//!   exit
//! ```
//!
//! Both numbers in one register make one instruction of an exception, and spare the verifier: where it has to follow each
//! major number through all that comes, its time grows with the square (a second and a half for 480 exceptions).

use crate::error::{Error, Result};

/// The most exceptions a program can be made of, those that add nothing to others not counted.
pub const MAX_EXCEPTIONS: usize = 480;
/// What they take at most: each exception one, each type one, each type and access two, nine before and two after. A jump
/// reaches 32,767 instructions, and kernels before 5.2 take 4,096.
const MAX_INSTRUCTIONS: usize = MAX_EXCEPTIONS + 2 + 2 * 2 * 8 + 9 + 2;

/// mknod, open for reading, open for writing (`BPF_DEVCG_ACC_*`).
const ALL_ACCESS: u8 = 7;
/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

/// Devices for which the default does not hold. With a default of deny an access is granted if one exception has all of
/// it, with a default of allow it is refused if one has any of it.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// A block device, else a character device.
    pub block: bool,
    /// Major number; `None` is any.
    pub major: Option<u32>,
    /// Minor number; `None` is any.
    pub minor: Option<u32>,
    /// `BPF_DEVCG_ACC_*`: 1 mknod, 2 read, 4 write.
    pub access: u8,
}

/// The same in the order in which exceptions share instructions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    block: bool,
    access: u8,
    major: Option<u32>,
    minor: Option<u32>,
}

impl Entry {
    /// Both numbers in one, as the kernel keeps them.
    fn number(&self) -> Option<u32> {
        Some(self.major? << 20 | self.minor?)
    }

    /// What `other` leaves of it to say; `false` if nothing.
    fn reduce(&mut self, other: &Entry, allow: bool) -> bool {
        let within = self.block == other.block
            && (other.major.is_none() || other.major == self.major)
            && (other.minor.is_none() || other.minor == self.minor);
        if within && allow {
            self.access &= !other.access;
        }
        if allow { self.access != 0 } else { !(within && self.access & !other.access == 0) }
    }
}

type Entries = heapless::Vec<Entry, MAX_EXCEPTIONS>;

/// The exceptions that matter, in order.
fn minimise(allow: bool, exceptions: &[Exception]) -> Result<Entries> {
    let mut entries = Entries::new();
    for exception in exceptions {
        let Exception { block, major, minor, access } = *exception;
        // A device number has 12 bits of major and 20 of minor: beyond them there is none to speak of.
        if major.is_some_and(|major| major >= 1 << 12) || minor.is_some_and(|minor| minor >= 1 << 20) {
            continue;
        }
        let mut entry = Entry { block, access: access & ALL_ACCESS, major, minor };
        if (allow && entry.access == 0) || !entries.iter().all(|other| entry.reduce(other, allow)) {
            continue;
        }
        entries.retain_mut(|other| other.reduce(&entry, allow));
        let place = entries.iter().position(|other| *other > entry).unwrap_or(entries.len());
        entries.insert(place, entry).map_err(|_| {
            Error::config(format!("more than {MAX_EXCEPTIONS} different device rules"))
                .hint("name ranges, as in \"c 4:* rw\"")
        })?;
    }
    Ok(entries)
}

/// A program as the kernel takes it.
pub struct Program {
    instructions: heapless::Vec<[u8; 8], MAX_INSTRUCTIONS>,
    big: bool,
}

const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const OR_REGISTER: u8 = 0x4f;
const SHIFT_LEFT: u8 = 0x67;
const SHIFT_RIGHT_SIGNED: u8 = 0xc7;
const JUMP: u8 = 0x05;
const JUMP_EQUAL: u8 = 0x15;
/// Jumps if a bit is set in both.
const JUMP_SET: u8 = 0x45;
const EXIT: u8 = 0x95;

/// The answer.
const R0: u8 = 0;
/// The context.
const R1: u8 = 1;
const WORD: u8 = 2;
const MAJOR: u8 = 3;
const MINOR: u8 = 4;
const NUMBER: u8 = 5;

/// A jump to the program's end, until it is known where that is: no real one leads back. Alike in both byte orders.
const TO_EXIT: i16 = -1;

/// One instruction: `struct bpf_insn`. Its registers are a bit field, which begins at the lower bits on a little-endian
/// machine and at the upper ones on a big-endian one.
fn encode(big: bool, code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> [u8; 8] {
    let (registers, [a, b], [w, x, y, z]) = match big {
        true => (dst << 4 | src, offset.to_be_bytes(), immediate.to_be_bytes()),
        false => (src << 4 | dst, offset.to_le_bytes(), immediate.to_le_bytes()),
    };
    [code, registers, a, b, w, x, y, z]
}

impl Program {
    /// The instructions in this machine's byte order, 8 bytes each.
    pub fn instructions(&self) -> &[[u8; 8]] {
        &self.instructions
    }

    fn push(&mut self, code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> Result<()> {
        let full = |_| Error::host("the device program is too long");
        self.instructions.push(encode(self.big, code, dst, src, offset, immediate)).map_err(full)
    }

    fn load(&mut self, register: u8, offset: i16) -> Result<()> {
        self.push(LOAD_WORD, register, R1, offset, 0)
    }

    /// A jump; the conditional ones compare 64 bits, for which the operand is extended with its sign.
    fn jump(&mut self, code: u8, register: u8, operand: u32, offset: i16) -> Result<()> {
        self.push(code, register, 0, offset, operand as i32)
    }

    fn prologue(&mut self, allow: bool, entries: &[Entry]) -> Result<()> {
        let any = |wanted: fn(&Entry) -> bool| entries.iter().any(wanted);
        self.push(MOVE, R0, 0, 0, i32::from(!allow))?;
        self.load(WORD, 0)?;
        if any(|entry| entry.major.is_some() && entry.minor.is_none()) {
            self.load(MAJOR, 4)?;
        }
        if any(|entry| entry.minor.is_some()) {
            self.load(MINOR, 8)?;
        }
        if any(|entry| entry.number().is_some()) {
            self.load(NUMBER, 4)?;
            self.push(SHIFT_LEFT, NUMBER, 0, 0, 20)?;
            self.push(OR_REGISTER, NUMBER, MINOR, 0, 0)?;
        }
        if any(|entry| entry.number().is_some_and(|number| number >= 1 << 31)) {
            // As the operands to come.
            self.push(SHIFT_LEFT, NUMBER, 0, 0, 32)?;
            self.push(SHIFT_RIGHT_SIGNED, NUMBER, 0, 0, 32)?;
        }
        Ok(())
    }

    /// Lets the jump at `from` lead to `to`.
    fn aim(&mut self, from: usize, to: usize) {
        let offset = (to - from - 1) as i16;
        let bytes = if self.big { offset.to_be_bytes() } else { offset.to_le_bytes() };
        if let Some([_, _, offset @ .., _, _, _, _]) = self.instructions.get_mut(from) {
            *offset = bytes;
        }
    }

    /// Lets the jump at `from` lead to the next instruction to come.
    fn land(&mut self, from: usize) {
        self.aim(from, self.instructions.len());
    }

    /// Lets the jumps to the exit lead there, now that it is the next to come.
    fn land_exits(&mut self) {
        for from in 0..self.instructions.len() {
            if self.instructions.get(from).is_some_and(|[_, _, a, b, ..]| [*a, *b] == TO_EXIT.to_ne_bytes()) {
                self.land(from);
            }
        }
    }

    /// Jumps to the exit if the device is the entry's; its type and access have been looked at.
    fn compare(&mut self, entry: &Entry) -> Result<()> {
        match (entry.major, entry.minor) {
            (None, None) => self.jump(JUMP, 0, 0, TO_EXIT),
            (Some(major), None) => self.jump(JUMP_EQUAL, MAJOR, major, TO_EXIT),
            (None, Some(minor)) => self.jump(JUMP_EQUAL, MINOR, minor, TO_EXIT),
            (Some(_), Some(_)) => self.jump(JUMP_EQUAL, NUMBER, entry.number().unwrap_or_default(), TO_EXIT),
        }
    }
}

/// The program for this default and these exceptions, in this machine's byte order. An error only for too many.
pub fn assemble(allow: bool, exceptions: &[Exception]) -> Result<Program> {
    assemble_for(cfg!(target_endian = "big"), allow, exceptions)
}

/// The same in a byte order of one's choice.
pub fn assemble_for(big: bool, allow: bool, exceptions: &[Exception]) -> Result<Program> {
    let entries = minimise(allow, exceptions)?;
    let mut program = Program { instructions: heapless::Vec::new(), big };
    if !entries.is_empty() {
        program.prologue(allow, &entries)?;
    }
    for same_type in entries.chunk_by(|a, b| a.block == b.block) {
        let other = if same_type.first().is_some_and(|entry| entry.block) { CHAR } else { BLOCK } as u32;
        let next_type = program.instructions.len();
        if allow {
            program.jump(JUMP_SET, WORD, other, 0)?;
        }
        for group in same_type.chunk_by(|a, b| a.access == b.access) {
            let access = group.first().map_or(0, |entry| entry.access);
            let next = if allow {
                // Any of it: there is no jump for "no bit is set in both".
                program.jump(JUMP_SET, WORD, u32::from(access) << 16, 1)?;
                program.jump(JUMP, 0, 0, 0)?;
                program.instructions.len() - 1
            } else {
                // All of it: neither the other type nor a bit that is not in the exception. One test for both.
                let others = u32::from(ALL_ACCESS & !access) << 16 | other;
                program.jump(JUMP_SET, WORD, others, 0)?;
                program.instructions.len() - 1
            };
            group.iter().try_for_each(|entry| program.compare(entry))?;
            program.land(next);
        }
        if allow {
            program.land(next_type);
        }
    }
    program.push(MOVE, R0, 0, 0, i32::from(allow))?;
    program.land_exits();
    program.push(EXIT, 0, 0, 0, 0)?;
    Ok(program)
}
