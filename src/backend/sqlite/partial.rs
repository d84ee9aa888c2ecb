//! A copy on its way: a file beside its destination, whose name is followed by `.partial-` and a
//! number.
//!
//! It is locked while it is being made. A program that is killed leaves its file behind, without
//! the lock, by which the next copy to the same destination knows it and removes it.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::backend::Existing;

use super::files::beside;

/// What stands between the name of the destination and the number.
const INFIX: &str = ".partial-";

/// How a SQLite database begins.
const SQLITE_HEADER: [u8; 16] = *b"SQLite format 3\0";

/// A copy that has no name yet. Dropping it removes it.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    /// An empty file that is to become `destination`. What was left by others that were to and
    /// never will is removed.
    pub(super) fn create(destination: &Path, permissions: Permissions) -> io::Result<Self> {
        remove_stale(destination);
        loop {
            let path = beside(destination, &format!("{INFIX}{}", fastrand::u64(..)));
            let file = File::create_new(&path)?;
            let partial = Self { path, file };
            if partial.is_taken()? {
                partial.file.set_permissions(permissions)?;
                return Ok(partial);
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until everything is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the copy its name, for good. The error has the kind `AlreadyExists` where there is
    /// a file that is to be kept.
    pub(super) fn put(&self, destination: &Path, existing: Existing) -> io::Result<()> {
        if existing == Existing::Keep {
            match fs::hard_link(&self.path, destination) {
                Ok(()) => return sync_folder_of(destination),
                Err(reason) if reason.kind() == io::ErrorKind::AlreadyExists => return Err(reason),
                // A file system without links: there is a moment in which the name stands for
                // an empty file.
                Err(_) => {}
            }
            // Taking the name first overwrites nothing, also not what appeared a moment ago.
            File::create_new(destination)?;
        }
        if let Err(reason) = fs::rename(&self.path, destination) {
            if existing == Existing::Keep {
                // The name was taken for nothing.
                let _ = fs::remove_file(destination);
            }
            return Err(reason);
        }
        sync_folder_of(destination)
    }

    /// Takes the lock. False where somebody who cleans up came first, between creating the file
    /// and locking it. Where the file system knows no locks, nobody cleans up.
    fn is_taken(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => is_named(&self.file, &self.path),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(_)) => Ok(true),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // It is not there any more, where it got its name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what programs that were killed have left of copies to `destination`. What cannot be
/// removed is in nobody's way.
fn remove_stale(destination: &Path) {
    let (Some(folder), Some(name)) = (destination.parent(), destination.file_name()) else {
        return;
    };
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let number = entry.file_name().into_encoded_bytes();
        let number = number.strip_prefix(name.as_encoded_bytes());
        let number = number.and_then(|rest| rest.strip_prefix(INFIX.as_bytes()));
        if number.is_some_and(is_number)
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && remove_if_stale(&entry.path()).unwrap_or(false)
        {
            log::info!("removed {}, left by a backup that was cut off", entry.path().display());
        }
    }
}

/// Removes the file, unless somebody still works on it or it is none of ours. True if it did.
fn remove_if_stale(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let is_ours = file.try_lock().is_ok() && is_named(&file, path)? && is_begun_copy(&file)?;
    if is_ours {
        fs::remove_file(path)?;
    }
    Ok(is_ours)
}

/// Whether it can be the beginning of a copy, whose first page may be written last.
fn is_begun_copy(mut file: &File) -> io::Result<bool> {
    let mut start = [0; SQLITE_HEADER.len()];
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.read_exact(&mut start)?;
    Ok(start == SQLITE_HEADER || start == [0; SQLITE_HEADER.len()])
}

/// Whether this is a number as it is written here.
fn is_number(text: &[u8]) -> bool {
    let number = str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
    number.is_some_and(|number| number.to_string().as_bytes() == text)
}

/// Whether `path` still names this file.
fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let file = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (file.dev(), file.ino())),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(reason) => Err(reason),
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
