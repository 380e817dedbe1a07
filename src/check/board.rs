//! A whole board's check: the rooms one after the other, and what of it is told.

use super::rules::{self, Severity, severity};
use super::{config, dtb, layout, links, needs, network, resources, rootfs, security, tree};
use crate::error::{Error, Origin};
use crate::profile::text::{Findings, nearest, shown};
use crate::profile::{Board, Container};

/// What a board is checked against besides itself.
#[derive(Default)]
pub struct Against<'a> {
    /// The target's file tree.
    pub tree: Option<tree::Tree>,
    /// The kernel's configuration.
    pub kernel: Option<&'a config::Config>,
    /// The board's device tree, and its file's name.
    pub dtb: Option<(&'a dtb::Dtb, &'a str)>,
    /// Rules that are not told: notes and warnings only.
    pub allow: &'a [String],
}

/// What was found.
#[derive(Default)]
pub struct Report {
    /// In the order of files, lines and columns.
    pub findings: Vec<Error>,
    /// What is being looked at, for the messages: `container "foo23"`.
    pub about: String,
    /// The profile, for what no line of it says.
    file: Origin,
}

impl Report {
    /// Notes a finding; an empty hint is none.
    pub fn tell(&mut self, rule: &'static str, at: &Origin, cause: String, hint: &str) {
        let mut error = Error::config(cause).rule(rule).at(at).at(&self.file);
        if !self.about.is_empty() {
            error = error.tried(self.about.as_str());
        }
        self.findings.push(error.hint(hint));
    }

    /// How many there are of a severity.
    pub fn count(&self, of: Severity) -> usize {
        self.findings.iter().filter(|finding| severity(finding.rule) == of).count()
    }
}

/// Looks at a board, of which its reader has found what is in `found`.
pub fn board(board: &Board, found: Findings, against: &Against<'_>) -> Report {
    let file = Origin { file: board.file.clone(), line: 0, column: 0 };
    let mut report = Report { file, ..Report::default() };
    report.findings.extend(found.wrong);
    report.findings.extend(found.remarks);
    // A profile that could not be read at all has nothing to be looked at.
    if !board.name.is_empty() || !board.containers.is_empty() {
        resources::check(board, &mut report);
        links::check(board, &mut report);
        network::check(board, &mut report);
        layout::check(board, &mut report);
        security::check(board, &mut report);
        if let Some(tree) = &against.tree {
            rootfs::check(board, tree, against.kernel, &mut report);
        }
        if let Some(kernel) = against.kernel {
            needs::check(board, kernel, &mut report);
        }
        if let Some((dtb, file)) = against.dtb {
            dtb::check(board, dtb, file, &mut report);
        }
    }
    allowed(board, against.allow, &mut report);
    report.findings.sort_by(|one, other| {
        let place = |error: &Error| (error.origin.file.clone(), error.origin.line, error.origin.column);
        place(one).cmp(&place(other))
    });
    report
}

/// Takes out what the profile or the command line allows: never an error.
fn allowed(board: &Board, also: &[String], report: &mut Report) {
    let listed =
        |rule: &str| board.allow.iter().any(|(name, _)| name == rule) || also.iter().any(|name| name == rule);
    report.findings.retain(|finding| severity(finding.rule) == Severity::Error || !listed(finding.rule));
    report.about.clear();
    for (name, origin) in &board.allow {
        match rules::RULES.iter().find(|rule| rule.id == name) {
            Some(rule) if rule.severity != Severity::Error => {}
            Some(_) => {
                let cause = format!("allow: \"{name}\" is an error, which no profile is allowed");
                report.tell("allow", origin, cause, "only warnings and notes can be");
            }
            None => {
                let cause = format!("allow: there is no rule \"{}\"", shown(name));
                let near = nearest(name, rules::RULES.iter().map(|rule| rule.id));
                let hint = near
                    .map_or("docs/checks.md lists the rules".into(), |near| format!("did you mean {near}?"));
                report.tell("allow", origin, cause, &hint);
            }
        }
    }
}

/// Its name as messages have it.
pub fn called(container: &Container) -> String {
    format!("container \"{}\"", container.name)
}

/// The place of a key of a container, or of the container.
pub fn at<'a>(container: &'a Container, key: &str) -> &'a Origin {
    container.places.get(key).unwrap_or(&container.origin)
}
