//! A profile as a tree of values with their places, and tables that give their keys away one by one.
//!
//! The toml crate's own tree, not serde's structs: those cost 250 KB of code (measured on x86_64, opt-level z), a serde
//! tree still 45. A table knows its keys beforehand and refuses any other, as `deny_unknown_fields` would.

use super::Profile;
use crate::error::{Error, Places, Result};
use crate::profile::text::{nearest, shown};
use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};
use std::ops::Range;

/// A value with its place.
pub type Node = Spanned<Value>;
/// A text with its place.
pub type Text = Spanned<String>;

/// Any value of TOML.
pub enum Value {
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<(Text, Node)>),
    /// A float, a date, or a number beyond 64 bits: no key wants one.
    Other,
}

/// What the toml crate has parsed, with the places of all keys and values, which are greater by `start`.
pub fn value(parsed: DeValue, start: usize) -> Value {
    match parsed {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Other,
        },
        DeValue::Array(list) => Value::List(list.into_iter().map(|item| node(item, start)).collect()),
        DeValue::Table(entries) => table(entries, start),
        DeValue::Float(_) | DeValue::Datetime(_) => Value::Other,
    }
}

fn shifted(span: Range<usize>, start: usize) -> Range<usize> {
    span.start + start..span.end + start
}

fn node(parsed: Spanned<DeValue>, start: usize) -> Node {
    Spanned::new(shifted(parsed.span(), start), value(parsed.into_inner(), start))
}

/// The same for a table.
pub fn table(entries: DeTable, start: usize) -> Value {
    let entries = entries.into_iter().map(|(key, at)| {
        (Spanned::new(shifted(key.span(), start), key.into_inner().into_owned()), node(at, start))
    });
    Value::Table(entries.collect())
}

/// A table whose keys are all known; they are taken one by one. What is wrong with a value is noted with the profile, and
/// its key counts as left out: reading goes on. (6 KB less code than a branch for an error at each key.)
pub struct Table<'a> {
    pub profile: &'a Profile,
    pub span: Range<usize>,
    /// What stands before a key in messages: `cpu.`.
    prefix: &'static str,
    known: &'static [&'static str],
    entries: Vec<(Text, Node)>,
    /// How many findings there were before this table.
    before: usize,
    /// Where the values that were taken stand.
    pub places: Places,
}

