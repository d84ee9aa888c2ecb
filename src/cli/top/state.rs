//! What `top` shows, and what keys do to it. Pure: time and news are told, and what is to be
//! done is the answer.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::Value;
use service_registry::client::{Change, WatchMode, WatchStatus};
use service_registry::clock::WallTime;

use super::events::Events;
use super::feed::News;
use super::keys::{Effect, Key, Mode};
use super::table::{self, Entry, Grouping, Row, Sorting};
use crate::cli::{client, output};

/// How far a page is.
const PAGE: usize = 10;

/// How long a filter can be: as long as the narrowest screen shows.
const FILTER_LENGTH_MAX: usize = 40;

/// All that the screen of `top` depends on.
pub(super) struct State {
    registry: String,
    services: BTreeMap<String, Entry>,
    /// Services of the first list, which are no event when they are told of.
    there: HashSet<String>,
    events: Events,
    clock: Option<RegistryClock>,
    hearing: Hearing,
    grouping: Grouping,
    sorting: Sorting,
    filter: String,
    /// The id of the service on which the cursor is.
    selected: Option<String>,
    mode: Mode,
    notice: Option<String>,
    /// Why the heartbeats are not told, while they are not.
    trouble: Option<String>,
}

/// How the watch hears of the registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hearing {
    pub(super) silent_since: Option<Instant>,
    /// Whether the registry is there, and does not tell what is true.
    pub(super) is_refused: bool,
    /// Not by events.
    pub(super) by_lists: bool,
    /// How many changes were told as part of another.
    pub(super) merged: u64,
}

/// The clock of the registry, by which heartbeats are told: that of this host may be another.
#[derive(Debug, Clone, Copy)]
struct RegistryClock {
    wall: WallTime,
    at: Instant,
}

impl From<WatchStatus> for Hearing {
    fn from(status: WatchStatus) -> Self {
        Self {
            silent_since: status.silent_since,
            is_refused: status.trouble.is_some(),
            by_lists: matches!(status.mode, WatchMode::Lists { .. }),
            merged: status.merged,
        }
    }
}

impl State {
    /// Nothing known yet of `registry`, but that its first list has the services in `there`.
    pub(super) fn new(registry: String, there: HashSet<String>) -> Self {
        Self {
            registry,
            services: BTreeMap::new(),
            there,
            events: Events::default(),
            clock: None,
            hearing: Hearing::default(),
            grouping: Grouping::default(),
            sorting: Sorting::default(),
            filter: String::new(),
            selected: None,
            mode: Mode::Browsing,
            notice: None,
            trouble: None,
        }
    }

    /// Something happened to a service.
    pub(super) fn take_change(&mut self, change: &Change, now: Instant) {
        let service = change.service();
        // Only of the selected one: where it is costs a look at all.
        let is_selected = self.selected.as_ref() == Some(&service.id);
        if let Change::Removed { .. } = change {
            let position = if is_selected { self.position(now) } else { None };
            self.services.remove(&service.id);
            if is_selected {
                self.lose_selected(position, now);
            }
        } else {
            self.services.insert(service.id.clone(), Entry::new(service));
        }
        let was_there = matches!(change, Change::Registered(_)) && self.there.remove(&service.id);
        if !was_there {
            self.events.add(change, now);
        }
    }

    /// Which registry is watched.
    pub(super) fn take_registry(&mut self, registry: String) {
        self.registry = registry;
    }

    /// Something to be told among the events.
    pub(super) fn take_warning(&mut self, warning: &str, now: Instant) {
        self.events.note(output::harmless(warning), now);
    }

    /// How the watch is.
    pub(super) fn take_status(&mut self, status: Hearing, now: Instant) {
        match (self.hearing.silent_since, status.silent_since) {
            (Some(since), None) => {
                let seconds = now.saturating_duration_since(since).as_secs();
                self.events.note(format!("the registry answers again, after {seconds} s"), now);
            }
            // Of a refusal the library warns.
            (None, Some(_)) if !status.is_refused => {
                self.events.note("the registry does not answer".to_owned(), now);
            }
            _ => {}
        }
        self.hearing = status;
        // Here, once for all news: a service that is filtered out now has lost the cursor.
        if matches!(self.mode, Mode::Browsing | Mode::Filtering) {
            self.keep_cursor(now);
        }
    }

