//! Vector search in SQLite: the functions of `sqlite-vec`, linked into this program.
//!
//! Owns the one place where they are registered, which is `unsafe`. Must never load an extension from a file.

use std::sync::OnceLock;

use rusqlite::auto_extension::{RawAutoExtension, register_auto_extension};
use rusqlite::ffi::SQLITE_ERROR;
use sqlite_vec::sqlite3_vec_init;

/// Gives every connection that this process opens from now on the `vec_*` functions. Cheap when done before.
///
/// Only for `Connection::open…` of this process's own SQLite; what is open already does not get them.
#[expect(unsafe_code, reason = "SQLite takes the address of a C function, whose type Rust cannot check")]
pub fn register() -> rusqlite::Result<()> {
    static DONE: OnceLock<i32> = OnceLock::new();
    let code = *DONE.get_or_init(|| {
        // SAFETY: `sqlite3_vec_init` is declared without its parameters in its crate, but it is compiled from
        // sqlite-vec.c with exactly this signature, that of every SQLite extension. It neither opens nor closes
        // a database nor touches the list of extensions, as `register_auto_extension` demands.
        let done = unsafe {
            let init: RawAutoExtension = std::mem::transmute(sqlite3_vec_init as *const ());
            register_auto_extension(init)
        };
        match done {
            Ok(()) => 0,
            Err(e) => e.sqlite_error().map_or(SQLITE_ERROR, |e| e.extended_code),
        }
    });
    if code == 0 {
        Ok(())
    } else {
        Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_opened_afterwards_measure_distances_and_refuse_other_lengths() {
        register().unwrap();
        register().unwrap();
        let db = rusqlite::Connection::open_in_memory().unwrap();
        let distance = |b: &str| {
            db.query_row("SELECT vec_distance_cosine('[1, 0]', ?1)", [b], |row| row.get::<_, f64>(0))
        };
        assert!(distance("[1, 0]").unwrap().abs() < 1e-6);
        assert!((distance("[0, 1]").unwrap() - 1.0).abs() < 1e-6);
        assert!(distance("[0, 1, 0]").is_err());
    }
}
