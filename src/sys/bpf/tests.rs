use super::interpreter::{Access, check};
use super::*;

const RWM: u8 = 7;
const RW: u8 = 6;

fn char(major: u32, minor: impl Into<Option<u32>>, access: u8) -> Exception {
    Exception { block: false, major: Some(major), minor: minor.into(), access }
}

fn block(major: u32, minor: impl Into<Option<u32>>, access: u8) -> Exception {
    Exception { block: true, ..char(major, minor, access) }
}

const ANY: Exception = Exception { block: false, major: None, minor: None, access: RWM };

fn length(allow: bool, exceptions: &[Exception]) -> usize {
    assemble(allow, exceptions).unwrap().instructions().len()
}

#[test]
fn instructions_are_laid_out_for_either_byte_order() {
    // The words of the kernel's Documentation/bpf/standardization/instruction-set.rst: opcode, registers, offset, operand.
    let exceptions = [char(1, 3, RW)];
    let little = assemble_for(false, false, &exceptions).unwrap();
    let big = assemble_for(true, false, &exceptions).unwrap();
    let both = [
        ([0xb7, 0x00, 0, 0, 1, 0, 0, 0], [0xb7, 0x00, 0, 0, 0, 0, 0, 1]), // r0 = 1
        ([0x61, 0x12, 0, 0, 0, 0, 0, 0], [0x61, 0x21, 0, 0, 0, 0, 0, 0]), // r2 = *(u32 *)(r1 + 0)
        ([0x61, 0x14, 8, 0, 0, 0, 0, 0], [0x61, 0x41, 0, 8, 0, 0, 0, 0]), // r4 = *(u32 *)(r1 + 8)
        ([0x61, 0x15, 4, 0, 0, 0, 0, 0], [0x61, 0x51, 0, 4, 0, 0, 0, 0]), // r5 = *(u32 *)(r1 + 4)
        ([0x67, 0x05, 0, 0, 20, 0, 0, 0], [0x67, 0x50, 0, 0, 0, 0, 0, 20]), // r5 <<= 20
        ([0x4f, 0x45, 0, 0, 0, 0, 0, 0], [0x4f, 0x54, 0, 0, 0, 0, 0, 0]), // r5 |= r4
        ([0x45, 0x02, 1, 0, 1, 0, 1, 0], [0x45, 0x20, 0, 1, 0, 1, 0, 1]), // if r2 & 0x10001 goto +1
        ([0x15, 0x05, 1, 0, 3, 0, 16, 0], [0x15, 0x50, 0, 1, 0, 16, 0, 3]), // if r5 == 0x100003 goto +1
        ([0xb7, 0x00, 0, 0, 0, 0, 0, 0], [0xb7, 0x00, 0, 0, 0, 0, 0, 0]), // r0 = 0
        ([0x95, 0x00, 0, 0, 0, 0, 0, 0], [0x95, 0x00, 0, 0, 0, 0, 0, 0]), // exit
    ];
    let (expected_little, expected_big): (Vec<[u8; 8]>, Vec<[u8; 8]>) = both.into_iter().unzip();
    assert_eq!(little.instructions(), expected_little);
    assert_eq!(big.instructions(), expected_big);
    let own = assemble(false, &exceptions).unwrap();
    let expected = if cfg!(target_endian = "big") { expected_big } else { expected_little };
    assert_eq!(own.instructions(), expected);
}

#[test]
fn the_structures_are_the_kernels() {
    assert_eq!(size_of::<Load>(), 64);
    assert_eq!(std::mem::offset_of!(Load, log), 32);
    assert_eq!(std::mem::offset_of!(Load, name), 48);
    assert_eq!(std::mem::offset_of!(Info, name), 64);
    assert_eq!((std::mem::offset_of!(Query, ids), std::mem::offset_of!(Query, behind)), (16, 28));
    assert_eq!(size_of::<Query>(), 64);
    assert_eq!((size_of::<Attach>(), size_of::<Replace>(), size_of::<GetInfo>()), (16, 20, 16));
}

#[test]
fn a_program_is_as_short_as_it_can_be() {
    // Nothing but the default.
    assert_eq!(length(true, &[]), 2);
    assert_eq!(length(false, &[]), 2);
    assert_eq!(length(true, &[Exception { access: 0, ..ANY }, char(4096, 0, RWM), char(1, 1 << 20, RWM)]), 2);
    // One exception: neither number is loaded if none is asked for.
    assert_eq!(length(false, &[ANY]), 6);
    assert_eq!(length(false, &[char(1, None, RW)]), 7);
    // What others have already, before or after, is not asked again.
    assert_eq!(length(false, &[char(1, 3, RW), char(1, None, RW), char(1, 5, RW), char(1, None, 2)]), 7);
    // What has type and access in common takes one instruction each.
    let nodes = [char(1, 3, RW), char(5, 0, RW), char(1, 5, RW), char(5, 1, RW), char(1, 7, RW)];
    assert_eq!(length(false, &nodes), 6 + 1 + 5 + 2);
    // Under a default of allow each bit is asked for once.
    assert_eq!(
        length(true, &[char(1, 3, RW), char(1, None, 2)]),
        length(true, &[char(1, 3, 4), char(1, None, 2)])
    );
}

#[test]
fn a_number_no_device_has_is_no_wildcard() {
    for allow in [false, true] {
        let program = assemble(allow, &[char(4095, (1 << 20) - 1, RWM), char(4096, None, RWM)]).unwrap();
        let program = check(program.instructions(), cfg!(target_endian = "big"));
        let asked = |major, minor| program.run(&Access { block: false, major, minor, access: 2 });
        assert_eq!(asked(4095, (1 << 20) - 1), !allow);
        assert_eq!(asked(0, 0), allow);
    }
}

/// As many as a program can have, each with a major number of its own, of every type and access.
fn most() -> Vec<Exception> {
    let nth = |n: u32| Exception { block: n & 8 != 0, ..char(n, n, (n & 7) as u8) };
    (0..).map(nth).filter(|exception| exception.access != 0).take(MAX_EXCEPTIONS).collect()
}

#[test]
fn the_bound_fits_and_beyond_it_is_said_so() {
    let mut exceptions = most();
    for allow in [false, true] {
        let program = assemble(allow, &exceptions).unwrap();
        check(program.instructions(), cfg!(target_endian = "big"));
        assert!(program.instructions().len() > MAX_EXCEPTIONS);
    }
    // What adds nothing takes no room.
    exceptions.extend_from_slice(&most());
    assert!(assemble(false, &exceptions).is_ok());
    exceptions.push(block(4000, 1, RW));
    let error = assemble(false, &exceptions).err().unwrap().to_string();
    assert_eq!(error, "more than 480 different device rules (name ranges, as in \"c 4:* rw\")");
}

/// Under qemu-user there is no bpf(2); on a board, or here as root, the kernel of this byte order verifies the programs.
#[test]
fn the_kernel_takes_the_programs_or_the_error_says_what_it_lacks() {
    for allow in [false, true] {
        for exceptions in [&[] as &[Exception], &[ANY], &[char(1, 3, RW), block(8, None, RWM)], &most()] {
            if let Err(error) = load(&assemble(allow, exceptions).unwrap()) {
                let text = error.to_string();
                assert!(
                    text.contains("the kernel lacks CONFIG_CGROUP_BPF") || text.contains("needs root"),
                    "{text}"
                );
            }
        }
    }
}
