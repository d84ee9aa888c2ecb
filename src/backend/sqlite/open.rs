//! How a file is opened, or refused, and how it is looked into.
//!
//! A file that is refused stays as it was, and so does the log (`-wal`) beside it. Therefore
//! everything is looked at before anything is written, under the lock, and a connection that is
//! closed before the file has passed leaves the log alone.

use std::fs;
use std::path::{self, Path, PathBuf};

use log::info;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use super::connection::{check_files, connect, connect_to_read};
use super::copy::keep_before;
use super::error::SqliteError;
use super::files::{beside, full_path};
use super::schema::{self, Content};

/// Opens the file at `path`, or creates it, for this connection alone. Returns the full path,
/// too.
pub(super) fn open(path: &Path) -> Result<(Connection, PathBuf), SqliteError> {
    let path = full_path(path)?;
    check_files(&path)?;
    let mut connection = connect(&path)?;
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
            let kept = keep_before(schema::VERSION, connection, path).map_err(|error| {
                SqliteError::NotKept { path: path.to_owned(), reason: error.to_string() }
            })?;
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
