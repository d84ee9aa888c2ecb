//! The frames around a body: who sent it, and how the answer must be wrapped.

use std::iter::once;
use std::ops::Deref;

use super::fault::RequestFault;

/// The routing id of a client, as its ROUTER connection names it.
pub type Identity = Vec<u8>;

/// How many frames of a message are looked at: the identity of the sender, which the ROUTER adds,
/// and what the longest envelope has. One more would only be ignored.
pub const FRAMES_MAX: usize = 5;

/// The message type of a request that is to be answered.
pub const REQUEST: &[u8] = b"REQ";

/// The message type of a request that is not to be answered.
pub const REQUEST_WITHOUT_REPLY: &[u8] = b"REQ_NO_REPLY";

/// The message type of every answer.
pub const RESPONSE: &[u8] = b"RESPONSE";

/// What a REQ socket puts between its envelope and its body.
const DELIMITER: &[u8] = b"";

/// How an answer is wrapped, which follows from how the question was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// A message type, then the body: a DEALER on the request socket.
    Typed,
    /// An empty frame, then the body: a plain REQ socket.
    Delimited,
    /// An empty frame, a message type, then the body: a REQ socket that sends the type, too.
    DelimitedTyped,
    /// The body alone: a DEALER on the heartbeat socket.
    Bare,
    /// No answer is wanted.
    Silent,
}

/// A message, opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who sent it: the routing id of the client.
    pub client: &'a [u8],
    /// How to wrap the answer.
    pub envelope: Envelope,
    /// What it says, or what is wrong with its frames.
    pub body: Result<&'a [u8], RequestFault>,
}

impl Envelope {
    /// The frames of the answer `body` to `client`, or none where no answer is wanted.
    pub fn seal<'a>(
        self,
        client: &'a [u8],
        body: &'a [u8],
    ) -> Option<impl Iterator<Item = &'a [u8]>> {
        let between: &[&[u8]] = match self {
            Self::Typed => &[RESPONSE],
            Self::Delimited => &[DELIMITER],
            Self::DelimitedTyped => &[DELIMITER, RESPONSE],
            Self::Bare => &[],
            Self::Silent => return None,
        };
        Some(once(client).chain(between.iter().copied()).chain(once(body)))
    }
}

/// Opens a message of the request socket: the identity of the sender, then what it sent. Frames
/// after the body are ignored, as the Python registry does.
#[must_use]
pub fn open_request<Frame: Deref<Target = [u8]>>(frames: &[Frame]) -> Message<'_> {
    let (client, delimited, rest) = split(frames);
    let (envelope, body) = match rest {
        [body] if delimited => (Envelope::Delimited, Ok(&**body)),
        [message_type, body, ..] => match answer_to(message_type, delimited) {
            Some(envelope) => (envelope, Ok(&**body)),
            None => (typed(delimited), Err(unknown_type(message_type))),
        },
        [only] => match answer_to(only, delimited) {
            Some(envelope) => (envelope, Err(malformed("the body is missing behind its type"))),
            None => (Envelope::Typed, Err(malformed(EXPECTED))),
        },
        [] => (Envelope::Typed, Err(malformed(EXPECTED))),
    };
    Message { client, envelope, body }
}

/// Opens a message of the heartbeat socket: the identity of the sender, then what it sent.
#[must_use]
pub fn open_heartbeat<Frame: Deref<Target = [u8]>>(frames: &[Frame]) -> Message<'_> {
    let (client, delimited, rest) = split(frames);
    let envelope = if delimited { Envelope::Delimited } else { Envelope::Bare };
    let body = match rest {
        [body] => Ok(&**body),
        _ => Err(malformed("expected one frame, the body of the heartbeat")),
    };
    Message { client, envelope, body }
}

