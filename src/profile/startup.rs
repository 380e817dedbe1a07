//! When and how `up` starts a container, when it counts as ready, and what happens when it ends.

use super::container::Container;
use super::field;
use super::text::{nearest, shown};
use super::value::ContainerName;
use crate::error::{Error, Origin, Result};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A container's own word on that.
#[derive(Clone, Debug, PartialEq)]
pub struct Startup {
    /// `autostart` (`lxc.start.auto`): whether `up` starts it without being asked for it by name. `None`, nobody has said:
    /// it does.
    pub autostart: Option<bool>,
    /// `requires`: started after these are ready, and not at all when one of them fails.
    pub requires: Vec<Dependency>,
    /// `after`: started after these are ready or have failed, where they are started at all.
    pub after: Vec<Dependency>,
    /// `order` (`lxc.start.order`): of those that may be started, the lower one is first.
    pub order: i32,
    /// `start-delay` (`lxc.start.delay`): how long `up` starts no further one after this one, in milliseconds.
    pub delay: u32,
    /// `ready`: when others may build on it.
    pub ready: Ready,
    /// `ready-timeout`: how long that may take from its start, in milliseconds.
    pub ready_timeout: u32,
    /// `groups` (`lxc.group`): names for `up --group`.
    pub groups: Vec<String>,
    /// What happens when it ends.
    pub restart: Restart,
}

impl Default for Startup {
    fn default() -> Self {
        Self {
            autostart: None,
            requires: Vec::new(),
            after: Vec::new(),
            order: 0,
            delay: 0,
            ready: Ready::Exec,
            ready_timeout: 30_000,
            groups: Vec::new(),
            restart: Restart::default(),
        }
    }
}

/// Another container, and the place of its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    /// The other one.
    pub name: ContainerName,
    /// Where that was written.
    pub origin: Origin,
}

/// When a container counts as ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ready {
    /// Its command has been executed.
    #[default]
    Exec,
    /// This path is there, in its root file system with what is mounted there.
    File(String),
    /// Somebody accepts connections at this address and port, as seen from inside.
    Tcp(SocketAddr),
    /// It has run for this long, in milliseconds.
    Delay(u32),
}

impl FromStr for Ready {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::config(format!("\"{}\" {why}", shown(text)));
        match text.split_once(':') {
            None if text == "exec" => Ok(Ready::Exec),
            Some(("file", path)) => Ok(Ready::File(field::absolute(path)?)),
            Some(("delay", time)) => Ok(Ready::Delay(field::duration(time)?)),
            Some(("tcp", rest)) => {
                let (address, port) = rest.rsplit_once(':').unwrap_or(("127.0.0.1", rest));
                let port = field::number(port, 1, 65535)? as u16;
                let address = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
                let address = address.map_err(|_| {
                    wrong("has no address of numbers")
                        .hint("tcp:PORT, tcp:192.168.0.23:PORT or tcp:[fd00::23]:PORT")
                })?;
                Ok(Ready::Tcp(SocketAddr::new(address, port)))
            }
            _ => Err(wrong("is unknown").hint("exec, file:/PATH, tcp:PORT, tcp:ADDRESS:PORT or delay:TIME")),
        }
    }
}

/// What its monitor does when a container ends that nobody has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Restart {
    /// `restart`.
    pub policy: Policy,
    /// `restart-delay`: until the first restart, in milliseconds; each further one in a row takes twice as long, up to
    /// [`LONGEST_DELAY`] or this one, whichever is longer. With 0 the second one takes [`SHORTEST_DELAY`].
    pub delay: u32,
    /// `restart-limit`: how many times in a row before it is given up; 0 is never.
    pub limit: u32,
}

/// The longest time between two restarts that the doubling leads to, in milliseconds. A container that has run for this long
/// begins a new row.
pub const LONGEST_DELAY: u32 = 60_000;

/// What the doubling begins with where there is nothing to double, in milliseconds.
pub const SHORTEST_DELAY: u32 = 100;

/// [`SHORTEST_DELAY`], doubled this many times, up to [`LONGEST_DELAY`].
pub fn growing(times: u32) -> u32 {
    doubled(SHORTEST_DELAY, times).min(LONGEST_DELAY)
}

fn doubled(delay: u32, times: u32) -> u32 {
    delay.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX))
}

/// When it is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Never.
    #[default]
    No,
    /// After an exit status other than 0, or a signal.
    OnFailure,
    /// After any end.
    Always,
}

impl Default for Restart {
    fn default() -> Self {
        Self { policy: Policy::No, delay: 1000, limit: 0 }
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "no" => Ok(Policy::No),
            "on-failure" => Ok(Policy::OnFailure),
            "always" => Ok(Policy::Always),
            _ => {
                Err(Error::config(format!("\"{}\" is unknown", shown(text))).hint("no, on-failure or always"))
            }
        }
    }
}

impl Restart {
    /// How long to wait before the restart after `before` restarts in a row, in milliseconds; `None` when it is over: the
    /// policy does not want one after this wait(2) status, or the limit is reached.
    pub fn after(&self, status: Option<i32>, before: u32) -> Option<u32> {
        let wanted = match self.policy {
            Policy::No => false,
            Policy::OnFailure => status != Some(0),
            Policy::Always => true,
        };
        if !wanted || self.limit != 0 && before >= self.limit {
            return None;
        }
        Some(match (self.delay, before.checked_sub(1)) {
            (0, Some(further)) => growing(further),
            (delay, _) => doubled(delay, before).min(LONGEST_DELAY.max(delay)),
        })
    }
}

