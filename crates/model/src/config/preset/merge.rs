use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::error::{ConfigError, Source, nearest};

/// Puts what the user typed over the preset: tables key by key, anything else whole.
pub fn put_over<'t>(base: &mut DeTable<'t>, over: DeTable<'t>) {
    for (key, value) in over {
        match (base.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut), value) {
            (Some(DeValue::Table(below)), value) if is_table(&value) && same_kind(below, &value) => {
                if let DeValue::Table(above) = value.into_inner() {
                    put_over(below, above);
                }
            }
            (_, value) => {
                // The key goes too: it is where the name was typed.
                base.remove(key.get_ref().as_ref());
                base.insert(key, value);
            }
        }
    }
}

fn is_table(value: &Spanned<DeValue<'_>>) -> bool {
    value.get_ref().is_table()
}

/// A check of another kind has other keys: those of the preset's would be refused.
fn same_kind(below: &DeTable<'_>, above: &Spanned<DeValue<'_>>) -> bool {
    let kind = |table: &DeTable<'_>| table.get("kind").and_then(|k| k.get_ref().as_str().map(str::to_owned));
    let above = above.get_ref().as_table().and_then(kind);
    above.is_none() || above == kind(below)
}

/// Removes `service.ui`, or one key of it.
pub fn take_away(
    base: &mut Spanned<DeTable<'_>>,
    typed: &Spanned<String>,
    source: &Source<'_>,
) -> Result<(), ConfigError> {
    let path: Vec<&str> = typed.get_ref().split('.').collect();
    removed(base.get_mut(), &path).map_err(|missing| {
        let what = format!("without: the preset has no {}", typed.get_ref());
        source.error(&typed.span(), what, missing.map(|near| format!("did you mean \"{near}\"?")))
    })
}

/// `Err` names what is nearest to what is missing.
fn removed(table: &mut DeTable<'_>, path: &[&str]) -> Result<(), Option<String>> {
    let Some((first, rest)) = path.split_first() else { return Err(None) };
    let near =
        |table: &DeTable<'_>| nearest(first, table.keys().map(|k| k.get_ref().as_ref())).map(str::to_owned);
    if rest.is_empty() {
        return if table.remove(*first).is_some() { Ok(()) } else { Err(near(table)) };
    }
    match table.get_mut(*first).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => {
            removed(inner, rest).map_err(|near| near.map(|near| format!("{first}.{near}")))
        }
        _ => Err(near(table)),
    }
}
