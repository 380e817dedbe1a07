//! The command lines: boardbox's own commands, and the lxc-* programs by their names.

mod apply;
mod args;
mod board;
#[cfg(feature = "workbench")]
mod check;
mod container;
mod control;
#[cfg(feature = "workbench")]
mod convert;
mod drift;
mod getopt;
#[cfg(feature = "workbench")]
mod image;
mod json;
mod lxc;
mod output;
mod probe;
mod run;
mod up;

use crate::container::own_init;
use crate::error::{Error, Kind, Result};
use crate::profile::text::{nearest, shown};
use crate::sys::entry;
use args::{Common, Words};
use output::print;

/// How a command ends early.
enum Exit {
    /// With this code; everything there is to say has been said.
    Code(u8),
    /// With an error and its own code.
    Failed(Error),
    /// With an error, in a command whose code is otherwise its container's: 255, so that the two are told apart.
    Own(Error),
}

impl From<Error> for Exit {
    fn from(error: Error) -> Self {
        Exit::Failed(error)
    }
}

/// What a command returns: its exit code.
type Run = std::result::Result<u8, Exit>;

/// For commands whose code is a container's: their own failures are 255, mistakes on the command line stay 1.
fn own(error: Error) -> Exit {
    match error.kind {
        Kind::Usage => Exit::Failed(error),
        _ => Exit::Own(error),
    }
}

/// The exit code of whoever passes on how a command ended: its own, or 128 and the signal's number.
fn passed_on(status: i32) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let status = std::process::ExitStatus::from_raw(status);
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255)
}

/// One of boardbox's commands.
struct Command {
    name: &'static str,
    /// A line for the list of commands.
    about: &'static str,
    /// How many operands there are before the command to run inside, which is taken as it is; `None`: only after `--`.
    operands: Option<usize>,
    run: fn(&Words) -> Run,
}

impl Command {
    const fn new(name: &'static str, about: &'static str, run: fn(&Words) -> Run) -> Self {
        Self { name, about, operands: None, run }
    }

    /// A command that runs a command, which begins after so many operands.
    const fn inside(mut self, operands: usize) -> Self {
        self.operands = Some(operands);
        self
    }
}

const COMMANDS: &[Command] = &[
    Command::new("up", "bring the board up: hierarchies, bridges, containers", up::up),
    Command::new("down", "stop the board's containers and take back what up made", up::down),
    Command::new("apply", "give running containers the cgroup settings their profile has now", apply::apply),
    Command::new("plan", "print the steps that up and start would take", board::plan),
    #[cfg(feature = "workbench")]
    Command::new("check", "tell what is wrong with profiles, on any machine", check::check),
    Command::new("status", "how the board stands to its profile", board::status),
    #[cfg(feature = "workbench")]
    Command::new("convert", "LXC files and cgconfig.conf to a profile, and back", convert::convert),
    #[cfg(feature = "workbench")]
    Command::new("image", "write an initramfs or a tree from overlays and a profile", image::image),
    Command::new("probe", "find out whether the switch next to a link reflects frames", probe::probe),
    Command::new("start", "start containers from a profile or an LXC file", container::start),
    Command::new("restart", "stop containers of the profile and start them again", up::restart),
    Command::new("run", "run a command in a container of its own", run::run).inside(0),
    Command::new("exec", "run a command in a running container", container::exec).inside(1),
    Command::new("stop", "stop containers", control::stop),
    Command::new("kill", "send a container's first process a signal", control::kill),
    Command::new("freeze", "freeze containers", control::freeze),
    Command::new("unfreeze", "thaw containers", control::unfreeze),
    Command::new("wait", "wait until a container is in a state", control::wait),
    Command::new("info", "print a container's state and pids", control::info),
    Command::new("cgroup", "read or write one of a container's cgroup files", control::cgroup),
    Command::new("ps", "list the running containers", control::ps),
];

/// The short usage, with every command.
fn usage() -> String {
    let mut text = String::from(
        "usage: boardbox COMMAND [OPTIONS]   (or one of LXC's names: boardbox lxc-start ..., or a link of that name)\n\n",
    );
    for command in COMMANDS {
        text.push_str(&format!("  {:9} {}\n", command.name, command.about));
    }
    text.push_str(
        "\nEvery command has --help, -v (tell each step), -q (errors only). boardbox --version prints the version.\n",
    );
    text
}

