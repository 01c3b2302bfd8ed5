use super::Context;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::config::resolved::Priority;

impl Context<'_> {
    pub(super) fn priority(&self, raw: &raw::Backup) -> Result<Priority, ConfigError> {
        let usual = Priority::default();
        let nice = match &raw.nice {
            None => usual.nice,
            Some(typed) => match u8::try_from(*typed.get_ref()) {
                Ok(nice @ 0..=19) => nice,
                _ => {
                    let what = format!("backup.nice = {} is out of range 0 to 19", typed.get_ref());
                    return Err(self.bad(typed, what));
                }
            },
        };
        Ok(Priority { nice, io: raw.io })
    }
}
