//! From the state to a picture: pure, and of any size.
//!
//! Everything is drawn with characters that every terminal has, and means the same without
//! colours. All text that services chose is made harmless on its way here.

use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::cli::output;

use super::events::Counters;
use super::keys::Mode;
use super::state::State;

mod columns;
mod details;
mod text;

use columns::Columns;
use text::{fit, put, span};

/// The narrowest and the lowest screen that has room for a service.
const WIDTH_MIN: u16 = 24;
const HEIGHT_MIN: u16 = 6;

/// From this height on, events are shown below the services.
const HEIGHT_WITH_EVENTS: u16 = 12;

/// What browsing is helped by.
const KEYS: &str = "?:help  q:quit  /:filter  s:sort  g:group  Enter:inspect  d:deregister";

const HELP: [&str; 19] = [
    "Up Down j k    move, PageUp PageDown Home End by more",
    "/              filter by id, name, type, address, tag or health",
    "               Enter keeps the filter, Escape clears it",
    "s              sort by name, silence (who is next to expire) or health",
    "g              group by type, by host, or not",
    "Enter i        all that is known of a service",
    "d              deregister it, after asking",
    "? h            this help",
    "q Ctrl-C       quit",
    "",
    "HEARTBEAT is the time since the last heartbeat, against the ttl. A full",
    "bar means critical: the service is no longer discovered, and expires",
    "with the next clean-up.",
    "",
    "By events: every change is told. By lists: the registry numbers no",
    "events, so it is asked every second, and what comes and goes in between",
    "is not seen.",
    "",
    "A running service that is deregistered registers again by itself.",
];

/// Which styles there are: none of them says anything alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Palette {
    has_colors: bool,
}

impl Palette {
    pub(super) const fn new(has_colors: bool) -> Self {
        Self { has_colors }
    }

    const fn color(self, color: Color) -> Style {
        if self.has_colors { Style::new().fg(color) } else { Style::new() }
    }

    const fn good(self) -> Style {
        self.color(Color::Green)
    }

    const fn late(self) -> Style {
        self.color(Color::Yellow)
    }

    const fn bad(self) -> Style {
        self.color(Color::Red).add_modifier(Modifier::BOLD)
    }

