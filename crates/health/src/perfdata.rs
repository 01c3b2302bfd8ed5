//! The numbers that a plugin prints after a `|`.
//!
//! Source: the monitoring-plugins development guidelines, "Performance data"
//! (<https://www.monitoring-plugins.org/doc/guidelines.html>): `'label'=value[UOM];[warn];[crit];[min];[max]`,
//! separated by blanks, the label quoted when it holds blanks, `''` for a quote in it.

use std::collections::BTreeMap;

use steady_model::check::{Measure, Sample};

/// No plugin floods the metrics.
const MOST: usize = 64;
const METRIC: &str = "steady_check_perfdata";

#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    pub label: String,
    /// In the base unit.
    pub value: f64,
    /// `seconds`, `bytes`, `ratio`, or empty.
    pub unit: &'static str,
}

impl Number {
    pub fn measure(&self) -> Measure {
        Measure { value: self.value, unit: self.unit.to_owned() }
    }

    pub fn sample(self) -> Sample {
        let metric = if self.unit.is_empty() { METRIC.to_owned() } else { format!("{METRIC}_{}", self.unit) };
        Sample { metric, labels: BTreeMap::from([("label".to_owned(), self.label)]), value: self.value }
    }
}

/// All values that can be read; what is malformed is left out. Of a label that comes twice, the first counts.
pub fn parse(text: &str) -> Vec<Number> {
    let mut values: Vec<Number> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && values.len() < MOST {
        let Some((label, after)) = label(rest) else {
            rest = rest.split_once(char::is_whitespace).map_or("", |(_, next)| next.trim_start());
            continue;
        };
        let (number, next) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
        if let Some((value, unit)) = amount(number.split(';').next().unwrap_or_default())
            && values.iter().all(|known| known.label != label)
        {
            values.push(Number { label, value, unit });
        }
        rest = next.trim_start();
    }
    values
}

/// The label, and what follows its `=`.
fn label(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('\'') else {
        let (label, after) = text.split_once('=')?;
        let is_whole = !label.is_empty() && !label.contains(char::is_whitespace);
        return is_whole.then(|| (label.to_owned(), after));
    };
    let mut label = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('\'')?;
        label.push_str(part);
        match after.strip_prefix('\'') {
            Some(next) => {
                label.push('\'');
                rest = next;
            }
            None => return Some((label, after.strip_prefix('=')?)),
        }
    }
}

/// A number with its unit, in the base unit. `U` is "cannot be told".
fn amount(text: &str) -> Option<(f64, &'static str)> {
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let number: f64 = number.parse().ok().filter(|n: &f64| n.is_finite())?;
    let (factor, unit) = match unit {
        "" | "c" => (1.0, ""),
        "s" => (1.0, "seconds"),
        "ms" => (1e-3, "seconds"),
        "us" => (1e-6, "seconds"),
        "ns" => (1e-9, "seconds"),
        "%" => (1e-2, "ratio"),
        "B" => (1.0, "bytes"),
        "KB" | "kB" => (1e3, "bytes"),
        "MB" => (1e6, "bytes"),
        "GB" => (1e9, "bytes"),
        "TB" => (1e12, "bytes"),
        _ => return None,
    };
    Some((number * factor, unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_of_the_guidelines_are_read_in_base_units() {
        let text = "time=12ms;1;2;0 size=10KB;;;0 'free space, it''s'=40%;20;10 users=3 t=U load=-0.5;1;2 \
                    users=9 bad= =4 'open x=1";
        let read: Vec<_> = parse(text).into_iter().map(|v| (v.label, v.value, v.unit)).collect();
        let expected = [
            ("time", 0.012, "seconds"),
            ("size", 10_000.0, "bytes"),
            ("free space, it's", 0.4, "ratio"),
            ("users", 3.0, ""),
            ("load", -0.5, ""),
            ("x", 1.0, ""),
        ];
        assert_eq!(read, expected.map(|(label, value, unit)| (label.to_owned(), value, unit)));
    }

    proptest! {
        #[test]
        fn whatever_a_plugin_prints_ends_and_gives_finite_numbers(text in "[ a-c='0-9.;%|eE-]{0,200}") {
            let values = parse(&text);
            prop_assert!(values.iter().all(|v| v.value.is_finite() && !v.label.contains('=') || v.label.contains(' ')
                || text.contains('\'')));
        }

        #[test]
        fn a_quoted_label_is_read_as_it_was_meant(label in "[ -~]{1,20}", value in -1_000_000_i32..1_000_000) {
            let text = format!("'{}'={value};1;2", label.replace('\'', "''"));
            let expected = Number { label, value: f64::from(value), unit: "" };
            prop_assert_eq!(parse(&text), [expected]);
        }
    }
}
