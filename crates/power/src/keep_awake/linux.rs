//! logind's inhibitor lock (`org.freedesktop.login1.Manager.Inhibit`) through `systemd-inhibit`.

pub const PROGRAM: &str = "systemd-inhibit";
pub const INSTALL: &str =
    "without systemd, nothing here can keep the machine from sleeping: leave out `keep_awake`";
pub const REMEDY: &str =
    "it needs logind, and the right org.freedesktop.login1.inhibit-block-sleep, which a desktop session has";

pub fn arguments(why: &str) -> Vec<String> {
    let why = format!("--why={why}");
    ["--what=sleep:idle", "--who=Steady", &why, "--mode=block", "cat"].map(str::to_owned).into()
}
