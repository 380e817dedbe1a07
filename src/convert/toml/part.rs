//! A section of a profile as it is written: keys with the comments about them, lists and tables in one line where they fit.

use super::super::remarks::{Remarks, lines};
use super::super::words::quoted;

/// How long a line may be.
const WIDTH: usize = 110;

/// A section as it grows: its keys, then the tables that are too long for a line.
pub struct Part {
    keys: String,
    tables: String,
    /// The comments of what is written.
    pub remarks: Remarks,
}

impl Part {
    /// With nothing in it yet.
    pub fn new(remarks: Remarks) -> Self {
        Self { keys: String::new(), tables: String::new(), remarks }
    }

    /// `KEY = VALUE`, with the comments about it above.
    pub fn key(&mut self, key: &str, value: String) {
        lines(self.remarks.about(key), "", &mut self.keys);
        self.keys.push_str(&format!("{key} = {value}\n"));
    }

    /// The same for what may not be there.
    pub fn some(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.key(key, value);
        }
    }

    /// A switch that is off by default.
    pub fn truth(&mut self, key: &str, value: bool) {
        if value {
            self.key(key, "true".into());
        }
    }

    /// A list of strings that is not said when it is empty.
    pub fn words(&mut self, key: &str, words: &[String]) {
        if !words.is_empty() {
            self.entries(key, words.iter().map(|word| quoted(word)).collect());
        }
    }

    /// A list: in one line where it fits and has no comments inside.
    pub fn entries(&mut self, key: &str, entries: Vec<String>) {
        let value = self.list(key, 0, &entries, key.len() + 3);
        self.key(key, value);
    }

    /// The same as a value; the comments are those about `of` from its `first` entry on, `before` is what the line has.
    pub fn list(&self, of: &str, first: usize, entries: &[String], before: usize) -> String {
        let line = format!("[{}]", entries.join(", "));
        let numbers = first..first + entries.len();
        let commented =
            numbers.clone().any(|number| !self.remarks.about(&format!("{of}.{number}")).is_empty());
        if !commented && before + line.chars().count() <= WIDTH {
            return line;
        }
        let mut text = String::from("[\n");
        for (entry, number) in entries.iter().zip(numbers) {
            lines(self.remarks.about(&format!("{of}.{number}")), "    ", &mut text);
            text.push_str(&format!("    {entry},\n"));
        }
        text.push(']');
        text
    }

    /// A table: in one line where it fits.
    pub fn table(&mut self, name: &str, pairs: Vec<(String, String)>) {
        if pairs.is_empty() {
            return;
        }
        let line: Vec<String> = pairs.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let line = format!("{{ {} }}", line.join(", "));
        if !line.contains('\n') && name.len() + 3 + line.chars().count() <= WIDTH {
            self.key(name, line);
            return;
        }
        self.tables.push('\n');
        lines(self.remarks.about(name), "", &mut self.tables);
        self.tables.push_str(&format!("[container.{name}]\n"));
        for (key, value) in pairs {
            self.tables.push_str(&format!("{key} = {value}\n"));
        }
    }

    /// After a blank line.
    pub fn write(self, header: &str, out: &mut String) {
        if !out.is_empty() {
            out.push('\n');
        }
        self.write_under(header, out);
    }

    /// Right below what is there, its comments.
    pub fn write_under(self, header: &str, out: &mut String) {
        out.push_str(&format!("{header}\n{}{}", self.keys, self.tables));
    }
}
