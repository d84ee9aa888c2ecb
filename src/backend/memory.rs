//! The backend that keeps nothing: for tests, and for labs where every service registers anew.

use super::{Backend, BackendError, Record, StoredService};

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

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        Ok(())
    }
}
