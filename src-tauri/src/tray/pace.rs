//! How often the tray may change: what follows a change too soon waits, and of several the last wins.

use std::time::Duration;

use steady_model::project::tray::TrayModel;
use steady_model::time::AwakeInstant;

/// Short enough that any change is seen within a tenth of a second, and long enough that a burst is one change.
pub const GAP: Duration = Duration::from_millis(60);

#[derive(Debug, Default)]
pub struct Pace {
    drawn: Option<(TrayModel, AwakeInstant)>,
    waiting: Option<TrayModel>,
}

impl Pace {
    /// Takes what should be shown; gives back what to draw now. The same picture is never drawn twice.
    pub fn offer(&mut self, model: TrayModel, now: AwakeInstant) -> Option<TrayModel> {
        self.waiting = match &self.drawn {
            Some((drawn, _)) if *drawn == model => None,
            _ => Some(model),
        };
        self.release(now)
    }

    /// How long until what waits may be drawn; `None` when nothing waits.
    pub fn due(&self, now: AwakeInstant) -> Option<Duration> {
        self.waiting.as_ref()?;
        Some(match &self.drawn {
            Some((_, at)) => GAP.saturating_sub(now.since(*at)),
            None => Duration::ZERO,
        })
    }

    /// What waited long enough.
    pub fn release(&mut self, now: AwakeInstant) -> Option<TrayModel> {
        if self.due(now)? > Duration::ZERO {
            return None;
        }
        let model = self.waiting.take()?;
        self.drawn = Some((model.clone(), now));
        Some(model)
    }
}

#[cfg(test)]
mod tests {
    use steady_model::project::tray::tray;
    use steady_model::time::WallTime;

    use super::*;

    fn at(ms: u64) -> AwakeInstant {
        AwakeInstant::since_boot(Duration::from_millis(1000 + ms))
    }

    fn model(words: &str) -> TrayModel {
        tray(None, WallTime("2026-11-22T10:00:00Z".parse().unwrap())).with_notice(Some(words))
    }

    #[test]
    fn the_first_picture_is_drawn_at_once_and_the_same_never_again() {
        let mut pace = Pace::default();
        assert_eq!(pace.offer(model("a"), at(0)), Some(model("a")));
        assert_eq!(pace.offer(model("a"), at(900)), None);
        assert_eq!(pace.due(at(900)), None);
    }

    #[test]
    fn of_changes_in_quick_succession_the_last_is_drawn_when_the_gap_is_over() {
        let mut pace = Pace::default();
        pace.offer(model("a"), at(0));
        assert_eq!(pace.offer(model("b"), at(10)), None);
        assert_eq!(pace.offer(model("c"), at(20)), None);
        assert_eq!(pace.due(at(20)), Some(GAP.saturating_sub(Duration::from_millis(20))));
        assert_eq!(pace.release(at(59)), None);
        assert_eq!(pace.release(at(60)), Some(model("c")));
        assert_eq!(pace.due(at(60)), None);
    }

    #[test]
    fn a_change_that_takes_itself_back_draws_nothing() {
        let mut pace = Pace::default();
        pace.offer(model("a"), at(0));
        pace.offer(model("b"), at(10));
        assert_eq!(pace.offer(model("a"), at(20)), None);
        assert_eq!((pace.due(at(20)), pace.release(at(500))), (None, None));
    }

    #[test]
    fn a_change_after_the_gap_waits_for_nothing() {
        let mut pace = Pace::default();
        pace.offer(model("a"), at(0));
        assert_eq!(pace.offer(model("b"), at(60)), Some(model("b")));
    }
}
