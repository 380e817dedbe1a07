//! The profile as TOML has it: serde's structs, each text and number with its place. What they mean is said elsewhere.
//!
//! Numbers are `i64`, TOML's own, so that every bound is checked, and told, in one place.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// A text with its place.
pub type Text = Spanned<String>;
/// A number with its place.
pub type Number = Spanned<i64>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Profile {
    pub board: Board,
    pub cgroup: Option<Spanned<Cgroup>>,
    #[serde(default)]
    pub bridge: Vec<Spanned<Bridge>>,
    #[serde(default)]
    pub container: Vec<Spanned<Container>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Board {
    pub name: Text,
    pub description: Option<Text>,
    #[serde(default)]
    pub compatible: Vec<Text>,
    pub arch: Option<Text>,
    pub cpus: Option<Number>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Cgroup {
    pub layout: Option<Text>,
    pub mountpoint: Option<Text>,
    pub controllers: Option<Vec<Text>>,
    #[serde(default)]
    pub comount: Vec<Vec<Text>>,
    pub favordynmods: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Bridge {
    pub name: Text,
    #[serde(default)]
    pub ports: Vec<Text>,
    pub hwaddr: Option<Text>,
    pub mtu: Option<Number>,
    pub ipv4: Option<Spanned<Texts>>,
    pub ipv6: Option<Spanned<Texts>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table", rename_all = "kebab-case")]
pub struct Container {
    pub name: Option<Text>,
    pub config: Option<Text>,
    #[serde(default)]
    pub settings: Vec<Text>,
    pub hostname: Option<Text>,
    pub rootfs: Option<Text>,
    pub rootfs_read_only: Option<bool>,
    pub rootfs_mount: Option<Text>,
    #[serde(default)]
    pub command: Vec<Text>,
    #[serde(default)]
    pub execute_command: Vec<Text>,
    #[serde(default)]
    pub environment: BTreeMap<Text, Text>,
    pub cwd: Option<Text>,
    pub user: Option<Number>,
    pub group: Option<Number>,
    pub arch: Option<Text>,
    pub pts: Option<bool>,
    pub tty: Option<Number>,
    pub tty_dir: Option<Text>,
    pub dev: Option<Text>,
    pub console: Option<Text>,
    pub proc: Option<Text>,
    pub sys: Option<Text>,
    pub fstab: Option<Text>,
    #[serde(default)]
    pub mounts: Vec<Spanned<Mount>>,
    pub cpuset: Option<Cpuset>,
    pub cpu: Option<Cpu>,
    pub memory: Option<Memory>,
    pub pids: Option<Pids>,
    #[serde(default)]
    pub cgroup: Vec<(Text, Text)>,
    pub devices: Option<Devices>,
    pub capabilities: Option<Spanned<Capabilities>>,
    pub no_new_privs: Option<bool>,
    pub network: Option<Spanned<Network>>,
    pub stop_signal: Option<Text>,
    pub log_level: Option<Text>,
    pub log_file: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table", rename_all = "kebab-case")]
pub struct Mount {
    pub bind: Option<Text>,
    pub r#type: Option<Text>,
    pub source: Option<Text>,
    pub to: Text,
    pub read_only: Option<bool>,
    pub recursive: Option<bool>,
    pub options: Option<Text>,
    pub optional: Option<bool>,
    pub create: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Cpuset {
    pub cpus: Option<Text>,
    pub mems: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table", rename_all = "kebab-case")]
pub struct Cpu {
    pub shares: Option<Number>,
    pub period: Option<Number>,
    pub quota: Option<Number>,
    pub rt_period: Option<Number>,
    pub rt_runtime: Option<Number>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table", rename_all = "kebab-case")]
pub struct Memory {
    pub limit: Option<Spanned<Size>>,
    pub soft_limit: Option<Spanned<Size>>,
    pub limit_with_swap: Option<Spanned<Size>>,
    pub swappiness: Option<Number>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Pids {
    pub max: Option<Number>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Devices {
    pub deny: Option<Vec<Text>>,
    pub allow: Option<Vec<Text>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Nic {
    pub r#type: Text,
    pub link: Option<Text>,
    pub mode: Option<Text>,
    pub name: Option<Text>,
    pub up: Option<bool>,
    pub hwaddr: Option<Text>,
    pub mtu: Option<Number>,
    pub ipv4: Option<Spanned<Texts>>,
    pub ipv6: Option<Spanned<Texts>>,
    #[serde(rename = "ipv4-gateway")]
    pub ipv4_gateway: Option<Text>,
    #[serde(rename = "ipv6-gateway")]
    pub ipv6_gateway: Option<Text>,
}

/// `"a"` or `["a", "b"]`.
pub enum Texts {
    One(String),
    Many(Vec<Text>),
}

/// `"64M"` or a number of bytes.
pub enum Size {
    Text(String),
    Bytes(i64),
}

/// `"all"`, a list to keep, or `{ keep = [] }`, `{ drop = [] }`.
pub enum Capabilities {
    Word(String),
    Keep(Vec<Text>),
    Table(CapabilityTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct CapabilityTable {
    pub keep: Option<Vec<Text>>,
    pub drop: Option<Vec<Text>>,
}

/// `"host"` or the `[[container.network]]` sections.
pub enum Network {
    Word(String),
    Nics(Vec<Spanned<Nic>>),
}

fn gather<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut list: A) -> Result<Vec<T>, A::Error> {
    let mut out = Vec::new();
    while let Some(item) = list.next_element()? {
        out.push(item);
    }
    Ok(out)
}

/// A value of more than one form: what it expects, then the forms.
macro_rules! forms {
    ($type:ident, $expecting:literal, $($form:tt)*) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Forms;
                impl<'de> Visitor<'de> for Forms {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    $($form)*
                }
                deserializer.deserialize_any(Forms)
            }
        }
    };
}

forms! { Texts, "a string or a list of strings",
    fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts::One(text.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Texts, A::Error> {
        gather(list).map(Texts::Many)
    }
}

forms! { Size, "a size: a number of bytes, or a string such as \"64M\"",
    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        Ok(Size::Text(text.into()))
    }
    fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
        Ok(Size::Bytes(bytes))
    }
}

forms! { Capabilities, "\"all\", a list of names, or a table with keep or drop",
    fn visit_str<E: Error>(self, text: &str) -> Result<Capabilities, E> {
        Ok(Capabilities::Word(text.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Capabilities, A::Error> {
        gather(list).map(Capabilities::Keep)
    }
    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Capabilities, A::Error> {
        CapabilityTable::deserialize(MapAccessDeserializer::new(table)).map(Capabilities::Table)
    }
}

forms! { Network, "\"host\" or [[container.network]] sections",
    fn visit_str<E: Error>(self, text: &str) -> Result<Network, E> {
        Ok(Network::Word(text.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Network, A::Error> {
        gather(list).map(Network::Nics)
    }
}
