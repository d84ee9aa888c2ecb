//! `service-registry import`.

use std::path::PathBuf;

use log::LevelFilter;
use service_registry::backend::Existing;

use super::asking::{Answer, tell};
use super::failure::Failure;
use super::transfer::{TransferError, file, moved, moving_command};
use super::{Exit, logging};

moving_command! {
    /// Take what `export` wrote into the database or the etcd of another registry.
    #[argh(
        subcommand,
        name = "import",
        help_triggers("-h", "--help", "help"),
        note = "No registry may run on it. A database gets all of it or nothing; etcd takes much \
            in several pieces, and an import that was interrupted says so and is done again with \
            --force.",
        note = "Run it as the registry's user: a database that is not there is made."
    )]
    struct Import {
        /// the file that `export` wrote
        #[argh(positional, arg_name = "file")]
        file: PathBuf,

        /// take out everything that is there before
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
