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
use spelling::{Speller, family};

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

/// A container's rules, those that are meant here, with the hierarchy each is written in.
pub fn rules<'a>(container: &'a Container, host: &'a Host) -> Result<Vec<(&'a CgroupRule, &'a Hierarchy)>> {
    let mut rules = Vec::new();
    for rule in &container.cgroup {
        let hierarchy = needed(rule, host)
            .map_err(|error| error.tried(format!("container \"{}\"", container.name)).at(&rule.origin))?;
        let native = hierarchy.version == Version::V2;
        // Files made for many hosts say it twice: then the words of the one at hand are meant.
        let twice = |other: &CgroupRule| other.unified == native && family(&other.file) == family(&rule.file);
        if rule.unified != native && container.cgroup.iter().any(twice) {
            log::info!("{}: {} is said in {}'s words, too", rule.origin, rule.file, hierarchy.version);
            continue;
        }
        rules.push((rule, hierarchy));
    }
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
mod tests {
    use super::*;
    use std::rc::Rc;

    fn hierarchy(mountpoint: &str, controllers: &[&str]) -> Hierarchy {
        Hierarchy {
            mountpoint: mountpoint.into(),
            controllers: controllers.iter().map(|name| name.to_string()).collect(),
            ..Hierarchy::default()
        }
    }

    fn host() -> Host {
        let controller = |(name, enabled): &(&str, bool)| Controller {
            name: name.to_string(),
            hierarchy: 1,
            enabled: *enabled,
        };
        let names = [
            ("cpuset", true),
            ("cpu", true),
            ("cpuacct", true),
            ("devices", true),
            ("memory", false),
            ("blkio", true),
            ("pids", true),
        ];
        let mut v2 = hierarchy("/cg/unified", &["pids"]);
        v2.version = Version::V2;
        let mut systemd = hierarchy("/cg/systemd", &[]);
        systemd.name = Some("systemd".into());
        Host {
            hierarchies: vec![
                hierarchy("/cg/cpuset", &["cpuset"]),
                systemd,
                hierarchy("/cg/cpu,cpuacct", &["cpu", "cpuacct"]),
                hierarchy("/cg/devices", &["devices"]),
                v2,
            ],
            controllers: names.iter().map(controller).collect(),
            cpus: 8,
            ..Host::default()
        }
    }

    fn with(rules: &[(&str, &str)]) -> Container {
        let file: Rc<str> = "foo.conf".into();
        let mut container = Container::lxc_defaults("foo".parse().unwrap());
        for (line, (file_name, value)) in (1..).zip(rules) {
            let origin = Origin::new(&file, line, 0);
            container.cgroup.push(CgroupRule {
                file: file_name.to_string(),
                value: value.to_string(),
                unified: false,
                origin,
            });
        }
        container
    }

    fn plan(rules: &[(&str, &str)], join: &[&str], host: &Host) -> Vec<String> {
        let join: Vec<String> = join.iter().map(|name| name.to_string()).collect();
        let mut steps = Vec::new();
        container(&with(rules), &join, host, &mut steps).unwrap();
        let place = |place| match place {
            Place::Host => "host",
            Place::Parent => "parent",
            Place::Child => "child",
            Place::Late => "late",
        };
        steps.iter().map(|planned| format!("{}: {}", place(planned.place), planned.step)).collect()
    }

    fn refused(file: &str, value: &str) -> String {
        container(&with(&[(file, value)]), &[], &host(), &mut Vec::new()).unwrap_err().to_string()
    }

    #[test]
    fn the_seeds_rules_come_in_file_order_and_devices_last() {
        let rules = [
            ("devices.deny", "a"),
            ("cpuset.cpus", "0,1"),
            ("devices.allow", "c 1:3 rw"),
            ("cpu.shares", "1234"),
        ];
        assert_eq!(
            plan(&rules, &[], &host()),
            [
                "host: make cgroup /cg/cpuset/boardbox/foo (cpuset)",
                "host: make cgroup /cg/cpu,cpuacct/boardbox/foo (cpu,cpuacct)",
                "host: make cgroup /cg/devices/boardbox/foo (devices)",
                "host: write \"0,1\" to /cg/cpuset/boardbox/foo/cpuset.cpus",
                "host: write \"1234\" to /cg/cpu,cpuacct/boardbox/foo/cpu.shares",
                "child: join cgroup /cg/cpuset/boardbox/foo",
                "child: join cgroup /cg/cpu,cpuacct/boardbox/foo",
                "child: join cgroup /cg/devices/boardbox/foo",
                "late: write \"a\" to /cg/devices/boardbox/foo/devices.deny",
                "late: write \"c 1:3 rw\" to /cg/devices/boardbox/foo/devices.allow",
            ]
        );
    }

    #[test]
    fn a_comounted_hierarchy_is_joined_once_and_what_is_not_mounted_is_left_out() {
        assert_eq!(
            plan(&[], &["cpuacct", "cpu", "memory", "blkio", "pids", "systemd", "nonsense"], &host()),
            [
                "host: make cgroup /cg/cpu,cpuacct/boardbox/foo (cpu,cpuacct)",
                "host: make cgroup /cg/unified/boardbox/foo (v2: pids)",
                "child: join cgroup /cg/cpu,cpuacct/boardbox/foo",
                "child: join cgroup /cg/unified/boardbox/foo",
            ]
        );
        assert!(plan(&[], &[], &host()).is_empty());
    }

