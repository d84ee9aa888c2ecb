//! The file in which a registry is moved: written whole or not at all, and read before anything
//! else is touched.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use service_registry::backend::Contents;

use super::{TransferError, line};

/// Writes `contents` to the file at `path`.
pub(in crate::cli) fn write(
    path: &Path,
    contents: &Contents,
    force: bool,
) -> Result<(), TransferError> {
    let text = line::write(contents);
    if !force {
        return create(path, &text);
    }
    let partial = beside(path);
    let removed = fs::remove_file(&partial);
    if let Err(source) = removed
        && source.kind() != io::ErrorKind::NotFound
    {
        return Err(TransferError::NotWritten { path: partial, source });
    }
    create(&partial, &text)?;
    fs::rename(&partial, path)
        .map_err(|source| TransferError::NotWritten { path: path.to_owned(), source })
}

/// What the file at `path` stands for.
pub(in crate::cli) fn read(path: &Path) -> Result<Contents, TransferError> {
    let bytes = fs::read(path)
        .map_err(|source| TransferError::NotRead { path: path.to_owned(), source })?;
    line::read(&bytes).map_err(|reason| TransferError::Invalid { path: path.to_owned(), reason })
}

/// Writes a file that was not there.
fn create(path: &Path, text: &str) -> Result<(), TransferError> {
    let mut file = File::create_new(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => TransferError::FileExists(path.to_owned()),
        _ => TransferError::NotWritten { path: path.to_owned(), source },
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| {
        // Half of it is of no use to anybody.
        let _ = fs::remove_file(path);
        TransferError::NotWritten { path: path.to_owned(), source }
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".partial");
    name.into()
}
