use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::super::Roots;
use super::super::error::{ConfigError, Source, nearest};
use super::super::resolve::absolute;
use super::head::Given;
use super::{shifted, text_value};

/// What a preset leaves to the user.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Variable {
    pub name: String,
    pub about: String,
    /// As TOML; without one the user must say it.
    pub default: Option<String>,
}

/// The table `[preset]`.
pub struct Declaration<'t> {
    pub about: String,
    vars: BTreeMap<String, Declared>,
    defaults: Values<'t>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    about: String,
    #[serde(default)]
    vars: BTreeMap<String, Declared>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    about: String,
    /// A path: `~/` and what is relative to the user's file become absolute.
    #[serde(default)]
    path: bool,
}

/// What each variable is, with the place that says so.
pub type Values<'t> = BTreeMap<String, Spanned<DeValue<'t>>>;

/// Takes `[preset]` and `version` out of a preset, which are not the configuration's.
pub fn declared<'t>(
    table: &mut Spanned<DeTable<'t>>,
    source: &Source<'_>,
    start: usize,
) -> Result<Declaration<'t>, ConfigError> {
    let span = table.span();
    table.get_mut().remove("version");
    let mut own = match table.get_mut().remove("preset").map(Spanned::into_inner) {
        Some(DeValue::Table(own)) => own,
        _ => DeTable::new(),
    };
    let mut defaults = Values::new();
    if let Some(DeValue::Table(vars)) = own.get_mut("vars").map(Spanned::get_mut) {
        for (name, declared) in vars.iter_mut() {
            if let DeValue::Table(declared) = declared.get_mut()
                && let Some(value) = declared.remove("default")
            {
                let value = Spanned::new(shifted(&value.span(), start), value.into_inner());
                defaults.insert(name.get_ref().to_string(), value);
            }
        }
    }
    let typed = Typed::deserialize(toml::Deserializer::from(Spanned::new(span, own))).map_err(|e| {
        source.error(&shifted(&e.span().unwrap_or(0..0), start), format!("[preset]: {}", e.message()), None)
    })?;
    Ok(Declaration { about: typed.about, vars: typed.vars, defaults })
}

impl<'t> Declaration<'t> {
    pub fn variables(&self) -> Vec<Variable> {
        let shown = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::String(text) => toml::Value::String(text.to_string()).to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(yes) => yes.to_string(),
            other => other.type_str().to_owned(),
        };
        let of = |(name, declared): (&String, &Declared)| Variable {
            name: name.clone(),
            about: declared.about.clone(),
            default: self.defaults.get(name).map(shown),
        };
        self.vars.iter().map(of).collect()
    }

    /// What the user typed, else the default. A default may name `${root}` and no other variable.
    pub fn values(
        &self,
        named: &Spanned<String>,
        root: Option<&Spanned<String>>,
        given: Option<Given<'t>>,
        roots: &Roots<'_>,
        source: &Source<'_>,
    ) -> Result<Values<'t>, ConfigError> {
        let mut given = given.map(Spanned::into_inner).unwrap_or_default();
        if let Some(unknown) = given.keys().find(|key| !self.vars.contains_key(key.get_ref().as_ref())) {
            let name = unknown.get_ref().as_ref();
            let hint = nearest(name, self.vars.keys().map(String::as_str));
            let what = format!("the preset \"{}\" has no variable {name}", named.get_ref());
            return Err(source.error(&unknown.span(), what, hint.map(|n| format!("did you mean `{n}`?"))));
        }
        if let (Some(_), Some((twice, _))) = (root, given.get_key_value("root")) {
            let what = "root is set twice, above all sections and under [vars]".to_owned();
            return Err(source.error(&twice.span(), what, Some("keep the one above".to_owned())));
        }
        let mut values = Values::new();
        // `root` first: the others may begin with it.
        let root_first = self.vars.get_key_value("root").into_iter();
        for (name, declared) in root_first.chain(self.vars.iter().filter(|(name, _)| *name != "root")) {
            let typed = match root.filter(|_| name == "root") {
                Some(root) => Some(text_value(root.span(), root.get_ref().clone())),
                None => given.remove(name.as_str()),
            };
            let default = self.defaults.get(name);
            let value = match (typed, default) {
                (Some(typed), _) => declared.fitting(name, typed, default, source)?,
                (None, Some(default)) => value_of(default.clone(), 0, &values, source)?,
                (None, None) => {
                    let what = format!("the preset \"{}\" needs {name}: {}", named.get_ref(), declared.about);
                    let hint = if name == "root" {
                        "add root = \"…\"".to_owned()
                    } else {
                        format!("add {name} under [vars]")
                    };
                    return Err(source.error(&named.span(), what, Some(hint)));
                }
            };
            let value = match (declared.path, value.get_ref().as_str()) {
                (true, Some(text)) => {
                    text_value(value.span(), absolute(roots, text).to_string_lossy().into_owned())
                }
                _ => value,
            };
            values.insert(name.clone(), value);
        }
        Ok(values)
    }
}

