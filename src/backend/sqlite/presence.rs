//! Whether the files that are open are still the ones of their name.
//!
//! A program can delete or replace a file that is open. SQLite writes on to what has no name any
//! more, and all of it is gone with the registry. So the names are looked up before each commit.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The files of a database that is open, as they were when it was opened.
#[derive(Debug)]
pub(super) struct Presence {
    files: Vec<(PathBuf, Identity)>,
}

/// What tells one file from all others of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Presence {
    /// Notes what `paths` name now.
    pub(super) fn note(paths: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        let note = |path: PathBuf| identity(&path).map(|identity| (path, identity));
        Ok(Self { files: paths.into_iter().map(note).collect::<io::Result<_>>()? })
    }

    /// The first of the files that was moved, deleted or replaced, if one was.
    pub(super) fn missing(&self) -> Option<&Path> {
        self.files
            .iter()
            .find(|(path, noted)| identity(path).ok() != Some(*noted))
            .map(|(path, _)| path.as_path())
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let file = fs::metadata(path)?;
    Ok(Identity { device: file.dev(), inode: file.ino() })
}
