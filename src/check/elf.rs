//! The part of an ELF file that the kernel and the dynamic linker look at before it runs.

use crate::error::{Error, Result};

/// What there is to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    /// `e_machine`.
    pub machine: u16,
    /// 64-bit.
    pub wide: bool,
    /// Big-endian.
    pub big: bool,
    /// `PT_INTERP`: the dynamic linker.
    pub interpreter: Option<String>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<String>,
    /// `DT_RPATH`, of no effect beside a RUNPATH.
    pub rpath: Option<String>,
    /// `DT_RUNPATH`.
    pub runpath: Option<String>,
}

/// What every ELF file begins with.
pub const MAGIC: &[u8] = b"\x7fELF";

/// So many bytes at an offset, or as many as there are; none on an error.
pub type Read<'a> = &'a dyn Fn(u64, usize) -> Option<Vec<u8>>;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;

const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// Bounds on what no sane file exceeds: program headers, bytes of the dynamic section, of a string, and libraries.
const MOST_HEADERS: u64 = 256;
const MOST_DYNAMIC: u64 = 64 << 10;
const MOST_TEXT: u64 = 4096;
const MOST_NEEDED: usize = 256;

/// Numbers of a file in its own order.
struct Numbers {
    wide: bool,
    big: bool,
}

impl Numbers {
    fn get(&self, bytes: &[u8], at: usize, size: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(size)?)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(match self.big {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        })
    }

    /// An address or offset: where it is in the narrow and in the wide form.
    fn address(&self, bytes: &[u8], narrow: usize, wide: usize) -> Option<u64> {
        if self.wide { self.get(bytes, wide, 8) } else { self.get(bytes, narrow, 4) }
    }
}

/// Reads it.
pub fn parse(read: Read<'_>) -> Result<Elf> {
    elf(read).ok_or_else(|| Error::host("is a damaged ELF file: its headers lead out of it"))
}

fn elf(read: Read<'_>) -> Option<Elf> {
    let header = read(0, 64)?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    let numbers = Numbers { wide: *header.get(4)? == 2, big: *header.get(5)? == 2 };
    let mut elf = Elf { wide: numbers.wide, big: numbers.big, ..Elf::default() };
    elf.machine = numbers.get(&header, 18, 2)? as u16;
    let table = numbers.address(&header, 28, 32)?;
    let (size, count) = match numbers.wide {
        true => (numbers.get(&header, 54, 2)?, numbers.get(&header, 56, 2)?),
        false => (numbers.get(&header, 42, 2)?, numbers.get(&header, 44, 2)?),
    };
    if count == 0 {
        return Some(elf);
    }
    if size < if numbers.wide { 56 } else { 32 } || count > MOST_HEADERS {
        return None;
    }
    let whole = |offset: u64, length: u64| {
        let length = usize::try_from(length).ok()?;
        read(offset, length).filter(|bytes| bytes.len() == length)
    };
    let text = |offset: u64| string(&read(offset, MOST_TEXT as usize)?);
    let headers = whole(table, size * count)?;
    let (mut loads, mut dynamic) = (Vec::new(), None);
    for entry in headers.chunks(size as usize) {
        let kind = numbers.get(entry, 0, 4)? as u32;
        let offset = numbers.address(entry, 4, 8)?;
        let address = numbers.address(entry, 8, 16)?;
        let length = numbers.address(entry, 16, 32)?;
        match kind {
            PT_LOAD => {
                // A file that was cut short has no last byte.
                if length > 0 {
                    whole(offset.checked_add(length - 1)?, 1)?;
                }
                loads.push((address, offset, length));
            }
            PT_DYNAMIC => dynamic = Some((offset, length)),
            PT_INTERP => elf.interpreter = Some(text(offset)?),
            _ => {}
        }
    }
    let Some((offset, length)) = dynamic else { return Some(elf) };
    let section = whole(offset, length.min(MOST_DYNAMIC))?;
    let entry = if numbers.wide { 16 } else { 8 };
    let (mut table, mut texts) = (None, Vec::new());
    for entry in section.chunks_exact(entry) {
        let value = numbers.address(entry, 4, 8)?;
        match numbers.address(entry, 0, 0)? {
            0 => break,
            DT_STRTAB => table = Some(value),
            tag @ (DT_NEEDED | DT_RPATH | DT_RUNPATH) if texts.len() < MOST_NEEDED => {
                texts.push((tag, value))
            }
            _ => {}
        }
    }
    if texts.is_empty() {
        return Some(elf);
    }
    // The table is named by its address in memory.
    let table = table?;
    let within = |load: &&(u64, u64, u64)| table >= load.0 && table - load.0 < load.2;
    let &(address, offset, _) = loads.iter().find(within)?;
    let table = offset.checked_add(table - address)?;
    for (tag, value) in texts {
        let text = text(table.checked_add(value)?)?;
        match tag {
            DT_NEEDED => elf.needed.push(text),
            DT_RPATH => elf.rpath = Some(text),
            _ => elf.runpath = Some(text),
        }
    }
    Some(elf)
}

