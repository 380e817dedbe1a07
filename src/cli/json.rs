//! JSON output, written as it comes.

/// A JSON text in the making, on one line. In arrays the members' name is empty.
#[derive(Default)]
pub struct Json(String);

impl Json {
    /// Begins an object (`{`) or an array (`[`).
    pub fn open(&mut self, name: &str, bracket: char) {
        self.key(name);
        self.0.push(bracket);
    }

    /// Ends it (`}`, `]`).
    pub fn close(&mut self, bracket: char) {
        self.0.push(bracket);
    }

    /// A string.
    pub fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        self.quote(value);
    }

    /// `true`, `false`.
    pub fn bool(&mut self, name: &str, value: bool) {
        self.bare(name, if value { "true" } else { "false" });
    }

    /// A pid; `null` where there is none.
    pub fn pid(&mut self, name: &str, pid: i32) {
        match pid {
            1.. => self.bare(name, &pid.to_string()),
            _ => self.bare(name, "null"),
        }
    }

    /// What stands without quotes.
    pub fn bare(&mut self, name: &str, value: &str) {
        self.key(name);
        self.0.push_str(value);
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn key(&mut self, name: &str) {
        if !self.0.is_empty() && !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
        if !name.is_empty() {
            self.quote(name);
            self.0.push(':');
        }
    }

    fn quote(&mut self, text: &str) {
        self.0.push('"');
        for letter in text.chars() {
            match letter {
                '"' | '\\' => {
                    self.0.push('\\');
                    self.0.push(letter);
                }
                // RFC 8259, section 7: what must be escaped.
                '\0'..='\u{1f}' => self.0.push_str(&format!("\\u{:04x}", u32::from(letter))),
                _ => self.0.push(letter),
            }
        }
        self.0.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_as_the_rfc_has_them() {
        let mut json = Json::default();
        json.open("", '{');
        json.text("name", "a\"b\\c\n\u{1}ä[");
        json.open("pids", '[');
        json.pid("", 7);
        json.pid("", 0);
        json.text("", "{");
        json.open("", '[');
        json.close(']');
        json.close(']');
        json.bool("up", true);
        json.open("empty", '{');
        json.close('}');
        json.close('}');
        assert_eq!(
            json.into_text(),
            r#"{"name":"a\"b\\c\u000a\u0001ä[","pids":[7,null,"{",[]],"up":true,"empty":{}}"#
        );
    }
}
