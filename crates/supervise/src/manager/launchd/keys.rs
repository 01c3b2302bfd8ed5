//! The keys that launchd documents in `launchd.plist(5)`, and what each may hold.
//!
//! launchd itself ignores a key that it does not know and a value of a wrong type, without a word.

use std::fmt;

use plist::{Dictionary, Value};

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    /// Absolute: launchd resolves nothing, and `~` means nothing to it.
    Path,
    OneOf(&'static [&'static str]),
    Flag,
    Number,
    Texts,
    /// A table of any names, each with this.
    Named(&'static Kind),
    /// A table of these keys.
    Table(&'static [Key]),
    /// A list of such tables.
    Tables(&'static [Key]),
    /// Documented as the business of others (sockets, Mach services, events).
    AnyTable,
}

pub type Key = (&'static str, &'static [Kind]);

use Kind::{AnyTable, Flag, Named, Number, OneOf, Path, Table, Tables, Text, Texts};

const LIMITS: &[Key] = &[
    ("Core", &[Number]),
    ("CPU", &[Number]),
    ("Data", &[Number]),
    ("FileSize", &[Number]),
    ("MemoryLock", &[Number]),
    ("NumberOfFiles", &[Number]),
    ("NumberOfProcesses", &[Number]),
    ("ResidentSetSize", &[Number]),
    ("Stack", &[Number]),
];

const CALENDAR: &[Key] = &[
    ("Minute", &[Number]),
    ("Hour", &[Number]),
    ("Day", &[Number]),
    ("Weekday", &[Number]),
    ("Month", &[Number]),
];

const KEEP_ALIVE: &[Key] = &[
    ("SuccessfulExit", &[Flag]),
    ("NetworkState", &[Flag]),
    ("PathState", &[Named(&Flag)]),
    ("OtherJobEnabled", &[Named(&Flag)]),
    ("Crashed", &[Flag]),
    ("AfterInitialDemand", &[Flag]),
];

/// All of the top level, in the order of the manual page.
pub const KEYS: &[Key] = &[
    ("Label", &[Text]),
    ("Disabled", &[Flag]),
    ("UserName", &[Text]),
    ("GroupName", &[Text]),
    ("inetdCompatibility", &[Table(&[("Wait", &[Flag])])]),
    ("LimitLoadToHosts", &[Texts]),
    ("LimitLoadFromHosts", &[Texts]),
    ("LimitLoadToSessionType", &[Text, Texts]),
    ("LimitLoadToHardware", &[AnyTable]),
    ("LimitLoadFromHardware", &[AnyTable]),
    ("Program", &[Path]),
    ("BundleProgram", &[Text]),
    ("ProgramArguments", &[Texts]),
    ("EnableGlobbing", &[Flag]),
    ("EnableTransactions", &[Flag]),
    ("EnablePressuredExit", &[Flag]),
    ("OnDemand", &[Flag]),
    ("ServiceIPC", &[Flag]),
    ("KeepAlive", &[Flag, Table(KEEP_ALIVE)]),
    ("RunAtLoad", &[Flag]),
    ("RootDirectory", &[Path]),
    ("WorkingDirectory", &[Path]),
    ("EnvironmentVariables", &[Named(&Text)]),
    ("Umask", &[Number, Text]),
    ("TimeOut", &[Number]),
    ("ExitTimeOut", &[Number]),
    ("ThrottleInterval", &[Number]),
    ("InitGroups", &[Flag]),
    ("WatchPaths", &[Texts]),
    ("QueueDirectories", &[Texts]),
    ("StartOnMount", &[Flag]),
    ("StartInterval", &[Number]),
    ("StartCalendarInterval", &[Table(CALENDAR), Tables(CALENDAR)]),
    ("StandardInPath", &[Path]),
    ("StandardOutPath", &[Path]),
    ("StandardErrorPath", &[Path]),
    ("Debug", &[Flag]),
    ("WaitForDebugger", &[Flag]),
    ("SoftResourceLimits", &[Table(LIMITS)]),
    ("HardResourceLimits", &[Table(LIMITS)]),
    ("Nice", &[Number]),
    ("ProcessType", &[OneOf(&["Background", "Standard", "Adaptive", "Interactive"])]),
    ("AbandonProcessGroup", &[Flag]),
    ("LowPriorityIO", &[Flag]),
    ("LowPriorityBackgroundIO", &[Flag]),
    ("MaterializeDatalessFiles", &[Flag]),
    ("LaunchOnlyOnce", &[Flag]),
    ("MachServices", &[AnyTable]),
    ("Sockets", &[AnyTable]),
    ("LaunchEvents", &[AnyTable]),
    ("HopefullyExitsFirst", &[Flag]),
    ("HopefullyExitsLast", &[Flag]),
    ("SessionCreate", &[Flag]),
    ("LegacyTimers", &[Flag]),
    ("AssociatedBundleIdentifiers", &[Text, Texts]),
    ("SpawnConstraint", &[AnyTable]),
];

/// Why launchd would not do what a property list seems to say. `key` is its whole path, e.g. `KeepAlive.Crashed`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the property list is {found}, not a dictionary; put its keys into one <dict>")]
    NotATable { found: &'static str },
    #[error("launchd does not know the key {key}{}", nearest.map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown { key: String, nearest: Option<&'static str> },
    #[error("{key} must be {wanted}, and it is {found}; launchd would ignore it")]
    Type { key: String, wanted: String, found: &'static str },
    #[error("{key} is \"{value}\", and it must be one of: {wanted}")]
    Word { key: String, value: String, wanted: String },
    #[error("{key} is the relative path \"{value}\", and launchd resolves none; write it in full, without ~")]
    Relative { key: String, value: String },
    #[error("{key} is missing, and without it launchd does not load the job")]
    Missing { key: &'static str },
}

/// Whether launchd takes a whole definition as it is meant.
pub fn validate(definition: &Value) -> Result<(), KeyError> {
    let Some(table) = definition.as_dictionary() else {
        return Err(KeyError::NotATable { found: type_of(definition) });
    };
    check_table("", table, KEYS)?;
    if !table.contains_key("Label") {
        return Err(KeyError::Missing { key: "Label" });
    }
    let programs = ["Program", "ProgramArguments", "BundleProgram"];
    if programs.iter().any(|key| table.contains_key(key)) {
        return Ok(());
    }
    Err(KeyError::Missing { key: "ProgramArguments" })
}

fn check_table(of: &str, table: &Dictionary, keys: &'static [Key]) -> Result<(), KeyError> {
    for (name, value) in table {
        let key = if of.is_empty() { name.clone() } else { format!("{of}.{name}") };
        let Some((_, kinds)) = keys.iter().find(|(known, _)| known == name) else {
            return Err(KeyError::Unknown { key, nearest: nearest(name, keys) });
        };
        check_any(&key, value, kinds)?;
    }
    Ok(())
}

/// The first kind that fits decides; a table that fits by its type is judged by its content.
fn check_any(key: &str, value: &Value, kinds: &'static [Kind]) -> Result<(), KeyError> {
    for kind in kinds {
        if let Some(done) = check(key, value, *kind) {
            return done;
        }
    }
    let wanted: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    Err(KeyError::Type { key: key.to_owned(), wanted: wanted.join(" or "), found: type_of(value) })
}

/// `None` when the value is of another type.
fn check(key: &str, value: &Value, kind: Kind) -> Option<Result<(), KeyError>> {
    match kind {
        Text => value.as_string().map(|_| Ok(())),
        Path => value.as_string().map(|path| {
            let (key, value) = (key.to_owned(), path.to_owned());
            if path.starts_with('/') { Ok(()) } else { Err(KeyError::Relative { key, value }) }
        }),
        OneOf(words) => value.as_string().map(|word| {
            if words.contains(&word) {
                return Ok(());
            }
            Err(KeyError::Word { key: key.to_owned(), value: word.to_owned(), wanted: words.join(", ") })
        }),
        Flag => value.as_boolean().map(|_| Ok(())),
        Number => value.as_signed_integer().map(|_| Ok(())),
        Texts => value.as_array().filter(|all| all.iter().all(|v| v.as_string().is_some())).map(|_| Ok(())),
        Named(kind) => value.as_dictionary().map(|table| {
            table.iter().try_for_each(|(name, value)| {
                check_any(&format!("{key}.{name}"), value, std::slice::from_ref(kind))
            })
        }),
        Table(keys) => value.as_dictionary().map(|table| check_table(key, table, keys)),
        Tables(keys) => value.as_array().map(|tables| {
            tables.iter().try_for_each(|table| match table.as_dictionary() {
                Some(table) => check_table(key, table, keys),
                None => Err(KeyError::Type {
                    key: key.to_owned(),
                    wanted: kind.to_string(),
                    found: type_of(table),
                }),
            })
        }),
        AnyTable => value.as_dictionary().map(|_| Ok(())),
    }
}

fn nearest(name: &str, keys: &'static [Key]) -> Option<&'static str> {
    let scored = keys.iter().map(|(known, _)| {
        let likeness = strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase());
        (likeness, *known)
    });
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.85).then_some(best.1)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Text | OneOf(_) => "a string",
            Path => "a string with an absolute path",
            Flag => "true or false",
            Number => "an integer",
            Texts => "an array of strings",
            Named(_) | Table(_) | AnyTable => "a dictionary",
            Tables(_) => "an array of dictionaries",
        })
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "an array",
        Value::Dictionary(_) => "a dictionary",
        Value::Boolean(_) => "true or false",
        Value::Data(_) => "data",
        Value::Date(_) => "a date",
        Value::Real(_) => "a real number",
        Value::Integer(_) => "an integer",
        Value::String(_) => "a string",
        _ => "of another type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(inner: &str) -> Result<(), KeyError> {
        let text = format!(
            "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>Label</key><string>x</string>\
             <key>Program</key><string>/bin/x</string>{inner}</dict></plist>"
        );
        validate(&Value::from_reader_xml(text.as_bytes()).unwrap())
    }

    #[test]
    fn what_launchd_would_silently_ignore_is_refused_by_name() {
        let said = |inner: &str| judge(inner).unwrap_err().to_string();
        insta::assert_snapshot!(
            [
                "<key>KeepAlives</key><true/>",
                "<key>KeepAlive</key><string>yes</string>",
                "<key>KeepAlive</key><dict><key>SuccesfulExit</key><false/></dict>",
                "<key>EnvironmentVariables</key><dict><key>PORT</key><integer>8000</integer></dict>",
                "<key>ProgramArguments</key><string>/bin/x</string>",
                "<key>StandardOutPath</key><string>~/x.log</string>",
                "<key>ProcessType</key><string>Fast</string>",
                "<key>StartCalendarInterval</key><array><dict><key>Hours</key><integer>7</integer></dict></array>",
                "<key>ThrottleInterval</key><real>1.5</real>",
            ]
            .map(said)
            .join("\n"),
            @r#"
        launchd does not know the key KeepAlives; did you mean KeepAlive?
        KeepAlive must be true or false or a dictionary, and it is a string; launchd would ignore it
        launchd does not know the key KeepAlive.SuccesfulExit; did you mean SuccessfulExit?
        EnvironmentVariables.PORT must be a string, and it is an integer; launchd would ignore it
        ProgramArguments must be an array of strings, and it is a string; launchd would ignore it
        StandardOutPath is the relative path "~/x.log", and launchd resolves none; write it in full, without ~
        ProcessType is "Fast", and it must be one of: Background, Standard, Adaptive, Interactive
        launchd does not know the key StartCalendarInterval.Hours; did you mean Hour?
        ThrottleInterval must be an integer, and it is a real number; launchd would ignore it
        "#
        );
    }

    #[test]
    fn what_the_manual_page_allows_is_taken() {
        let fine = [
            "<key>KeepAlive</key><dict><key>PathState</key><dict><key>/x</key><true/></dict></dict>",
            "<key>StartCalendarInterval</key><dict><key>Hour</key><integer>21</integer></dict>",
            "<key>LimitLoadToSessionType</key><string>Aqua</string>",
            "<key>Umask</key><integer>63</integer>",
            "<key>MachServices</key><dict><key>a.b</key><true/></dict>",
        ];
        for inner in fine {
            assert_eq!(judge(inner), Ok(()), "{inner}");
        }
    }

    #[test]
    fn a_job_without_a_label_or_a_program_is_refused() {
        let bare = |xml: &str| validate(&Value::from_reader_xml(xml.as_bytes()).unwrap()).unwrap_err();
        let head = "<?xml version=\"1.0\"?><plist version=\"1.0\">";
        assert_eq!(bare(&format!("{head}<dict/></plist>")), KeyError::Missing { key: "Label" });
        let label = format!("{head}<dict><key>Label</key><string>x</string></dict></plist>");
        assert_eq!(bare(&label), KeyError::Missing { key: "ProgramArguments" });
        assert_eq!(bare(&format!("{head}<array/></plist>")), KeyError::NotATable { found: "an array" });
    }
}
