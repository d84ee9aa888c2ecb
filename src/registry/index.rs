//! The services by id, by type and in order, each found in constant time.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::service::ServiceId;

use super::entry::Entry;
use super::roster::{Position, Roster};

/// All entries of a registry.
#[derive(Debug)]
pub(super) struct Index {
    by_id: HashSet<ById>,
    by_type: HashMap<Box<str>, Roster<Arc<Entry>>>,
    all: Roster<Arc<Entry>>,
    next_position: Position,
}

/// An entry that is found by its id, and is the same as any other of that id.
#[derive(Debug)]
struct ById(Arc<Entry>);

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

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        self.0.service.id.as_str()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let id: &str = self.borrow();
        id.hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.service.id == other.0.service.id
    }
}

impl Eq for ById {}
