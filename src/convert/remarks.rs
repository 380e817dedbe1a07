//! Comments: what stands above or behind a setting goes with it to the other side.

use super::words::NAMES;
use crate::profile::lxc::unquoted;

/// The comments of one container, by the profile's key of what they are about: `hostname`, `mounts.2`, `devices.0`,
/// `network.1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Before everything else.
    head: Vec<String>,
    of: Vec<(String, Vec<String>)>,
    /// After everything else, and settings that were left out.
    tail: Vec<String>,
    /// `arch` as it was written, which the model does not keep.
    pub arch: Option<String>,
}

impl Remarks {
    /// The comments about a key.
    pub fn about(&self, key: &str) -> &[String] {
        self.of.iter().find(|of| of.0 == key).map_or(&[], |of| &of.1)
    }

    /// Whether there is a comment about one of a list's entries.
    pub fn any(&self, list: &str) -> bool {
        self.of.iter().any(|of| of.0.strip_prefix(list).is_some_and(|rest| rest.starts_with('.')))
    }

    /// What stands before everything else.
    pub fn write_head(&self, out: &mut String) {
        lines(&self.head, "", out);
    }

    /// What is left to say at the end.
    pub fn write_tail(&self, out: &mut String) {
        if !self.tail.is_empty() && !out.is_empty() && !out.ends_with("\n\n") {
            out.push('\n');
        }
        lines(&self.tail, "", out);
    }

    /// A further comment before everything else.
    pub fn say(&mut self, comment: &str) {
        self.head.push(comment.into());
    }

    /// A line that has no equal.
    pub fn left_out(&mut self, line: &str) {
        self.tail.push(format!("no equal: {line}"));
    }

    fn add(&mut self, key: &str, comments: &mut Vec<String>) {
        if comments.is_empty() {
            return;
        }
        match self.of.iter_mut().find(|of| of.0 == key) {
            Some(of) => of.1.append(comments),
            None => self.of.push((key.into(), std::mem::take(comments))),
        }
    }
}

/// Writes comment lines.
pub fn lines(comments: &[String], indent: &str, out: &mut String) {
    for comment in comments {
        out.push_str(indent);
        out.push('#');
        if !comment.is_empty() {
            out.push(' ');
            out.push_str(comment);
        }
        out.push('\n');
    }
}

fn text(comment: &str) -> String {
    comment.trim_start_matches('#').trim().into()
}

/// The comments of an LXC file.
pub fn lxc(text_of_file: &str) -> Remarks {
    let mut remarks = Remarks::default();
    let mut pending = Vec::new();
    let (mut mounts, mut devices, mut nics, mut begun) = (0, 0, 0, false);
    for line in text_of_file.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            pending.push(text(line));
            continue;
        }
        let Some((name, value)) = line.strip_prefix("lxc.").and_then(|rest| rest.split_once('=')) else {
            // What stands alone at the beginning is about the file.
            if line.is_empty() && !begun {
                remarks.head.append(&mut pending);
            }
            continue;
        };
        begun = true;
        let (name, value) = (name.trim(), unquoted(value.trim()));
        let counted = |key: &str, counter: &mut usize| {
            *counter += 1;
            format!("{key}.{}", *counter - 1)
        };
        let rest = name.strip_prefix("network.").or_else(|| name.strip_prefix("net."));
        let key = if let Some(rest) = rest {
            let (index, rest) = match rest.split_once('.') {
                Some((digits, rest)) if digits.parse::<usize>().is_ok() => (digits.parse().ok(), rest),
                _ => (None, rest),
            };
            if index.is_none() && rest == "type" {
                nics += 1;
            }
            format!("network.{}", index.unwrap_or_else(|| nics.max(1) - 1))
        } else if name.starts_with("cgroup.devices.") {
            if let Some((_, behind)) = value.split_once('#') {
                pending.push(text(behind));
            }
            counted("devices", &mut devices)
        } else if name == "mount.entry" {
            match value.is_empty() {
                true => mounts = 0,
                false => {
                    let key = counted("mounts", &mut mounts);
                    remarks.add(&key, &mut pending);
                }
            }
            continue;
        } else if let Some(file) = name.strip_prefix("cgroup.").or_else(|| name.strip_prefix("cgroup2.")) {
            file.split('.').next().unwrap_or("").replace("blkio", "io")
        } else {
            let known = NAMES.iter().find(|known| known.2 == name || known.1 == name && !name.is_empty());
            known.map_or("", |known| known.0).into()
        };
        if key == "arch" {
            remarks.arch = Some(value.into());
        }
        match key.is_empty() {
            true => remarks.tail.append(&mut pending),
            false => remarks.add(&key, &mut pending),
        }
    }
    match begun {
        true => remarks.tail.append(&mut pending),
        false => remarks.head.append(&mut pending),
    }
    remarks
}

