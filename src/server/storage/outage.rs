//! How long the backend has stored nothing, as the log tells it.

use crate::backend::BackendError;
use crate::server::keeper::Committed;

use super::describe;

/// How many commits have failed since the last one that did not.
#[derive(Debug, Default)]
pub(in crate::server) struct Outage {
    failed_commits: u64,
}

impl Outage {
    pub(super) fn note(&mut self, committed: &Result<Committed, BackendError>) {
        match committed {
            Ok(_) => {
                if self.failed_commits > 0 {
                    log::info!("the backend stores again, after {} failures", self.failed_commits);
                }
                self.failed_commits = 0;
            }
            Err(error) => {
                self.failed_commits += 1;
                log::error!(
                    "could not store changes, registrations are refused: {}",
                    describe(error)
                );
            }
        }
    }
}
