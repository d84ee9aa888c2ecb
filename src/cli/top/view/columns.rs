//! The table of services: which columns a width has room for, and what stands in them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use service_registry::clock::WallTime;

use super::super::table::{Entry, Row, silence};
use super::Palette;
use super::text::{age, fit, put, span, width};
use crate::cli::output;

/// What fills a bar, and what is left of it.
const FILLED: &str = "#";
const EMPTY: &str = ".";

const BAR_WIDTH: usize = 10;

/// Room for any IPv4 address and port.
const ADDRESS_WIDTH: usize = 21;

/// Without a heartbeat for more than this part of its ttl, a service has missed one.
const LATE: f64 = 0.5;

/// A column, in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Type,
    Address,
    Id,
    Health,
    Bar,
    Age,
}

/// All columns with their headings, their widths, and from which width of the screen on they
/// are shown. The name takes what is left.
const COLUMNS: [(Column, &str, usize, usize); 7] = [
    (Column::Name, "  NAME", 0, 0),
    (Column::Type, "TYPE", 10, 76),
    (Column::Address, "ADDRESS", ADDRESS_WIDTH, 64),
    (Column::Id, "ID", 38, 120),
    (Column::Health, "HEALTH", 8, 0),
    (Column::Bar, "HEARTBEAT", BAR_WIDTH, 46),
    (Column::Age, "/TTL", 9, 34),
];

/// The columns of one picture.
pub(super) struct Columns {
    columns: Vec<(Column, &'static str, usize)>,
    /// The time on the registry's clock.
    now: Option<WallTime>,
    palette: Palette,
}

/// Whether `row` is the service with the id `selected`.
pub(super) fn is_selected(row: &Row<'_>, selected: Option<&str>) -> bool {
    matches!(row, Row::Service(entry) if Some(entry.service.id.as_str()) == selected)
}

impl Columns {
    pub(super) fn new(screen: u16, now: Option<WallTime>, palette: Palette) -> Self {
        let screen = usize::from(screen);
        let shown = COLUMNS.into_iter().filter(|&(.., from)| screen >= from);
        let mut columns: Vec<_> =
            shown.map(|(column, heading, width, _)| (column, heading, width)).collect();
        let others: usize = columns.iter().map(|&(.., width)| width + 1).sum();
        columns[0].2 = screen.saturating_sub(others);
        Self { columns, now, palette }
    }

    pub(super) fn headings(&self) -> String {
        let cells = self.columns.iter().map(|&(_, heading, width)| format!("{heading:<width$}"));
        cells.collect::<Vec<_>>().join(" ")
    }

    /// Draws `row` on a line of `area`.
    pub(super) fn draw(
        &self,
        row: &Row<'_>,
        is_selected: bool,
        area: Rect,
        line: u16,
        buffer: &mut Buffer,
    ) {
        let entry = match *row {
            Row::Service(entry) => entry,
            Row::Group { label, services, critical } => {
                let label = fit(&output::harmless(label), usize::from(area.width / 2));
                let text = match critical {
                    0 => format!("{label} ({services})"),
                    _ => format!("{label} ({services}, {critical} critical)"),
                };
                put(buffer, area, line, &text, Style::new().add_modifier(Modifier::BOLD));
                return;
            }
        };
        let row_style = if is_selected { Palette::selected() } else { Style::new() };
        put(buffer, area, line, &" ".repeat(usize::from(area.width)), row_style);
        let mut start = 0;
        for &(column, _, width_max) in &self.columns {
            let text = cell(column, entry, self.now, is_selected);
            let style = row_style.patch(style(column, entry, self.now, self.palette));
            span(buffer, area, line, start, &fit(&text, width_max), style);
            start += u16::try_from(width_max + 1).unwrap_or(u16::MAX);
        }
    }
}

fn cell(column: Column, entry: &Entry, now: Option<WallTime>, is_selected: bool) -> String {
    let service = &entry.service;
    match column {
        // The mark tells where the cursor is on a terminal that cannot reverse.
        Column::Name if is_selected => format!("> {}", output::harmless(&service.name)),
        Column::Name => format!("  {}", output::harmless(&service.name)),
        Column::Type => output::harmless(service.service_type().unwrap_or("-")),
        Column::Address => {
            let endpoint = service.endpoint();
            address(&output::harmless(endpoint.strip_prefix("tcp://").unwrap_or(&endpoint)))
        }
        Column::Id => output::harmless(&service.id),
        Column::Health => entry.health().to_owned(),
        Column::Bar => now.map_or_else(String::new, |_| bar(silence(entry, now))),
        Column::Age => {
            let age_text =
                now.map_or("-".to_owned(), |now| age(now.seconds_since(entry.last_heartbeat)));
            format!("{age_text}/{}", age(u64::from(service.ttl)))
        }
    }
}

/// An address whose port stays to be seen, whatever its host.
fn address(text: &str) -> String {
    let Some((host, port)) = text.rsplit_once(':') else { return text.to_owned() };
    let room = ADDRESS_WIDTH.saturating_sub(width(port) + 1);
    format!("{}:{port}", fit(host, room))
}

fn bar(silence: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "from 0 to the width of the bar"
    )]
    let filled = (silence.clamp(0.0, 1.0) * BAR_WIDTH as f64) as usize;
    FILLED.repeat(filled) + &EMPTY.repeat(BAR_WIDTH - filled)
}

fn style(column: Column, entry: &Entry, now: Option<WallTime>, palette: Palette) -> Style {
    match column {
        Column::Health | Column::Bar if entry.is_critical => palette.bad(),
        Column::Bar | Column::Age if silence(entry, now) > LATE => palette.late(),
        Column::Health | Column::Bar => palette.good(),
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_when_the_ttl_is_over() {
        assert_eq!(bar(0.0), "..........");
        assert_eq!(bar(0.5), "#####.....");
        assert_eq!(bar(0.99), "#########.");
        assert_eq!(bar(1.0), "##########");
        assert_eq!(bar(1e9), "##########");
    }

    #[test]
    fn every_width_is_filled_and_none_is_exceeded() {
        for screen in 24..200 {
            let columns = Columns::new(screen, None, Palette::new(false)).columns;
            let all: usize = columns.iter().map(|&(.., width)| width + 1).sum();

            assert_eq!(all, usize::from(screen), "the last space is beyond the screen");
            assert!(columns[0].2 >= 10, "a name of {} at {screen}", columns[0].2);
        }
    }

    #[test]
    fn a_long_host_leaves_the_port_to_be_seen() {
        assert_eq!(address("255.255.255.255:65535"), "255.255.255.255:65535");
        assert_eq!(address("control-room.lab.example:40123"), "control-room.l~:40123");
    }
}
