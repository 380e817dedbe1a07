//! Runs what the assembler makes, as strictly as the kernel's verifier: for tests, on any machine, in both byte orders.

/// What is asked: `struct bpf_cgroup_dev_ctx`.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub block: bool,
    pub major: u32,
    pub minor: u32,
    pub access: u8,
}

struct Instruction {
    code: u8,
    dst: usize,
    src: usize,
    offset: i16,
    immediate: i32,
}

fn decode(bytes: &[u8; 8], big: bool) -> Instruction {
    let [code, registers, a, b, w, x, y, z] = *bytes;
    let (upper, lower) = (usize::from(registers >> 4), usize::from(registers & 15));
    match big {
        true => Instruction {
            code,
            dst: upper,
            src: lower,
            offset: i16::from_be_bytes([a, b]),
            immediate: i32::from_be_bytes([w, x, y, z]),
        },
        false => Instruction {
            code,
            dst: lower,
            src: upper,
            offset: i16::from_le_bytes([a, b]),
            immediate: i32::from_le_bytes([w, x, y, z]),
        },
    }
}

/// A program that was looked through: it ends, and each instruction can be reached.
pub struct Checked(Vec<Instruction>);

/// Panics where the verifier would refuse.
pub fn check(program: &[[u8; 8]], big: bool) -> Checked {
    let code: Vec<_> = program.iter().map(|bytes| decode(bytes, big)).collect();
    let mut reached = vec![false; code.len()];
    reached[0] = true;
    for (at, instruction) in code.iter().enumerate() {
        assert!(reached[at], "instruction {at} can not be reached");
        let jumps = matches!(instruction.code, 0x05 | 0x15 | 0x45);
        if jumps {
            assert!(instruction.offset >= 0, "instruction {at} jumps back");
            reached[at + 1 + instruction.offset as usize] = true;
        }
        if !matches!(instruction.code, 0x05 | 0x95) {
            reached[at + 1] = true;
        }
    }
    Checked(code)
}

impl Checked {
    pub fn run(&self, asked: &Access) -> bool {
        let word = u32::from(asked.access) << 16 | if asked.block { 1 } else { 2 };
        // Registers hold 64 bits, an operand in the instruction is 32 with a sign.
        let mut registers = [None; 11];
        let mut at = 0;
        loop {
            let Instruction { code, dst, src, offset, immediate } = self.0[at];
            let immediate = i64::from(immediate) as u64;
            let value = |register: usize| -> u64 { registers[register].expect("a register without a value") };
            let jump = match code {
                0x61 => {
                    assert_eq!(src, 1, "only the context can be read");
                    let loaded = match offset {
                        0 => word,
                        4 => asked.major,
                        8 => asked.minor,
                        _ => panic!("offset {offset} in the context"),
                    };
                    registers[dst] = Some(u64::from(loaded));
                    false
                }
                0xb7 => {
                    registers[dst] = Some(immediate);
                    false
                }
                0x4f => {
                    registers[dst] = Some(value(dst) | value(src));
                    false
                }
                0x67 => {
                    registers[dst] = Some(value(dst) << immediate);
                    false
                }
                0xc7 => {
                    registers[dst] = Some((value(dst) as i64 >> immediate) as u64);
                    false
                }
                0x05 => true,
                0x15 => value(dst) == immediate,
                0x45 => value(dst) & immediate != 0,
                0x95 => {
                    let answer = value(0);
                    assert!(answer < 2, "the answer is {answer}");
                    return answer == 1;
                }
                _ => panic!("instruction {at}: unknown code {code:#x}"),
            };
            at += 1 + if jump { offset as usize } else { 0 };
        }
    }
}
