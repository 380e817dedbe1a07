//! A container's life: launch (the parent), init (the child), monitor (the event loop), control (what is said to it).

pub mod client;
pub mod control;
pub mod conversation;
pub mod state;

/// Where every container's directory is: `lock`, `control` and `record` in `/run/boardbox/NAME`.
pub const RUN_DIR: &str = crate::apply::run::DIR;
