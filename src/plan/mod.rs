//! Model + host snapshot → an ordered list of steps. Pure: tested without root, for any board, on any machine.

pub mod step;

pub use step::{Place, Planned, Step};
