//! The yardstick for registries that share a list: etcd used directly, by its JSON gateway.
//!
//! Asks a member, with the HTTP client of the registry, for what the registry asks it for, and
//! prints a line of JSON for each kind of request:
//!
//! ```sh
//! cargo run --release --features etcd --example etcd -- --url http://127.0.0.1:2379 --clients 8
//! ```
//!
//! ```json
//! {"action": "put", "clients": 8, "rate": 5120.3, "p50_us": 1480, "p99_us": 2970}
//! ```
//!
//! - `put`: one value, as large as a service is.
//! - `transaction`: what a registration takes: if the head was not changed since, put the head,
//!   the service and what the log says of it. Each client has a head of its own, so that none is
//!   refused.
//! - `range`: one value.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// As large as `service-registry bench` makes them, in the registry's records.
const HEAD_BYTES: usize = 80;
const SERVICE_BYTES: usize = 290;
const LOG_BYTES: usize = 640;

type Failure = Box<dyn Error + Send + Sync>;

/// Measure how many requests etcd answers.
#[derive(FromArgs)]
struct Arguments {
    /// the client URL of a member
    #[argh(option)]
    url: String,

    /// how many clients there are, each with a request under way (default: 8)
    #[argh(option, default = "8")]
    clients: u32,

    /// how many seconds to measure each kind of request (default: 2)
    #[argh(option, default = "2.0")]
    seconds: f64,
}

fn main() -> Result<(), Failure> {
    let arguments: Arguments = argh::from_env();
    let duration = Duration::try_from_secs_f64(arguments.seconds)?;
    for action in ["put", "transaction", "range"] {
        let latencies = measure(&arguments, action, duration)?;
        println!(
            "{}",
            json!({
                "action": action,
                "clients": arguments.clients,
                "rate": latencies.len() as f64 / duration.as_secs_f64(),
                "p50_us": latencies.value_at_quantile(0.5),
                "p99_us": latencies.value_at_quantile(0.99),
            })
        );
    }
    Ok(())
}

/// The latencies of all clients, in microseconds.
fn measure(
    arguments: &Arguments,
    action: &str,
    duration: Duration,
) -> Result<Histogram<u64>, Failure> {
    let mut all = Histogram::new(3)?;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..arguments.clients)
            .map(|number| {
                scope.spawn(move || Client::new(&arguments.url, number).run(action, duration))
            })
            .collect();
        for client in clients {
            all.add(client.join().map_err(|_| "a client panicked")??)?;
        }
        Ok(all)
    })
}

/// One client, with its own keys and a connection that is kept.
struct Client {
    agent: ureq::Agent,
    url: String,
    head: String,
    service: String,
    log: String,
    /// In which the head was changed last.
    revision: String,
}

impl Client {
    fn new(url: &str, number: u32) -> Self {
        let key = |part: &str| STANDARD.encode(format!("/yardstick/{number}/{part}"));
        Self {
            agent: ureq::Agent::config_builder().proxy(None).build().into(),
            url: url.to_owned(),
            head: key("head"),
            service: key("service"),
            log: key("log"),
            revision: String::new(),
        }
    }

    fn run(mut self, action: &str, duration: Duration) -> Result<Histogram<u64>, Failure> {
        let mut latencies = Histogram::new(3)?;
        // All keys are there when the time begins.
        self.put(&self.service, SERVICE_BYTES)?;
        let answer = self.put(&self.head, HEAD_BYTES)?;
        self.revision = revision(&answer)?;
        let started = Instant::now();
        while started.elapsed() < duration {
            let asked = Instant::now();
            match action {
                "put" => drop(self.put(&self.service, SERVICE_BYTES)?),
                "transaction" => self.transaction()?,
                _ => drop(self.ask("kv/range", &json!({"key": self.service}))?),
            }
            latencies.record(u64::try_from(asked.elapsed().as_micros())?)?;
        }
        Ok(latencies)
    }

    fn put(&self, key: &str, bytes: usize) -> Result<Value, Failure> {
        self.ask("kv/put", &json!({"key": key, "value": value(bytes)}))
    }

    fn transaction(&mut self) -> Result<(), Failure> {
        let put = |key: &str, bytes| json!({"requestPut": {"key": key, "value": value(bytes)}});
        let answer = self.ask(
            "kv/txn",
            &json!({
                "compare": [{"key": self.head, "target": "MOD", "modRevision": self.revision}],
                "success": [
                    put(&self.head, HEAD_BYTES),
                    put(&self.service, SERVICE_BYTES),
                    put(&self.log, LOG_BYTES),
                ],
            }),
        )?;
        if answer["succeeded"] != true {
            return Err(format!("somebody else changes what is measured: {answer}").into());
        }
        self.revision = revision(&answer)?;
        Ok(())
    }

    fn ask(&self, path: &str, question: &Value) -> Result<Value, Failure> {
        let url = format!("{}/v3/{path}", self.url);
        let request = self.agent.post(&url).content_type("application/json");
        let mut response = request.send(&serde_json::to_vec(question)?)?;
        Ok(serde_json::from_slice(&response.body_mut().read_to_vec()?)?)
    }
}

fn revision(answer: &Value) -> Result<String, Failure> {
    let revision = answer["header"]["revision"].as_str();
    Ok(revision.ok_or("the answer tells no revision")?.to_owned())
}

fn value(bytes: usize) -> String {
    STANDARD.encode(vec![b'v'; bytes])
}
