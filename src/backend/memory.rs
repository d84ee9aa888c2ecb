//! The backend that keeps nothing: for tests, and for labs where every service registers anew.

use std::path::Path;

use super::{Backend, BackendError, Existing, Record, StoredService};

/// Accepts every record and forgets it. A registry on it is empty after every start.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryBackend;

impl Backend for MemoryBackend {
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _records: &[Record<'_>]) -> Result<(), BackendError> {
        Ok(())
    }

    fn back_up(&mut self, _destination: &Path, _existing: Existing) -> Result<(), BackendError> {
        Err(BackendError::new(
            "this registry runs on the memory backend, which keeps nothing that could be copied; \
             start it with --backend sqlite",
        ))
    }

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        Ok(())
    }
}
