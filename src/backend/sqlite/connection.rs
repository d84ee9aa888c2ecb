//! Connections to a file, under SQLite's lock.
//!
//! Only SQLite opens a database file that is in use: on Unix, closing any handle of a file drops
//! all locks that the process has on it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::error::SqliteError;
use super::files::{is_read_only, log_has_content, log_of, uri};
use super::schema::{self, Content};

/// How often the lock is tried for, about a second in all: a program that has the file for a
/// moment, such as a backup, is waited for.
const LOCK_ATTEMPTS: u32 = 50;

/// How long to wait after an attempt.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Opens the file at `path` and takes the lock, for which it waits about a second.
///
/// SQLite could wait for the lock by itself, but it would keep a share in it meanwhile. Two
/// servers that start at once would then wait for each other, and neither would get the file.
pub(super) fn connect(path: &Path) -> Result<Connection, SqliteError> {
    let mut further_attempts = 1..LOCK_ATTEMPTS;
    loop {
        match try_to_connect(path) {
            Err(SqliteError::Locked { .. }) if further_attempts.next().is_some() => {
                thread::sleep(LOCK_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Opens the file and takes the lock, which lasts as long as the connection.
fn try_to_connect(path: &Path) -> Result<Connection, SqliteError> {
    let log_exists = log_of(path).exists();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| not_opened(path, error))?;
    let failed = |error| SqliteError::on_opening(path, error);
    if connection.is_readonly(MAIN_DB).map_err(failed)? {
        return Err(SqliteError::ReadOnly { path: path.to_owned() });
    }
    // A log that was not there appears when the file is looked into, and is to go by closing.
    lock(&connection, log_exists).map_err(failed)?;
    Ok(connection)
}

/// A connection to the file at `path` that leaves it as it is, unless the file is empty.
pub(super) fn connect_to_read(path: &Path) -> Result<Option<Connection>, SqliteError> {
    let connection = match check_files(path) {
        // To take the lock on an empty file would be to write to it.
        Ok(()) if fs::metadata(path).is_ok_and(|file| file.len() == 0) => return Ok(None),
        Ok(()) => connect(path),
        Err(refusal) => Err(refusal),
    };
    match connection {
        Err(SqliteError::ReadOnly { .. } | SqliteError::ReadOnlyFolder { .. })
            if !log_has_content(path) =>
        {
            connect_to_read_only(path)
        }
        outcome => outcome,
    }
    .map(Some)
}

/// What the file at the full `path` holds by its schema. It stays as it is.
pub(super) fn content_of(path: &Path) -> Result<Content, SqliteError> {
    match connect_to_read(path)? {
        None => Ok(Content::Nothing),
        Some(connection) => {
            schema::content(&connection).map_err(|error| SqliteError::on_opening(path, error))
        }
    }
}

/// Opens a file that nobody can write to, and whose contents are all in it: without a lock, and
/// without the files that SQLite would make beside it.
fn connect_to_read_only(path: &Path) -> Result<Connection, SqliteError> {
    let failed = |error| SqliteError::on_opening(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri(path, "immutable"), flags).map_err(failed)
}

/// Refuses what is no file that could be a database, before SQLite opens it.
pub(super) fn check_files(path: &Path) -> Result<(), SqliteError> {
    let log = log_of(path);
    let length = match fs::metadata(path) {
        Ok(file) if !file.is_file() => {
            return Err(SqliteError::NotAFile { path: path.to_owned() });
        }
        Ok(file) => file.len(),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => 0,
        Err(reason) => return Err(SqliteError::NoAccess { path: path.to_owned(), reason }),
    };
    // SQLite finds this out for most users, but not for the superuser, whom nothing stops.
    if is_read_only(path) || is_read_only(&log) {
        return Err(SqliteError::ReadOnly { path: path.to_owned() });
    }
    // SQLite takes a single byte for nothing and would write over it.
    if length == 1 {
        return Err(SqliteError::NotADatabase { path: path.to_owned() });
    }
    if length == 0 && log_has_content(path) {
        return Err(SqliteError::LogWithoutDatabase { path: path.to_owned(), log });
    }
    match path.parent() {
        Some(folder) if !folder.exists() => {
            Err(SqliteError::MissingFolder { path: path.to_owned(), folder: folder.to_owned() })
        }
        _ => Ok(()),
    }
}

fn lock(connection: &Connection, leave_log: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave_log)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")
}

/// SQLite does not tell why it could not open a file, so the operating system is asked again. If
/// it cannot be opened, no lock is lost by trying.
fn not_opened(path: &Path, error: rusqlite::Error) -> SqliteError {
    let path = path.to_owned();
    match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path) {
        Err(reason) => SqliteError::NoAccess { path, reason },
        Ok(_) => SqliteError::Failed { path, reason: error },
    }
}
