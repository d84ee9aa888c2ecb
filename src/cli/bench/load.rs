//! One measurement: requests out and answers in, from one thread, for as long as it lasts.

use std::time::{Duration, Instant};

use crate::cli::failure::Failure;

use super::BenchError;
use super::action::{Action, Workload};
use super::connection::Answer;
use super::fleet::{Fleet, Note};
use super::interrupt::Interrupt;
use super::pace::{Moment, Pace, Tempo, Window, moment};
use super::progress::{Progress, Step};
use super::requests::Requests;
use super::tally::{Exchange, Tallies, Tally};
use super::waiting::GLANCE;

/// How many passing services each client has, so that one is long gone when it comes again.
const PASSING_PER_CLIENT: u32 = 1_000;

/// The moment of what is never counted.
const NEVER: Moment = Moment::MAX;

/// What a measurement needs beside its clients.
pub(super) struct Conditions<'a> {
    /// How many services there are to ask for.
    pub(super) services: u32,
    pub(super) tempo: Tempo,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    /// How long a client may go without any answer.
    pub(super) patience: Duration,
    pub(super) interrupt: &'a Interrupt,
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) name: String,
    /// How long it was measured, which is shorter than was wanted where it was interrupted.
    pub(super) duration: Duration,
    pub(super) tallies: Vec<Tally>,
}

/// A measurement that goes on.
pub(super) struct Load<'a> {
    fleet: &'a mut Fleet,
    requests: &'a mut Requests,
    workload: &'a Workload,
    conditions: &'a Conditions<'a>,
    started: Instant,
    window: Window,
    pace: Pace,
    tallies: Tallies,
    is_sending: bool,
    /// How many more requests the clients have room for.
    room: usize,
    /// The client that sends next where several could.
    next_client: usize,
    next_registered: u32,
    random: fastrand::Rng,
}

impl<'a> Load<'a> {
    pub(super) fn new(
        fleet: &'a mut Fleet,
        requests: &'a mut Requests,
        workload: &'a Workload,
        conditions: &'a Conditions<'a>,
    ) -> Result<Self, Failure> {
        let window = Window::new(conditions.warm_up, conditions.duration);
        let room = fleet.clients.len() * fleet.in_flight;
        Ok(Self {
            fleet,
            requests,
            workload,
            conditions,
            started: Instant::now(),
            window,
            pace: Pace::new(conditions.tempo, window),
            tallies: Tallies::new(window).map_err(BenchError::from)?,
            is_sending: true,
            room,
            next_client: 0,
            next_registered: 0,
            random: fastrand::Rng::new(),
        })
    }

    /// Goes on until the time is over, or it is interrupted, and all is answered.
    pub(super) fn run(mut self, progress: &mut Progress) -> Result<Measured, Failure> {
        let mut glanced = Instant::now();
        let mut ended = self.window.end;
        loop {
            let now = self.now();
            if self.is_sending {
                self.send_due(now)?;
                let is_interrupted = self.conditions.interrupt.is_asked();
                if now >= self.window.end || is_interrupted {
                    ended = now.min(self.window.end);
                    self.stop_sending(ended)?;
                }
            }
            self.read()?;
            let is_answered = !self.is_sending && self.fleet.under_way() == 0;
            if is_answered || self.conditions.interrupt.is_urgent() {
                break;
            }
            if glanced.elapsed() >= GLANCE {
                glanced = Instant::now();
                self.glance(glanced, progress)?;
            }
            self.wait()?;
        }
        let duration = Duration::from_nanos(ended.saturating_sub(self.window.start));
        let name = self.workload.name().to_owned();
        Ok(Measured { name, duration, tallies: self.tallies.finish() })
    }

    fn now(&self) -> Moment {
        moment(self.started.elapsed())
    }

    /// Sends what is due, as far as there is room for it.
    fn send_due(&mut self, now: Moment) -> Result<(), Failure> {
        while self.room > 0
            && let Some((index, due)) = self.pace.take(now)
        {
            while !self.fleet.has_room(self.next_client) {
                self.next_client = (self.next_client + 1) % self.fleet.clients.len();
            }
            self.send(self.next_client, index, due)?;
            self.next_client = (self.next_client + 1) % self.fleet.clients.len();
        }
        Ok(())
    }

