//! `steady` as a manager starts it, without the rest of it.
//!
//! - `--home DIR exec SERVICE`: becomes the service of DIR/steady.toml.
//! - `exec --sink --home DIR`: leaves a sink to the system.
//! - `sink --home DIR`: the sink.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use steady_model::config::{Roots, parse};
use steady_supervise::{exec_service, start_sink};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--home", home, "exec", service] => exec(Path::new(home), service),
        ["exec", "--sink", "--home", home] => start_sink(Path::new(home)).map_err(Into::into),
        ["sink", "--home", home] => steady_logs::sink_main(Path::new(home)).map_err(Into::into),
        _ => Err("usage: --home DIR exec SERVICE | exec --sink --home DIR | sink --home DIR".into()),
    };
    done.map_or_else(
        |e| {
            let _ = writeln!(std::io::stderr(), "{e}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn exec(home: &Path, service: &str) -> Result<(), Failure> {
    let path = home.join("steady.toml");
    let config = parse(&std::fs::read_to_string(&path)?, &path, Roots { base: home, user_home: None })?;
    let spec = config.services.iter().find(|spec| spec.name == service).ok_or("no such service")?;
    Err(exec_service(spec, home).into())
}
