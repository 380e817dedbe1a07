//! lxc-stop, lxc-kill, lxc-freeze, lxc-unfreeze, lxc-wait, lxc-cgroup.

use super::{Applet, Call, flag, with};
use crate::cli::control::{freeze_whole, print_value, states};
use crate::cli::output::{complain, note};
use crate::cli::{Exit, Run};
use crate::container::client::{self, PROMPT};
use crate::container::control::{NEVER, Reply, Request, Settings};
use crate::container::stale;
use crate::error::{Error, Kind, Result};
use crate::profile::text::shown;
use crate::profile::value::Signal;
use std::time::Duration;

pub const STOP: Applet = Applet {
    name: "lxc-stop",
    usage: "-n NAME [OPTIONS]",
    about: "Stops a container: its stop signal, then SIGKILL. Exit code 2 when it does not run.",
    options: &[
        flag('k', "kill", "kill it at once"),
        with('t', "timeout", "SECONDS", "until SIGKILL (default: 60)"),
        flag('W', "nowait", "do not wait until it has stopped"),
        flag('\0', "nokill", "no SIGKILL when the time is over"),
        flag('\0', "nolock", "there is no such lock"),
        flag('r', "reboot", "not supported yet"),
    ],
    run: stop,
};

pub const KILL: Applet = Applet {
    name: "lxc-kill",
    usage: "-n NAME [SIGNAL]",
    about: "Sends a signal, SIGKILL without one, to the container's first process: a number or a name.",
    options: &[],
    run: kill,
};

pub const FREEZE: Applet = Applet {
    name: "lxc-freeze",
    usage: "-n NAME",
    about: "Freezes a container: none of its processes runs until it is thawed.",
    options: &[],
    run: freeze,
};

pub const UNFREEZE: Applet = Applet {
    name: "lxc-unfreeze",
    usage: "-n NAME",
    about: "Thaws a frozen container.",
    options: &[],
    run: unfreeze,
};

pub const WAIT: Applet = Applet {
    name: "lxc-wait",
    usage: "-n NAME -s STATES [-t SECONDS]",
    about: "Waits until a container is in one of some states. Exit code 1 when the time is over.",
    options: &[
        with('s', "state", "STATES", "by '|': STOPPED STARTING RUNNING STOPPING ABORTING FREEZING FROZEN"),
        with('t', "timeout", "SECONDS", "to wait at most (default: for ever)"),
    ],
    run: wait,
};

pub const CGROUP: Applet = Applet {
    name: "lxc-cgroup",
    usage: "-n NAME FILE [VALUE]",
    about: "Prints one of a container's cgroup files, or writes VALUE to it: lxc-cgroup -n foo cpuset.cpus 0-1",
    options: &[],
    run: cgroup,
};

fn ask(call: &Call<'_>, request: &Request<'_>, timeout: Duration) -> Result<client::Answer> {
    let answer = client::request(&call.name, request, Some(timeout)).map_err(|error| call.hint(error))?;
    if let Reply::DoneBut { note: text } | Reply::Ended { note: text, .. } = answer.reply() {
        note(&call.name, text);
    }
    Ok(answer)
}

/// The seconds of an option; below zero, as LXC has it, is for ever.
fn seconds(call: &Call<'_>, long: &str) -> Result<Option<i64>> {
    let number = |text: &str| {
        text.parse::<i64>().map_err(|_| Error::usage(format!("--{long} {}: not seconds", shown(text))))
    };
    call.given.value(long).map(number).transpose()
}

/// The longest time the monitor can be asked for, seven weeks.
const FOR_EVER: Duration = Duration::from_millis(NEVER as u64 - 1);

fn stop(call: Call<'_>) -> Run {
    call.refuse(&["reboot"])?;
    call.operands(0)?;
    let has = |long| call.given.has(long);
    let timeout = match seconds(&call, "timeout")?.unwrap_or(60) {
        _ if has("kill") => Duration::ZERO,
        seconds => u64::try_from(seconds).map_or(FOR_EVER, Duration::from_secs).min(FOR_EVER),
    };
    // Without waiting nobody is there to kill it when the time is over: LXC leaves it at the signal, and so does no time at all.
    let nowait = has("nowait") || timeout.is_zero() && !has("kill");
    let nokill = (has("nokill") || nowait) && !has("kill");
    let patience = match (nowait, nokill) {
        (true, _) => Duration::ZERO,
        (false, true) => timeout,
        // What the kernel may take for the end, and the monitor for clearing up.
        (false, false) => timeout + Duration::from_secs(60),
    };
    let timeout_ms = if nokill { NEVER } else { timeout.as_millis() as u32 };
    match ask(&call, &Request::Stop { timeout_ms, signal: 0 }, patience) {
        Ok(_) => Ok(0),
        Err(error) if error.kind == Kind::Timeout && nowait => Ok(0),
        // It runs on, as was asked for: no failure of the program's.
        Err(error) if error.kind == Kind::Timeout && has("nokill") => {
            complain(&error);
            Err(Exit::Code(1))
        }
        // Its monitor was killed, but it ran all the same.
        Err(error) if error.kind == Kind::NotRunning && stale::clear_recorded(&call.name)? => Ok(0),
        // lxc-stop(1) gives this one a code of its own.
        Err(error) if error.kind == Kind::NotRunning => {
            complain(&error);
            Err(Exit::Code(2))
        }
        Err(error) => Err(error.into()),
    }
}

fn kill(call: Call<'_>) -> Run {
    call.operands(1)?;
    let signal = match call.given.operands.first() {
        Some(word) => word.parse::<Signal>().map_err(|error| error.kind(Kind::Usage))?,
        None => Signal::KILL,
    };
    ask(&call, &Request::Kill { signal: signal.0 }, PROMPT)?;
    Ok(0)
}

fn freeze(call: Call<'_>) -> Run {
    call.operands(0)?;
    freeze_whole(&|request, patience| ask(&call, request, patience).map(|_| ()))?;
    Ok(0)
}

fn unfreeze(call: Call<'_>) -> Run {
    call.operands(0)?;
    ask(&call, &Request::Unfreeze, PROMPT)?;
    Ok(0)
}

fn wait(call: Call<'_>) -> Run {
    call.operands(0)?;
    let Some(list) = call.given.value("state") else {
        return Err(Error::usage("which state?").hint("-s 'STOPPED|RUNNING'").into());
    };
    let states = states(list)?;
    let timeout = seconds(&call, "timeout")?.and_then(|seconds| u64::try_from(seconds).ok());
    match client::wait(&call.name, states, timeout.map(Duration::from_secs)) {
        Ok(_) => Ok(0),
        Err(error) if error.kind == Kind::Timeout => Ok(1),
        Err(error) => Err(error.into()),
    }
}

fn cgroup(call: Call<'_>) -> Run {
    call.operands(2)?;
    let settings;
    let request = match call.given.operands.as_slice() {
        [] => return Err(Error::usage("which file?").hint("lxc-cgroup -n NAME FILE [VALUE]").into()),
        [file] => Request::CgroupGet { file },
        [file, value, ..] => {
            settings = Settings::text([(*file, *value)].into_iter());
            Request::CgroupSet { settings: Settings(&settings) }
        }
    };
    match ask(&call, &request, PROMPT)?.reply() {
        Reply::Value { text } => print_value(text),
        _ => Ok(0),
    }
}
