//! Command lines as getopt_long reads them, for LXC's names: `-nfoo`, `-n foo`, `--name=foo`, `--name foo`, `--na foo`,
//! `-dF`, operands between options, `--`. What is what is glibc's conduct, tried with Debian's lxc-* programs.

use crate::error::{Error, Result};
use crate::profile::text::{nearest, shown};

/// Whether an option has a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// It has none.
    No,
    /// It needs one; named so in the help.
    Needs(&'static str),
    /// Only one that hangs on: `-eCAP`, `--elevated-privileges=CAP`.
    May(&'static str),
}

/// An option.
#[derive(Clone, Copy)]
pub struct Opt {
    /// Its letter; NUL when it has none.
    pub short: char,
    /// Its long name, which is what the parsed command line calls it.
    pub long: &'static str,
    /// Its value.
    pub value: Value,
    /// What the help says.
    pub help: &'static str,
}

/// A command line taken apart.
#[derive(Default)]
pub struct Given<'a> {
    /// Long name and value, in order.
    options: Vec<(&'static str, Option<&'a str>)>,
    /// What is no option, in order.
    pub operands: Vec<&'a str>,
}

impl<'a> Given<'a> {
    /// True when the option was given.
    pub fn has(&self, long: &str) -> bool {
        self.options.iter().any(|option| option.0 == long)
    }

    /// Which of these options was given last.
    pub fn last(&self, longs: &[&str]) -> Option<&'static str> {
        self.options.iter().rev().map(|option| option.0).find(|long| longs.contains(long))
    }

    /// The option's value; where it was given several times, the last one.
    pub fn value(&self, long: &str) -> Option<&'a str> {
        self.values(long).next_back()
    }

    /// All its values in order.
    pub fn values(&self, long: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.options.iter().filter(move |option| option.0 == long).filter_map(|option| option.1)
    }
}

/// Takes `args` apart. `known` are all options there are.
pub fn parse<'a>(args: &[&'a str], known: &[Opt]) -> Result<Given<'a>> {
    let mut given = Given::default();
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        if arg == "--" {
            given.operands.extend(args);
            break;
        }
        if let Some(long) = arg.strip_prefix("--") {
            let (name, hung) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let option = find(name, known)?;
            let value = match (option.value, hung) {
                (Value::No, Some(_)) => {
                    return Err(Error::usage(format!("option --{} takes no value", option.long)));
                }
                (Value::Needs(what), None) => Some(next(&mut args, "--", option.long, what)?),
                (_, hung) => hung,
            };
            given.options.push((option.long, value));
        } else if let Some(mut letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            while let Some(letter) = letters.chars().next() {
                letters = letters.get(letter.len_utf8()..).unwrap_or("");
                let Some(option) = known.iter().find(|option| option.short == letter && letter != '\0')
                else {
                    return Err(Error::usage(format!("unknown option -{}", letter.escape_default())));
                };
                let rest = Some(letters).filter(|rest| !rest.is_empty());
                let value = match (option.value, rest) {
                    (Value::No, _) => None,
                    (Value::Needs(what), None) => {
                        Some(next(&mut args, "-", letter.encode_utf8(&mut [0; 4]), what)?)
                    }
                    (_, rest) => {
                        letters = "";
                        rest
                    }
                };
                given.options.push((option.long, value));
            }
        } else {
            given.operands.push(arg);
        }
    }
    Ok(given)
}

fn next<'a>(
    args: &mut impl Iterator<Item = &'a str>,
    dashes: &str,
    name: &str,
    what: &str,
) -> Result<&'a str> {
    args.next().ok_or_else(|| Error::usage(format!("option {dashes}{name} needs a value: {what}")))
}

/// By its whole name, or by the beginning of just one.
fn find<'k>(name: &str, known: &'k [Opt]) -> Result<&'k Opt> {
    if let Some(option) = known.iter().find(|option| option.long == name) {
        return Ok(option);
    }
    // An option with two letters is there twice.
    let mut like: Vec<&Opt> = known.iter().filter(|option| option.long.starts_with(name)).collect();
    like.dedup_by_key(|option| option.long);
    match like.as_slice() {
        [option] => Ok(option),
        [_, _, ..] => {
            let names: Vec<&str> = like.iter().map(|option| option.long).collect();
            Err(Error::usage(format!("option --{name} may mean --{}", names.join(" or --"))))
        }
        [] => {
            let error = Error::usage(format!("unknown option --{}", shown(name)));
            Err(match nearest(name, known.iter().map(|option| option.long)) {
                Some(near) => error.hint(format!("did you mean --{near}?")),
                None => error,
            })
        }
    }
}