    /// The registry said something.
    pub(super) fn take_news(&mut self, news: News, now: Instant) {
        match news {
            News::Signs { signs, now, at } => {
                self.clock = Some(RegistryClock { wall: now, at });
                self.trouble = None;
                for sign in signs {
                    if let Some(entry) = self.services.get_mut(&sign.id) {
                        entry.last_heartbeat = sign.last_heartbeat;
                        entry.is_critical = sign.is_critical;
                    }
                }
            }
            News::NoSigns(reason) => {
                self.trouble = Some(output::harmless(&format!("no heartbeats are told: {reason}")));
            }
            News::Deregistered { id, refusal: None } => {
                self.notice = Some(output::harmless(&format!("deregistered {id}")));
            }
            News::Deregistered { id, refusal: Some(refusal) } => {
                let text = output::harmless(&format!("{id} is not deregistered: {refusal}"));
                self.events.note(text.clone(), now);
                self.notice = Some(text);
            }
        }
    }

    /// Somebody pressed `key`.
    pub(super) fn press(&mut self, key: Key, now: Instant) -> Effect {
        self.notice = None;
        if key == Key::Interrupt {
            return Effect::Quit;
        }
        match self.mode.clone() {
            Mode::Browsing => return self.browse(key, now),
            Mode::Filtering => self.write_filter(key, now),
            Mode::Inspecting { line } => self.inspect(key, line),
            Mode::Asking { id } => {
                self.mode = Mode::Browsing;
                if matches!(key, Key::Character('y' | 'Y')) {
                    return Effect::Deregister(id);
                }
                self.notice = Some("nothing was deregistered".to_owned());
            }
            Mode::Help => self.mode = Mode::Browsing,
        }
        Effect::Nothing
    }

