//! `up`, `down`, `restart`: a whole board's containers, or some of them, in their order.

use super::Run;
use super::args::Words;
use super::board::{DEFAULT_PROFILE, chosen, current, operands, options, profile, started_by_itself};
use super::control;
use super::json::Json;
use super::output::{complain, note, print, progress, say};
use super::probe::Questions;
use crate::apply;
use crate::container::launch::Options;
use crate::container::several::{self, Started, What};
use crate::container::{client, stale, state};
use crate::error::{Error, Result};
use crate::plan::sequence::with_required;
use crate::profile::text::shown;
use crate::profile::value::ContainerName;
use crate::profile::{Board, Container};
use argh::FromArgs;
use std::time::{Duration, Instant};

/// Brings the board up: mounts the cgroup hierarchies that are missing, makes the bridges with their ports, starts the
/// containers in the background, as parallel as their order allows, and waits until each is ready or has failed. Prints a line for
/// each. What is so already is left alone: up twice is up once.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Up {
    /// the board's profile (default: /etc/boardbox/board.toml)
    #[argh(option, arg_name = "file")]
    profile: Option<String>,
    /// a bridge port that has another name here: the profile's name, =, the interface to use; repeatable
    #[argh(option, arg_name = "port=interface")]
    port: Vec<String>,
    /// start only the containers of this group, and what they require; repeatable
    #[argh(option, arg_name = "name")]
    group: Vec<String>,
    /// do not ask the switch whether it reflects, where containers on one VEPA link need it to
    #[argh(switch)]
    no_probe: bool,
    /// do not ask whether the profile is for this board
    #[argh(switch)]
    any_board: bool,
    /// what happened and when, as one JSON object
    #[argh(switch)]
    json: bool,
    /// start only these containers, and what they require (default: all of the profile's but for those with autostart =
    /// false); a word with a / or .toml at its end is the profile
    #[argh(positional, arg_name = "container")]
    words: Vec<String>,
}

/// Stops the containers, each after those that depend on it, then takes back what up made: bridges, mounts, directories.
/// Without --profile, containers that are not (or no longer) in the profile stop, too; with it, they keep the board up.
/// With containers named, stops only those and leaves the board up.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Down {
    /// the board's profile (default: the one that up was given, else /etc/boardbox/board.toml)
    #[argh(option, arg_name = "file")]
    profile: Option<String>,
    /// seconds until whatever has not stopped by then is killed, all containers together (default: 10)
    #[argh(option, short = 't', default = "control::PATIENCE", arg_name = "seconds")]
    timeout: u32,
    /// stop only these containers; a word with a / or .toml at its end is the profile
    #[argh(positional, arg_name = "container")]
    words: Vec<String>,
}

/// Stops containers of the profile, those that run, and starts them again as it describes them now, with what they require.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Restart {
    /// the board's profile (default: the one that up was given, else /etc/boardbox/board.toml)
    #[argh(option, arg_name = "file")]
    profile: Option<String>,
    /// seconds until whatever has not stopped by then is killed, all containers together (default: 10)
    #[argh(option, short = 't', default = "control::PATIENCE", arg_name = "seconds")]
    timeout: u32,
    /// what happened and when, as one JSON object
    #[argh(switch)]
    json: bool,
    /// the containers; a word with a / or .toml at its end is the profile
    #[argh(positional, arg_name = "container")]
    words: Vec<String>,
}

