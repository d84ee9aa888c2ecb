//! `service-registry import`.

use std::path::PathBuf;

use log::LevelFilter;
use service_registry::backend::Existing;

use super::asking::{Answer, tell};
use super::failure::Failure;
use super::transfer::{TransferError, file, moved, moving_command};
use super::{Exit, logging};

moving_command! {
    /// Read a file of `export` into another database, or into etcd.
    #[argh(
        subcommand,
        name = "import",
        help_triggers("-h", "--help", "help"),
        note = "No registry may be using that database or etcd. A database gets everything or \
            nothing. Etcd gets a large file in several parts; repeat an interrupted import with \
            --force.",
        note = "Run it as the registry's user: a database that does not exist is created."
    )]
    struct Import {
        /// the file that `export` wrote
        #[argh(positional, arg_name = "file")]
        file: PathBuf,

        /// first delete everything that is there
        #[argh(switch)]
        force: bool,
    }
}

impl Import {
    pub(super) fn run(&self) -> Exit {
        tell(&self.import(), self.json)
    }

    fn import(&self) -> Result<Answer, Failure> {
        let place = self.place()?;
        // All of it, before anything is touched.
        let contents = file::read(&self.file)?;
        let _log = logging::start(LevelFilter::Warn).map_err(TransferError::Log)?;
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        place.replace(&contents, existing)?;
        let and_where = format!("of {} are in {place}", self.file.display());
        Ok(moved(&contents, &and_where, &self.file))
    }
}
