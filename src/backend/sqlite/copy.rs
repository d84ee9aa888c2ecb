//! Consistent copies of the database, each as a single file.
//!
//! A copy is written under a name of its own beside its destination, synced, and then renamed.
//! Whatever happens, a power cut too, there is a whole copy of its name or none. The file on its
//! way to that is in `partial.rs`.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Error, OpenFlags, ffi};
use thiserror::Error;

use crate::backend::Existing;

use super::connection::content_of;
use super::error::{SqliteError, explain};
use super::files::{COMPANIONS, beside, uri};
use super::partial::Partial;
use super::schema::Content;

/// Where the contents of a file begin. Before it stands SQLite's header, with counters of
/// changes, which differ between two copies of the same contents.
const HEADER_LENGTH: usize = 100;

/// Why there is no copy. Each message says what to do.
#[derive(Debug, Error)]
pub(super) enum CopyError {
    #[error(
        "{} exists already; give another path, or overwrite it with --force", destination.display()
    )]
    Exists { destination: PathBuf },
    #[error("{} is not a regular file; give the path of a file", destination.display())]
    NotAFile { destination: PathBuf },
    #[error(
        "{} is not overwritten: {reason}, and only a registry's database or an empty file is; \
         give another path, or delete the file first",
        destination.display()
    )]
    NoRegistrys { destination: PathBuf, reason: String },
    #[error(
        "{} belongs to the database that is to be copied; give another path",
        destination.display()
    )]
    OwnFile { destination: PathBuf },
    #[error(
        "{} is the log of a database that is in use or was left by a program that was killed, and \
         would spoil a copy beside it; give another path, or move the log away",
        log.display()
    )]
    LogBeside { log: PathBuf },
    #[error(
        "{} cannot be written: {reason}; {}, or give another path",
        destination.display(),
        remedy(reason)
    )]
    NoAccess { destination: PathBuf, reason: io::Error },
    #[error("{}", explain("write", destination, reason))]
    Failed { destination: PathBuf, reason: Error },
}

/// How the registry comes to write where it could not.
fn remedy(reason: &io::Error) -> &'static str {
    match reason.kind() {
        // So it is for a unit of systemd with ProtectSystem=strict, as that of the package.
        io::ErrorKind::ReadOnlyFilesystem => {
            "name the folder in ReadWritePaths= of the registry's unit (`systemctl edit \
             service-registry`) or mount its file system for writing"
        }
        _ => "give the registry's user write access to the folder",
    }
}

/// Copies the database of `source`, which is the file at `path`, to `destination`.
pub(super) fn back_up(
    source: &Connection,
    path: &Path,
    destination: &Path,
    existing: Existing,
) -> Result<(), CopyError> {
    let destination = checked(destination, path, existing)?;
    let partial = write(source, path, &destination)?;
    put(&partial, &destination, existing)
}

/// Keeps a copy of the database at `path` beside it, as it is before it becomes `version`, and
/// returns where. A copy that is there is never overwritten; one of the same contents, from a
/// start that was cut off, is as good as another.
pub(super) fn keep_before(
    version: usize,
    source: &Connection,
    path: &Path,
) -> Result<PathBuf, CopyError> {
    let first = beside(path, &format!(".before-version-{version}"));
    let partial = write(source, path, &first)?;
    let mut kept = first.clone();
    let mut number = 1_u32;
    loop {
        match put(&partial, &kept, Existing::Keep) {
            Err(CopyError::Exists { .. }) if have_same_contents(partial.path(), &kept) => {
                return Ok(kept);
            }
            Err(CopyError::Exists { .. }) => {
                number += 1;
                kept = beside(&first, &format!("-{number}"));
            }
            outcome => return outcome.map(|()| kept),
        }
    }
}

/// Writes a copy that is whole and on the disk, and has no name yet.
fn write(source: &Connection, path: &Path, destination: &Path) -> Result<Partial, CopyError> {
    let failed = |reason| CopyError::Failed { destination: destination.to_owned(), reason };
    let no_access = |reason| CopyError::NoAccess { destination: destination.to_owned(), reason };

    let partial = Partial::create(destination, permissions_of(path)).map_err(no_access)?;
    fill(partial.path(), source).map_err(failed)?;
    partial.sync().map_err(no_access)?;
    Ok(partial)
}

