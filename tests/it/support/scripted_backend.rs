//! A backend that does what a test says: wait, fail, panic; and that remembers what it was told.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use service_registry::backend::{Backend, BackendError, Existing, Record, StoredService};

use super::DEADLINE;

/// A gate that a test forgot to open opens after this, so that the server can stop.
const LONGEST_WAIT: Duration = Duration::from_secs(90);

/// The ids in one commit, by what happened to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) stored: Vec<String>,
    pub(crate) renewed: Vec<String>,
    pub(crate) removed: Vec<String>,
}

impl Commit {
    fn of(records: &[Record<'_>]) -> Self {
        let mut commit = Self::default();
        for record in records {
            match record {
                Record::Stored { service, .. } => commit.stored.push(service.id.to_string()),
                Record::Renewed { id, .. } => commit.renewed.push(id.to_string()),
                Record::Removed { id } => commit.removed.push(id.to_string()),
                Record::PolicyStored { .. } | Record::PolicyRemoved { .. } => {}
            }
        }
        commit
    }

    /// Whether it holds what a client waits for, and not only heartbeats.
    pub(crate) fn is_of_writes(&self) -> bool {
        !self.stored.is_empty() || !self.removed.is_empty()
    }
}

type Script = Box<dyn FnMut(&Commit) -> Result<(), BackendError> + Send>;

/// What a backend was told to do.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<(Mutex<Entries>, Condvar)>);

#[derive(Default)]
struct Entries {
    commits: Vec<Commit>,
    closed: bool,
}

impl Journal {
    /// The commits that succeeded.
    pub(crate) fn commits(&self) -> Vec<Commit> {
        let entries = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.commits.clone()
    }

    /// The successful commits that hold registrations or removals.
    pub(crate) fn writes(&self) -> Vec<Commit> {
        self.commits().into_iter().filter(Commit::is_of_writes).collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Waits until the commits that succeeded are as a test wants them.
    #[track_caller]
    pub(crate) fn wait_until(&self, condition: impl Fn(&[Commit]) -> bool) {
        let (entries, changed) = &*self.0;
        let entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (entries, waited) = changed
            .wait_timeout_while(entries, DEADLINE, |entries| !condition(&entries.commits))
            .unwrap_or_else(PoisonError::into_inner);
        let commits = entries.commits.clone();
        drop(entries);
        assert!(!waited.timed_out(), "these are the commits: {commits:?}");
    }

    fn change(&self, change: impl FnOnce(&mut Entries)) {
        let (entries, changed) = &*self.0;
        change(&mut entries.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }
}

/// Keeps nothing, and does with each commit what its script says.
pub(crate) struct ScriptedBackend {
    found: Vec<StoredService>,
    script: Script,
    journal: Journal,
    /// Where backups wait.
    backups: Gate,
}

impl ScriptedBackend {
    /// What `script` returns is the fate of a commit.
    pub(crate) fn new(
        script: impl FnMut(&Commit) -> Result<(), BackendError> + Send + 'static,
    ) -> Self {
        Self {
            found: Vec::new(),
            script: Box::new(script),
            journal: Journal::default(),
            backups: Gate::default(),
        }
    }

    /// A backend whose commits with registrations or removals wait at a gate.
    pub(crate) fn behind(gate: &Gate) -> Self {
        let gate = gate.clone();
        Self::new(move |commit| {
            if commit.is_of_writes() {
                gate.pass();
            }
            Ok(())
        })
    }

    /// Lets backups wait at a gate; they make no file.
    pub(crate) fn backing_up_behind(mut self, gate: &Gate) -> Self {
        self.backups = gate.clone();
        self
    }

    /// Lets a server find these services when it starts.
    pub(crate) fn with_found(mut self, found: Vec<StoredService>) -> Self {
        self.found = found;
        self
    }

    pub(crate) fn journal(&self) -> Journal {
        self.journal.clone()
    }
}

impl Backend for ScriptedBackend {
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError> {
        Ok(self.found.clone())
    }

    fn commit(&mut self, records: &[Record<'_>]) -> Result<(), BackendError> {
        let commit = Commit::of(records);
        (self.script)(&commit)?;
        self.journal.change(|entries| entries.commits.push(commit));
        Ok(())
    }

    fn back_up(&mut self, _destination: &Path, _existing: Existing) -> Result<(), BackendError> {
        self.backups.pass();
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        self.journal.change(|entries| entries.closed = true);
        Ok(())
    }
}

/// Lets a commit wait until the test opens it. Open at first.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    closed: bool,
    somebody_waits: bool,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.0.0.lock().unwrap().closed = true;
    }

    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().closed = false;
        self.0.1.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.0.lock().unwrap().closed
    }

    /// Waits until a commit stands before the gate.
    #[track_caller]
    pub(crate) fn wait_for_arrival(&self) {
        let (state, changed) = &*self.0;
        let (state, waited) = changed
            .wait_timeout_while(state.lock().unwrap(), DEADLINE, |state| !state.somebody_waits)
            .unwrap();
        drop(state);
        assert!(!waited.timed_out(), "no commit came to the gate within {DEADLINE:?}");
    }

    /// Waits, in a backend, while the gate is closed.
    pub(crate) fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.somebody_waits = true;
        changed.notify_all();
        let (mut state, _) =
            changed.wait_timeout_while(state, LONGEST_WAIT, |state| state.closed).unwrap();
        state.somebody_waits = false;
    }
}
