//! `plan`, `status`: the board as its profile describes it, and what the other commands of it have in common.

use super::args::Words;
use super::json::Json;
use super::output::{self, print};
use super::{Run, control, drift};
use crate::apply;
use crate::apply::status::{BridgeStatus, ControllerState, ControllerStatus};
use crate::container::client;
use crate::container::control::State;
use crate::container::launch::{self, Options};
use crate::error::{Error, Kind, Result};
use crate::plan::sequence::with_required;
use crate::plan::{self, Place, Planned};
use crate::profile::board::DEFAULT_CONTROLLERS;
use crate::profile::text::{nearest, shown};
use crate::profile::value::{ContainerName, IfName};
use crate::profile::{Board, Container};
use argh::FromArgs;

/// The profile of the board one is on.
pub const DEFAULT_PROFILE: &str = "/etc/boardbox/board.toml";

/// Prints the steps that up would take on this machine now, one a line: for whom, who performs it (host: the command
/// itself; parent: the container's monitor; child: the container's first process; late: the monitor once the child is
/// set up), what, and the line that asks for it. Steps already true are not listed. Of a container that runs it prints what
/// is not as the profile says. Changes nothing.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Plan {
    /// the board's profile (default: /etc/boardbox/board.toml)
    #[argh(option, arg_name = "file")]
    profile: Option<String>,
    /// a bridge port that has another name here: the profile's name, =, the interface to use; repeatable
    #[argh(option, arg_name = "port=interface")]
    port: Vec<String>,
    /// plan the start of the container that this LXC file describes, instead of a board
    #[argh(option, short = 'f', arg_name = "lxc-file")]
    file: Option<String>,
    /// with --file: the container's name
    #[argh(option, short = 'n')]
    name: Option<ContainerName>,
    /// with --file: an LXC setting applied after the file, KEY=VALUE; repeatable
    #[argh(option, short = 's', arg_name = "key=value")]
    set: Vec<String>,
    /// the board's profile, as --profile
    #[argh(positional, arg_name = "profile")]
    positional: Option<String>,
}

/// Prints how the board stands to its profile: hierarchies, bridges, containers, one a line; then what is not as the profile
/// says, and ends with 7 if anything is.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Status {
    /// the board's profile (default: the one that up was given, else /etc/boardbox/board.toml)
    #[argh(option, arg_name = "file")]
    profile: Option<String>,
    /// as one JSON object
    #[argh(switch)]
    json: bool,
    /// the board's profile, as --profile
    #[argh(positional, arg_name = "profile")]
    positional: Option<String>,
}

/// Reads the profile and puts other interfaces in for its ports.
pub fn profile(path: Option<&str>, ports: &[String]) -> Result<Board> {
    let mut board =
        crate::profile::toml::read(path.unwrap_or(DEFAULT_PROFILE)).map_err(|error| match path {
            None => error.hint("name another profile: --profile FILE"),
            Some(_) => error,
        })?;
    for text in ports {
        let wrong = |why: &str| Error::usage(format!("--port {}: {why}", shown(text)));
        let Some((from, to)) = text.split_once('=') else {
            return Err(
                wrong("has no =").hint("the profile's port, =, the interface to use: --port eth0=enp3s0")
            );
        };
        let to: IfName = to.parse().map_err(|error: Error| wrong(&error.cause))?;
        let mut found = false;
        for port in board.bridges.iter_mut().flat_map(|bridge| &mut bridge.ports) {
            if port.as_str() == from {
                *port = to.clone();
                found = true;
            }
        }
        if !found {
            return Err(wrong("no bridge of the profile has this port"));
        }
    }
    Ok(board)
}

/// The profile of the board that is up, where none is named.
pub fn current(path: Option<&str>) -> Result<Board> {
    match (path, apply::board::remembered_profile()) {
        (None, Some((path, ports))) => profile(Some(&path), &ports),
        _ => profile(path, &[]),
    }
}

/// Tells a profile among the operands from the containers: no container's name has a `/`, none should end in `.toml`.
pub fn operands(profile: Option<String>, words: Vec<String>) -> Result<(Option<String>, Vec<ContainerName>)> {
    let (mut profile, mut names) = (profile, Vec::new());
    for word in words {
        if !word.contains('/') && !word.ends_with(".toml") {
            names.push(word.parse().map_err(|error: Error| error.kind(Kind::Usage))?);
        } else if let Some(other) = profile.replace(word) {
            return Err(Error::usage(format!("one profile at a time, not \"{}\", too", shown(&other))));
        }
    }
    Ok((profile, names))
}

