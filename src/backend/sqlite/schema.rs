//! The tables in the file, their version, and every statement that uses them.
//!
//! The table `services` is the Python registry's, column for column and in its order, so that
//! either registry opens what the other wrote. What we add stands beside it and is counted in
//! the version, which the Python registry never looks at: it makes files of version 0, and
//! leaves our number and our tables in a file as they are.

use rusqlite::{Connection, Error, ErrorCode, Transaction};

/// What makes each version of the schema out of the one before it, from version 1 on. Version 0
/// is the Python registry's table alone. A step that was released never changes.
const STEPS: [&str; 2] = [CREATE_POLICIES, CREATE_OWNERS];

/// The version of the schema that this program writes, kept in SQLite's `user_version`.
pub(super) const VERSION: usize = STEPS.len();

/// The Python registry's table.
pub(super) const SERVICES: &str = "services";

/// Our table beside it, since version 1.
pub(super) const POLICIES: &str = "policies";

/// Another one, since version 2.
pub(super) const OWNERS: &str = "owners";

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

/// Where the table is there already, it fits: `user_version` gets lost when a file is written
/// out as SQL and read in again.
const CREATE_POLICIES: &str = "
CREATE TABLE IF NOT EXISTS policies (
    id TEXT PRIMARY KEY, -- of a service that is registered, or that expired
    policy TEXT NOT NULL -- what it said of sharing its type: singleton or allow_duplicates
)";

const CREATE_OWNERS: &str = "
CREATE TABLE IF NOT EXISTS owners (
    id TEXT PRIMARY KEY, -- of a service that is registered
    address TEXT NOT NULL -- from which it was registered
)";

/// From which address each service was registered, where that is known.
pub(super) const LOAD_OWNERS: &str = "SELECT id, address FROM owners ORDER BY rowid";

/// Stores from where a service was registered, in place of what was known before. That seldom
/// changes, and a row that stays costs no more than to look for it.
pub(super) const STORE_OWNER: &str = "
INSERT INTO owners (id, address) VALUES (?1, ?2)
ON CONFLICT (id) DO UPDATE SET address = excluded.address
WHERE owners.address IS NOT excluded.address";

/// Forgets from where a service was registered.
pub(super) const REMOVE_OWNER: &str = "DELETE FROM owners WHERE id = ?1";

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
    /// Services, in tables that every statement here fits.
    Services {
        /// The version of the tables, which is not newer than [`VERSION`].
        version: usize,
    },
    /// Services, perhaps, and of a version that only a newer program knows.
    NewerVersion(usize),
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
    // A negative version is nobody's; the statements below decide whether the tables fit.
    let version = usize::try_from(version).unwrap_or(0);

    if objects > 0 && !connection.table_exists(None, SERVICES)? {
        Ok(Content::Foreign { reason: format!("it has no table {SERVICES}") })
    } else if version > VERSION {
        Ok(Content::NewerVersion(version))
    } else if objects == 0 {
        Ok(Content::Nothing)
    } else {
        services(connection, version)
    }
}

/// Creates what is missing in the database, and brings it to the present version.
pub(super) fn complete(transaction: &Transaction<'_>, content: &Content) -> rusqlite::Result<()> {
    let version = match content {
        Content::Services { version } => *version,
        _ => {
            transaction.execute_batch(CREATE)?;
            0
        }
    };
    advance(transaction, version, &STEPS)
}

/// Writes what is there already, so that a commit has something to commit.
pub(super) fn touch(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    transaction.pragma_update(None, "user_version", version)
}

/// What is wrong with the pages of the file, if anything is.
pub(super) fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let verdict: String = connection.query_row(CHECK, [], |row| row.get(0))?;
    Ok((verdict != "ok").then(|| verdict.replace('\n', " ")))
}

/// Takes the steps that lead on from `version`, and notes how far they led.
fn advance(transaction: &Transaction<'_>, version: usize, steps: &[&str]) -> rusqlite::Result<()> {
    if version == steps.len() {
        return Ok(());
    }
    for step in steps.iter().skip(version) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", i64::try_from(steps.len()).unwrap_or(i64::MAX))
}

/// What a database holds that has a table of services, and says that it is of this version.
fn services(connection: &Connection, version: usize) -> rusqlite::Result<Content> {
    let has_policies = has_table(connection, POLICIES)?;
    let has_owners = has_table(connection, OWNERS)?;
    let mut reason = misfit(connection, SERVICES, &[LOAD, STORE, RENEW, REMOVE])?;
    if has_policies && reason.is_none() {
        reason = misfit(connection, POLICIES, &[LOAD_POLICIES, STORE_POLICY, REMOVE_POLICY])?;
    }
    if has_owners && reason.is_none() {
        reason = misfit(connection, OWNERS, &[LOAD_OWNERS, STORE_OWNER, REMOVE_OWNER])?;
    }
    // Without a table that a version added, somebody has taken it out.
    let version = match (has_policies, has_owners) {
        (false, _) => 0,
        (true, false) => version.min(1),
        (true, true) => version,
    };
    Ok(match reason {
        Some(reason) => Content::Foreign { reason },
        None => Content::Services { version },
    })
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT count(*) > 0 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE",
        [name],
        |row| row.get(0),
    )
}

/// Why one of our statements cannot be used on a table, if so. SQLite itself judges, which covers
/// more than a list of columns would: ids that are not unique, for example.
fn misfit(
    connection: &Connection,
    table: &str,
    statements: &[&str],
) -> rusqlite::Result<Option<String>> {
    for statement in statements {
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
        return Ok(Some(format!("its table {table} does not fit: {message}")));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_later_version_is_reached_by_the_steps_that_a_file_has_not_taken() {
        let steps = [CREATE_POLICIES, "CREATE TABLE second (x)", "ALTER TABLE second ADD y"];
        for known in 0..=steps.len() {
            let mut connection = Connection::open_in_memory().unwrap();
            for reached in [known, steps.len()] {
                let transaction = connection.transaction().unwrap();
                let found = usize::try_from(version(&transaction)).unwrap();
                advance(&transaction, found, &steps[..reached]).unwrap();
                transaction.commit().unwrap();
            }

            assert_eq!(version(&connection), 3);
            assert!(connection.prepare("SELECT x, y FROM second").is_ok(), "from {known}");
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_where_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        let transaction = connection.transaction().unwrap();

        let failure = advance(&transaction, 0, &[CREATE_POLICIES, "CREATE TABLE policies (x)"]);
        drop(transaction);

        assert!(failure.is_err());
        assert_eq!(version(&connection), 0);
        assert!(!connection.table_exists(None, POLICIES).unwrap());
    }
}
