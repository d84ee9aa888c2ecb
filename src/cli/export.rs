//! `service-registry export`.

use std::path::PathBuf;

use log::LevelFilter;

use super::asking::{Answer, tell};
use super::failure::Failure;
use super::transfer::{TransferError, file, moved, moving_command};
use super::{Exit, logging};

moving_command! {
    /// Write all that a registry keeps to a file, from which `import` takes it to another backend.
    #[argh(
        subcommand,
        name = "export",
        help_triggers("-h", "--help", "help"),
        note = "It reads the database or the etcd of registry.yaml, or of the flags, and changes \
            nothing there. A database must not be in use; etcd may be."
    )]
    struct Export {
        /// the file to write
        #[argh(positional, arg_name = "file")]
        file: PathBuf,

        /// overwrite the file where there is one
        #[argh(switch)]
        force: bool,
    }
}

impl Export {
    pub(super) fn run(&self) -> Exit {
        tell(&self.export(), self.json)
    }

    fn export(&self) -> Result<Answer, Failure> {
        let place = self.place()?;
        // What cannot be read is left out, and told as a registry tells it.
        let _log = logging::start(LevelFilter::Warn).map_err(TransferError::Log)?;
        let contents = place.read()?;
        file::write(&self.file, &contents, self.force)?;
        let and_where = format!("of {place} are written to {}", self.file.display());
        Ok(moved(&contents, &and_where, &self.file))
    }
}
