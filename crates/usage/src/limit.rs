//! The memory limit. Pure.

use steady_model::usage::Usage;
use steady_model::words;

/// Why a service has to be restarted for its memory, when it has: `1.2 GB of memory, its limit is 1.0 GB`.
pub fn over_limit(usage: &Usage, limit: u64) -> Option<String> {
    if usage.memory_bytes <= limit {
        return None;
    }
    let (taken, allowed) = (words::bytes(usage.memory_bytes), words::bytes(limit));
    Some(if taken == allowed {
        format!("{taken} of memory, just over its limit")
    } else {
        format!("{taken} of memory, its limit is {allowed}")
    })
}

#[cfg(test)]
mod tests {
    use steady_model::time::WallTime;

    use super::*;

    fn said(memory_bytes: u64, limit: u64) -> Option<String> {
        let at = WallTime("2026-11-23T00:00:00Z".parse().unwrap());
        over_limit(&Usage { at, processes: 1, memory_bytes, cpu_ms: 0, cpu_permille: None }, limit)
    }

    #[test]
    fn only_more_than_the_limit_is_over_it() {
        assert_eq!(said(1_000_000_000, 1_000_000_000), None);
        assert_eq!(said(1_000_000_001, 1_000_000_000).unwrap(), "1.0 GB of memory, just over its limit");
        assert_eq!(said(1_200_000_000, 1_000_000_000).unwrap(), "1.2 GB of memory, its limit is 1.0 GB");
    }
}
