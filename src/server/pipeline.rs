//! Starting the threads, and stopping them in the order in which requests pass through them.

use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::messages::{Stop, ToRequests};
use super::thread::{Ended, Failure, spawn};
use super::vitals::{
    EVENTS, FOLLOWER, GATEKEEPER, GUARD, HEARTBEATS, HERALD, HTTP, REQUESTS, STORAGE, TIMER, Vitals,
};
use super::wiring::{Controls, Materials, Threads};

/// How many threads there are at the most, each with one last word.
const THREADS: usize = 10;

/// The running threads, and what it takes to stop them. Dropping it stops them.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// None when the threads were told to stop.
    controls: Option<Controls>,
    threads: Vec<JoinHandle<()>>,
    last_words: Sender<Ended>,
    ended: Receiver<Ended>,
}

impl Pipeline {
    /// Starts all threads. Should one of them not start, those that did are stopped.
    pub(super) fn start(materials: Materials) -> io::Result<(Self, Vitals)> {
        let (threads, controls, vitals) = Threads::wire(materials)?;
        let mut pipeline = Self::idle(controls);
        pipeline.spawn_all(threads)?;
        Ok((pipeline, vitals))
    }

    /// Those that were not started are dropped before the pipeline is: the storage thread ends
    /// when nobody holds a sender of jobs.
    fn spawn_all(&mut self, threads: Threads) -> io::Result<()> {
        let Threads { gatekeeper, guard, events, storage, heartbeats, requests, timer, .. } =
            threads;
        let keeps_gatekeeper = threads.keeps_gatekeeper;
        self.spawn(GATEKEEPER, || gatekeeper.run())?;
        self.spawn(GUARD, || guard.run())?;
        self.spawn(EVENTS, holding(keeps_gatekeeper.clone(), || events.run()))?;
        if let Some(follower) = threads.follower {
            self.spawn(FOLLOWER, || follower.run())?;
        }
        if let Some(herald) = threads.herald {
            self.spawn(HERALD, || herald.run())?;
        }
        self.spawn(STORAGE, || storage.run())?;
        self.spawn(HEARTBEATS, holding(keeps_gatekeeper.clone(), || heartbeats.run()))?;
        self.spawn(REQUESTS, holding(keeps_gatekeeper, || requests.run()))?;
        self.spawn(TIMER, || timer.run())?;
        if let Some(http) = threads.http {
            self.spawn(HTTP, || http.run())?;
        }
        Ok(())
    }

    /// Where each thread that ends says its last word.
    pub(super) const fn ended(&self) -> &Receiver<Ended> {
        &self.ended
    }

    /// Stops the threads and waits for them: no new requests, then the storage thread runs dry,
    /// then the last events leave. The first failure on the way, if there was one.
    pub(super) fn stop(&mut self) -> Result<(), Ended> {
        if let Some(controls) = self.controls.take() {
            controls.requests.send(ToRequests::Stop);
            controls.heartbeats.send(Stop);
            controls.http.send(Stop);
            // Should the storage thread be dead, the mailboxes close now, with their last sender.
        }
        while let Some(thread) = self.threads.pop() {
            // A panic was caught and reported in the thread itself.
            let _ = thread.join();
        }
        self.ended.try_iter().find(|ended| ended.result.is_err()).map_or(Ok(()), Err)
    }

    fn idle(controls: Controls) -> Self {
        let (last_words, ended) = bounded(THREADS);
        Self { controls: Some(controls), threads: Vec::new(), last_words, ended }
    }

    fn spawn(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> Result<(), Failure> + Send + 'static,
    ) -> io::Result<()> {
        self.threads.push(spawn(name, self.last_words.clone(), run)?);
        Ok(())
    }
}

/// `run`, with a hold on something until it has returned and closed its socket.
fn holding<Held, Run: FnOnce() -> Result<(), Failure>>(
    held: Held,
    run: Run,
) -> impl FnOnce() -> Result<(), Failure> {
    move || {
        let ended = run();
        drop(held);
        ended
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if let Err(Ended { thread, result: Err(reason) }) = self.stop() {
            log::error!("the {thread} thread failed: {reason}");
        }
    }
}
