use std::path::Path;

/// `MNT_LOCAL` of `mount(2)`.
const LOCAL: u32 = 0x0000_1000;

pub fn is_local(dir: &Path) -> bool {
    rustix::fs::statfs(dir).map_or(true, |s| s.f_flags & LOCAL != 0)
}
