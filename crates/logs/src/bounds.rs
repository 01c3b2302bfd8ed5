//! Which old files go: a pure decision over their sizes.

use steady_model::config::Rotation;

/// A file starts anew before it grows beyond this: one file alone must not break the bound of all.
pub fn file_limit(rotation: &Rotation) -> u64 {
    rotation.total_bytes.map_or(rotation.max_bytes, |total| rotation.max_bytes.min(total))
}

/// How many archives go, the oldest first. `sizes` are theirs, oldest first, bytes.
///
/// The total keeps room for the current file to grow to its limit.
pub fn surplus(sizes: &[u64], rotation: &Rotation) -> usize {
    let room = rotation.total_bytes.map_or(u64::MAX, |total| total.saturating_sub(file_limit(rotation)));
    let mut used = 0u64;
    let fits = |size: &&u64| {
        used = used.saturating_add(**size);
        used <= room
    };
    let kept = sizes.iter().rev().take(rotation.keep as usize).take_while(fits).count();
    sizes.len() - kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_is_the_newest_that_both_bounds_allow(
            sizes in prop::collection::vec(0u64..1000, 0..20),
            keep in 0u32..12,
            max_bytes in 1u64..500,
            total in prop::option::of(1u64..5000),
        ) {
            let rotation = Rotation { max_bytes, keep, total_bytes: total, ..Rotation::default() };
            let gone = surplus(&sizes, &rotation);
            let kept = &sizes[gone..];
            prop_assert!(kept.len() <= keep as usize);
            let with_current = |kept: &[u64]| kept.iter().sum::<u64>() + file_limit(&rotation);
            prop_assert!(total.is_none_or(|t| with_current(kept) <= t));
            // One more would break a bound.
            if gone > 0 {
                let more = &sizes[gone - 1..];
                prop_assert!(more.len() > keep as usize || total.is_some_and(|t| with_current(more) > t));
            }
        }
    }
}