/// The containers of these names, in the order of the names; all, in the profile's order, where there are none.
pub fn chosen<'a>(board: &'a Board, names: &[ContainerName]) -> Result<Vec<&'a Container>> {
    if names.is_empty() {
        return Ok(board.containers.iter().collect());
    }
    let find = |name: &ContainerName| {
        board.containers.iter().find(|container| container.name == *name).ok_or_else(|| {
            let file = board.file.as_deref().unwrap_or("the profile");
            let error = Error::new(Kind::NotRunning, format!("{file} has no container \"{name}\""));
            match nearest(name.as_str(), board.containers.iter().map(|container| container.name.as_str())) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            }
        })
    };
    names.iter().map(find).collect()
}

/// How the profile's containers are started in the background.
pub fn options(board: &Board) -> Options {
    let controllers = board.cgroup.controllers.clone();
    Options { detach: true, controllers, log: Some(output::log_of), ..Options::default() }
}

/// `boardbox plan`.
pub fn plan(words: &Words) -> Run {
    words.no_command()?;
    let args: Plan = words.parse()?;
    let mut text = String::new();
    let mut host = apply::host::read(true)?;
    if let Some(file) = &args.file {
        if args.profile.or(args.positional).is_some() || !args.port.is_empty() {
            return Err(Error::usage("a board's profile and --file do not go together").into());
        }
        let container = super::container::from_lxc(file, args.name.as_ref(), &args.set)?;
        let controllers = DEFAULT_CONTROLLERS.map(String::from).to_vec();
        let options = Options { detach: true, controllers, ..Options::default() };
        let name = container.name.as_str();
        lines(&mut text, name.len(), name, &launch::plan(&container, &options, &host)?);
    } else {
        if args.name.is_some() || !args.set.is_empty() {
            return Err(Error::usage("--name and --set go with --file").into());
        }
        let board = profile(args.profile.or(args.positional).as_deref(), &args.port)?;
        let steps = plan::board::up(&board, &host)?;
        let width = board.containers.iter().map(|container| container.name.as_str().len()).max();
        let width = width.unwrap_or(0).max("board".len());
        lines(&mut text, width, "board", &steps);
        plan::board::pretend(&steps, &mut host);
        let options = options(&board);
        let names = running();
        for container in with_required(&board.containers, &started_by_itself(&board)) {
            let name = container.name.as_str();
            let state = match names.contains(&container.name) {
                true => control::look(&container.name)?.state,
                false => State::Stopped,
            };
            let mut differences = match state {
                State::Stopped => {
                    lines(&mut text, width, name, &launch::plan(container, &options, &host)?);
                    continue;
                }
                State::Restarting => vec![WAITS.into()],
                _ => drift::lines(container, &host)?,
            };
            if differences.is_empty() {
                differences.push("as the profile says".into());
            }
            differences.iter().for_each(|line| text.push_str(&format!("{name:width$}  runs    {line}\n")));
        }
    }
    print(format_args!("{text}"))?;
    Ok(0)
}

/// The containers that run, as far as this user may know.
fn running() -> Vec<ContainerName> {
    client::names().unwrap_or_else(|error| {
        log::warn!("what runs is planned as if it did not: {error}");
        Vec::new()
    })
}

/// Those that `up` starts without being asked for them.
pub fn started_by_itself(board: &Board) -> Vec<&Container> {
    board.containers.iter().filter(|container| container.startup.autostart != Some(false)).collect()
}

fn lines(text: &mut String, width: usize, who: &str, steps: &[Planned]) {
    for Planned { place, step, origin } in steps {
        let place = match place {
            Place::Host => "host",
            Place::Parent => "parent",
            Place::Child => "child",
            Place::Late => "late",
        };
        text.push_str(&format!("{who:width$}  {place:6}  {step}"));
        if origin.file.is_some() {
            text.push_str(&format!("  ({origin})"));
        }
        text.push('\n');
    }
}

