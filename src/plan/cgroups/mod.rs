//! A container's cgroups: one per hierarchy it uses, v1 or v2, controller by controller where it really is; its rules in
//! file order and in the words of their hierarchy, devices last.

mod delegation;
pub mod spelling;

use super::devices::Verb;
use super::host::{Controller, Hierarchy, Host, Version};
use super::{Place, Planned, Step};
use crate::error::{Error, Origin, Result};
use crate::profile::Container;
use crate::profile::container::CgroupRule;
use crate::profile::value::{CpuList, DeviceRule};
use spelling::{Said, Speller, after_the_limit, family, said};

/// The directory in each hierarchy that holds the containers' cgroups.
pub const PARENT: &str = "boardbox";

/// Below a v2 cgroup whose processes may pass controllers on by themselves: that is where they are, and the limits above them.
pub const PAYLOAD: &str = "payload";

/// Beside it: what is executed in that container by `exec`. A cgroup that passes controllers on has no processes itself.
pub const EXEC: &str = "exec";

/// The container's cgroup in this hierarchy.
pub fn dir(hierarchy: &Hierarchy, container: &str) -> String {
    format!("{}/{PARENT}/{container}", hierarchy.mountpoint.trim_end_matches('/'))
}

/// Appends the steps. `join` names the controllers the container joins where its host has them mounted writable; those
/// its rules are about have to be there.
pub fn container(
    container: &Container,
    join: &[String],
    host: &Host,
    steps: &mut Vec<Planned>,
) -> Result<()> {
    let name = container.name.as_str();
    let mut used: Vec<(&Hierarchy, &Origin)> = Vec::new();
    let mut writes = Vec::new();
    let mut unified = Unified::default();
    let mut speller = Speller::default();
    for (rule, hierarchy) in rules(container, host)? {
        let named = |error: Error| error.tried(format!("container \"{name}\"")).at(&rule.origin);
        take(&mut used, hierarchy, &rule.origin);
        if hierarchy.version == Version::V2 {
            if family(&rule.file) == "devices" {
                unified.devices.push(device_rule(rule).map_err(named)?);
                unified.devices_origin = rule.origin.clone();
                continue;
            }
            unified.needs(family(&rule.file));
        }
        let tried =
            |error: Error| named(error.tried(format!("{} on cgroup {}", rule.file, hierarchy.version)));
        for written in speller.spell(rule, hierarchy.version).map_err(tried)? {
            // Set-up inside makes device nodes: until that is done no device may be denied.
            let place = if rule.controller() == "devices" { Place::Late } else { Place::Host };
            let file = hierarchy.file(&written.file).to_owned();
            let step = Step::WriteCgroup { dir: dir(hierarchy, name), file, value: written.value };
            writes.push(Planned { place, step, origin: written.origin });
        }
    }
    for controller in join {
        if let Some(hierarchy) = home(controller, host).filter(|found| !found.read_only) {
            take(&mut used, hierarchy, &container.origin);
            if hierarchy.version == Version::V2 {
                unified.wants(controller);
            }
        }
    }
    if container.auto_mounts.cgroup.is_some() {
        // An init looks for what it knows, and keeps its own records in a named hierarchy.
        let more = |one: &&Hierarchy| !one.read_only && (one.name.is_some() || one.version == Version::V2);
        for hierarchy in host.hierarchies.iter().filter(more) {
            take(&mut used, hierarchy, &container.origin);
        }
        if used.is_empty() {
            return Err(Error::host("no hierarchy is mounted")
                .hint("boardbox up mounts them")
                .tried("mount cgroups on /sys/fs/cgroup")
                .tried(format!("container \"{name}\""))
                .at(&container.origin));
        }
    }
    let payload = container.auto_mounts.cgroup.is_some();
    let (late, now): (Vec<_>, Vec<_>) = writes.into_iter().partition(|planned| planned.place == Place::Late);
    // In the host's order, so that a plan does not change with the order of a file's lines.
    used.sort_by_key(|(used, _)| host.hierarchies.iter().position(|other| std::ptr::eq(other, *used)));
    for (hierarchy, origin) in &used {
        let root = hierarchy.mountpoint.trim_end_matches('/').to_owned();
        let path = format!("{PARENT}/{name}");
        let step = match hierarchy.version {
            Version::V1 => {
                let name = hierarchy.name.iter().map(|name| format!("name={name}"));
                let controllers = hierarchy.controllers.iter().cloned().chain(name).collect();
                Step::MakeCgroup { controllers, root, path }
            }
            Version::V2 => {
                let there = |name: &String| hierarchy.controllers.contains(name);
                let enable = unified.enable.iter().filter(|name| there(name)).cloned().collect();
                let also = unified.also.iter().filter(|name| there(name)).cloned().collect();
                Step::MakeUnified { root, path, enable, also, payload }
            }
        };
        steps.push(Planned { place: Place::Host, step, origin: (*origin).clone() });
    }
    steps.extend(now);
    for (hierarchy, origin) in &used {
        let unified = hierarchy.version == Version::V2;
        let below = if unified && payload { format!("/{PAYLOAD}") } else { String::new() };
        let step = Step::JoinCgroup { dir: dir(hierarchy, name) + &below, unified };
        steps.push(Planned { place: Place::Child, step, origin: (*origin).clone() });
    }
    if let Some(mount) = container.auto_mounts.cgroup {
        // The whole hierarchies are seen as they are.
        let namespace = host.cgroup_namespaces && !mount.full;
        if namespace {
            let step = Step::CgroupNamespace;
            steps.push(Planned { place: Place::Child, step, origin: container.origin.clone() });
        }
        delegation::mounts(mount, name, &used, namespace, &container.origin, steps);
    }
    steps.extend(late);
    if let Some((hierarchy, _)) = used.iter().find(|(hierarchy, _)| hierarchy.version == Version::V2)
        && !unified.devices.is_empty()
    {
        let step = Step::DeviceProgram { dir: dir(hierarchy, name), rules: unified.devices };
        steps.push(Planned { place: Place::Late, step, origin: unified.devices_origin });
    }
    Ok(())
}

