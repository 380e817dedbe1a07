//! `check`: what is wrong with profiles.

use super::Run;
use super::args::Words;
use super::json::Json;
use super::output::{self, print};
use crate::check::config::{self, Config};
use crate::check::rules::{RULES, Severity, severity};
use crate::check::tree::Tree;
use crate::check::{Against, dtb};
use crate::convert;
use crate::error::{Error, Origin};
use crate::profile::text::{self, Findings, nearest, shown};
use crate::profile::value::ContainerName;
use crate::profile::{Board, lxc, toml};
use argh::FromArgs;
use std::path::Path;

/// A profile with nothing worse than warnings, under --strict (docs/exit-codes.md).
const WARNINGS: u8 = 7;

/// Tells what is wrong with profiles or LXC files, on any machine and without root: all of it at once, each finding with
/// its severity, place, rule and what to do. docs/checks.md lists the rules. Exit code 0: no errors; 2: errors; 7: warnings,
/// with --strict.
#[derive(FromArgs)]
#[argh(help_triggers("--help", "-h"))]
struct Check {
    /// the target's file tree, which stands for the board's /: bind sources, root file systems, programs and their
    /// libraries are looked for in it
    #[argh(option, arg_name = "directory")]
    rootfs: Option<String>,
    /// the board's kernel configuration, .config or config.gz: options that the profile needs
    #[argh(option, arg_name = "file")]
    kernel_config: Option<String>,
    /// this machine's kernel stands for the board's
    #[argh(switch)]
    running_kernel: bool,
    /// the board's flattened device tree: its compatible strings and cpus
    #[argh(option, arg_name = "file")]
    dtb: Option<String>,
    /// do not tell findings of this rule, unless it is an error's; repeatable
    #[argh(option, arg_name = "rule")]
    allow: Vec<String>,
    /// warnings fail, too: exit code 7
    #[argh(switch)]
    strict: bool,
    /// as one JSON object
    #[argh(switch)]
    json: bool,
    /// as SARIF 2.1.0, which code hosts show beside the lines
    #[argh(switch)]
    sarif: bool,
    /// profiles and LXC files (default: /etc/boardbox/board.toml)
    #[argh(positional, arg_name = "profile")]
    profiles: Vec<String>,
}

/// `boardbox check`.
pub fn check(words: &Words) -> Run {
    words.no_command()?;
    let args: Check = words.parse()?;
    if args.json && args.sarif {
        return Err(Error::usage("--json and --sarif do not go together").into());
    }
    for name in &args.allow {
        if !RULES.iter().any(|rule| rule.id == name && rule.severity != Severity::Error) {
            let error =
                Error::usage(format!("--allow {}: no rule for warnings or notes has this name", shown(name)));
            return Err(match nearest(name, RULES.iter().map(|rule| rule.id)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("docs/checks.md lists them"),
            }
            .into());
        }
    }
    let kernel = match (&args.kernel_config, args.running_kernel) {
        (Some(_), true) => {
            return Err(Error::usage("--kernel-config and --running-kernel do not go together").into());
        }
        (Some(path), false) => Some(Config::read(path)?),
        (None, true) => Some(config::running()?.0),
        (None, false) => None,
    };
    let dtb = match &args.dtb {
        Some(path) => {
            let read = dtb::parse(&config::whole(path, 4 << 20)?);
            Some((read.map_err(|error| error.tried(format!("device tree {path}")))?, path.as_str()))
        }
        None => None,
    };
    let against = Against {
        tree: args.rootfs.as_deref().map(Tree::open).transpose()?,
        kernel: kernel.as_ref(),
        dtb: dtb.as_ref().map(|(dtb, path)| (dtb, *path)),
        allow: &args.allow,
    };
    let default = [super::board::DEFAULT_PROFILE.to_string()];
    let profiles = if args.profiles.is_empty() { default.as_slice() } else { &args.profiles };
    let mut findings = Vec::new();
    for path in profiles {
        let (board, found) = survey(path);
        for finding in crate::check::board(&board, found, &against).findings {
            // Profiles that extend one share what is found in it.
            let same = |other: &Error| other.rule == finding.rule && other.to_string() == finding.to_string();
            if !findings.iter().any(same) {
                findings.push(finding);
            }
        }
    }
    let count = |of| findings.iter().filter(|finding| severity(finding.rule) == of).count();
    let counts = [count(Severity::Error), count(Severity::Warning), count(Severity::Note)];
    let told = match (args.json, args.sarif) {
        (true, _) => as_json(&findings, &counts),
        (_, true) => as_sarif(&findings),
        _ => as_text(&findings, &counts),
    };
    print(format_args!("{told}"))?;
    Ok(match counts {
        [0, 0, _] => 0,
        [0, ..] if args.strict => WARNINGS,
        [0, ..] => 0,
        _ => 2,
    })
}

/// Reads a profile or an LXC file, and everything that is wrong with it.
fn survey(path: &str) -> (Board, Findings) {
    let file = path.into();
    let text = match text::read(path, "file") {
        Ok(text) => text,
        Err(error) => {
            return (Board::default(), error.at(&Origin::new(&file, 0, 0)).into());
        }
    };
    if !convert::is_lxc(path, &text) {
        return toml::survey(&text, &file);
    }
    let Some(name) = name(path) else { return Default::default() };
    let (container, findings) = lxc::survey(path, &name, std::iter::empty());
    let containers = if container.origin.file.is_some() { vec![container] } else { Vec::new() };
    (Board { file: Some(file), containers, ..Board::default() }, findings)
}

