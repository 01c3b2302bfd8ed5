//! A note's text as title, tags and searchable chunks. Pure.
//!
//! Understands front matter, headings, wiki links (`[[Target|label]]` reads as its label) and inline `#tags`.
//! Anything else is text: no note is ever malformed.

use serde_json::{Map, Value};

use crate::front_matter;

/// Chunks are cut at paragraphs to about this many bytes: small enough for a snippet's context.
const CHUNK_BYTES: usize = 1500;

#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub title: String,
    /// Sorted, without `#`, each once.
    pub tags: Vec<String>,
    /// The targets of the wiki links, without heading and label, sorted, each once.
    pub links: Vec<String>,
    pub front: Map<String, Value>,
    /// At least one, so that an empty note is still found by its title.
    pub chunks: Vec<Chunk>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The nearest heading above, or empty.
    pub heading: String,
    pub body: String,
}

/// Parses the text of the note at `path`, whose file name is the title of last resort.
pub fn parse(path: &str, text: &str) -> Note {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (front, body) = front_matter::split(text);
    let (mut tags, mut links) = (front.tags, Vec::new());
    let mut first_heading = None;
    let mut sections = vec![Chunk { heading: String::new(), body: String::new() }];
    let mut fenced = false;
    for line in body.lines() {
        let marks_fence = line.trim_start().starts_with("```");
        fenced ^= marks_fence;
        let heading = if fenced || marks_fence { None } else { heading_of(line) };
        if let Some(heading) = heading {
            let heading = flatten_links(heading);
            first_heading.get_or_insert_with(|| heading.clone());
            sections.push(Chunk { heading, body: String::new() });
            continue;
        }
        if !fenced {
            tags.extend(inline_tags(line));
            links.extend(link_targets(line));
        }
        if let Some(section) = sections.last_mut() {
            section.body.push_str(&flatten_links(line));
            section.body.push('\n');
        }
    }
    for list in [&mut tags, &mut links] {
        list.sort();
        list.dedup();
    }
    let mut chunks: Vec<Chunk> = sections.iter().flat_map(cut).collect();
    if chunks.is_empty() {
        chunks.push(Chunk { heading: String::new(), body: String::new() });
    }
    let title = front.title.or(first_heading).unwrap_or_else(|| stem(path).to_owned());
    Note { title, tags, links, front: front.fields, chunks }
}

pub fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The text of an ATX heading line: one to six `#` and a space.
fn heading_of(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    ((1..=6).contains(&level) && rest.starts_with(' ')).then(|| rest.trim()).filter(|h| !h.is_empty())
}

fn inline_tags(line: &str) -> impl Iterator<Item = String> {
    line.split_whitespace().filter_map(|word| {
        let tag = word.strip_prefix('#')?;
        let end =
            tag.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '/'))).unwrap_or(tag.len());
        let tag = tag.get(..end)?;
        tag.starts_with(char::is_alphabetic).then(|| tag.to_owned())
    })
}

/// `[[Target]]` reads as `Target`, `[[Target|label]]` as `label`.
fn flatten_links(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, link, after)) = next_link(rest) {
        out.push_str(before);
        out.push_str(link.rsplit('|').next().unwrap_or(link));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// `[[Target#heading|label]]` points at `Target`; a link within the note itself points at nothing.
fn link_targets(line: &str) -> Vec<String> {
    let (mut targets, mut rest) = (Vec::new(), line);
    while let Some((_, link, after)) = next_link(rest) {
        let target = link.split(['|', '#']).next().unwrap_or(link).trim();
        if !target.is_empty() {
            targets.push(target.to_owned());
        }
        rest = after;
    }
    targets
}

fn next_link(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("[[")?;
    let (link, after) = rest.split_once("]]")?;
    Some((before, link, after))
}

/// Cuts one section into chunks at paragraph ends, and inside a paragraph only where it is too long alone.
fn cut(section: &Chunk) -> Vec<Chunk> {
    let mut bodies: Vec<String> = Vec::new();
    let pieces = section.body.split("\n\n").map(str::trim).filter(|p| !p.is_empty()).flat_map(split_long);
    for piece in pieces {
        match bodies.last_mut() {
            Some(last) if last.len() + piece.len() + 2 <= CHUNK_BYTES => {
                last.push_str("\n\n");
                last.push_str(piece);
            }
            _ => bodies.push(piece.to_owned()),
        }
    }
    if bodies.is_empty() && !section.heading.is_empty() {
        bodies.push(String::new());
    }
    bodies.into_iter().map(|body| Chunk { heading: section.heading.clone(), body }).collect()
}

/// Splits at the last white space before the limit; a single word longer than the limit is cut hard.
fn split_long(paragraph: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = paragraph;
    while rest.len() > CHUNK_BYTES {
        let limit = rest.floor_char_boundary(CHUNK_BYTES);
        let (head, _) = rest.split_at(limit);
        let at = head.rfind(char::is_whitespace).filter(|at| *at > 0).unwrap_or(limit);
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece);
        rest = tail.trim_start();
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn front_matter_headings_links_and_tags_are_understood() {
        let text = "---\r\ntitle: \"Sour dough\"\r\ntags: [bread, '#slow']\r\n---\r\n\
            Intro to [[Starter|the starter]] and [[Flour]]. #baking,\n\n## Steps\n```\n# not a heading #nor-a-tag\n```\nBake.";
        let note = parse("Recipes/bread.md", text);
        assert_eq!(note.title, "Sour dough");
        assert_eq!(note.tags, ["baking", "bread", "slow"]);
        assert_eq!(note.chunks.len(), 2);
        assert_eq!(note.chunks[0].body, "Intro to the starter and Flour. #baking,");
        assert_eq!(note.chunks[1].heading, "Steps");
        assert!(note.chunks[1].body.contains("# not a heading"));
    }

    #[test]
    fn a_tag_list_in_lines_is_read_and_ends_with_the_next_key() {
        let note = parse("a.md", "---\ntags:\n  - one\n  - two\naliases:\n  - three\n---\n");
        assert_eq!(note.tags, ["one", "two"]);
    }

    #[test]
    fn the_title_falls_back_to_the_heading_and_then_to_the_file_name() {
        assert_eq!(parse("x/y.z.md", "text\n# The [[Real|first]] one\n").title, "The first one");
        let empty = parse("x/y.z.md", "");
        assert_eq!((empty.title.as_str(), empty.chunks.len()), ("y.z", 1));
    }

    #[test]
    fn unclosed_front_matter_is_text() {
        let note = parse("a.md", "---\ntitle: x\nbody");
        assert_eq!(note.title, "a");
        assert!(note.chunks[0].body.contains("title: x"));
    }

    proptest! {
        #[test]
        fn no_text_is_lost_and_no_chunk_is_too_long(words in prop::collection::vec("[a-zäß🌱]{1,40}", 0..150), every in 1..50usize) {
            let mut text = String::new();
            for (i, word) in words.iter().enumerate() {
                text.push_str(word);
                text.push_str(if i % every == 0 { "\n\n" } else { " " });
            }
            let note = parse("a.md", &text);
            let kept: Vec<&str> = note.chunks.iter().flat_map(|c| c.body.split_whitespace()).collect();
            prop_assert_eq!(kept, words.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert!(note.chunks.iter().all(|c| c.body.len() <= CHUNK_BYTES));
        }

        #[test]
        fn any_text_parses(text in any::<String>()) {
            prop_assert!(!parse("a.md", &text).chunks.is_empty());
        }
    }
}
