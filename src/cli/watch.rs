//! `service-registry watch`.

use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use serde_json::json;
use service_registry::client::{Change, ClientError, Removal, Service, WatchStatus};

use super::asking::asking_command;
use super::client::{health, json_of};
use super::failure::Failure;
use super::{Exit, output, warnings};

/// How often it is looked whether the registry has fallen silent.
const GLANCE: Duration = Duration::from_millis(500);

asking_command! {
    #[json("print each change as a line of JSON, also on failure")]
    /// Print every change in a registry as a line, beginning with the services that are there.
    #[argh(
        subcommand,
        name = "watch",
        help_triggers("-h", "--help", "help"),
        note = "Each line has the change, and the id, type, name, address and health of the \
            service. The changes are registered, changed, deregistered, expired, retyped (no \
            longer of the --service-type) and missing (gone during an interruption, so it is not \
            known how).",
        note = "It goes on after a restart of the registry, and reports interruptions on standard \
            error. Ctrl-C ends it."
    )]
    struct Watch {
        /// only services of this type
        #[argh(option, from_str_fn(super::asking::service_type))]
        service_type: Option<String>,
    }
}

impl Watch {
    pub(super) fn run(&self) -> Exit {
        self.follow().map_or_else(
            |failure| {
                if self.json {
                    return super::asking::tell(&Err(failure), true);
                }
                failure.tell()
            },
            |()| Exit::Done,
        )
    }

    /// Ends when nobody reads on.
    fn follow(&self) -> Result<(), Failure> {
        warnings::show(|warning| output::complain(&warning));
        let client = self.asking().client()?;
        let watch = match &self.service_type {
            Some(service_type) => client.watch_type(service_type)?,
            None => client.watch()?,
        };
        let mut was_silent = false;
        loop {
            tell_silence(&mut was_silent, &watch.status());
            match watch.next_change(GLANCE) {
                Ok(change) => {
                    let line = if self.json { json_line(&change) } else { line(&change) };
                    if !output::print_while_read(&line)? {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ClientError::ThreadFailed.into());
                }
            }
        }
    }
}

/// Says on standard error that the registry fell silent, or answers again. Of all else that a
/// reader of the lines must know, the library warns.
fn tell_silence(was_silent: &mut bool, status: &WatchStatus) {
    let is_silent = status.silent_since.is_some();
    match (std::mem::replace(was_silent, is_silent), is_silent) {
        (false, true) if status.trouble.is_none() => {
            output::complain("the registry does not answer; waiting for it");
        }
        (true, false) => output::complain("the registry answers again"),
        _ => {}
    }
}

/// A change in one line, harmless to a terminal.
pub(super) fn line(change: &Change) -> String {
    let service = change.service();
    let service_type = service.service_type().unwrap_or("-");
    let Service { id, name, .. } = &**service;
    let address = service.endpoint();
    let address = address.strip_prefix("tcp://").unwrap_or(&address);
    let cells = [id, service_type, name, address, health(service)].map(output::harmless);
    format!("{:<12}  {}", word(change), cells.join("  "))
}

fn json_line(change: &Change) -> String {
    let mut json = json!({"change": word(change), "service": json_of(change.service())});
    if let Change::Changed { before, .. } = change {
        json["before"] = json_of(before);
    }
    output::harmless_json(&json.to_string())
}

fn word(change: &Change) -> &'static str {
    match change {
        Change::Registered(_) => "registered",
        Change::Changed { .. } => "changed",
        Change::Removed { how: Removal::Deregistered, .. } => "deregistered",
        Change::Removed { how: Removal::Expired, .. } => "expired",
        Change::Removed { how: Removal::OtherType, .. } => "retyped",
        _ => "missing",
    }
}