    #[test]
    fn a_read_only_hierarchy_is_not_joined_and_no_rule_is_written_there() {
        let mut host = host();
        host.hierarchies[0].read_only = true;
        assert!(plan(&[], &["cpuset"], &host).is_empty());
        let error = container(&with(&[("cpuset.cpus", "0")]), &[], &host, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("on /cg/cpuset is mounted read-only"), "{error}");
    }

    #[test]
    fn noprefix_changes_the_file() {
        let mut host = host();
        host.hierarchies[0].noprefix = true;
        let steps = plan(&[("cpuset.cpus", "0,1")], &[], &host);
        assert_eq!(steps[1], "host: write \"0,1\" to /cg/cpuset/boardbox/foo/cpus");
    }

    #[test]
    fn a_rule_that_cannot_be_written_says_where_it_stands_and_why() {
        let front = "foo.conf:1: container \"foo\": cgroup file ";
        assert_eq!(
            refused("blkio.weight", "500"),
            format!(
                "{front}blkio.weight: controller blkio is not mounted (boardbox up mounts it; by hand: mount -t \
                 cgroup -o blkio blkio DIRECTORY)"
            )
        );
        assert_eq!(
            refused("memory.limit_in_bytes", "1M"),
            format!(
                "{front}memory.limit_in_bytes: controller memory is compiled in but disabled (take \
                 cgroup_disable=memory off the kernel's command line, or add cgroup_enable=memory)"
            )
        );
        assert!(
            refused("cpustat.cpus", "0")
                .contains("the kernel has no controller \"cpustat\" (it has cpuset cpu")
        );
        for bad in ["tasks", "cpuset/../../cpuset.cpus", ""] {
            assert!(refused(bad, "0").contains("is not a cgroup file (CONTROLLER.SETTING"), "{bad}");
        }
        assert_eq!(
            refused("cpuset.cpus", "0,8-9"),
            "foo.conf:1: container \"foo\": cpu list \"0,8-9\": there is no cpu 8 (the board has 8 cpus, numbered from 0)"
        );
        let none =
            container(&with(&[("cpu.shares", "1")]), &[], &Host::default(), &mut Vec::new()).unwrap_err();
        assert!(none.to_string().contains("the kernel has no cgroups"), "{none}");
    }

    fn v2_only() -> Host {
        let mut host = host();
        let mut v2 = hierarchy("/cg", &["cpuset", "cpu", "io", "memory", "pids"]);
        v2.version = Version::V2;
        host.hierarchies = vec![v2];
        host.controllers.iter_mut().for_each(|controller| controller.hierarchy = 0);
        host
    }

    #[test]
    fn the_seed_on_v2_says_the_same_in_its_words() {
        let rules = [
            ("cpuset.cpus", "0,1"),
            ("cpu.shares", "1234"),
            ("devices.deny", "a"),
            ("devices.allow", "c 1:3 rw"),
            ("devices.allow", "b 8:0 rw"),
        ];
        let join = ["cpuset", "cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids"];
        assert_eq!(
            plan(&rules, &join, &v2_only()),
            [
                "host: make cgroup /cg/boardbox/foo (v2: cpuset,cpu,memory,io,pids)",
                "host: write \"0,1\" to /cg/boardbox/foo/cpuset.cpus",
                "host: write \"121\" to /cg/boardbox/foo/cpu.weight",
                "child: join cgroup /cg/boardbox/foo",
                "late: attach a device program to /cg/boardbox/foo: deny a, allow c 1:3 rw, allow b 8:0 rw",
            ]
        );
    }

    #[test]
    fn a_rule_said_in_both_words_is_taken_in_the_hosts() {
        let mut container_ = with(&[("cpu.shares", "512"), ("cpu.weight", "77"), ("memory.high", "1M")]);
        container_.cgroup[1].unified = true;
        container_.cgroup[2].unified = true;
        let writes = |host: &Host| {
            let mut steps = Vec::new();
            container(&container_, &[], host, &mut steps).map(|()| {
                steps
                    .iter()
                    .map(|one| one.step.to_string())
                    .filter(|step| step.starts_with("write"))
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            writes(&v2_only()).unwrap(),
            ["write \"77\" to /cg/boardbox/foo/cpu.weight", "write \"1M\" to /cg/boardbox/foo/memory.high"]
        );
        container_.cgroup.pop();
        let mut steps = Vec::new();
        container(&container_, &[], &host(), &mut steps).unwrap();
        assert_eq!(steps[1].step.to_string(), "write \"512\" to /cg/cpu,cpuacct/boardbox/foo/cpu.shares");
        container_.cgroup.remove(0);
        steps.clear();
        container(&container_, &[], &host(), &mut steps).unwrap();
        assert_eq!(steps[1].step.to_string(), "write \"788\" to /cg/cpu,cpuacct/boardbox/foo/cpu.shares");
    }

    #[test]
    fn what_v2_cannot_say_is_refused_with_key_and_reason() {
        let refused = |file: &str, value: &str| {
            container(&with(&[(file, value)]), &[], &v2_only(), &mut Vec::new()).unwrap_err().to_string()
        };
        assert_eq!(
            refused("memory.soft_limit_in_bytes", "1M"),
            "foo.conf:1: container \"foo\": memory.soft_limit_in_bytes on cgroup v2: v2's memory.low protects what is below it, \
             a soft limit reclaims what is above (what comes closest: lxc.cgroup2.memory.low or lxc.cgroup2.memory.high)"
        );
        assert!(refused("devices.allow", "x").contains("type \"x\" is not a, b or c"));
        assert!(refused("devices.list", "a").contains("is not devices.allow or devices.deny"));
    }
}
