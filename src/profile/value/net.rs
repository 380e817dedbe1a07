//! Addresses, prefixes, MACs and macvlan modes.

use crate::error::{Error, Result};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An Ethernet address of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mac(pub [u8; 6]);

/// `ADDRESS/PREFIX [BROADCAST]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Ipv4Net {
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length, 0..=32.
    pub prefix: u8,
    /// The broadcast address; the all-ones one where none was given and the prefix is below 31.
    pub broadcast: Option<Ipv4Addr>,
}

/// `ADDRESS/PREFIX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Ipv6Net {
    /// The address.
    pub address: Ipv6Addr,
    /// Prefix length, 0..=128; 64 where none was given.
    pub prefix: u8,
}

/// `network.ipv4.gateway`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Gateway4 {
    /// The link's own first address on the host.
    Auto,
    /// This one.
    Address(Ipv4Addr),
}

/// `network.ipv6.gateway`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Gateway6 {
    /// The link's own first address on the host.
    Auto,
    /// This one.
    Address(Ipv6Addr),
}

/// How a macvlan talks to its siblings on one lower device (`enum macvlan_mode`, linux/if_link.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
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

impl FromStr for MacvlanMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "private" => Ok(MacvlanMode::Private),
            "vepa" => Ok(MacvlanMode::Vepa),
            "bridge" => Ok(MacvlanMode::Bridge),
            "passthru" => Ok(MacvlanMode::Passthru),
            _ => Err(Error::config(format!("macvlan mode \"{}\" is unknown", text.escape_default()))
                .hint("one of private, vepa, bridge, passthru")),
        }
    }
}

impl FromStr for Mac {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::config(format!("MAC address \"{}\": {why}", text.escape_default()));
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(|| wrong("has fewer than six parts"))?;
            if part.len() != 2 || !part.bytes().all(|c| c.is_ascii_hexdigit()) {
                return Err(wrong(
                    "each of its six parts is two hexadecimal digits, as in 02:00:c0:a8:00:17",
                ));
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong("is no number"))?;
        }
        if parts.next().is_some() {
            return Err(wrong("has more than six parts"));
        }
        if bytes[0] & 1 != 0 {
            return Err(
                wrong("is a multicast address").hint("the first byte of an interface's address is even")
            );
        }
        if bytes == [0; 6] {
            return Err(wrong("is all zeros, which the kernel refuses"));
        }
        Ok(Mac(bytes))
    }
}

impl Mac {
    /// `text` with each of its `x` replaced by the low half of the next byte of `random`. An `x` for the first byte's
    /// second digit gives a locally administered unicast address, as in LXC.
    pub fn from_pattern(text: &str, random: &[u8; 12]) -> Result<Self> {
        let mut random = random.iter();
        let mut drawn = String::with_capacity(text.len());
        for (at, letter) in text.char_indices() {
            let byte = if matches!(letter, 'x' | 'X') { random.next() } else { None };
            let digit = byte.map(|byte| if at == 1 { byte & 0xe | 2 } else { byte & 0xf });
            drawn.push(digit.and_then(|digit| char::from_digit(digit.into(), 16)).unwrap_or(letter));
        }
        drawn.parse().map_err(|mut error: Error| {
            error.cause = error.cause.replace(&drawn, text);
            error
        })
    }
}

impl FromStr for Gateway4 {
    type Err = Error;

    /// `auto` or an address.
    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Gateway4::Auto),
            (_, Ok(address)) => Ok(Gateway4::Address(address)),
            _ => Err(Error::config(format!("gateway \"{}\" is not an IPv4 address", text.escape_default()))
                .hint("an address without prefix, or auto: the link's own")),
        }
    }
}

impl FromStr for Gateway6 {
    type Err = Error;

    /// `auto` or an address.
    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Gateway6::Auto),
            (_, Ok(address)) => Ok(Gateway6::Address(address)),
            _ => Err(Error::config(format!("gateway \"{}\" is not an IPv6 address", text.escape_default()))
                .hint("an address without prefix, or auto: the link's own")),
        }
    }
}

fn prefix(text: &str, most: u8, whole: &str) -> Result<u8> {
    match text.parse::<u8>() {
        Ok(length) if length <= most && text.bytes().all(|c| c.is_ascii_digit()) => Ok(length),
        _ => Err(Error::config(format!(
            "address \"{}\": prefix length \"{}\" is not 0..={most}",
            whole.escape_default(),
            text.escape_default()
        ))),
    }
}

/// The prefix length of an address's class: 8, 16 or 24; 32 for what has no class. Read from the octets, not from the
/// host's integer, so it is the same on either endianness (LXC 0.9.0 gives /8 on x86 for what is /24 on PowerPC).
fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        192..=223 => 24,
        _ => 32,
    }
}

