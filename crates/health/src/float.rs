/// A count as a measure.
#[expect(clippy::cast_precision_loss, reason = "a float holds whole numbers exactly up to 9 · 10^15")]
pub fn float(count: impl Into<i128>) -> f64 {
    count.into() as f64
}
