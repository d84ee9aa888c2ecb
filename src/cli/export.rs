//! `service-registry export`.

use std::path::PathBuf;

use log::LevelFilter;

use super::asking::{Answer, tell};
use super::failure::Failure;
use super::transfer::{TransferError, file, moved, moving_command};
use super::{Exit, logging};

moving_command! {
    /// Write everything that a registry has stored to a file, which `import` reads.
    #[argh(
        subcommand,
        name = "export",
        help_triggers("-h", "--help", "help"),
        note = "It reads the database or etcd that registry.yaml or the flags name, and changes \
            nothing there. No registry may be using the database; with etcd, registries may run."
    )]
    struct Export {
        /// the file to write
        #[argh(positional, arg_name = "file")]
        file: PathBuf,

        /// overwrite the file if it exists
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
