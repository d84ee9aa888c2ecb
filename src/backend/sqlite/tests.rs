//! What the files of the tests have in common. Each test has a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Durability, SqliteBackend, SqliteError};
use crate::backend::{Backend, BackendError, Existing, Record, StoredService};
use crate::clock::WallTime;
use crate::service::{Metadata, Parts, Service, ServiceId, Tags, Ttl, TypePolicy};

mod copying;
mod examining;
mod failure;
mod keeping;
mod presence;
mod python;
mod refusal;
mod versions;

/// A folder with a database in it, removed with the test.
struct Lab {
    folder: TempDir,
}

impl Lab {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("registry.db")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("registry.db-wal")
    }

    #[track_caller]
    fn open(&self) -> SqliteBackend {
        SqliteBackend::open(&self.path()).unwrap()
    }

    #[track_caller]
    fn refusal(&self) -> SqliteError {
        SqliteBackend::open(&self.path()).unwrap_err()
    }

    /// What the next registry on this file would find.
    #[track_caller]
    fn kept(&self) -> Vec<StoredService> {
        let mut backend = self.open();
        let services = backend.load().unwrap();
        close(backend);
        services
    }

    /// Runs `sql` on the file as any other program could.
    #[track_caller]
    fn run(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    #[track_caller]
    fn with_sql(self, sql: &str) -> Self {
        self.run(sql);
        self
    }

    /// The names and contents of all files in the folder. Reading a file drops the locks on it,
    /// so this is for when nobody has the database open.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fs::read_dir(&self.folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    }

    /// The same files in another folder, as they are now: what a loss of power would leave.
    /// It drops the locks in this folder, like [`Self::files`].
    fn copy(&self) -> Self {
        let copy = Self::new();
        for (path, content) in self.files() {
            fs::write(copy.folder.path().join(path.file_name().unwrap()), content).unwrap();
        }
        copy
    }
}

/// A database whose last changes are in its log alone, because its program was killed.
fn killed(sql: &str) -> Lab {
    let lab = Lab::new();
    let connection = Connection::open(lab.path()).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    connection.execute_batch(sql).unwrap();

    let copy = lab.copy();
    fs::remove_file(copy.folder.path().join("registry.db-shm")).unwrap();
    assert!(copy.log().metadata().unwrap().len() > 0);
    copy
}

#[track_caller]
fn close(backend: SqliteBackend) {
    Box::new(backend).close().unwrap();
}

fn id(text: &str) -> ServiceId {
    ServiceId::new(text).unwrap()
}

fn at(seconds: u64) -> WallTime {
    WallTime::from_unix_seconds(seconds)
}

fn service(name: &str) -> Service {
    Service { id: id(name), description: parts().into(), owner: None }
}

fn parts() -> Parts<'static> {
    Parts { service_type: Some("PSU".into()), ..Parts::new("Power Supply", "127.0.0.1", 6110) }
}

fn on_port(port: u16, name: &str) -> Service {
    Service { description: Parts { port, ..parts() }.into(), ..service(name) }
}

fn with_metadata(json: &str, name: &str) -> Service {
    let metadata = Metadata::from_json(json).unwrap();
    let parts = Parts { service_type: None, metadata, ..parts() };
    Service { description: parts.into(), ..service(name) }
}

fn large_service(name: &str, bytes: usize) -> Service {
    let metadata = format!(r#"{{"note":"{}"}}"#, "x".repeat(bytes));
    with_metadata(&metadata, name)
}

fn register(backend: &mut SqliteBackend, service: &Service, time: u64) -> Result<(), BackendError> {
    backend.commit(&[Record::Stored { service, last_heartbeat: at(time) }])
}

fn ids(services: &[StoredService]) -> Vec<&str> {
    services.iter().map(|stored| stored.service.id.as_str()).collect()
}

fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap()
}
