use toml::Spanned;

use super::Context;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::config::resolved::Verification;

impl Context<'_> {
    pub(super) fn verification(&self, raw: &raw::Verify) -> Result<Verification, ConfigError> {
        let usual = Verification::default();
        let max_loss = raw.max_loss.as_ref().map(|typed| self.percent("backup.verify.max_loss", typed));
        for rule in &raw.equal {
            let wrong = rule.get_ref().iter().find(|name| !is_table(name));
            if rule.get_ref().len() < 2 {
                return Err(self.bad(
                    rule,
                    "backup.verify.equal needs at least two tables that must be equal".to_owned(),
                ));
            }
            if let Some(wrong) = wrong {
                let why = format!(
                    "backup.verify.equal names \"{wrong}\"; a table is \"STORE:TABLE\", such as \"chat.db:messages\""
                );
                return Err(self.bad(rule, why));
            }
        }
        Ok(Verification {
            max_loss: max_loss.transpose()?.unwrap_or(usual.max_loss),
            may_shrink: raw.may_shrink.clone(),
            equal: raw.equal.iter().map(|rule| rule.get_ref().clone()).collect(),
        })
    }

    fn percent(&self, key: &str, typed: &Spanned<String>) -> Result<u8, ConfigError> {
        let number = typed.get_ref().trim().strip_suffix('%').and_then(|n| n.trim().parse().ok());
        number.filter(|n| *n <= 100).ok_or_else(|| {
            self.bad(typed, format!("{key} = \"{}\" is not a share such as \"50 %\"", typed.get_ref()))
        })
    }
}

fn is_table(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(store, table)| !store.is_empty() && !table.is_empty())
}
