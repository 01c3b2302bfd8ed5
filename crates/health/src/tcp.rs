//! Tcp: somebody accepts connections.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use steady_model::check::Status;
use steady_model::latency::Latency;
use steady_model::words;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::probe::{Probe, Seen};
use crate::worker::Aside;

const NAME: &str = "Correct its address in steady.toml, or see whether this machine resolves names";

pub struct TcpProbe {
    address: String,
    slow: Option<Duration>,
    names: Aside<io::Result<Vec<SocketAddr>>>,
    latency: Latency,
    phase: Phase,
}

/// How far a look has come, to be told when it takes too long.
enum Phase {
    Name,
    /// Who has refused already.
    Connect(Vec<String>),
}

impl TcpProbe {
    pub fn new(address: String, slow: Option<Duration>) -> Self {
        let names = Aside::new();
        Self { address, slow, names, latency: Latency::default(), phase: Phase::Name }
    }

    /// A name that hangs would fill the runtime's blocking threads: it has one of its own.
    async fn resolve(&mut self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.address.parse() {
            return Ok(vec![address]);
        }
        let address = self.address.clone();
        self.names.run(move || Ok(address.to_socket_addrs()?.collect())).await?
    }

    /// All at once: a family that nobody answers in must not hide the other.
    async fn connect(&mut self, addresses: Vec<SocketAddr>) -> Result<SocketAddr, Vec<String>> {
        let mut refused = Vec::new();
        self.phase = Phase::Connect(Vec::new());
        if let [address] = *addresses {
            return connect(address).await.map(|()| address).map_err(|e| vec![refusal(address, &e)]);
        }
        let mut tries: JoinSet<_> =
            addresses.into_iter().map(|address| async move { (address, connect(address).await) }).collect();
        while let Some(Ok((address, answer))) = tries.join_next().await {
            match answer {
                Ok(()) => return Ok(address),
                Err(e) => refused.push(refusal(address, &e)),
            }
            self.phase = Phase::Connect(refused.clone());
        }
        Err(refused)
    }
}

impl Probe for TcpProbe {
    async fn look(&mut self) -> Seen {
        self.phase = Phase::Name;
        let addresses = match self.resolve().await {
            Ok(addresses) if !addresses.is_empty() => addresses,
            Ok(_) => {
                return Seen::new(Status::Fail, format!("{}: its host name has no address", self.address))
                    .so(NAME);
            }
            Err(e) => {
                let evidence = format!("{}: its host name cannot be resolved: {e}", self.address);
                return Seen::new(Status::Fail, evidence).so(NAME);
            }
        };
        let begun = steady_clock::now();
        match self.connect(addresses).await {
            Ok(address) => {
                let took = steady_clock::now().awake.since(begun.awake);
                let seen = judge(&self.address, address, took, self.slow);
                seen.or_slower(self.latency.note(took)).measuring(took.as_secs_f64(), "seconds")
            }
            Err(refused) => Seen::new(Status::Fail, format!("{}: {}", self.address, refused.join("; "))),
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        let (address, within) = (&self.address, words::span(timeout));
        let evidence = match &self.phase {
            Phase::Name => format!("{address}: its host name was not resolved within {within}"),
            Phase::Connect(refused) => {
                let silent = format!("no answer within {within}");
                let all: Vec<&str> =
                    [silent.as_str()].into_iter().chain(refused.iter().map(String::as_str)).collect();
                format!("{address}: {}", all.join("; "))
            }
        };
        Seen::new(Status::Fail, evidence)
    }
}

fn judge(asked: &str, address: SocketAddr, took: Duration, slow: Option<Duration>) -> Seen {
    let at = if asked == address.to_string() { String::new() } else { format!(" at {address}") };
    let evidence = format!("{asked} accepts connections{at}, in {}", words::span(took));
    match slow.filter(|slow| took > *slow) {
        Some(slow) => Seen::new(Status::Warn, format!("{evidence}; more than {} is slow", words::span(slow))),
        None => Seen::new(Status::Pass, evidence),
    }
}

/// A socket that asks for a port nobody listens on may be given that very port, and then is connected to itself.
async fn connect(address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    Ok(())
}

fn refusal(address: SocketAddr, e: &io::Error) -> String {
    match e.kind() {
        ErrorKind::ConnectionRefused => {
            format!("connection to {} refused: nothing listens there", address.ip())
        }
        ErrorKind::TimedOut => format!("no answer from {}", address.ip()),
        _ => format!("{} cannot be reached: {e}", address.ip()),
    }
}
