//! The model of a board and its containers, and the two readers that make it: TOML profiles and LXC files.
//!
//! Nothing in here makes a system call beyond reading the file it was given, and nothing in here knows the host.

pub mod board;
pub mod container;
pub mod field;
pub mod fstab;
pub mod lxc;
pub mod startup;
pub mod text;
pub mod toml;
pub mod value;

pub use board::{Board, Bridge, CgroupSetup, Layout};
pub use container::Container;

#[cfg(test)]
pub mod mutations;
