//! What a container may do beyond what it probably needs: docs/security.md.

use super::{Report, at, called};
use crate::profile::Board;
use crate::profile::container::{AutoMode, Container, NicKind};
use crate::profile::value::{CapSet, Capabilities};

/// sys_module, sys_rawio, sys_ptrace, sys_admin: with one of them root inside can leave (docs/security.md).
const WIDE: u64 = 1 << 16 | 1 << 17 | 1 << 19 | 1 << SYS_ADMIN;
/// net_admin.
const NET_ADMIN: u64 = 1 << 12;
/// Their numbers in linux/capability.h.
pub const SYS_ADMIN: u32 = 21;
pub const SYS_NICE: u32 = 23;

/// What it keeps.
pub fn kept(container: &Container) -> u64 {
    match container.capabilities {
        Capabilities::All => u64::MAX,
        Capabilities::Drop(set) => !set.0,
        Capabilities::Keep(set) => set.0,
    }
}

pub fn check(board: &Board, report: &mut Report) {
    for (index, container) in board.containers.iter().enumerate() {
        report.about = called(container);
        let wide = CapSet(kept(container) & WIDE);
        if wide.0 != 0 {
            let cause = format!("keeps {wide}, with which root inside can leave it");
            report.tell(
                "wide-capabilities",
                at(container, "capabilities"),
                cause,
                "keep those it needs: capabilities = […]",
            );
        } else if kept(container) & NET_ADMIN != 0
            && container.network.iter().any(|nic| matches!(nic.kind, NicKind::Macvlan { .. }))
        {
            // IFLA_LINK_NETNSID of its NIC names the board's network namespace, and IFLA_TARGET_NETNSID acts on it.
            report.tell(
                "wide-capabilities",
                at(container, "capabilities"),
                "keeps net_admin: from Linux 4.16 on, root inside can change and delete the board's interfaces".into(),
                "its own NICs have their addresses and routes without it",
            );
        }
        if !container.cgroup.iter().any(|rule| rule.file == "devices.deny" && rule.value.trim() == "a") {
            let hint = "deny all, then allow what it needs: devices = { allow = [\"standard\"] }, lxc.cgroup.devices.deny = a";
            report.tell(
                "open-devices",
                at(container, "devices"),
                "may use every device of the board".into(),
                hint,
            );
        }
        if !container.own_network {
            let cause = "shares the board's network: its interfaces, its ports, its abstract sockets".into();
            let hint = match container.places.get("network") {
                Some(_) => "",
                None => {
                    "to LXC 0.9.0, whose words these are, no interface means that; lxc.network.type = empty is the loopback alone"
                }
            };
            report.tell("host-network", at(container, "network"), cause, hint);
        }
        if container.auto_mounts.sys == Some(AutoMode::Rw) {
            report.tell(
                "writable-sys",
                at(container, "sys"),
                "may write /sys, which is the board's".into(),
                "sys = \"ro\" or \"mixed\"",
            );
        }
        let Some(rootfs) = &container.rootfs else {
            // One that was refused is told already.
            if container.places.get("rootfs").is_some() {
                continue;
            }
            report.tell(
                "host-files",
                &container.origin,
                "has no root file system: it sees the board's files".into(),
                "",
            );
            continue;
        };
        let same = |other: &&Container| other.rootfs.as_ref() == Some(rootfs);
        let before = board.containers.get(..index).unwrap_or_default().iter().find(same);
        if let Some(other) = before.filter(|other| !other.rootfs_read_only && !container.rootfs_read_only) {
            let cause = format!(
                "its root file system is that of container \"{}\", and both may write to it",
                other.name
            );
            report.tell(
                "shared-rootfs",
                at(container, "rootfs"),
                cause,
                "rootfs-read-only = true for both, or one for each",
            );
        }
    }
    report.about.clear();
}