impl<'a> Table<'a> {
    /// `node` as a table with these keys; what is none is noted and taken for an empty one.
    pub fn open(
        profile: &'a Profile,
        node: Node,
        prefix: &'static str,
        known: &'static [&'static str],
    ) -> Self {
        let (span, before) = (node.span(), profile.count());
        let entries = match node.into_inner() {
            Value::Table(entries) => entries,
            _ => {
                profile.unexpected(span.clone(), "a table");
                Vec::new()
            }
        };
        for (key, _) in &entries {
            let name = key.get_ref().as_str();
            if !known.contains(&name) {
                let error = Error::config(format!("unknown key \"{}\"", shown(name))).rule("unknown-key");
                let hint = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                profile.note(error.hint(hint), key.span());
            }
        }
        Self { profile, span, prefix, known, entries, before, places: Places::default() }
    }

    /// A key that is there and is not one of `but`.
    pub fn beside(&self, but: &[&str]) -> Option<&Text> {
        self.entries.iter().map(|entry| &entry.0).find(|key| !but.contains(&key.get_ref().as_str()))
    }

    /// The known keys that are there and were not taken yet, but for one, each with its value's place.
    pub fn others(&self, but: &str) -> Vec<(&'static str, Range<usize>)> {
        let place = |known: &&'static str| {
            let entry = self.entries.iter().find(|entry| entry.0.get_ref() == known)?;
            Some((*known, entry.1.span()))
        };
        self.known.iter().filter(|known| **known != but).filter_map(place).collect()
    }

    /// The value of `key`, which is one of the known ones.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        let known = self.known.iter().find(|known| **known == key);
        debug_assert!(known.is_some(), "{key} is not listed");
        let at = self.entries.iter().position(|entry| entry.0.get_ref() == key)?;
        let node = self.entries.swap_remove(at).1;
        self.places.note(known?, || self.profile.origin(node.span()));
        Some(node)
    }

    /// `error` is about the value of `key` at `span`.
    pub fn wrong(&self, error: Error, key: &str, span: Range<usize>) {
        self.profile.note(error.tried(format!("{}{key}", self.prefix)), span);
    }

    /// A key that has to be there.
    pub fn need<T>(&self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.missing(Error::config(format!("key \"{key}\" is missing")));
        }
        value
    }

    /// `error` is that something is missing, which is no news where something is wrong with this table already: a name
    /// misspelled, a value refused.
    pub fn missing(&self, error: Error) {
        if self.profile.count() == self.before {
            self.profile.note(error.rule("missing-key"), self.span.clone());
        }
    }

    /// A text as it is.
    pub fn text(&mut self, key: &str) -> Option<Text> {
        let node = self.take(key)?;
        self.profile.to_text(node)
    }

    /// A text that is not empty and holds no control character: none is meant in a path, name or option.
    pub fn word(&mut self, key: &str) -> Option<Text> {
        let text = self.text(key)?;
        self.is_word(key, &text).then_some(text)
    }

    /// See [`Table::word`].
    pub fn is_word(&self, key: &str, text: &Text) -> bool {
        let value = text.get_ref().as_str();
        let wrong = match value.chars().find(|c| c.is_control()) {
            Some(bad) => Error::config(format!("\"{}\" holds '{}'", shown(value), bad.escape_debug())),
            None if value.is_empty() => {
                Error::config("is empty").hint("leave the key out to have its default")
            }
            None => return true,
        };
        self.wrong(wrong, key, text.span());
        false
    }

    /// A word read by `parse`.
    pub fn read<T>(&mut self, key: &str, parse: fn(&str) -> Result<T>) -> Option<T> {
        let text = self.word(key)?;
        self.parse(key, &text, parse)
    }

    /// The same for a word that was taken before.
    pub fn parse<T>(&self, key: &str, text: &Text, parse: fn(&str) -> Result<T>) -> Option<T> {
        match parse(text.get_ref()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(error, key, text.span());
                None
            }
        }
    }

    /// A list's items; an absent one is empty.
    pub fn list(&mut self, key: &str) -> Vec<Node> {
        match self.take(key) {
            Some(node) => self.profile.to_list(node),
            None => Vec::new(),
        }
    }

    /// A list of words.
    pub fn words(&mut self, key: &str) -> Vec<Text> {
        let list = self.list(key);
        self.all_words(key, list)
    }

    /// Those of a list that was taken before.
    pub fn all_words(&self, key: &str, list: Vec<Node>) -> Vec<Text> {
        let texts = list.into_iter().filter_map(|node| self.profile.to_text(node));
        texts.filter(|text| self.is_word(key, text)).collect()
    }

    /// One word or a list of them, each read by `parse`.
    pub fn each<T>(&mut self, key: &str, parse: fn(&str) -> Result<T>) -> Vec<T> {
        let list = match self.take(key) {
            None => Vec::new(),
            Some(node) if matches!(node.get_ref(), Value::List(_)) => self.profile.to_list(node),
            Some(node) => vec![node],
        };
        self.all_words(key, list).iter().filter_map(|text| self.parse(key, text, parse)).collect()
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let node = self.take(key)?;
        match node.get_ref() {
            Value::Bool(value) => Some(*value),
            _ => {
                self.profile.unexpected(node.span(), "true or false");
                None
            }
        }
    }

    /// A number within bounds, with its place.
    pub fn number(&mut self, key: &str, least: i64, most: i64) -> Option<Spanned<i64>> {
        let node = self.take(key)?;
        match node.get_ref() {
            Value::Number(value) if (least..=most).contains(value) => Some(Spanned::new(node.span(), *value)),
            Value::Number(value) => {
                let error = Error::config(format!("{value} is not a number {least}..={most}"));
                self.wrong(error, key, node.span());
                None
            }
            _ => {
                self.profile.unexpected(node.span(), "a whole number");
                None
            }
        }
    }

    /// The same for bounds that fit 32 bits.
    pub fn small(&mut self, key: &str, least: u32, most: u32) -> Option<u32> {
        Some(*self.number(key, least.into(), most.into())?.get_ref() as u32)
    }
}

impl Profile {
    /// Notes what is wrong at `span`.
    pub fn note(&self, error: Error, span: Range<usize>) {
        self.findings.borrow_mut().wrong.push(error.at(&self.origin(span)));
    }

    /// How much was found to be wrong so far.
    pub fn count(&self) -> usize {
        self.findings.borrow().wrong.len()
    }

    /// Says of all findings since there were `before` what they are about.
    pub fn about(&self, before: usize, what: &str) {
        for error in self.findings.borrow_mut().wrong.iter_mut().skip(before) {
            *error = error.clone().tried(what);
        }
    }

    /// The value at `span` is not of the type it has to be. Shown is the profile's own text.
    pub fn unexpected(&self, span: Range<usize>, expected: &str) {
        let found =
            self.place(span.clone()).and_then(|(source, span)| source.text.get(span)).unwrap_or_default();
        let error = Error::config(format!("{} stands where {expected} is expected", shown(found)));
        self.note(error.rule("wrong-type"), span);
    }

    /// A text.
    pub fn to_text(&self, node: Node) -> Option<Text> {
        let span = node.span();
        match node.into_inner() {
            Value::Text(text) => Some(Spanned::new(span, text)),
            _ => {
                self.unexpected(span, "a string");
                None
            }
        }
    }

    /// A list; what is none is noted and taken for an empty one.
    pub fn to_list(&self, node: Node) -> Vec<Node> {
        let span = node.span();
        match node.into_inner() {
            Value::List(list) => list,
            _ => {
                self.unexpected(span, "a list");
                Vec::new()
            }
        }
    }
}
