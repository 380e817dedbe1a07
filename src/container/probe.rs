//! Whether the switch next to a link reflects: sends a frame back out of the port it came from (IEEE 802.1Qbg calls it
//! reflective relay), without which containers with VEPA interfaces on one link do not reach each other.

use crate::error::{Error, Result};
use crate::sys::netlink::{Netlink, NewMacvlan};
use crate::sys::packet::{Frame, Packet};
use crate::sys::process;
use nix::sched::CloneFlags;
use std::time::{Duration, Instant};

/// `MACVLAN_MODE_VEPA` of linux/if_link.h.
const VEPA: u32 = 2;
/// How often the frame is sent, in even parts of the time there is: a switch may lose one.
const TRIES: u32 = 5;

/// Sends a frame from one VEPA interface on `name` to another, and says whether it arrives within `limit`. Only by the
/// switch can it. The calling process is in an empty network namespace of its own afterwards, and has two interfaces in
/// there meanwhile: when it is killed, they go with it.
pub fn reflects(name: &str, limit: Duration) -> Result<bool> {
    let mut host = Netlink::open()?;
    let link = host.existing_link(name)?;
    let tried = |error: Error| error.tried(format!("link \"{name}\""));
    if !link.up {
        return Err(tried(Error::host("is down")).hint(format!("ip link set {name} up, or run boardbox up")));
    }
    process::unshare(CloneFlags::CLONE_NEWNET).map_err(|error| error.hint("boardbox has to run as root"))?;
    let mut inside = Netlink::open()?;
    let mut made = heapless::Vec::new();
    let arrived = exchange(&mut host, &mut inside, link.index, limit, &mut made);
    // The namespace itself dies late, and until then they hang on the link.
    let deleted = inside.delete_links(&made);
    let arrived = arrived.map_err(tried)?;
    deleted?;
    // Asked now: a link that has just been set up may take a moment to say that it has one.
    if !arrived && !host.existing_link(name)?.carrier {
        return Err(
            tried(Error::host("has no carrier: there is no switch to ask")).hint("is the cable plugged in?")
        );
    }
    Ok(arrived)
}

/// Makes the two interfaces, notes them in `made`, and sends.
fn exchange(
    host: &mut Netlink,
    inside: &mut Netlink,
    link: u32,
    limit: Duration,
    made: &mut heapless::Vec<u32, 2>,
) -> Result<bool> {
    let pid = std::process::id() as i32;
    let mut make = |number: u32| -> Result<(Packet, [u8; 6])> {
        // Kernels before 6.13 look a name up in the host's namespace, too.
        let name = format!("bb{pid}p{number}");
        host.add_macvlan(&NewMacvlan { name: &name, link, mode: VEPA, mac: None, mtu: None, pid })?;
        let new = inside.existing_link(&name)?;
        let _ = made.push(new.index); // there is room for both
        inside.set_up(new.index, true)?;
        let mac = new.mac.ok_or_else(|| Error::host("is no Ethernet interface"))?;
        Ok((Packet::open(new.index)?, mac))
    };
    let ((sender, from), (receiver, to)) = (make(0)?, make(1)?);
    let frame = Frame::new(from, to)?;
    let end = Instant::now() + limit;
    for left in (1..=TRIES).rev() {
        sender.send(&frame)?;
        let rest = end.saturating_duration_since(Instant::now());
        if receiver.receives(&frame, rest / left)? {
            return Ok(true);
        }
    }
    Ok(false)
}
