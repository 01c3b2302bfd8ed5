//! A server under test: started, waited for, ended with its value.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::wait_until;
use crate::load;

const UP: Duration = Duration::from_secs(120);

pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Returns when it answers `/health`.
    pub fn start(command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        Self::start_logged(command, address, Stdio::null())
    }

    /// Returns at once.
    pub fn begin(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        let child =
            command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start a server")?;
        Ok(Self { child, address })
    }

    pub fn start_logged(mut command: Command, address: SocketAddr, log: Stdio) -> anyhow::Result<Self> {
        let server = Self::begin(command.stdout(log), address)?;
        let up = wait_until(UP, || load::run(address, "/health", Some(1), Duration::from_millis(1)).is_ok());
        ensure!(up, "{address} does not answer /health with 200");
        Ok(server)
    }

    pub fn pid(&self) -> i32 {
        Pid::from_child(&self.child).as_raw_nonzero().get()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What a page holds.
pub fn body(server: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "the server answers {:?}", head.lines().next());
    Ok(body.to_owned())
}
