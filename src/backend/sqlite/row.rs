//! Rows of the tables, and the services and policies that they stand for.
//!
//! A row that no registration could have made is refused here. SQLite itself takes it: any
//! program can write to the file, and the type of a column is no more than a preference.

use std::borrow::Cow;
use std::net::IpAddr;

use rusqlite::Row;
use rusqlite::types::{FromSqlResult, ValueRef};
use thiserror::Error;

use crate::backend::StoredService;
use crate::clock::WallTime;
use crate::service::{
    Description, InvalidValue, Metadata, Parts, Service, ServiceId, Tags, Ttl, TypePolicy,
};

const SINGLETON: &str = "singleton";
const ALLOW_DUPLICATES: &str = "allow_duplicates";

/// Why a row stands for nothing.
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
        description: description(row)?,
        // It stands in a table of its own.
        owner: None,
    };
    let seconds = whole_number(row, 6, "last_heartbeat", "of seconds since 1970")?;
    Ok(StoredService { service, last_heartbeat: WallTime::from_unix_seconds(seconds) })
}

fn description(row: &Row<'_>) -> Result<Description, InvalidRow> {
    let parts = Parts {
        name: text(row, 1, "name")?.into(),
        host: text(row, 2, "host")?.into(),
        port: whole_number(row, 3, "port", "from 0 to 65535")?,
        // It stands in the metadata.
        service_type: None,
        metadata: metadata(optional_text(row, 4, "metadata")?)?,
        ttl: ttl(row, 5)?,
        tags: tags(optional_text(row, 7, "tags")?)?,
    };
    Ok(parts.into())
}

/// The id and the policy in `row`, whose columns stand in the order of the table.
pub(super) fn stored_policy(row: &Row<'_>) -> Result<(ServiceId, TypePolicy), InvalidRow> {
    let id = ServiceId::new(text(row, 0, "id")?).map_err(rule("id"))?;
    let policy = match text(row, 1, "policy")? {
        SINGLETON => TypePolicy::Singleton,
        ALLOW_DUPLICATES => TypePolicy::AllowDuplicates,
        _ => return Err(invalid("policy", "must be singleton or allow_duplicates")),
    };
    Ok((id, policy))
}

/// The id and the address in `row`, whose columns stand in the order of the table.
pub(super) fn stored_owner(row: &Row<'_>) -> Result<(ServiceId, IpAddr), InvalidRow> {
    let id = ServiceId::new(text(row, 0, "id")?).map_err(rule("id"))?;
    let address = text(row, 1, "address")?.parse();
    address.map(|address| (id, address)).map_err(|_| invalid("address", "must be an IP address"))
}

/// A policy as it stands in a row. The other two are never remembered, and mean nothing there.
pub(super) const fn policy_text(policy: TypePolicy) -> &'static str {
    match policy {
        TypePolicy::Singleton => SINGLETON,
        TypePolicy::AllowDuplicates => ALLOW_DUPLICATES,
        TypePolicy::Unspecified | TypePolicy::ServerDecides => "",
    }
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

fn ttl(row: &Row<'_>, index: usize) -> Result<Ttl, InvalidRow> {
    value(row, index, ValueRef::as_i64)
        .and_then(|seconds| u64::try_from(seconds).ok())
        .ok_or(InvalidValue::TtlOutOfRange)
        .and_then(Ttl::from_seconds)
        .map_err(rule("ttl"))
}

fn metadata(json: Option<&str>) -> Result<Metadata<'static>, InvalidRow> {
    json.map_or_else(|| Ok(Metadata::default()), Metadata::from_json).map_err(rule("metadata"))
}

fn tags(json: Option<&str>) -> Result<Tags<'static>, InvalidRow> {
    json.map_or_else(|| Ok(Tags::default()), Tags::from_json).map_err(rule("tags"))
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

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    const GOOD: [&str; 8] = ["'id'", "'name'", "'host'", "1", "'{}'", "30", "1700000000", "'[]'"];

    /// What a row is read as that has `value`, in SQL, in one column, and good ones in all others.
    fn read(column: usize, value: &str) -> Result<StoredService, String> {
        let mut columns = GOOD;
        columns[column] = value;
        Connection::open_in_memory()
            .unwrap()
            .query_row(&format!("SELECT {}", columns.join(", ")), [], |row| Ok(stored_service(row)))
            .unwrap()
            .map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn a_row_with_a_wrong_column_says_what_it_must_be() {
        for (column, values, expected) in [
            (0, &["NULL", "5", "x'ff'", "CAST(x'ff' AS TEXT)"][..], "id must be a text"),
            (0, &["''"], "id must not be empty"),
            (1, &["NULL", "x'41'"], "name must be a text"),
            (2, &["NULL", "x'41'"], "host must be a text"),
            (
                3,
                &["-1", "65536", "1.5", "'ssh'", "NULL"],
                "port must be a whole number from 0 to 65535",
            ),
            (
                4,
                &["'null'", "'[]'", "'{\"a\": NaN}'", "'{'", "'\"text\"'"],
                "metadata must be a JSON object",
            ),
            (4, &["5", "x'7b7d'"], "metadata must be a text or NULL"),
            (
                5,
                &["0", "4294967296", "-1", "2.5", "'ever'"],
                "ttl must be a whole number of seconds from 1 to 4294967295",
            ),
            (
                6,
                &["-1", "1.5", "'now'"],
                "last_heartbeat must be a whole number of seconds since 1970",
            ),
            (7, &["'null'", "'{}'", "'[1]'", "'['"], "tags must be a JSON list of texts"),
            (7, &["5"], "tags must be a text or NULL"),
        ] {
            for value in values {
                assert_eq!(read(column, value), Err(expected.to_owned()), "{value}");
            }
        }
    }

    #[test]
    fn the_smallest_and_the_largest_numbers_are_taken() {
        for (column, values) in
            [(3, ["0", "65535"]), (5, ["1", "4294967295"]), (6, ["0", "9223372036854775807"])]
        {
            for value in values {
                assert!(read(column, value).is_ok(), "{value}");
            }
        }
    }

    #[test]
    fn null_and_the_empty_text_are_empty_metadata_and_no_tags() {
        for nothing in ["NULL", "''"] {
            assert_eq!(read(4, nothing).unwrap().service.description.metadata(), "{}");
            assert!(read(7, nothing).unwrap().service.description.tags() == "[]");
        }
    }

    #[test]
    fn a_time_too_late_for_sqlite_is_the_latest_that_it_knows() {
        assert_eq!(seconds(WallTime::from_unix_seconds(u64::MAX)), i64::MAX);
    }
}
