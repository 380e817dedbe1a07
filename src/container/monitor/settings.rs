//! A container's cgroup settings while it runs: read, and written all or none of them, in the words of the hierarchy that has
//! each, whichever the caller uses.

use super::Monitor;
use super::defaults::{PER_DEVICE, whole_quota};
use super::reading::{read_aliased, read_translated};
use crate::apply;
use crate::container::control::{MAX_MESSAGE, Reply, Settings};
use crate::container::state::UNIFIED;
use crate::error::{Error, Origin, Result};
use crate::plan::cgroups::device_rule;
use crate::plan::cgroups::spelling::{Speller, after_the_limit, family, is_v2s, unified_name};
use crate::plan::devices::{self, Policy, Verb};
use crate::plan::host::Version;
use crate::profile::container::CgroupRule;
use crate::profile::value::{DeviceKind, DeviceRule};
use crate::sys::{cgroup, stream};
use std::fmt::Write;

/// The longest path of a cgroup file in bytes.
type Path = heapless::String<512>;

/// A write to do.
pub(super) struct Setting {
    pub(super) dir: String,
    pub(super) file: String,
    pub(super) value: String,
}

/// What has been done so far, so that it can be taken back: each write with the text its file had.
#[derive(Default)]
pub(super) struct Done {
    writes: Vec<(Setting, String)>,
    /// The cgroup with the device rules, whether it is v2's, and the rules it had.
    devices: Option<(String, bool, Policy)>,
    /// The container's rules as a whole, before.
    rules: Option<Vec<CgroupRule>>,
}

