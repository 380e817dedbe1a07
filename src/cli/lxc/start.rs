//! lxc-start and lxc-execute.

use super::{Applet, Call, flag, with};
use crate::apply;
use crate::cli::Run;
use crate::cli::container::{ended, on_host};
use crate::cli::getopt::Opt;
use crate::cli::output;
use crate::container::launch::{self, Options};
use crate::error::{Error, Kind, Result};
use crate::profile::board::DEFAULT_CONTROLLERS;
use crate::profile::container::Console;
use crate::profile::{Container, field, lxc};

const RCFILE: Opt = with('f', "rcfile", "FILE", "the container's configuration (default: PATH/NAME/config)");
const DEFINE: Opt = with('s', "define", "KEY=VALUE", "a setting applied after the file; repeatable");
const DAEMON: Opt = flag('d', "daemon", "in the background; returns when the container runs");

pub const START: Applet = Applet {
    name: "lxc-start",
    usage: "-n NAME [OPTIONS] [-- COMMAND...]",
    about: "Starts a container, in the foreground unless -d. Without a command it runs /sbin/init.",
    options: &[
        DAEMON,
        flag('F', "foreground", "in the foreground, the default"),
        RCFILE,
        DEFINE,
        with('p', "pidfile", "FILE", "write the monitor's pid to FILE"),
        with('c', "console", "FILE", "append the console's output to FILE; none: no console"),
        with('L', "console-log", "FILE", "append the console's output to FILE"),
        flag('C', "close-all-fds", "nothing is inherited in any case"),
        with('\0', "share-net", "NAME", "not supported yet"),
        with('\0', "share-ipc", "NAME", "not supported yet"),
        with('\0', "share-uts", "NAME", "not supported yet"),
        with('\0', "share-pid", "NAME", "not supported yet"),
    ],
    run: start,
};

pub const EXECUTE: Applet = Applet {
    name: "lxc-execute",
    usage: "-n NAME [OPTIONS] [-- COMMAND...]",
    about: "Runs a command in a container of its own: a small init is pid 1, the command is pid 2. Without one it is\nlxc.execute.cmd.",
    options: &[
        DAEMON,
        RCFILE,
        DEFINE,
        with('u', "uid", "UID", "run the command as this user id"),
        with('g', "gid", "GID", "run the command with this group id"),
    ],
    run: execute,
};

/// The container, and whether there is a file that describes it.
fn configuration(call: &Call<'_>) -> Result<(Container, bool)> {
    let settings: Vec<String> = call.given.values("define").map(String::from).collect();
    let path = match call.given.value("rcfile") {
        Some(path) => Some(path.to_string()),
        None => {
            let path = format!("{}/{}/config", call.path, call.name);
            std::fs::exists(&path).unwrap_or(false).then_some(path)
        }
    };
    let mut container = lxc::read(path.as_deref().unwrap_or("/dev/null"), &call.name, &settings)?;
    // The command line has the say.
    if call.given.has("logfile") {
        container.log_file = None;
    }
    if call.given.has("logpriority") {
        container.log_level = None;
    }
    Ok((container, path.is_some()))
}

fn options(call: &Call<'_>) -> Result<Options> {
    Ok(Options {
        detach: call.given.last(&["daemon", "foreground"]) == Some("daemon"),
        pidfile: call.given.value("pidfile").map(on_host).transpose()?,
        init: false,
        controllers: DEFAULT_CONTROLLERS.map(String::from).to_vec(),
        may: Some(apply::board::may_start),
        log: Some(output::log_of),
    })
}

fn start(call: Call<'_>) -> Run {
    call.refuse(&["share-net", "share-ipc", "share-uts", "share-pid"])?;
    let (mut container, configured) = configuration(&call)?;
    if !call.given.operands.is_empty() {
        container.command = call.given.operands.iter().map(|word| word.to_string()).collect();
    }
    if !configured
        && container.rootfs.is_none()
        && matches!(container.command.as_slice(), [] | [_])
        && container.command.first().is_none_or(|command| command == "/sbin/init")
    {
        return Err(Error::config("the host's own /sbin/init would run a second time")
            .tried(format!("container \"{}\" has no configuration", call.name))
            .hint(format!("give it one by -f, or in {}/{}/config, or a command", call.path, call.name))
            .into());
    }
    for console in ["console", "console-log"] {
        match call.given.value(console) {
            None => {}
            Some("none") if console == "console" => container.console = Console::None,
            Some(path) => container.console = Console::Path(on_host(path)?),
        }
    }
    Ok(ended(launch::start(&container, &options(&call)?)?))
}

fn execute(call: Call<'_>) -> Run {
    let (mut container, _) = configuration(&call)?;
    container.command = match call.given.operands.as_slice() {
        [] if container.execute_command.is_empty() => {
            return Err(Error::usage("execute what?").hint("lxc-execute -n NAME -- COMMAND...").into());
        }
        [] => container.execute_command.clone(),
        words => words.iter().map(|word| word.to_string()).collect(),
    };
    let id = |long| {
        let id = call.given.value(long).map(|id| field::number(id, 0, u32::MAX - 1)).transpose();
        id.map_err(|error| error.kind(Kind::Usage).tried(format!("--{long}")))
    };
    container.uid = id("uid")?.unwrap_or(container.uid);
    container.gid = id("gid")?.unwrap_or(container.gid);
    Ok(ended(launch::start(&container, &Options { init: true, ..options(&call)? })?))
}