/// The identity, whether a delimiter follows it, and the frames after these.
fn split<Frame: Deref<Target = [u8]>>(frames: &[Frame]) -> (&[u8], bool, &[Frame]) {
    match frames {
        [client, delimiter, rest @ ..] if delimiter.is_empty() && !rest.is_empty() => {
            (client, true, rest)
        }
        [client, rest @ ..] => (client, false, rest),
        [] => (&[], false, &[]),
    }
}

const EXPECTED: &str = "expected two frames, the message type REQ or REQ_NO_REPLY and the body";

fn unknown_type(message_type: &[u8]) -> RequestFault {
    let shown: String = String::from_utf8_lossy(message_type).chars().take(40).collect();
    malformed(&format!("unknown message type {shown:?}, {EXPECTED}"))
}

/// How a message of this type is answered, if there is such a type. Only REQ asks for an answer;
/// the others are carried out without one.
fn answer_to(message_type: &[u8], delimited: bool) -> Option<Envelope> {
    match message_type {
        REQUEST => Some(typed(delimited)),
        REQUEST_WITHOUT_REPLY | b"HB" | b"NOTIF" | RESPONSE => Some(Envelope::Silent),
        _ => None,
    }
}

const fn typed(delimited: bool) -> Envelope {
    if delimited { Envelope::DelimitedTyped } else { Envelope::Typed }
}

fn malformed(what: &str) -> RequestFault {
    RequestFault::MalformedMessage(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(frames: &[&[u8]]) -> (Envelope, Option<Vec<u8>>) {
        let all = [&[b"me".as_slice()], frames].concat();
        let message = open_request(&all);
        assert_eq!(message.client, b"me");
        (message.envelope, message.body.ok().map(<[u8]>::to_vec))
    }

    #[test]
    fn the_answer_is_wrapped_as_the_question_was() {
        assert_eq!(open(&[b"REQ", b"{}"]), (Envelope::Typed, Some(b"{}".to_vec())));
        assert_eq!(open(&[b"", b"{}"]), (Envelope::Delimited, Some(b"{}".to_vec())));
        assert_eq!(open(&[b"", b"REQ", b"{}"]), (Envelope::DelimitedTyped, Some(b"{}".to_vec())));
        assert_eq!(open(&[b"REQ", b"{}", b"more"]), (Envelope::Typed, Some(b"{}".to_vec())));
    }

    #[test]
    fn only_req_is_answered() {
        for message_type in [b"REQ_NO_REPLY".as_slice(), b"HB", b"NOTIF", b"RESPONSE"] {
            assert_eq!(open(&[message_type, b"{}"]), (Envelope::Silent, Some(b"{}".to_vec())));
        }
    }

    #[test]
    fn unknown_types_and_missing_frames_are_answered_with_what_is_wrong() {
        for frames in [&[b"{}".as_slice()] as &[&[u8]], &[b"REQ"], &[b""], &[b"WHAT", b"{}"], &[]] {
            assert_eq!(open(frames), (Envelope::Typed, None), "{frames:?}");
        }
        assert_eq!(open(&[b"", b"WHAT", b"{}"]), (Envelope::DelimitedTyped, None));
    }

    #[test]
    fn a_message_type_without_a_body_that_wants_no_answer_gets_none() {
        assert_eq!(open(&[b"REQ_NO_REPLY"]), (Envelope::Silent, None));
    }

    #[test]
    fn a_heartbeat_is_one_frame_with_or_without_a_delimiter() {
        let open = |frames: &[&[u8]]| {
            let message = open_heartbeat(frames);
            (message.envelope, message.body.is_ok())
        };

        assert_eq!(open(&[b"me", b"{}"]), (Envelope::Bare, true));
        assert_eq!(open(&[b"me", b"", b"{}"]), (Envelope::Delimited, true));
        assert_eq!(open(&[b"me", b"REQ", b"{}"]), (Envelope::Bare, false));
        assert_eq!(open(&[b"me", b"", b"REQ", b"{}"]), (Envelope::Delimited, false));
        assert_eq!(open(&[b"me"]), (Envelope::Bare, false));
    }
}
