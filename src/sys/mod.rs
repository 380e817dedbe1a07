//! The only room with `unsafe` and raw system calls; one file per kernel interface. It knows nobody but the error type.
//!
//! Every call newer than Linux 3.2 has its fallback right beside it.

pub mod bpf;
pub mod caps;
pub mod cgroup;
pub mod connect;
pub mod dev;
pub mod entry;
pub mod events;
pub mod file;
pub mod hierarchy;
pub mod inotify;
pub mod kmsg;
pub mod lock;
pub mod memory;
pub mod mount;
pub mod mountinfo;
pub mod netlink;
pub mod packet;
pub mod poll;
pub mod process;
pub mod procfs;
pub mod pty;
pub mod rootfs;
pub mod selfexec;
pub mod signal;
pub mod socket;
pub mod stream;
pub mod trap;
#[cfg(all(panic = "abort", target_env = "musl"))]
mod unwind;
