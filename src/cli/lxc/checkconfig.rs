//! lxc-checkconfig: the kernel's options that boardbox needs, on the running kernel.

use super::COMMON;
use crate::check::{config, kernel};
use crate::cli::output::{self, print};
use crate::cli::{Run, getopt, version};
use crate::error::Error;
use crate::profile::text::shown;

/// It is about no container.
pub fn run(words: &[&str]) -> Run {
    let given = getopt::parse(words, &COMMON).map_err(|error| error.hint("lxc-checkconfig --help"))?;
    if given.has("version") {
        return version("lxc-checkconfig");
    }
    let usage = "usage: [CONFIG=FILE] lxc-checkconfig";
    if given.has("help") || given.has("usage") {
        let about =
            "Prints the options that boardbox needs of the kernel, and which of them the running one has.";
        print(format_args!("{usage}\n\n{about}\n"))?;
        return Ok(0);
    }
    if let Some(word) = given.operands.first() {
        return Err(Error::usage(format!("\"{}\" has no meaning here", shown(word))).into());
    }
    let (kernel, path) = match config::running() {
        Ok(found) => found,
        Err(error) => {
            output::complain(&error);
            return Ok(1);
        }
    };
    print(format_args!(
        "Kernel configuration found at {path}\n{}\nNote : Before booting a new kernel, you can check its configuration\n\
         usage : CONFIG=/path/to/config lxc-checkconfig\n",
        kernel::listing(&kernel)
    ))?;
    Ok(0)
}
