//! What joins the threads: channels, mailboxes, and what they share.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::access::RefusedPeers;
use crate::clock::Clock;
use crate::limits::{Limit, Limits};
use crate::mailbox::{Mailbox, Postbox, mailbox};
use crate::protocol::event::EventFrames;
use crate::protocol::reply::Ports;

use super::StopHandle;
use super::answer::Reader;
use super::descriptors::{Connections, DescriptorWatch};
use super::doors::Doors;
use super::events::Events;
use super::follower::Following;
use super::gatekeeper::{Crowds, Gatekeeper, Kernel};
use super::guard::{Guard, View};
use super::handed_over::HandedOver;
use super::heartbeats::Heartbeats;
use super::herald::Heralding;
use super::http::{Http, Pages, Visitors};
use super::keeper::Keeper;
use super::lanes::Lanes;
use super::loading::{Loaded, Others};
use super::memory::{Memory, ProcessMemory};
use super::messages::{CleanUp, EVENTS_WAITING_MAX, Job, REPLIES_WAITING_MAX, Stop, ToRequests};
use super::recent_events::RecentEvents;
use super::requests::Requests;
use super::shared::SharedRegistry;
use super::sockets::{Bound, Sockets};
use super::statistics::Statistics;
use super::storage::{Outage, Storage};
use super::timer::Timer;
use super::vitals::{
    EVENTS, FOLLOWER, GATEKEEPER, GUARD, HEARTBEATS, HERALD, REQUESTS, STORAGE, TIMER, Vitals,
    Watchdog,
};
use super::waiting::Waiting;

/// What the threads are made of: opened and loaded before any of them runs.
pub(super) struct Materials {
    pub(super) sockets: Sockets,
    pub(super) loaded: Loaded,
    pub(super) doors: Doors,
    pub(super) cleanup_interval: Duration,
    pub(super) limits: Limits,
    pub(super) stop: StopHandle,
}

/// The threads, ready to run.
pub(super) struct Threads {
    pub(super) gatekeeper: Gatekeeper,
    pub(super) guard: Guard,
    pub(super) events: Events,
    pub(super) storage: Storage,
    pub(super) heartbeats: Heartbeats,
    pub(super) requests: Requests,
    pub(super) timer: Timer,
    pub(super) http: Option<Http>,
    pub(super) follower: Option<Following>,
    pub(super) herald: Option<Heralding>,
    /// The gatekeeper ends when the last holder has let go.
    pub(super) keeps_gatekeeper: Postbox<Infallible>,
}

/// By what the threads are told to stop.
#[derive(Debug)]
pub(super) struct Controls {
    /// Nobody sends here: the timer and the guard end when this is dropped.
    _clockwork: Sender<()>,
    pub(super) requests: Postbox<ToRequests>,
    pub(super) heartbeats: Postbox<Stop>,
    pub(super) http: Postbox<Stop>,
}

/// What most threads share.
struct Wiring {
    registry: SharedRegistry,
    clock: Clock,
    ports: Ports,
    doors: Doors,
    limits: Limits,
    handed_over: HandedOver,
    statistics: Statistics,
    recent: RecentEvents,
    watchdog: Watchdog,
}

impl Threads {
    /// Makes all threads, with what stops them and what tells how they are. Whatever they cannot do
    /// without that takes a file descriptor is opened here: clients may take all others, and then a
    /// start fails at once rather than a thread later.
    pub(super) fn wire(materials: Materials) -> io::Result<(Self, Controls, Vitals)> {
        let Materials { sockets, loaded, doors, cleanup_interval, limits, stop } = materials;
        let contact = loaded.others.as_ref().map(|others| others.contact.clone());
        let mut wiring = Wiring {
            registry: SharedRegistry::new(loaded.registry, contact),
            clock: loaded.clock,
            ports: sockets.ports(),
            doors,
            limits,
            handed_over: HandedOver::default(),
            statistics: Statistics::default(),
            recent: RecentEvents::new(sockets.http.is_some()),
            watchdog: Watchdog::default(),
        };
        // Bounded by the lanes of the request thread. A channel that is bounded itself would take
        // the memory of all the jobs that it has room for at once.
        let (jobs_sender, jobs) = unbounded();
        // One is enough: a second word to clean up says nothing new.
        let (clean_up_sender, clean_up) = bounded(1);
        let (events_sender, events) = bounded(EVENTS_WAITING_MAX);
        let (to_requests, requests_mailbox) = mailbox(REPLIES_WAITING_MAX)?;
        let (to_heartbeats, heartbeats_mailbox) = mailbox(1)?;
        let (to_http, http_mailbox) = mailbox(1)?;
        let (clockwork, clockwork_stop) = bounded(0);
        let (keeps_gatekeeper, holders) = mailbox(1)?;
        let controls = Controls {
            _clockwork: clockwork,
            requests: to_requests.clone(),
            heartbeats: to_heartbeats,
            http: to_http,
        };
        let gatekeeper = wiring.gatekeeper(sockets.gatekeeper, holders);
        let (follower, herald) = wiring.others(loaded.others).unzip();
        let queues = Queues { jobs, clean_up, replies: to_requests, events: events_sender };
        let threads = Self {
            gatekeeper,
            guard: wiring.guard(clockwork_stop.clone()),
            events: wiring.events(sockets.events, events),
            storage: wiring.storage(loaded.keeper, queues),
            heartbeats: wiring.heartbeats(
                sockets.heartbeats,
                heartbeats_mailbox,
                jobs_sender.clone(),
            )?,
            requests: wiring.requests(sockets.requests, requests_mailbox, jobs_sender, stop)?,
            timer: wiring.timer(cleanup_interval, clean_up_sender, clockwork_stop),
            http: sockets.http.map(|listener| wiring.http(listener, http_mailbox)),
            follower,
            herald,
            keeps_gatekeeper,
        };
        Ok((threads, controls, wiring.watchdog.vitals(wiring.registry, wiring.doors)))
    }
}

