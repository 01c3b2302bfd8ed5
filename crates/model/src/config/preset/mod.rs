//! Presets: whole configurations for backends that somebody knows, such as `preset = "secondbrain"` with a `root`.
//!
//! A preset is a `steady.toml` in the folder `presets`, with one more table, `[preset]`, that says what it is for and
//! which variables it has. `${name}` in its texts stands for a variable; a text that is nothing else takes the
//! variable's type, but not in a list, where all is text. What the user's file says goes over it, key by key; `without` takes away what is not wanted.

mod head;
mod merge;
mod variables;

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Roots;
use super::error::{ConfigError, Source, nearest};
use super::raw::complaint;
pub(super) use head::Head;
pub use variables::Variable;

#[derive(RustEmbed)]
#[folder = "presets"]
struct Files;

/// A preset that this Steady has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Preset {
    pub name: String,
    /// One sentence.
    pub about: String,
    pub variables: Vec<Variable>,
    /// The file, as it stands in the folder `presets`.
    pub text: String,
}

/// How places in a preset are told.
pub fn preset_path(name: &str) -> PathBuf {
    PathBuf::from(format!("preset {name}"))
}

fn names() -> Vec<String> {
    let mut names: Vec<String> =
        Files::iter().filter_map(|file| file.strip_suffix(".toml").map(str::to_owned)).collect();
    names.sort();
    names
}

fn text_of(name: &str) -> Option<String> {
    let file = Files::get(&format!("{name}.toml"))?;
    String::from_utf8(file.data.into_owned()).ok()
}

/// All presets, by name.
pub fn presets() -> Result<Vec<Preset>, ConfigError> {
    let read = |name: String| {
        let text = text_of(&name).unwrap_or_default();
        let path = preset_path(&name);
        let source = Source::new(&path, &text);
        let mut table = parse(&text, &source)?;
        let declared = variables::declared(&mut table, &source, 0)?;
        Ok(Preset {
            name,
            about: declared.about.clone(),
            variables: declared.variables(),
            text: text.clone(),
        })
    };
    names().into_iter().map(read).collect()
}

/// The texts of a configuration: the user's, and of the preset that it names.
pub(super) struct Layers<'a> {
    path: &'a Path,
    text: &'a str,
    preset: Option<(PathBuf, String)>,
}

impl<'a> Layers<'a> {
    pub fn read(text: &'a str, path: &'a Path) -> Result<Self, ConfigError> {
        let source = Source::new(path, text);
        let (head, _) = Head::take(&mut parse(text, &source)?, &source)?;
        let preset = head.preset.as_ref().map(|typed| known(typed, &source)).transpose()?;
        Ok(Self { path, text, preset })
    }

    /// One table out of both, without the keys that only say how it comes about, and what its spans point into.
    pub fn merged(&self, roots: &Roots<'_>) -> Result<(Spanned<DeTable<'_>>, Source<'_>), ConfigError> {
        let mut source = Source::new(self.path, self.text);
        let mut users = parse(self.text, &source)?;
        let (head, given) = Head::take(&mut users, &source)?;
        let (Some((path, text)), Some(named)) = (&self.preset, &head.preset) else {
            head.needs_no_preset(given.as_ref(), &source)?;
            return Ok((users, source));
        };
        let start = source.push(path, text);
        let mut table = DeTable::parse(text).map_err(|e| {
            let span = e.span().unwrap_or(0..0);
            source.error(&shifted(&span, start), e.message().to_owned(), None)
        })?;
        let declared = variables::declared(&mut table, &source, start)?;
        let values = declared.values(named, head.root.as_ref(), given, roots, &source)?;
        let mut base = variables::substituted(table, start, &values, &source)?;
        for typed in &head.without {
            merge::take_away(&mut base, typed, &source)?;
        }
        merge::put_over(base.get_mut(), users.into_inner());
        Ok((base, source))
    }
}

fn parse<'t>(text: &'t str, source: &Source<'_>) -> Result<Spanned<DeTable<'t>>, ConfigError> {
    DeTable::parse(text).map_err(|e| complaint(&e, source))
}

fn known(typed: &Spanned<String>, source: &Source<'_>) -> Result<(PathBuf, String), ConfigError> {
    let name = typed.get_ref();
    let names = names();
    // Names come from the folder, so that none of them is a path out of it.
    match names.contains(name).then(|| text_of(name)).flatten() {
        Some(text) => Ok((preset_path(name), text)),
        None => {
            let near = nearest(name, names.iter().map(String::as_str));
            let hint = near.map(|n| format!("did you mean \"{n}\"?"));
            let what = format!("there is no preset \"{name}\"; there are: {}", names.join(", "));
            Err(source.error(&typed.span(), what, hint))
        }
    }
}

fn shifted(span: &Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

fn text_value(span: Range<usize>, text: String) -> Spanned<DeValue<'static>> {
    Spanned::new(span, DeValue::String(Cow::Owned(text)))
}
