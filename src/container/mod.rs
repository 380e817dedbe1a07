//! A container's life: launch (how it is started), life (the monitor before it monitors), init (the first process), monitor (the event loop),
//! control (what is said to it), client (by whom).

pub mod attach;
pub mod client;
pub mod clients;
pub mod console;
pub mod control;
pub mod conversation;
pub mod fields;
pub mod freezer;
pub mod init;
pub mod launch;
mod life;
mod lives;
pub mod memory;
pub mod monitor;
pub mod network;
pub mod own_init;
pub mod probe;
pub mod ready;
pub mod restart;
pub mod several;
pub mod stale;
pub mod state;

/// Where every container's directory is: `lock`, `control` and `record` in `/run/boardbox/NAME`.
pub const RUN_DIR: &str = crate::apply::run::DIR;
