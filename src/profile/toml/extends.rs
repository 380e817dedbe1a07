//! `extends`: a profile that is a few lines on another one's. boards/README.md says what is merged how.
//!
//! It is done on the tree, before any key is looked at, so that all keys work alike.

use super::tree::{Node, Text, Value, table};
use super::{Profile, Source};
use crate::error::{Error, Result};
use crate::profile::text::{self, nearest, shown};
use ::toml::Spanned;
use std::path::Path;
use std::rc::Rc;

/// How deep `extends` may nest.
const MAX_DEPTH: usize = 16;
/// How many files a profile may be made of: a list in each of sixteen would be a great many.
const MAX_FILES: usize = 64;

type Entries = Vec<(Text, Node)>;

/// The key that tells the entries of a list apart; a list that is not here is replaced as a whole.
fn identity(list: &str) -> Option<&'static str> {
    match list {
        "bridge" | "container" | "network" => Some("name"),
        "mounts" => Some("to"),
        "throttle" => Some("device"),
        _ => None,
    }
}

impl Profile {
    /// The file's whole tree, laid on those of the files it extends; `above` are those that led to it.
    pub fn load(&mut self, text: &[u8], file: &Rc<str>, above: &mut Vec<Rc<str>>) -> Result<Value> {
        text::bounded(text, file)?;
        let text = std::str::from_utf8(text).map_err(|error| {
            Error::config("a byte that is not UTF-8")
                .hint("a profile is UTF-8 text")
                .rule("unreadable")
                .at(&text::origin(text, error.valid_up_to(), file))
        })?;
        // The end of a file is a place, too.
        let start = self.sources.last().map_or(0, |last| last.start + last.text.len() + 1);
        self.sources.push(Source { file: file.clone(), text: text.into(), start });
        let (parsed, errors) = ::toml::de::DeTable::parse_recoverable(text);
        let mut errors = errors.into_iter().map(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let told = Error::config(error.message().replace('\n', ": ")).rule("syntax");
            told.at(&text::origin(text.as_bytes(), at, file))
        });
        if let Some(first) = errors.next() {
            self.findings.borrow_mut().wrong.extend(errors);
            return Err(first);
        }
        let Value::Table(mut own) = table(parsed.into_inner(), start) else { return Ok(Value::Other) };
        let Some(at) = own.iter().position(|entry| entry.0.get_ref() == "extends") else {
            return Ok(Value::Table(own));
        };
        let named = own.remove(at).1;
        let named = match named.get_ref() {
            Value::List(_) => self.to_list(named),
            _ => vec![named],
        };
        above.push(file.clone());
        let mut base = Vec::new();
        for name in named {
            if let Some(name) = self.to_text(name) {
                let more = self.base(&name, above)?;
                self.merge(&mut base, more);
            }
        }
        above.pop();
        self.merge(&mut base, own);
        Ok(Value::Table(base))
    }

    /// The path of a file that another one names, beside which it stands.
    pub fn beside(&self, name: &Text) -> String {
        let file = self.origin(name.span()).file.unwrap_or_default();
        let beside = Path::new(file.as_ref()).parent().unwrap_or(Path::new(""));
        beside.join(name.get_ref()).to_string_lossy().into_owned()
    }

    /// One of the files that are extended.
    fn base(&mut self, name: &Text, above: &mut Vec<Rc<str>>) -> Result<Entries> {
        let path = self.beside(name);
        let wrong = if above.iter().any(|file| file.as_ref() == path) {
            Some(Error::config(format!("{} extends itself", shown(&path))))
        } else if above.len() > MAX_DEPTH {
            Some(Error::config("nests more than 16 deep").hint("does a file extend itself?"))
        } else if self.sources.len() > MAX_FILES {
            Some(Error::config("the profile is made of more than 64 files"))
        } else {
            None
        };
        let read = wrong.map_or_else(|| text::read(&path, "profile"), Err);
        let text = read.map_err(|error| error.tried("extends").at(&self.origin(name.span())))?;
        match self.load(&text, &path.as_str().into(), above)? {
            Value::Table(entries) => Ok(entries),
            _ => Ok(Vec::new()),
        }
    }

    /// Lays `over` on `base`, key by key.
    fn merge(&self, base: &mut Entries, over: Entries) {
        for (key, value) in over {
            let name = key.get_ref().as_str();
            let at = match base.iter().position(|entry| entry.0.get_ref() == name) {
                Some(at) => at,
                None => {
                    // So that there is nothing that could be dropped from it.
                    let nothing = match (identity(name), value.get_ref()) {
                        (Some(_), Value::List(_)) => Value::List(Vec::new()),
                        _ => Value::Other,
                    };
                    base.push((key.clone(), Spanned::new(value.span(), nothing)));
                    base.len() - 1
                }
            };
            let Some((_, below)) = base.get_mut(at) else { continue };
            let span = value.span();
            match (below.get_mut(), value.into_inner()) {
                // Its keys exclude each other.
                (Value::Table(_), over @ Value::Table(_)) if name == "capabilities" => {
                    *below = Spanned::new(span, over)
                }
                (Value::Table(below), Value::Table(over)) => self.merge(below, over),
                (Value::List(below), Value::List(over)) if identity(name).is_some() => {
                    self.merge_list(name, below, over);
                }
                (_, over) => *below = Spanned::new(span, over),
            }
        }
    }

    /// Lays a list's entries on those that have the same name; others are appended.
    fn merge_list(&self, list: &str, base: &mut Vec<Node>, over: Vec<Node>) {
        let mut seen: Vec<String> = Vec::new();
        for mut entry in over {
            let span = entry.span();
            let name = named(list, &entry);
            let found = base.iter().position(|below| name.is_some() && named(list, below) == name);
            let dropped = self.take_drop(list, &mut entry);
            match (found, name) {
                (Some(at), _) if dropped => drop(base.remove(at)),
                (None, name) if dropped => {
                    let name = name.unwrap_or_default();
                    let error = Error::config(format!("there is no {list} \"{}\" to drop", shown(&name)));
                    let names: Vec<String> = base.iter().filter_map(|below| named(list, below)).collect();
                    let error = match nearest(&name, names.iter().map(String::as_str)) {
                        Some(near) => error.hint(format!("did you mean {near}?")),
                        None => error,
                    };
                    self.note(error, span);
                }
                // One that is there twice in the same file is a mistake, which the reader tells.
                (Some(at), Some(name)) if !seen.contains(&name) => {
                    seen.push(name);
                    let Some(below) = base.get_mut(at) else { continue };
                    match (below.get_mut(), entry.into_inner()) {
                        (Value::Table(below), Value::Table(over)) if list != "mounts" => {
                            self.merge(below, over)
                        }
                        (_, over) => *below = Spanned::new(span, over),
                    }
                }
                (_, name) => {
                    seen.extend(name);
                    base.push(entry);
                }
            }
        }
    }

    /// Whether the entry only says that one of its name is to go.
    fn take_drop(&self, list: &str, entry: &mut Node) -> bool {
        let Value::Table(keys) = entry.get_mut() else { return false };
        let Some(at) = keys.iter().position(|key| key.0.get_ref() == "drop") else { return false };
        let (_, value) = keys.remove(at);
        if !matches!(value.get_ref(), Value::Bool(true)) {
            self.unexpected(value.span(), "true");
        } else if let Some((more, _)) =
            keys.iter().find(|key| Some(key.0.get_ref().as_str()) != identity(list))
        {
            let error = Error::config(format!("key \"{}\" stands beside drop", shown(more.get_ref())))
                .hint("an entry that drops another has its name and no more");
            self.note(error, more.span());
        }
        true
    }
}

/// What tells an entry from the others of its list.
fn named(list: &str, entry: &Node) -> Option<String> {
    let Value::Table(keys) = entry.get_ref() else { return None };
    let text = |name: &str| {
        keys.iter().find(|key| key.0.get_ref() == name).and_then(|key| match key.1.get_ref() {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    };
    match (text(identity(list)?), list) {
        (Some(target), "mounts") => Some(target.trim_start_matches('/').into()),
        (Some(name), _) => Some(name.into()),
        // An LXC file's name is the container's.
        (None, "container") => {
            Path::new(text("config")?).file_stem().map(|stem| stem.to_string_lossy().into_owned())
        }
        (None, _) => None,
    }
}
