//! JSON, read strictly enough for a test.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Text(String),
    Bare(String),
    List(Vec<Json>),
    Table(Vec<(String, Json)>),
}

impl Json {
    pub fn bare(text: &str) -> Self {
        Json::Bare(text.into())
    }

    pub fn text(&self) -> &str {
        match self {
            Json::Text(text) => text,
            other => panic!("{other:?} is no text"),
        }
    }

    pub fn list(&self) -> &[Json] {
        match self {
            Json::List(list) => list,
            other => panic!("{other:?} is no list"),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Table(entries) => entries.iter().find(|entry| entry.0 == key).map(|entry| &entry.1),
            other => panic!("{other:?} is no table"),
        }
    }
}

impl std::ops::Index<&str> for Json {
    type Output = Json;

    fn index(&self, key: &str) -> &Json {
        self.get(key).unwrap_or_else(|| panic!("no {key} in {self:?}"))
    }
}

/// The whole of what a command printed.
pub fn parse(bytes: &[u8]) -> Json {
    let text: Vec<char> = std::str::from_utf8(bytes).unwrap().trim_end().chars().collect();
    let mut at = 0;
    let value = value(&text, &mut at);
    assert_eq!(at, text.len(), "something follows");
    value
}

fn value(text: &[char], at: &mut usize) -> Json {
    match text[*at] {
        '"' => Json::Text(string(text, at)),
        '[' => {
            let mut list = Vec::new();
            *at += 1;
            while text[*at] != ']' {
                list.push(value(text, at));
                *at += usize::from(text[*at] == ',');
            }
            *at += 1;
            Json::List(list)
        }
        '{' => {
            let mut entries: Vec<(String, Json)> = Vec::new();
            *at += 1;
            while text[*at] != '}' {
                let key = string(text, at);
                assert!(entries.iter().all(|entry| entry.0 != key), "{key} is there twice");
                assert_eq!(text[*at], ':');
                *at += 1;
                entries.push((key, value(text, at)));
                *at += usize::from(text[*at] == ',');
            }
            *at += 1;
            Json::Table(entries)
        }
        _ => {
            let from = *at;
            while !",]}".contains(text[*at]) {
                *at += 1;
            }
            Json::Bare(text[from..*at].iter().collect())
        }
    }
}

fn string(text: &[char], at: &mut usize) -> String {
    assert_eq!(text[*at], '"');
    let mut string = String::new();
    *at += 1;
    while text[*at] != '"' {
        assert!(text[*at] >= ' ', "a control character");
        if text[*at] == '\\' {
            *at += 1;
            if text[*at] == 'u' {
                let code: String = text[*at + 1..*at + 5].iter().collect();
                string.push(char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap());
                *at += 4;
            } else {
                string.push(text[*at]);
            }
        } else {
            string.push(text[*at]);
        }
        *at += 1;
    }
    *at += 1;
    string
}
