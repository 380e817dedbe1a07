//! `stop`, `kill`, `freeze`, `unfreeze`, `wait`, `info`, `cgroup`, `ps`: what is said to a container's monitor.

use super::args::Words;
use super::json::Json;
use super::output::{note, print};
use super::{Run, each};
use crate::container::client::{self, PROMPT};
use crate::container::control::{NEVER, Reply, Request, Settings, State};
use crate::container::state::Record;
use crate::container::{memory, restart, stale, state};
use crate::error::{Error, Kind, Result};
use crate::profile::text::shown;
use crate::profile::value::{ContainerName, Signal};
use crate::sys::process;
use argh::FromArgs;
use std::time::Duration;

/// Seconds until a container that does not stop is killed.
pub const PATIENCE: u32 = 10;

/// What the kernel may take to end a killed container and the monitor to clear up, beyond the time limit asked for.
const CLEARING_UP: Duration = Duration::from_secs(60);

/// Freezing waits for tasks that are inside the kernel.
const FREEZING: Duration = Duration::from_secs(60);

/// Stops containers: sends the container's init its stop signal and kills it after a time limit; at once where the
/// init does not handle that signal. Returns when nothing of the container is left.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Stop {
    /// seconds until the container is killed (default: 10)
    #[argh(option, short = 't', default = "PATIENCE", arg_name = "seconds")]
    timeout: u32,
    /// kill at once
    #[argh(switch, short = 'k')]
    kill: bool,
    /// the containers
    #[argh(positional, arg_name = "container")]
    names: Vec<ContainerName>,
}

/// Sends a signal to a container's first process: boardbox kill [SIGNAL] CONTAINER. The signal is a number or a name:
/// 15, TERM, SIGTERM, -TERM, SIGRTMIN+3. Without one it is SIGKILL.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Kill {
    /// the signal, if any, and the container
    #[argh(positional, arg_name = "signal and container")]
    words: Vec<String>,
}

/// freeze: none of the containers' processes runs until they are thawed. unfreeze: thaws them.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Freeze {
    /// the containers
    #[argh(positional, arg_name = "container")]
    names: Vec<ContainerName>,
}

/// Waits until a container is in one of some states. One that does not run is STOPPED; it need not exist yet.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Wait {
    /// the states, separated by '|' or ',': STOPPED STARTING RUNNING STOPPING ABORTING FREEZING FROZEN
    /// RESTARTING (default: STOPPED)
    #[argh(option, short = 's', arg_name = "states")]
    state: Option<String>,
    /// seconds to wait at most; exit code 6 when they are over (default: for ever)
    #[argh(option, short = 't', arg_name = "seconds")]
    timeout: Option<u32>,
    /// the container
    #[argh(positional, arg_name = "container")]
    name: ContainerName,
}

/// Prints a running container's state and pids.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Info {
    /// as one JSON object
    #[argh(switch)]
    json: bool,
    /// the container
    #[argh(positional, arg_name = "container")]
    name: ContainerName,
}

/// Reads or writes a running container's cgroup files: boardbox cgroup foo cpuset.cpus prints one, boardbox cgroup foo
/// cpuset.cpus 0-1 writes it, boardbox cgroup foo cpuset.cpus=0-1 cpu.shares=512 writes several, all or none.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Cgroup {
    /// the container
    #[argh(positional, arg_name = "container")]
    name: ContainerName,
    /// a file, and what to write to it; or FILE=VALUE, repeatable
    #[argh(positional, arg_name = "file")]
    words: Vec<String>,
}

/// Lists the containers that run, with their states and pids.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Ps {
    /// as one JSON array
    #[argh(switch)]
    json: bool,
}

/// What a container answers, with the notes that come along said on the way.
pub fn ask(name: &ContainerName, request: &Request<'_>, timeout: Option<Duration>) -> Result<client::Answer> {
    let answer = client::request(name, request, timeout).map_err(hinted(name))?;
    if let Reply::DoneBut { note: text } | Reply::Ended { note: text, .. } = answer.reply() {
        note(name, text);
    }
    Ok(answer)
}

/// Says how to start what does not run.
fn hinted(name: &ContainerName) -> impl Fn(Error) -> Error {
    move |error| match error.kind {
        Kind::NotRunning => error.hint(format!("start it: boardbox start {name}")),
        _ => error,
    }
}

