//! All that is known of the selected service, in lines.

use std::time::Instant;

use service_registry::clock::WallTime;

use super::super::state::State;
use super::text::wrap;
use crate::cli::{output, services};

/// The lines, no wider than `width`.
pub(super) fn lines(state: &State, now: Instant, width: u16) -> Vec<String> {
    let Some(service) = state.selected_service() else { return Vec::new() };
    // Before the registry has told its time, a heartbeat is as old as it was then.
    let now = state.registry_time(now).unwrap_or(WallTime::from_unix_seconds(0));
    let text = services::details(&service, now);
    // The last, which is one long line there.
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("metadata ")).collect();
    let metadata = serde_json::to_string_pretty(&service["metadata"]).unwrap_or_default();
    let metadata: Vec<String> = metadata.lines().map(output::harmless).collect();
    lines.push("metadata");
    lines.extend(metadata.iter().map(String::as_str));
    lines.into_iter().flat_map(|line| wrap(line, usize::from(width))).collect()
}
