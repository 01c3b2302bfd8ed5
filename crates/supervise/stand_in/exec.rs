//! `steady` as a manager starts it, without the rest of it.
//!
//! - `--home DIR exec SERVICE`: becomes the service of DIR/steady.toml.
//! - `exec --sink --home DIR`: leaves a sink to the system.
//! - `sink --home DIR`: the sink.
//! - `agent --home DIR`: supervises the services of DIR/steady.toml, under the managers that they ask for. Says each
//!   state on its standard output; each line of its standard input is an order: `stop`, `start`, `restart`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use steady_logs::SinkClient;
use steady_model::config::{Roots, Service, parse};
use steady_supervise::{Deps, ServiceEvent, ServiceHandle, exec_service, keep_sink, start_sink, supervise};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--home", home, "exec", service] => exec(Path::new(home), service),
        ["exec", "--sink", "--home", home] => start_sink(Path::new(home)).map_err(Into::into),
        ["sink", "--home", home] => steady_logs::sink_main(Path::new(home)).map_err(Into::into),
        ["agent", "--home", home] => agent(Path::new(home)),
        _ => Err(
            "usage: --home DIR exec SERVICE | exec --sink --home DIR | sink --home DIR | agent --home DIR"
                .into(),
        ),
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
    let services = services(home)?;
    let spec = services.iter().find(|spec| spec.name == service).ok_or("no such service")?;
    Err(exec_service(spec, home).into())
}

fn services(home: &Path) -> Result<Vec<Service>, Failure> {
    let path = home.join("steady.toml");
    let config = parse(&std::fs::read_to_string(&path)?, &path, Roots { base: home, user_home: None })?;
    Ok(config.services)
}

#[tokio::main(flavor = "current_thread")]
async fn agent(home: &Path) -> Result<(), Failure> {
    let sink = SinkClient::new(std::env::current_exe()?, home);
    tokio::spawn(keep_sink(sink.clone()));
    let (events, mut heard) = tokio::sync::mpsc::channel(16);
    let deps = Deps::new(home, sink);
    let start = |spec| supervise(spec, deps.clone(), events.clone());
    let handles: Vec<ServiceHandle> = services(home)?.into_iter().map(start).collect();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            for handle in &handles {
                let _ = match line.as_str() {
                    "stop" => handle.stop(),
                    "restart" => handle.restart(),
                    _ => handle.start(),
                };
            }
        }
        loop {
            std::thread::park();
        }
    });
    while let Some(event) = heard.recv().await {
        match event {
            ServiceEvent::Changed { lifecycle, .. } => writeln!(std::io::stdout(), "{:?}", lifecycle.state)?,
            other => writeln!(std::io::stdout(), "{other:?}")?,
        }
    }
    Ok(())
}