fn some(names: &[ContainerName], command: &str) -> Result<()> {
    match names {
        [] => Err(Error::usage("which container?").hint(format!("boardbox {command} --help"))),
        _ => Ok(()),
    }
}

/// Stops one container; `timeout` is in seconds.
pub fn stop_one(name: &ContainerName, timeout: u32) -> Result<()> {
    let request = Request::Stop { timeout_ms: timeout.saturating_mul(1000).min(NEVER - 1), signal: 0 };
    match ask(name, &request, Some(Duration::from_secs(timeout.into()) + CLEARING_UP)) {
        // Its monitor was killed, but it ran all the same.
        Err(error) if error.kind == Kind::NotRunning && stale::clear_recorded(name)? => Ok(()),
        done => done.map(|_| ()),
    }
}

/// `boardbox stop`.
pub fn stop(words: &Words) -> Run {
    words.no_command()?;
    let args: Stop = words.parse()?;
    some(&args.names, "stop")?;
    each(args.names.iter(), |name| stop_one(name, if args.kill { 0 } else { args.timeout }))
}

/// `boardbox kill`.
pub fn kill(words: &Words) -> Run {
    words.no_command()?;
    let args: Kill = words.parse()?;
    let usage = |error: Error| error.kind(Kind::Usage).hint("boardbox kill [SIGNAL] CONTAINER");
    let (name, signal) = match args.words.as_slice() {
        [name] => (name, None),
        [signal, name] => (name, Some(signal.parse::<Signal>().map_err(usage)?)),
        _ => return Err(usage(Error::usage("a container and at most one signal")).into()),
    };
    let name = name.parse().map_err(usage)?;
    ask(&name, &Request::Kill { signal: signal.unwrap_or(Signal::KILL).0 }, Some(PROMPT))?;
    Ok(0)
}

/// `boardbox freeze`.
pub fn freeze(words: &Words) -> Run {
    words.no_command()?;
    let args: Freeze = words.parse()?;
    some(&args.names, words.name)?;
    each(args.names.iter(), |name| {
        freeze_whole(&|request, patience| ask(name, request, Some(patience)).map(|_| ()))
    })
}