/// The name that an LXC file's container has by its file's: NAME.conf, or NAME/config.
fn name(path: &str) -> Option<ContainerName> {
    let path = Path::new(path);
    let stem = match path.file_name().is_some_and(|name| name == "config") {
        true => path.parent().and_then(Path::file_name),
        false => path.file_stem(),
    };
    let named = stem.and_then(|stem| stem.to_str()?.parse().ok());
    named.or_else(|| "container".parse().ok())
}

/// What is wrong, without its place and what to do.
fn message(finding: &Error) -> String {
    match finding.tried.is_empty() {
        true => finding.cause.clone(),
        false => format!("{}: {}", finding.tried, finding.cause),
    }
}

/// A line each, as compilers have it, so that editors find the place.
fn as_text(findings: &[Error], counts: &[usize; 3]) -> String {
    let mut text = String::new();
    for finding in findings {
        let severity = severity(finding.rule);
        if output::is_quiet() && severity != Severity::Error {
            continue;
        }
        if finding.origin.file.is_some() {
            text.push_str(&format!("{}: ", finding.origin));
        }
        text.push_str(&format!("{}: {}", severity.name(), message(finding)));
        if !finding.hint.is_empty() {
            text.push_str(&format!(" ({})", finding.hint));
        }
        text.push_str(&format!(" [{}]\n", finding.rule));
    }
    if !text.is_empty() {
        let mut gap = "";
        for (count, what) in counts.iter().zip(["error", "warning", "note"]) {
            text.push_str(&format!("{gap}{count} {what}{}", if *count == 1 { "" } else { "s" }));
            gap = ", ";
        }
        text.push('\n');
    }
    text
}

fn as_json(findings: &[Error], counts: &[usize; 3]) -> String {
    let mut json = Json::default();
    json.open("", '{');
    for (count, what) in counts.iter().zip(["errors", "warnings", "notes"]) {
        json.bare(what, &count.to_string());
    }
    json.open("findings", '[');
    for finding in findings {
        json.open("", '{');
        json.text("severity", severity(finding.rule).name());
        json.text("rule", finding.rule);
        match &finding.origin.file {
            Some(file) => json.text("file", file),
            None => json.bare("file", "null"),
        }
        json.bare("line", &finding.origin.line.to_string());
        json.bare("column", &finding.origin.column.to_string());
        json.text("message", &message(finding));
        json.text("hint", &finding.hint);
        json.close('}');
    }
    json.close(']');
    json.close('}');
    json.into_text() + "\n"
}

/// SARIF 2.1.0 (OASIS), with what code hosts ask for: rules, levels, regions.
fn as_sarif(findings: &[Error]) -> String {
    let mut json = Json::default();
    json.open("", '{');
    json.text("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    json.text("version", "2.1.0");
    json.open("runs", '[');
    json.open("", '{');
    json.open("tool", '{');
    json.open("driver", '{');
    json.text("name", "boardbox");
    json.text("version", env!("CARGO_PKG_VERSION"));
    json.text("informationUri", env!("CARGO_PKG_REPOSITORY"));
    json.open("rules", '[');
    for rule in RULES {
        json.open("", '{');
        json.text("id", rule.id);
        json.open("shortDescription", '{');
        json.text("text", rule.about);
        json.close('}');
        json.open("defaultConfiguration", '{');
        json.text("level", rule.severity.name());
        json.close('}');
        json.close('}');
    }
    json.close(']');
    json.close('}');
    json.close('}');
    json.text("columnKind", "unicodeCodePoints");
    json.open("results", '[');
    for finding in findings {
        json.open("", '{');
        json.text("ruleId", finding.rule);
        if let Some(index) = RULES.iter().position(|rule| rule.id == finding.rule) {
            json.bare("ruleIndex", &index.to_string());
        }
        json.text("level", severity(finding.rule).name());
        json.open("message", '{');
        let mut text = message(finding);
        if !finding.hint.is_empty() {
            text = format!("{text} ({})", finding.hint);
        }
        json.text("text", &text);
        json.close('}');
        json.open("locations", '[');
        if let Some(file) = &finding.origin.file {
            json.open("", '{');
            json.open("physicalLocation", '{');
            json.open("artifactLocation", '{');
            json.text("uri", &uri(file));
            json.close('}');
            if finding.origin.line > 0 {
                json.open("region", '{');
                json.bare("startLine", &finding.origin.line.to_string());
                if finding.origin.column > 0 {
                    json.bare("startColumn", &finding.origin.column.to_string());
                }
                json.close('}');
            }
            json.close('}');
            json.close('}');
        }
        json.close(']');
        json.close('}');
    }
    for bracket in [']', '}', ']', '}'] {
        json.close(bracket);
    }
    json.into_text() + "\n"
}

/// A path as a URI reference: RFC 3986's unreserved characters and slashes stay.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(byte.into())
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
