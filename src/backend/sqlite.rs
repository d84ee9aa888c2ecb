//! The default backend: one SQLite file, the same one that the Python registry keeps.
//!
//! Here is what a running registry does with its file. How the file is opened or refused is in
//! `sqlite/open.rs`, its table in `sqlite/schema.rs`, and what a row means in `sqlite/row.rs`.

use std::path::{Path, PathBuf};

use log::warn;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::service::{ServiceId, TypePolicy};

use super::{Backend, BackendError, Record, StoredService};

mod error;
mod open;
mod row;
mod schema;

pub use error::SqliteError;

use row::InvalidRow;

/// Keeps the services in a SQLite file, which is its own alone while it is open.
#[derive(Debug)]
pub struct SqliteBackend {
    connection: Connection,
    path: PathBuf,
}

impl SqliteBackend {
    /// Opens the file at `path`, or creates it.
    ///
    /// # Errors
    /// [`SqliteError`] says why the file cannot be used. A file that is refused stays as it was,
    /// every byte of it.
    pub fn open(path: &Path) -> Result<Self, SqliteError> {
        let (connection, path) = open::open(path)?;
        Ok(Self { connection, path })
    }

    fn read(&self) -> rusqlite::Result<Vec<StoredService>> {
        let mut statement = self.connection.prepare(schema::LOAD)?;
        let mut rows = statement.query([])?;
        let mut services = Vec::new();
        while let Some(row) = rows.next()? {
            match row::stored_service(row) {
                Ok(service) => services.push(service),
                Err(invalid) => self.warn_of(&row::label(row), &invalid),
            }
        }
        Ok(services)
    }

    fn read_policies(&self) -> rusqlite::Result<Vec<(ServiceId, TypePolicy)>> {
        let mut statement = self.connection.prepare(schema::LOAD_POLICIES)?;
        let mut rows = statement.query([])?;
        let mut policies = Vec::new();
        while let Some(row) = rows.next()? {
            // One that we did not write means nothing, and is as good as none.
            policies.extend(row::policy(row));
        }
        Ok(policies)
    }

    /// The row stays in the file: it may be of use to whoever wrote it, and when its service
    /// registers again, that takes its place.
    fn warn_of(&self, id: &str, invalid: &InvalidRow) {
        let path = self.path.display();
        warn!("service {id} in {path} is not served: {invalid}; correct or delete its row");
    }

    fn write(&mut self, records: &[Record<'_>]) -> rusqlite::Result<()> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for record in records {
            keep(&transaction, record)?;
        }
        transaction.commit()
    }

    fn failed(&self, task: &str, error: &rusqlite::Error) -> BackendError {
        BackendError::new(error::explain(task, &self.path, error))
    }
}

impl Backend for SqliteBackend {
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError> {
        self.read().map_err(|error| self.failed("read", &error))
    }

    fn load_policies(&mut self) -> Result<Vec<(ServiceId, TypePolicy)>, BackendError> {
        self.read_policies().map_err(|error| self.failed("read", &error))
    }

    fn commit(&mut self, records: &[Record<'_>]) -> Result<(), BackendError> {
        self.write(records).map_err(|error| self.failed("write to", &error))
    }

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        // Closing moves the log into the file by itself, but says nothing when it cannot.
        let moved = self.connection.query_row(schema::MOVE_LOG, [], |_| Ok(()));
        let Self { connection, path } = *self;
        let closed = connection.close().map_err(|(_, error)| error);
        moved.and(closed).map_err(|error| {
            let reason = error::explain("close", &path, &error);
            let path = path.display();
            BackendError::new(format!(
                "{reason}; nothing is lost as long as {path}-wal stays beside it"
            ))
        })
    }
}

fn keep(transaction: &Transaction<'_>, record: &Record<'_>) -> rusqlite::Result<usize> {
    match *record {
        Record::Stored { service, last_heartbeat } => {
            transaction.prepare_cached(schema::STORE)?.execute(params![
                service.id.as_str(),
                service.name,
                service.host,
                service.port,
                service.metadata.json(),
                service.ttl.seconds(),
                row::seconds(last_heartbeat),
                row::tags_json(&service.tags),
            ])
        }
        Record::Renewed { id, last_heartbeat } => transaction
            .prepare_cached(schema::RENEW)?
            .execute(params![id.as_str(), row::seconds(last_heartbeat)]),
        Record::Removed { id } => {
            transaction.prepare_cached(schema::REMOVE)?.execute([id.as_str()])
        }
        Record::PolicyStored { id, policy } => transaction
            .prepare_cached(schema::STORE_POLICY)?
            .execute([id.as_str(), row::policy_text(policy)]),
        Record::PolicyRemoved { id } => {
            transaction.prepare_cached(schema::REMOVE_POLICY)?.execute([id.as_str()])
        }
    }
}

#[cfg(test)]
mod tests;
