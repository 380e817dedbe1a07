//! `image`: what a board boots.

use super::args::Words;
use super::output::{print, warn};
use super::{Exit, Run};
use crate::error::{Error, Result};
use crate::image::{self, Parts};
use crate::profile::text::shown;
use argh::FromArgs;

/// Writes what a board boots, as an initramfs (cpio) or as a tree: overlays, the board's profile, its containers' root file
/// systems, single files. The same input gives the same bytes; no root is needed.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Image {
    /// what is written: NAME.cpio, NAME.cpio.gz, .xz, .zst or .lz4, or DIRECTORY/ for a tree
    #[argh(option, short = 'o', arg_name = "file")]
    output: String,
    /// a directory whose content goes to the image's root; repeatable, later ones go before earlier ones
    #[argh(option, arg_name = "directory")]
    overlay: Vec<String>,
    /// the board's profile: it becomes /etc/boardbox/board.toml, and what its containers are mounted on is made
    #[argh(option, arg_name = "file")]
    profile: Option<String>,
    /// a container's root file system, put where the profile has it; repeatable
    #[argh(option, arg_name = "name=directory")]
    rootfs: Vec<String>,
    /// a file, or a directory with what is in it, under the path it has in the image; repeatable
    #[argh(option, arg_name = "path=source")]
    file: Vec<String>,
    /// a symbolic link in the image; repeatable
    #[argh(option, arg_name = "path=target")]
    link: Vec<String>,
    /// a table of device nodes, directories, owners and modes, as Buildroot's; repeatable
    #[argh(option, arg_name = "file")]
    table: Vec<String>,
}

/// `boardbox image`.
pub fn image(words: &Words) -> Run {
    words.no_command()?;
    let args: Image = words.parse()?;
    let parts = Parts {
        rootfs: pairs("--rootfs", "NAME=DIRECTORY", &args.rootfs)?,
        files: pairs("--file", "PATH=SOURCE", &args.file)?,
        links: pairs("--link", "PATH=TARGET", &args.link)?,
        overlays: args.overlay,
        profile: args.profile,
        tables: args.table,
    };
    let (tree, warnings) = image::build(&parts)?;
    for warning in &warnings {
        warn(warning);
    }
    if tree.entries.is_empty() {
        return Err(Exit::Failed(Error::usage("there is nothing to write").hint("boardbox image --help")));
    }
    image::write(&tree, &args.output, time()?)?;
    print(format_args!("{}: {} entries\n", args.output, tree.entries.len()))?;
    Ok(0)
}

fn pairs(option: &str, form: &str, words: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |word: &String| match word.split_once('=') {
        Some((first, second)) if !first.is_empty() && !second.is_empty() => Ok((first.into(), second.into())),
        _ => Err(Error::usage(format!("{option} {}", shown(word))).hint(format!("{option} {form}"))),
    };
    words.iter().map(pair).collect()
}

/// The time of all that is in it: none, or what reproducible builds agree on.
fn time() -> Result<u32> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(0),
        Ok(text) => text.parse().map_err(|_| {
            Error::usage(format!("SOURCE_DATE_EPOCH \"{}\" is no number of seconds", shown(&text)))
        }),
    }
}
