//! A power assertion (`PreventUserIdleSystemSleep`) through `caffeinate`, which has no place for a reason.

pub const PROGRAM: &str = "/usr/bin/caffeinate";
pub const INSTALL: &str = "it is part of macOS";
pub const REMEDY: &str = "`pmset -g assertions` lists who keeps it awake";

pub fn arguments(_why: &str) -> Vec<String> {
    ["-i", "/bin/cat"].map(str::to_owned).into()
}
