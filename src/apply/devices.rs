//! A device policy on cgroup v2: a program in the place of the controller that v1 has.

use crate::error::{Error, Result};
use crate::plan::devices::{Policy, Verb};
use crate::sys::bpf;
use std::fs::File;
use std::os::fd::AsFd;

/// Gives the v2 cgroup this policy, in the place of the one it had from here before; all or nothing. The cgroups above it
/// keep their say.
pub fn set(dir: &str, policy: &Policy) -> Result<()> {
    let on = |error: Error| error.tried(format!("device rules of cgroup {dir}"));
    let allow = policy.default == Verb::Allow;
    bpf::set(open(dir)?.as_fd(), allow, &exceptions(policy)).map_err(on)
}

/// Takes back what `set` gave. The end of a cgroup does so, too.
pub fn clear(dir: &str) -> Result<()> {
    bpf::clear(open(dir)?.as_fd()).map_err(|error| error.tried(format!("device rules of cgroup {dir}")))
}

fn open(dir: &str) -> Result<File> {
    File::open(dir).map_err(|error| Error::io(format!("open cgroup {dir}"), &error))
}

fn exceptions(policy: &Policy) -> Vec<bpf::Exception> {
    let convert = |exception: &crate::plan::devices::Exception| bpf::Exception {
        block: exception.block,
        major: exception.major,
        minor: exception.minor,
        access: exception.access,
    };
    policy.exceptions.iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::devices::evaluate;
    use crate::profile::value::{DeviceKind, DeviceRule};
    use bpf::interpreter::{Access, check};

    /// Marsaglia's xorshift: the same lists on every machine.
    struct Random(u32);

    impl Random {
        fn below(&mut self, bound: u32) -> u32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            self.0 % bound
        }

        fn of<T: Copy>(&mut self, choices: &[T]) -> T {
            choices[self.below(choices.len() as u32) as usize]
        }
    }

    // Few, so that rules meet; with both ends of what a device number can be, and what is beyond it.
    const MAJORS: [u32; 5] = [0, 1, 8, 2048, 4095];
    const MINORS: [u32; 4] = [0, 3, 0x80000, 0xfffff];

    fn rule(random: &mut Random) -> (Verb, DeviceRule) {
        let number = |random: &mut Random, choices: &[u32]| match random.below(10) {
            0..3 => None,
            3 if random.below(4) == 0 => Some(random.of(&[4096, 1 << 20, 0x8000_0001, u32::MAX])),
            _ => Some(random.of(choices)),
        };
        let kind = match random.below(9) {
            0 => DeviceKind::All,
            1..4 => DeviceKind::Block,
            _ => DeviceKind::Char,
        };
        let (major, minor) = (number(random, &MAJORS), number(random, &MINORS));
        let access = random.below(7) + 1;
        let verb = random.of(&[Verb::Allow, Verb::Deny]);
        let (read, write, mknod) = (access & 2 != 0, access & 4 != 0, access & 1 != 0);
        (verb, DeviceRule { kind, major, minor, read, write, mknod })
    }

    fn list(random: &mut Random) -> Vec<(Verb, DeviceRule)> {
        let length = random.below(14);
        (0..length).map(|_| rule(random)).collect()
    }

    #[test]
    fn the_program_is_the_policy_in_both_byte_orders() {
        let mut random = Random(0x0bb0_4080);
        let mut answers = [0u32; 2];
        let rounds = crate::profile::mutations::rounds(3000);
        for _ in 0..rounds {
            let rules = list(&mut random);
            let policy = evaluate(&rules);
            let allow = policy.default == Verb::Allow;
            let [little, big] = [false, true].map(|big| {
                let program = bpf::assemble_for(big, allow, &exceptions(&policy)).unwrap();
                check(program.instructions(), big)
            });
            for (major, minor) in MAJORS.into_iter().flat_map(|major| MINORS.map(|minor| (major, minor))) {
                let (block, access) = (random.below(2) == 1, random.below(8) as u8);
                let kind = if block { DeviceKind::Block } else { DeviceKind::Char };
                let expected = policy.allows(kind, major, minor, access);
                let asked = Access { block, major, minor, access };
                assert_eq!(little.run(&asked), expected, "{rules:?} {asked:?}");
                assert_eq!(big.run(&asked), expected, "{rules:?} {asked:?}");
                answers[usize::from(expected)] += 1;
            }
        }
        // Lists that nearly always say the same would find nothing.
        assert!(answers.iter().all(|&count| count as usize > rounds * 4), "{answers:?}");
    }
}
