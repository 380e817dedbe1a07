//! `run`: a container from flags alone.

use super::args::Words;
use super::container::{ended, environment, on_host};
use super::{Run, own};
use crate::container::launch::{self, Options};
use crate::error::{Error, Kind, Origin, Result};
use crate::profile::board::DEFAULT_CONTROLLERS;
use crate::profile::container::{Container, CreateTarget, Dev, Mount};
use crate::profile::text::shown;
use crate::profile::toml::STANDARD_DEVICES;
use crate::profile::value::ContainerName;
use crate::profile::{field, fstab};
use argh::FromArgs;

/// Runs a command in a container of its own, in the foreground, and ends as it did:
/// boardbox run [OPTIONS] [--] COMMAND... What is not said is as a profile's defaults have it: the usual capabilities,
/// a /dev, /proc and /sys of its own, a network namespace with nothing but lo.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Flags {
    /// the root file system, a directory; without one the command sees the host's files
    #[argh(option, short = 'r', arg_name = "directory")]
    rootfs: Option<String>,
    /// mount the root file system read-only
    #[argh(switch)]
    readonly: bool,
    /// namespaces and the root file system only, as an LXC file that says no more: no /dev, /proc and /sys of its own, all
    /// capabilities, all devices
    #[argh(switch)]
    plain: bool,
    /// the container's name (default: run- and a number)
    #[argh(option, short = 'n')]
    name: Option<ContainerName>,
    /// host name inside (default: the container's name)
    #[argh(option)]
    hostname: Option<String>,
    /// cgroup controllers to join where the host has them, separated by commas; '' for none (default: cpuset, cpu,
    /// cpuacct, memory, devices, freezer, blkio, pids)
    #[argh(option, short = 'c', arg_name = "list")]
    controllers: Option<String>,
    /// cpus to run on: 0-3,5 (default: all)
    #[argh(option, arg_name = "list")]
    cpus: Option<String>,
    /// weight against other containers' when cpus are short, 2 to 262144 (default: 1024)
    #[argh(option, arg_name = "weight")]
    cpu_shares: Option<String>,
    /// memory limit in bytes, or with K, M, G (default: none)
    #[argh(option, short = 'm', arg_name = "bytes")]
    memory: Option<String>,
    /// devices it may use: standard (null, zero, full, random, urandom, ttys) or all (default: standard; all without
    /// the devices controller)
    #[argh(option, arg_name = "which")]
    devices: Option<String>,
    /// mount a file or directory of the host inside; :ro makes it read-only; repeatable
    #[argh(option, short = 'b', arg_name = "source:target[:ro]")]
    bind: Vec<String>,
    /// an empty file system in memory, with mount options after a colon: /tmp:size=1M; repeatable
    #[argh(option, arg_name = "target[:options]")]
    tmpfs: Vec<String>,
    /// none (lo only) or host (default: none)
    #[argh(option, arg_name = "which")]
    network: Option<String>,
    /// working directory inside (default: /)
    #[argh(option, arg_name = "directory")]
    cwd: Option<String>,
    /// an environment variable, NAME=VALUE; repeatable
    #[argh(option, short = 'e', arg_name = "name=value")]
    env: Vec<String>,
    /// user id (default: 0)
    #[argh(option, short = 'u', default = "0")]
    uid: u32,
    /// group id (default: 0)
    #[argh(option, short = 'g', default = "0")]
    gid: u32,
    /// a small init is pid 1, reaps and passes signals on; the command is pid 2
    #[argh(switch)]
    init: bool,
    /// write the monitor's pid to this file
    #[argh(option, short = 'p', arg_name = "file")]
    pidfile: Option<String>,
}

/// `boardbox run`.
pub fn run(words: &Words) -> Run {
    let flags: Flags = words.parse()?;
    if words.command.is_empty() {
        return Err(Error::usage("run what?").hint("boardbox run [OPTIONS] [--] COMMAND...").into());
    }
    let controllers = controllers(&flags);
    // A value that is wrong here was written on the command line.
    let container =
        container(&flags, &controllers, &words.command).map_err(|error| error.kind(Kind::Usage))?;
    let options = Options {
        detach: false,
        pidfile: flags.pidfile.clone(),
        init: flags.init,
        controllers,
        may: None,
        log: None,
    };
    launch::start(&container, &options).map(ended).map_err(own)
}

fn controllers(flags: &Flags) -> Vec<String> {
    match flags.controllers.as_deref() {
        None => DEFAULT_CONTROLLERS.map(String::from).to_vec(),
        Some(list) => {
            list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(String::from).collect()
        }
    }
}

