//! `convert`: LXC files and cgconfig.conf as a profile, a profile's container as an LXC file.

use super::args::Words;
use super::output::{print, warn};
use super::{Exit, Run};
use crate::convert::{self, Form};
use crate::error::{Error, Result};
use crate::profile::text::shown;
use crate::profile::value::ContainerName;
use argh::FromArgs;

/// Prints what a file says in the other form: an LXC file or libcgroup's cgconfig.conf as sections of a profile, a profile's
/// container as an LXC file. Comments are kept where they can be; what has no equal is told, and left out.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Convert {
    /// toml; lxc: today's keys; lxc-0.9: LXC 0.9.0's (default: toml for an LXC file, lxc for a profile)
    #[argh(option, arg_name = "form", from_str_fn(form))]
    to: Option<Form>,
    /// the name of an LXC file's container (default: the file's), or the container of a profile to print
    #[argh(option, short = 'n')]
    name: Option<ContainerName>,
    /// begin with a [board] section of this name, so that the output is a whole profile
    #[argh(option, arg_name = "name")]
    board: Option<String>,
    /// LXC files, cgconfig.conf, or a profile
    #[argh(positional, arg_name = "file")]
    files: Vec<String>,
}

fn form(text: &str) -> std::result::Result<Form, String> {
    match text {
        "toml" => Ok(Form::Toml),
        "lxc" => Ok(Form::Lxc),
        "lxc-0.9" => Ok(Form::Lxc09),
        _ => Err(format!("\"{}\" is none of toml, lxc, lxc-0.9", shown(text))),
    }
}

/// `boardbox convert`.
pub fn convert(words: &Words) -> Run {
    words.no_command()?;
    let args: Convert = words.parse()?;
    let text = converted(&args)?;
    print(format_args!("{text}"))?;
    Ok(0)
}

fn converted(args: &Convert) -> std::result::Result<String, Exit> {
    // What the command line alone tells goes before what is in the files.
    one(args, args.to.unwrap_or(Form::Toml))?;
    let mut sources = Vec::new();
    for file in &args.files {
        let source = convert::read(file, args.name.as_ref())?;
        check(args, file, &source)?;
        sources.push(source);
    }
    let Some(first) = sources.first() else {
        return Err(Error::usage("no file is named").hint("boardbox convert FILE").into());
    };
    let to = args.to.unwrap_or(if first.board.is_some() { Form::Lxc } else { Form::Toml });
    one(args, to)?;
    let mut out = String::new();
    if let Some(name) = &args.board {
        out.push_str(&convert::begin(name));
    }
    for source in &mut sources {
        let text = match to {
            Form::Toml => source.to_toml(),
            form => source.to_lxc(args.name.as_ref(), form == Form::Lxc09)?,
        };
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&text);
        for warning in &source.warnings {
            warn(warning);
        }
    }
    Ok(out)
}

/// What takes one file takes no more.
fn one(args: &Convert, to: Form) -> Result<()> {
    if args.files.len() > 1 && (to != Form::Toml || args.name.is_some()) {
        let what = if to == Form::Toml { "a name" } else { "an LXC file" };
        return Err(Error::usage(format!("{what} is for one file at a time")));
    }
    Ok(())
}

/// What a kind of file can not be asked for.
fn check(args: &Convert, file: &str, source: &convert::Source) -> Result<()> {
    if source.board.is_some() && args.board.is_some() {
        return Err(Error::usage(format!("{} has a [board] of its own", shown(file))));
    }
    if source.board.is_some() && args.name.is_some() && args.to == Some(Form::Toml) {
        return Err(Error::usage("a profile is printed whole").hint("without -n"));
    }
    Ok(())
}
