//! How every thread of the server is started, and how its end is noticed.
//!
//! The only place that starts threads: each has a name, and none can end, by returning, by
//! failing or by a panic, without the server hearing of it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::Sender;

/// Why a thread could not go on, in words for the person who runs the server.
pub(super) type Failure = String;

/// The last word of a thread.
#[derive(Debug)]
pub(super) struct Ended {
    /// Which thread.
    pub(super) thread: &'static str,
    /// Whether it ended because it was done.
    pub(super) result: Result<(), Failure>,
}

/// Starts a thread. Linux shows the first 15 bytes of `name`. `ended` must have room for the
/// last word of every thread that is given it.
pub(super) fn spawn(
    name: &'static str,
    ended: Sender<Ended>,
    run: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        // Whatever `run` was in the middle of is dropped with it; nothing half done is seen.
        let result = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|panic| Err(format!("it panicked: {}", panic_message(&*panic))));
        // Without a listener the server is gone, and there is nobody left to tell.
        let _ = ended.send(Ended { thread: name, result });
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;

    fn last_word(run: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Ended {
        let (sender, receiver) = bounded(1);
        spawn("tested", sender, run).unwrap().join().unwrap();
        receiver.recv().unwrap()
    }

    #[test]
    fn the_end_of_a_thread_is_heard_however_it_ends() {
        assert_eq!(last_word(|| Ok(())).result, Ok(()));
        assert_eq!(last_word(|| Err("no socket".to_owned())).result, Err("no socket".to_owned()));
        let panicked = last_word(|| panic!("at {}", "the disco"));
        assert_eq!(panicked.thread, "tested");
        assert_eq!(panicked.result, Err("it panicked: at the disco".to_owned()));
    }
}
