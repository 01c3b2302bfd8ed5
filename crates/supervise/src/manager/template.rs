//! The files in `launchd/` at the root of the repository: definitions to be installed by hand, or by a program that
//! fills them in.

use plist::Value;

use super::launchd::LaunchdError;
use super::launchd::keys::validate;
use super::systemd::quoted;

/// The agent under launchd.
pub const AGENT_PLIST: &str = include_str!("../../../../launchd/local.steady.agent.plist");
/// One service that launchd runs by itself.
pub const SERVICE_PLIST: &str = include_str!("../../../../launchd/local.steady.service.plist");
/// The agent under `systemd --user`.
pub const AGENT_UNIT: &str = include_str!("../../../../launchd/steady-agent.service");

/// Fills in a property list, by name without the `@` signs, and makes sure that launchd takes it. A name without a
/// value stays as it is, and is mostly refused as a relative path.
pub fn property_list(template: &str, values: &[(&str, &str)]) -> Result<String, LaunchdError> {
    let mut text = template.to_owned();
    for (name, value) in values {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text = text.replace(&format!("@{name}@"), &value);
    }
    let value = Value::from_reader_xml(text.as_bytes())
        .map_err(|source| LaunchdError::Unreadable { file: "template".into(), source })?;
    validate(&value).map_err(|source| LaunchdError::Invalid { file: "template".into(), source })?;
    Ok(text)
}

/// Fills in a unit's command line.
pub fn unit(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = template.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), &quoted(value).replace('$', "$$"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [(&str, &str); 6] = [
        ("STEADY", "/opt/home brew/steady"),
        ("STEADY_HOME", "/Users/ada/R&D/<steady>"),
        ("CONFIG", "/Users/ada/steady.toml"),
        ("SERVICE", "brain"),
        ("CWD", "/Users/ada/brain"),
        ("PATH", "/opt/homebrew/bin:/usr/bin"),
    ];

    fn read(template: &str) -> plist::Dictionary {
        let text = property_list(template, &VALUES).unwrap();
        Value::from_reader_xml(text.as_bytes()).unwrap().into_dictionary().unwrap()
    }

    fn words(job: &plist::Dictionary) -> Vec<&str> {
        let words = job.get("ProgramArguments").unwrap().as_array().unwrap();
        words.iter().map(|word| word.as_string().unwrap()).collect()
    }

    #[test]
    fn the_agents_template_is_what_launchd_documents_and_stays_down_after_an_orderly_end() {
        let job = read(AGENT_PLIST);
        let home = "/Users/ada/R&D/<steady>";
        let expected =
            ["/opt/home brew/steady", "agent", "--home", home, "--config", "/Users/ada/steady.toml"];
        assert_eq!(words(&job), expected);
        let keep = job.get("KeepAlive").unwrap().as_dictionary().unwrap();
        assert_eq!(keep.get("SuccessfulExit"), Some(&Value::Boolean(false)));
    }

    #[test]
    fn the_services_template_goes_through_steady_exec() {
        let job = read(SERVICE_PLIST);
        let home = "/Users/ada/R&D/<steady>";
        assert_eq!(words(&job), ["/opt/home brew/steady", "--home", home, "exec", "brain"]);
        assert_eq!(job.get("Label").unwrap().as_string(), Some("local.steady.service.brain"));
    }

    #[test]
    fn no_name_is_left_and_a_forgotten_one_is_refused() {
        for template in [AGENT_PLIST, SERVICE_PLIST] {
            let text = property_list(template, &VALUES).unwrap();
            assert!(!text.lines().any(|line| line.contains("<string>") && line.contains('@')), "{text}");
            let error = property_list(template, &VALUES[..1]).unwrap_err().to_string();
            assert!(error.contains("is the relative path \"@"), "{error}");
        }
        let text = unit(AGENT_UNIT, &VALUES);
        let line = text.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
        assert_eq!(
            line,
            "ExecStart=\"/opt/home brew/steady\" agent --home \"/Users/ada/R&D/<steady>\" --config \
             \"/Users/ada/steady.toml\""
        );
    }
}
