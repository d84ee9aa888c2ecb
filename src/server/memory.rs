//! How much memory waits in ZeroMQ for clients that may not be reading.
//!
//! ZeroMQ counts what waits for a client by messages and not by bytes, and does not tell whether a
//! reply has left. So the memory of the whole process is measured, now and then. While that is too
//! much, clients that were just sent a lot are sent nothing large any more. Whoever asks for a list
//! once in a while gets it all the same.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::clock::ListeningTime;
use crate::limits::{Exceeded, Limit, Limits};
use crate::protocol::envelope::Identity;

/// From how many bytes on a reply is large. Smaller ones are bounded by their number.
pub(super) const LARGE_REPLY: usize = 4 << 10;

/// How much is sent before the memory is measured again.
const MEASURED_EVERY: usize = 1 << 20;

/// How long what a client was sent is remembered: at the least, and twice as long at the most.
const PERIOD: Duration = Duration::from_secs(10);

/// Decides whether a client may be sent one more large reply.
#[derive(Debug)]
pub(super) struct Memory<Gauge = ProcessMemory> {
    limits: Limits,
    gauge: Gauge,
    /// What was measured last, in bytes.
    used: u64,
    unmeasured: usize,
    /// What clients were sent in large replies in this period, and in the one before.
    sent: HashMap<Identity, usize>,
    sent_before: HashMap<Identity, usize>,
    period_began: ListeningTime,
}

/// Measures the memory of a process.
pub(super) trait Measure {
    /// Its size in bytes; none, where the system does not tell.
    fn measure(&self) -> Option<u64>;
}

/// The memory of this process that is really there.
#[derive(Debug)]
pub(super) struct ProcessMemory(Option<File>);

impl ProcessMemory {
    /// Where the system does not tell, nothing is measured and nothing is refused.
    pub(super) fn open() -> Self {
        Self(File::open("/proc/self/status").ok())
    }
}

impl Measure for ProcessMemory {
    fn measure(&self) -> Option<u64> {
        let mut buffer = [0; 4096];
        let length = read_from_start(self.0.as_ref()?, &mut buffer).ok()?;
        resident(std::str::from_utf8(&buffer[..length]).ok()?)
    }
}

impl<Gauge: Measure> Memory<Gauge> {
    pub(super) fn new(limits: Limits, gauge: Gauge) -> Self {
        Self {
            limits,
            gauge,
            used: 0,
            unmeasured: MEASURED_EVERY,
            sent: HashMap::new(),
            sent_before: HashMap::new(),
            period_began: ListeningTime::START,
        }
    }

    /// Whether a reply of so many bytes may be sent to `client`; if so, it counts as sent.
    pub(super) fn admit(
        &mut self,
        client: &Identity,
        bytes: usize,
        now: impl FnOnce() -> ListeningTime,
    ) -> Result<(), Exceeded> {
        self.unmeasured += bytes;
        if bytes < LARGE_REPLY {
            return Ok(());
        }
        self.look(client, now())?;
        match self.sent.get_mut(client) {
            Some(sent) => *sent += bytes,
            None => {
                self.sent.insert(client.clone(), bytes);
            }
        }
        Ok(())
    }

    /// Whether a large reply may be sent to `client`, before any work goes into it.
    pub(super) fn look(&mut self, client: &Identity, now: ListeningTime) -> Result<(), Exceeded> {
        self.turn_over(now);
        if self.unmeasured >= MEASURED_EVERY || self.is_short() {
            self.unmeasured = 0;
            self.used = self.gauge.measure().unwrap_or_default();
        }
        if !self.is_short() {
            return Ok(());
        }
        let sent = |period: &HashMap<Identity, usize>| period.get(client).copied();
        let recent = sent(&self.sent).unwrap_or(0) + sent(&self.sent_before).unwrap_or(0);
        if recent < self.limits.count(Limit::LargeReplyBytes) && !self.is_exhausted() {
            return Ok(());
        }
        Err(self.limits.exceeded(Limit::MemoryBytes))
    }

    fn is_short(&self) -> bool {
        self.used >= self.limits.get(Limit::MemoryBytes)
    }

