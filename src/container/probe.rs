//! Whether the switch next to a link reflects: sends a frame back out of the port it came from (IEEE 802.1Qbg calls it
//! reflective relay), without which containers with VEPA interfaces on one link do not reach each other.

use crate::error::{Error, Result};
use crate::sys::netlink::{Netlink, NewMacvlan};
use crate::sys::packet::{Frame, Packet};
use crate::sys::process::{self, Side};
use nix::sched::CloneFlags;
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// `MACVLAN_MODE_VEPA` of linux/if_link.h.
const VEPA: u32 = 2;
/// How often the frame is sent, in even parts of the time there is: a switch may lose one.
const TRIES: u32 = 5;
/// How much later than the first a second copy comes at most.
const ECHO: Duration = Duration::from_millis(100);

/// How often what goes out of a link comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflection {
    /// Never: the switch does not reflect.
    Never,
    /// Once, as it should be.
    Once,
    /// Twice: by the link's own relay, and by the switch, too. Containers lose each other then.
    Twice,
}

/// A link that is being asked about by a child process.
pub struct Question(Pid);

impl Question {
    /// Begins to ask, for a second at most. Only for a process without threads.
    pub fn ask(link: &str) -> Result<Self> {
        match process::fork()? {
            Side::Parent(child) => Ok(Self(child)),
            Side::Child => process::exit(match reflection(link, Duration::from_secs(1)) {
                Ok(reflection) => reflection as i32,
                Err(error) => {
                    log::info!("{error}");
                    -1
                }
            }),
        }
    }

    /// Waits for the answer; `None` where there is nobody to ask.
    pub fn answer(self) -> Option<Reflection> {
        let status = process::wait(self.0, true).ok()??;
        let known = [Reflection::Never, Reflection::Once, Reflection::Twice];
        known.into_iter().find(|known| *known as u8 == process::exit_code(status))
    }
}

/// Sends a frame from one VEPA interface on `name` to another, and says whether it arrives within `limit`. Only by the
/// switch, or by a relay in front of it, can it. The calling process is in an empty network namespace of its own afterwards, and has two interfaces in
/// there meanwhile: when it is killed, they go with it.
pub fn reflection(name: &str, limit: Duration) -> Result<Reflection> {
    let mut host = Netlink::open()?;
    let link = host.existing_link(name)?;
    let tried = |error: Error| error.tried(format!("link \"{name}\""));
    if !link.up {
        return Err(tried(Error::host("is down")).hint(format!("ip link set {name} up, or run boardbox up")));
    }
    let relay = host.link(&format!("{name}-relay"))?.is_some();
    process::unshare(CloneFlags::CLONE_NEWNET).map_err(|error| error.hint("boardbox has to run as root"))?;
    let mut inside = Netlink::open()?;
    let mut made = heapless::Vec::new();
    let arrived = exchange(&mut host, &mut inside, (link.index, relay), limit, &mut made);
    // The namespace itself dies late, and until then they hang on the link.
    let deleted = inside.delete_links(&made);
    let arrived = arrived.map_err(tried)?;
    deleted?;
    // Asked now: a link that has just been set up may take a moment to say that it has one.
    if arrived == Reflection::Never && !host.existing_link(name)?.carrier {
        return Err(
            tried(Error::host("has no carrier: there is no switch to ask")).hint("is the cable plugged in?")
        );
    }
    Ok(arrived)
}

/// Makes the two interfaces, notes them in `made`, and sends. Only behind a relay can anything come back twice.
fn exchange(
    host: &mut Netlink,
    inside: &mut Netlink,
    (link, relay): (u32, bool),
    limit: Duration,
    made: &mut heapless::Vec<u32, 2>,
) -> Result<Reflection> {
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
            if !relay {
                return Ok(Reflection::Once);
            }
            // What is for everybody takes every way there is.
            let frame = Frame::new(from, [0xff; 6])?;
            sender.send(&frame)?;
            let twice = receiver.receives(&frame, ECHO)? && receiver.receives(&frame, ECHO)?;
            return Ok(if twice { Reflection::Twice } else { Reflection::Once });
        }
    }
    Ok(Reflection::Never)
}
