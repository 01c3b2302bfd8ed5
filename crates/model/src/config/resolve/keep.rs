use std::time::Duration;

use toml::Spanned;

use super::Context;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::config::resolved::Keep;

/// More would be no limit at all, and is likely a slip.
const MOST: u32 = 10_000;

impl Context<'_> {
    /// `None` is a section that is not there.
    pub(super) fn keep(&self, raw: Option<&Spanned<raw::Keep>>) -> Result<Keep, ConfigError> {
        let usual = Keep::default();
        let Some(section) = raw else { return Ok(usual) };
        let raw = section.get_ref();
        let within = raw.within.as_ref();
        let within = within.map(|w| self.duration("backup.keep.within", Some(w), Duration::ZERO));
        let keep = Keep {
            last: self.kept("last", raw.last.as_ref(), usual.last)?,
            hourly: self.kept("hourly", raw.hourly.as_ref(), usual.hourly)?,
            daily: self.kept("daily", raw.daily.as_ref(), usual.daily)?,
            weekly: self.kept("weekly", raw.weekly.as_ref(), usual.weekly)?,
            monthly: self.kept("monthly", raw.monthly.as_ref(), usual.monthly)?,
            yearly: self.kept("yearly", raw.yearly.as_ref(), usual.yearly)?,
            within: within.transpose()?,
            rebuildable: raw.rebuildable.clone(),
            automatic: raw.automatic.unwrap_or(usual.automatic),
        };
        let numbers = [keep.last, keep.hourly, keep.daily, keep.weekly, keep.monthly, keep.yearly];
        if numbers == [0; 6] && keep.within.is_none() {
            let why = "backup.keep keeps nothing; leave out a number to have its default, or say automatic = false \
                       to have points removed only by `steady prune`";
            return Err(self.bad(section, why.to_owned()));
        }
        Ok(keep)
    }

    fn kept(&self, name: &str, typed: Option<&Spanned<i64>>, usual: u32) -> Result<u32, ConfigError> {
        let Some(typed) = typed else { return Ok(usual) };
        let number = u32::try_from(*typed.get_ref()).ok().filter(|n| *n <= MOST);
        number.ok_or_else(|| {
            self.bad(typed, format!("backup.keep.{name} = {} is out of range 0 to {MOST}", typed.get_ref()))
        })
    }
}