/// The options as a help text, one a line.
pub fn help(known: &[Opt]) -> String {
    let mut text = String::new();
    for option in known {
        let mut left = match option.short {
            '\0' => String::from("      --"),
            short => format!("  -{short}, --"),
        };
        left.push_str(option.long);
        match option.value {
            Value::No => {}
            Value::Needs(what) => left.extend(["=", what]),
            Value::May(what) => left.extend(["[=", what, "]"]),
        }
        text.push_str(&format!("{left:27} {}\n", option.help));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Opt; 8] = [
        Opt { short: 'n', long: "name", value: Value::Needs("NAME"), help: "the container" },
        Opt { short: 'd', long: "daemon", value: Value::No, help: "" },
        Opt { short: 'F', long: "foreground", value: Value::No, help: "" },
        Opt { short: 's', long: "define", value: Value::Needs("KEY=VALUE"), help: "" },
        Opt { short: 'e', long: "elevated-privileges", value: Value::May("WHICH"), help: "" },
        Opt { short: '\0', long: "nolock", value: Value::No, help: "" },
        Opt { short: '\0', long: "nokill", value: Value::No, help: "" },
        Opt { short: '\0', long: "nokill-ever", value: Value::No, help: "" },
    ];

    fn options(args: &[&str]) -> String {
        match parse(args, &KNOWN) {
            Ok(given) => {
                let mut text = String::new();
                for (long, value) in &given.options {
                    text += &format!("{long}={} ", value.unwrap_or("-"));
                }
                text + "| " + &given.operands.join(" ")
            }
            Err(error) => {
                assert_eq!(error.kind, crate::error::Kind::Usage);
                error.to_string()
            }
        }
    }

    #[test]
    fn the_spellings_of_a_value_are_one() {
        for args in [&["-nfoo"][..], &["-n", "foo"], &["--name=foo"], &["--name", "foo"], &["--na", "foo"]] {
            assert_eq!(options(args), "name=foo | ", "{args:?}");
        }
        assert_eq!(options(&["-n", "-d"]), "name=-d | ");
        assert_eq!(options(&["--name", "--"]), "name=-- | ");
        assert_eq!(options(&["--name="]), "name= | ");
        assert_eq!(options(&["-s", "a=b", "--define=c=d"]), "define=a=b define=c=d | ");
    }

    #[test]
    fn flags_bundle_and_the_last_may_have_a_value() {
        assert_eq!(options(&["-dF"]), "daemon=- foreground=- | ");
        assert_eq!(options(&["-dnfoo"]), "daemon=- name=foo | ");
        assert_eq!(options(&["-dFn", "foo"]), "daemon=- foreground=- name=foo | ");
    }

    #[test]
    fn an_optional_value_has_to_hang_on() {
        assert_eq!(options(&["-e", "CAP"]), "elevated-privileges=- | CAP");
        assert_eq!(options(&["-deCAP"]), "daemon=- elevated-privileges=CAP | ");
        assert_eq!(options(&["--elev=CAP", "x"]), "elevated-privileges=CAP | x");
        assert_eq!(options(&["--elev", "x"]), "elevated-privileges=- | x");
    }

    #[test]
    fn operands_stand_anywhere_and_everything_after_two_dashes_is_one() {
        assert_eq!(options(&["a", "-d", "-", "--", "-F", "--"]), "daemon=- | a - -F --");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (args, why) in [
            (&["-Z"][..], "unknown option -Z"),
            (&["-dZ"], "unknown option -Z"),
            (&["--bogus"], "unknown option --bogus"),
            (&["--nmae=x"], "unknown option --nmae (did you mean --name?)"),
            (&["-n"], "option -n needs a value: NAME"),
            (&["--na"], "option --name needs a value: NAME"),
            (&["--daemon=1"], "option --daemon takes no value"),
            (&["--no"], "option --no may mean --nolock or --nokill or --nokill-ever"),
        ] {
            assert_eq!(options(args), why);
        }
        // A whole name that begins another one is itself.
        assert_eq!(options(&["--nokill"]), "nokill=- | ");
    }

    #[test]
    fn the_last_value_counts() {
        let given = parse(&["-na", "-nb"], &KNOWN).unwrap();
        assert_eq!(given.value("name"), Some("b"));
        assert_eq!(given.values("name").collect::<Vec<_>>(), ["a", "b"]);
        let given_both = parse(&["-dF", "-na"], &KNOWN).unwrap();
        assert_eq!(given_both.last(&["daemon", "foreground"]), Some("foreground"));
        assert_eq!(given.last(&["daemon", "foreground"]), None);
        assert!(given.has("name") && !given.has("daemon") && given.value("define").is_none());
        assert!(help(&KNOWN).starts_with("  -n, --name=NAME           the container\n"));
    }
}
