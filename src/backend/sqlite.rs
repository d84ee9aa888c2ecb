//! The default backend: one SQLite file, the same one that the Python registry keeps.
//!
//! Here is what a running registry does with its file. In `sqlite/`:
//!
//! - `open.rs`: how a file is opened or refused, over `connection.rs` (the lock) and `files.rs`
//!   (what stands beside it); `error.rs`: why one is refused;
//! - `schema.rs`: the tables and all statements; `row.rs`: what a row stands for;
//! - `examination.rs`: what is in a file, found out without changing it;
//! - `copy.rs`: consistent copies, for backups and before an upgrade, over `partial.rs`;
//! - `import.rs`: filling a file with what was kept elsewhere;
//! - `presence.rs`: whether the open files are still those of their names.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use log::warn;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::service::{ServiceId, TypePolicy};

use super::{Backend, BackendError, Existing, Record, StoredService};

mod connection;
mod copy;
mod error;
mod examination;
mod files;
mod import;
mod open;
mod partial;
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
    /// Whether a commit that was refused may stand whole in the log.
    is_in_doubt: bool,
}

impl SqliteBackend {
    /// Opens the file at `path`, or creates it. Commits have [`Durability::Full`].
    ///
    /// A file of an older version, the Python registry's among them, is brought to the present
    /// one in one transaction, after a copy of it as it was is kept beside it, under its name
    /// followed by `.before-version-2`.
    ///
    /// # Errors
    /// [`SqliteError`] says why the file cannot be used. A file that is refused stays as it was,
    /// every byte of it.
    pub fn open(path: &Path) -> Result<Self, SqliteError> {
        let (connection, path) = open::open(path)?;
        let presence = Presence::note([path.clone(), files::log_of(&path)])
            .map_err(|reason| SqliteError::NoAccess { path: path.clone(), reason })?;
        Ok(Self { connection, path, presence, is_in_doubt: false })
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
    /// [`SqliteError`], where no registry could be started on it, or where nothing is in it.
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
    fn bury(&mut self) -> rusqlite::Result<()> {
        let buried = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                schema::touch(&transaction)?;
                transaction.commit()
            });
        match buried {
            Err(error) if !error::is_failed_sync(&error) => Err(error),
            _ => {
                self.is_in_doubt = false;
                Ok(())
            }
        }
    }

    /// Undoes a commit that failed with `error`, and tells what can be said for sure.
    fn undo(&mut self, error: &rusqlite::Error) -> BackendError {
        let reason = self.reason("write to", error);
        self.is_in_doubt |= error::is_failed_sync(error);
        let _ = self.bury();
        if self.is_in_doubt {
            BackendError::new(format!(
                "{reason}; the disk does not even let this be undone now: if the registry ends \
                 before it stores again, this may have come true at its next start"
            ))
        } else {
            BackendError::new(reason)
        }
    }

    /// Whether SQLite reports it or not: the operating system is asked for its reason.
    fn reason(&self, task: &str, error: &rusqlite::Error) -> String {
        let text = error::explain(task, &self.path, error);
        match files::refusal_to_write(&self.path) {
            Some(reason) if error::is_of_the_system(error) => format!("{text}: {reason}"),
            _ => text,
        }
    }

    fn failed(&self, task: &str, error: &rusqlite::Error) -> BackendError {
        BackendError::new(self.reason(task, error))
    }
}

impl Backend for SqliteBackend {
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError> {
        let rows =
            examination::services(&self.connection).map_err(|error| self.failed("read", &error))?;
        rows.unusable.iter().for_each(|row| self.warn_of(row));
        let owners =
            examination::owners(&self.connection).map_err(|error| self.failed("read", &error))?;
        owners.unusable.iter().for_each(|row| self.warn_of(row));
        let mut services = rows.usable;
        examination::note_owners(&mut services, owners.usable);
        Ok(services)
    }

    fn load_policies(&mut self) -> Result<Vec<(ServiceId, TypePolicy)>, BackendError> {
        let rows =
            examination::policies(&self.connection).map_err(|error| self.failed("read", &error))?;
        rows.unusable.iter().for_each(|row| self.warn_of(row));
        Ok(rows.usable)
    }

    fn commit(&mut self, records: &[Record<'_>]) -> Result<(), BackendError> {
        self.check_presence()?;
        if self.is_in_doubt {
            self.bury().map_err(|error| self.failed("write to", &error))?;
        }
        self.write(records).map_err(|error| self.undo(&error))
    }

    fn back_up(&mut self, destination: &Path, existing: Existing) -> Result<(), BackendError> {
        copy::back_up(&self.connection, &self.path, destination, existing).map_err(|error| {
            BackendError::new(format!("cannot back up {}: {error}", self.path.display()))
        })
    }

    fn close(mut self: Box<Self>) -> Result<(), BackendError> {
        if self.is_in_doubt {
            // Whoever was refused has been told what happens where this fails, too.
            let _ = self.bury();
        }
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
            let description = &service.description;
            transaction.prepare_cached(schema::STORE)?.execute(params![
                service.id.as_str(),
                description.name(),
                description.host(),
                description.port(),
                description.metadata(),
                description.ttl().seconds(),
                row::seconds(last_heartbeat),
                description.tags(),
            ])?;
            keep_owner(transaction, &service.id, service.owner)
        }
        Record::Renewed { id, last_heartbeat } => transaction
            .prepare_cached(schema::RENEW)?
            .execute(params![id.as_str(), row::seconds(last_heartbeat)]),
        Record::Removed { id } => {
            transaction.prepare_cached(schema::REMOVE)?.execute([id.as_str()])?;
            keep_owner(transaction, id, None)
        }
        Record::PolicyStored { id, policy } => transaction
            .prepare_cached(schema::STORE_POLICY)?
            .execute([id.as_str(), row::policy_text(policy)]),
        Record::PolicyRemoved { id } => {
            transaction.prepare_cached(schema::REMOVE_POLICY)?.execute([id.as_str()])
        }
    }
}

fn keep_owner(
    transaction: &Transaction<'_>,
    id: &ServiceId,
    owner: Option<IpAddr>,
) -> rusqlite::Result<usize> {
    match owner {
        Some(address) => transaction
            .prepare_cached(schema::STORE_OWNER)?
            .execute([id.as_str(), &address.to_string()]),
        None => transaction.prepare_cached(schema::REMOVE_OWNER)?.execute([id.as_str()]),
    }
}

#[cfg(test)]
mod tests;
