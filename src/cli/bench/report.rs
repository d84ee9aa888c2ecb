//! What was measured, for people and for scripts. Pure.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::output::{aligned, harmless};

use super::load::Measured;
use super::tally::Tally;

/// The latencies that are told: their keys, their headings, and the fraction of the requests that
/// did not take longer.
const QUANTILES: [(&str, &str, f64); 5] = [
    ("p50_us", "P50", 0.5),
    ("p90_us", "P90", 0.9),
    ("p99_us", "P99", 0.99),
    ("p99_9_us", "P99.9", 0.999),
    ("max_us", "MAX", 1.0),
];

/// A run, and all that was measured in it.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) endpoint: String,
    pub(super) clients: u32,
    pub(super) in_flight: u32,
    pub(super) services: u32,
    pub(super) rate: Option<u32>,
    pub(super) warm_up: Duration,
    /// How long it took to register the services.
    pub(super) set_up: Duration,
    pub(super) is_interrupted: bool,
    pub(super) measured: Vec<Measured>,
}

impl Report {
    /// See the page of [`super`] for what the keys mean.
    pub(super) fn json(&self) -> Value {
        let results = self
            .measured
            .iter()
            .flat_map(|measured| measured.tallies.iter().map(|tally| result(measured, tally)));
        json!({
            "success": true,
            "endpoint": self.endpoint,
            "clients": self.clients,
            "in_flight": self.in_flight,
            "services": self.services,
            "target_rate": self.rate,
            "warm_up": self.warm_up.as_secs_f64(),
            "set_up": self.set_up.as_secs_f64(),
            "interrupted": self.is_interrupted,
            "results": results.collect::<Vec<_>>(),
        })
    }

    /// A line about the run, a table, and what was refused.
    pub(super) fn text(&self) -> String {
        if self.measured.iter().all(|measured| measured.tallies.is_empty()) {
            return format!("{}\n\nnothing was measured", self.heading());
        }
        let headings = ["ACTION", "RATE/S"].into_iter();
        let headings = headings.chain(QUANTILES.map(|(_, heading, _)| heading)).chain(["ERRORS"]);
        let mut rows = vec![headings.map(str::to_owned).collect::<Vec<_>>()];
        let tallies =
            || self.measured.iter().flat_map(|it| it.tallies.iter().map(move |t| (it, t)));
        rows.extend(tallies().map(|(measured, tally)| row(measured, tally)));
        let table = aligned(&to_the_right(rows));
        let remarks = tallies().flat_map(|(measured, tally)| remarks(measured, tally));
        let lines = [self.heading(), String::new(), table].into_iter().chain(remarks);
        lines.collect::<Vec<_>>().join("\n")
    }

    fn heading(&self) -> String {
        let pace = match self.rate {
            None => "as fast as it answers".to_owned(),
            Some(rate) => format!("{} requests/s", with_separators(rate.into())),
        };
        format!(
            "{}: {} clients with {} in flight, {} services, {pace}",
            self.endpoint,
            with_separators(self.clients.into()),
            with_separators(self.in_flight.into()),
            with_separators(self.services.into()),
        )
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn with_separators(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn result(measured: &Measured, tally: &Tally) -> Value {
    let (request_bytes, reply_bytes) = tally.mean_bytes();
    let mut result = json!({
        "measurement": measured.name,
        "action": tally.action.name(),
        "seconds": measured.duration.as_secs_f64(),
        "count": tally.count(),
        "unsent": tally.unsent,
        "errors": tally.errors,
        "first_error": tally.first_error,
        "done": tally.done,
        "rate": rate(measured, tally),
        "request_bytes": request_bytes,
        "reply_bytes": reply_bytes,
        "mean_us": rounded(tally.mean_latency()),
    });
    for (key, _, quantile) in QUANTILES {
        result[key] = rounded(tally.latency(quantile)).into();
    }
    result
}

fn row(measured: &Measured, tally: &Tally) -> Vec<String> {
    let latencies = QUANTILES.map(|(_, _, quantile)| latency(tally.latency(quantile)));
    [label(measured, tally), with_separators(rate(measured, tally).round() as u64)]
        .into_iter()
        .chain(latencies)
        .chain([with_separators(tally.errors)])
        .collect()
}

/// The action, and what for where that is another one.
fn label(measured: &Measured, tally: &Tally) -> String {
    let action = tally.action.name();
    let is_for_another = measured.name != action && !measured.name.contains('=');
    if is_for_another { format!("{action} (to {})", measured.name) } else { action.to_owned() }
}

/// What a table has no room for.
fn remarks(measured: &Measured, tally: &Tally) -> Vec<String> {
    let name = label(measured, tally);
    let mut remarks = Vec::new();
    if let Some(error) = &tally.first_error {
        let (errors, error) = (with_separators(tally.errors), harmless(&error.to_string()));
        remarks.push(format!("{name}: {errors} errors, the first: {error}"));
    }
    if tally.unsent > 0 {
        let (unsent, count) = (with_separators(tally.unsent), with_separators(tally.count()));
        let seconds = measured.duration.as_secs_f64();
        remarks.push(format!(
            "{name}: {unsent} of the {count} requests that were due in {seconds} s found no client \
             with room and were not sent; their latency is the time that they waited"
        ));
    }
    remarks
}

fn rate(measured: &Measured, tally: &Tally) -> f64 {
    let seconds = measured.duration.as_secs_f64();
    if seconds > 0.0 { rounded(tally.done as f64 / seconds) } else { 0.0 }
}

/// To a tenth: what is beyond is noise.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Microseconds in a unit in which they have few digits.
fn latency(microseconds: f64) -> String {
    match microseconds {
        ..1_000.0 => format!("{microseconds:.0} µs"),
        ..10_000.0 => format!("{:.2} ms", microseconds / 1_000.0),
        ..1_000_000.0 => format!("{:.1} ms", microseconds / 1_000.0),
        _ => format!("{:.2} s", microseconds / 1_000_000.0),
    }
}

/// Cells that stand at the right of their column, but for the first column.
fn to_the_right(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let place = |(column, cell): (usize, String)| match column {
        0 => cell,
        _ => format!("{cell:>width$}", width = widths[column]),
    };
    rows.into_iter().map(|row| row.into_iter().enumerate().map(place).collect()).collect()
}
