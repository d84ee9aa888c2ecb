//! The files of a database: what they are called, and what can be told of them without SQLite.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};

use super::error::SqliteError;

/// What SQLite keeps beside a database.
pub(super) const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The path with which messages can be understood, and that SQLite takes for nothing else, as it
/// does `:memory:` and URIs. Links are followed because the log stands beside their target.
pub(super) fn full_path(path: &Path) -> Result<PathBuf, SqliteError> {
    fs::canonicalize(path)
        .or_else(|_| path::absolute(path))
        .map_err(|reason| SqliteError::NoAccess { path: path.to_owned(), reason })
}

/// The file whose name is that of the file at `path`, followed by `suffix`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The log of the database at `path`.
pub(super) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// Whether there is something in the log of the database at `path`.
pub(super) fn log_has_content(path: &Path) -> bool {
    fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0)
}

/// Whether nobody may write to the file at `path`; false where there is none.
pub(super) fn is_read_only(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().readonly())
}

/// Why the operating system lets nobody write beside the database at `path`, if so. The log can
/// be opened for that, because there are no locks on it that closing it would drop.
pub(super) fn refusal_to_write(path: &Path) -> Option<io::Error> {
    OpenOptions::new().append(true).open(log_of(path)).err()
}

/// The URI by which SQLite takes the file at `path` for one that is `immutable`, so that nobody
/// changes it, or that needs `nolock`, because nobody else knows of it.
pub(super) fn uri(path: &Path, property: &str) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    format!("{uri}?{property}=1")
}
