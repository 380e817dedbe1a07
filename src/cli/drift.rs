//! How what runs differs from what its profile says now.

use super::control::ask;
use crate::container::client::PROMPT;
use crate::container::control::{Reply, Request, Settings};
use crate::container::fields::{fields, unlike};
use crate::error::Result;
use crate::plan::{Host, cgroups};
use crate::profile::Container;

/// Its cgroup settings, as they are said to a monitor; an error where this machine can not have them.
pub fn settings(container: &Container, host: &Host) -> Result<String> {
    cgroups::container(container, &[], host, &mut Vec::new())?;
    let rules = cgroups::rules(container, host)?;
    Ok(Settings::text(rules.iter().map(|(rule, _)| (rule.file.as_str(), rule.value.as_str()))))
}

/// What of a running container only a restart brings to where its profile is; empty if nothing.
pub fn by_restart(container: &Container) -> Result<String> {
    let answer = ask(&container.name, &Request::Fields, Some(PROMPT))?;
    let Reply::Value { text: then } = answer.reply() else { return Ok(String::new()) };
    Ok(unlike(then, &fields(container)).join(", "))
}

/// A line for each thing of a running container that is not as its profile says, in the words of `apply`.
pub fn lines(container: &Container, host: &Host) -> Result<Vec<String>> {
    let settings = settings(container, host)?;
    let answer = ask(&container.name, &Request::Compare { settings: Settings(&settings) }, Some(PROMPT))?;
    let mut lines: Vec<String> = match answer.reply() {
        Reply::Value { text } => text.lines().map(String::from).collect(),
        _ => Vec::new(),
    };
    let parts = by_restart(container)?;
    if !parts.is_empty() {
        lines.push(by_restart_line(&parts));
    }
    Ok(lines)
}

/// The line for it.
pub fn by_restart_line(parts: &str) -> String {
    format!("changed, but only by a restart: {parts}")
}
