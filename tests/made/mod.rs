//! ELF files, device trees and gzip files, made for tests: for any processor, with what a test wants in them.

#![allow(dead_code)] // each test uses its part

/// What an ELF file says it is.
#[derive(Clone, Copy)]
pub struct Kind {
    pub machine: u16,
    pub wide: bool,
    pub big: bool,
}

pub const PPC: Kind = Kind { machine: 20, wide: false, big: true };
pub const X86_64: Kind = Kind { machine: 62, wide: true, big: false };
pub const AARCH64: Kind = Kind { machine: 183, wide: true, big: false };
pub const ARM: Kind = Kind { machine: 40, wide: false, big: false };

impl Kind {
    fn number(&self, bytes: &mut Vec<u8>, value: u64, size: usize) {
        match self.big {
            true => bytes.extend(&value.to_be_bytes()[8 - size..]),
            false => bytes.extend(&value.to_le_bytes()[..size]),
        }
    }

    /// An address or a size.
    fn word(&self, bytes: &mut Vec<u8>, value: u64) {
        self.number(bytes, value, if self.wide { 8 } else { 4 });
    }
}

/// An ELF file: its interpreter and its dynamic section, if any. `texts` are the section's strings, each with its tag:
/// 1 needed, 15 rpath, 29 runpath.
pub fn elf(kind: Kind, interpreter: &str, texts: &[(u64, &str)]) -> Vec<u8> {
    let (header, entry) = if kind.wide { (64, 56) } else { (52, 32) };
    let dynamic = !texts.is_empty();
    let count = 1 + usize::from(!interpreter.is_empty()) + usize::from(dynamic);
    let data = header + entry * count;
    let strings: Vec<u8> = texts.iter().fold(vec![0], |mut all, (_, text)| {
        all.extend(text.bytes());
        all.push(0);
        all
    });
    let at_interpreter = data;
    let at_strings = at_interpreter + interpreter.len() + 1;
    let at_dynamic = (at_strings + strings.len() + 15) & !15;
    let entries = if dynamic { texts.len() + 3 } else { 0 };
    let length = at_dynamic + entries * if kind.wide { 16 } else { 8 };
    // Where it is in memory, so that an address taken for an offset is noticed.
    let base = 0x1000_0000u64;

    let mut file = b"\x7fELF".to_vec();
    file.extend([1 + u8::from(kind.wide), 1 + u8::from(kind.big), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    kind.number(&mut file, 2, 2);
    kind.number(&mut file, kind.machine.into(), 2);
    kind.number(&mut file, 1, 4);
    kind.word(&mut file, base);
    kind.word(&mut file, header as u64);
    kind.word(&mut file, 0);
    kind.number(&mut file, 0, 4);
    for value in [header, entry, count, 0, 0, 0] {
        kind.number(&mut file, value as u64, 2);
    }
    let mut segment = |number: u64, offset: usize, length: usize| {
        let (offset, length) = (offset as u64, length as u64);
        kind.number(&mut file, number, 4);
        if kind.wide {
            kind.number(&mut file, 5, 4);
        }
        for value in [offset, base + offset, base + offset, length, length] {
            kind.word(&mut file, value);
        }
        if !kind.wide {
            kind.number(&mut file, 5, 4);
        }
        kind.word(&mut file, 4096);
    };
    segment(1, 0, length);
    if !interpreter.is_empty() {
        segment(3, at_interpreter, interpreter.len() + 1);
    }
    if dynamic {
        segment(2, at_dynamic, length - at_dynamic);
    }
    file.extend(interpreter.bytes());
    file.push(0);
    file.extend(&strings);
    file.resize(at_dynamic, 0);
    if dynamic {
        let mut offset = 1;
        for (tag, text) in texts {
            kind.word(&mut file, *tag);
            kind.word(&mut file, offset);
            offset += text.len() as u64 + 1;
        }
        for (tag, value) in [(5, base + at_strings as u64), (10, strings.len() as u64), (0, 0)] {
            kind.word(&mut file, tag);
            kind.word(&mut file, value);
        }
    }
    file
}

/// A device tree of a board with so many cpus; `named` gives their nodes' name before the @, else device_type tells them.
pub fn dtb(compatible: &[&str], cpus: u32, named: bool) -> Vec<u8> {
    let mut tree = Vec::new();
    let mut names = Vec::new();
    let word = |tree: &mut Vec<u8>, value: u32| tree.extend(value.to_be_bytes());
    let text = |tree: &mut Vec<u8>, text: &str| {
        tree.extend(text.bytes());
        tree.push(0);
        while !tree.len().is_multiple_of(4) {
            tree.push(0);
        }
    };
    let property = |tree: &mut Vec<u8>, names: &mut Vec<u8>, name: &str, value: &[u8]| {
        word(tree, 3);
        word(tree, value.len() as u32);
        word(tree, names.len() as u32);
        names.extend(name.bytes());
        names.push(0);
        tree.extend(value);
        while !tree.len().is_multiple_of(4) {
            tree.push(0);
        }
    };
    word(&mut tree, 1);
    text(&mut tree, "");
    let list: String = compatible.iter().map(|name| format!("{name}\0")).collect();
    property(&mut tree, &mut names, "compatible", list.as_bytes());
    word(&mut tree, 1);
    text(&mut tree, "cpus");
    property(&mut tree, &mut names, "#address-cells", &[0, 0, 0, 1]);
    word(&mut tree, 4);
    for cpu in 0..cpus {
        word(&mut tree, 1);
        text(&mut tree, &format!("{}@{cpu:x}", if named { "cpu" } else { "core" }));
        property(&mut tree, &mut names, "device_type", b"cpu\0");
        word(&mut tree, 1);
        text(&mut tree, "l2-cache");
        word(&mut tree, 2);
        word(&mut tree, 2);
    }
    // No cpu, though below /cpus.
    word(&mut tree, 1);
    text(&mut tree, "idle-states");
    word(&mut tree, 2);
    word(&mut tree, 2);
    word(&mut tree, 2);
    word(&mut tree, 9);
    let start = 56;
    let mut file = Vec::new();
    for value in [
        0xd00d_feed,
        (start + tree.len() + names.len()) as u32,
        start as u32,
        (start + tree.len()) as u32,
        40,
        17,
        16,
        0,
        names.len() as u32,
        tree.len() as u32,
    ] {
        word(&mut file, value);
    }
    file.resize(start, 0);
    file.extend(tree);
    file.extend(names);
    file
}
