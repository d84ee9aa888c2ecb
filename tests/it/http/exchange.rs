//! HTTP as a test speaks it: over plain TCP, so that it can also speak it badly.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::support::{self, DEADLINE, Launch, Registry};

/// What a registry answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    /// The value of a header; empty, where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

/// How a registry is started that can be looked at over HTTP.
pub(super) fn launch() -> Launch {
    Launch::new().flag("--http", "127.0.0.1:0")
}

/// Where the log says that it can be looked at.
#[track_caller]
pub(crate) fn address(registry: &Registry) -> SocketAddr {
    let mut address = None;
    wait_until(|| {
        let log = registry.log();
        let said = log.split_once("http://").and_then(|(_, rest)| rest.split_once("/\n"));
        address = said.and_then(|(address, _)| address.parse().ok());
        address.is_some()
    });
    address.unwrap()
}

#[track_caller]
pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

#[track_caller]
pub(super) fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, "GET", target)
}

#[track_caller]
pub(super) fn ask(address: SocketAddr, method: &str, target: &str) -> Answer {
    send(address, &format!("{method} {target} HTTP/1.1\r\nHost: registry\r\n\r\n"))
}

/// The answer to whatever is sent.
#[track_caller]
pub(super) fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    receive(&mut stream)
}

/// The answer that comes before the connection is closed.
#[track_caller]
pub(super) fn receive(stream: &mut TcpStream) -> Answer {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers and closes");
    let answer = String::from_utf8(answer).expect("it answers text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("it answers with a head");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|status| status.get(..3)?.parse().ok());
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a header is a name and a value");
        (name.to_owned(), value.to_owned())
    });
    let status = status.expect("the first line has a status");
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}

/// Looks again and again until a condition holds; one that never does fails the test.
#[track_caller]
pub(super) fn wait_until(condition: impl FnMut() -> bool) {
    support::wait_until("it comes true", condition);
}
