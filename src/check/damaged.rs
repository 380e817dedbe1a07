//! ELF files, device trees, kernel configurations and gzip files: read right, and never a reason to panic.

use super::board as board_check;
use super::config::{Config, Setting};
use super::rules::RULES;
use super::{Against, dtb, elf, gzip};
use crate::error::Origin;
use crate::profile::container::CgroupRule;
use crate::profile::mutations::Random;
use crate::profile::text::Findings;
use crate::profile::{Board, Container, toml};
use std::io::Write;
use std::process::{Command, Stdio};

#[path = "../../tests/made/mod.rs"]
mod made;

use made::{AARCH64, ARM, Kind, PPC, X86_64};

/// `printf 'CONFIG_MACVLAN=y\n%s' …`, packed by gzip -n and by gzip with the file's name and a comment's flag.
const PACKED: &[u8] = include_bytes!("../../tests/check/config.gz");

fn read(file: &[u8]) -> crate::error::Result<elf::Elf> {
    elf::parse(&|offset, length| {
        let rest = file.get(usize::try_from(offset).ok()?..)?;
        Some(rest.get(..length.min(rest.len()))?.to_vec())
    })
}

#[test]
fn elf_files_of_both_sizes_and_byte_orders_are_read() {
    for kind in [PPC, X86_64, AARCH64, ARM] {
        let Kind { machine, wide, big } = kind;
        let texts = [(1, "libc.so.6"), (29, "$ORIGIN/../lib"), (1, "libm.so.6"), (15, "/opt/lib")];
        let elf = read(&made::elf(kind, "/lib/ld.so.1", &texts)).unwrap();
        assert_eq!((elf.machine, elf.wide, elf.big), (machine, wide, big));
        assert_eq!(elf.interpreter.as_deref(), Some("/lib/ld.so.1"));
        assert_eq!(elf.needed, ["libc.so.6", "libm.so.6"]);
        assert_eq!(
            (elf.rpath.as_deref(), elf.runpath.as_deref()),
            (Some("/opt/lib"), Some("$ORIGIN/../lib"))
        );
        let fixed = read(&made::elf(kind, "", &[])).unwrap();
        assert_eq!((fixed.interpreter, fixed.needed.len()), (None, 0));
    }
    assert!(elf::named("ppc").unwrap().runs(&read(&made::elf(PPC, "", &[])).unwrap()));
    assert!(!elf::named("ppc").unwrap().runs(&read(&made::elf(X86_64, "", &[])).unwrap()));
    // The 32-bit sibling of a 64-bit board, and each arm of 32 bits.
    assert!(elf::named("aarch64").unwrap().runs(&read(&made::elf(ARM, "", &[])).unwrap()));
    assert!(elf::named("armv7l").unwrap().runs(&read(&made::elf(ARM, "", &[])).unwrap()));
    assert_eq!(read(&made::elf(PPC, "", &[])).unwrap().described(), "ppc (32-bit, big-endian)");
    // This very test, by whatever linker made it.
    let own = std::fs::read("/proc/self/exe").unwrap();
    assert!(
        elf::named(std::env::consts::ARCH.replace("powerpc", "ppc").as_str())
            .unwrap()
            .runs(&read(&own).unwrap())
    );
}

#[test]
fn device_trees_tell_the_board_and_its_cpus() {
    for named in [true, false] {
        let tree = dtb::parse(&made::dtb(&["fsl,P4080DS", "fsl,p4080"], 8, named)).unwrap();
        assert_eq!(tree, dtb::Dtb { compatible: vec!["fsl,P4080DS".into(), "fsl,p4080".into()], cpus: 8 });
    }
    assert!(dtb::parse(b"\x7fELF").is_err() && dtb::parse(b"").is_err());
}

#[test]
fn a_packed_configuration_is_unpacked() {
    let config = Config::parse(PACKED).unwrap();
    assert_eq!((config.version, config.setting("MACVLAN")), (4019, Setting::Module));
    // With a name in the header, as gzip writes it by default.
    let mut named = PACKED[..3].to_vec();
    named.push(8);
    named.extend(&PACKED[4..10]);
    named.extend(b".config\0");
    named.extend(&PACKED[10..]);
    assert_eq!(Config::parse(&named).unwrap().version, 4019);
    assert!(gzip::unpack(PACKED, 10).is_err(), "longer than wanted");
    for end in 0..PACKED.len() {
        assert!(Config::parse(&PACKED[..end]).is_err(), "{end} bytes of it");
    }
}

