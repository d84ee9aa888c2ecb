//! Rows of the table `services`, and the services that they stand for.
//!
//! A row that no registration could have made is refused here. SQLite itself takes it: any
//! program can write to the file, and the type of a column is no more than a preference.

use std::borrow::Cow;

use rusqlite::Row;
use rusqlite::types::{FromSqlResult, ValueRef};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::backend::StoredService;
use crate::clock::WallTime;
use crate::service::{InvalidValue, Metadata, Service, ServiceId, Ttl};

/// Why a row stands for no service.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{column} {rule}")]
pub(super) struct InvalidRow {
    column: &'static str,
    rule: Cow<'static, str>,
}

/// The service in `row`, whose columns stand in the order of the table.
pub(super) fn stored_service(row: &Row<'_>) -> Result<StoredService, InvalidRow> {
    let service = Service {
        id: ServiceId::new(text(row, 0, "id")?).map_err(rule("id"))?,
        name: text(row, 1, "name")?.into(),
        host: text(row, 2, "host")?.into(),
        port: whole_number(row, 3, "port", "from 0 to 65535")?,
        metadata: metadata(optional_text(row, 4, "metadata")?)?,
        ttl: Ttl::from_seconds(whole_number(row, 5, "ttl", "of seconds, at least 1")?)
            .map_err(rule("ttl"))?,
        tags: tags(optional_text(row, 7, "tags")?)?,
    };
    let seconds = whole_number(row, 6, "last_heartbeat", "of seconds since 1970")?;
    Ok(StoredService { service, last_heartbeat: WallTime::from_unix_seconds(seconds) })
}

/// What to call a row whose columns are not to be trusted.
pub(super) fn label(row: &Row<'_>) -> String {
    match row.get_ref(0) {
        Ok(ValueRef::Text(id)) => format!("{:?}", String::from_utf8_lossy(id)),
        _ => "without an id".to_owned(),
    }
}

/// Seconds as SQLite holds them, in 63 bits: enough until long after the sun is gone.
pub(super) fn seconds(time: WallTime) -> i64 {
    i64::try_from(time.unix_seconds()).unwrap_or(i64::MAX)
}

/// Tags as JSON text.
pub(super) fn tags_json(tags: &[Box<str>]) -> String {
    Value::from_iter(tags.iter().map(|tag| &**tag)).to_string()
}

fn metadata(json: Option<&str>) -> Result<Metadata, InvalidRow> {
    match json {
        None => Metadata::from_object(&Map::new()),
        Some(json) => Metadata::from_json(json),
    }
    .map_err(rule("metadata"))
}

fn tags(json: Option<&str>) -> Result<Box<[Box<str>]>, InvalidRow> {
    match json {
        None => Ok(Box::default()),
        Some(json) => {
            serde_json::from_str(json).map_err(|_| invalid("tags", "must be a JSON list of texts"))
        }
    }
}

fn text<'a>(row: &'a Row<'_>, index: usize, column: &'static str) -> Result<&'a str, InvalidRow> {
    value(row, index, ValueRef::as_str).ok_or_else(|| invalid(column, "must be a text"))
}

/// The Python registry takes NULL and the empty text alike.
fn optional_text<'a>(
    row: &'a Row<'_>,
    index: usize,
    column: &'static str,
) -> Result<Option<&'a str>, InvalidRow> {
    value(row, index, ValueRef::as_str_or_null)
        .map(|text| text.filter(|text| !text.is_empty()))
        .ok_or_else(|| invalid(column, "must be a text or NULL"))
}

fn whole_number<T: TryFrom<i64>>(
    row: &Row<'_>,
    index: usize,
    column: &'static str,
    range: &str,
) -> Result<T, InvalidRow> {
    value(row, index, ValueRef::as_i64)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| invalid(column, format!("must be a whole number {range}")))
}

fn value<'a, T>(
    row: &'a Row<'_>,
    index: usize,
    read: impl FnOnce(&ValueRef<'a>) -> FromSqlResult<T>,
) -> Option<T> {
    read(&row.get_ref(index).ok()?).ok()
}

fn rule(column: &'static str) -> impl FnOnce(InvalidValue) -> InvalidRow {
    move |broken| invalid(column, broken.to_string())
}

fn invalid(column: &'static str, rule: impl Into<Cow<'static, str>>) -> InvalidRow {
    InvalidRow { column, rule: rule.into() }
}
