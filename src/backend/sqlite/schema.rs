//! The table in the file, its version, and every statement that uses it.
//!
//! The table is the Python registry's, column for column and in its order, so that either
//! registry opens what the other wrote. What we add one day stands beside it and is counted in
//! the version, which the Python registry leaves at 0 and never looks at.

use rusqlite::{Connection, Error, ErrorCode, Transaction};

/// The version of the schema that this program writes, kept in SQLite's `user_version`.
pub(super) const VERSION: i32 = 1;

const TABLE: &str = "services";

const CREATE: &str = "
CREATE TABLE services (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    metadata TEXT, -- a JSON object; NULL or an empty text stand for {}
    ttl INTEGER NOT NULL, -- seconds
    last_heartbeat INTEGER NOT NULL, -- seconds since the Unix epoch
    tags TEXT -- a JSON list of texts; NULL or an empty text stand for []
)";

const CREATE_POLICIES: &str = "
CREATE TABLE policies (
    id TEXT PRIMARY KEY,     -- of a service that is registered, or that expired
    policy TEXT NOT NULL     -- what it said of sharing its type: singleton or allow_duplicates
)";

/// What ids said about sharing their type, in the order in which they said it.
pub(super) const LOAD_POLICIES: &str = "SELECT id, policy FROM policies ORDER BY rowid";

/// Stores what an id said, as the latest: a row that is replaced gets a new `rowid`.
pub(super) const STORE_POLICY: &str =
    "INSERT OR REPLACE INTO policies (id, policy) VALUES (?1, ?2)";

/// Forgets what an id said.
pub(super) const REMOVE_POLICY: &str = "DELETE FROM policies WHERE id = ?1";

/// All services in the order of registration: SQLite gives each new row a higher `rowid`.
pub(super) const LOAD: &str = "
SELECT id, name, host, port, metadata, ttl, last_heartbeat, tags
FROM services ORDER BY rowid";

/// Stores a service. An entry of the same id is updated and not replaced, which would give it a
/// new `rowid` and so move it to the end.
pub(super) const STORE: &str = "
INSERT INTO services (id, name, host, port, metadata, ttl, last_heartbeat, tags)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, host = excluded.host, port = excluded.port,
    metadata = excluded.metadata, ttl = excluded.ttl,
    last_heartbeat = excluded.last_heartbeat, tags = excluded.tags";

/// Notes a heartbeat.
pub(super) const RENEW: &str = "UPDATE services SET last_heartbeat = ?2 WHERE id = ?1";

/// Removes a service.
pub(super) const REMOVE: &str = "DELETE FROM services WHERE id = ?1";

/// Moves what is in the log (`-wal`) into the file and empties the log.
pub(super) const MOVE_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Checks the structure of every page, and that table and index agree. Stops at the first fault.
const CHECK: &str = "PRAGMA integrity_check(1)";

/// What a database holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing yet.
    Nothing,
    /// Services, in a table that every statement here fits.
    Services,
    /// Services, perhaps, and of a version that only a newer program knows.
    NewerVersion(i32),
    /// Something that is no registry's.
    Foreign {
        /// What gives it away.
        reason: String,
    },
}

/// Finds out what the database holds, without writing to it.
pub(super) fn content(connection: &Connection) -> rusqlite::Result<Content> {
    let objects: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;

    if objects > 0 && !connection.table_exists(None, TABLE)? {
        Ok(Content::Foreign { reason: format!("it has no table {TABLE}") })
    } else if version > VERSION {
        Ok(Content::NewerVersion(version))
    } else if objects == 0 {
        Ok(Content::Nothing)
    } else {
        Ok(match misfit(connection)? {
            None => Content::Services,
            Some(reason) => Content::Foreign { reason },
        })
    }
}

/// Brings the database to the present version.
pub(super) fn complete(transaction: &Transaction<'_>, content: &Content) -> rusqlite::Result<()> {
    if *content == Content::Nothing {
        transaction.execute_batch(CREATE)?;
    }
    if !transaction.table_exists(None, "policies")? {
        transaction.execute_batch(CREATE_POLICIES)?;
    }
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == VERSION {
        Ok(())
    } else {
        transaction.pragma_update(None, "user_version", VERSION)
    }
}

/// What is wrong with the pages of the file, if anything is.
pub(super) fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let verdict: String = connection.query_row(CHECK, [], |row| row.get(0))?;
    Ok((verdict != "ok").then(|| verdict.replace('\n', " ")))
}

/// Why one of our statements cannot be used on the table, if so. SQLite itself judges, which
/// covers more than a list of columns would: ids that are not unique, for example.
fn misfit(connection: &Connection) -> rusqlite::Result<Option<String>> {
    for statement in [LOAD, STORE, RENEW, REMOVE] {
        let message = match connection.prepare(statement) {
            Ok(_) => continue,
            Err(Error::SqlInputError { msg, .. }) => msg,
            Err(Error::SqliteFailure(failure, Some(message)))
                if failure.code == ErrorCode::Unknown =>
            {
                message
            }
            Err(error) => return Err(error),
        };
        return Ok(Some(format!("its table {TABLE} does not fit: {message}")));
    }
    Ok(None)
}
