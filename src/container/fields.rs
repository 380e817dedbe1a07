//! What a container was started with, each part of it as one number: two that are unlike are named, when a profile is applied
//! to a container that runs, as what only a restart can change.

use crate::profile::Container;
use std::fmt::Write;
use std::hash::{Hash, Hasher};

/// FNV-1a: the same number in the monitor and in the command, which are one program.
struct Fnv(u32);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }

    fn finish(&self) -> u64 {
        self.0.into()
    }
}

/// `NAME=NUMBER` for each part but the cgroup rules, by the profile's keys.
pub fn fields(container: &Container) -> String {
    let c = container;
    let mut network = c.network.clone();
    for nic in network.iter_mut().filter(|nic| nic.hwaddr_pattern.is_some()) {
        nic.hwaddr = None;
    }
    let parts: [(&str, &[&dyn Part]); 19] = [
        ("hostname", &[&c.hostname]),
        ("rootfs", &[&c.rootfs, &c.rootfs_read_only, &c.rootfs_mount]),
        ("command", &[&c.command, &c.execute_command]),
        ("environment", &[&c.environment]),
        ("cwd", &[&c.cwd]),
        ("user", &[&c.uid]),
        ("group", &[&c.gid]),
        ("arch", &[&c.personality]),
        ("pts", &[&c.pts]),
        ("tty", &[&c.tty, &c.tty_dir]),
        ("dev", &[&c.dev]),
        ("console", &[&c.console]),
        ("proc, sys, cgroup-mount", &[&c.auto_mounts]),
        ("mounts", &[&c.fstab, &c.mounts]),
        ("capabilities", &[&c.capabilities]),
        ("no-new-privs", &[&c.no_new_privs]),
        ("network", &[&c.own_network, &network]),
        ("stop-signal", &[&c.stop_signal]),
        ("restart", &[&c.startup.restart]),
    ];
    let mut text = String::new();
    for (name, values) in parts {
        let mut hash = Fnv(0x811c_9dc5);
        values.iter().for_each(|value| value.add(&mut hash));
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}={}", hash.0);
    }
    text
}

/// The names of the parts that are unlike.
pub fn unlike(one: &str, other: &str) -> Vec<String> {
    let differs = |(one, other): &(&str, &str)| one != other;
    let name = |(one, _): (&str, &str)| one.split('=').next().unwrap_or_default().to_owned();
    one.lines().zip(other.lines()).filter(differs).map(name).collect()
}

trait Part {
    fn add(&self, hash: &mut Fnv);
}

impl<T: Hash> Part for T {
    fn add(&self, hash: &mut Fnv) {
        self.hash(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Origin;
    use crate::profile::fstab;

    #[test]
    fn what_differs_is_named_and_where_it_is_written_does_not_count() {
        let mut one = Container::toml_defaults("foo".parse().unwrap());
        let entry = |line| {
            fstab::parse_entry("/lib lib none ro,bind 0 0", &Origin::new(&"f".into(), line, 0)).unwrap()
        };
        one.mounts.push(entry(1));
        let mut other = one.clone();
        other.mounts = vec![entry(9)];
        assert_eq!(unlike(&fields(&one), &fields(&other)), [""; 0]);
        other.rootfs_read_only = true;
        other.network.clear();
        other.own_network = false;
        other.environment.push(("A".into(), "B".into()));
        assert_eq!(unlike(&fields(&one), &fields(&other)), ["rootfs", "environment", "network"]);
    }
}