/// Gives the copy its name, for good.
fn put(partial: &Partial, destination: &Path, existing: Existing) -> Result<(), CopyError> {
    partial.put(destination, existing).map_err(|reason| {
        let destination = destination.to_owned();
        match reason.kind() {
            io::ErrorKind::AlreadyExists => CopyError::Exists { destination },
            _ => CopyError::NoAccess { destination, reason },
        }
    })
}

/// Whoever may not read the database may not read its copy, also when the database is gone.
fn permissions_of(path: &Path) -> Permissions {
    fs::metadata(path)
        .map_or_else(|_| Permissions::from_mode(0o600), |database| database.permissions())
}

/// Copies into the empty file at `path` in one go: nobody else writes to the source.
fn fill(path: &Path, source: &Connection) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    // On some file systems SQLite's lock would meet the one by which the file is known as ours.
    let mut copy = Connection::open_with_flags(uri(path, "nolock"), flags)?;
    // What is half written is thrown away, and what is whole is synced then.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    match Backup::new(source, &mut copy)?.step(-1)? {
        StepResult::Done => {}
        _ => return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)),
    }
    copy.close().map_err(|(_, error)| error)
}

/// The full path of `destination`, where a backup can be put.
fn checked(destination: &Path, path: &Path, existing: Existing) -> Result<PathBuf, CopyError> {
    let given = || destination.to_owned();
    let no_access = |reason| CopyError::NoAccess { destination: given(), reason };

    let (Some(folder), Some(name)) = (destination.parent(), destination.file_name()) else {
        return Err(CopyError::NotAFile { destination: given() });
    };
    let full = fs::canonicalize(folder).map_err(no_access)?.join(name);
    // Links are followed to see where they lead; a link that is overwritten is itself replaced.
    let target = fs::canonicalize(&full).unwrap_or_else(|_| full.clone());
    if target == path || COMPANIONS.iter().any(|companion| target == beside(path, companion)) {
        return Err(CopyError::OwnFile { destination: given() });
    }
    let is_there = match fs::metadata(&full) {
        Ok(file) if !file.is_file() => return Err(CopyError::NotAFile { destination: given() }),
        Ok(_) if existing == Existing::Keep => {
            return Err(CopyError::Exists { destination: given() });
        }
        outcome => outcome.is_ok(),
    };
    let logs = COMPANIONS.map(|companion| beside(&full, companion));
    if let Some(log) = logs.into_iter().find(|log| fs::symlink_metadata(log).is_ok()) {
        return Err(CopyError::LogBeside { log });
    }
    match is_there.then(|| strangeness(&target)).flatten() {
        Some(reason) => Err(CopyError::NoRegistrys { destination: given(), reason }),
        None => Ok(full),
    }
}

/// Why the file at the full `path` may be dear to somebody, if so. Any program on the host may
/// ask for a backup, and must not be able to overwrite by it whatever the registry's user may.
fn strangeness(path: &Path) -> Option<String> {
    match content_of(path) {
        Ok(Content::Nothing | Content::Services { .. }) => None,
        Ok(Content::Foreign { reason }) => Some(format!("it is another database ({reason})")),
        Ok(Content::NewerVersion(version)) => {
            Some(format!("it is of the newer version {version} of a registry's database"))
        }
        Err(SqliteError::NotADatabase { .. }) => Some("it is not a SQLite database".to_owned()),
        Err(SqliteError::Locked { .. }) => Some("it is in use by another program".to_owned()),
        Err(reason) => Some(format!("it cannot be looked into ({reason})")),
    }
}

fn have_same_contents(one: &Path, other: &Path) -> bool {
    matches!((contents(one), contents(other)), (Ok(one), Ok(other)) if one == other)
}

/// Everything in a copy after SQLite's header.
fn contents(copy: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = fs::read(copy)?;
    bytes.drain(..HEADER_LENGTH.min(bytes.len()));
    Ok(bytes)
}