impl FromStr for Ipv4Net {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |part: &str| {
            Error::config(format!("\"{}\" is not an IPv4 address", part.escape_default()))
                .hint("ADDRESS[/PREFIX] [BROADCAST], as in 192.168.0.23/24")
        };
        let mut words = text.split_ascii_whitespace();
        let first = words.next().ok_or_else(|| wrong(text))?;
        let (address, length) = match first.split_once('/') {
            Some((address, length)) => (address, Some(prefix(length, 32, first)?)),
            None => (first, None),
        };
        let address: Ipv4Addr = address.parse().map_err(|_| wrong(address))?;
        let prefix = length.unwrap_or_else(|| class_prefix(address));
        let broadcast = match words.next() {
            Some(word) => Some(word.parse().map_err(|_| wrong(word))?),
            None if prefix < 31 => {
                let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
                Some(Ipv4Addr::from(u32::from(address) | host))
            }
            None => None,
        };
        match words.next() {
            Some(word) => Err(wrong(word)),
            None => Ok(Self { address, prefix, broadcast }),
        }
    }
}

impl FromStr for Ipv6Net {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, length)) => (address, prefix(length, 128, text)?),
            None => (text, 64),
        };
        match address.parse() {
            Ok(address) => Ok(Self { address, prefix }),
            Err(_) => Err(Error::config(format!("\"{}\" is not an IPv6 address", address.escape_default()))
                .hint("ADDRESS[/PREFIX], as in fd00::23/64")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> String {
        match text.parse::<Ipv4Net>() {
            Ok(net) => format!("{net} {}", net.broadcast.map_or("-".into(), |b| b.to_string())),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_address_without_prefix_gets_its_class() {
        assert_eq!(net("192.168.0.23"), "192.168.0.23/24 192.168.0.255");
        assert_eq!(net("172.16.1.1"), "172.16.1.1/16 172.16.255.255");
        assert_eq!(net("10.1.2.3"), "10.1.2.3/8 10.255.255.255");
        assert_eq!(net("10.1.2.3/31"), "10.1.2.3/31 -");
        assert_eq!(net("10.1.2.3/0"), "10.1.2.3/0 255.255.255.255");
        assert_eq!(net("10.1.2.3/24 10.1.2.254"), "10.1.2.3/24 10.1.2.254");
    }

    #[test]
    fn a_wrong_address_is_named() {
        assert_eq!(net("10.1.2.3/33"), "address \"10.1.2.3/33\": prefix length \"33\" is not 0..=32");
        assert!(net("10.1.2.3/+8").contains("prefix length \"+8\""));
        assert!(net("10.1.2").starts_with("\"10.1.2\" is not an IPv4 address"));
        assert!(net("").starts_with("\"\" is not"));
        assert!("fe80::1/129".parse::<Ipv6Net>().is_err());
        assert_eq!("fd00::1".parse::<Ipv6Net>().map(|net| net.prefix).ok(), Some(64));
    }

    #[test]
    fn a_mac_is_six_pairs_and_unicast() {
        assert_eq!("02:00:C0:a8:00:17".parse::<Mac>().unwrap().to_string(), "02:00:c0:a8:00:17");
        for bad in
            ["02:00:c0:a8:00", "02:00:c0:a8:00:17:1", "01:00:00:00:00:01", "00:00:00:00:00:00", "2:0:0:0:0:1"]
        {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_x_is_a_random_digit() {
        let drawn = |text: &str| Mac::from_pattern(text, &[0xff, 0xa0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(drawn("00:16:3e:xx:Xx:07").unwrap().to_string(), "00:16:3e:f0:34:07");
        assert_eq!(drawn("xx:xx:xx:xx:xx:xx").unwrap().to_string(), "f2:34:56:78:9a:bc");
        assert_eq!(drawn("0x:00:00:00:00:00").unwrap().to_string(), "0e:00:00:00:00:00");
        let error = drawn("01:xx:00:00:00:00").unwrap_err().to_string();
        assert!(error.starts_with("MAC address \"01:xx:00:00:00:00\": is a multicast"), "{error}");
        assert!(drawn("xx:xx:xx:xx:xx:xx:xx").is_err());
        assert!(drawn("äx:xx").is_err());
    }

    #[test]
    fn a_gateway_is_auto_or_an_address() {
        assert_eq!("auto".parse::<Gateway4>().unwrap(), Gateway4::Auto);
        assert_eq!("fd00::1".parse::<Gateway6>().unwrap().to_string(), "fd00::1");
        assert!("192.168.0.1/24".parse::<Gateway4>().is_err());
        assert!("dev".parse::<Gateway6>().is_err());
    }

    #[test]
    fn a_mode_is_one_of_four() {
        assert_eq!("vepa".parse::<MacvlanMode>().unwrap(), MacvlanMode::Vepa);
        assert!("VEPA".parse::<MacvlanMode>().unwrap_err().to_string().contains("one of private"));
    }
}
