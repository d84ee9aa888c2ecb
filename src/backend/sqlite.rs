//! The default backend: one SQLite file, the same one that the Python registry keeps.
//!
//! Here is what a running registry does with its file. How the file is opened or refused is in
//! `sqlite/open.rs`, its tables in `sqlite/schema.rs`, what a row means in `sqlite/row.rs`, and
//! how a copy of it is made in `sqlite/copy.rs`.

use std::path::{Path, PathBuf};

use log::warn;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::service::{ServiceId, TypePolicy};

use super::{Backend, BackendError, Existing, Record, StoredService};

mod copy;
mod error;
mod examination;
mod open;
mod presence;
mod row;
mod schema;

pub use error::SqliteError;
pub use examination::{Examination, UnusableRow};

use presence::Presence;

/// What a commit waits for, and so what it survives. With either, it survives a registry that
/// is killed, and the database stays in order whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// For the disk: it survives a loss of power.
    Full,
    /// For the operating system alone: the last moments before a loss of power, or before the
    /// operating system itself fails, may be missing, although they were acknowledged.
    Relaxed,
}

/// Keeps the services in a SQLite file, which is its own alone while it is open.
#[derive(Debug)]
pub struct SqliteBackend {
    connection: Connection,
    path: PathBuf,
    presence: Presence,
}

impl SqliteBackend {
    /// Opens the file at `path`, or creates it. Commits have [`Durability::Full`].
    ///
    /// A file of an older version, the Python registry's among them, is brought to the present
    /// one in one transaction, after a copy of it as it was is kept beside it, under its name
    /// with `.before-version-1` behind it.
    ///
    /// # Errors
    /// [`SqliteError`] says why the file cannot be used. A file that is refused stays as it was,
    /// every byte of it.
    pub fn open(path: &Path) -> Result<Self, SqliteError> {
        let (connection, path) = open::open(path)?;
        let presence = Presence::note([path.clone(), open::log_of(&path)])
            .map_err(|reason| SqliteError::NoAccess { path: path.clone(), reason })?;
        Ok(Self { connection, path, presence })
    }

    /// The same with another durability.
    ///
    /// # Errors
    /// [`SqliteError::Failed`], where SQLite does not take it.
    pub fn with_durability(self, durability: Durability) -> Result<Self, SqliteError> {
        let synchronous = match durability {
            Durability::Full => "FULL",
            Durability::Relaxed => "NORMAL",
        };
        self.connection
            .pragma_update(None, "synchronous", synchronous)
            .map_err(|reason| SqliteError::Failed { path: self.path.clone(), reason })?;
        Ok(self)
    }

    /// Finds out what is in the file at `path`, without changing it, and checks every page of it.
    ///
    /// # Errors
    /// [`SqliteError`], where no registry could be started on it.
    pub fn examine(path: &Path) -> Result<Examination, SqliteError> {
        Examination::of(path)
    }

    /// A row that is left out stays in the file: it may be of use to whoever wrote it, and when
    /// its service registers again, that takes its place.
    fn warn_of(&self, row: &UnusableRow) {
        let UnusableRow { table, label, reason } = row;
        let path = self.path.display();
        warn!("row {label} of {table} in {path} is left out: {reason}; correct or delete it");
    }

    fn check_presence(&self) -> Result<(), BackendError> {
        self.presence.missing().map_or(Ok(()), |file| {
            Err(BackendError::new(format!(
                "{}, so nothing more can be stored; save what the registry holds with \
                 `service-registry backup`, and restart it",
                gone(file)
            )))
        })
    }

    fn write(&mut self, records: &[Record<'_>]) -> rusqlite::Result<()> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for record in records {
            keep(&transaction, record)?;
        }
        transaction.commit()
    }

    /// Makes sure that a commit which failed stays undone. Where its sync failed it stands whole
    /// in the log, and the next start would take it for made. One in its place, which changes
    /// nothing, ends that, whether its own sync succeeds or not.
    fn bury(&mut self) {
        let buried = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                schema::touch(&transaction)?;
                transaction.commit()
            });
        if let Err(error) = buried {
            log::debug!("the commit after a failed one failed as well: {error}");
        }
    }

    fn failed(&self, task: &str, error: &rusqlite::Error) -> BackendError {
        BackendError::new(error::explain(task, &self.path, error))
    }
}

impl Backend for SqliteBackend {
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError> {
        let rows =
            examination::services(&self.connection).map_err(|error| self.failed("read", &error))?;
        rows.unusable.iter().for_each(|row| self.warn_of(row));
        Ok(rows.usable)
    }

    fn load_policies(&mut self) -> Result<Vec<(ServiceId, TypePolicy)>, BackendError> {
        let rows =
            examination::policies(&self.connection).map_err(|error| self.failed("read", &error))?;
        rows.unusable.iter().for_each(|row| self.warn_of(row));
        Ok(rows.usable)
    }

    fn commit(&mut self, records: &[Record<'_>]) -> Result<(), BackendError> {
        self.check_presence()?;
        self.write(records).map_err(|error| {
            self.bury();
            self.failed("write to", &error)
        })
    }

    fn back_up(&mut self, destination: &Path, existing: Existing) -> Result<(), BackendError> {
        copy::back_up(&self.connection, &self.path, destination, existing).map_err(|error| {
            BackendError::new(format!("cannot back up {}: {error}", self.path.display()))
        })
    }

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        let is_there = self.presence.missing() != Some(self.path.as_path());
        // Closing moves the log into the file by itself, but says nothing when it cannot.
        let moved = self.connection.query_row(schema::MOVE_LOG, [], |_| Ok(()));
        let Self { connection, path, .. } = *self;
        let closed = connection.close().map_err(|(_, error)| error);
        moved.and(closed).map_err(|error| {
            let reason = error::explain("close", &path, &error);
            let path = path.display();
            BackendError::new(format!(
                "{reason}; nothing is lost as long as {path}-wal stays beside it"
            ))
        })?;
        // SQLite has touched nothing that took the file's place.
        if is_there { Ok(()) } else { Err(BackendError::new(gone(&path))) }
    }
}

fn gone(file: &Path) -> String {
    format!("{} was moved, deleted or replaced while the registry used it", file.display())
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