/// `boardbox status`.
pub fn status(words: &Words) -> Run {
    words.no_command()?;
    let args: Status = words.parse()?;
    let board = current(args.profile.or(args.positional).as_deref())?;
    let status = apply::status::read(&board)?;
    let mut names: Vec<_> = board.containers.iter().map(|container| container.name.clone()).collect();
    for name in client::names()? {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let containers = names.iter().map(control::glance).collect::<Result<Vec<_>>>()?;
    let drift = differences(&board, &containers)?;
    let code = if drift.is_empty() { 0 } else { DRIFT };
    if args.json {
        let mut json = Json::default();
        json.open("", '{');
        json.text("board", &board.name);
        json.open("controllers", '[');
        status.controllers.iter().for_each(|status| controller(status, &mut json));
        json.close(']');
        json.open("bridges", '[');
        status.bridges.iter().for_each(|status| bridge(status, &mut json));
        json.close(']');
        json.open("containers", '[');
        containers.iter().for_each(|seen| seen.json(&mut json));
        json.close(']');
        json.open("drift", '[');
        for (container, what) in &drift {
            json.open("", '{');
            match container {
                Some(name) => json.text("container", name.as_str()),
                None => json.bare("container", "null"),
            }
            json.text("what", what);
            json.close('}');
        }
        json.close(']');
        json.close('}');
        print(format_args!("{}\n", json.into_text()))?;
        return Ok(code);
    }
    let mut text = status.to_string();
    let width = names.iter().map(|name| name.as_str().len()).max().unwrap_or(0);
    for seen in &containers {
        text.push_str(&format!("container  {:width$}  {}", seen.name.as_str(), seen.state.name()));
        if seen.init > 0 {
            text.push_str(&format!(", pid {}", seen.init));
        }
        text.push_str(&seen.remark());
        text.push('\n');
    }
    for (container, what) in &drift {
        let of = container.as_ref().map_or("board", |name| name.as_str());
        text.push_str(&format!("drift  {of:width$}  {what}\n"));
    }
    print(format_args!("{text}"))?;
    Ok(code)
}

const WAITS: &str = "has ended and waits to be restarted";

/// What `status` ends with when something is not as the profile says.
const DRIFT: u8 = 7;

/// What is not as the profile says, and of which container, or of the board.
fn differences<'a>(
    board: &'a Board,
    containers: &[control::Seen],
) -> Result<Vec<(Option<&'a ContainerName>, String)>> {
    let host = apply::host::read(true)?;
    let mut found: Vec<(Option<&ContainerName>, String)> = match plan::board::up(board, &host) {
        Ok(steps) => steps.iter().map(|planned| (None, format!("not done: {}", planned.step))).collect(),
        Err(error) => vec![(None, error.to_string())],
    };
    let wanted = with_required(&board.containers, &started_by_itself(board));
    for container in &board.containers {
        let name = &container.name;
        let Some(seen) = containers.iter().find(|seen| seen.name == *name) else { continue };
        match seen.state {
            State::Stopped if wanted.iter().any(|other| other.name == *name) => {
                found.push((Some(name), "does not run".into()));
            }
            State::Stopped => {}
            _ if seen.silent => found.push((Some(name), seen.ended.clone().unwrap_or_default())),
            State::Restarting => found.push((Some(name), WAITS.into())),
            _ => match drift::lines(container, &host) {
                Ok(lines) => found.extend(lines.into_iter().map(|line| (Some(name), line))),
                // It has ended since it was looked at.
                Err(error) => found.push((Some(name), error.to_string())),
            },
        }
    }
    Ok(found)
}

fn controller(status: &ControllerStatus, json: &mut Json) {
    let (state, at) = match &status.state {
        ControllerState::Mounted(at) => ("v1", Some(at)),
        ControllerState::Unified(at) => ("v2", Some(at)),
        ControllerState::NotMounted => ("not mounted", None),
        ControllerState::Disabled => ("disabled", None),
        ControllerState::Absent => ("absent", None),
    };
    json.open("", '{');
    json.text("name", &status.name);
    json.text("state", state);
    match at {
        Some(at) => json.text("mountpoint", at),
        None => json.bare("mountpoint", "null"),
    }
    json.bool("by_up", status.ours);
    json.close('}');
}

fn bridge(status: &BridgeStatus, json: &mut Json) {
    json.open("", '{');
    json.text("name", &status.name);
    json.text(
        "state",
        match status.up {
            None => "absent",
            Some(false) => "down",
            Some(true) => "up",
        },
    );
    json.open("ports", '[');
    for (name, enslaved) in &status.ports {
        json.open("", '{');
        json.text("name", name);
        json.bool("enslaved", *enslaved);
        json.close('}');
    }
    json.close(']');
    match &status.relay {
        None => json.bare("relay", "null"),
        Some((name, whole)) => {
            json.open("relay", '{');
            json.text("name", name);
            json.bool("reflects", *whole);
            json.close('}');
        }
    }
    json.bool("by_up", status.ours);
    json.close('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_told_from_a_containers_name() {
        let told = |words: &[&str]| {
            let words = words.iter().map(|word| word.to_string()).collect();
            operands(None, words).map(|(profile, names)| (profile.unwrap_or_default(), names.len()))
        };
        assert_eq!(told(&["a", "boards/x.toml", "b.c"]).unwrap(), ("boards/x.toml".into(), 2));
        assert_eq!(told(&["x.toml"]).unwrap(), ("x.toml".into(), 0));
        assert_eq!(told(&["/etc/x"]).unwrap(), ("/etc/x".into(), 0));
        for bad in [&["x.toml", "y.toml"][..], &["a b"], &[""]] {
            assert_eq!(told(bad).unwrap_err().kind, Kind::Usage);
        }
        assert!(operands(Some("x".into()), vec!["y.toml".into()]).is_err());
    }
}
