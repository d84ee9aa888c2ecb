//! Why a file cannot be used, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Error, ErrorCode, ffi};
use thiserror::Error;

/// Why the file of a [`SqliteBackend`](super::SqliteBackend) could not be opened. Each message
/// is complete: it says what happened, to which file, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// A folder, a device or the like.
    #[error(
        "{} is not a regular file; give the path of a file, which need not exist yet",
        path.display()
    )]
    NotAFile {
        /// What was to be opened.
        path: PathBuf,
    },
    /// There is no such folder to create the file in.
    #[error(
        "{} cannot be created: there is no folder {}; create the folder or give another path",
        path.display(),
        folder.display()
    )]
    MissingFolder {
        /// What was to be created.
        path: PathBuf,
        /// The folder that is missing.
        folder: PathBuf,
    },
    /// There is no file, where there must be one.
    #[error("there is no file {}; give the path of a registry's database", path.display())]
    NotFound {
        /// What was to be opened.
        path: PathBuf,
    },
    /// Whether the file is there cannot be seen.
    #[error("{} cannot be read: {reason}; look as root or as the registry's user", path.display())]
    NotReadable {
        /// What was to be opened.
        path: PathBuf,
        /// What the operating system said.
        reason: io::Error,
    },
    /// The file is there and holds nothing yet, where there must be something to look into.
    #[error(
        "{} is empty: no registry has used it yet, so it is no copy of one; \
         a registry can be started on it, with no services",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The operating system says no.
    #[error(
        "{} cannot be opened or created: {reason}; \
         give this user write access to the file and its folder, or give another path",
        path.display()
    )]
    NoAccess {
        /// What was to be opened.
        path: PathBuf,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// The file can be read and not be written, or its log.
    #[error(
        "{} cannot be written; \
         give this user write access to it and to the -wal file beside it, or give another path",
        path.display()
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The folder lets nobody create the log, which SQLite keeps beside the file.
    #[error(
        "no file can be created beside {}, where its log belongs; \
         give this user write access to the folder, or give another path",
        path.display()
    )]
    ReadOnlyFolder {
        /// The file.
        path: PathBuf,
    },
    /// Another program has the file open.
    #[error(
        "{} is in use by another program, most likely by a registry that is still running; \
         stop that one or give another path",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error(
        "{} is not a SQLite database; give another path, \
         or move the file away to start with an empty registry",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file was a database once.
    #[error(
        "{} is damaged ({reason}); restore it from a copy, \
         or move it and its -wal file away to start with an empty registry",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        reason: String,
    },
    /// The database is another application's.
    #[error(
        "{} is a database, but not a registry's: {reason}; give another path",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What gives it away.
        reason: String,
    },
    /// A newer program wrote the file, and this one might spoil it.
    #[error(
        "{} was written by a newer version of this program (its schema is version {found}, \
         known here is {known}); start that version, or give another path",
        path.display()
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version of the file's schema.
        found: usize,
        /// The newest version that this program knows.
        known: usize,
    },
    /// The file is of an older version, and is not changed before there is a copy of it.
    #[error(
        "{} is of an older version, and no copy of it could be kept before bringing it up to \
         date: {reason}",
        path.display()
    )]
    NotKept {
        /// The file.
        path: PathBuf,
        /// Why there is no copy, and what to do.
        reason: String,
    },
    /// The log is there, and the database that it belongs to is gone. SQLite would delete it.
    #[error(
        "{} is missing or empty, but its log {} is not; put the file back, \
         or move the log away to start with an empty registry",
        path.display(),
        log.display()
    )]
    LogWithoutDatabase {
        /// The file.
        path: PathBuf,
        /// The log beside it.
        log: PathBuf,
    },
    /// Anything else that SQLite reports, such as a full disk.
    #[error("{}", explain("open", path, reason))]
    Failed {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        reason: Error,
    },
}

impl SqliteError {
    /// Sorts what SQLite reports while the file at `path` is being opened.
    pub(super) fn on_opening(path: &Path, error: Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => Self::Locked { path },
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason: error.to_string() },
            Some(ErrorCode::CannotOpen) => Self::ReadOnlyFolder { path },
            Some(ErrorCode::ReadOnly) if is_about_the_folder(&error) => {
                Self::ReadOnlyFolder { path }
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            _ => Self::Failed { path, reason: error },
        }
    }
}

/// Says that `task` could not be done to the file at `path`, why, and what to do.
pub(super) fn explain(task: &str, path: &Path, error: &Error) -> String {
    let path = path.display();
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; free space on the disk that holds it",
        Some(ErrorCode::SystemIoFailure) => "; check the disk that holds it, and quotas on it",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            "; give this user write access to the file and its folder"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "; stop the registry and restore the file from a copy"
        }
        _ => "",
    };
    match error.sqlite_extended_error_code() {
        // The code tells a failed write from a failed sync; the text is the same for both.
        Some(code) => format!("cannot {task} {path}: {error} (SQLite code {code}){advice}"),
        None => format!("cannot {task} {path}: {error}{advice}"),
    }
}

/// Whether all was written and could not be made safe.
pub(super) fn is_failed_sync(error: &Error) -> bool {
    matches!(
        error.sqlite_extended_error_code(),
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    )
}

/// Whether it was the operating system that said no to SQLite, which keeps the reason to itself.
pub(super) fn is_of_the_system(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen)
    )
}

fn is_about_the_folder(error: &Error) -> bool {
    error.sqlite_extended_error_code() == Some(ffi::SQLITE_READONLY_DIRECTORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_sqlite_found_and_what_to_do() {
        for (code, reason, advice) in [
            (ffi::SQLITE_FULL, "database or disk is full", "free space"),
            (ffi::SQLITE_IOERR_FSYNC, "disk I/O error (SQLite code 1034)", "check the disk"),
            (ffi::SQLITE_READONLY, "attempt to write a readonly database", "write access"),
            (ffi::SQLITE_CORRUPT, "database disk image is malformed", "restore the file"),
        ] {
            let error = Error::SqliteFailure(ffi::Error::new(code), None);

            let text = explain("write to", Path::new("/var/lib/registry.db"), &error);

            assert!(text.starts_with("cannot write to /var/lib/registry.db: "), "{text}");
            assert!(text.contains(reason), "{text}");
            assert!(text.contains(advice), "{text}");
        }
    }
}
