//! Cpu lists (`0-3,5`).

/// A cpu list as the kernel takes it, normalised: ascending ranges, none overlapping, cpus 0..=1023.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CpuList(pub Vec<(u16, u16)>);
