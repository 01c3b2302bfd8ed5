use std::collections::BTreeMap;
use std::path::Path;

use super::error::Source;

/// The line of each check in the text of a configuration, 1-based. Empty for what is not one.
pub fn lines_of_checks(text: &str) -> BTreeMap<String, usize> {
    #[derive(serde::Deserialize)]
    struct Checks {
        #[serde(default)]
        check: BTreeMap<toml::Spanned<String>, toml::Value>,
    }
    let Ok(checks) = toml::from_str::<Checks>(text) else { return BTreeMap::new() };
    let source = Source { text, path: Path::new("") };
    checks.check.into_keys().map(|name| (name.get_ref().clone(), source.line(&name.span()))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_check_is_found_on_the_line_of_its_name() {
        let text = "version = 1\n\n[check.a]\nkind = \"path\"\n# more\n[check.\"b c\"]\n";
        let lines = super::lines_of_checks(text);
        assert_eq!(lines.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 3), ("b c".to_owned(), 6)]);
    }
}