/// The storage thread's ends of its channels.
struct Queues {
    jobs: Receiver<Job>,
    clean_up: Receiver<CleanUp>,
    replies: Postbox<ToRequests>,
    events: Sender<Vec<EventFrames>>,
}

impl Wiring {
    fn reader(&self) -> Reader {
        Reader {
            registry: self.registry.clone(),
            ports: self.ports,
            doors: self.doors.clone(),
            statistics: self.statistics.clone(),
        }
    }

    fn gatekeeper(&mut self, socket: zmq::Socket, holders: Mailbox<Infallible>) -> Gatekeeper {
        let per_address = self.limits.get(Limit::ConnectionsPerAddress);
        Gatekeeper {
            pulse: self.watchdog.over_mailbox(GATEKEEPER, holders.bell()),
            socket,
            holders,
            doors: self.doors.clone(),
            connections: Connections::new(&self.limits),
            crowds: Crowds::new(per_address, Kernel(self.ports)),
            statistics: self.statistics.clone(),
            clock: self.clock.clone(),
            refused: RefusedPeers::default(),
            strangers: RefusedPeers::default(),
        }
    }

    fn guard(&mut self, stop: Receiver<()>) -> Guard {
        Guard {
            ports: self.ports,
            doors: self.doors.clone(),
            handed_over: self.handed_over.clone(),
            limits: self.limits,
            memory: ProcessMemory::open(),
            view: View::open(),
            statistics: self.statistics.clone(),
            clock: self.clock.clone(),
            pulse: self.watchdog.over_channels(GUARD),
            stop,
        }
    }

    fn events(&mut self, bound: Bound, events: Receiver<Vec<EventFrames>>) -> Events {
        Events {
            socket: bound.socket,
            events,
            recent: self.recent.clone(),
            statistics: self.statistics.clone(),
            pulse: self.watchdog.over_channels(EVENTS),
        }
    }

    fn storage(&mut self, mut keeper: Keeper, queues: Queues) -> Storage {
        let pulse = self.watchdog.over_channels(STORAGE);
        keeper.show_life(pulse.sign());
        Storage {
            news: keeper.news(),
            keeper,
            registry: self.registry.clone(),
            reader: self.reader(),
            clock: self.clock.clone(),
            jobs: queues.jobs,
            clean_up: queues.clean_up,
            replies: queues.replies,
            events: queues.events,
            outage: Outage::default(),
            health: self.registry.storage().clone(),
            statistics: self.statistics.clone(),
            pulse,
        }
    }

    fn heartbeats(
        &mut self,
        bound: Bound,
        mailbox: Mailbox<Stop>,
        keeps_storage: Sender<Job>,
    ) -> io::Result<Heartbeats> {
        Ok(Heartbeats {
            pulse: self.watchdog.over_mailbox(HEARTBEATS, mailbox.bell()),
            waiting: Waiting::new(&bound.socket, mailbox.descriptor())?,
            socket: bound.socket,
            mailbox,
            reader: self.reader(),
            clock: self.clock.clone(),
            doors: self.doors.clone(),
            keeps_storage,
            limits: self.limits,
            handed_over: self.handed_over.clone(),
            statistics: self.statistics.clone(),
        })
    }

    fn requests(
        &mut self,
        bound: Bound,
        mailbox: Mailbox<ToRequests>,
        jobs: Sender<Job>,
        stop: StopHandle,
    ) -> io::Result<Requests> {
        Ok(Requests {
            pulse: self.watchdog.over_mailbox(REQUESTS, mailbox.bell()),
            waiting: Waiting::new(&bound.socket, mailbox.descriptor())?,
            socket: bound.socket,
            mailbox,
            jobs,
            reader: self.reader(),
            clock: self.clock.clone(),
            doors: self.doors.clone(),
            stop,
            lanes: Lanes::new(self.limits),
            limits: self.limits,
            handed_over: self.handed_over.clone(),
            memory: Memory::new(self.limits, ProcessMemory::open()),
            statistics: self.statistics.clone(),
        })
    }

    fn timer(
        &mut self,
        cleanup_interval: Duration,
        clean_up: Sender<CleanUp>,
        stop: Receiver<()>,
    ) -> Timer {
        Timer {
            clock: self.clock.clone(),
            cleanup_interval,
            clean_up,
            stop,
            statistics: self.statistics.clone(),
            descriptors: DescriptorWatch::default(),
            pulse: self.watchdog.over_clockwork(TIMER),
        }
    }

    fn http(&self, listener: TcpListener, mailbox: Mailbox<Stop>) -> Http {
        let pages = Pages::new(
            self.registry.clone(),
            self.doors.clone(),
            self.statistics.clone(),
            self.recent.clone(),
            self.clock.now(),
        );
        Http {
            listener,
            mailbox,
            doors: self.doors.clone(),
            clock: self.clock.clone(),
            limits: self.limits,
            statistics: self.statistics.clone(),
            pages,
            visitors: Visitors::default(),
        }
    }

    fn others(&mut self, others: Option<Others>) -> Option<(Following, Heralding)> {
        let Others { follower, herald, news, contact, stop } = others?;
        let following = Following {
            follower,
            news,
            contact: contact.clone(),
            stop: stop.clone(),
            pulse: self.watchdog.over_clockwork(FOLLOWER),
        };
        let heralding = Heralding {
            herald,
            registry: self.registry.clone(),
            clock: self.clock.clone(),
            contact,
            stop,
            pulse: self.watchdog.over_clockwork(HERALD),
        };
        Some((following, heralding))
    }
}
