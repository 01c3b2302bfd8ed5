use std::collections::BTreeSet;
use std::fmt::Write;

use toml::Value;

use crate::found::{Found, Listening};

/// The `steady.toml` for what was found, which lies in the folder itself. `None` when there is nothing to keep.
pub fn draft(found: &[Found]) -> Option<String> {
    let mut text = String::from(
        "# Written by `steady init`. Every key: docs/configuration.md, or `steady schema`.\nversion = 1\n",
    );
    if found.is_empty() {
        return None;
    }
    // A `String` takes all that is written to it.
    let _ = found.iter().try_for_each(|one| section(&mut text, one));
    Some(text)
}

fn section(text: &mut String, found: &Found) -> std::fmt::Result {
    match found {
        Found::Preset { name, because } => {
            writeln!(text, "\n# {because}. What it sets: `steady config show --origin`.")?;
            writeln!(text, "preset = {}\nroot = \".\"", quoted(name))
        }
        Found::Compose { file, project, services } => {
            writeln!(
                text,
                "\n# Of {file}. The containers stay Docker's.\n[check.engine]\nkind = \"docker\""
            )?;
            writeln!(text, "\n[check.containers]\nkind = \"docker\"\nproject = {}", quoted(project))?;
            writeln!(text, "services = {}\ndepends_on = [\"engine\"]", list(services))
        }
        Found::Service { name, command, listening, from } => {
            let shell = command.first().is_some_and(|program| program == "sh");
            let why = if shell {
                " A shell, for what only a shell understands; better are arguments and `env`."
            } else {
                ""
            };
            writeln!(text, "\n# Of {from}.{why}\n[service.{name}]\ncommand = {}", list(command))?;
            match listening {
                None => Ok(()),
                Some(listening) => answering(text, name, *listening),
            }
        }
        Found::Data { folder, databases } => {
            let mut names = BTreeSet::new();
            for path in databases {
                let name = quoted(&free(name_of(&path.to_string_lossy()), &mut names));
                writeln!(
                    text,
                    "\n[check.{name}]\nkind = \"sqlite\"\npath = {}",
                    quoted(&path.to_string_lossy())
                )?;
            }
            writeln!(text, "\n[backup]\nsource = {}", quoted(&folder.to_string_lossy()))?;
            writeln!(text, "exclude = [\"*.log\"]\nevery = \"24h\"")
        }
    }
}

fn answering(text: &mut String, name: &str, Listening { port, health }: Listening) -> std::fmt::Result {
    let url = format!("http://127.0.0.1:{port}/health");
    let ready = if health { format!("{{ http = {} }}", quoted(&url)) } else { format!("{{ tcp = {port} }}") };
    writeln!(text, "port = {port}\nready = {ready}\n\n[check.{name}]")?;
    if health {
        writeln!(text, "kind = \"http\"\nurl = {}", quoted(&url))?;
    } else {
        writeln!(text, "kind = \"tcp\"\naddress = \"localhost:{port}\"")?;
    }
    writeln!(text, "service = {}", quoted(name))
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn list(words: &[String]) -> String {
    Value::Array(words.iter().cloned().map(Value::String).collect()).to_string()
}

/// A check's name out of a path: `data/chroma/chroma.sqlite3` is `data-chroma-chroma.sqlite3`.
fn name_of(path: &str) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '-' };
    let name: String = path.chars().map(fine).collect();
    // Room for what tells two of them apart.
    let name: String =
        name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).chars().take(58).collect();
    if name.is_empty() { "database".to_owned() } else { name }
}

fn free(name: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let free =
        std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name);
    taken.insert(free.clone());
    free
}
