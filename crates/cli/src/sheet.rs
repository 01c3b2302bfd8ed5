//! The recovery sheet: all it takes to open the backups without Steady and without this machine.

use std::fmt::Write;

use steady_model::key::KeptIn;

/// In groups of this many digits it is typed without losing one's place.
const GROUP: usize = 8;

pub struct Sheet {
    pub key: String,
    pub repository: String,
    /// Of the repository, as `restic cat config` shows it.
    pub id: String,
    pub kept: KeptIn,
    /// Name and place of those that open with the same key.
    pub copies: Vec<(String, String)>,
    /// The day it was made, for people.
    pub made: String,
}

impl Sheet {
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n{INTRODUCTION}\n\n", self.heading());
        let _ = writeln!(text, "Key         {}", self.key);
        let _ = writeln!(text, "in groups   {}", self.groups().join(" "));
        for (name, value) in self.places() {
            let _ = writeln!(text, "{name:<12}{value}");
        }
        let _ = write!(text, "\n{BACK}\n\n");
        for line in self.commands() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = write!(text, "\n{AFTER}");
        text
    }

    /// For printing; it loads nothing.
    pub fn html(&self) -> String {
        let mut rows = String::new();
        for (name, value) in self.places() {
            let _ = writeln!(
                rows,
                "<tr><th>{}</th><td><code>{}</code></td></tr>",
                escaped(&name),
                escaped(&value)
            );
        }
        let (heading, key) = (escaped(&self.heading()), escaped(&self.key));
        let (groups, commands) = (escaped(&self.groups().join(" ")), escaped(&self.commands().join("\n")));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{heading}</title>\n\
             <style>body{{font:12pt/1.5 serif;max-width:44em;margin:2em auto;padding:0 1em}}\
             code,pre{{font-family:monospace;overflow-wrap:anywhere;white-space:pre-wrap}}\
             th{{text-align:left;padding-right:1em;vertical-align:top}}</style>\n\
             <h1>{heading}</h1>\n<p>{}</p>\n<table>\n<tr><th>Key</th><td><code>{key}</code></td></tr>\n\
             <tr><th>in groups</th><td><code>{groups}</code></td></tr>\n{rows}</table>\n\
             <p>{}</p>\n<pre>{commands}</pre>\n<p>{}</p>\n</html>",
            escaped(INTRODUCTION),
            escaped(BACK),
            escaped(AFTER)
        )
    }

    fn heading(&self) -> String {
        format!("Steady recovery sheet of {}", self.made)
    }

    fn groups(&self) -> Vec<String> {
        let digits: Vec<char> = self.key.chars().collect();
        digits.chunks(GROUP).map(|group| group.iter().collect()).collect()
    }

    fn places(&self) -> Vec<(String, String)> {
        let mut places = vec![
            ("Repository".to_owned(), self.repository.clone()),
            ("its id".to_owned(), self.id.clone()),
            ("Kept in".to_owned(), format!("the {} of this machine", self.kept)),
        ];
        places.extend(self.copies.iter().map(|(name, to)| (format!("Copy {name}"), to.clone())));
        places
    }

    fn commands(&self) -> Vec<String> {
        let repository = quoted(&self.repository);
        vec![
            format!("restic -r {repository} snapshots"),
            format!("restic -r {repository} restore latest --target rescued"),
        ]
    }
}

const INTRODUCTION: &str = "\
Keep this away from the machine: on paper, or in a password manager that is
not only on it. Whoever has this key and the backups can read all of them.
Without it nobody can.";
const BACK: &str = "\
To get the data back on any machine, without Steady: install restic
(restic.net) and run these; the password that it asks for is the key, without
the spaces. With a copy, name its place instead.";
const AFTER: &str = "\
The data are then in rescued/data. Only read with restic: do not prune or
write with it while Steady runs.";

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        Sheet {
            key: "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
            repository: "/home/ada/it's <mine>/repository".into(),
            id: "9f86d081884c7d65".into(),
            kept: KeptIn::Keychain,
            copies: vec![("usb".into(), "/media/ada/usb/steady".into())],
            made: "23 November 2026".into(),
        }
    }

    #[test]
    fn a_sheet_has_all_that_opens_the_backups() {
        insta::assert_snapshot!(sheet().text());
    }

    #[test]
    fn a_printed_sheet_says_the_same_and_loads_nothing() {
        let html = sheet().html();
        for word in
            [&sheet().key, "it's &lt;mine&gt;", "9f86d081884c7d65", "/media/ada/usb/steady", "rescued"]
        {
            assert!(html.contains(word), "{word} is not in {html}");
        }
        assert!(!html.contains("<mine>") && !html.contains("src=") && !html.contains("href="));
    }
}
