//! A container's life: launch (the parent), init (the child), monitor (the event loop), control (what is said to it).

pub mod control;
