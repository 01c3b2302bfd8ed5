use std::io::{self, Read};
use std::sync::Arc;

use super::pins::Pin;

/// Pages read per refill: enough to amortise, small enough to stay in the cache.
const BATCH: u32 = 16;
/// SQLite keeps its lock bytes here; the page that holds them is never used and reads as zeros.
const PENDING_BYTE: u64 = 0x4000_0000;

/// The file image of a database as one read transaction sees it, page by page.
///
/// The image needs no `-wal`: what is committed there is in the pages.
pub(crate) struct Pages {
    pin: Arc<Pin>,
    page_size: u32,
    count: u32,
    next: u32,
    buffer: Vec<u8>,
    taken: usize,
}

impl Pages {
    pub(crate) fn new(pin: Arc<Pin>, page_size: u32, count: u32) -> Self {
        Self { pin, page_size, count, next: 1, buffer: Vec::new(), taken: 0 }
    }

    /// The same image from its beginning, of the same transaction.
    pub(crate) fn again(&self) -> Self {
        Self::new(Arc::clone(&self.pin), self.page_size, self.count)
    }

    pub(crate) fn pin(&self) -> &Arc<Pin> {
        &self.pin
    }

    fn refill(&mut self) -> io::Result<()> {
        let Self { pin, page_size, count, next, buffer, taken } = self;
        buffer.clear();
        *taken = 0;
        let lock_page = PENDING_BYTE / u64::from(*page_size) + 1;
        let last = (*count).min(next.saturating_add(BATCH - 1));
        pin.read(|pinned| {
            let mut page = pinned.prepare_cached("SELECT data FROM sqlite_dbpage('main') WHERE pgno = ?1")?;
            while *next <= last {
                let start = buffer.len();
                if u64::from(*next) != lock_page {
                    page.query_row([*next], |row| {
                        buffer.extend_from_slice(row.get_ref(0)?.as_blob()?);
                        Ok(())
                    })?;
                }
                // Also the lock page's zeros.
                buffer.resize(start + *page_size as usize, 0);
                *next += 1;
            }
            Ok(())
        })
    }
}

impl Read for Pages {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.buffer.len() && self.next <= self.count {
            self.refill()?;
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