/// Refuses names that no container has, and circles.
pub fn check(containers: &[Container]) -> Result<()> {
    let find = |name: &ContainerName| containers.iter().position(|container| container.name == *name);
    let mut edges: Vec<Vec<(usize, &Origin)>> = Vec::new();
    for container in containers {
        let mut of = Vec::new();
        for (key, dependency) in container.startup.dependencies() {
            let Some(index) = find(&dependency.name) else {
                let error = Error::config(format!("there is no container \"{}\"", dependency.name))
                    .tried(format!("container \"{}\": {key}", container.name))
                    .at(&dependency.origin);
                let names = containers.iter().map(|container| container.name.as_str());
                return Err(match nearest(dependency.name.as_str(), names) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error,
                });
            };
            of.push((index, &dependency.origin));
        }
        edges.push(of);
    }
    // Whoever waits for nobody that is left goes, until nobody goes: those that stay are in a circle or behind one.
    let mut left = vec![true; containers.len()];
    let stays = |left: &[bool], index: usize| left.get(index).copied().unwrap_or(false);
    loop {
        let gone: Vec<usize> = (0..containers.len())
            .filter(|&index| {
                let waits =
                    edges.get(index).is_some_and(|of| of.iter().any(|(other, _)| stays(&left, *other)));
                stays(&left, index) && !waits
            })
            .collect();
        if gone.is_empty() {
            break;
        }
        for index in gone {
            if let Some(one) = left.get_mut(index) {
                *one = false;
            }
        }
    }
    let Some(first) = left.iter().position(|stays| *stays) else { return Ok(()) };
    // From one of those along the first way that stays, until a container comes again.
    let (mut path, mut at) = (Vec::new(), first);
    while !path.iter().any(|(index, _)| *index == at) {
        let next = edges.get(at).and_then(|of| of.iter().find(|(other, _)| stays(&left, *other)));
        let Some((other, origin)) = next else { return Ok(()) };
        path.push((at, *origin));
        at = *other;
    }
    let begin = path.iter().position(|(index, _)| *index == at).unwrap_or(0);
    let circle = path.get(begin..).unwrap_or_default();
    let name = |index: usize| containers.get(index).map_or("", |container| container.name.as_str());
    let mut text = String::new();
    for (index, _) in circle {
        text.push_str(name(*index));
        text.push_str(" -> ");
    }
    text.push_str(name(at));
    let error = Error::config(format!("they wait for each other: {text}"))
        .hint("take one of them out of requires or after")
        .tried(format!("container \"{}\"", name(at)));
    Err(match circle.first() {
        Some((_, origin)) => error.at(origin),
        None => error,
    })
}

impl Startup {
    /// Whom it waits for, and by which key.
    pub fn dependencies(&self) -> impl Iterator<Item = (&'static str, &Dependency)> {
        let requires = self.requires.iter().map(|dependency| ("requires", dependency));
        requires.chain(self.after.iter().map(|dependency| ("after", dependency)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_a_word_or_a_word_and_what_it_is_about() {
        let ready = |text: &str| text.parse::<Ready>();
        let tcp = |text: &str| Ready::Tcp(text.parse().unwrap());
        assert_eq!(ready("exec").unwrap(), Ready::Exec);
        assert_eq!(ready("file:/run/a:b").unwrap(), Ready::File("/run/a:b".into()));
        assert_eq!(ready("tcp:80").unwrap(), tcp("127.0.0.1:80"));
        assert_eq!(ready("tcp:10.0.0.1:80").unwrap(), tcp("10.0.0.1:80"));
        assert_eq!(ready("tcp:[fd00::1]:80").unwrap(), tcp("[fd00::1]:80"));
        assert_eq!(ready("delay:2s").unwrap(), Ready::Delay(2000));
        for bad in ["", "exec:", "file:x", "tcp:", "tcp:0", "tcp:65536", "tcp:host:80", "delay:2", "udp:53"] {
            assert!(ready(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_delay_doubles_up_to_a_bound_and_ends_at_the_limit() {
        let always = Restart { policy: Policy::Always, delay: 1000, limit: 0 };
        let delays = [0, 1, 2, 5, 6, 40, u32::MAX].map(|before| always.after(Some(0), before));
        assert_eq!(delays, [1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000].map(Some));
        let slow = Restart { delay: 90_000, ..always.clone() };
        assert_eq!([0, 3].map(|before| slow.after(None, before)), [Some(90_000); 2]);
        let twice = Restart { policy: Policy::OnFailure, delay: 0, limit: 2 };
        assert_eq!([0, 1, 2].map(|before| twice.after(Some(256), before)), [Some(0), Some(100), None]);
        let at_once = Restart { delay: 0, ..always };
        let delays = [0, 1, 2, 3, 40, u32::MAX].map(|before| at_once.after(Some(1), before));
        assert_eq!(delays, [0, 100, 200, 400, 60_000, 60_000].map(Some));
        assert_eq!((twice.after(Some(0), 0), twice.after(None, 0)), (None, Some(0)));
        assert_eq!(Restart::default().after(Some(9), 0), None);
    }
}