    /// The lines of the table.
    pub(super) fn rows(&self, now: Instant) -> Vec<Row<'_>> {
        let entries = self.services.values();
        table::rows(entries, &self.filter, self.grouping, self.sorting, self.registry_time(now))
    }

    /// The time on the registry's clock, once it has told it.
    pub(super) fn registry_time(&self, now: Instant) -> Option<WallTime> {
        let RegistryClock { wall, at } = self.clock?;
        let since = now.saturating_duration_since(at).as_secs();
        Some(WallTime::from_unix_seconds(wall.unix_seconds().saturating_add(since)))
    }

    /// The selected service, with what was last heard of it, as a registry would tell it.
    pub(super) fn selected_service(&self) -> Option<Value> {
        let entry = self.services.get(self.selected.as_ref()?)?;
        let mut service = client::json_of(&entry.service);
        service["last_heartbeat"] = entry.last_heartbeat.unix_seconds().into();
        service["health"] = entry.health().into();
        Some(service)
    }

    /// For how long the registry has been silent, where it is.
    pub(super) fn silence(&self, now: Instant) -> Option<Duration> {
        self.hearing.silent_since.map(|since| now.saturating_duration_since(since))
    }

    pub(super) fn registry(&self) -> &str {
        &self.registry
    }

    pub(super) fn services(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.services.values()
    }

    pub(super) const fn events(&self) -> &Events {
        &self.events
    }

    pub(super) const fn is_by_lists(&self) -> bool {
        self.hearing.by_lists
    }

    pub(super) const fn merged(&self) -> u64 {
        self.hearing.merged
    }

    pub(super) const fn grouping(&self) -> Grouping {
        self.grouping
    }

    pub(super) const fn sorting(&self) -> Sorting {
        self.sorting
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    pub(super) fn selected(&self) -> Option<&str> {
        self.selected.as_deref()
    }

    pub(super) const fn mode(&self) -> &Mode {
        &self.mode
    }

    pub(super) fn notice(&self) -> Option<&str> {
        // Of a registry that is silent altogether, the head of the screen tells.
        let trouble = self.trouble.as_deref().filter(|_| self.hearing.silent_since.is_none());
        self.notice.as_deref().or(trouble)
    }

    fn browse(&mut self, key: Key, now: Instant) -> Effect {
        match key {
            Key::Character('q') => return Effect::Quit,
            Key::Character('?' | 'h') => self.mode = Mode::Help,
            Key::Character('/') => self.mode = Mode::Filtering,
            Key::Character('g') => self.grouping = self.grouping.next(),
            Key::Character('s') => self.sorting = self.sorting.next(),
            Key::Character('i') | Key::Enter if self.selected.is_some() => {
                self.mode = Mode::Inspecting { line: 0 };
            }
            Key::Character('d') => self.ask(),
            Key::Escape => {
                self.filter.clear();
                self.keep_cursor(now);
            }
            _ => self.move_cursor(key, now),
        }
        Effect::Nothing
    }

    fn write_filter(&mut self, key: Key, now: Instant) {
        match key {
            Key::Enter => self.mode = Mode::Browsing,
            Key::Escape => {
                self.filter.clear();
                self.mode = Mode::Browsing;
            }
            Key::Backspace => drop(self.filter.pop()),
            Key::Character(character)
                if !character.is_control() && self.filter.chars().count() < FILTER_LENGTH_MAX =>
            {
                self.filter.push(character);
            }
            _ => self.move_cursor(key, now),
        }
        self.keep_cursor(now);
    }

    fn inspect(&mut self, key: Key, line: usize) {
        let line = match key {
            Key::Up | Key::Character('k') => line.saturating_sub(1),
            Key::Down | Key::Character('j') => line + 1,
            Key::PageUp => line.saturating_sub(PAGE),
            Key::PageDown => line + PAGE,
            Key::Home => 0,
            Key::Character('d') => {
                self.ask();
                return;
            }
            _ => {
                self.mode = Mode::Browsing;
                return;
            }
        };
        // As far as there are lines at one character each, on the narrowest of screens.
        let lines = self.selected_service().map_or(0, |service| service.to_string().len());
        self.mode = Mode::Inspecting { line: line.min(lines) };
    }

    /// Asks whether to deregister the selected service.
    fn ask(&mut self) {
        if let Some(id) = self.selected.clone() {
            self.mode = Mode::Asking { id };
        }
    }

    fn move_cursor(&mut self, key: Key, now: Instant) {
        let position = self.position(now).unwrap_or(0);
        let position = match key {
            Key::Up | Key::Character('k') => position.saturating_sub(1),
            Key::Down | Key::Character('j') => position + 1,
            Key::PageUp => position.saturating_sub(PAGE),
            Key::PageDown => position + PAGE,
            Key::Home => 0,
            Key::End => usize::MAX,
            _ => return,
        };
        self.select(position, now);
    }

    /// The selected service, which was at `position`, is there no longer.
    fn lose_selected(&mut self, position: Option<usize>, now: Instant) {
        if matches!(self.mode, Mode::Inspecting { .. }) {
            self.mode = Mode::Browsing;
            let id = self.selected.take().unwrap_or_default();
            self.notice = Some(format!("{} is gone", output::harmless(&id)));
        }
        self.select(position.unwrap_or(0), now);
    }

    /// Puts the cursor on a service that is shown, where the one it was on is not.
    fn keep_cursor(&mut self, now: Instant) {
        if self.position(now).is_none() {
            self.select(0, now);
        }
    }

    /// Where the cursor is among the services that are shown.
    fn position(&self, now: Instant) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.shown(now).iter().position(|id| id == selected)
    }

    /// Puts the cursor on the service at `position`, or on the last.
    fn select(&mut self, position: usize, now: Instant) {
        let mut shown = self.shown(now);
        let last = shown.len().saturating_sub(1);
        self.selected = (!shown.is_empty()).then(|| shown.swap_remove(position.min(last)));
    }

    /// The ids of the services that are shown, in their order.
    fn shown(&self, now: Instant) -> Vec<String> {
        let rows = self.rows(now);
        let id = |row: &Row<'_>| match row {
            Row::Service(entry) => Some(entry.service.id.clone()),
            Row::Group { .. } => None,
        };
        rows.iter().filter_map(id).collect()
    }
}
