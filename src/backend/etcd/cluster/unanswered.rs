//! Why a member of etcd gave no answer, in words for who has to mend it. Pure.

use std::io::{Error, ErrorKind};

/// Whether the question cannot have left this host.
pub(super) fn was_not_asked(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::ConnectionFailed
        | ureq::Error::HostNotFound
        | ureq::Error::BadUri(_)
        | ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => true,
        ureq::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        _ => false,
    }
}

/// What happened to a question to `url`, and what to do.
pub(super) fn tell(url: &str, error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => format!(
            "{url} cannot be reached: nothing listens there; see whether etcd runs on that host \
             (`systemctl status etcd`)"
        ),
        ureq::Error::HostNotFound | ureq::Error::Timeout(ureq::Timeout::Resolve) => format!(
            "{url} cannot be reached: this host does not know its name; see how it is written in \
             `etcd: endpoints`, and whether names are resolved"
        ),
        ureq::Error::ConnectionFailed | ureq::Error::Timeout(ureq::Timeout::Connect) => format!(
            "{url} cannot be reached: nobody answers; see whether the host is up, and what lies \
             between"
        ),
        error if was_not_asked(error) => format!("{url} cannot be reached: {error}"),
        ureq::Error::Timeout(_) => format!(
            "{url} does not answer within `request_timeout`; see its log for the disk, the network \
             and the majority of the members (`journalctl -u etcd`)"
        ),
        ureq::Error::Io(error) if url.starts_with("https") && is_turned_away(error) => format!(
            "{url} does not answer: {error}; see whether it takes the certificate in `cert_file`"
        ),
        ureq::Error::Io(error) => format!("{url} does not answer: {error}"),
        error => format!("{url} does not answer: {error}"),
    }
}

/// Whether a member may have closed the connection because it does not take the certificate: it
/// does so when it has let the question in, and only sometimes says why.
fn is_turned_away(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
        || error.to_string().contains("fatal alert")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_is_told_with_what_to_do() {
        let io = |kind: ErrorKind| ureq::Error::Io(kind.into());
        let plain = "http://lab-1:2379";
        let encrypted = "https://lab-1:2379";

        for (url, error, words, remedy) in [
            (plain, io(ErrorKind::ConnectionRefused), "nothing listens", "systemctl status etcd"),
            (plain, ureq::Error::HostNotFound, "does not know its name", "etcd: endpoints"),
            (plain, ureq::Error::Timeout(ureq::Timeout::Connect), "nobody", "the host is up"),
            (plain, ureq::Error::Timeout(ureq::Timeout::Global), "request_timeout", "journalctl"),
            (plain, io(ErrorKind::ConnectionReset), "does not answer: connection reset", ""),
            (encrypted, io(ErrorKind::ConnectionReset), "does not answer", "`cert_file`"),
        ] {
            let told = tell(url, &error);
            assert!(told.starts_with(url), "{told}");
            assert!(told.contains(words) && told.contains(remedy), "{told}");
        }
    }

    #[test]
    fn what_may_have_been_asked_is_known_from_what_was_not() {
        let io = |kind: ErrorKind| ureq::Error::Io(kind.into());

        assert!(was_not_asked(&io(ErrorKind::ConnectionRefused)));
        assert!(was_not_asked(&ureq::Error::Timeout(ureq::Timeout::Connect)));
        assert!(!was_not_asked(&io(ErrorKind::ConnectionReset)));
        assert!(!was_not_asked(&ureq::Error::Timeout(ureq::Timeout::Global)));
    }
}