/// The comments of a profile: of the file's beginning, and of each container.
pub struct Found {
    head: Vec<String>,
    containers: Vec<(String, Remarks)>,
}

impl Found {
    /// Those of one container.
    pub fn take(&mut self, name: &str) -> Remarks {
        match self.containers.iter().position(|container| container.0 == name) {
            Some(at) => self.containers.swap_remove(at).1,
            None => Remarks::default(),
        }
    }

    /// Those of the file.
    pub fn head(self) -> Remarks {
        Remarks { head: self.head, ..Remarks::default() }
    }
}

/// The comments of a profile's text. Lines are looked at, no grammar: a comment that is missed or misplaced is no more
/// than that.
pub fn profile(text_of_file: &str) -> Found {
    let mut found = Found { head: Vec::new(), containers: Vec::new() };
    let mut pending: Vec<String> = Vec::new();
    let (mut table, mut nics, mut begun, mut denied) = (String::new(), 0, false, 0);
    // The list that is open, and how many entries it has.
    let mut open: Option<(String, usize)> = None;
    for line in text_of_file.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            pending.push(text(line));
        } else if line.is_empty() {
            match (begun, found.containers.last_mut()) {
                (false, _) => found.head.append(&mut pending),
                // What is followed by nothing is not about what comes next.
                (true, Some((_, remarks))) => remarks.tail.append(&mut pending),
                (true, None) => pending.clear(),
            }
        } else if let Some(header) = line.strip_prefix('[').filter(|_| open.is_none()) {
            begun = true;
            table = header.trim_start_matches('[').split(']').next().unwrap_or("").trim().into();
            match table.as_str() {
                "container" => {
                    nics = 0;
                    found.containers.push((String::new(), Remarks::default()));
                    if let Some((_, remarks)) = found.containers.last_mut() {
                        remarks.head.append(&mut pending);
                    }
                }
                "container.network" => {
                    if let Some((_, remarks)) = found.containers.last_mut() {
                        remarks.add(&format!("network.{nics}"), &mut pending);
                    }
                    nics += 1;
                }
                _ => pending.clear(),
            }
        } else if table.starts_with("container") {
            let Some((name, remarks)) = found.containers.last_mut() else { continue };
            if let Some((list, count)) = &mut open {
                if line.starts_with(']') {
                    open = None;
                } else {
                    let key = format!("{list}.{count}");
                    *count += 1;
                    remarks.add(&key, &mut pending);
                }
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            let plain = || value.split('#').next().unwrap_or("").trim().trim_matches(['"', '\'']).to_string();
            let of = match table.as_str() {
                "container" => key.split('.').next().unwrap_or(key).to_string(),
                "container.network" => format!("network.{}", nics - 1),
                _ => table.trim_start_matches("container.").to_string(),
            };
            match (table.as_str(), key) {
                ("container", "name") => *name = plain(),
                ("container", "arch") => remarks.arch = Some(plain()),
                _ => {}
            }
            remarks.add(&of, &mut pending);
            match (value, key) {
                ("[", "allow") => open = Some((of, denied)),
                ("[", _) => open = Some((of, 0)),
                (_, "deny") => denied = value.matches('"').count() / 2,
                _ => {}
            }
        } else {
            begun = true;
            pending.clear();
        }
    }
    if let Some((_, remarks)) = found.containers.last_mut() {
        remarks.tail.append(&mut pending);
    }
    found
}