/// The model that the flags stand for.
fn container(flags: &Flags, controllers: &[String], command: &[String]) -> Result<Container> {
    let name = match &flags.name {
        Some(name) => name.clone(),
        None => format!("run-{}", std::process::id()).parse()?,
    };
    let mut container = match flags.plain {
        true => Container::lxc_defaults(name),
        false => Container::toml_defaults(name),
    };
    container.command = command.to_vec();
    container.environment = environment(&flags.env)?;
    (container.uid, container.gid) = (flags.uid, flags.gid);
    container.cwd = flags.cwd.as_deref().map(field::absolute).transpose()?;
    if let Some(hostname) = &flags.hostname {
        container.hostname = Some(field::hostname(hostname)?);
    }
    match &flags.rootfs {
        Some(rootfs) => container.rootfs = Some(on_host(rootfs)?),
        None if flags.readonly => return Err(Error::usage("--readonly goes with --rootfs")),
        None => {
            // The host's own /dev and /sys are there already.
            container.dev = Dev::Rootfs;
            container.pts = false;
            container.auto_mounts.sys = None;
        }
    }
    container.rootfs_read_only = flags.readonly;
    container.own_network = match flags.network.as_deref() {
        None | Some("none") => true,
        Some("host") => false,
        Some(other) => {
            return Err(Error::usage(format!("--network {}: neither none nor host", shown(other))));
        }
    };
    for bind in &flags.bind {
        container.mounts.push(self::bind(bind)?);
    }
    for tmpfs in &flags.tmpfs {
        let (target, options) = tmpfs.split_once(':').unwrap_or((tmpfs, "defaults"));
        container.mounts.push(mount("tmpfs", target, &format!("- - tmpfs {options},create=dir"))?);
    }
    for (file, value) in [
        ("cpuset.cpus", &flags.cpus),
        ("cpu.shares", &flags.cpu_shares),
        ("memory.limit_in_bytes", &flags.memory),
    ] {
        if let Some(value) = value {
            container.cgroup.push(field::cgroup_rule(file, value, &Origin::default())?);
        }
    }
    let standard = match flags.devices.as_deref() {
        None => !flags.plain && controllers.iter().any(|name| name == "devices"),
        Some("standard") => true,
        Some("all") => false,
        Some(other) => {
            return Err(Error::usage(format!("--devices {}: neither standard nor all", shown(other))));
        }
    };
    if standard {
        let rules = [("devices.deny", "a")];
        for (file, rule) in rules.into_iter().chain(STANDARD_DEVICES.map(|rule| ("devices.allow", rule))) {
            container.cgroup.push(field::cgroup_rule(file, rule, &Origin::default())?);
        }
    }
    Ok(container)
}

/// A mount whose target is a path inside, with the options of an fstab line.
fn mount(source: &str, target: &str, line: &str) -> Result<Mount> {
    let inside = target.trim_start_matches('/');
    if inside.is_empty() {
        return Err(Error::usage(format!("mount target \"{}\" is not a path inside", shown(target))));
    }
    let mount = fstab::parse_entry(line, &Origin::default())?;
    Ok(Mount { source: source.into(), target: inside.into(), ..mount })
}

