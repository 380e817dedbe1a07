//! What ethtool asks a driver, where netlink does not tell it yet.

use nix::sys::socket::{AddressFamily, SockFlag, SockType};
use std::os::fd::AsRawFd;

/// `ETHTOOL_GPERMADDR` of linux/ethtool.h; libc has it for some targets only.
const GET_PERMANENT_ADDRESS: u32 = 0x20;

/// `struct ethtool_perm_addr` with room for the address.
#[repr(C)]
struct PermanentAddress {
    command: u32,
    size: u32,
    data: [u8; 32],
}

/// The address an interface's hardware was made with; `None` where there is none (a bridge, a veth) or no such interface.
/// For kernels before 5.6, which have no `IFLA_PERM_ADDRESS`.
pub fn permanent_mac(name: &str) -> Option<[u8; 6]> {
    let fd = nix::sys::socket::socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .ok()?;
    let mut answer = PermanentAddress { command: GET_PERMANENT_ADDRESS, size: 32, data: [0; 32] };
    // SAFETY: all-zero bytes are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut answer).cast();
    // SAFETY: `request` holds a NUL-terminated name and a pointer to `answer`, which has the room its `size` says; both
    // live across the call.
    let outcome = unsafe { libc::ioctl(fd.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    let mac: [u8; 6] = *answer.data.first_chunk()?;
    (outcome == 0 && answer.size == 6 && mac != [0; 6]).then_some(mac)
}
