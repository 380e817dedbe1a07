//! In which order containers are started and stopped: as parallel as what they say of each other allows.

use crate::profile::Container;
use crate::profile::value::ContainerName;

/// How far one of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Underway,
    Done,
    Failed,
}

/// One container.
struct Entry {
    /// These have to be done.
    requires: Vec<usize>,
    /// These have to be done or have failed.
    after: Vec<usize>,
    /// Of those that may, the one with the lowest.
    rank: (i64, i64),
    /// How long no further one begins after it, in milliseconds.
    delay: u32,
    stage: Stage,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Begin with this one.
    Begin(usize),
    /// This one is not for it: what it requires has failed.
    Refuse {
        /// Which one.
        index: usize,
        /// The one that has failed.
        because: usize,
    },
}

/// Containers and how far they are. Times are milliseconds since whenever the caller counts from.
pub struct Sequence {
    entries: Vec<Entry>,
    /// Until then no further one begins.
    held: u64,
}

impl Sequence {
    /// For starting these: what they name and is not among them is not waited for.
    pub fn starting(containers: &[&Container]) -> Self {
        let find = |name: &ContainerName| containers.iter().position(|container| container.name == *name);
        let entry = |(index, container): (usize, &&Container)| {
            let all = |list: &[crate::profile::startup::Dependency]| {
                list.iter().filter_map(|dependency| find(&dependency.name)).collect()
            };
            Entry {
                requires: all(&container.startup.requires),
                after: all(&container.startup.after),
                rank: (container.startup.order.into(), index as i64),
                delay: container.startup.delay,
                stage: Stage::Waiting,
            }
        };
        Self { entries: containers.iter().enumerate().map(entry).collect(), held: 0 }
    }

    /// For stopping these: each after those that depend on it, the last one of the profile first. One that is not in the
    /// profile depends on nobody.
    pub fn stopping(names: &[ContainerName], profile: &[Container]) -> Self {
        let find = |name: &ContainerName| profile.iter().find(|container| container.name == *name);
        let depends = |one: &ContainerName, other: &ContainerName| {
            find(one).is_some_and(|one| one.startup.dependencies().any(|(_, named)| named.name == *other))
        };
        let entry = |(index, name): (usize, &ContainerName)| {
            let dependents = names.iter().enumerate().filter(|(_, other)| depends(other, name));
            let place = profile.iter().position(|container| container.name == *name);
            Entry {
                requires: Vec::new(),
                after: dependents.map(|(other, _)| other).filter(|other| *other != index).collect(),
                rank: match find(name) {
                    Some(container) => (-i64::from(container.startup.order), -(place.unwrap_or(0) as i64)),
                    None => (i64::MIN, index as i64),
                },
                delay: 0,
                stage: Stage::Waiting,
            }
        };
        Self { entries: names.iter().enumerate().map(entry).collect(), held: 0 }
    }

    /// The next thing to do, taken for done: who begins is under way until it is settled, who is refused has failed. `None`:
    /// nothing now.
    pub fn next(&mut self, now: u64) -> Option<Act> {
        if let Some((index, because)) = self.refused() {
            self.settle(index, false);
            return Some(Act::Refuse { index, because });
        }
        if now < self.held {
            return None;
        }
        let index = self.free()?;
        let entry = self.entries.get_mut(index)?;
        entry.stage = Stage::Underway;
        if entry.delay > 0 {
            self.held = now.saturating_add(entry.delay.into());
        }
        Some(Act::Begin(index))
    }

    /// How long nothing begins that could, in milliseconds.
    pub fn held(&self, now: u64) -> Option<u64> {
        let left = self.held.checked_sub(now).filter(|left| *left > 0)?;
        self.free().map(|_| left)
    }

    /// How one of them has come out.
    pub fn settle(&mut self, index: usize, done: bool) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.stage = if done { Stage::Done } else { Stage::Failed };
        }
    }

    /// Whether all have come out.
    pub fn is_over(&self) -> bool {
        self.entries.iter().all(|entry| matches!(entry.stage, Stage::Done | Stage::Failed))
    }

    fn stage(&self, index: usize) -> Stage {
        self.entries.get(index).map_or(Stage::Done, |entry| entry.stage)
    }

    fn refused(&self) -> Option<(usize, usize)> {
        let waiting = self.entries.iter().enumerate().filter(|(_, entry)| entry.stage == Stage::Waiting);
        waiting.into_iter().find_map(|(index, entry)| {
            let failed = entry.requires.iter().find(|other| self.stage(**other) == Stage::Failed);
            failed.map(|because| (index, *because))
        })
    }

    fn free(&self) -> Option<usize> {
        let settled = |index: &usize| matches!(self.stage(*index), Stage::Done | Stage::Failed);
        let free = self.entries.iter().enumerate().filter(|(_, entry)| {
            entry.stage == Stage::Waiting && entry.requires.iter().chain(&entry.after).all(settled)
        });
        free.min_by_key(|(_, entry)| entry.rank).map(|(index, _)| index)
    }
}