/// `boardbox up`.
pub fn up(words: &Words) -> Run {
    words.no_command()?;
    let begun = Instant::now();
    let args: Up = words.parse()?;
    let (file, names) = operands(args.profile, args.words)?;
    let board = profile(file.as_deref(), &args.port)?;
    let containers = wanted(&board, &names, &args.group)?;
    if !args.any_board {
        apply::board::fits(&board)?;
    }
    let remember = (file.as_deref().unwrap_or(DEFAULT_PROFILE), args.port.as_slice());
    apply::board::up(&board, Some(remember), &mut |number, of, step| {
        progress(number, of, &step.to_string())
    })?;
    // Meanwhile: asking takes a second where the switch does not reflect. What runs already was asked for before.
    let running = client::names()?;
    let new = containers.iter().any(|container| !running.contains(&container.name));
    let questions = (new && !args.no_probe).then(|| Questions::ask(&board));
    let started = start(&board, &containers, begun, args.json, apply::board::may_start_on_board);
    if let Some(questions) = questions {
        questions.tell();
    }
    started
}

/// Those that `up` is to start, without what they require.
fn wanted<'a>(board: &'a Board, names: &[ContainerName], groups: &[String]) -> Result<Vec<&'a Container>> {
    if groups.is_empty() {
        return if names.is_empty() { Ok(started_by_itself(board)) } else { chosen(board, names) };
    }
    if !names.is_empty() {
        return Err(Error::usage("containers and --group exclude each other"));
    }
    let mut wanted = Vec::new();
    for group in groups {
        let mut of: Vec<_> =
            board.containers.iter().filter(|container| container.startup.groups.contains(group)).collect();
        if of.is_empty() {
            return Err(Error::usage(format!(
                "no container of the profile is in group \"{}\"",
                shown(group)
            ))
            .hint("groups = […] of a container"));
        }
        wanted.append(&mut of);
    }
    Ok(wanted)
}

/// Starts them and what they require, as long as they `may`, and says what comes of it.
fn start(board: &Board, chosen: &[&Container], begun: Instant, json: bool, may: fn() -> Result<()>) -> Run {
    let containers = with_required(&board.containers, chosen);
    let width = containers.iter().map(|container| container.name.as_str().len()).max().unwrap_or(0);
    let mut number = 0;
    let mut tell = |started: &Started| {
        let Some(&(ms, index, what)) = started.events.last() else { return };
        let name = containers.get(index).map_or("", |container| container.name.as_str());
        let line = match what {
            What::Start => {
                number += 1;
                return progress(number, containers.len(), &format!("start container {name}"));
            }
            What::Running | What::RunsAlready => return,
            What::Ready if started.when(index, What::RunsAlready).is_some() => "runs already".into(),
            What::Ready => format!("ready after {ms} ms"),
            What::Failed => format!("failed after {ms} ms"),
            What::Refused => "not started".into(),
        };
        if let (What::Failed | What::Refused, Some((_, error, _))) = (what, started.errors.last()) {
            complain(error);
        }
        if !json {
            say(&format!("container  {name:width$}  {line}\n"));
        }
    };
    let options = Options { may: Some(may), ..options(board) };
    let started = several::start(&containers, &options, begun, &mut tell)?;
    if json {
        print(format_args!("{}\n", timeline(board, &containers, &started, begun)))?;
    }
    Ok(started.errors.first().map_or(0, |(_, error, _)| error.kind.exit_code()))
}

fn timeline(board: &Board, containers: &[&Container], started: &Started, begun: Instant) -> String {
    let mut json = Json::default();
    let name = |index: usize| containers.get(index).map_or("", |container| container.name.as_str());
    json.open("", '{');
    json.text("board", &board.name);
    json.bare("ms", &begun.elapsed().as_millis().to_string());
    json.open("containers", '[');
    for index in 0..containers.len() {
        json.open("", '{');
        json.text("name", name(index));
        let of_this = |event: &&several::Event| event.1 == index;
        let last = started.events.iter().rev().find(of_this).map_or("", |event| event.2.name());
        json.text("result", last);
        let already = started.when(index, What::RunsAlready);
        json.bool("ran_before", already.is_some());
        for (key, what) in [
            ("start_ms", What::Start),
            ("running_ms", What::Running),
            ("ready_ms", What::Ready),
            ("failed_ms", What::Failed),
        ] {
            match started.when(index, what) {
                Some(ms) => json.bare(key, &ms.to_string()),
                None => json.bare(key, "null"),
            }
        }
        let error = started.errors.iter().find(|error| error.0 == index);
        match error {
            Some((_, error, _)) => json.text("error", &error.to_string()),
            None => json.bare("error", "null"),
        }
        match error.and_then(|error| error.2) {
            Some(because) => json.text("because_of", name(because)),
            None => json.bare("because_of", "null"),
        }
        json.close('}');
    }
    json.close(']');
    json.open("events", '[');
    for (ms, index, what) in &started.events {
        json.open("", '{');
        json.bare("ms", &ms.to_string());
        json.text("container", name(*index));
        json.text("event", what.name());
        json.close('}');
    }
    json.close(']');
    json.close('}');
    json.into_text()
}

