//! The only room with system calls and `unsafe`: one file per kernel interface. It knows nobody but `crate::error`.

pub mod inotify;
pub mod poll;
pub mod socket;