/// These and what they require, in the profile's order.
pub fn with_required<'a>(profile: &'a [Container], chosen: &[&'a Container]) -> Vec<&'a Container> {
    let mut names: Vec<&ContainerName> = chosen.iter().map(|container| &container.name).collect();
    let mut next = 0;
    while let Some(name) = names.get(next) {
        let container = profile.iter().find(|container| container.name == **name);
        for dependency in container.iter().flat_map(|container| &container.startup.requires) {
            if !names.contains(&&dependency.name) {
                names.push(&dependency.name);
            }
        }
        next += 1;
    }
    profile.iter().filter(|container| names.contains(&&container.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::startup::Dependency;

    /// `a`, `b` … with what each says: `requires`, `after`, order, delay.
    fn containers(list: &[(&str, &str, i32, u32)]) -> Vec<Container> {
        let named = |names: &str| -> Vec<Dependency> {
            let one = |name: &str| Dependency { name: name.parse().unwrap(), origin: Default::default() };
            names.split_whitespace().map(one).collect()
        };
        let one = |(index, (requires, after, order, delay)): (usize, &(&str, &str, i32, u32))| {
            let name = char::from(b'a' + index as u8).to_string();
            let mut container = Container::toml_defaults(name.parse().unwrap());
            container.startup.requires = named(requires);
            container.startup.after = named(after);
            (container.startup.order, container.startup.delay) = (*order, *delay);
            container
        };
        list.iter().enumerate().map(one).collect()
    }

    /// Those that begin now, in their order.
    fn begin(sequence: &mut Sequence, now: u64) -> String {
        let mut text = String::new();
        while let Some(act) = sequence.next(now) {
            match act {
                Act::Begin(index) => text.push(char::from(b'a' + index as u8)),
                Act::Refuse { index, because } => {
                    text.push('!');
                    text.extend([index, because].map(|index| char::from(b'a' + index as u8)));
                }
            }
        }
        text
    }

    #[test]
    fn whoever_waits_for_nobody_begins_at_once_the_lower_order_first() {
        let all = containers(&[
            ("", "", 5, 0),
            ("", "", 0, 0),
            ("a b", "", -9, 0),
            ("", "c", 0, 0),
            ("", "", 0, 0),
        ]);
        let mut sequence = Sequence::starting(&all.iter().collect::<Vec<_>>());
        assert_eq!(begin(&mut sequence, 0), "bea");
        sequence.settle(0, true);
        assert_eq!(begin(&mut sequence, 0), "");
        sequence.settle(1, true);
        assert_eq!(begin(&mut sequence, 0), "c");
        sequence.settle(4, true);
        sequence.settle(2, false);
        assert_eq!(begin(&mut sequence, 0), "d");
        assert!(!sequence.is_over());
        sequence.settle(3, true);
        assert!(sequence.is_over());
    }

    #[test]
    fn a_failure_refuses_who_requires_it_all_the_way_and_nobody_else() {
        let all =
            containers(&[("", "", 0, 0), ("a", "", 0, 0), ("b", "", 0, 0), ("", "c", 0, 0), ("", "", 0, 0)]);
        let mut sequence = Sequence::starting(&all.iter().collect::<Vec<_>>());
        assert_eq!(begin(&mut sequence, 0), "ae");
        sequence.settle(0, false);
        assert_eq!(begin(&mut sequence, 0), "!ba!cbd");
    }

    #[test]
    fn a_delay_holds_those_after_it() {
        let all = containers(&[("", "", 0, 100), ("", "", 0, 0), ("a", "", -1, 0)]);
        let mut sequence = Sequence::starting(&all.iter().collect::<Vec<_>>());
        assert_eq!((begin(&mut sequence, 10).as_str(), sequence.held(30)), ("a", Some(80)));
        sequence.settle(0, true);
        assert_eq!((begin(&mut sequence, 109).as_str(), sequence.held(109)), ("", Some(1)));
        assert_eq!((begin(&mut sequence, 110).as_str(), sequence.held(110)), ("cb", None));
    }

    #[test]
    fn what_is_not_among_them_is_not_waited_for() {
        let all = containers(&[("", "", 0, 0), ("a", "", 0, 0), ("b", "", 0, 0)]);
        let some = [&all[1]];
        assert_eq!(begin(&mut Sequence::starting(&some), 0), "a");
        let names = |chosen: &[&Container]| {
            with_required(&all, chosen).iter().map(|one| one.name.to_string()).collect::<Vec<_>>().concat()
        };
        assert_eq!([names(&[&all[2]]), names(&[&all[1]]), names(&[])], ["abc", "ab", ""]);
    }

    #[test]
    fn stopping_goes_the_other_way() {
        let all = containers(&[("", "", 0, 0), ("a", "", 0, 0), ("", "a", 7, 0), ("", "", 0, 0)]);
        let names: Vec<ContainerName> = ["a", "b", "c", "d", "z"].map(|name| name.parse().unwrap()).into();
        let mut sequence = Sequence::stopping(&names, &all);
        // z is of no profile.
        assert_eq!(begin(&mut sequence, 0), "ecdb");
        sequence.settle(2, true);
        assert_eq!(begin(&mut sequence, 0), "");
        // One that does not stop keeps nobody.
        sequence.settle(1, false);
        assert_eq!(begin(&mut sequence, 0), "a");
    }
}
