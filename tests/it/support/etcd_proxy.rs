//! A way to a member of etcd on which transactions, or their answers, are lost when a test wants
//! it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::wait_until;

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It comes to etcd, and the answer back.
    Answered,
    /// It never comes to etcd, and the connection is closed.
    QuestionLost,
    /// It never comes to etcd, and nobody is told.
    QuestionHeld,
    /// Etcd answers, and the connection is closed before that comes back.
    AnswerLost,
    /// Etcd answers, and nobody is told.
    AnswerHeld,
}

impl Passage {
    /// Whether it comes to etcd.
    const fn is_asked(self) -> bool {
        matches!(self, Self::Answered | Self::AnswerLost | Self::AnswerHeld)
    }

    /// Whether who asked learns that there is no answer.
    const fn is_told(self) -> bool {
        !matches!(self, Self::QuestionHeld | Self::AnswerHeld)
    }
}

/// A door in front of a member of etcd, which can lose what passes.
pub(crate) struct EtcdProxy {
    port: u16,
    passages: Arc<Mutex<VecDeque<Passage>>>,
}

impl EtcdProxy {
    /// A way to the member at `url`.
    #[track_caller]
    pub(crate) fn to(url: &str) -> Self {
        let upstream = url.strip_prefix("http://").expect("it is asked without TLS").to_owned();
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = door.local_addr().unwrap().port();
        let passages = Arc::default();
        let proxy = Self { port, passages: Arc::clone(&passages) };
        // Both kinds of threads end with the process at the latest, as connections do.
        thread::spawn(move || {
            for near in door.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(&upstream) else { continue };
                let passages = Arc::clone(&passages);
                thread::spawn(move || pass_on(near, far, &passages));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What becomes of the transactions that come next. Those behind them are answered.
    pub(crate) fn next_transactions(&self, passages: &[Passage]) {
        self.passages.lock().unwrap().extend(passages);
    }

    /// Waits until all of that has happened.
    #[track_caller]
    pub(crate) fn wait_until_passed(&self) {
        wait_until("transactions come", || self.passages.lock().unwrap().is_empty());
    }
}

/// Passes on the questions of a connection, each behind the answer to the one before, until one end
/// closes it.
fn pass_on(near: TcpStream, mut far: TcpStream, passages: &Mutex<VecDeque<Passage>>) {
    let is_lost = Arc::new(AtomicBool::new(false));
    let closes = Arc::new(AtomicBool::new(true));
    let mut questions = BufReader::new(near.try_clone().unwrap());
    let back = {
        let (answers, is_lost, closes) =
            (far.try_clone().unwrap(), Arc::clone(&is_lost), Arc::clone(&closes));
        thread::spawn(move || pass_back(answers, near, &is_lost, &closes))
    };
    while let Some((question, is_transaction)) = next_question(&mut questions) {
        let passage = is_transaction.then(|| passages.lock().unwrap().front().copied()).flatten();
        let passage = passage.unwrap_or(Passage::Answered);
        closes.store(passage.is_told(), Ordering::Release);
        is_lost.store(passage != Passage::Answered, Ordering::Release);
        if passage.is_asked() && far.write_all(&question).is_err() {
            break;
        }
        if is_transaction {
            passages.lock().unwrap().pop_front();
        }
        if passage == Passage::QuestionLost {
            break;
        }
    }
    // Whoever waits for an answer is told that there is none, unless that is held.
    let _ = far.shutdown(Shutdown::Both);
    let _ = back.join();
}

/// Passes answers back as they come.
fn pass_back(mut far: TcpStream, mut near: TcpStream, is_lost: &AtomicBool, closes: &AtomicBool) {
    let mut buffer = [0; 64 * 1_024];
    while let Ok(count @ 1..) = far.read(&mut buffer) {
        if is_lost.load(Ordering::Acquire) || near.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    if closes.load(Ordering::Acquire) {
        let _ = near.shutdown(Shutdown::Both);
    }
}

/// The next question, whole, and whether it is a transaction; none, where nobody asks any more.
fn next_question(questions: &mut impl BufRead) -> Option<(Vec<u8>, bool)> {
    let mut question = Vec::new();
    let mut length = 0;
    loop {
        let start = question.len();
        if questions.read_until(b'\n', &mut question).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&question[start..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let is_transaction = question.starts_with(b"POST /v3/kv/txn ");
    let start = question.len();
    question.resize(start + length, 0);
    questions.read_exact(&mut question[start..]).ok()?;
    Some((question, is_transaction))
}
