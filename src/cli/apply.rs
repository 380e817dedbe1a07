//! `apply`: what a changed profile says of cgroups, for containers that run.

use super::args::Words;
use super::board::{chosen, current, operands};
use super::control::{ask, look};
use super::output::{complain, print};
use super::{Run, drift};
use crate::apply;
use crate::container::client::{self, PROMPT};
use crate::container::control::{Reply, Request, Settings, State};
use crate::error::Kind;
use argh::FromArgs;

/// Gives running containers the cgroup settings and device rules that their profile has now, without a restart, all or
/// none: where one is refused, everything is as before. A setting that the profile no longer has gets the kernel's
/// default. Prints what has changed, and what only a restart of the container can change.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Apply {
    /// the board's profile (default: the one that up was given, else /etc/boardbox/board.toml)
    #[argh(option, arg_name = "file")]
    profile: Option<String>,
    /// only these containers (default: the profile's that run); a word with a / or .toml at its end is the profile
    #[argh(positional, arg_name = "container")]
    words: Vec<String>,
}

/// `boardbox apply`.
pub fn apply(words: &Words) -> Run {
    words.no_command()?;
    let args: Apply = words.parse()?;
    let (file, names) = operands(args.profile, args.words)?;
    let board = current(file.as_deref())?;
    let host = apply::host::read(false)?;
    let running = client::names()?;
    let mut wanted = Vec::new();
    let mut text = String::new();
    for container in chosen(&board, &names)? {
        let runs = running.contains(&container.name);
        if runs && names.is_empty() && look(&container.name)?.state == State::Restarting {
            text.push_str(&format!("{}: waits to be restarted: not changed\n", container.name));
        } else if runs {
            // What is wrong with any of them is found before one is changed.
            wanted.push((container, drift::settings(container, &host)?));
        } else if !names.is_empty() {
            return Err(client::not_running(&container.name).into());
        }
    }
    let mut code = 0;
    for (index, (container, settings)) in wanted.iter().enumerate() {
        let name = &container.name;
        let said = client::say(name, &Request::Apply { settings: Settings(settings) }, Some(PROMPT));
        let was_said = said.is_ok();
        match said.and_then(|monitor| client::reply(name, &monitor, PROMPT)) {
            Ok(answer) => {
                if let Reply::Value { text: changed } = answer.reply() {
                    changed.lines().for_each(|line| text.push_str(&format!("{name}: {line}\n")));
                }
            }
            Err(error) => {
                // A late monitor applies it when it comes to that, and takes it back right after: connections are accepted
                // in order.
                if was_said
                    && error.kind == Kind::Timeout
                    && let Err(error) = client::say(name, &Request::Revert, Some(PROMPT))
                {
                    complain(&error);
                }
                for (container, _) in wanted.iter().take(index).rev() {
                    if let Err(error) = ask(&container.name, &Request::Revert, Some(PROMPT)) {
                        complain(&error);
                    }
                }
                let named = format!("container \"{name}\"");
                let is_named = error.to_string().contains(&named);
                return Err(if is_named { error } else { error.tried(named) }.into());
            }
        }
        match drift::by_restart(container) {
            Ok(parts) if parts.is_empty() => {}
            Ok(parts) => text.push_str(&format!("{name}: {}\n", drift::by_restart_line(&parts))),
            // What has changed is to be told all the same.
            Err(error) => {
                complain(&error);
                code = error.kind.exit_code();
            }
        }
    }
    if text.is_empty() {
        text.push_str("nothing to change\n");
    }
    print(format_args!("{text}"))?;
    Ok(code)
}