    const fn heading(self) -> Style {
        self.color(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    const fn selected() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// Draws `state` into `area` of `buffer`.
pub(super) fn draw(state: &State, palette: Palette, now: Instant, area: Rect, buffer: &mut Buffer) {
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let text = format!("needs {WIDTH_MIN} x {HEIGHT_MIN}");
        put(buffer, area, 0, &text, Style::new());
        return;
    }
    let [head, body, foot] = split(area, 3, 1);
    draw_head(state, palette, now, head, buffer);
    match state.mode() {
        Mode::Help => draw_lines(&HELP.map(str::to_owned), 0, body, buffer),
        Mode::Inspecting { line } => {
            draw_lines(&details::lines(state, now, body.width), *line, body, buffer);
        }
        _ => draw_body(state, palette, now, body, buffer),
    }
    draw_foot(state, palette, foot, buffer);
}

/// `area` as its first `head` lines, its last `foot` lines, and what is between.
fn split(area: Rect, head: u16, foot: u16) -> [Rect; 3] {
    let body = area.height.saturating_sub(head + foot);
    let part = |y, height| Rect { y: area.y + y, height, ..area };
    [part(0, head), part(head, body), part(head + body, foot)]
}

/// The registry and its services, how `top` hears of them, and what of them is shown.
fn draw_head(state: &State, palette: Palette, now: Instant, area: Rect, buffer: &mut Buffer) {
    let all = state.services().len();
    let critical = state.services().filter(|entry| entry.is_critical).count();
    let services = output::counted(all, "service", "services");
    let services = format!("{services}: {} passing, {critical} critical", all - critical);
    let style = if critical > 0 { palette.bad() } else { palette.good() };
    let place = format!("top {}  ", state.registry());
    if text::width(&place) + text::width(&services) <= usize::from(area.width) {
        put(buffer, area, 0, &place, palette.heading());
        let start = area.width.saturating_sub(u16::try_from(services.len()).unwrap_or(0));
        span(buffer, area, 0, start, &services, style);
    } else {
        // How they are matters more than where.
        put(buffer, area, 0, &format!("{critical} critical of {all}"), style);
    }
    if let Some(silence) = state.silence(now) {
        let seconds = silence.as_secs();
        let text = format!("NO ANSWER for {seconds} s; below is what was last known");
        put(buffer, area, 1, &text, palette.bad().add_modifier(Modifier::REVERSED));
    } else {
        let text = format!("{} {}", hears(state), counted(state.events().counters()));
        put(buffer, area, 1, &text, Style::new());
    }
    put(buffer, area, 2, &shown(state, now), Style::new());
}

fn hears(state: &State) -> String {
    let how = if state.is_by_lists() { "by lists" } else { "by events" };
    match state.merged() {
        0 => format!("{how}:"),
        merged => format!("{how}, {merged} merged:"),
    }
}

fn counted(counters: Counters) -> String {
    let Counters { registered, changed, deregistered, expired, missing } = counters;
    let text = format!(
        "{expired} expired, {registered} registered, {deregistered} deregistered, {changed} changed"
    );
    if missing > 0 { format!("{text}, {missing} missing") } else { text }
}

fn shown(state: &State, now: Instant) -> String {
    let text = format!("{}, by {}", state.grouping().name(), state.sorting().name());
    if state.filter().is_empty() {
        return text;
    }
    let is_service = |row: &super::table::Row<'_>| matches!(row, super::table::Row::Service(_));
    let shown = state.rows(now).iter().filter(|row| is_service(row)).count();
    let all = state.services().len();
    format!("{text}, filter {:?}: {shown} of {all}", state.filter())
}

/// The services, and the events where there is room.
fn draw_body(state: &State, palette: Palette, now: Instant, area: Rect, buffer: &mut Buffer) {
    let events = if area.height + 4 >= HEIGHT_WITH_EVENTS { area.height / 3 } else { 0 };
    let [headings, services, events] = split(area, 1, events);
    let columns = Columns::new(area.width, state.registry_time(now), palette);
    put(buffer, headings, 0, &columns.headings(), palette.heading());
    let rows = state.rows(now);
    let at = rows.iter().position(|row| columns::is_selected(row, state.selected()));
    // The cursor stays in the middle while there is something to see on both sides.
    let height = usize::from(services.height);
    let last = rows.len().saturating_sub(height);
    let first = at.unwrap_or(0).saturating_sub(height / 2).min(last);
    for (line, row) in (0..services.height).zip(rows.iter().skip(first)) {
        let is_selected = columns::is_selected(row, state.selected());
        columns.draw(row, is_selected, services, line, buffer);
    }
    if rows.is_empty() {
        let text = if state.filter().is_empty() { "no services" } else { "none has the filter" };
        put(buffer, services, 0, text, Style::new());
    }
    draw_events(state, palette, now, events, buffer);
}

fn draw_events(state: &State, palette: Palette, now: Instant, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    put(buffer, area, 0, "EVENTS, the latest first", palette.heading());
    for (line, event) in (1..area.height).zip(state.events().latest()) {
        let age = text::age(now.saturating_duration_since(event.at).as_secs());
        put(buffer, area, line, &format!("{age:>4}  {}", event.text), Style::new());
    }
}

/// What the program says or asks, or which keys there are.
fn draw_foot(state: &State, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let (text, style) = match (state.mode(), state.notice()) {
        (Mode::Asking { id }, _) => {
            let id = fit(&crate::cli::output::harmless(id), usize::from(area.width / 2));
            (format!("Deregister {id}? y: yes, other keys: no"), palette.bad())
        }
        (Mode::Filtering, _) => (format!("filter: {}_", state.filter()), palette.heading()),
        (_, Some(notice)) => (notice.to_owned(), palette.late()),
        (Mode::Help, _) => ("any key: back".to_owned(), palette.heading()),
        (Mode::Inspecting { .. }, _) => {
            ("Up Down: more  d:deregister  other keys: back".to_owned(), palette.heading())
        }
        (Mode::Browsing, _) => (KEYS.to_owned(), palette.heading()),
    };
    put(buffer, area, 0, &text, style);
}

fn draw_lines(lines: &[String], first: usize, area: Rect, buffer: &mut Buffer) {
    let last = lines.len().saturating_sub(usize::from(area.height));
    for (line, text) in (0..area.height).zip(lines.iter().skip(first.min(last))) {
        put(buffer, area, line, text, Style::new());
    }
}
