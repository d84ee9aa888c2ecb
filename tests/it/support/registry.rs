//! The real binary, running.

use std::fs;
use std::thread;

use super::{
    Client, DEADLINE, Endpoints, Finished, HeartbeatClient, Launch, Process, Subscriber,
    Transcript, wait_until,
};

/// The commands that ask one question, or a few.
const ASKING_ONCE: [&str; 9] = [
    "stop",
    "status",
    "health",
    "list-services",
    "get",
    "discover",
    "register",
    "deregister",
    "bench",
];

/// A registry that is ready. Dropping it kills it and removes its folder; where the test fails,
/// it prints what was said and logged.
pub(crate) struct Registry {
    process: Option<Process>,
    launch: Launch,
    ready_line: String,
    endpoints: Endpoints,
    transcript: Transcript,
}

impl Registry {
    /// A registry as [`Launch::new`] starts it.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Launch::new().start()
    }

    #[track_caller]
    pub(crate) fn new(process: Process, launch: Launch) -> Self {
        Self::unless_it_ends(process, launch).unwrap_or_else(|finished| {
            panic!("it ends instead of getting ready: {finished:?}");
        })
    }

    /// The registry when it is ready, or how it ended before.
    #[track_caller]
    pub(crate) fn unless_it_ends(mut process: Process, launch: Launch) -> Result<Self, Finished> {
        let Some(ready_line) = process.next_line() else { return Err(process.wait()) };
        let endpoints = endpoints_in(&ready_line);
        let transcript = Transcript::default();
        Ok(Self { process: Some(process), launch, ready_line, endpoints, transcript })
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.endpoints.requests, &self.transcript)
    }

    pub(crate) fn heartbeat_client(&self) -> HeartbeatClient {
        HeartbeatClient::connect(&self.endpoints.heartbeats, &self.transcript)
    }

    /// A subscriber whose subscription is active.
    #[track_caller]
    pub(crate) fn subscriber(&self) -> Subscriber {
        Subscriber::connect(&self.endpoints, &self.transcript)
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    pub(crate) fn ready_line(&self) -> &str {
        &self.ready_line
    }

    pub(crate) fn launch(&self) -> &Launch {
        &self.launch
    }

    /// What the server logged until now.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Waits for a line of the log that contains `words`. The log comes by a pipe, so it can come
    /// behind what it tells of.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, words: &str) -> String {
        self.wait_for_lines(words, 1)
    }

    /// As [`Self::wait_for_line`], until there are so many of them; the last one.
    #[track_caller]
    pub(crate) fn wait_for_lines(&self, words: &str, count: usize) -> String {
        let mut found = None;
        // Where it does not come, the log is printed when this is dropped.
        wait_until(&format!("{words:?} is {count} times in the log"), || {
            let log = self.log();
            // A line that is not at its end yet is none.
            let written = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
            let mut lines = written.lines().filter(|line| line.contains(words));
            found = lines.nth(count - 1).map(str::to_owned);
            found.is_some()
        });
        found.expect("it was waited for")
    }

    /// Runs a command of the binary that asks this registry. One that asks once waits for the
    /// answer as long as the tests do, unless it says how long.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let port = port_of(&self.endpoints.requests).to_string();
        let patience = DEADLINE.as_secs().to_string();
        let says_how_long = arguments.iter().any(|argument| argument.starts_with("--timeout"));
        let asks_once = arguments.first().is_some_and(|command| ASKING_ONCE.contains(command));
        let patience: &[&str] =
            if asks_once && !says_how_long { &["--timeout", &patience] } else { &[] };
        self.launch.run(&[arguments, &["--req-port", &port], patience].concat())
    }

    /// As [`Self::run`], without waiting for its end. The port comes first, because `run` takes
    /// what follows its command for the command's.
    #[track_caller]
    pub(crate) fn begin(&self, command: &str, arguments: &[&str]) -> Process {
        let port = port_of(&self.endpoints.requests).to_string();
        self.launch.begin(&[&[command, "--req-port", &port], arguments].concat())
    }

    #[track_caller]
    pub(crate) fn process_id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// How much memory it takes (`VmRSS:`), or has taken at the most (`VmHWM:`), in KiB.
    #[track_caller]
    pub(crate) fn memory(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("Linux tells");
        let number = line.split_whitespace().next().and_then(|text| text.parse().ok());
        number.expect("it is a number")
    }

    /// How many file descriptors it has.
    #[track_caller]
    pub(crate) fn open_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process_id())).expect("it runs").count()
    }

    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        self.process.as_ref().expect("it runs").signal(name);
    }

    /// Stops it by `terminate`, and expects that it ends well.
    #[track_caller]
    pub(crate) fn stop(self) -> Finished {
        let reply = self.client().request(&serde_json::json!({"action": "terminate"}));
        assert_eq!(reply["success"], true);
        let finished = self.wait();
        finished.assert_code(0);
        finished
    }

    /// Ends it as a power cut does.
    #[track_caller]
    pub(crate) fn kill(self) {
        self.signal("KILL");
        assert_eq!(self.wait().code(), None, "a signal ended it");
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Finished {
        self.process.take().expect("it runs").wait()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if thread::panicking() {
            self.transcript.print();
            eprintln!("---- log of the server ----\n{}", self.log());
        }
    }
}

/// The port in an endpoint.
#[track_caller]
pub(crate) fn port_of(endpoint: &str) -> u16 {
    endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).expect("it ends in a port")
}

#[track_caller]
fn endpoints_in(ready_line: &str) -> Endpoints {
    let endpoint = |part: &str, name: &str| {
        let endpoint = part.strip_prefix(name).expect("the ready line names its endpoints");
        // What listens everywhere is reached here.
        endpoint.replace("tcp://0.0.0.0:", "tcp://127.0.0.1:")
    };
    let parts: Vec<&str> = ready_line
        .strip_prefix("service-registry ready: ")
        .unwrap_or_else(|| panic!("{ready_line:?} is no ready line"))
        .split(", ")
        .collect();
    let [requests, events, heartbeats] = parts[..] else { panic!("{ready_line:?} names three") };
    Endpoints {
        requests: endpoint(requests, "requests "),
        events: endpoint(events, "events "),
        heartbeats: endpoint(heartbeats, "heartbeats "),
    }
}
