//! Model + host snapshot → an ordered list of steps. Pure: tested without root, for any board, on any machine.

pub mod board;
pub mod bridges;
pub mod cgroups;
pub mod container;
pub mod devices;
pub mod hierarchies;
pub mod host;
pub mod mac;
pub mod mounts;
mod relay;
pub mod sequence;
#[allow(missing_docs)] // the fields are named by the Display of the step they belong to
pub mod step;
pub mod vepa;

pub use host::Host;
pub use step::{Place, Planned, Step};