/// What is left of a damaged profile is looked at all the same, and every finding is a rule's.
#[test]
fn damaged_profiles_are_checked() {
    let kernel = Config::parse(PACKED).unwrap();
    let tree = dtb::parse(&made::dtb(&["fsl,P4080DS"], 8, true)).unwrap();
    let against = Against { tree: None, kernel: Some(&kernel), dtb: Some((&tree, "board.dtb")), allow: &[] };
    let mut random = Random(6);
    let mut told = std::collections::BTreeSet::new();
    let mut look = |board: &Board, found| {
        for finding in board_check(board, found, &against).findings {
            assert!(RULES.iter().any(|rule| rule.id == finding.rule), "{}", finding.rule);
            told.insert(finding.rule);
        }
    };
    let seeds =
        [include_str!("../../boards/p4080ds.toml"), include_str!("../../tests/check/right-network.toml")];
    for round in 0..crate::profile::mutations::rounds(3000) {
        let (board, found) = toml::survey(&random.damaged(seeds[round % 2].as_bytes()), &"damaged".into());
        look(&board, found);
    }
    // Numbers that a profile may not have, and an LXC file may.
    for value in ["-1", "0", "9223372036854775807", "18446744073709551615", "4611686018427387903", "x", "1K"]
    {
        let mut board = Board { cpus: Some(1), memory: Some(1 << 20), ..Board::default() };
        let mut container = Container::lxc_defaults("c".parse().unwrap());
        for file in [
            "cpu.rt_runtime_us",
            "cpu.rt_period_us",
            "cpu.cfs_quota_us",
            "cpu.cfs_period_us",
            "memory.limit_in_bytes",
            "memory.low",
        ] {
            let origin = Origin::default();
            container.cgroup.push(CgroupRule {
                file: file.into(),
                value: value.into(),
                unified: false,
                origin,
            });
        }
        board.containers = vec![container.clone(), container];
        look(&board, Findings::default());
    }
    assert!(told.len() > 15, "{told:?}");
}

/// Packs with gzip(1), which every machine that builds this has.
fn packed(text: &[u8], level: &str) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .args(["-n", level])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = gzip.stdin.take().unwrap();
    let text = text.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&text).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

#[test]
fn what_gzip_packs_is_the_same_again() {
    let mut random = Random(5);
    // Blocks that are stored, with the fixed codes, with codes of their own; copies near and 32 KiB away.
    let noise: Vec<u8> = (0..70_000).map(|_| random.below(256) as u8).collect();
    let text: Vec<u8> =
        (0..9000).flat_map(|n| format!("CONFIG_{}={}\n", n * 7919 % 5000, n % 3).into_bytes()).collect();
    let far = [&noise[..32_700], b"between", &noise[..32_700]].concat();
    for text in [
        b"".as_slice(),
        b"a",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        &noise,
        &text,
        &far,
        &vec![7; 300_000],
    ] {
        for level in ["-1", "-6", "-9"] {
            let packed = packed(text, level);
            assert!(gzip::unpack(&packed, 400_000).unwrap() == text, "{} bytes, {level}", text.len());
        }
    }
    let mut wrong = packed(&text, "-6");
    let at = wrong.len() - 8;
    wrong[at] ^= 1;
    assert!(gzip::unpack(&wrong, 400_000).is_err(), "another checksum");
}

/// Damages a file many times; `read` says whether it was refused.
fn damage(file: &[u8], seed: u32, read: impl Fn(&[u8]) -> bool) {
    let mut random = Random(seed);
    let refused = (0..4000).filter(|_| read(&random.damaged(file))).count();
    assert!((100..4000).contains(&refused), "{refused} refused: the damage is too small or too great");
    for end in 0..file.len() {
        read(&file[..end]);
    }
    // Each byte as large as it can be: counts, sizes and offsets that lead out of the file.
    for at in 0..file.len() {
        for byte in [0, 0x7f, 0xff] {
            let mut file = file.to_vec();
            file[at] = byte;
            read(&file);
        }
    }
}

#[test]
fn damaged_elf_files_are_read_or_refused() {
    for (kind, seed) in [(PPC, 1), (X86_64, 2)] {
        let file = made::elf(kind, "/lib/ld.so.1", &[(1, "libc.so.6"), (29, "/opt/lib")]);
        damage(&file, seed, |file| read(file).is_err());
    }
}

#[test]
fn damaged_device_trees_are_read_or_refused() {
    damage(&made::dtb(&["fsl,P4080DS"], 3, false), 3, |file| dtb::parse(file).is_err());
}

#[test]
fn damaged_configurations_are_read_or_refused() {
    damage(PACKED, 4, |file| Config::parse(file).is_err());
}
