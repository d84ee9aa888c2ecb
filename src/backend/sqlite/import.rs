//! Filling a file with what was kept elsewhere, in one transaction.

use std::path::Path;

use crate::backend::{Backend, Contents, Existing, ImportError};

use super::{Examination, SqliteBackend, SqliteError};

impl SqliteBackend {
    /// Makes `contents` all that is kept in the file at `path`, which is created where there is
    /// none.
    ///
    /// # Errors
    /// [`ImportError`], after which everything is as it was.
    pub fn import(path: &Path, contents: &Contents, existing: Existing) -> Result<(), ImportError> {
        if existing == Existing::Keep {
            // Before the file is opened, which changes one of an older version.
            refuse_unless_empty(path)?;
        }
        let mut backend = Self::open(path)?;
        let before = Contents { services: backend.load()?, policies: backend.load_policies()? };
        if existing == Existing::Keep && !before.is_empty() {
            return Err(not_empty(&before));
        }
        backend.commit(&contents.in_place_of(&before))?;
        Ok(Box::new(backend).close()?)
    }
}

fn refuse_unless_empty(path: &Path) -> Result<(), ImportError> {
    match SqliteBackend::examine(path) {
        Ok(Examination { services, policies, .. }) => {
            let before = Contents { services, policies };
            if before.is_empty() { Ok(()) } else { Err(not_empty(&before)) }
        }
        Err(SqliteError::NotFound { .. } | SqliteError::Empty { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn not_empty(before: &Contents) -> ImportError {
    let (services, policies) = (before.services.len(), before.policies.len());
    ImportError::NotEmpty { services, policies }
}