/// Runs the command line; the exit code is the process's.
pub fn main() -> u8 {
    let mut words = Vec::new();
    for (number, word) in entry::words().into_iter().enumerate() {
        match word.into_string() {
            Ok(word) => words.push(word),
            Err(word) => {
                let word = word.to_string_lossy();
                let error = Error::usage(format!("argument {number}, \"{}\", is not UTF-8", shown(&word)));
                return finish(Err(error.into()));
            }
        }
    }
    if words.first().is_some_and(|name| name == own_init::NAME) {
        return own_init::main(words.get(1..).unwrap_or_default());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (name, rest) = words.split_first().map_or(("boardbox", [].as_slice()), |(name, rest)| (*name, rest));
    let name = name.rsplit('/').next().unwrap_or(name);
    match rest.split_first() {
        _ if name.starts_with("lxc-") => finish(lxc::main(name, rest)),
        Some((first, rest)) if first.starts_with("lxc-") => finish(lxc::main(first, rest)),
        _ => finish(boardbox(rest)),
    }
}

/// Does the same for several things, one failure not keeping it from the others: each is told, the first one's code is
/// the command's.
fn each<T>(things: impl Iterator<Item = T>, mut act: impl FnMut(T) -> Result<()>) -> Run {
    let mut code = 0;
    for thing in things {
        if let Err(error) = act(thing) {
            output::complain(&error);
            if code == 0 {
                code = error.kind.exit_code();
            }
        }
    }
    Ok(code)
}

fn finish(run: Run) -> u8 {
    match run {
        Ok(code) | Err(Exit::Code(code)) => code,
        Err(Exit::Failed(error)) => {
            output::complain(&error);
            error.kind.exit_code()
        }
        Err(Exit::Own(error)) => {
            output::complain(&error);
            255
        }
    }
}

fn boardbox(words: &[&str]) -> Run {
    // What stands before the command belongs to every command.
    let at = words.iter().position(|word| !word.starts_with('-')).unwrap_or(words.len());
    let (before, rest) = words.split_at(at);
    let mut common = Common::default();
    let before = Words::split("", before, None, &mut common);
    let help = match before.args.first().map(String::as_str) {
        None => false,
        Some("--help" | "-h") => true,
        Some(option) => {
            return Err(Error::usage(format!("unknown option {}", shown(option)))
                .hint("boardbox --help; a command's options come after its name")
                .into());
        }
    };
    let (name, rest) = match (rest.split_first(), help) {
        (Some((&"help", [])), _) | (None, true) => {
            print(format_args!("{}", usage()))?;
            return Ok(0);
        }
        _ if common.version => return version("boardbox"),
        (None, false) => {
            print(format_args!("{}", usage()))?;
            return Ok(1);
        }
        (Some((&"help", rest)), _) => (rest.first().copied().unwrap_or(""), ["--help"].as_slice()),
        (Some((name, _)), true) => (*name, ["--help"].as_slice()),
        (Some((name, rest)), false) => (*name, rest),
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        let error = Error::usage(format!("there is no command \"{}\"", shown(name)));
        if cfg!(not(feature = "workbench")) && matches!(name, "check" | "convert" | "image") {
            return Err(error
                .hint("this file is a board's: a build machine's has it, boardbox-x86_64 or boardbox-aarch64")
                .into());
        }
        return Err(match nearest(name, COMMANDS.iter().map(|command| command.name)) {
            Some(near) => error.hint(format!("did you mean boardbox {near}?")),
            None => error.hint("boardbox without arguments lists the commands"),
        }
        .into());
    };
    let words = Words::split(command.name, rest, command.operands, &mut common);
    if common.version {
        return version("boardbox");
    }
    output::start_log(common.verbose, common.quiet);
    (command.run)(&words)
}

fn version(program: &str) -> Run {
    print(format_args!("{program} {}\n", env!("CARGO_PKG_VERSION")))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_end_is_passed_on_as_a_shell_does() {
        assert_eq!([0, 7 << 8, 255 << 8].map(passed_on), [0, 7, 255]);
        assert_eq!([libc::SIGKILL, libc::SIGTERM | 0x80].map(passed_on), [137, 143]);
    }

    #[test]
    fn their_own_failures_are_told_apart_from_a_containers() {
        assert!(matches!(own(Error::host("x")), Exit::Own(_)));
        assert!(matches!(own(Error::usage("x")), Exit::Failed(_)));
    }

    #[test]
    fn one_failure_does_not_keep_the_others_from_being_done() {
        let mut done = Vec::new();
        let run = each([0, 1, 2, 3].into_iter(), |n| {
            done.push(n);
            match n {
                1 => Err(Error::new(Kind::Taken, "one")),
                2 => Err(Error::new(Kind::NotRunning, "two")),
                _ => Ok(()),
            }
        });
        assert!(matches!(run, Ok(5)));
        assert_eq!(done, [0, 1, 2, 3]);
    }
}
