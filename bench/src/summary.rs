//! Many measurements in five numbers.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub count: usize,
    pub min: f64,
    pub median: f64,
    pub p95: f64,
    pub max: f64,
}

impl Summary {
    /// `None` without measurements.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let rank =
            |percent: usize| values.get((values.len().checked_sub(1)? * percent).div_ceil(100)).copied();
        Some(Self {
            count: values.len(),
            min: rank(0)?,
            median: median(&values)?,
            p95: rank(95)?,
            max: rank(100)?,
        })
    }
}

/// Of sorted values.
fn median(values: &[f64]) -> Option<f64> {
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*values.get(middle.checked_sub(1)?)?, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_values() {
        assert_eq!(Summary::of(Vec::new()), None);
        let one = Summary::of(vec![7.0]).unwrap();
        assert_eq!((one.min, one.median, one.p95, one.max), (7.0, 7.0, 7.0, 7.0));
        let many = Summary::of((1..=100).rev().map(f64::from).collect()).unwrap();
        assert_eq!((many.count, many.min, many.median, many.p95, many.max), (100, 1.0, 50.5, 96.0, 100.0));
    }
}
