//! Hours, days, weeks, months and years as people on the spot name them.

use jiff::Zoned;

use super::Rule;
use crate::config::Keep;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// The finest first.
    pub(super) const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    pub(super) fn wanted(self, keep: &Keep) -> u32 {
        match self {
            Self::Hour => keep.hourly,
            Self::Day => keep.daily,
            Self::Week => keep.weekly,
            Self::Month => keep.monthly,
            Self::Year => keep.yearly,
        }
    }

    pub(super) fn rule(self) -> Rule {
        match self {
            Self::Hour => Rule::Hourly,
            Self::Day => Rule::Daily,
            Self::Week => Rule::Weekly,
            Self::Month => Rule::Monthly,
            Self::Year => Rule::Yearly,
        }
    }

    pub(super) fn adverb(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Different for any two of them, also for the hour that comes twice when the clocks go back.
    pub(super) fn name(self, at: &Zoned) -> String {
        match self {
            Self::Hour => at.strftime("%Y-%m-%d %H:00 %:z").to_string(),
            Self::Day => at.date().to_string(),
            // The year of a week is not always the year of its days.
            Self::Week => {
                let week = at.date().iso_week_date();
                format!("{}-W{:02}", week.year(), week.week())
            }
            Self::Month => at.strftime("%Y-%m").to_string(),
            Self::Year => at.year().to_string(),
        }
    }
}
