use std::io::{self, Read};

use rusqlite::Connection;

/// Pages read per refill: enough to amortise, small enough to stay in the cache.
const BATCH: u32 = 16;
/// SQLite keeps its lock bytes here; the page that holds them is never used and reads as zeros.
const PENDING_BYTE: u64 = 0x4000_0000;

/// The file image of a database as one read transaction sees it, page by page.
///
/// The image needs no `-wal`: what is committed there is in the pages.
pub(crate) struct Pages {
    /// In a read transaction, which ends with the connection.
    pinned: Connection,
    page_size: u32,
    count: u32,
    next: u32,
    buffer: Vec<u8>,
    taken: usize,
}

impl Pages {
    pub(crate) fn new(pinned: Connection, page_size: u32, count: u32) -> Self {
        Self { pinned, page_size, count, next: 1, buffer: Vec::new(), taken: 0 }
    }

    fn refill(&mut self) -> rusqlite::Result<()> {
        self.buffer.clear();
        self.taken = 0;
        let mut page =
            self.pinned.prepare_cached("SELECT data FROM sqlite_dbpage('main') WHERE pgno = ?1")?;
        let lock_page = PENDING_BYTE / u64::from(self.page_size) + 1;
        let last = self.count.min(self.next.saturating_add(BATCH - 1));
        while self.next <= last {
            let start = self.buffer.len();
            if u64::from(self.next) != lock_page {
                page.query_row([self.next], |row| {
                    self.buffer.extend_from_slice(row.get_ref(0)?.as_blob()?);
                    Ok(())
                })?;
            }
            // Also the lock page's zeros.
            self.buffer.resize(start + self.page_size as usize, 0);
            self.next += 1;
        }
        Ok(())
    }
}

impl Read for Pages {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.buffer.len() && self.next <= self.count {
            self.refill().map_err(io::Error::other)?;
        }
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.taken += count;
        Ok(count)
    }
}