impl Monitor<'_> {
    /// The container's cgroup that has this file; true where that is v2's.
    pub(super) fn dir_of(&self, file: &str) -> Result<(&str, bool)> {
        if file.contains('/') {
            return Err(Error::usage(format!("\"{}\" is no file of a cgroup", file.escape_default())));
        }
        let family = family(file);
        let has = |name: &str| {
            let with = |controllers: &[String]| controllers.iter().any(|other| other == name);
            self.record.cgroups.iter().find(|(controllers, _)| with(controllers)).map(|(_, dir)| dir.as_str())
        };
        let core = matches!(family, "freezer" | "devices" | "cpuacct" | "cgroup");
        match (has(family), has(UNIFIED), has(unified_name(family)).is_some() || core) {
            (Some(dir), unified, _) => Ok((dir, unified == Some(dir))),
            (None, Some(dir), true) => Ok((dir, true)),
            _ => Err(Error::host(format!(
                "the container is in no cgroup of a controller \"{}\"",
                family.escape_default()
            ))
            .tried(file.escape_default().to_string())
            .hint("files are named CONTROLLER.SETTING, as in cpuset.cpus; see `boardbox status` for what is mounted")),
        }
    }

    /// Writes settings, all or none.
    #[inline(never)]
    pub(super) fn cgroup_set(&mut self, settings: Settings<'_>) -> Result<()> {
        let mut done = Done::default();
        let written = self.set_all(settings, &mut done);
        self.unless_refused(written, done).map(drop)
    }

    /// Makes the container's settings those of a profile, all or none: those it does not name get the kernel's defaults.
    /// Says what has changed.
    #[inline(never)]
    pub(super) fn apply(&mut self, settings: Settings<'_>) -> Result<String> {
        let mut done = Done::default();
        let written = self.apply_all(settings, &mut done);
        self.last = self.unless_refused(written, done)?;
        self.last.rules = self.rules.take();
        self.rules = Some(settings.pairs().map(|(file, value)| self.as_rule(file, value)).collect());
        let mut text = String::new();
        for (index, (setting, before)) in self.last.writes.iter().enumerate() {
            let same = |other: &Setting| other.dir == setting.dir && other.file == setting.file;
            let first = !self.last.writes.iter().take(index).any(|(other, _)| same(other));
            let now = cgroup::read(&setting.dir, &setting.file).unwrap_or_default();
            if first && now.trim() != before.trim() {
                let line = |text: &str| text.trim().replace('\n', ", ");
                let _ = writeln!(text, "{}: {} -> {}", setting.file, line(before), line(&now));
            }
        }
        if let Some((dir, unified, before)) = &self.last.devices {
            let now = self.policy(dir, *unified)?;
            for (verb, rule) in before.towards(&now) {
                let _ = writeln!(text, "devices: {verb} {rule}");
            }
        }
        Ok(text)
    }

    /// Takes back what the last `apply` did.
    #[inline(never)]
    pub(super) fn revert(&mut self) -> Result<()> {
        let mut done = std::mem::take(&mut self.last);
        self.rules = done.rules.take();
        self.take_back(done)
    }

    fn unless_refused(&mut self, written: Result<()>, done: Done) -> Result<Done> {
        match written {
            Ok(()) => Ok(done),
            Err(error) => Err(match self.take_back(done) {
                Ok(()) => error,
                Err(left) => error.hint(format!("and not all could be put back: {left}")),
            }),
        }
    }

    fn take_back(&mut self, done: Done) -> Result<()> {
        let mut result = Ok(());
        if let Some((dir, unified, before)) = &done.devices {
            result = self.set_devices(dir, *unified, before);
        }
        for (setting, before) in done.writes.iter().rev() {
            let back = back(setting, before);
            result = result.and(apply::write_cgroup(&setting.dir, &setting.file, &back));
        }
        result
    }

    fn set_all(&mut self, settings: Settings<'_>, done: &mut Done) -> Result<()> {
        let (writes, devices) = self.spell_all(settings, self.speller())?;
        let alone = writes.len() + devices.len() == 1;
        // What is none of these is known before anything is done.
        let rules = devices.iter().map(device_rule).collect::<Result<Vec<_>>>()?;
        write_all(writes, alone, done)?;
        self.change_devices(&rules, done)
    }

    fn apply_all(&mut self, settings: Settings<'_>, done: &mut Done) -> Result<()> {
        let (mut writes, devices) = self.spell_all(settings, Speller::default())?;
        whole_quota(&mut writes);
        let rules = devices.iter().map(device_rule).collect::<Result<Vec<_>>>()?;
        let mut all = self.defaults(&writes);
        all.append(&mut writes);
        write_all(all, false, done)?;
        let Ok((dir, unified)) = self.dir_of("devices.list").map(|(dir, unified)| (dir.to_owned(), unified))
        else {
            return Ok(());
        };
        let before = self.policy(&dir, unified)?;
        let wanted = devices::evaluate(&rules);
        if before != wanted {
            done.devices = Some((dir.clone(), unified, before));
            self.set_devices(&dir, unified, &wanted)?;
        }
        Ok(())
    }

    /// A speller that knows what the cgroup has already.
    fn speller(&self) -> Speller {
        let read = |file: &str| {
            let (dir, _) = self.dir_of(file).ok()?;
            cgroup::read(dir, file).ok()
        };
        Speller::knowing(
            read("cpu.max").as_deref(),
            read("memory.max").or_else(|| read("memory.limit_in_bytes")).as_deref(),
        )
    }

    /// A rule in v2's words where its file has v2's name, or is there and the hierarchy is v2's.
    fn as_rule(&self, file: &str, value: &str) -> CgroupRule {
        let there = |dir: &str| std::fs::metadata(format!("{dir}/{}", in_dir(dir, file))).is_ok();
        let native = || self.dir_of(file).is_ok_and(|(dir, unified)| unified && there(dir));
        rule(file, value, is_v2s(file) || !file.starts_with("devices.") && native())
    }

    /// All in the words of the hierarchies that have them, in the order in which they can be told; device rules as they are.
    pub(super) fn spell_all(
        &self,
        settings: Settings<'_>,
        mut speller: Speller,
    ) -> Result<(Vec<Setting>, Vec<CgroupRule>)> {
        let (mut writes, mut devices) = (Vec::new(), Vec::new());
        for last in [false, true] {
            for (file, value) in settings.pairs().filter(|(file, _)| after_the_limit(file) == last) {
                self.spell(file, value, &mut speller, &mut writes, &mut devices)?;
            }
        }
        Ok((writes, devices))
    }

    fn spell(
        &self,
        file: &str,
        value: &str,
        speller: &mut Speller,
        writes: &mut Vec<Setting>,
        devices: &mut Vec<CgroupRule>,
    ) -> Result<()> {
        let (dir, unified) = self.dir_of(file)?;
        if matches!(file, "devices.allow" | "devices.deny") || (unified && family(file) == "devices") {
            devices.push(rule(file, value, false));
            return Ok(());
        }
        let mut push = |file: &str, value: String| {
            let (file, value) = match apply::weight_alias(dir, file, &value) {
                Some((file, value)) => (file.to_owned(), value),
                None => (in_dir(dir, file), value),
            };
            writes.push(Setting { dir: dir.into(), file, value });
        };
        let version = if unified { Version::V2 } else { Version::V1 };
        let rule = self.as_rule(file, value);
        let native = rule.unified == unified;
        match speller.spell(&rule, version) {
            Ok(written) => written.into_iter().for_each(|one| push(&one.file, one.value)),
            // Neither a file that is there nor one that is known by another name: the kernel's word is the better one.
            Err(_) if native => push(file, value.into()),
            Err(error) => return Err(error.tried(format!("{file} on cgroup {version}"))),
        }
        Ok(())
    }

    /// devices.allow and devices.deny one after the other; on v2 a new program in place of the old.
    fn change_devices(&mut self, rules: &[(Verb, DeviceRule)], done: &mut Done) -> Result<()> {
        if rules.is_empty() {
            return Ok(());
        }
        let (dir, unified) = self.dir_of("devices.list").map(|(dir, unified)| (dir.to_owned(), unified))?;
        let before = self.policy(&dir, unified)?;
        done.devices = Some((dir.clone(), unified, before.clone()));
        let mut policy = before;
        for (verb, rule) in rules {
            let verb = *verb;
            let below = !unified && cgroup::child(&dir).is_some();
            match policy.expand(verb).filter(|_| below && rule.kind == DeviceKind::All) {
                // With cgroups below v1 takes no new default; these come to the same.
                Some(expanded) => {
                    for rule in expanded {
                        self.change_one(&dir, unified, &mut policy, verb, &rule)?;
                    }
                }
                None => self.change_one(&dir, unified, &mut policy, verb, rule)?,
            }
        }
        if unified {
            apply::devices::set(&dir, &policy)?;
        }
        self.devices = Some(policy);
        Ok(())
    }

    /// One rule. What v1 has by then is known also where the next one is refused: it is what has to be taken back.
    fn change_one(
        &mut self,
        dir: &str,
        unified: bool,
        policy: &mut Policy,
        verb: Verb,
        rule: &DeviceRule,
    ) -> Result<()> {
        if !unified {
            write_device(dir, verb, rule)?;
        }
        policy.change(&Policy::default(), false, verb, rule)?;
        if !unified {
            self.devices = Some(policy.clone());
        }
        Ok(())
    }

    /// Makes the device rules these, whatever they are.
    fn set_devices(&mut self, dir: &str, unified: bool, wanted: &Policy) -> Result<()> {
        match unified {
            true => apply::devices::set(dir, wanted)?,
            false => {
                let mut policy = self.policy(dir, unified)?;
                for (verb, rule) in policy.towards(wanted) {
                    self.change_one(dir, unified, &mut policy, verb, &rule)?;
                }
            }
        }
        self.devices = Some(wanted.clone());
        Ok(())
    }

    /// The device rules in force, as far as the kernel gives them back; else as they were set from here.
    pub(super) fn policy(&self, dir: &str, unified: bool) -> Result<Policy> {
        let kept = match &self.devices {
            Some(policy) => policy.clone(),
            None => {
                let rules = self.container.cgroup.iter().filter(|rule| family(&rule.file) == "devices");
                devices::evaluate(&rules.map(device_rule).collect::<Result<Vec<_>>>()?)
            }
        };
        if unified {
            return Ok(kept);
        }
        let list = cgroup::read(dir, "devices.list")?;
        match list.trim() {
            // What is denied it does not tell.
            "a *:* rwm" if kept.default == Verb::Allow => Ok(kept),
            "a *:* rwm" => Ok(Policy::default()),
            list => {
                let mut rules = vec![(Verb::Deny, "a".parse()?)];
                for line in list.lines() {
                    rules.push((Verb::Allow, line.parse()?));
                }
                Ok(devices::evaluate(&rules))
            }
        }
    }

    #[inline(never)]
    pub(super) fn cgroup_get(&mut self, client: usize, file: &str) {
        let mut buffer = [0; MAX_MESSAGE];
        let mut path = Path::new();
        let found = self.dir_of(file).and_then(|(dir, unified)| {
            write!(path, "{dir}/{}", in_dir(dir, file))
                .map_err(|_| Error::host(format!("the path of {file} is too long")))?;
            Ok((dir.to_string(), unified))
        });
        let (dir, unified) = match found {
            Ok(found) => found,
            Err(error) => return self.done(client, Err(error)),
        };
        if let Some(text) = stream::read_file(&path, &mut buffer) {
            return self.reply(client, Reply::Value { text });
        }
        if let Some(text) = read_aliased(&dir, file) {
            return self.reply(client, Reply::Value { text: &text });
        }
        if unified && file == "devices.list" {
            return match self.policy(&dir, unified) {
                Ok(policy) => self.reply(client, Reply::Value { text: &policy.to_string() }),
                Err(error) => self.done(client, Err(error)),
            };
        }
        match read_translated(&dir, unified, file) {
            Some(text) => self.reply(client, Reply::Value { text: &text }),
            None => {
                // Once more, for the reason.
                let error = match std::fs::read(path.as_str()) {
                    Err(error) => Error::io(format!("read {path}"), &error),
                    Ok(_) => Error::host(format!("{path} does not fit into a message of 4096 bytes")),
                };
                self.done(client, Err(error));
            }
        }
    }
}