    /// A fifth above the limit nobody gets anything large.
    fn is_exhausted(&self) -> bool {
        let limit = self.limits.get(Limit::MemoryBytes);
        self.used >= limit.saturating_add(limit / 5)
    }

    fn turn_over(&mut self, now: ListeningTime) {
        if now.since(self.period_began) >= PERIOD {
            self.sent_before = std::mem::take(&mut self.sent);
            self.period_began = now;
        }
    }
}

fn read_from_start(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    loop {
        match file.read_at(&mut buffer[length..], length as u64) {
            Ok(0) => return Ok(length),
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The resident memory that a `/proc/self/status` tells, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LIMIT: u64 = 64 << 20;
    const LIST: usize = 3 << 20;

    struct Fake(Cell<u64>);

    impl Measure for &Fake {
        fn measure(&self) -> Option<u64> {
            Some(self.0.get())
        }
    }

    fn memory(gauge: &Fake) -> Memory<&Fake> {
        Memory::new(Limits::default().with(Limit::MemoryBytes, LIMIT).unwrap(), gauge)
    }

    fn at(seconds: u64) -> ListeningTime {
        ListeningTime::START.plus(Duration::from_secs(seconds))
    }

    fn sends(memory: &mut Memory<&Fake>, client: &str, seconds: u64) -> bool {
        memory.admit(&client.as_bytes().to_vec(), LIST, || at(seconds)).is_ok()
    }

    #[test]
    fn while_there_is_enough_everybody_gets_as_many_lists_as_they_ask_for() {
        let gauge = Fake(Cell::new(LIMIT - 1));
        let mut memory = memory(&gauge);

        assert!((0..1_000).all(|_| sends(&mut memory, "eager", 0)));
    }

    #[test]
    fn who_was_sent_a_lot_waits_until_there_is_enough_again_and_nobody_else_does() {
        let gauge = Fake(Cell::new(0));
        let mut memory = memory(&gauge);
        for _ in 0..10 {
            assert!(sends(&mut memory, "flood", 0));
        }

        gauge.0.set(LIMIT);

        assert!(!sends(&mut memory, "flood", 1));
        assert!(memory.look(&b"flood".to_vec(), at(1)).is_err());
        assert!(sends(&mut memory, "polite", 1));
        assert!(memory.admit(&b"flood".to_vec(), LARGE_REPLY - 1, || at(1)).is_ok());

        gauge.0.set(LIMIT / 2);
        assert!(sends(&mut memory, "flood", 2));
    }

    #[test]
    fn how_much_a_client_may_be_sent_while_memory_is_short_is_a_setting() {
        for (allowed, expected) in [(LIST as u64, 1), (LIST as u64 * 5, 5)] {
            let gauge = Fake(Cell::new(LIMIT));
            let mut memory = memory(&gauge);
            memory.limits = memory.limits.with(Limit::LargeReplyBytes, allowed).unwrap();

            assert_eq!((0..10).take_while(|_| sends(&mut memory, "flood", 0)).count(), expected);
        }
    }

    #[test]
    fn what_was_sent_is_forgotten_after_a_while() {
        let gauge = Fake(Cell::new(LIMIT));
        let mut memory = memory(&gauge);
        while sends(&mut memory, "flood", 0) {}

        assert!(memory.look(&b"flood".to_vec(), at(10)).is_err());
        assert!(memory.look(&b"flood".to_vec(), at(20)).is_ok());
        assert!(sends(&mut memory, "flood", 20));
    }

    #[test]
    fn where_memory_is_exhausted_nobody_gets_anything_large() {
        let gauge = Fake(Cell::new(LIMIT + LIMIT / 5));
        let mut memory = memory(&gauge);

        assert!(!sends(&mut memory, "polite", 0));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_memory_of_this_process_is_found() {
        let filler = vec![1_u8; 64 << 20];

        let used = ProcessMemory::open().measure().unwrap();

        // What the other tests of this process take comes and goes.
        assert!(used >= filler.len() as u64, "{used}");
        assert_eq!(resident("Name:\tx\n"), None);
    }
}
