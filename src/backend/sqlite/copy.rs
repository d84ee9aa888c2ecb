//! Consistent copies of the database, each as a single file.
//!
//! A copy is written under a name of its own beside its destination, synced, and then renamed.
//! Whatever happens, a power cut too, there is a whole copy of its name or none; what may stay
//! behind is a file whose name ends in `.partial-` and a number.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Error, OpenFlags, ffi};
use thiserror::Error;

use crate::backend::Existing;

use super::error::explain;

/// Where the contents of a file begin. Before it stands SQLite's header, with counters of
/// changes, which differ between two copies of the same contents.
const HEADER_LENGTH: usize = 100;

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

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
        "{} cannot be written: {reason}; give the registry's user write access to the folder, \
         or give another path",
        destination.display()
    )]
    NoAccess { destination: PathBuf, reason: io::Error },
    #[error("{}", explain("write", destination, reason))]
    Failed { destination: PathBuf, reason: Error },
}

/// A copy that has no name yet. Dropping it removes it.
struct Partial {
    path: PathBuf,
}

/// Copies the database of `source`, which is the file at `path`, to `destination`.
pub(super) fn back_up(
    source: &Connection,
    path: &Path,
    destination: &Path,
    existing: Existing,
) -> Result<(), CopyError> {
    let destination = checked(destination, path, existing)?;
    Partial::write(source, path, &destination)?.put(&destination, existing)
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
    let partial = Partial::write(source, path, &first)?;
    let mut kept = first.clone();
    let mut number = 1_u32;
    loop {
        match partial.put(&kept, Existing::Keep) {
            Err(CopyError::Exists { .. }) if partial.has_contents_of(&kept) => return Ok(kept),
            Err(CopyError::Exists { .. }) => {
                number += 1;
                kept = beside(&first, &format!("-{number}"));
            }
            outcome => return outcome.map(|()| kept),
        }
    }
}

/// The file whose name is that of the file at `path` with `suffix` behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

impl Partial {
    fn write(source: &Connection, path: &Path, destination: &Path) -> Result<Self, CopyError> {
        let failed = |reason| CopyError::Failed { destination: destination.to_owned(), reason };
        let no_access =
            |reason| CopyError::NoAccess { destination: destination.to_owned(), reason };

        let partial =
            Self { path: beside(destination, &format!(".partial-{}", fastrand::u64(..))) };
        let file = File::create_new(&partial.path).map_err(no_access)?;
        file.set_permissions(permissions_of(path)).map_err(no_access)?;
        fill(&partial.path, source).map_err(failed)?;
        file.sync_all().map_err(no_access)?;
        Ok(partial)
    }

    /// Gives the copy its name, for good.
    fn put(&self, destination: &Path, existing: Existing) -> Result<(), CopyError> {
        let no_access = |reason: io::Error| {
            let destination = destination.to_owned();
            match reason.kind() {
                io::ErrorKind::AlreadyExists => CopyError::Exists { destination },
                _ => CopyError::NoAccess { destination, reason },
            }
        };
        if existing == Existing::Keep {
            match fs::hard_link(&self.path, destination) {
                Ok(()) => return sync_folder_of(destination).map_err(no_access),
                Err(reason) if reason.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(no_access(reason));
                }
                // A file system without links: there is a moment in which the name stands for
                // an empty file.
                Err(_) => {}
            }
            // Taking the name first overwrites nothing, also not what appeared a moment ago.
            File::create_new(destination).map_err(no_access)?;
        }
        if let Err(reason) = fs::rename(&self.path, destination) {
            if existing == Existing::Keep {
                // The name was taken for nothing.
                let _ = fs::remove_file(destination);
            }
            return Err(no_access(reason));
        }
        sync_folder_of(destination).map_err(no_access)
    }

    fn has_contents_of(&self, other: &Path) -> bool {
        matches!((contents(&self.path), contents(other)), (Ok(one), Ok(another)) if one == another)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // It is not there any more, where it got its name.
        let _ = fs::remove_file(&self.path);
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Whoever may not read the database may not read its copy, also when the database is gone.
fn permissions_of(path: &Path) -> Permissions {
    fs::metadata(path)
        .map_or_else(|_| Permissions::from_mode(0o600), |database| database.permissions())
}

/// Copies into the empty file at `path` in one go: nobody else writes to the source.
fn fill(path: &Path, source: &Connection) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(path, flags)?;
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
    match fs::metadata(&full) {
        Ok(file) if !file.is_file() => return Err(CopyError::NotAFile { destination: given() }),
        Ok(_) if existing == Existing::Keep => {
            return Err(CopyError::Exists { destination: given() });
        }
        _ => {}
    }
    let logs = COMPANIONS.map(|companion| beside(&full, companion));
    match logs.into_iter().find(|log| fs::symlink_metadata(log).is_ok()) {
        Some(log) => Err(CopyError::LogBeside { log }),
        None => Ok(full),
    }
}

/// Everything in a copy behind SQLite's header.
fn contents(copy: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = fs::read(copy)?;
    bytes.drain(..HEADER_LENGTH.min(bytes.len()));
    Ok(bytes)
}
