//! `start` and `exec`: containers from files, and commands in running ones.

use super::args::Words;
use super::{Exit, Run, board, each, output, own, passed_on};
use crate::apply;
use crate::container::attach::{self, Attach};
use crate::container::launch::{self, Options, Outcome};
use crate::error::{Error, Kind, Result};
use crate::profile::board::DEFAULT_CONTROLLERS;
use crate::profile::container::Personality;
use crate::profile::text::shown;
use crate::profile::value::ContainerName;
use crate::profile::{Container, lxc};
use argh::FromArgs;

/// Starts containers: those named from the board's profile, all of a profile that is named, or the one that an LXC file
/// describes. In the background; the command returns when they run. A command after -- runs instead of the file's:
/// boardbox start foo -- /bin/sh.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Start {
    /// the board's profile (default: the one that up was given, else /etc/boardbox/board.toml)
    #[argh(option, arg_name = "file")]
    profile: Option<String>,
    /// an LXC file instead of a profile
    #[argh(option, short = 'f', arg_name = "lxc-file")]
    file: Option<String>,
    /// with --file: the container's name
    #[argh(option, short = 'n')]
    name: Option<ContainerName>,
    /// with --file: an LXC setting applied after the file, KEY=VALUE; repeatable
    #[argh(option, short = 's', arg_name = "key=value")]
    set: Vec<String>,
    /// in the background, which is the default
    #[argh(switch, short = 'd')]
    detach: bool,
    /// in the foreground: stay until it ends, and end as it did
    #[argh(switch, short = 'F')]
    foreground: bool,
    /// write the monitor's pid to this file
    #[argh(option, short = 'p', arg_name = "file")]
    pidfile: Option<String>,
    /// the containers; a word with a / or .toml at its end is the profile
    #[argh(positional, arg_name = "container")]
    words: Vec<String>,
}

/// Runs a command in a running container: boardbox exec CONTAINER [OPTIONS] [--] [COMMAND...]. Ends as
/// the command did. Without a command it is /bin/sh.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Exec {
    /// an environment variable, NAME=VALUE; repeatable. Nothing is taken over but TERM.
    #[argh(option, short = 'e', arg_name = "name=value")]
    env: Vec<String>,
    /// user id (default: 0)
    #[argh(option, short = 'u')]
    uid: Option<u32>,
    /// group id (default: 0)
    #[argh(option, short = 'g')]
    gid: Option<u32>,
    /// working directory inside (default: /)
    #[argh(option, arg_name = "directory")]
    cwd: Option<String>,
    /// the container
    #[argh(positional, arg_name = "container")]
    name: ContainerName,
}

/// The container of an LXC file.
pub fn from_lxc(file: &str, name: Option<&ContainerName>, settings: &[String]) -> Result<Container> {
    let Some(name) = name else {
        return Err(Error::usage("an LXC file has no name for its container").hint("give it one: -n NAME"));
    };
    lxc::read(file, name, settings)
}

/// What a path on the command line means, for whoever changes directory: a monitor in the background does.
pub fn on_host(path: &str) -> Result<String> {
    let absolute =
        std::path::absolute(path).map_err(|error| Error::io(format!("find {}", shown(path)), &error))?;
    Ok(absolute.to_string_lossy().into_owned())
}

/// Variables as they stand on a command line.
pub fn environment(list: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err(Error::usage(format!("environment variable \"{}\" is not NAME=VALUE", shown(text)))),
    };
    list.iter().map(pair).collect()
}

/// Ends as a container in the foreground did.
pub fn ended(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Started => 0,
        Outcome::Ended(status) => passed_on(status),
    }
}

/// `boardbox start`.
pub fn start(words: &Words) -> Run {
    let args: Start = words.parse()?;
    if args.detach && args.foreground {
        return Err(Error::usage("--detach and --foreground exclude each other").into());
    }
    let mut options = Options {
        detach: !args.foreground,
        pidfile: args.pidfile.as_deref().map(on_host).transpose()?,
        controllers: DEFAULT_CONTROLLERS.map(String::from).to_vec(),
        // A down has listed whom it ends.
        may: Some(apply::board::may_start),
        log: Some(output::log_of),
        ..Options::default()
    };
    let fail = |error: Error| if args.foreground { own(error) } else { Exit::Failed(error) };
    let mut containers = chosen(&args, &mut options).map_err(fail)?;
    if let [container] = containers.as_mut_slice() {
        if !words.command.is_empty() {
            container.command = words.command.clone();
        }
        return launch::start(container, &options).map(ended).map_err(fail);
    }
    let several = if args.foreground {
        "--foreground is for one container"
    } else if args.pidfile.is_some() {
        "--pidfile is for one container"
    } else if !words.command.is_empty() {
        "a command is for one container"
    } else {
        return each(containers.iter(), |container| launch::start(container, &options).map(|_| ()));
    };
    Err(Error::usage(several).into())
}

fn chosen(args: &Start, options: &mut Options) -> Result<Vec<Container>> {
    let (profile, names) = board::operands(args.profile.clone(), args.words.clone())?;
    if let Some(file) = &args.file {
        let name = match (&args.name, names.as_slice()) {
            (Some(name), []) | (None, [name]) => Some(name),
            (None, []) => None,
            _ => return Err(Error::usage("an LXC file describes one container")),
        };
        if profile.is_some() {
            return Err(Error::usage("--profile and --file exclude each other"));
        }
        return from_lxc(file, name, &args.set).map(|container| vec![container]);
    }
    if args.name.is_some() || !args.set.is_empty() {
        return Err(Error::usage("--name and --set go with --file"));
    }
    if names.is_empty() && profile.is_none() {
        return Err(Error::usage("which container?").hint("boardbox start --help"));
    }
    let board = board::current(profile.as_deref())?;
    options.controllers = board.cgroup.controllers.clone();
    let chosen: Vec<Container> = board::chosen(&board, &names)?.into_iter().cloned().collect();
    match chosen.is_empty() {
        true => {
            Err(Error::config("the profile has no containers").tried(board.file.as_deref().unwrap_or("")))
        }
        false => Ok(chosen),
    }
}

/// `boardbox exec`.
pub fn exec(words: &Words) -> Run {
    let args: Exec = words.parse()?;
    let term = std::env::var("TERM").unwrap_or_else(|_| "linux".into());
    let mut variables = vec![("TERM".to_string(), term)];
    variables.extend(environment(&args.env)?);
    let attach = Attach {
        name: args.name,
        command: words.command.clone(),
        namespaces: Vec::new(),
        clear_env: true,
        environment: variables,
        elevated: false,
        remount_proc: false,
        uid: args.uid,
        gid: args.gid,
        cwd: Some(args.cwd.unwrap_or_else(|| "/".into())),
        personality: Personality::Native,
    };
    attach::exec(&attach).map(passed_on).map_err(|error| {
        own(match error.kind {
            Kind::NotRunning => error.hint(format!("start it: boardbox start {}", attach.name)),
            _ => error,
        })
    })
}
