//! boardbox: containers for embedded boards, from one static file.
//!
//! The way of the data is one direction with three stops: [`profile`] reads text into a model, [`plan`] turns the model
//! and a snapshot of the host into an ordered list of steps, [`apply`] walks that list and undoes it on failure.
//! [`container`] is a container's life once it is planned; [`check`] tells a profile's mistakes on any machine; [`sys`] is
//! the only room with system calls and `unsafe`.

#[cfg(not(target_os = "linux"))]
compile_error!("boardbox speaks to the Linux kernel and to nothing else");

pub mod apply;
pub mod check;
pub mod cli;
pub mod container;
#[cfg(feature = "workbench")]
pub mod convert;
pub mod error;
#[cfg(feature = "workbench")]
pub mod image;
pub mod plan;
pub mod profile;
pub mod sys;