impl Declared {
    fn fitting<'t>(
        &self,
        name: &str,
        typed: Spanned<DeValue<'t>>,
        default: Option<&Spanned<DeValue<'_>>>,
        source: &Source<'_>,
    ) -> Result<Spanned<DeValue<'t>>, ConfigError> {
        let (is, wanted) = (typed.get_ref().type_str(), default.map_or("string", |d| d.get_ref().type_str()));
        if is == wanted {
            return Ok(typed);
        }
        let what = format!("{name} is of type {is} and must be of type {wanted}: {}", self.about);
        Err(source.error(&typed.span(), what, None))
    }
}

/// The preset with its variables filled in and its spans moved to where its text lies.
pub fn substituted<'t>(
    table: Spanned<DeTable<'t>>,
    start: usize,
    values: &Values<'t>,
    source: &Source<'_>,
) -> Result<Spanned<DeTable<'t>>, ConfigError> {
    let span = shifted(&table.span(), start);
    let mut out = DeTable::new();
    for (key, value) in table.into_inner() {
        let key = Spanned::new(shifted(&key.span(), start), key.into_inner());
        out.insert(key, value_of(value, start, values, source)?);
    }
    Ok(Spanned::new(span, out))
}

fn value_of<'t>(
    value: Spanned<DeValue<'t>>,
    start: usize,
    values: &Values<'t>,
    source: &Source<'_>,
) -> Result<Spanned<DeValue<'t>>, ConfigError> {
    let span = shifted(&value.span(), start);
    let value = match value.into_inner() {
        DeValue::String(text) => return filled(&text, &span, values, source),
        DeValue::Array(items) => {
            let items: Result<DeArray<'t>, _> =
                items.into_iter().map(|item| value_of(item, start, values, source).map(in_list)).collect();
            DeValue::Array(items?)
        }
        DeValue::Table(table) => {
            DeValue::Table(substituted(Spanned::new(0..0, table), start, values, source)?.into_inner())
        }
        other => other,
    };
    Ok(Spanned::new(span, value))
}

/// Lists are of texts: what a program is told as its port is one too.
fn in_list(item: Spanned<DeValue<'_>>) -> Spanned<DeValue<'_>> {
    match item.get_ref() {
        DeValue::Integer(number) => text_value(item.span(), number.as_str().to_owned()),
        _ => item,
    }
}

/// `${name}` for each variable; nothing else has a meaning.
fn filled<'t>(
    text: &str,
    span: &Range<usize>,
    values: &Values<'t>,
    source: &Source<'_>,
) -> Result<Spanned<DeValue<'t>>, ConfigError> {
    let value_of = |name: &str| {
        values.get(name).ok_or_else(|| source.error(span, format!("there is no variable ${{{name}}}"), None))
    };
    if let Some(name) = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')).filter(|n| !n.contains('}'))
    {
        return value_of(name).cloned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        out.push_str(before);
        match value_of(name)?.get_ref() {
            DeValue::String(text) => out.push_str(text),
            DeValue::Integer(number) => out.push_str(number.as_str()),
            other => {
                let what = format!("${{{name}}} is a {} and cannot be part of a text", other.type_str());
                return Err(source.error(span, what, None));
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(text_value(span.clone(), out))
}
