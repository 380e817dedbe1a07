//! Generated device rules, and nodes to try them on: of numbers that no driver has, in a mount namespace of the process's own.

use boardbox::plan::devices::{MKNOD, Policy, READ, Verb, WRITE};
use boardbox::profile::value::{DeviceKind, DeviceRule};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{AccessFlags, access, unlink};
use std::cell::Cell;

/// Marsaglia's xorshift: the same lists on every machine.
pub struct Random(pub u32);

impl Random {
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % bound
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    fn number(&mut self, choices: &[u32]) -> Option<u32> {
        if self.below(3) == 0 { None } else { Some(self.of(choices)) }
    }

    pub fn rule(&mut self) -> (Verb, DeviceRule) {
        let verb = self.of(&[Verb::Allow, Verb::Deny]);
        let kind = match self.below(10) {
            0 => DeviceKind::All,
            1..5 => DeviceKind::Block,
            _ => DeviceKind::Char,
        };
        let access = self.below(7) as u8 + 1;
        let (read, write, mknod) = (access & READ != 0, access & WRITE != 0, access & MKNOD != 0);
        let (major, minor) = (self.number(&MAJORS), self.number(&MINORS));
        (verb, DeviceRule { kind, major, minor, read, write, mknod })
    }

    pub fn list(&mut self) -> Vec<(Verb, DeviceRule)> {
        let length = self.below(13);
        (0..length).map(|_| self.rule()).collect()
    }
}

/// For local use, and one whose upper bit is a sign in an instruction's operand.
const MAJORS: [u32; 3] = [60, 61, 2050];
const MINORS: [u32; 3] = [0, 7, 0x80001];

#[derive(Clone, Copy, Debug)]
pub struct Device {
    pub kind: DeviceKind,
    pub major: u32,
    pub minor: u32,
}

fn all_devices() -> impl Iterator<Item = Device> {
    let of =
        |kind| MAJORS.into_iter().flat_map(move |major| MINORS.map(|minor| Device { kind, major, minor }));
    of(DeviceKind::Block).chain(of(DeviceKind::Char))
}

/// Nodes on a tmpfs that only this process sees.
pub struct Nodes {
    dir: String,
    /// The kernel looks for a module for each device without a driver that is opened, which takes milliseconds.
    modules: bool,
    opened: Cell<u32>,
}

impl Nodes {
    pub fn new() -> Self {
        let dir = "/tmp";
        unshare(CloneFlags::CLONE_NEWNS).expect("these tests make mount namespaces: run them as root");
        let nothing = None::<&str>;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
        let modules = std::fs::metadata("/proc/sys/kernel/modprobe").is_ok();
        let nodes = Self { dir: dir.to_owned(), modules, opened: Cell::new(0) };
        for device in all_devices() {
            nodes.make(device, &nodes.path(device)).unwrap();
        }
        nodes
    }

    fn path(&self, device: Device) -> String {
        let Device { kind, major, minor } = device;
        format!("{}/{}-{major}-{minor}", self.dir, if kind == DeviceKind::Block { 'b' } else { 'c' })
    }

    fn make(&self, device: Device, path: &str) -> nix::Result<()> {
        let kind = if device.kind == DeviceKind::Block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
        let number = makedev(device.major.into(), device.minor.into());
        mknod(path, kind, Mode::from_bits_truncate(0o777), number)
    }

    /// Tries it.
    pub fn allowed(&self, device: Device, wanted: u8) -> bool {
        let path = self.path(device);
        let tried = match wanted {
            // The kernel asks the controller about no access at all.
            0 => access(path.as_str(), AccessFlags::X_OK),
            MKNOD => {
                let new = format!("{}/new", self.dir);
                let made = self.make(device, &new);
                if made.is_ok() {
                    unlink(new.as_str()).unwrap();
                }
                made
            }
            // access(2) asks the same question of the same controller.
            _ if self.modules && !self.opened.replace(self.opened.get() + 1).is_multiple_of(100) => {
                let bit = |set, flag| if wanted & set != 0 { flag } else { AccessFlags::empty() };
                access(path.as_str(), bit(READ, AccessFlags::R_OK) | bit(WRITE, AccessFlags::W_OK))
            }
            _ => {
                let mode = match wanted {
                    READ => OFlag::O_RDONLY,
                    WRITE => OFlag::O_WRONLY,
                    _ => OFlag::O_RDWR,
                };
                open(path.as_str(), mode | OFlag::O_NONBLOCK, Mode::empty()).map(drop)
            }
        };
        match tried {
            Ok(()) | Err(Errno::ENXIO | Errno::ENODEV) => true,
            Err(Errno::EPERM) => false,
            Err(errno) => panic!("{device:?} {wanted}: {errno}"),
        }
    }

    /// The model and the kernel have to agree about every device and access; returns how often the answer was no and yes.
    pub fn compare(&self, policy: &Policy, told: &dyn Fn() -> String) -> [u32; 2] {
        let mut answers = [0; 2];
        for device in all_devices() {
            for wanted in [READ, WRITE, READ | WRITE, MKNOD, 0] {
                let allowed = self.allowed(device, wanted);
                let expected = policy.allows(device.kind, device.major, device.minor, wanted);
                assert!(
                    allowed == expected,
                    "{device:?} access {wanted}: the kernel says {allowed}\n{}",
                    told()
                );
                answers[usize::from(allowed)] += 1;
            }
        }
        answers
    }
}