/// A container's rules, those that are meant here, with the hierarchy each is written in, in the order in which they are
/// written.
pub fn rules<'a>(container: &'a Container, host: &'a Host) -> Result<Vec<(&'a CgroupRule, &'a Hierarchy)>> {
    let (mut rules, mut others, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for rule in &container.cgroup {
        let hierarchy = needed(rule, host)
            .map_err(|error| error.tried(format!("container \"{}\"", container.name)).at(&rule.origin))?;
        match said(rule, &container.cgroup, hierarchy.version) {
            // Files made for many hosts say it twice: then the words of the one at hand are meant.
            Said::Instead => {
                log::info!("{}: {} is said in {}'s words, too", rule.origin, rule.file, hierarchy.version);
            }
            Said::Partly => rules.push((rule, hierarchy)),
            Said::No if after_the_limit(&rule.file) => last.push((rule, hierarchy)),
            Said::No => others.push((rule, hierarchy)),
        }
    }
    rules.append(&mut others);
    rules.append(&mut last);
    Ok(rules)
}

/// What a container needs of the unified hierarchy.
#[derive(Default)]
struct Unified {
    /// Controllers its rules are about.
    enable: Vec<String>,
    /// Controllers it joins where that works.
    also: Vec<String>,
    devices: Vec<(Verb, DeviceRule)>,
    devices_origin: Origin,
}

impl Unified {
    fn needs(&mut self, family: &str) {
        let name = spelling::unified_name(family).to_string();
        self.also.retain(|other| *other != name);
        if !self.enable.contains(&name) {
            self.enable.push(name);
        }
    }

    fn wants(&mut self, family: &str) {
        let name = spelling::unified_name(family).to_string();
        if !self.enable.contains(&name) && !self.also.contains(&name) {
            self.also.push(name);
        }
    }
}

/// `devices.allow` and `devices.deny`, for a host that has them as a program.
pub fn device_rule(rule: &CgroupRule) -> Result<(Verb, DeviceRule)> {
    let verb = match rule.file.as_str() {
        "devices.allow" => Verb::Allow,
        "devices.deny" => Verb::Deny,
        other => {
            return Err(Error::config(format!(
                "\"{}\" is not devices.allow or devices.deny",
                other.escape_default()
            )));
        }
    };
    Ok((verb, rule.value.parse()?))
}

