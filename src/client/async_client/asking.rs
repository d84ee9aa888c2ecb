//! Asking from a future: hands a question to the I/O thread and waits for the answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_channel::oneshot;

use crate::mailbox::{Postbox, mailbox};

use super::super::ClientError;
use super::super::connection::with_number;
use super::super::heartbeat::{Registrar, Turn};
use super::super::operation::{self, Operation};
use super::super::registration::Registration;
use super::super::registries::Registries;
use super::super::settings::{ClientSettings, TIMEOUT_MAX};
use super::super::thread::{Stop, Thread};
use super::io_thread::IoThread;
use super::question::{Alarm, Order, Question, Reply};

/// How many orders can be handed over before the caller must wait for the I/O thread. That takes
/// them within microseconds, whatever the registry does, so this wait is as short as for a lock.
const ORDERS_HANDED_OVER_MAX: usize = 1_024;

/// The futures' end of the I/O thread. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Asking {
    line: Arc<Line>,
    io_thread: Mutex<Thread>,
}

/// The way to the I/O thread. What is asked for over it is sent in the order in which it was
/// asked for.
#[derive(Debug)]
struct Line {
    orders: Postbox<Order>,
    registries: Registries,
    request_timeout: Duration,
    next_number: AtomicU64,
}

impl Asking {
    /// Starts the I/O thread.
    pub(super) fn start(settings: &ClientSettings) -> Result<Self, ClientError> {
        let (orders, mailbox) = mailbox(ORDERS_HANDED_OVER_MAX)?;
        let io_thread = IoThread::new(mailbox, settings.clone());
        let thread = Thread::start("registry-io", move |stop| io_thread.run(stop))?;
        let line = Arc::new(Line {
            orders,
            registries: settings.registries.clone(),
            request_timeout: settings.request_timeout,
            next_number: AtomicU64::new(1),
        });
        Ok(Self { line, io_thread: Mutex::new(thread) })
    }

    /// How the heartbeats of the client's service register it.
    pub(super) fn registrar(&self) -> Arc<dyn Registrar> {
        Arc::clone(&self.line) as _
    }

    /// Asks the registry at once; the future only waits for the answer. If it is dropped, the reply
    /// is thrown away.
    pub(super) fn ask<T>(
        &self,
        operation: Operation<T>,
        timeout: Duration,
    ) -> impl Future<Output = Result<T, ClientError>> + use<'_, T> {
        self.line.ask(operation, timeout)
    }

    /// Waits for `duration`, or until the client is closed, which is an error.
    pub(super) fn sleep(
        &self,
        duration: Duration,
    ) -> impl Future<Output = Result<(), ClientError>> + use<> {
        self.line.sleep(duration)
    }

    /// Ends the I/O thread. Whoever waits for an answer, or asks from now on, gets
    /// [`ClientError::Closed`].
    pub(super) fn close(&self) {
        self.io_thread.lock().unwrap_or_else(PoisonError::into_inner).request_stop();
    }
}

impl Line {
    fn ask<T>(
        &self,
        operation: Operation<T>,
        timeout: Duration,
    ) -> impl Future<Output = Result<T, ClientError>> + use<'_, T> {
        let (future, answer) = oneshot::channel();
        let number = self.next_number();
        let timeout = timeout.min(TIMEOUT_MAX);
        let deadline = Instant::now() + timeout;
        self.orders.send(Order::Ask(Question {
            number,
            body: with_number(&operation.request, number),
            repetition: operation.repetition,
            timeout,
            deadline,
            attempt_ends: deadline,
            tried: Vec::new(),
            silent: Vec::new(),
            cut_off: Vec::new(),
            future,
        }));
        async move {
            let Reply { body, by } = answer.await.map_err(closed)??;
            operation.answer(body, self.registries.at(by).requests.as_str())
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = Result<(), ClientError>> + use<> {
        let (future, alarm) = oneshot::channel();
        let due = (Instant::now() + duration.min(TIMEOUT_MAX), self.next_number());
        self.orders.send(Order::Wake(Alarm { due, future }));
        async move { alarm.await.map_err(closed) }
    }

    fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }
}

impl Registrar for Line {
    /// Releases the turn as soon as the request is handed over: what its owner asks for next is
    /// sent after it. So no future ever waits for a registration that heartbeats asked for.
    fn register(
        &self,
        registration: &Registration,
        turn: MutexGuard<'_, Turn>,
        stop: &Stop,
    ) -> Result<(), ClientError> {
        let answer = self.ask(operation::register(registration), self.request_timeout);
        drop(turn);
        stop.wait_for(answer)?.ok_or(ClientError::Closed)??;
        Ok(())
    }
}

/// The I/O thread drops a question without an answer only when it ends.
fn closed(_: oneshot::Canceled) -> ClientError {
    ClientError::Closed
}
