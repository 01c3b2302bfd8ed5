//! What of an environment may be shown, in crash reports and answers, and what has to go from log lines.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use memchr::memmem;
use steady_model::crash::REDACTED;
use zeroize::Zeroizing;

use crate::environment::{Environment, Origin};

/// Shorter values are not looked for: they would be found in half of all words.
const SHORTEST: usize = 6;

/// A name with one of these in it holds something secret. Rather a MONKEY too many than a KEY too few.
const SECRET_NAMES: [&str; 14] = [
    "KEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "CREDENTIAL",
    "AUTH",
    "DSN",
    "COOKIE",
    "PRIVATE",
    "JWT",
];
/// But these do not: the working directory.
const OPEN_NAMES: [&str; 2] = ["PWD", "OLDPWD"];
/// A variable of an environment file with such an end is not looked for in log lines, lest every path in a
/// stack trace goes.
const PLAIN_ENDS: [&str; 10] = ["PATH", "DIR", "FILE", "HOST", "PORT", "LEVEL", "MODE", "ENV", "LANG", "TZ"];

impl Environment {
    /// All names, with the values that may be shown. [`REDACTED`] stands for: secrets; what environment files
    /// say; what has a name that looks secret; in any other value, the passwords of its URLs and every secret
    /// that is repeated there.
    pub fn redacted(&self) -> BTreeMap<String, String> {
        let redactor = self.redactor();
        self.vars()
            .map(|(name, var)| {
                let name = name.to_string_lossy().into_owned();
                let hidden = matches!(var.origin, Origin::Secret | Origin::File) || looks_secret(&name);
                let value = if hidden || self.is_secret_value(var.value()) {
                    REDACTED.to_owned()
                } else {
                    redactor.line(&without_credentials(&var.value().to_string_lossy())).into_owned()
                };
                (name, value)
            })
            .collect()
    }

    /// Finds in log lines what [`redacted`](Self::redacted) does not show, but for the values of environment
    /// files that are plainly no secrets by their names (`…_DIR`, `…_PORT`).
    pub fn redactor(&self) -> Redactor {
        let mut values = Vec::new();
        for (name, var) in self.vars() {
            let name = name.to_string_lossy();
            let Some(value) = var.value().to_str() else { continue };
            let whole = match var.origin {
                Origin::Secret => true,
                Origin::File => looks_secret(&name) || !looks_plain(&name),
                Origin::Inherited | Origin::Configured => looks_secret(&name),
                Origin::Mark => false,
            };
            if whole {
                values.push(value);
            }
            values.extend(credentials(value).into_iter().filter_map(|at| value.get(at)));
        }
        Redactor::new(values)
    }

    /// Of any length: a short secret is not searched for, but it is no other variable's value in the open.
    fn is_secret_value(&self, value: &std::ffi::OsStr) -> bool {
        self.vars().any(|(_, var)| var.origin == Origin::Secret && var.value() == value)
    }
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    !OPEN_NAMES.contains(&name.as_str()) && SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn looks_plain(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    PLAIN_ENDS
        .iter()
        .any(|end| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
}

fn without_credentials(value: &str) -> String {
    blank_out(value, credentials(value)).into_owned()
}

/// Where URLs in a value have their passwords: after the colon of the user's part, the whole of that part when it
/// has no colon (a token), and parameters with names that look secret.
fn credentials(value: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (scheme, mark) in value.match_indices("://") {
        let start = scheme + mark.len();
        let rest = value.get(start..).unwrap_or_default();
        let url = rest.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>')).next();
        let url = url.unwrap_or_default();
        if let Some(user) = user_part(url) {
            let password = user.find(':').map_or(0, |colon| colon + 1);
            if password < user.len() && user != "git" {
                found.push(start + password..start + user.len());
            }
        }
        let query = url.find('?').map_or(url.len(), |at| at + 1);
        let mut at = start + query;
        for part in url.get(query..).unwrap_or_default().split_inclusive(['&', ';', '#']) {
            let pair = part.trim_end_matches(['&', ';', '#']);
            if let Some((name, secret)) = pair.split_once('=')
                && looks_secret(name)
                && !secret.is_empty()
            {
                let end = at + pair.len();
                found.push(end - secret.len()..end);
            }
            at += part.len();
        }
    }
    found
}

/// What stands before the `@`. A password may hold a bare `/`, `?` or `#`, although it should be encoded: so the
/// last `@` counts, unless what stands before it reads as host and port.
fn user_part(url: &str) -> Option<&str> {
    let host_ends = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (authority, _) = url.split_at_checked(host_ends)?;
    if let Some(at) = authority.rfind('@') {
        return url.get(..at);
    }
    let (_, after_colon) = authority.split_once(':')?;
    let port = !after_colon.is_empty() && after_colon.bytes().all(|b| b.is_ascii_digit());
    let at = url.rfind('@')?;
    if port { None } else { url.get(..at) }
}

/// Takes known values out of log lines. What it knows is wiped when it goes, and its `Debug` does not show it.
///
/// A value of several lines is looked for line by line. Not found are values under six bytes, and those that a
/// program prints in another form (base64, percent-encoding, cut).
#[derive(Default)]
pub struct Redactor {
    values: Vec<Zeroizing<String>>,
}

impl Redactor {
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut known: Vec<_> = values
            .into_iter()
            .flat_map(str::lines)
            .filter(|line| line.len() >= SHORTEST)
            .flat_map(|line| [Some(line.to_owned()), in_json(line)])
            .flatten()
            .map(Zeroizing::new)
            .collect();
        known.sort_by(|a, b| a.as_str().cmp(b));
        known.dedup();
        Self { values: known }
    }

    /// Whether it finds nothing anywhere.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn line<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let mut found = Vec::new();
        for value in &self.values {
            let finder = memmem::Finder::new(value.as_bytes());
            let mut from = 0;
            // Also where it overlaps itself: what is left of a second one would be a part of it in the open.
            while let Some(at) = line.as_bytes().get(from..).and_then(|rest| finder.find(rest)) {
                found.push(from + at..from + at + value.len());
                from += at + 1;
            }
        }
        blank_out(line, found)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} values)", self.values.len())
    }
}

/// As it stands in a JSON log line, if that differs.
fn in_json(value: &str) -> Option<String> {
    value.contains(['"', '\\']).then(|| value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// One [`REDACTED`] for each stretch that is covered.
fn blank_out(text: &str, mut covered: Vec<Range<usize>>) -> Cow<'_, str> {
    if covered.is_empty() {
        return Cow::Borrowed(text);
    }
    covered.sort_by_key(|range| range.start);
    let mut shown = String::new();
    let mut from = 0;
    for range in covered {
        if range.start >= from {
            shown.push_str(text.get(from..range.start).unwrap_or_default());
            shown.push_str(REDACTED);
        }
        from = from.max(range.end);
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests;