/// The name a file has there: without its controller's where the hierarchy is mounted with noprefix.
pub(super) fn in_dir(dir: &str, file: &str) -> String {
    let there = |file: &str| std::fs::metadata(format!("{dir}/{file}")).is_ok();
    match file.split_once('.') {
        Some((_, rest)) if !there(file) && there(rest) => rest.into(),
        _ => file.into(),
    }
}

/// Writes them in any order that the kernel takes: a limit may have to wait for the one it must not exceed.
fn write_all(mut pending: Vec<Setting>, alone: bool, done: &mut Done) -> Result<()> {
    while !pending.is_empty() {
        let (count, mut refused) = (pending.len(), None);
        let mut left = Vec::new();
        for setting in pending {
            match write_one(&setting, alone) {
                Ok(before) => done.writes.push((setting, before)),
                Err(error) => {
                    refused.get_or_insert(error);
                    left.push(setting);
                }
            }
        }
        match refused {
            Some(error) if left.len() == count => return Err(error),
            _ => pending = left,
        }
    }
    Ok(())
}

/// Returns what the file held before.
fn write_one(setting: &Setting, alone: bool) -> Result<String> {
    let Setting { dir, file, value } = setting;
    let before = match cgroup::read(dir, file) {
        Err(error) if !alone && !error.is(nix::errno::Errno::ENOENT) => {
            return Err(Error::usage("can not be read, and so not be put back")
                .tried(format!("{dir}/{file}"))
                .hint("write it by itself"));
        }
        before => before.unwrap_or_default(),
    };
    apply::write_cgroup(dir, file, value).map(|()| before)
}

/// The value that takes a write back, from what its file held.
fn back(setting: &Setting, before: &str) -> String {
    let first = setting.value.split(' ').next().unwrap_or_default();
    if first.contains(':') {
        let line = before.lines().find(|line| line.split(' ').next() == Some(first));
        let none =
            PER_DEVICE.iter().find(|(file, _)| *file == setting.file).map_or("default", |(_, none)| none);
        return line.map_or_else(|| format!("{first} {none}"), str::to_owned);
    }
    let line = before.lines().next().unwrap_or_default();
    match line.strip_prefix("oom_kill_disable ") {
        Some(value) => value.into(),
        // Nothing at all would not be written.
        None if line.is_empty() => "\n".into(),
        None => line.into(),
    }
}

fn write_device(dir: &str, verb: Verb, rule: &DeviceRule) -> Result<()> {
    let file = if verb == Verb::Allow { "devices.allow" } else { "devices.deny" };
    apply::write_cgroup(dir, file, &rule.to_string())
}

pub(super) fn rule(file: &str, value: &str, unified: bool) -> CgroupRule {
    CgroupRule { file: file.into(), value: value.into(), unified, origin: Origin::default() }
}
