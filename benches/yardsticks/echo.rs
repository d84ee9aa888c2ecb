//! The yardstick for answers: ZeroMQ alone.
//!
//! Two ROUTER sockets in one thread each, which answer every message with the same body, without
//! looking at it. A registry that answers as fast costs nothing but ZeroMQ. `service-registry
//! bench` loads it as it loads a registry:
//!
//! ```sh
//! cargo run --release --example echo -- 300
//! service-registry bench --allow-foreign --req-port 40001 --hb-port 40002 --actions get,heartbeat
//! ```
//!
//! The argument is the size of the body in bytes. The ports are the system's choice and are
//! printed: `echo ready: requests 40001, heartbeats 40002`. It runs until it is killed.

use std::error::Error;
use std::thread;

use zmq::{Context, Message, Socket};

fn main() -> Result<(), Box<dyn Error>> {
    let size = std::env::args().nth(1).ok_or("give the size of the answers in bytes")?.parse()?;
    let body = body(size)?;
    let context = Context::new();
    let (requests, requests_port) = bind(&context)?;
    let (heartbeats, heartbeats_port) = bind(&context)?;
    println!("echo ready: requests {requests_port}, heartbeats {heartbeats_port}");

    let heartbeat_body = body.clone();
    thread::spawn(move || {
        if let Err(error) = answer(&heartbeats, &[&heartbeat_body]) {
            eprintln!("no heartbeats any more: {error}");
        }
    });
    Ok(answer(&requests, &[b"RESPONSE", &body])?)
}

/// A reply of a registry that is `size` bytes long.
fn body(size: usize) -> Result<Vec<u8>, String> {
    let frame = r#"{"success": true, "padding": ""}"#;
    let padding = size
        .checked_sub(frame.len())
        .ok_or_else(|| format!("the smallest answer has {} bytes", frame.len()))?;
    Ok(format!(r#"{{"success": true, "padding": "{}"}}"#, "x".repeat(padding)).into_bytes())
}

fn bind(context: &Context) -> Result<(Socket, String), Box<dyn Error>> {
    let socket = context.socket(zmq::ROUTER)?;
    socket.set_sndhwm(0)?;
    socket.bind("tcp://127.0.0.1:*")?;
    let endpoint = socket.get_last_endpoint()?.map_err(|_| "the endpoint is no text")?;
    let port = endpoint.rsplit(':').next().unwrap_or_default().to_owned();
    Ok((socket, port))
}

/// Answers every message with `frames`, for ever.
fn answer(socket: &Socket, frames: &[&[u8]]) -> zmq::Result<()> {
    let mut client = Message::new();
    let mut rest = Message::new();
    let (last, before) = frames.split_last().ok_or(zmq::Error::EINVAL)?;
    loop {
        socket.recv(&mut client, 0)?;
        let mut has_more = client.get_more();
        while has_more {
            socket.recv(&mut rest, 0)?;
            has_more = rest.get_more();
        }
        socket.send(&*client, zmq::SNDMORE)?;
        for frame in before {
            socket.send(*frame, zmq::SNDMORE)?;
        }
        socket.send(*last, 0)?;
    }
}
