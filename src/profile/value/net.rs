//! Addresses, prefixes, MACs and macvlan modes.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet address of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mac(pub [u8; 6]);

/// `ADDRESS/PREFIX [BROADCAST]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Net {
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length, 0..=32.
    pub prefix: u8,
    /// The broadcast address; the all-ones one where none was given and the prefix is below 31.
    pub broadcast: Option<Ipv4Addr>,
}

/// `ADDRESS/PREFIX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Net {
    /// The address.
    pub address: Ipv6Addr,
    /// Prefix length, 0..=128; 64 where none was given.
    pub prefix: u8,
}

/// `network.ipv4.gateway`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gateway4 {
    /// The link's own first address on the host.
    Auto,
    /// This one.
    Address(Ipv4Addr),
}

/// `network.ipv6.gateway`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gateway6 {
    /// The link's own first address on the host.
    Auto,
    /// This one.
    Address(Ipv6Addr),
}

/// How a macvlan talks to its siblings on one lower device (`enum macvlan_mode`, linux/if_link.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MacvlanMode {
    /// Not at all.
    Private = 1,
    /// By way of the adjacent switch, which has to reflect (IEEE 802.1Qbg).
    Vepa = 2,
    /// Directly.
    Bridge = 4,
    /// There are none: the lower device is this interface's alone.
    Passthru = 8,
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Display for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for Ipv6Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for Gateway4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gateway4::Auto => f.write_str("auto"),
            Gateway4::Address(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for Gateway6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gateway6::Auto => f.write_str("auto"),
            Gateway6::Address(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for MacvlanMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MacvlanMode::Private => "private",
            MacvlanMode::Vepa => "vepa",
            MacvlanMode::Bridge => "bridge",
            MacvlanMode::Passthru => "passthru",
        })
    }
}
