//! What an HTTP peer is answered, ready to be sent.

use std::sync::Arc;

use crate::clock::WallTime;

/// What a page may do: nothing at all.
pub(super) const NO_CONTENT: &str = "default-src 'none'; frame-ancestors 'none'";

/// The last second of the year 9999: HTTP has four digits for a year.
const LAST_DATE: u64 = 253_402_300_799;

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) status: Status,
    pub(super) content_type: &'static str,
    /// What a browser may do with it.
    pub(super) content_policy: String,
    /// Shared by all who ask for the same at the same time.
    pub(super) body: Arc<Vec<u8>>,
}

/// How it went, in the words of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    Misdirected,
    HeadTooLarge,
    Unavailable,
}

impl Status {
    const fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::Misdirected => "421 Misdirected Request",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

impl Response {
    pub(super) fn json(status: Status, body: Arc<Vec<u8>>) -> Self {
        let content_policy = NO_CONTENT.to_owned();
        Self { status, content_type: "application/json", content_policy, body }
    }

    pub(super) fn text(status: Status, text: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            content_policy: NO_CONTENT.to_owned(),
            body: Arc::new(text.as_bytes().to_vec()),
        }
    }

    /// Everything before the body.
    pub(super) fn head(&self, now: WallTime) -> String {
        let allow = match self.status {
            Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        format!(
            "HTTP/1.1 {}\r\n\
             Date: {}\r\n\
             Content-Type: {}\r\n\
             Content-Length: {}\r\n\
             Content-Security-Policy: {}\r\n\
             {allow}\
             Cache-Control: no-store\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n\
             Referrer-Policy: no-referrer\r\n\
             X-Content-Type-Options: nosniff\r\n\
             Connection: close\r\n\
             \r\n",
            self.status.line(),
            date(now),
            self.content_type,
            self.body.len(),
            self.content_policy,
        )
    }
}

fn date(now: WallTime) -> String {
    let seconds = now.unix_seconds().min(LAST_DATE);
    httpdate::fmt_http_date(WallTime::from_unix_seconds(seconds).system_time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_whose_clock_is_far_off_has_a_date_all_the_same() {
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_795_381_200, "Sun, 22 Nov 2026 21:00:00 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(date(WallTime::from_unix_seconds(seconds)), expected);
        }
    }

    #[test]
    fn who_may_only_look_is_told_so() {
        let head = |status| Response::text(status, "").head(WallTime::from_unix_seconds(0));

        assert!(head(Status::MethodNotAllowed).contains("\r\nAllow: GET, HEAD\r\n"));
        assert!(!head(Status::NotFound).contains("Allow"));
    }
}
