//! The decoder: frames, then what is in them.
//!
//! An input is a message, its frames parted by line feeds; the first is the sender's identity.

use serde_json::Value;
use service_registry::protocol::envelope::{Envelope, Message, open_heartbeat, open_request};
use service_registry::protocol::fault::RequestFault;
use service_registry::protocol::request::{ParsedBody, read_heartbeat, read_request};
use service_registry::protocol::request_id::RequestId;

use crate::json::answer_in;

/// Opens and reads `input` as a message of either socket.
pub fn check(input: &[u8]) {
    let frames: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    check_message(&open_request(&frames), &frames, read_request);
    check_message(&open_heartbeat(&frames), &frames, read_heartbeat);
}

fn check_message<T>(
    message: &Message<'_>,
    frames: &[&[u8]],
    read: impl FnOnce(&[u8]) -> ParsedBody<T>,
) {
    assert_eq!(message.client, frames[0]);
    check_envelope(message.envelope, message.client);
    match &message.body {
        Ok(body) => {
            let ParsedBody { request_id, request, .. } = check_body(body, read);
            if let Err(fault) = request {
                check_refusal(&fault, request_id.as_ref());
            }
        }
        Err(fault) => check_refusal(fault, None),
    }
}

/// An answer is wanted or not, and goes back to whom it is for.
fn check_envelope(envelope: Envelope, client: &[u8]) {
    match envelope.seal(client, b"{}") {
        None => assert_eq!(envelope, Envelope::Silent),
        Some(mut answer) => {
            assert_eq!(answer.next(), Some(client));
            assert_eq!(answer.last(), Some(b"{}".as_slice()));
        }
    }
}

/// A refusal can be told, with the id of what is refused.
fn check_refusal(fault: &RequestFault, request_id: Option<&RequestId>) {
    let mut body = fault.reply().body();
    if let Some(request_id) = request_id {
        request_id.echo(&mut body);
    }
    let answer = answer_in(&body);
    assert_eq!(answer["success"], false);
    assert_eq!(answer.contains_key("request_id"), request_id.is_some());
}

/// What is no JSON is refused as such, and nothing else is.
fn check_body<T>(body: &[u8], read: impl FnOnce(&[u8]) -> ParsedBody<T>) -> ParsedBody<T> {
    let question = read(body);
    let json = serde_json::from_slice::<Value>(body);
    match &question.request {
        Err(RequestFault::InvalidJson) => assert!(json.is_err() || may_have_private_name(body)),
        Err(RequestFault::NotAnObject { .. }) => assert!(json.is_ok_and(|json| !json.is_object())),
        Ok(_) | Err(_) => assert!(json.is_ok_and(|json| json.is_object())),
    }
    question
}

/// Names that serde_json keeps for itself are refused although they are JSON. They can be escaped.
fn may_have_private_name(body: &[u8]) -> bool {
    let contains = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    contains(b"$serde_json::private::") || contains(br"\u00")
}
