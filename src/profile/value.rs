//! The value types a profile is made of. Each parses from the text a user writes and says what is wrong with it.

mod caps;
mod cpulist;
mod device;
mod name;
mod net;
mod signal;

pub use caps::{CAPABILITY_NAMES, CapSet, Capabilities, DEFAULT_CAPABILITIES};
pub use cpulist::{CpuList, MAX_CPU};
pub use device::{DeviceKind, DeviceRule};
pub use name::{ContainerName, IfName};
pub use net::{Gateway4, Gateway6, Ipv4Net, Ipv6Net, Mac, MacvlanMode};
pub use signal::Signal;
