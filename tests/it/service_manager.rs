//! What the registry tells systemd, in whose place the tests listen.

mod journal;
mod manual;
mod notices;
#[cfg(target_os = "linux")]
mod watchdog;

#[cfg(all(feature = "etcd", target_os = "linux"))]
pub(crate) use watchdog::assert_watched;

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Launch};

/// Where a registry tells how it is doing.
pub(crate) struct Manager {
    /// How the registry is started.
    pub(crate) launch: Launch,
    socket: UnixDatagram,
}

impl Manager {
    #[track_caller]
    fn new() -> Self {
        Self::of(Launch::new())
    }

    /// The one that starts a registry so.
    #[track_caller]
    pub(crate) fn of(launch: Launch) -> Self {
        let path = launch.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let launch = launch.variable("NOTIFY_SOCKET", path.to_str().unwrap());
        Self { launch, socket }
    }

    /// The same, who takes a registry for dead of which it hears nothing for `timeout`.
    #[track_caller]
    pub(crate) fn with_watchdog(self, timeout: Duration) -> Self {
        let Self { launch, socket } = self;
        let launch = launch.variable("WATCHDOG_USEC", &timeout.as_micros().to_string());
        Self { launch, socket }
    }

    /// The next thing that is told, line by line; nothing where there is none for `patience`.
    #[track_caller]
    fn hears_within(&self, patience: Duration) -> Option<Vec<String>> {
        // A timeout of zero would be none.
        let patience = patience.max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 4_096];
        match self.socket.recv(&mut buffer) {
            Ok(length) => {
                let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
                Some(text.lines().map(str::to_owned).collect())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn hears(&self) -> Vec<String> {
        self.hears_within(DEADLINE).expect("something is told within the deadline")
    }

    /// Listens until a line is told that begins so, and returns it.
    #[track_caller]
    pub(crate) fn waits_for(&self, beginning: &str) -> String {
        let started = Instant::now();
        let mut heard = Vec::new();
        // Longer than usual: what is told now and then takes its time.
        while let Some(left) = (2 * DEADLINE).checked_sub(started.elapsed())
            && let Some(lines) = self.hears_within(left)
        {
            if let Some(line) = lines.iter().find(|line| line.starts_with(beginning)) {
                return line.clone();
            }
            heard.extend(lines);
        }
        panic!("nobody said {beginning:?}, but {heard:?}");
    }
}
