use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use steady_model::key::KeptIn;
use steady_model::verification::Slice;

/// Keeps a personal backend steady: one dot that tells the truth, one click to restart, restore a backup.
#[derive(Debug, Parser)]
#[command(
    name = "steady",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 done · 1 it failed · 2 wrong usage or configuration · 3 the agent does not answer · \
                  130 left with Ctrl-C"
)]
pub struct Args {
    /// Where this agent keeps its state [default: `$STEADY_HOME`, else the per-user state folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the agent or find it running, then show the app or a live table
    Up {
        /// Make and use a demo stack in this folder
        #[arg(long, value_name = "DIR")]
        demo: Option<PathBuf>,
        /// The configuration [default: steady.toml in the home]
        #[arg(long, value_name = "FILE", conflicts_with = "demo")]
        config: Option<PathBuf>,
        /// Only start the agent
        #[arg(long)]
        agent_only: bool,
        /// Stay in the terminal also where there is a display
        #[arg(long)]
        no_app: bool,
    },
    /// What is true now
    Status {
        /// Stay and follow every change
        #[arg(long, short)]
        watch: bool,
    },
    /// Restart services and wait until they are ready [default: all]
    Restart { services: Vec<String> },
    /// Stop services, proved: their group is empty and their port free [default: all]
    Stop { services: Vec<String> },
    /// Start services and wait until they are ready [default: all]
    Start { services: Vec<String> },
    /// All checks; or let one look now, and show what it saw
    Check {
        name: Option<String>,
        /// Try each once against the machine, also without an agent; refuse those that give no sensible answer
        #[arg(long)]
        validate: bool,
        /// With --validate: the configuration [default: steady.toml in the home]
        #[arg(long, value_name = "FILE", requires = "validate")]
        config: Option<PathBuf>,
    },
    /// Run a job now and wait for its outcome
    Run { job: String },
    /// Take a restore point and wait until it is verified
    #[command(args_conflicts_with_subcommands = true)]
    Backup {
        #[command(subcommand)]
        action: Option<BackupAction>,
        /// Do not wait for its end
        #[arg(long)]
        detach: bool,
        /// A few words that the restore point shall say, such as `upgrade`; the exit code tells whether it is verified
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Wait for its end, which is the default
        #[arg(long, conflicts_with = "detach")]
        wait: bool,
    },
    /// The copies of restore points on other disks
    Copies,
    /// The restore points, or one of them whole
    #[command(args_conflicts_with_subcommands = true)]
    Backups {
        /// Those that this copy holds, read from it now
        #[arg(long, value_name = "COPY")]
        from: Option<String>,
        #[command(subcommand)]
        action: Option<BackupsAction>,
    },
    /// Read a restore point back: every byte, every database opened, every row counted
    Verify {
        /// The point's id or a unique beginning of it; `latest` is the newest verified [default: the newest]
        point: Option<String>,
        /// Read only this part of its files, such as 1/7; the point is verified when the last part was
        #[arg(long, value_name = "N/M")]
        slice: Option<Slice>,
        /// The rows that are gone since the last verified point are gone rightly
        #[arg(long)]
        accept_losses: bool,
    },
    /// Rehearse a restore: the newest verified point in a scratch folder, the backend started on it and asked
    Drill {
        /// Do not wait for its end
        #[arg(long)]
        detach: bool,
    },
    /// Replace the data with a restore point, or write it somewhere else
    Restore {
        /// The point's id or a unique beginning of it; `latest` is the newest verified
        #[arg(default_value = "latest")]
        point: String,
        /// Read it from this copy, such as when the repository is lost; `latest` is the newest one there
        #[arg(long, value_name = "COPY")]
        from: Option<String>,
        /// Write it to this new or empty folder and leave the data alone
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Only these files and folders of the data directory; all else stays as it is
        #[arg(long, value_name = "PATH", num_args = 1..)]
        only: Vec<PathBuf>,
        /// Do it without asking
        #[arg(long)]
        yes: bool,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove the restore points that `[backup.keep]` does not keep, and give back their room
    Prune {
        /// Only show which stay and which go, why, and what this would free
        #[arg(long)]
        dry_run: bool,
    },
    /// Bring back the data as it was before the last restore
    Undo {
        /// Do it without asking
        #[arg(long)]
        yes: bool,
    },
    /// The logs of services, across rotated and compressed files [default: all]
    Logs(Logs),
    /// Crash reports of services and of Steady's own programs
    Crashes {
        #[command(subcommand)]
        action: Option<CrashesAction>,
    },
    /// What was: states as intervals, with sleep and times without Steady in between, newest first
    History {
        /// `backup`, the name of a service, check or job, or `check:NAME` where several have it [default: the dot]
        subject: Option<String>,
        /// Not older than: 2h, 06:10, 2026-11-23T06:00 [default: 7d]
        #[arg(long, value_name = "WHEN")]
        since: Option<String>,
    },
    /// Put the changed configuration into force: only what changed is restarted
    Reload {
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the link that signs a browser in to the panel
    Panel,
    /// End the agent
    Down {
        /// Leave the services running for the next agent
        #[arg(long)]
        keep_services: bool,
    },
    /// The background process itself
    Agent {
        /// The configuration [default: steady.toml in the home]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Become a service, with Steady's log: for a definition of launchd or systemd
    Exec {
        /// Only see to it that the log sink runs
        #[arg(long, conflicts_with = "service")]
        sink: bool,
        /// The configuration [default: steady.toml in the home]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[arg(required_unless_present = "sink")]
        service: Option<String>,
    },
    /// The process that owns the logs; started by the agent
    #[command(hide = true)]
    Sink,
    /// The process that reads and writes the repository; started by the agent
    #[command(hide = true)]
    Engine,
    /// Print the OpenAPI document of the agent
    #[command(hide = true)]
    Openapi,
    /// Look into a folder and write the steady.toml that it asks for
    #[command(
        after_help = "Examples:\n  steady init ~/SecondBrain --dry-run   only show it\n  steady init && steady up --config steady.toml"
    )]
    Init {
        /// Of the backend [default: this folder]
        dir: Option<PathBuf>,
        /// Print it, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// The configuration as it is in force, and the presets that it can begin with
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Print the JSON Schema of steady.toml, for editors
    Schema,
    /// Print completions for a shell
    Completions { shell: Shell },
    /// Write man pages into a folder
    Man { dir: PathBuf },
}

#[derive(Debug, clap::Args)]
pub struct Logs {
    pub services: Vec<String>,
    /// Stay and show new lines
    #[arg(long, short)]
    pub follow: bool,
    /// Not older than: 10m, 06:10, 2026-11-23T06:00
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only lines that match this regular expression
    #[arg(long, value_name = "REGEX")]
    pub grep: Option<String>,
    /// At most this many lines of each service [default: 200; with --since, 100000]
    #[arg(long, short = 'n')]
    pub lines: Option<u32>,
    /// Show each of identical lines in a row, also on a terminal
    #[arg(long)]
    pub no_fold: bool,
}

#[derive(Debug, Subcommand)]
pub enum CrashesAction {
    /// List crash reports, newest first
    List,
    /// Show one
    Show {
        /// Its id or a unique beginning of it; `latest` is the newest
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum BackupAction {
    /// End early what runs: a backup, a verification, a drill, a copy, or a restore that has not stopped services yet
    Cancel {
        /// The id of the operation [default: the one that runs]
        id: Option<String>,
    },
    /// Try once more to end a restore that was interrupted, when the agent could not do it at its start
    Recover,
    /// Copy the verified restore points that are not copied yet, and prove that they arrived
    Copy {
        /// The name in `[backup.copy.NAME]` [default: all]
        name: Option<String>,
        /// Create the repository at its place first; needed once for each
        #[arg(long, requires = "name")]
        init: bool,
    },
    /// Take in copies of the data directory that something else made, as restore points of their day
    Import {
        /// Folders that hold `data-YYYYMMDD-HHMMSS`, or such a folder [default: those of `backup.import`]
        folders: Vec<PathBuf>,
    },
    /// The key of the backups, with all it takes to open them without Steady: a recovery sheet to keep elsewhere
    Key {
        /// Write the sheet to this new file instead, readable by you alone; HTML when its name ends in .html
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Only note that you have the key elsewhere
        #[arg(long, conflicts_with_all = ["output", "to"])]
        saved: bool,
        /// Keep the key there from now on: `file` or `keychain`
        #[arg(long = "move", value_name = "PLACE", conflicts_with = "output")]
        to: Option<KeptIn>,
    },
}

#[derive(Debug, Subcommand)]
pub enum BackupsAction {
    /// List them
    List,
    /// What one holds: its databases with their rows, and what was special when it was taken
    Show {
        /// Its id or a unique beginning of it; `latest` is the newest verified
        point: String,
    },
    /// What changed from one to another: files, and rows per table
    Diff {
        /// The older one's id or a unique beginning of it
        before: String,
        /// The newer one's; `latest` is the newest verified
        #[arg(default_value = "latest")]
        after: String,
    },
    /// The files of one, folder by folder
    Files {
        /// Its id or a unique beginning of it; `latest` is the newest verified
        point: String,
        /// A folder or file of the data directory
        path: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// All that is set, by the file and by the preset that it names; the rest has its default
    Show {
        /// With file and line of each value
        #[arg(long)]
        origin: bool,
        /// The configuration [default: steady.toml in the home]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// The presets, or what one of them leaves to you
    Presets { name: Option<String> },
}
