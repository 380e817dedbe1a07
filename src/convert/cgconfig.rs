//! libcgroup's cgconfig.conf: its mount section as `[cgroup]`, its groups as containers' cgroup settings.

use super::{Remarks, Source, no_equal};
use crate::error::{Error, Origin, Result};
use crate::profile::board::{CgroupSetup, Layout};
use crate::profile::container::{CgroupRule, Container};
use crate::profile::text::{self, shown};
use crate::profile::toml::STANDARD_DEVICES;
use crate::profile::{field, value::ContainerName};
use std::rc::Rc;

/// Whether this is such a file: it begins with one of its sections.
pub fn is_one(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(|line| {
        let end = line.find(|c: char| c.is_whitespace() || c == '{').unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        // A section's name, or its brace, follows; a key of something else has its equals sign there.
        let section = matches!(word, "mount" | "group" | "default" | "template" | "namespace");
        section && !rest.trim_start().starts_with('=')
    })
}

/// A word or one of `{ } = ;`, and its place.
struct Token {
    text: String,
    at: usize,
    quoted: bool,
}

/// The file's tokens with the place where each begins.
struct Tokens<'a> {
    text: &'a str,
    file: &'a Rc<str>,
    list: std::vec::IntoIter<Token>,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str, file: &'a Rc<str>) -> Result<Self> {
        let mut list = Vec::new();
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '#' => while letters.next_if(|next| next.1 != '\n').is_some() {},
                '{' | '}' | '=' | ';' => list.push(Token { text: letter.into(), at, quoted: false }),
                '"' => {
                    let mut word = String::new();
                    while let Some((_, letter)) = letters.next_if(|next| next.1 != '"') {
                        word.push(letter);
                    }
                    if letters.next().is_none() {
                        let error = Error::config("a quotation mark that is not closed");
                        return Err(error.at(&text::origin(text.as_bytes(), at, file)));
                    }
                    list.push(Token { text: word, at, quoted: true });
                }
                _ if letter.is_whitespace() => {}
                _ => {
                    let mut word = String::from(letter);
                    let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '=' | ';' | '#' | '"');
                    while let Some((_, letter)) = letters.next_if(|next| !ends(next.1)) {
                        word.push(letter);
                    }
                    list.push(Token { text: word, at, quoted: false });
                }
            }
        }
        Ok(Self { text, file, list: list.into_iter() })
    }

    fn origin(&self, at: usize) -> Origin {
        text::origin(self.text.as_bytes(), at, self.file)
    }

    fn word(&mut self, what: &str) -> Result<Token> {
        match self.list.next() {
            Some(token) if token.quoted || !matches!(token.text.as_str(), "{" | "}" | "=" | ";") => Ok(token),
            token => Err(self.unexpected(token, what)),
        }
    }

    fn sign(&mut self, sign: &str) -> Result<()> {
        match self.list.next() {
            Some(token) if token.text == sign && !token.quoted => Ok(()),
            token => Err(self.unexpected(token, sign)),
        }
    }

    fn unexpected(&self, token: Option<Token>, what: &str) -> Error {
        match token {
            Some(token) => Error::config(format!("{} stands where {what} is expected", shown(&token.text)))
                .at(&self.origin(token.at)),
            None => Error::config(format!("the file ends where {what} is expected"))
                .at(&self.origin(self.text.len())),
        }
    }

    /// Whether the next one is this sign; then it is taken.
    fn next_is(&mut self, sign: &str) -> bool {
        let is = self.list.as_slice().first().is_some_and(|token| token.text == sign && !token.quoted);
        if is {
            self.list.next();
        }
        is
    }

    /// Over `{ … }` with all that is in it.
    fn skip(&mut self) -> Result<()> {
        self.sign("{")?;
        let mut depth = 1;
        while depth > 0 {
            match self.list.next() {
                Some(token) if !token.quoted && token.text == "{" => depth += 1,
                Some(token) if !token.quoted && token.text == "}" => depth -= 1,
                Some(_) => {}
                None => return Err(self.unexpected(None, "}")),
            }
        }
        Ok(())
    }
}

/// Reads the file.
pub fn read(text: &str, file: &Rc<str>) -> Result<Source> {
    let mut tokens = Tokens::new(text, file)?;
    let mut source = Source::default();
    let mut mounts: Vec<(String, String, Origin)> = Vec::new();
    while let Some(section) = tokens.list.next() {
        let place = tokens.origin(section.at);
        match section.text.as_str() {
            "mount" => {
                tokens.sign("{")?;
                while !tokens.next_is("}") {
                    let controller = tokens.word("a controller or }")?;
                    tokens.sign("=")?;
                    let path = tokens.word("a path")?;
                    tokens.sign(";")?;
                    let at = tokens.origin(controller.at);
                    if controller.text.starts_with("name=") {
                        let what = format!("hierarchy {} without a controller", shown(&controller.text));
                        source.warnings.push(no_equal(what, "a profile", &at));
                        continue;
                    }
                    if !path.text.starts_with('/') {
                        let error = Error::config(format!("path \"{}\" is not absolute", shown(&path.text)));
                        return Err(error.at(&tokens.origin(path.at)));
                    }
                    mounts.push((controller.text, path.text.trim_end_matches('/').into(), at));
                }
            }
            "group" => group(&mut tokens, &place, &mut source)?,
            "default" | "template" | "namespace" => {
                if section.text == "template" {
                    tokens.word("a name")?;
                }
                source.warnings.push(no_equal(section.text, "a profile", &place));
                tokens.skip()?;
            }
            _ => return Err(tokens.unexpected(Some(section), "mount, group, default or template")),
        }
    }
    if let Some(first) = mounts.first() {
        source.cgroup = Some(setup(&mounts, &first.2, &mut source.warnings));
    }
    Ok(source)
}