fn bind(text: &str) -> Result<Mount> {
    let (paths, options) = match text.strip_suffix(":ro") {
        Some(paths) => (paths, "bind,ro"),
        None => (text, "bind"),
    };
    let Some((source, target)) = paths.split_once(':').filter(|(source, _)| !source.is_empty()) else {
        return Err(Error::usage(format!("--bind {}: not SOURCE:TARGET[:ro]", shown(text))));
    };
    let source = on_host(source)?;
    let mut mount = mount(&source, target, &format!("- - none {options}"))?;
    // What the target has to be, its source says; a source that is missing is the mount's error to tell.
    mount.create = match std::fs::metadata(&source) {
        Ok(there) if there.is_dir() => Some(CreateTarget::Dir),
        _ => Some(CreateTarget::File),
    };
    Ok(mount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Common;
    use crate::profile::container::AutoMounts;
    use crate::profile::value::Capabilities;

    fn model(words: &[&str]) -> Result<Container> {
        let words = Words::split("run", words, Some(0), &mut Common::default());
        let args: Vec<&str> = words.args.iter().map(String::as_str).collect();
        let flags =
            Flags::from_args(&["boardbox", "run"], &args).map_err(|exit| Error::usage(exit.output))?;
        container(&flags, &controllers(&flags), &words.command)
    }

    fn rules(container: &Container) -> Vec<String> {
        container.cgroup.iter().map(|rule| format!("{} {}", rule.file, rule.value)).collect()
    }

    #[test]
    fn without_flags_it_is_a_profiles_default_on_the_hosts_files() {
        let container = model(&["true", "--rootfs", "x"]).unwrap();
        assert_eq!(container.command, ["true", "--rootfs", "x"]);
        assert_eq!(container.name.as_str(), format!("run-{}", std::process::id()));
        assert_eq!(container.hostname.as_deref(), Some(container.name.as_str()));
        assert!(container.own_network && container.network.is_empty() && container.rootfs.is_none());
        assert_eq!((container.dev, container.pts), (Dev::Rootfs, false));
        assert!(matches!(container.capabilities, Capabilities::Keep(_)));
        let rules = rules(&container);
        assert_eq!((rules[0].as_str(), rules.len()), ("devices.deny a", STANDARD_DEVICES.len() + 1));
    }

    #[test]
    fn flags_say_what_differs() {
        let container = model(&[
            "--rootfs=/r",
            "--readonly",
            "-nfoo",
            "--hostname",
            "h",
            "--cpus",
            "0-1",
            "--cpu-shares=512",
            "-m64M",
            "--devices=all",
            "-b/tmp:/data:ro",
            "--bind",
            "/dev/null:x",
            "--tmpfs=/tmp:size=1M,nosuid",
            "--network=host",
            "--cwd=/tmp",
            "-eA=B=C",
            "-u1",
            "-g",
            "2",
            "--",
            "sh",
            "-c",
            "x",
        ])
        .unwrap();
        let mut expected = Container::toml_defaults("foo".parse().unwrap());
        expected.hostname = Some("h".into());
        expected.rootfs = Some("/r".into());
        expected.rootfs_read_only = true;
        expected.command = ["sh", "-c", "x"].map(String::from).to_vec();
        expected.environment = vec![("A".into(), "B=C".into())];
        expected.cwd = Some("/tmp".into());
        (expected.uid, expected.gid, expected.own_network) = (1, 2, false);
        expected.mounts = [
            "/tmp data none bind,ro,create=dir",
            "/dev/null x none bind,create=file",
            "tmpfs tmp tmpfs size=1M,nosuid,create=dir",
        ]
        .iter()
        .map(|line| fstab::parse_entry(line, &Origin::default()).unwrap())
        .collect();
        expected.cgroup = container.cgroup.clone();
        assert_eq!(container, expected);
        assert_eq!(rules(&container), ["cpuset.cpus 0-1", "cpu.shares 512", "memory.limit_in_bytes 64M"]);
        assert_ne!(container.auto_mounts, AutoMounts::default());
    }

    #[test]
    fn controllers_are_a_list_or_none() {
        let list = |words: &[&str]| {
            let flags = Flags::from_args(&["boardbox", "run"], words).unwrap();
            controllers(&flags).join(" ")
        };
        assert_eq!(list(&[]), DEFAULT_CONTROLLERS.join(" "));
        assert_eq!(list(&["--controllers", ""]), "");
        assert_eq!(list(&["-c", "cpu, memory"]), "cpu memory");
        // Without the devices controller there is nothing to hold a container to.
        assert!(model(&["-c", "cpu", "true"]).unwrap().cgroup.is_empty());
        assert!(!model(&["-c", "", "--devices=standard", "true"]).unwrap().cgroup.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_flag_is_said() {
        for (words, why) in [
            (&["--cpus=0-x", "true"][..], "is not a cpu or a range of cpus"),
            (&["--network=br0", "true"], "--network br0: neither none nor host"),
            (&["--devices=some", "true"], "--devices some: neither standard nor all"),
            (&["--bind=/lib", "true"], "--bind /lib: not SOURCE:TARGET[:ro]"),
            (&["--bind=:/x", "true"], "not SOURCE:TARGET[:ro]"),
            (&["--bind=/lib:/", "true"], "mount target \"/\" is not a path inside"),
            (&["--readonly", "true"], "--readonly goes with --rootfs"),
            (&["--env=A", "true"], "environment variable \"A\" is not NAME=VALUE"),
            (&["--cwd=tmp", "true"], "path \"tmp\" is not absolute"),
            (&["--hostname=a b", "true"], "host name \"a b\" holds ' '"),
            (&["--uid=x", "true"], "--uid"),
        ] {
            let error = model(words).unwrap_err().to_string();
            assert!(error.contains(why), "{words:?}: {error}");
        }
    }
}
