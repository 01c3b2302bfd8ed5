//! One panel per home: a later one hands its page to the first over a socket, and ends.
//!
//! The kernel's lock alone decides who is first; the socket only carries the wish.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use steady_disk::{FileLock, Holder, LockError};

use crate::error::AppError;
use crate::tell;

const SOCKET: &str = "panel.sock";

/// A page is a line; whoever connects and says nothing is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(2);

pub enum Arrival {
    First(First),
    /// There is a panel, and it has been told.
    Handed,
}

pub struct First {
    /// `None` where the test's wish is a panel of its own, or a socket could not be made.
    door: Option<(FileLock, UnixListener)>,
}

/// `STEADY_TEST` in the environment gives each call its own panel: a driver that starts one and is handed to
/// another would wait for ever.
pub fn arrive(home: &Path, page: &str) -> Result<Arrival, AppError> {
    if std::env::var_os("STEADY_TEST").is_some() {
        return Ok(Arrival::First(First { door: None }));
    }
    let holder = Holder {
        pid: std::process::id(),
        what: "the panel".to_owned(),
        since: steady_clock::now().wall.to_string(),
    };
    let socket = home.join(SOCKET);
    match FileLock::try_acquire(&home.join("panel.lock"), &holder) {
        Ok(lock) => Ok(Arrival::First(First { door: listen(&socket).map(|door| (lock, door)) })),
        Err(error @ LockError::Held { .. }) => match hand(&socket, page) {
            Ok(()) => Ok(Arrival::Handed),
            // Just starting, or just ending: the window is there or about to go. Said, not forced.
            Err(_) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The lock is ours, so a socket that is there belongs to a dead process.
fn listen(socket: &PathBuf) -> Option<UnixListener> {
    let _ = std::fs::remove_file(socket);
    UnixListener::bind(socket)
        .inspect_err(|e| tell(&format!("a second start will not find this panel: {}: {e}", socket.display())))
        .ok()
}

fn hand(socket: &Path, page: &str) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    writeln!(stream, "{page}")
}

impl First {
    /// Calls `show` with the page of each later start, from now to the end of the process.
    pub fn welcome(self, show: impl Fn(&str) + Send + 'static) {
        let Some((lock, listener)) = self.door else { return };
        std::thread::spawn(move || {
            let _lock = lock;
            for stream in listener.incoming().flatten() {
                if let Some(page) = read(stream) {
                    show(page.trim());
                }
            }
        });
    }
}

fn read(stream: UnixStream) -> Option<String> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut page = String::new();
    BufReader::new(stream.take(1024)).read_line(&mut page).ok()?;
    Some(page)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_second_panel_hands_its_page_to_the_first_and_a_third_too() {
        let home = tempfile::tempdir().unwrap();
        let Arrival::First(first) = arrive(home.path(), "#/").unwrap() else { panic!("not the first") };
        let (tell, told) = channel();
        first.welcome(move |page| tell.send(page.to_owned()).unwrap());
        for page in ["#/backups", "#/logs"] {
            assert!(matches!(arrive(home.path(), page).unwrap(), Arrival::Handed));
            assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), page);
        }
    }

    #[test]
    fn a_socket_of_a_dead_panel_keeps_nobody_out() {
        let home = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(home.path().join(SOCKET)).unwrap());
        assert!(matches!(arrive(home.path(), "#/").unwrap(), Arrival::First(First { door: Some(_) })));
    }
}
