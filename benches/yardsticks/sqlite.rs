//! The yardstick for registrations: SQLite alone.
//!
//! Stores the rows that `service-registry bench` registers, in a file of a registry, with its
//! statements and its durability, so many in a transaction, and prints a line of JSON for each
//! size of transaction:
//!
//! ```sh
//! cargo run --release --example sqlite -- --services 1000 --seconds 3
//! ```
//!
//! ```json
//! {"batch": 256, "rows": 393216, "seconds": 3.001, "rows_per_second": 131028.3}
//! ```
//!
//! `--folder` is where the file is put for the time being; it should be on the disk that the
//! registry's database is on. Without it that is the current folder. The rows are stored again
//! and again, each time with another port, as a registry stores services that were started again.
//! (SQLite writes nothing, and syncs nothing, where a row stays as it was.)

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use argh::FromArgs;
use rusqlite::{Connection, params};
use serde_json::json;
use service_registry::backend::{Backend, SqliteBackend};

const STORE: &str = "
INSERT INTO services (id, name, host, port, metadata, ttl, last_heartbeat, tags)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, host = excluded.host, port = excluded.port,
    metadata = excluded.metadata, ttl = excluded.ttl,
    last_heartbeat = excluded.last_heartbeat, tags = excluded.tags";

const STORE_OWNER: &str = "
INSERT INTO owners (id, address) VALUES (?1, ?2)
ON CONFLICT (id) DO UPDATE SET address = excluded.address
WHERE owners.address IS NOT excluded.address";

/// Measure how many registrations SQLite commits.
#[derive(FromArgs)]
struct Arguments {
    /// how many services there are (default: 1000)
    #[argh(option, default = "1_000")]
    services: u32,

    /// how many seconds to measure each size of transaction (default: 3)
    #[argh(option, default = "3.0")]
    seconds: f64,

    /// rows in a transaction, of several measurements (default: 1,8,256,1024)
    #[argh(option, default = "String::from(\"1,8,256,1024\")")]
    batches: String,

    /// where to put the file (default: here)
    #[argh(option, default = "PathBuf::from(\".\")")]
    folder: PathBuf,
}

/// What a registration is in a row.
struct Row {
    id: String,
    name: String,
    metadata: String,
    tags: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Arguments = argh::from_env();
    let batches: Vec<usize> =
        arguments.batches.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let rows: Vec<Row> = (0..arguments.services).map(Row::new).collect();
    if rows.is_empty() || batches.contains(&0) {
        return Err("there must be services, and rows in a transaction".into());
    }
    let duration = Duration::try_from_secs_f64(arguments.seconds)?;
    for batch in batches {
        let folder = tempfile::Builder::new().prefix("yardstick-").tempdir_in(&arguments.folder)?;
        let connection = open(&folder.path().join("registry.db"))?;
        let (stored, elapsed) = store(&connection, &rows, batch, duration)?;
        let seconds = elapsed.as_secs_f64();
        println!(
            "{}",
            json!({
                "batch": batch,
                "rows": stored,
                "seconds": seconds,
                "rows_per_second": stored as f64 / seconds,
            })
        );
    }
    Ok(())
}

/// A registry's file, opened as a registry opens it.
fn open(path: &std::path::Path) -> Result<Connection, Box<dyn Error>> {
    let backend: Box<dyn Backend> = Box::new(SqliteBackend::open(path)?);
    backend.close()?;
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Stores rows until `duration` is over. All of them are there when the time begins.
fn store(
    connection: &Connection,
    rows: &[Row],
    batch: usize,
    duration: Duration,
) -> rusqlite::Result<(usize, Duration)> {
    let mut ports = (40_000_u16..60_000).cycle();
    commit(connection, rows.iter().zip(&mut ports))?;
    let mut endless = rows.iter().cycle().zip(ports);
    let mut stored = 0;
    let started = Instant::now();
    while started.elapsed() < duration {
        commit(connection, endless.by_ref().take(batch))?;
        stored += batch;
    }
    Ok((stored, started.elapsed()))
}

fn commit<'a>(
    connection: &Connection,
    rows: impl Iterator<Item = (&'a Row, u16)>,
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    {
        let mut store = transaction.prepare_cached(STORE)?;
        let mut store_owner = transaction.prepare_cached(STORE_OWNER)?;
        for (row, port) in rows {
            store.execute(params![
                row.id,
                row.name,
                "127.0.0.1",
                port,
                row.metadata,
                3_600,
                1_700_000_000,
                row.tags
            ])?;
            store_owner.execute([&row.id, "127.0.0.1"])?;
        }
    }
    transaction.commit()
}

impl Row {
    /// As `service-registry bench` registers it.
    fn new(number: u32) -> Self {
        let id = format!("bench-a1b2c3-{number:07}");
        let service_type = id.to_uppercase();
        let metadata =
            json!({"service_port": 40_124, "monitoring_port": 40_125, "type": service_type});
        Self {
            name: format!("Bench {number:07}"),
            metadata: metadata.to_string(),
            tags: json!([service_type]).to_string(),
            id,
        }
    }
}
