//! What is in a database, found out without changing it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row};

use crate::backend::StoredService;
use crate::service::{ServiceId, TypePolicy};

use super::error::SqliteError;
use super::open;
use super::row::{self, InvalidRow};
use super::schema;

/// What a database holds that a registry can be started on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examination {
    /// The full path of the file.
    pub path: PathBuf,
    /// The version of its schema; 0 for a file that the Python registry wrote.
    pub version: usize,
    /// The services, in the order of registration.
    pub services: Vec<StoredService>,
    /// What ids said about sharing their type.
    pub policies: Vec<(ServiceId, TypePolicy)>,
    /// What a registry leaves out.
    pub unusable_rows: Vec<UnusableRow>,
}

/// A row that stands for nothing that a registry could serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableRow {
    /// The table that it is in.
    pub table: &'static str,
    /// Its id in quotes, or that it has none.
    pub label: String,
    /// Which column is wrong, and what it must be.
    pub reason: String,
}

/// The rows of a table: those that can be used, and those that cannot.
#[derive(Debug)]
pub(super) struct Rows<T> {
    pub(super) usable: Vec<T>,
    pub(super) unusable: Vec<UnusableRow>,
}

/// All services, in the order of registration.
pub(super) fn services(connection: &Connection) -> rusqlite::Result<Rows<StoredService>> {
    read(connection, schema::SERVICES, schema::LOAD, row::stored_service)
}

/// All policies, in the order in which they were said.
pub(super) fn policies(connection: &Connection) -> rusqlite::Result<Rows<(ServiceId, TypePolicy)>> {
    read(connection, schema::POLICIES, schema::LOAD_POLICIES, row::stored_policy)
}

/// From where services were registered.
pub(super) fn owners(connection: &Connection) -> rusqlite::Result<Rows<(ServiceId, IpAddr)>> {
    read(connection, schema::OWNERS, schema::LOAD_OWNERS, row::stored_owner)
}

/// Notes in `services` from where each was registered.
pub(super) fn note_owners(services: &mut [StoredService], owners: Vec<(ServiceId, IpAddr)>) {
    let owners: HashMap<ServiceId, IpAddr> = owners.into_iter().collect();
    for stored in services {
        stored.service.owner = owners.get(&stored.service.id).copied();
    }
}

impl Examination {
    /// The newest version of the schema that this program knows, and makes of every file that a
    /// registry is started on.
    pub const LATEST_VERSION: usize = schema::VERSION;

    pub(super) fn of(path: &Path) -> Result<Self, SqliteError> {
        let (connection, path, version) = open::open_to_read(path)?;
        let mut examination = Self {
            path,
            version,
            services: Vec::new(),
            policies: Vec::new(),
            unusable_rows: Vec::new(),
        };
        examination
            .read(&connection)
            .map_err(|error| SqliteError::on_opening(&examination.path, error))?;
        Ok(examination)
    }

    fn read(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let services = services(connection)?;
        self.services = services.usable;
        self.unusable_rows = services.unusable;
        if self.version > 0 {
            let policies = policies(connection)?;
            self.policies = policies.usable;
            self.unusable_rows.extend(policies.unusable);
        }
        if self.version > 1 {
            let owners = owners(connection)?;
            note_owners(&mut self.services, owners.usable);
            self.unusable_rows.extend(owners.unusable);
        }
        Ok(())
    }
}

fn read<T>(
    connection: &Connection,
    table: &'static str,
    statement: &str,
    meaning: impl Fn(&Row<'_>) -> Result<T, InvalidRow>,
) -> rusqlite::Result<Rows<T>> {
    let mut statement = connection.prepare(statement)?;
    let mut found = statement.query([])?;
    let mut rows = Rows { usable: Vec::new(), unusable: Vec::new() };
    while let Some(row) = found.next()? {
        match meaning(row) {
            Ok(usable) => rows.usable.push(usable),
            Err(invalid) => rows.unusable.push(UnusableRow {
                table,
                label: row::label(row),
                reason: invalid.to_string(),
            }),
        }
    }
    Ok(rows)
}