/// The text up to its NUL.
fn string(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(bytes.get(..end)?).into_owned())
}

/// An architecture: `uname -m`, what its ELF files are, and the directory of its libraries on Debian and its kin.
pub struct Arch {
    /// As `board.arch` has it.
    pub name: &'static str,
    /// `e_machine` (linux/elf-em.h).
    pub machine: u16,
    /// 64-bit.
    pub wide: bool,
    /// Big-endian.
    pub big: bool,
    /// The multiarch tuple.
    pub tuple: &'static str,
    /// The 32-bit one whose programs its kernels run, too, and the option that they need for it.
    pub also: Option<(&'static str, &'static str)>,
}

const fn arch(name: &'static str, machine: u16, wide: bool, big: bool, tuple: &'static str) -> Arch {
    Arch { name, machine, wide, big, tuple, also: None }
}

const fn with(mut arch: Arch, also: &'static str, option: &'static str) -> Arch {
    arch.also = Some((also, option));
    arch
}

/// Those of `board.arch`; the several arms of 32 bits are one here, so are the x86 ones.
pub const ARCHES: &[Arch] = &[
    arch("ppc", 20, false, true, "powerpc-linux-gnu"),
    with(arch("ppc64", 21, true, true, "powerpc64-linux-gnu"), "ppc", "COMPAT"),
    arch("ppc64le", 21, true, false, "powerpc64le-linux-gnu"),
    with(arch("aarch64", 183, true, false, "aarch64-linux-gnu"), "arm", "COMPAT"),
    arch("arm", 40, false, false, "arm-linux-gnueabihf"),
    with(arch("x86_64", 62, true, false, "x86_64-linux-gnu"), "i686", "IA32_EMULATION"),
    arch("i686", 3, false, false, "i386-linux-gnu"),
    arch("mips", 8, false, true, "mips-linux-gnu"),
    with(arch("mips64", 8, true, true, "mips64-linux-gnuabi64"), "mips", "MIPS32_O32"),
    arch("riscv32", 243, false, false, "riscv32-linux-gnu"),
    arch("riscv64", 243, true, false, "riscv64-linux-gnu"),
    with(arch("s390x", 22, true, true, "s390x-linux-gnu"), "s390", "COMPAT"),
    arch("loongarch64", 258, true, false, "loongarch64-linux-gnu"),
];

/// The one that a profile names.
pub fn named(name: &str) -> Option<&'static Arch> {
    let name = match name {
        _ if name.starts_with("arm") => "arm",
        "i586" => "i686",
        _ => name,
    };
    ARCHES.iter().find(|arch| arch.name == name)
}

impl Arch {
    /// Whether the file is for this one, and not for a sibling.
    pub fn is(&self, elf: &Elf) -> bool {
        (self.machine, self.wide, self.big) == (elf.machine, elf.wide, elf.big)
    }

    /// Whether its kernels run the file.
    pub fn runs(&self, elf: &Elf) -> bool {
        self.is(elf) || self.option(elf).is_some()
    }

    /// The option that its kernels need to run the file, if it is the 32-bit sibling's.
    pub fn option(&self, elf: &Elf) -> Option<&'static str> {
        let (name, option) = self.also?;
        named(name)?.is(elf).then_some(option)
    }

    /// `ppc (32-bit, big-endian)`.
    pub fn described(&self) -> String {
        described(self.name, self.wide, self.big)
    }
}

fn described(name: &str, wide: bool, big: bool) -> String {
    format!("{name} ({}-bit, {}-endian)", if wide { 64 } else { 32 }, if big { "big" } else { "little" })
}

impl Elf {
    /// What it is for.
    pub fn described(&self) -> String {
        match ARCHES.iter().find(|arch| arch.machine == self.machine) {
            Some(known) => match ARCHES.iter().find(|arch| arch.is(self)) {
                Some(exact) => exact.described(),
                None => described(known.name, self.wide, self.big),
            },
            None => described(&format!("machine {}", self.machine), self.wide, self.big),
        }
    }

    /// The same kind: it can be linked with the other.
    pub fn like(&self, other: &Elf) -> bool {
        (self.machine, self.wide, self.big) == (other.machine, other.wide, other.big)
    }
}
