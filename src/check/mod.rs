//! Offline checks of profiles: what would otherwise appear on the bench. Pure but for the file view of `tree`: no root, no
//! board, any machine.
//!
//! A finding is an [`Error`](crate::error::Error) with the rule that it breaks; the rule's severity is its own (`rules`). Readers find what is
//! wrong with the text, the rooms here what is wrong with the sense. On a board (without the feature `workbench`) there is only
//! what lxc-checkconfig is made of.

pub mod config;
pub mod gzip;
pub mod kernel;

#[cfg(feature = "workbench")]
mod board;
#[cfg(feature = "workbench")]
pub mod dtb;
#[cfg(feature = "workbench")]
pub mod elf;
#[cfg(feature = "workbench")]
mod layout;
#[cfg(feature = "workbench")]
mod links;
#[cfg(feature = "workbench")]
mod needs;
#[cfg(feature = "workbench")]
mod network;
#[cfg(feature = "workbench")]
mod programs;
#[cfg(feature = "workbench")]
mod resources;
#[cfg(feature = "workbench")]
mod rootfs;
#[cfg(feature = "workbench")]
pub mod rules;
#[cfg(feature = "workbench")]
mod security;
#[cfg(feature = "workbench")]
pub mod tree;

#[cfg(feature = "workbench")]
pub use board::{Against, Report, board};
#[cfg(feature = "workbench")]
use board::{at, called};

#[cfg(all(test, feature = "workbench"))]
mod damaged;
