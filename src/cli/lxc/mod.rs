//! LXC's programs by their names: 0.9.0's options, those added since, its exit codes.

mod attach;
mod checkconfig;
mod control;
mod info;
mod start;

use super::args::is_signal;
use super::getopt::{self, Given, Opt, Value};
use super::output::{self, print};
use super::{Exit, Run, version};
use crate::error::{Error, Kind, Result};
use crate::profile::field;
use crate::profile::text::{nearest, shown};
use crate::profile::value::ContainerName;
use log::LevelFilter;

/// Where LXC has its containers.
const DEFAULT_PATH: &str = "/var/lib/lxc";

/// One of the programs.
struct Applet {
    name: &'static str,
    /// What follows the name in the usage line.
    usage: &'static str,
    about: &'static str,
    options: &'static [Opt],
    run: fn(Call<'_>) -> Run,
}

/// A call of one of them, its common options understood.
struct Call<'a> {
    given: Given<'a>,
    /// The container.
    name: ContainerName,
    /// `-P`.
    path: &'a str,
}

impl Call<'_> {
    /// Refuses options that are LXC's, but that nothing stands behind here.
    fn refuse(&self, options: &[&str]) -> Result<()> {
        match options.iter().find(|long| self.given.has(long)) {
            Some(long) => Err(Error::host(format!("option --{long} is not supported yet"))),
            None => Ok(()),
        }
    }

    /// Refuses operands beyond the first `most`.
    fn operands(&self, most: usize) -> Result<()> {
        match self.given.operands.get(most) {
            Some(word) => Err(Error::usage(format!("\"{}\" has no meaning here", shown(word)))),
            None => Ok(()),
        }
    }

    /// Says how to start what does not run.
    fn hint(&self, error: Error) -> Error {
        match error.kind {
            Kind::NotRunning => error.hint(format!("start it: lxc-start -n {}", self.name)),
            _ => error,
        }
    }
}

const fn flag(short: char, long: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: Value::No, help }
}

const fn with(short: char, long: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: Value::Needs(value), help }
}

const COMMON: [Opt; 10] = [
    with('n', "name", "NAME", "the container; may also be the first operand"),
    with('P', "lxcpath", "PATH", "where containers are: PATH/NAME/config (default: /var/lib/lxc)"),
    with('o', "logfile", "FILE", "append the log to FILE instead of standard error, which has errors only"),
    with('l', "logpriority", "LEVEL", "trace debug info notice warn error crit alert fatal (default: warn)"),
    flag('q', "quiet", "nothing on standard error"),
    flag('h', "help", "print this"),
    flag('?', "help", ""),
    flag('\0', "usage", "print the usage line"),
    flag('\0', "version", "print the version"),
    with('f', "rcfile", "FILE", "taken by all programs; only the starting ones read it"),
];

const APPLETS: [Applet; 10] = [
    start::START,
    start::EXECUTE,
    attach::ATTACH,
    control::STOP,
    control::KILL,
    control::FREEZE,
    control::UNFREEZE,
    control::WAIT,
    info::INFO,
    control::CGROUP,
];

/// LXC's programs that are still to come.
const LATER: [&str; 9] = [
    "lxc-ls",
    "lxc-monitor",
    "lxc-console",
    "lxc-ps",
    "lxc-netstat",
    "lxc-top",
    "lxc-unshare",
    "lxc-autostart",
    "lxc-shutdown",
];

/// Runs the program `name`.
pub fn main(name: &str, words: &[&str]) -> Run {
    output::call(name);
    match call(name, words) {
        // Their own failures are 255, but for the command line's.
        Err(Exit::Failed(error)) => Err(super::own(error)),
        other => other,
    }
}

fn call(name: &str, words: &[&str]) -> Run {
    if name == "lxc-checkconfig" {
        return checkconfig::run(words);
    }
    let Some(applet) = APPLETS.iter().find(|applet| applet.name == name) else {
        if LATER.contains(&name) {
            return Err(Error::host("is not supported yet").into());
        }
        let names = APPLETS.iter().map(|applet| applet.name);
        let error = Error::usage(format!("there is no program \"{}\"", shown(name)));
        return Err(match nearest(name, names) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error,
        }
        .into());
    };
    let mut known = applet.options.to_vec();
    // A program's own -f comes before the common one.
    known.extend(COMMON.iter().filter(|option| applet.options.iter().all(|own| own.long != option.long)));
    let words: Vec<&str> = match applet.name {
        // As kill(1) has it: lxc-kill -n foo -9.
        "lxc-kill" => words
            .iter()
            .map(|word| word.strip_prefix('-').filter(|_| is_signal(word)).unwrap_or(word))
            .collect(),
        _ => words.to_vec(),
    };
    let usage = format!("usage: {name} {}", applet.usage);
    let mut given = getopt::parse(&words, &known).map_err(|error| error.hint(format!("{name} --help")))?;
    if given.has("help") {
        known.retain(|option| !option.help.is_empty());
        print(format_args!("{usage}\n\n{}\n\n{}", applet.about, getopt::help(&known)))?;
        return Ok(0);
    }
    if given.has("usage") {
        print(format_args!("{usage}\n"))?;
        return Ok(0);
    }
    if given.has("version") {
        return version(name);
    }
    let level = match given.value("logpriority") {
        None => LevelFilter::Warn,
        Some(level) => field::log_level(level).map_err(|error| error.kind(Kind::Usage))?,
    };
    output::start_lxc_log(level, given.has("quiet"), given.value("logfile"))?;
    let named = match given.value("name") {
        Some(named) => named,
        None if given.operands.is_empty() => {
            return Err(Error::usage("which container?").hint("-n NAME").into());
        }
        None => given.operands.remove(0),
    };
    let container = named.parse().map_err(|error: Error| error.kind(Kind::Usage))?;
    let path = given.value("lxcpath").unwrap_or(DEFAULT_PATH);
    (applet.run)(Call { given, name: container, path })
}
