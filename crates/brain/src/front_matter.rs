//! The YAML between `---` lines at the very start of a note. Pure.

use serde_json::{Map, Value};

/// Longer ones are text: nobody types that much, and parsing has to stay cheap.
const MAX_BYTES: usize = 64 * 1024;

#[derive(Debug, Default, Clone, PartialEq)]
pub struct FrontMatter {
    pub title: Option<String>,
    /// Without `#`, as written.
    pub tags: Vec<String>,
    /// Every key as it was given, `title` and `tags` too.
    pub fields: Map<String, Value>,
}

/// Splits the front matter off the body. What is no mapping in YAML is body: it can be found, at least.
pub fn split(text: &str) -> (FrontMatter, &str) {
    match bounds(text).and_then(|(front, body)| Some((parse(front)?, body))) {
        Some((front, body)) => (front, body),
        None => (FrontMatter::default(), text),
    }
}

fn bounds(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"))?;
    let mut read = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some((rest.get(..read)?, rest.get(read + line.len()..)?));
        }
        read += line.len();
        if read > MAX_BYTES {
            break;
        }
    }
    None
}

fn parse(front: &str) -> Option<FrontMatter> {
    if front.trim().is_empty() {
        return Some(FrontMatter::default());
    }
    let fields: Map<String, Value> = serde_saphyr::from_str(front).ok()?;
    let title = fields.get("title").and_then(word);
    let tags = ["tags", "tag"].iter().filter_map(|key| fields.get(*key)).flat_map(tags_of).collect();
    Some(FrontMatter { title, tags, fields })
}

/// A list, or words in one line with commas or spaces between.
fn tags_of(value: &Value) -> Vec<String> {
    let raw: Vec<String> = match value {
        Value::Array(items) => items.iter().filter_map(word).collect(),
        Value::String(line) => line.split([',', ' ']).map(str::to_owned).collect(),
        other => word(other).into_iter().collect(),
    };
    raw.iter()
        .map(|tag| tag.trim().trim_start_matches('#').to_owned())
        .filter(|tag| !tag.is_empty())
        .collect()
}

/// A scalar as people wrote it: `title: 2026` is a title, too.
fn word(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    use proptest::prelude::*;

    #[test]
    fn titles_and_tags_are_read_however_people_write_them() {
        let tags = |yaml: &str| split(&format!("---\n{yaml}\n---\nbody")).0.tags;
        assert_eq!(tags("tags: [garden, \"#herbs\"]"), ["garden", "herbs"]);
        assert_eq!(tags("tags:\n  - garden\n  - 2026"), ["garden", "2026"]);
        assert_eq!(tags("tags: garden, herbs"), ["garden", "herbs"]);
        assert_eq!(tags("tag: garden"), ["garden"]);
        assert!(tags("tags:").is_empty());
        let (front, body) = split("---\r\ntitle: 2026\nauthor: {name: Ada}\n---\r\nbody");
        assert_eq!((front.title.as_deref(), body), (Some("2026"), "body"));
        assert_eq!(front.fields.get("author").and_then(|a| a.get("name")), Some(&Value::from("Ada")));
        assert_eq!(split("---\n---\nbody").1, "body");
    }

    #[test]
    fn what_is_no_front_matter_stays_in_the_text() {
        for text in [
            "---\ntitle: a: b: c\n---\nbody",
            "---\nno end",
            "--- \nx",
            "---\n- list\n---\n",
            "text\n---\na: b\n---",
        ] {
            assert_eq!(split(text), (FrontMatter::default(), text));
        }
        let long = format!("---\n{}---\nbody", "a: b\n".repeat(20_000));
        assert_eq!(split(&long).1, long);
    }

    #[test]
    fn aliases_that_grow_without_end_are_refused_before_they_fill_the_memory() {
        let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for i in 1..9 {
            let again = vec![format!("*a{}", i - 1); 10].join(", ");
            writeln!(bomb, "a{i}: &a{i} [{again}]").unwrap();
        }
        let text = format!("---\n{bomb}---\nbody");
        assert_eq!(split(&text).0, FrontMatter::default());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fall_over(front in "[-:\\[\\]{}&*!|>'\"#a-z0-9 \n]{0,200}") {
            let text = format!("---\n{front}\n---\nbody");
            let (_, body) = split(&text);
            prop_assert!(body.ends_with("body"));
        }
    }
}
