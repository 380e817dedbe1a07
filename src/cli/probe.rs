//! `probe`: what the switch next to a link does.

use super::Run;
use super::args::Words;
use super::json::Json;
use super::output::print;
use crate::container::probe;
use crate::error::Error;
use argh::FromArgs;
use std::time::Duration;

/// Finds out whether the switch next to a link reflects frames (IEEE 802.1Qbg: reflective relay), which containers with
/// VEPA interfaces on one link need to reach each other. Exit code 0: it does; 1: it does not. Nothing is left behind.
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
    let reflects = probe::reflects(link, Duration::from_secs(args.timeout.into()))?;
    if args.json {
        let mut json = Json::default();
        json.open("", '{');
        json.text("link", link);
        json.bool("reflects", reflects);
        json.close('}');
        print(format_args!("{}\n", json.into_text()))?;
    } else if reflects {
        print(format_args!("{link}: the switch reflects\n"))?;
    } else {
        print(format_args!(
            "{link}: the switch does not reflect: containers on {link} with mode = \"vepa\" do not reach each other.\n\
             Give those that should mode = \"bridge\", or have the switch reflect (reflective relay, IEEE 802.1Qbg).\n\
             A Linux bridge as the switch: bridge link set dev PORT hairpin on, for the switch's port to this board;\n\
             never for a port of this board's own bridge.\n"
        ))?;
    }
    Ok(u8::from(!reflects))
}