    /// Sends nothing more but what leaves the registry as it was.
    fn stop_sending(&mut self, ended: Moment) -> Result<(), Failure> {
        self.is_sending = false;
        self.tallies.end(ended);
        if self.conditions.tempo != Tempo::ClosedLoop {
            while let Some((index, due)) = self.pace.take(ended) {
                self.tallies.count_unsent(self.workload.turn(index), due, ended);
            }
        }
        for client in 0..self.fleet.clients.len() {
            if self.fleet.clients[client].passings % 2 == 1 {
                self.send_action(client, Action::Deregister, NEVER)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, client: usize, index: u64, due: Moment) -> Result<(), Failure> {
        self.send_action(client, self.workload.turn(index), due)
    }

    fn send_action(&mut self, client: usize, action: Action, due: Moment) -> Result<(), Failure> {
        let (action, body) = match action {
            // Registered and deregistered by turns, so that there always is one to deregister.
            Action::Deregister => {
                let passings = self.fleet.clients[client].passings;
                self.fleet.clients[client].passings = passings.wrapping_add(1);
                let number = client as u32 * PASSING_PER_CLIENT + passings / 2 % PASSING_PER_CLIENT;
                if passings.is_multiple_of(2) {
                    (Action::Register, self.requests.register_passing(number))
                } else {
                    (action, self.requests.deregister_passing(number))
                }
            }
            Action::Register => {
                let number = self.next_registered;
                self.next_registered = (number + 1) % self.conditions.services;
                (action, self.requests.body(action, number))
            }
            _ if action.needs_a_service() => {
                let number = self.random.u32(..self.conditions.services);
                (action, self.requests.body(action, number))
            }
            _ => (action, self.requests.body(action, 0)),
        };
        self.room = self.room.saturating_sub(1);
        self.fleet.send(client, body, Note { action, due, bytes: body.len() })
    }

    /// Reads answers wherever some may have come, and sends what becomes due with them.
    fn read(&mut self) -> Result<(), Failure> {
        for line in 0..self.fleet.lines.len() {
            if self.fleet.lines[line].is_to_be_read {
                self.read_line(line)?;
            }
        }
        Ok(())
    }

    /// Reads what has come on one line: no more than what was under way, so that the others get
    /// their turn.
    fn read_line(&mut self, line: usize) -> Result<(), Failure> {
        for _ in 0..=self.fleet.in_flight {
            let Some(answer) = self.fleet.lines[line].connection.receive()? else {
                self.fleet.lines[line].is_to_be_read = false;
                return Ok(());
            };
            let client = self.fleet.lines[line].client;
            self.fleet.clients[client].under_way -= 1;
            self.room += 1;
            let answered = moment(answer.at.saturating_duration_since(self.started));
            self.count(answer, answered);
            if self.is_sending
                && let Some((index, due)) = self.pace.take(answered)
            {
                self.send(client, index, due)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, answer: Answer<Note>, answered: Moment) {
        let Note { action, due, bytes } = answer.note;
        let exchange = Exchange { due, answered, request_bytes: bytes, reply_bytes: answer.bytes };
        self.tallies.count(action, exchange, answer.refusal);
    }

    fn glance(&mut self, now: Instant, progress: &mut Progress) -> Result<(), Failure> {
        for line in &self.fleet.lines {
            line.connection.check_for_silence(now, self.conditions.patience)?;
        }
        progress.show(Step::Loading {
            name: self.workload.name(),
            elapsed: self.started.elapsed(),
            warm_up: self.conditions.warm_up,
            all: self.conditions.duration,
            done: self.tallies.done(),
            errors: self.tallies.errors(),
        });
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Failure> {
        let at_most = if self.fleet.lines.iter().any(|line| line.is_to_be_read) {
            Duration::ZERO
        } else if !self.is_sending {
            GLANCE
        } else if self.room == 0 {
            // Only an answer makes room, or the end of it all.
            Duration::from_nanos(self.window.end.saturating_sub(self.now()))
        } else {
            let now = self.now();
            let next = self.pace.next_due(now).unwrap_or(self.window.end);
            Duration::from_nanos(next.saturating_sub(now))
        };
        Ok(self.fleet.wait(at_most)?)
    }
}