/// Stops them; the exit code.
fn stop(names: &[ContainerName], profile: &[Container], seconds: u32) -> Result<u8> {
    let errors = several::stop(names, profile, Duration::from_secs(seconds.into()), &mut note)?;
    errors.iter().for_each(complain);
    Ok(errors.first().map_or(0, |error| error.kind.exit_code()))
}

/// An error where others than these run: their bridge must not be taken away under them.
fn nobody_else(stopped: &[ContainerName]) -> Result<()> {
    let mut others = client::names()?;
    others.retain(|name| !stopped.contains(name));
    if others.is_empty() {
        return Ok(());
    }
    let others: Vec<&str> = others.iter().map(ContainerName::as_str).collect();
    Err(Error::host(format!("containers run that are not in the profile: {}", others.join(", ")))
        .tried("take back what up made")
        .hint(format!(
            "boardbox stop {}; or boardbox down without a profile, which stops all",
            others.join(" ")
        )))
}

/// `boardbox down`.
pub fn down(words: &Words) -> Run {
    words.no_command()?;
    let args: Down = words.parse()?;
    let (file, chosen) = operands(args.profile, args.words)?;
    // A profile that can not be read any more must not keep a board from shutting down.
    let profile = match current(file.as_deref()) {
        Ok(board) => board.containers,
        Err(error) if file.is_some() && chosen.is_empty() => return Err(error.into()),
        Err(error) => {
            log::debug!("down without a profile: {error}");
            Vec::new()
        }
    };
    // First of all: what starts from now on ends by itself, what has started is among those that are listed.
    let mark = if chosen.is_empty() { apply::board::begin_down() } else { None };
    let mut names = chosen.clone();
    if chosen.is_empty() {
        names.extend(profile.iter().map(|container| container.name.clone()));
        if file.is_none() {
            let known = names.clone();
            names.extend(client::names()?.into_iter().filter(|name| !known.contains(name)));
        }
    }
    let code = stop(&names, &profile, args.timeout);
    if !chosen.is_empty() || !matches!(code, Ok(0)) {
        return code.map_err(Into::into);
    }
    if file.is_some() {
        nobody_else(&names)?;
    }
    state::forget_ends();
    let mut left = stale::clear_all();
    left.extend(apply::board::down(mark)?);
    left.iter().for_each(complain);
    Ok(left.first().map_or(0, |error| error.kind.exit_code()))
}

/// `boardbox restart`.
pub fn restart(words: &Words) -> Run {
    words.no_command()?;
    let begun = Instant::now();
    let args: Restart = words.parse()?;
    let (file, names) = operands(args.profile, args.words)?;
    if names.is_empty() {
        return Err(Error::usage("which container?").hint("boardbox restart --help").into());
    }
    let board = current(file.as_deref())?;
    let containers = chosen(&board, &names)?;
    // A profile can be used without an up.
    let may = match apply::board::remembered_profile() {
        Some(_) => apply::board::may_start_on_board,
        None => apply::board::may_start,
    };
    match stop(&names, &board.containers, args.timeout)? {
        0 => start(&board, &containers, begun, args.json, may),
        code => Ok(code),
    }
}
