//! The services by id, by type and in order, each found in constant time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::service::ServiceId;

use super::entry::{ById, Entry};
use super::roster::{Position, Roster};

/// All entries of a registry.
#[derive(Debug)]
pub(super) struct Index {
    by_id: HashSet<ById>,
    by_type: HashMap<Box<str>, Roster<Arc<Entry>>>,
    all: Roster<Arc<Entry>>,
    next_position: Position,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            by_id: HashSet::new(),
            by_type: HashMap::new(),
            all: Roster::default(),
            next_position: Position::FIRST,
        }
    }
}

impl Index {
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.by_id.get(id).map(|ById(entry)| entry)
    }

    /// The entry at this position, where there still is one.
    pub(super) fn at(&self, position: Position) -> Option<&Arc<Entry>> {
        self.all.get(position)
    }

    pub(super) const fn all(&self) -> &Roster<Arc<Entry>> {
        &self.all
    }

    pub(super) fn of_type(&self, service_type: &str) -> Option<&Roster<Arc<Entry>>> {
        self.by_type.get(service_type)
    }

    /// The position for a service that was never here before.
    pub(super) const fn next_position(&self) -> Position {
        self.next_position
    }

    /// Puts `entry` in the place of the one with its id, or at its position.
    pub(super) fn put(&mut self, entry: Arc<Entry>) {
        match self.get(entry.service.id.as_str()) {
            Some(known) if known.position == entry.position => {
                let known = Arc::clone(known);
                if !known.service.types().eq(entry.service.types()) {
                    let names: HashSet<_> = entry.service.types().collect();
                    for name in known.service.types().filter(|name| !names.contains(name)) {
                        self.leave(&name, &known);
                    }
                }
            }
            Some(_) => self.remove(&entry.service.id),
            None => {}
        }
        self.next_position = self.next_position.max(entry.position.next());
        for name in entry.service.types() {
            self.join(&name, &entry);
        }
        self.all.put(entry.position, Arc::clone(&entry));
        self.by_id.replace(ById(entry));
    }

    pub(super) fn remove(&mut self, id: &ServiceId) {
        let Some(ById(entry)) = self.by_id.take(id.as_str()) else { return };
        self.all.remove(entry.position);
        for name in entry.service.types() {
            self.leave(&name, &entry);
        }
    }

    fn join(&mut self, name: &str, entry: &Arc<Entry>) {
        let (position, entry) = (entry.position, Arc::clone(entry));
        match self.by_type.get_mut(name) {
            Some(roster) => roster.put(position, entry),
            None => self.by_type.entry(name.into()).or_default().put(position, entry),
        }
    }

    fn leave(&mut self, name: &str, entry: &Entry) {
        if let Some(roster) = self.by_type.get_mut(name) {
            roster.remove(entry.position);
            if roster.is_empty() {
                self.by_type.remove(name);
            }
        }
    }
}
