//! `probe`: what the switch next to a link does.

use super::Run;
use super::args::Words;
use super::json::Json;
use super::output::print;
use crate::container::probe::{self, Question, Reflection};
use crate::error::Error;
use crate::plan::vepa::{self, Pair};
use crate::profile::Board;
use argh::FromArgs;
use std::time::Duration;

/// Finds out whether the switch next to a link reflects frames (IEEE 802.1Qbg: reflective relay), which containers with
/// VEPA interfaces on one link need to reach each other. Exit code 0: it does; 1: it does not, or both it and a relay do. Nothing is left behind.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Probe {
    /// seconds until a frame that has not come back is lost (default: 1)
    #[argh(option, short = 't', default = "1", arg_name = "seconds")]
    timeout: u32,
    /// as one JSON object
    #[argh(switch)]
    json: bool,
    /// the interface that the containers' are on, such as br0
    #[argh(positional)]
    link: String,
}

/// `boardbox probe`.
pub fn probe(words: &Words) -> Run {
    words.no_command()?;
    let args: Probe = words.parse()?;
    if args.timeout == 0 || args.timeout > 3600 {
        return Err(Error::usage("--timeout: 1 to 3600 seconds").into());
    }
    let link = &args.link;
    let reflection = probe::reflection(link, Duration::from_secs(args.timeout.into()))?;
    if args.json {
        let mut json = Json::default();
        json.open("", '{');
        json.text("link", link);
        json.bool("reflects", reflection != Reflection::Never);
        json.bool("twice", reflection == Reflection::Twice);
        json.close('}');
        print(format_args!("{}\n", json.into_text()))?;
    } else if reflection == Reflection::Once {
        print(format_args!("{link}: the switch reflects\n"))?;
    } else if reflection == Reflection::Twice {
        print(format_args!(
            "{link}: {link}-relay reflects, and the switch does, too: containers on {link} lose each other.\n\
             Take relay = true out of the profile, or have the switch not reflect.\n"
        ))?;
    } else {
        print(format_args!(
            "{link}: the switch does not reflect: containers on {link} with mode = \"vepa\" reach neither each other nor this board.\n\
             Give those that should mode = \"bridge\", or their [[bridge]] relay = true, or have the switch reflect\n\
             (reflective relay, IEEE 802.1Qbg).\n\
             A Linux bridge as the switch: bridge link set dev PORT hairpin on, for the switch's port to this board;\n\
             never for a port of this board's own bridge.\n"
        ))?;
    }
    Ok(u8::from(reflection != Reflection::Once))
}

/// What `up` asks about while the containers start: each link on which two of them need the switch to reflect.
pub struct Questions<'a>(Vec<(Pair<'a>, Question)>);

impl<'a> Questions<'a> {
    /// Begins to ask.
    pub fn ask(board: &'a Board) -> Self {
        let ask = |pair: Pair<'a>| match Question::ask(pair.link.as_str()) {
            Ok(question) => Some((pair, question)),
            Err(error) => {
                log::warn!("{error}");
                None
            }
        };
        Self(vepa::pairs(board).into_iter().filter_map(ask).collect())
    }

    /// Warns of the containers that do not reach each other.
    pub fn tell(self) {
        for (Pair { link, one, other, origin }, question) in self.0 {
            let why = match question.answer() {
                None | Some(Reflection::Once) => continue,
                Some(Reflection::Never) => "the switch does not reflect",
                Some(Reflection::Twice) => "both the relay and the switch reflect",
            };
            log::warn!(
                "{origin}: containers \"{one}\" and \"{other}\" do not reach each other on {link}: {why} \
                 (boardbox probe {link} says what to do)"
            );
        }
    }
}
