use rustix::process::{Resource, getrlimit, setrlimit};

/// The most file descriptors that macOS grants one process. A stream takes two.
const DESCRIPTORS: u64 = 10_240;

/// The usual limit of 1,024 file descriptors (256 on macOS) is meant for programs that use `select`.
pub fn allow_many() {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(DESCRIPTORS, |max| max.min(DESCRIPTORS));
    if limit.current.is_some_and(|now| now < most) {
        limit.current = Some(most);
        // Without it a stream too many is refused, and says so.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
