//! What goes to standard output and standard error.

use super::Exit;
use crate::error::Error;
use crate::profile::Container;
use crate::profile::value::ContainerName;
use crate::sys::process;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::fmt::Arguments;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

/// What a shell makes of a program that SIGPIPE ended.
const BROKEN_PIPE: u8 = 128 + libc::SIGPIPE as u8;

static PROGRAM: OnceLock<String> = OnceLock::new();
static QUIET: AtomicBool = AtomicBool::new(false);
static LOG: OnceLock<Lines> = OnceLock::new();

/// Sets the name that everything on standard error begins with.
pub fn call(program: &str) {
    let _ = PROGRAM.set(program.into());
}

/// Whether only errors are wanted.
#[cfg(feature = "workbench")]
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

fn program() -> &'static str {
    PROGRAM.get().map_or("boardbox", String::as_str)
}

/// Prints to standard output in one write. Where nobody reads any more, the command ends quietly.
pub fn print(text: Arguments<'_>) -> Result<(), Exit> {
    let text = text.to_string();
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Exit::Code(BROKEN_PIPE)),
        Err(error) => Err(Error::io("write to standard output", &error).into()),
    }
}

/// Says something of a container that the operator should know, on standard error, unless he wants it quiet.
pub fn note(container: &ContainerName, text: &str) {
    if !text.is_empty() && !QUIET.load(Ordering::Relaxed) {
        line(program(), &format!("container \"{container}\": {text}"));
    }
}

/// Says what the user should know of a file, on standard error, unless he wants it quiet.
#[cfg(feature = "workbench")]
pub fn warn(warning: &Error) {
    if !QUIET.load(Ordering::Relaxed) {
        line(program(), &format!("warning: {warning}"));
    }
}

/// Says on standard output what has come of something, unless he wants it quiet.
pub fn say(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        // Nobody listens: what is being done goes on.
        let _ = print(format_args!("{text}"));
    }
}

/// Says how far something long is, to somebody at a terminal; the log says it, too.
pub fn progress(number: usize, of: usize, what: &str) {
    let logged = log::max_level() >= LevelFilter::Info;
    if !logged && !QUIET.load(Ordering::Relaxed) && std::io::stderr().is_terminal() {
        line(program(), &format!("[{number}/{of}] {what}"));
    }
}

/// Says what went wrong: one line on standard error, and in the log file where there is one.
pub fn complain(error: &Error) {
    let text = advised(error, process::is_root());
    if let Some(log) = LOG.get() {
        log.write("ERROR", &text);
        if log.quiet {
            return;
        }
    }
    line(program(), &text);
}

/// The error's text; what the kernel refuses to anybody but root is told them, unless there is better advice (which an
/// error from a container's monitor has in its text).
fn advised(error: &Error, root: bool) -> String {
    let mut text = error.to_string();
    if matches!(error.errno, libc::EACCES | libc::EPERM) && !root && !text.ends_with(')') {
        text.push_str(" (run this as root)");
    }
    text
}

fn line(program: &str, text: &str) {
    // In one write, so that the lines of several programs do not mix; if standard error is gone, so is the reader.
    let line = format!("{program}: {}\n", text.trim_end().replace('\n', " "));
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Starts the log on standard error: everything with `verbose`, warnings without, nothing but errors with `quiet`.
pub fn start_log(verbose: bool, quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
    let level = match (verbose, quiet) {
        (true, _) => LevelFilter::Debug,
        (false, true) => LevelFilter::Error,
        (false, false) => LevelFilter::Warn,
    };
    log_to(None, false, level);
}

fn log_to(file: Option<File>, quiet: bool, level: LevelFilter) {
    // It fails only when there is a log already.
    if log::set_logger(LOG.get_or_init(|| Lines { file: Mutex::new(file), quiet })).is_ok() {
        log::set_max_level(level);
    }
}

/// Sends the log of this process, a container's monitor, where the container's keys want it.
pub fn log_of(container: &Container) -> crate::error::Result<()> {
    if let (Some(path), Some(log)) = (&container.log_file, LOG.get()) {
        let file = open(path).map_err(|error| container.about("log-file", error))?;
        if let Ok(mut place) = log.file.lock() {
            *place = Some(file);
        }
    }
    if let Some(level) = container.log_level {
        log::set_max_level(level);
    }
    Ok(())
}

fn open(path: &str) -> crate::error::Result<File> {
    let file = File::options().append(true).create(true).open(path);
    file.map_err(|error| Error::io(format!("open log file {path}"), &error))
}

/// Starts the log as LXC's options have it: to `file` where there is one, errors and without it all to standard error, too,
/// unless `quiet`.
pub fn start_lxc_log(level: LevelFilter, quiet: bool, file: Option<&str>) -> crate::error::Result<()> {
    QUIET.store(quiet, Ordering::Relaxed);
    log_to(file.map(open).transpose()?, quiet, level);
    Ok(())
}

/// The log: in the file of LXC's `-o` or of a container's key, and errors on standard error, too; without a file all of it there;
/// nothing there with `quiet`. Each line in one write: containers start side by side, and so do their monitors' lines.
struct Lines {
    file: Mutex<Option<File>>,
    quiet: bool,
}

impl Lines {
    /// False where there is no file.
    fn write(&self, level: &str, text: &str) -> bool {
        let Ok(mut file) = self.file.lock() else { return false };
        let Some(file) = file.as_mut() else { return false };
        // A log that can not be written must not end what it tells of.
        let _ = file.write_all(format!("{level}: {text}\n").as_bytes());
        true
    }
}

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let (level, text) = (record.level().as_str(), record.args().to_string());
        let written = self.write(level, &text);
        if !self.quiet && (!written || record.level() == Level::Error) {
            let line = format!("{level:<5} [{}] {}\n", record.target(), text.trim_end().replace('\n', " "));
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;

    #[test]
    fn who_is_not_root_is_told_to_be() {
        let refused = Error::sys("make directory /run/boardbox", Errno::EACCES);
        let plain = "make directory /run/boardbox: Permission denied";
        assert_eq!(advised(&refused, true), plain);
        assert_eq!(advised(&refused, false), format!("{plain} (run this as root)"));
        assert_eq!(advised(&refused.hint("ask"), false), format!("{plain} (ask)"));
        assert_eq!(advised(&Error::sys("x", Errno::ENOENT), false), "x: No such file or directory");
    }
}
