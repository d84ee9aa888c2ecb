//! How a file is opened, or refused, and how it is looked into.
//!
//! A file that is refused stays as it was, and so does the log (`-wal`) beside it. Therefore
//! everything is looked at before anything is written, under the lock, and a connection that is
//! closed before the file has passed leaves the log alone.
//!
//! Only SQLite opens a database file that is in use: on Unix, closing any handle of a file drops
//! all locks that the process has on it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};
use std::thread;
use std::time::Duration;

use log::info;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB, OpenFlags, TransactionBehavior};

use super::copy::{beside, keep_before};
use super::error::SqliteError;
use super::schema::{self, Content};

/// How often the lock is tried for, about a second in all: a program that has the file for a
/// moment, such as a backup, is waited for.
const LOCK_ATTEMPTS: u32 = 50;

/// How long to wait after an attempt.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Opens the file at `path`, or creates it, for this connection alone. Returns the full path,
/// too.
pub(super) fn open(path: &Path) -> Result<(Connection, PathBuf), SqliteError> {
    let path = full_path(path)?;
    check_files(&path)?;
    let mut connection = connect_patiently(&path)?;
    let content = inspect(&connection, &path)?;
    keep_older_version(&connection, &content, &path)?;
    take_over(&mut connection, &content).map_err(|error| SqliteError::on_opening(&path, error))?;
    // Left by a registry that was killed. It is an index of the log for programs that share the
    // file; nobody does now, and a file that nobody tends would stay for ever.
    let _ = fs::remove_file(beside(&path, "-shm"));
    Ok((connection, path))
}

/// Opens the file at `path` to look into it, for this connection alone, checks every page of it,
/// and leaves it as it is. Returns the full path, too, and the version of the services in it.
pub(super) fn open_to_read(path: &Path) -> Result<(Connection, PathBuf, usize), SqliteError> {
    let looked_at = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match looked_at.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(SqliteError::NotFound { path: looked_at }),
        Err(reason) => return Err(SqliteError::NotReadable { path: looked_at, reason }),
    }
    let path = full_path(path)?;
    let Some(connection) = connect_to_read(&path)? else {
        return Err(SqliteError::Empty { path });
    };
    match inspect(&connection, &path)? {
        Content::Services { version } => Ok((connection, path, version)),
        _ => Err(SqliteError::Empty { path }),
    }
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

/// Why the operating system lets nobody write beside the database at `path`, if so. The log can
/// be opened for that, because there are no locks on it that closing it would drop.
pub(super) fn refusal_to_write(path: &Path) -> Option<io::Error> {
    OpenOptions::new().append(true).open(log_of(path)).err()
}

/// A connection to the file at `path` that leaves it as it is, unless the file is empty.
fn connect_to_read(path: &Path) -> Result<Option<Connection>, SqliteError> {
    let connection = match check_files(path) {
        // To take the lock on an empty file would be to write to it.
        Ok(()) if fs::metadata(path).is_ok_and(|file| file.len() == 0) => return Ok(None),
        Ok(()) => connect_patiently(path),
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

/// The path with which messages can be understood, and that SQLite takes for nothing else, as it
/// does `:memory:` and URIs. Links are followed because the log stands beside their target.
fn full_path(path: &Path) -> Result<PathBuf, SqliteError> {
    fs::canonicalize(path)
        .or_else(|_| std::path::absolute(path))
        .map_err(|reason| SqliteError::NoAccess { path: path.to_owned(), reason })
}

fn check_files(path: &Path) -> Result<(), SqliteError> {
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

/// SQLite could wait for the lock by itself, but it would keep a share in it meanwhile. Two
/// servers that start at once would then wait for each other, and neither would get the file.
fn connect_patiently(path: &Path) -> Result<Connection, SqliteError> {
    let mut further_attempts = 1..LOCK_ATTEMPTS;
    loop {
        match connect(path) {
            Err(SqliteError::Locked { .. }) if further_attempts.next().is_some() => {
                thread::sleep(LOCK_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Opens the file and takes the lock, which lasts as long as the connection.
fn connect(path: &Path) -> Result<Connection, SqliteError> {
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

/// Opens a file that nobody can write to, and whose contents are all in it: without a lock, and
/// without the files that SQLite would make beside it.
fn connect_to_read_only(path: &Path) -> Result<Connection, SqliteError> {
    let failed = |error| SqliteError::on_opening(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri(path, "immutable"), flags).map_err(failed)
}

/// The URI by which SQLite takes the file at `path` for one that is `immutable`, so that nobody
/// changes it, or that needs `nolock`, because nobody else knows of it.
pub(super) fn uri(path: &Path, property: &str) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    format!("{uri}?{property}=1")
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

/// Looks at everything and writes nothing.
fn inspect(connection: &Connection, path: &Path) -> Result<Content, SqliteError> {
    let failed = |error| SqliteError::on_opening(path, error);
    let owned_path = || path.to_owned();
    match schema::content(connection).map_err(failed)? {
        Content::Nothing => Ok(Content::Nothing),
        services @ Content::Services { .. } => match schema::damage(connection).map_err(failed)? {
            None => Ok(services),
            Some(reason) => Err(SqliteError::Damaged { path: owned_path(), reason }),
        },
        Content::Foreign { reason } => Err(SqliteError::Foreign { path: owned_path(), reason }),
        Content::NewerVersion(found) => {
            Err(SqliteError::NewerVersion { path: owned_path(), found, known: schema::VERSION })
        }
    }
}

/// Before a file of an older version is changed at all, a copy of it is kept.
fn keep_older_version(
    connection: &Connection,
    content: &Content,
    path: &Path,
) -> Result<(), SqliteError> {
    match content {
        Content::Services { version } if *version < schema::VERSION => {
            let kept = keep_before(schema::VERSION, connection, path)
                .map_err(|reason| SqliteError::not_kept(path, &reason))?;
            info!(
                "{} is of version {version} and becomes version {}; a copy of it as it was is kept \
                 at {}",
                path.display(),
                schema::VERSION,
                kept.display()
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Makes the file ours, in the state and with the settings that a running registry needs.
fn take_over(connection: &mut Connection, content: &Content) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit that was reported survives a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::complete(&transaction, content)?;
    transaction.commit()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

fn is_read_only(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().readonly())
}

pub(super) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

fn log_has_content(path: &Path) -> bool {
    fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0)
}
