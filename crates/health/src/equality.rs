//! Equality: two numbers that must agree, e.g. the chunks of two stores of one index.

use std::time::Duration;

use steady_model::check::Status;
use steady_model::config::Count;
use steady_model::words;

use crate::float::float;
use crate::number::{Number, NumberError, shown};
use crate::probe::{Probe, Seen};

/// A change that reaches the stores one after the other is no difference: it has to last this long.
const MOMENT: Duration = Duration::from_millis(500);

pub struct EqualityProbe {
    left: Number,
    right: Number,
    tolerance: u64,
}

impl EqualityProbe {
    pub fn new(left: Count, right: Count, tolerance: u64) -> Self {
        Self { left: Number::new(left), right: Number::new(right), tolerance }
    }

    async fn read(&mut self) -> Result<(f64, f64), NumberError> {
        let (left, right) = tokio::join!(self.left.read(), self.right.read());
        Ok((left?, right?))
    }

    fn judge(&self, (left, right): (f64, f64)) -> Seen {
        let by = (left - right).abs();
        let (mut name, mut other) = (self.left.name(), self.right.name());
        if name == other {
            (name, other) = ("left".to_owned(), "right".to_owned());
        }
        let told = format!("{name} {}, {other} {}", shown(left), shown(right));
        let seen = match by <= float(self.tolerance) {
            true if by == 0.0 => Seen::new(Status::Pass, told),
            true => Seen::new(Status::Pass, format!("{told}: differ by {}, as they may", shown(by))),
            false => Seen::new(Status::Fail, format!("{told}: differ by {}", shown(by))),
        };
        seen.measuring(by, "count")
    }
}

impl Probe for EqualityProbe {
    async fn look(&mut self) -> Seen {
        let mut read = self.read().await;
        if read.as_ref().is_ok_and(|numbers| self.judge(*numbers).status == Status::Fail) {
            pause().await;
            read = self.read().await;
        }
        match read {
            Ok(numbers) => self.judge(numbers),
            Err(e) => Seen::new(Status::Unknown, format!("they cannot be compared: {e}"))
                .so("See whether both databases answer, and correct the queries in steady.toml"),
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        Seen::new(Status::Unknown, format!("they were not compared within {}", words::span(timeout)))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the adapter that looks twice")]
async fn pause() {
    tokio::time::sleep(MOMENT).await;
}
