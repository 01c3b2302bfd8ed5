//! What launchd's numbers mean, and what helps.
//!
//! The words are those of `launchctl error CODE` and of the errno they stand for; the causes are the ones that the
//! tool's users found behind them (its manual page names none).

/// Cause and remedy, in words for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    pub cause: &'static str,
    pub remedy: &'static str,
}

/// Of an exit code of launchctl; `None` when nobody has ever explained it.
pub fn meaning(code: i32) -> Option<Meaning> {
    let (cause, remedy) = match code {
        1 => {
            ("this user may not change that domain", "run it as the user who owns the session, without sudo")
        }
        // The tool's answer to nearly everything; what can be found out was found out before this is shown.
        5 => (
            "launchd gives no reason: the label may be loaded already or still being removed, or the file is not \
             the user's own, is writable for others, or carries a quarantine mark",
            "look at `launchctl print` of the job, and at `ls -l@` of the file, then try again",
        ),
        17 => ("a job of this label is loaded already", "boot it out first"),
        22 => (
            "launchd does not understand the request",
            "look at the label: it must not contain a slash or a space",
        ),
        36 | 37 => (
            "launchd is still busy with the earlier order for this label",
            "wait until the old process has ended, then try again",
        ),
        108 | 121 => ("launchd does not look at that path", "put the file into ~/Library/LaunchAgents"),
        109 => ("the property list cannot be read", "check it with `plutil -lint`"),
        110 => ("the property list has no usable Label", "give it one"),
        111 => ("the property list names no program", "give it ProgramArguments"),
        112 | 125 => (
            "the login session that this job belongs to is not there",
            "log in at the Mac's screen, or use the user's background session (user/UID)",
        ),
        3 | 113 => ("no such job is loaded", "load it first (steady start does)"),
        114 | 115 => {
            ("the property list names a user or group that does not exist", "take UserName and GroupName out")
        }
        119 => ("the job is disabled", "allow it with `launchctl enable`"),
        122 => (
            "the file or its folder belongs to somebody else, or others may write it",
            "make it the user's own and run: chmod 644 on the file",
        ),
        124 => ("the login session is being ended", "log in again"),
        133 => {
            ("several things are wrong at once", "read what it said, and check the file with `plutil -lint`")
        }
        134 => {
            ("the property list limits the job to another kind of session", "correct LimitLoadToSessionType")
        }
        139 => ("launchd cannot run it just now", "look at the job's own log, then try again"),
        150 => ("the job belongs to the system, and System Integrity Protection guards it", "leave it alone"),
        155 => ("the program is quarantined", "take the mark off with `xattr -d com.apple.quarantine`"),
        161 => (
            "its background item is switched off",
            "allow it in System Settings, General, Login Items & Extensions",
        ),
        _ => return None,
    };
    Some(Meaning { cause, remedy })
}
