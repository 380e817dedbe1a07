//! From boardbox's command lines to argh's structs. argh takes `--key value` only, so `--key=value`, `-kVALUE` and
//! bundled letters are taken apart before; the options that every command has never reach it.

use super::{Exit, output};
use crate::error::{Error, Result};
use argh::{EarlyExit, FromArgs};

/// Every option of any command that has a value; one that is a flag in another command must not be here.
const VALUES: &[&str] = &[
    "--kernel-config",
    "--dtb",
    "--allow",
    "--profile",
    "--port",
    "--group",
    "--file",
    "--name",
    "--set",
    "--pidfile",
    "--timeout",
    "--state",
    "--env",
    "--uid",
    "--gid",
    "--cwd",
    "--rootfs",
    "--hostname",
    "--controllers",
    "--cpus",
    "--cpu-shares",
    "--memory",
    "--devices",
    "--bind",
    "--tmpfs",
    "--network",
    "--to",
    "--board",
    "--output",
    "--overlay",
    "--link",
    "--table",
];

/// The letters among them.
const LETTERS: &str = "fnspteugrcmbo";

/// Options that every command has.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Common {
    /// `-v`: tell each step.
    pub verbose: bool,
    /// `-q`: errors only.
    pub quiet: bool,
    /// `--version`.
    pub version: bool,
}

impl Common {
    /// Takes the option when it is one of these.
    fn take(&mut self, word: &str) -> bool {
        match word {
            "-v" | "--verbose" => self.verbose = true,
            "-q" | "--quiet" => self.quiet = true,
            "--version" => self.version = true,
            _ => return false,
        }
        true
    }
}

/// A command line as argh reads it.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Words {
    /// The command's name.
    pub name: &'static str,
    /// Options and operands.
    pub args: Vec<String>,
    /// The command to run inside: what follows `--`, or the operand that begins it. As it was written.
    pub command: Vec<String>,
}

impl Words {
    /// Takes the arguments of the command `name` apart. After `operands` operands the rest is the command to run
    /// inside; `None` means that only `--` begins one.
    pub fn split(name: &'static str, words: &[&str], operands: Option<usize>, common: &mut Common) -> Self {
        let mut split = Self { name, ..Self::default() };
        let mut seen = 0;
        let mut rest = words.iter().copied();
        while let Some(word) = rest.next() {
            if word == "--" {
                break;
            }
            if common.take(word) {
                continue;
            }
            if name == "kill" && is_signal(word) {
                split.args.push(word.trim_start_matches('-').into());
            } else if word.starts_with("--") {
                match word.split_once('=') {
                    Some((key, value)) if VALUES.contains(&key) => {
                        split.args.extend([key.into(), value.into()]);
                    }
                    _ => {
                        split.args.push(word.into());
                        if VALUES.contains(&word) {
                            split.args.extend(rest.next().map(String::from));
                        }
                    }
                }
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                for (at, letter) in letters.char_indices() {
                    let option = format!("-{letter}");
                    if common.take(&option) {
                        continue;
                    }
                    split.args.push(option);
                    if LETTERS.contains(letter) {
                        let hung = letters.get(at + letter.len_utf8()..).filter(|hung| !hung.is_empty());
                        split.args.extend(hung.or_else(|| rest.next()).map(String::from));
                        break;
                    }
                }
            } else {
                if operands == Some(seen) {
                    split.command.push(word.into());
                    break;
                }
                seen += 1;
                split.args.push(word.into());
            }
        }
        split.command.extend(rest.map(String::from));
        split
    }

    /// The command's struct; a help text is printed and ends the command.
    pub fn parse<T: FromArgs>(&self) -> std::result::Result<T, Exit> {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        match T::from_args(&["boardbox", self.name], &args) {
            Ok(parsed) => Ok(parsed),
            Err(EarlyExit { output, status: Ok(()) }) => {
                output::print(format_args!("{output}"))?;
                Err(Exit::Code(0))
            }
            Err(EarlyExit { output, status: Err(()) }) => {
                // Several lines in some cases.
                let words: Vec<&str> = output.split_whitespace().collect();
                let text = words.join(" ");
                let mut letters = text.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                let text: String = first.into_iter().chain(letters).collect();
                Err(Error::usage(text).hint(format!("boardbox {} --help", self.name)).into())
            }
        }
    }

    /// Refuses a command to run inside, for those commands that take none.
    pub fn no_command(&self) -> Result<()> {
        match self.command.first() {
            None => Ok(()),
            Some(word) => {
                let word = crate::profile::text::shown(word);
                Err(Error::usage(format!(
                    "boardbox {} runs no command, so \"{word}\" has no meaning",
                    self.name
                ))
                .hint(format!("boardbox {} --help", self.name)))
            }
        }
    }
}

/// `-9`, `-TERM`: what kill(1) takes.
pub fn is_signal(word: &str) -> bool {
    let signal = word.strip_prefix('-').unwrap_or("");
    signal.len() > 1 && signal.bytes().all(|c| matches!(c, b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-'))
        || matches!(signal.as_bytes(), [b'0'..=b'9'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(words: &[&str], operands: Option<usize>) -> (String, String, Common) {
        let mut common = Common::default();
        let split = Words::split("x", words, operands, &mut common);
        (split.args.join(" "), split.command.join(" "), common)
    }

    #[test]
    fn values_are_taken_off_their_keys() {
        assert_eq!(split(&["--profile=a=b", "-t5", "-t", "-5"], None).0, "--profile a=b -t 5 -t -5");
        // Only where the option has a value: argh is to say that it has none, or that it does not know it.
        assert_eq!(split(&["--kill=1", "--bogus=1"], None).0, "--kill=1 --bogus=1");
        // A value is a value whatever it looks like.
        assert_eq!(split(&["--set", "--name=x", "-n", "--"], None).0, "--set --name=x -n --");
        assert_eq!(split(&["-kt5", "-dn", "foo"], None).0, "-k -t 5 -d -n foo");
        assert_eq!(split(&["-n"], None).0, "-n");
    }

    #[test]
    fn common_options_stand_anywhere_before_the_command() {
        let (args, command, common) = split(&["-v", "foo", "-kq", "--", "-v", "--version"], None);
        assert_eq!((args.as_str(), command.as_str()), ("foo -k", "-v --version"));
        assert_eq!(common, Common { verbose: true, quiet: true, version: false });
        assert!(split(&["--version"], None).2.version);
    }

    #[test]
    fn the_command_inside_is_left_as_it_is() {
        let words = ["-e", "A=B", "foo", "-u", "0", "ls", "-v", "--profile=x", "--", "-l"];
        let (args, command, common) = split(&words, Some(1));
        assert_eq!(args, "-e A=B foo -u 0");
        assert_eq!(command, "ls -v --profile=x -- -l");
        assert_eq!(common, Common::default());
        assert_eq!(split(&["foo", "--", "ls", "--", "x"], Some(1)).1, "ls -- x");
        assert_eq!(
            split(&["--rootfs=/r", "true", "-x"], Some(0)),
            ("--rootfs /r".into(), "true -x".into(), common)
        );
    }
}
