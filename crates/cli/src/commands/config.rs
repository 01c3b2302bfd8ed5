use std::path::Path;
use std::process::ExitCode;

use steady_agent::config_file::ConfigFile;
use steady_model::config::{Preset, Setting, Variable, presets};

use crate::args::ConfigAction;
use crate::{style, table};

pub fn run(home: &Path, action: &ConfigAction, json: bool) -> anyhow::Result<ExitCode> {
    match action {
        ConfigAction::Show { origin, config } => {
            let file = config.clone().unwrap_or_else(|| home.join("steady.toml"));
            show(&file, *origin, json)?;
        }
        ConfigAction::Presets { name: None } => list(&presets()?, json)?,
        ConfigAction::Presets { name: Some(name) } => {
            let all = presets()?;
            let Some(preset) = all.iter().find(|preset| preset.name == *name) else {
                let names: Vec<&str> = all.iter().map(|preset| preset.name.as_str()).collect();
                anyhow::bail!("there is no preset {name}; there are: {}", names.join(", "));
            };
            if json { style::json(preset)? } else { style::say(&beginning(preset)) }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(file: &Path, origin: bool, json: bool) -> anyhow::Result<()> {
    let settings = ConfigFile::read(file)?.settings()?;
    if json {
        style::json(&settings)?;
    } else {
        style::say(&as_toml(&settings, origin));
    }
    Ok(())
}

/// A configuration that could be used as it stands; origins are comments.
fn as_toml(settings: &[Setting], origin: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut section = String::new();
    for setting in settings {
        if setting.section() != section {
            section = setting.section();
            lines.push(format!("\n[{section}]"));
        }
        let line = setting.line();
        lines.push(if origin { format!("{line}  # {}", setting.at) } else { line });
    }
    lines.join("\n")
}

fn list(presets: &[Preset], json: bool) -> anyhow::Result<()> {
    if json {
        return style::json(&presets);
    }
    let mut rows = table::table(&["PRESET", "FOR"]);
    for preset in presets {
        rows.add_row(vec![&preset.name, &preset.about]);
    }
    style::say(&rows.to_string());
    Ok(())
}

/// What to begin a `steady.toml` with.
fn beginning(preset: &Preset) -> String {
    let (given, asked): (Vec<&Variable>, Vec<&Variable>) =
        preset.variables.iter().partition(|variable| variable.default.is_some());
    let mut lines = vec![
        format!("# {}", preset.about),
        "version = 1".to_owned(),
        format!("preset = \"{}\"", preset.name),
    ];
    let line = |variable: &Variable| {
        let value = variable.default.as_deref().unwrap_or("\"…\"");
        format!("{} = {value}  # {}", variable.name, variable.about)
    };
    lines.extend(asked.into_iter().map(line));
    if !given.is_empty() {
        lines.extend([String::new(), "[vars]  # these, unless they are other at your place".to_owned()]);
        lines.extend(given.into_iter().map(|variable| format!("# {}", line(variable))));
    }
    lines.join("\n")
}