/// Freezes a container that one can `ask`, all of it or nothing.
pub fn freeze_whole(ask: &dyn Fn(&Request<'_>, Duration) -> Result<()>) -> Result<()> {
    match ask(&Request::Freeze, FREEZING) {
        // Whoever is inside the kernel freezes when it comes out, whenever that is: nobody would expect it by then.
        Err(error) if error.kind == Kind::Timeout => {
            let again = match ask(&Request::Unfreeze, PROMPT) {
                Ok(()) => "a process of it does not come out of the kernel; the others run again".to_string(),
                Err(left) => format!("and it could not be unfrozen: {left}"),
            };
            Err(error.hint(again))
        }
        other => other,
    }
}

/// `boardbox unfreeze`.
pub fn unfreeze(words: &Words) -> Run {
    words.no_command()?;
    let args: Freeze = words.parse()?;
    some(&args.names, words.name)?;
    each(args.names.iter(), |name| ask(name, &Request::Unfreeze, Some(PROMPT)).map(|_| ()))
}

/// The states of `STOPPED|RUNNING` as `State::bit`s. THAWED, which LXC's tools also know, is RUNNING.
pub fn states(text: &str) -> Result<u32> {
    let mut bits = 0;
    for word in text.split(['|', ',']) {
        let word = word.trim();
        let state = match word.eq_ignore_ascii_case("THAWED") {
            true => Some(State::Running),
            false => State::from_name(word),
        };
        let Some(state) = state else {
            return Err(Error::usage(format!("\"{}\" is no state", shown(word))).hint(
                "STOPPED STARTING RUNNING STOPPING ABORTING FREEZING FROZEN RESTARTING, separated by '|'",
            ));
        };
        bits |= state.bit();
    }
    Ok(bits)
}

/// `boardbox wait`.
pub fn wait(words: &Words) -> Run {
    words.no_command()?;
    let args: Wait = words.parse()?;
    let states = states(args.state.as_deref().unwrap_or("STOPPED"))?;
    client::wait(&args.name, states, args.timeout.map(|seconds| Duration::from_secs(seconds.into())))?;
    Ok(0)
}

/// A container as somebody sees it.
#[derive(Clone)]
pub struct Seen {
    /// Its name.
    pub name: ContainerName,
    /// Its state.
    pub state: State,
    /// The host's pid of its pid 1; 0 where there is none.
    pub init: i32,
    /// The first process that is not boardbox's own.
    pub user: i32,
    /// Its monitor.
    pub monitor: i32,
    /// How many times its monitor has started it again.
    pub restarts: u32,
    /// The wait(2) status of its last end.
    pub last: Option<i32>,
    /// What was noted when it ended, of one that does not run.
    pub ended: Option<String>,
    /// Its monitor has not answered.
    pub silent: bool,
}

impl Seen {
    fn stopped(name: &ContainerName) -> Self {
        Self {
            name: name.clone(),
            state: State::Stopped,
            init: 0,
            user: 0,
            monitor: 0,
            restarts: 0,
            last: None,
            ended: None,
            silent: false,
        }
    }

    /// `, last: exit code 1` for one that was started again.
    fn last_end(&self) -> String {
        self.last.map_or_else(String::new, |status| format!(", the last end: {}", restart::ending(status)))
    }

    /// What there is to say besides its state.
    pub fn remark(&self) -> String {
        match (&self.ended, self.restarts) {
            (Some(ended), _) => format!(", {ended}"),
            (None, 0) => String::new(),
            (None, 1) => format!(", 1 restart{}", self.last_end()),
            (None, many) => format!(", {many} restarts{}", self.last_end()),
        }
    }

    /// As an object.
    pub fn json(&self, json: &mut Json) {
        json.open("", '{');
        json.text("name", self.name.as_str());
        json.text("state", self.state.name());
        json.pid("pid", self.init);
        json.pid("command_pid", self.user);
        json.pid("monitor_pid", self.monitor);
        json.bare("restarts", &self.restarts.to_string());
        match self.last {
            Some(status) => json.bare("last_exit_code", &process::exit_code(status).to_string()),
            None => json.bare("last_exit_code", "null"),
        }
        match &self.ended {
            Some(text) => json.text("ended", text),
            None => json.bare("ended", "null"),
        }
        json.close('}');
    }
}

/// What is said of one that runs on without a monitor.
const OUTLIVED: &str = "its monitor was killed, but pid 1 still runs: stop ends it, so does its next start";

/// How long each monitor may take where all of them are asked: one that does not answer must not hide the others for long.
const GLANCE: Duration = Duration::from_secs(2);

/// The same for a list of them: one whose monitor does not answer is shown as what the record says of it.
pub fn glance(name: &ContainerName) -> Result<Seen> {
    match seen(name, GLANCE) {
        Err(error) if error.kind == Kind::Timeout => {
            let record = Record::read(name);
            // It waits for a mount, say, as long as there is no first process to be seen.
            let state = if record.init > 0 { State::Running } else { State::Starting };
            let Record { init, monitor, .. } = record;
            let ended = Some(format!("its monitor has not answered for {} s", GLANCE.as_secs()));
            Ok(Seen { state, init, monitor, ended, silent: true, ..Seen::stopped(name) })
        }
        other => other,
    }
}

/// How the container is: STOPPED where it does not run.
pub fn look(name: &ContainerName) -> Result<Seen> {
    seen(name, PROMPT)
}

fn seen(name: &ContainerName, patience: Duration) -> Result<Seen> {
    let none = Seen::stopped(name);
    let stopped = || match stale::survivor(name) {
        // Nobody can tell it anything any more. STOPPED it is to LXC's tools, too.
        Some(init) => Seen { init, ended: Some(OUTLIVED.into()), ..none.clone() },
        None => Seen { ended: state::noted_end(name), ..none.clone() },
    };
    match client::request(name, &Request::Info, Some(patience)) {
        Ok(answer) => match answer.reply() {
            Reply::Info { state, init, user, monitor, restarts, last } => {
                Ok(Seen { state, init, user, monitor, restarts, last, ..none })
            }
            _ => Ok(stopped()),
        },
        Err(error) if error.kind == Kind::NotRunning => Ok(stopped()),
        Err(error) => Err(error),
    }
}

/// `boardbox info`.
pub fn info(words: &Words) -> Run {
    words.no_command()?;
    let args: Info = words.parse()?;
    let seen = look(&args.name)?;
    if seen.state == State::Stopped && seen.monitor == 0 {
        let mut error = client::not_running(&args.name);
        if let Some(ended) = &seen.ended {
            error.cause.push_str(&format!(": {ended}"));
        }
        return Err(hinted(&args.name)(error).into());
    }
    if args.json {
        let mut json = Json::default();
        seen.json(&mut json);
        print(format_args!("{}\n", json.into_text()))?;
    } else {
        let Seen { name, state, init, user, monitor, .. } = &seen;
        let state = state.name();
        print(format_args!(
            "name:     {name}\nstate:    {state}\npid:      {init}\ncommand:  {user}\nmonitor:  {monitor}\n"
        ))?;
        if seen.restarts > 0 {
            print(format_args!("restarts: {}{}\n", seen.restarts, seen.last_end()))?;
        }
        let killed = out_of_memory(name);
        if killed > 0 {
            print(format_args!("memory:   out of memory, the kernel killed {killed} of its processes\n"))?;
        }
    }
    Ok(0)
}

/// How many processes the kernel has killed at the container's memory limit; 0 where nobody counts.
fn out_of_memory(name: &ContainerName) -> u64 {
    let count = |file: &str| {
        let answer = client::request(name, &Request::CgroupGet { file }, Some(PROMPT)).ok()?;
        match answer.reply() {
            Reply::Value { text } => memory::count(text),
            _ => None,
        }
    };
    count("memory.oom_control").or_else(|| count("memory.events")).unwrap_or(0)
}

/// A cgroup file's content as it is printed: ended by a newline.
pub fn print_value(text: &str) -> Run {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    print(format_args!("{text}{end}"))?;
    Ok(0)
}

/// `boardbox cgroup`.
pub fn cgroup(words: &Words) -> Run {
    words.no_command()?;
    let args: Cgroup = words.parse()?;
    let settings;
    let request = match args.words.as_slice() {
        [] => return Err(Error::usage("which file?").hint("boardbox cgroup CONTAINER FILE").into()),
        [file] if !file.contains('=') => Request::CgroupGet { file },
        [file, value] if !file.contains('=') => {
            settings = Settings::text([(file.as_str(), value.as_str())].into_iter());
            Request::CgroupSet { settings: Settings(&settings) }
        }
        words => {
            if let Some(word) = words.iter().find(|word| !word.contains('=')) {
                return Err(Error::usage(format!("\"{}\" is not FILE=VALUE", shown(word))).into());
            }
            settings = Settings::text(words.iter().filter_map(|word| word.split_once('=')));
            Request::CgroupSet { settings: Settings(&settings) }
        }
    };
    match ask(&args.name, &request, Some(PROMPT))?.reply() {
        Reply::Value { text } => print_value(text),
        _ => Ok(0),
    }
}

/// `boardbox ps`.
pub fn ps(words: &Words) -> Run {
    words.no_command()?;
    let args: Ps = words.parse()?;
    let mut names = client::names()?;
    names.extend(state::names().into_iter().filter(|name| stale::survivor(name).is_some()));
    names.sort_unstable();
    names.dedup();
    let mut all = names.iter().map(glance).collect::<Result<Vec<_>>>()?;
    // One may have ended since its name was read.
    all.retain(|seen| seen.monitor != 0 || seen.init != 0);
    if args.json {
        let mut json = Json::default();
        json.open("", '[');
        all.iter().for_each(|seen| seen.json(&mut json));
        json.close(']');
        print(format_args!("{}\n", json.into_text()))?;
        return Ok(0);
    }
    let width = all.iter().map(|seen| seen.name.as_str().len()).max().unwrap_or(0).max(4);
    let mut text = format!("{:width$}  STATE       PID      MONITOR\n", "NAME");
    for seen in &all {
        let (name, state) = (seen.name.as_str(), seen.state.name());
        let remark = seen.remark();
        text.push_str(&format!("{name:width$}  {state:10}  {:<7}  {}{remark}\n", seen.init, seen.monitor));
    }
    print(format_args!("{text}"))?;
    Ok(0)
}