/// The mount section: who shares a directory shares a hierarchy.
fn setup(mounts: &[(String, String, Origin)], origin: &Origin, warnings: &mut Vec<Error>) -> CgroupSetup {
    let mut setup = CgroupSetup {
        layout: Layout::V1,
        controllers: Vec::new(),
        origin: origin.clone(),
        ..CgroupSetup::default()
    };
    let mut groups: Vec<(&str, Vec<String>, &Origin)> = Vec::new();
    for (controller, path, origin) in mounts {
        if setup.controllers.contains(controller) {
            continue;
        }
        setup.controllers.push(controller.clone());
        match groups.iter_mut().find(|group| group.0 == path) {
            Some(group) => group.1.push(controller.clone()),
            None => groups.push((path, vec![controller.clone()], origin)),
        }
    }
    // One hierarchy is mounted as itself, several in a directory.
    let parent = |path: &str| path.rsplit_once('/').map_or("", |parts| parts.0).to_string();
    if let Some((path, ..)) = groups.first() {
        let above = parent(path);
        setup.mountpoint = if above.is_empty() { path.to_string() } else { above };
    }
    for (path, controllers, origin) in groups {
        let there = format!("{}/{}", setup.mountpoint, controllers.join(","));
        if path != there {
            let what = Error::config(format!("up would mount it on {there}"))
                .hint("what is mounted already is used where it is")
                .tried(format!("mount of {} on {}", controllers.join(","), shown(path)));
            warnings.push(what.at(origin));
        }
        if controllers.len() > 1 {
            setup.comount.push(controllers);
        }
    }
    setup
}

/// One group as a container that has its settings and nothing else yet.
fn group(tokens: &mut Tokens, place: &Origin, source: &mut Source) -> Result<()> {
    let path = tokens.word("a group's name")?;
    let name = path.text.trim_matches('/').rsplit('/').next().unwrap_or("").to_string();
    let mut rules: Vec<CgroupRule> = Vec::new();
    tokens.sign("{")?;
    while !tokens.next_is("}") {
        let controller = tokens.word("a controller or }")?;
        let at = tokens.origin(controller.at);
        if controller.text == "perm" {
            source.warnings.push(no_equal(format!("group {}: perm", shown(&path.text)), "a profile", &at));
            tokens.skip()?;
            continue;
        }
        tokens.sign("{")?;
        while !tokens.next_is("}") {
            let key = tokens.word("a file or }")?;
            tokens.sign("=")?;
            let value = tokens.word("a value")?;
            // An unquoted value may have blanks in it.
            let mut text = value.text;
            while !tokens.next_is(";") {
                text.push(' ');
                text.push_str(&tokens.word(";")?.text);
            }
            let at = tokens.origin(value.at);
            let rule = field::cgroup_rule(&key.text, text.trim(), &at);
            rules.push(rule.map_err(|error| error.tried(shown(&key.text)).at(&at))?);
        }
    }
    let name: ContainerName = match name.parse() {
        Ok(name) => name,
        Err(_) => {
            source.warnings.push(no_equal(format!("group {}", shown(&path.text)), "a profile", place));
            return Ok(());
        }
    };
    let mut container = Container::toml_defaults(name);
    container.origin = place.clone();
    if let Some((before, _)) = source.containers.iter().find(|one| one.0.name == container.name) {
        let cause =
            format!("its container is called {}, as that of line {}", container.name, before.origin.line);
        let warning =
            Error::config(cause).hint("a profile has each name once: give one of the two another one");
        source.warnings.push(warning.tried(format!("group {}", shown(&path.text))).at(place));
    }
    if !rules.iter().any(|rule| rule.controller() == "devices") {
        let rule = |file: &str, value: &str| CgroupRule {
            file: file.into(),
            value: value.into(),
            unified: false,
            origin: place.clone(),
        };
        rules.push(rule("devices.deny", "a"));
        rules.extend(STANDARD_DEVICES.iter().map(|value| rule("devices.allow", value)));
    }
    container.cgroup = rules;
    let mut remarks = Remarks::default();
    remarks.say(&format!(
        "Group {}: what a cgroup is called here is boardbox/{}. It has no rootfs and no command yet.",
        path.text, container.name
    ));
    source.containers.push((container, remarks));
    Ok(())
}