/// The hierarchy where a controller, by its v1 name, really is. Devices and freezing are v2's own, without a controller.
pub fn home<'a>(family: &str, host: &'a Host) -> Option<&'a Hierarchy> {
    let has = |name: &str, hierarchy: &Hierarchy| hierarchy.controllers.iter().any(|other| other == name);
    let v1 = host.hierarchies.iter().find(|one| one.version == Version::V1 && has(family, one));
    v1.or_else(|| {
        let v2 = host.hierarchies.iter().find(|one| one.version == Version::V2)?;
        let core = matches!(family, "devices" | "freezer" | "cpuacct" | "cgroup");
        (core || has(spelling::unified_name(family), v2)).then_some(v2)
    })
}

fn take<'a>(used: &mut Vec<(&'a Hierarchy, &'a Origin)>, hierarchy: &'a Hierarchy, origin: &'a Origin) {
    if !used.iter().any(|(other, _)| std::ptr::eq(*other, hierarchy)) {
        used.push((hierarchy, origin));
    }
}

/// The hierarchy a rule is written in.
fn needed<'a>(rule: &CgroupRule, host: &'a Host) -> Result<&'a Hierarchy> {
    let file = rule.file.escape_default();
    if !rule.file.contains('.') || rule.file.contains('/') {
        return Err(Error::config(format!("\"{file}\" is not a cgroup file"))
            .hint("CONTROLLER.SETTING, as in cpuset.cpus"));
    }
    let name = family(&rule.file);
    let hierarchy = mounted(name, host).map_err(|error| error.tried(format!("cgroup file {file}")))?;
    if hierarchy.read_only {
        let cause =
            format!("the hierarchy of controller {name} on {} is mounted read-only", hierarchy.mountpoint);
        return Err(Error::host(cause).tried(format!("cgroup file {file}")));
    }
    if rule.file == "cpuset.cpus" && host.cpus > 0 {
        // What is no list goes to the kernel as it is: some kernels know further words.
        if let Ok(list) = rule.value.trim().parse::<CpuList>() {
            list.within(host.cpus)?;
        }
    }
    Ok(hierarchy)
}

/// The hierarchy of a controller, by its v1 name, or why there is none and what to do.
pub fn mounted<'a>(family: &str, host: &'a Host) -> Result<&'a Hierarchy> {
    if let Some(hierarchy) = home(family, host) {
        return Ok(hierarchy);
    }
    in_kernel(family, host)?;
    let error = Error::host(format!("controller {family} is not mounted"));
    let v2 = host.hierarchies.iter().any(|hierarchy| hierarchy.version == Version::V2);
    Err(match v2 && host.controller(family).is_some_and(|controller| controller.hierarchy == 0) {
        true => error.hint(
            "v2 does not have it: is it disabled by cgroup_disable=, or kept back by the cgroup above?",
        ),
        false => error
            .hint(format!("boardbox up mounts it; by hand: mount -t cgroup -o {family} {family} DIRECTORY")),
    })
}

/// The kernel's entry for a controller it has and has not disabled.
pub fn in_kernel<'a>(name: &str, host: &'a Host) -> Result<&'a Controller> {
    let shown = name.escape_default();
    match host.controller(name) {
        Some(controller) if controller.enabled => Ok(controller),
        Some(_) => Err(Error::host(format!("controller {name} is compiled in but disabled")).hint(format!(
            "take cgroup_disable={name} off the kernel's command line, or add cgroup_enable={name}"
        ))),
        None if host.controllers.is_empty() => {
            Err(Error::host("the kernel has no cgroups").hint("it needs CONFIG_CGROUPS and its controllers"))
        }
        None => {
            let known: Vec<&str> =
                host.controllers.iter().map(|controller| controller.name.as_str()).collect();
            Err(Error::host(format!("the kernel has no controller \"{shown}\""))
                .hint(format!("it has {}", known.join(" "))))
        }
    }
}

#[cfg(test)]
mod tests;
