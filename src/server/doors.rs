//! Who may come in, and what they may do there: the rules of `access` as this server has them.
//!
//! Shared by the gatekeeper, which asks for every connection, by the threads that take messages,
//! and by the guard. When the rules have changed, the threads ask again for every message, and the
//! guard closes connections: ZeroMQ closes none of somebody who may not connect any more.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::access::{AllowList, Denial, KnownKeys, Origin, Rights, Terminate};
use crate::config::Config;
use crate::key::PublicKey;
use crate::protocol::request::{Read, Request};

use super::asker::Asker;
use super::transport::Peer;

/// Judges connections and messages by the rules as they stand. Clones are the same doors.
#[derive(Debug, Clone)]
pub(super) struct Doors(Arc<State>);

#[derive(Debug)]
struct State {
    allow: RwLock<AllowList>,
    /// Whether there are connections that were made under other rules.
    changed: AtomicBool,
    /// None where everybody may do everything, without a key.
    keys: Option<RwLock<KnownKeys>>,
    terminate: Terminate,
    refused_connections: AtomicU64,
    /// What the guard has not heard of yet.
    change: Mutex<AccessChange>,
    news: (Sender<()>, Receiver<()>),
}

/// How the rules have changed: connections that were made before may have to end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct AccessChange {
    /// Other networks may connect.
    pub(super) networks: bool,
    /// A key was taken away.
    pub(super) keys: bool,
}

impl AccessChange {
    /// Notes one more change.
    pub(super) const fn add(&mut self, Self { networks, keys }: Self) {
        self.networks |= networks;
        self.keys |= keys;
    }
}

impl Doors {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(State {
            allow: RwLock::new(config.allow.clone()),
            changed: AtomicBool::new(false),
            keys: config.curve.as_ref().map(|curve| RwLock::new(curve.clients.clone())),
            terminate: config.terminate,
            refused_connections: AtomicU64::new(0),
            change: Mutex::default(),
            // One is enough: the guard looks at all that is there.
            news: bounded(1),
        }))
    }

    /// Whether somebody at `address` may connect.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> Result<(), Denial> {
        let allow = self.0.allow.read().unwrap_or_else(PoisonError::into_inner);
        if allow.admits(address) { Ok(()) } else { Err(Denial::Network { address }) }
    }

    /// What the owner of `key` may do; none where no keys are asked for.
    pub(super) fn admit_key(&self, key: Option<PublicKey>) -> Result<Option<Rights>, Denial> {
        let Some(keys) = &self.0.keys else { return Ok(None) };
        let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
        key.and_then(|key| keys.rights(&key)).map(Some).ok_or(Denial::Key)
    }

    /// Whether connections are encrypted, and made by those whose key is known.
    pub(super) fn ask_for_keys(&self) -> bool {
        self.0.keys.is_some()
    }

    /// Whether `peer` may renew a lease.
    pub(super) fn judge_heartbeat(&self, peer: &mut impl Peer) -> Result<(), Denial> {
        self.admit_still(peer, Rights::Register).map(|_| ())
    }

    /// The `request` as `peer` may make it.
    pub(super) fn judge(&self, request: Request, peer: &mut impl Peer) -> Result<Request, Denial> {
        let rights = self.admit_still(peer, needed(&request))?;
        match request {
            Request::Terminate if !self.may_terminate(rights, peer) => {
                Err(Denial::Terminate(self.0.terminate))
            }
            Request::Write(write) => {
                let is_admin = rights == Some(Rights::Admin);
                // Kept and told as people write it, whatever the socket takes it for.
                let address = peer.address().map(|address| address.to_canonical());
                let origin = Origin { address, is_admin };
                Ok(Request::Write(write.asked_by(origin)))
            }
            request => Ok(request),
        }
    }

    /// Whether `peer`, whose request was judged, may have a file written on this host: a
    /// program on this host, or, where there are keys, whoever has the right to.
    pub(super) fn may_back_up(&self, peer: &mut impl Peer) -> bool {
        self.ask_for_keys() || peer.address().is_some_and(is_this_host)
    }

    /// Who `peer` is, for the log.
    pub(super) fn asker(&self, peer: &mut impl Peer) -> Asker {
        let key_owner = self.0.keys.as_ref().and_then(|keys| {
            let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.name(&peer.key()?).map(str::to_owned)
        });
        Asker { address: peer.address(), key_owner }
    }

    /// Lets those in `allow` in from now on, and nobody else.
    pub(super) fn set_allow(&self, allow: AllowList) {
        *self.0.allow.write().unwrap_or_else(PoisonError::into_inner) = allow;
        self.0.changed.store(true, Ordering::Release);
        self.change(|change| change.networks = true);
    }

    /// Lets the owners of `keys` in from now on, and nobody else. False where no keys are asked
    /// for: connections that are not encrypted cannot become so.
    pub(super) fn set_keys(&self, keys: KnownKeys) -> bool {
        let Some(known) = &self.0.keys else { return false };
        // From the next message on: with keys, each message is judged by the key behind it.
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        let is_taken_away = !known.are_in(&keys);
        *known = keys;
        if is_taken_away {
            self.change(|change| change.keys = true);
        }
        true
    }

    /// Tells the guard that somebody has come in, or that others may.
    pub(super) fn tell_guard(&self) {
        // Full means that it was told and has not looked yet.
        let _ = self.0.news.0.try_send(());
    }

    /// Where the guard hears of it.
    pub(super) fn news(&self) -> Receiver<()> {
        self.0.news.1.clone()
    }

    /// What has changed since this was asked last.
    pub(super) fn take_change(&self) -> AccessChange {
        std::mem::take(&mut self.0.change.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, note: impl FnOnce(&mut AccessChange)) {
        note(&mut self.0.change.lock().unwrap_or_else(PoisonError::into_inner));
        self.tell_guard();
    }

    /// Counts a connection that was refused.
    pub(super) fn count_refused_connection(&self) {
        self.0.refused_connections.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections were refused since the start.
    pub(super) fn refused_connections(&self) -> u64 {
        self.0.refused_connections.load(Ordering::Relaxed)
    }

    /// What `peer`, who has connected, may do, if that includes what is `needed`. None where no
    /// keys are asked for.
    fn admit_still(&self, peer: &mut impl Peer, needed: Rights) -> Result<Option<Rights>, Denial> {
        if self.0.changed.load(Ordering::Acquire) {
            self.admit(peer.address())?;
        }
        if !self.ask_for_keys() {
            return Ok(None);
        }
        match self.admit_key(peer.key())? {
            Some(held) if held < needed => Err(Denial::Rights { needed, held }),
            rights => Ok(rights),
        }
    }

    fn may_terminate(&self, rights: Option<Rights>, peer: &mut impl Peer) -> bool {
        match rights {
            Some(_) => self.0.terminate.permits_admins(),
            None => self.0.terminate.permits(peer.address()),
        }
    }
}

/// What it takes to ask for this, where there are keys.
fn needed(request: &Request) -> Rights {
    match request {
        Request::Read(Read::Renew(_)) | Request::Write(_) => Rights::Register,
        Request::Read(_) => Rights::Read,
        Request::Backup(_) | Request::Terminate => Rights::Admin,
    }
}

/// Whether `peer` is an address of this host: a program that connects to the registry on the
/// address of a network interface has that address itself.
fn is_this_host(peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    peer.is_loopback()
        || if_addrs::get_if_addrs().is_ok_and(|own| own.iter().any(|one| one.ip() == peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{KnownClient, Ownership};
    use crate::config::Curve;
    use crate::protocol::request::{Backup, Renewal, Write};
    use crate::service::ServiceId;

    /// A peer whose key nobody knows.
    impl Peer for Option<IpAddr> {
        fn address(&mut self) -> Option<IpAddr> {
            *self
        }

        fn key(&mut self) -> Option<PublicKey> {
            None
        }
    }

    /// A peer with a key, from elsewhere.
    impl Peer for PublicKey {
        fn address(&mut self) -> Option<IpAddr> {
            address("192.0.2.1")
        }

        fn key(&mut self) -> Option<PublicKey> {
            Some(*self)
        }
    }

    fn doors(allow: &str, terminate: Terminate) -> Doors {
        let allow = allow.parse().unwrap();
        Doors::new(&Config { allow, terminate, ..Config::default() })
    }

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    /// The key of a client that has these rights.
    fn key_for(rights: Rights) -> PublicKey {
        PublicKey::from_bytes(&[rights as u8; 32]).unwrap()
    }

    fn known(all: &[Rights]) -> KnownKeys {
        KnownKeys::new(all.iter().map(|&rights| KnownClient {
            name: rights.to_string(),
            key: key_for(rights),
            rights,
        }))
        .unwrap()
    }

    fn doors_with_keys(terminate: Terminate) -> Doors {
        let clients = known(&[Rights::Read, Rights::Register, Rights::Admin]);
        let curve = Some(Curve { key_file: "server.key".into(), clients });
        Doors::new(&Config { curve, terminate, ..Config::default() })
    }

    fn deregistration() -> Request {
        let service_id = ServiceId::new("dev").unwrap();
        Request::Write(Write::Deregister { service_id, from: Origin::default() })
    }

    #[test]
    fn who_may_not_connect_any_more_is_refused_everything() {
        let doors = doors("127.0.0.1,127.0.0.2", Terminate::Allowed);
        let mut other = address("127.0.0.2");
        let refused = Denial::Network { address: other };
        assert!(doors.judge(Request::Read(Read::Health), &mut other).is_ok());

        doors.set_allow("127.0.0.1".parse().unwrap());

        assert_eq!(doors.judge_heartbeat(&mut other), Err(refused));
        for request in [Request::Read(Read::Health), Request::Terminate] {
            assert_eq!(doors.judge(request, &mut other), Err(refused));
        }
        assert_eq!(doors.judge_heartbeat(&mut address("127.0.0.1")), Ok(()));
    }

    #[test]
    fn whoever_asks_is_known_by_one_address_however_the_socket_writes_it() {
        let mut mapped = address("::ffff:192.0.2.1");

        let judged = doors("all", Terminate::Loopback).judge(deregistration(), &mut mapped);

        let Ok(Request::Write(Write::Deregister { from, .. })) = judged else { panic!() };
        assert_eq!(from, address("192.0.2.1").into());
    }

    #[test]
    fn terminate_is_refused_to_whom_the_setting_excludes() {
        for (terminate, from, permitted) in [
            (Terminate::Loopback, "127.0.0.1", true),
            (Terminate::Loopback, "192.0.2.1", false),
            (Terminate::Allowed, "192.0.2.1", true),
            (Terminate::Never, "127.0.0.1", false),
        ] {
            let judged = doors("all", terminate).judge(Request::Terminate, &mut address(from));

            assert_eq!(judged.is_ok(), permitted, "{terminate:?}, {from}");
        }
    }

    #[test]
    fn a_key_opens_what_its_owner_may_do_and_no_more() {
        let doors = doors_with_keys(Terminate::Loopback);
        let backup = Request::Backup(Backup { destination: "/b.db".into(), force: false });
        let renewal = Request::Read(Read::Renew(Renewal { service_id: "dev".to_owned() }));
        for (request, needed) in [
            (Request::Read(Read::Health), Rights::Read),
            (Request::Read(Read::List { service_type: None }), Rights::Read),
            (renewal, Rights::Register),
            (deregistration(), Rights::Register),
            (backup, Rights::Admin),
            (Request::Terminate, Rights::Admin),
        ] {
            for held in [Rights::Read, Rights::Register, Rights::Admin] {
                let judged = doors.judge(request.clone(), &mut key_for(held));

                if held < needed {
                    assert_eq!(judged, Err(Denial::Rights { needed, held }), "{request:?}");
                } else {
                    assert!(judged.is_ok(), "{request:?}, {held}");
                }
            }
        }
        let read = Rights::Read;
        let denial = Denial::Rights { needed: Rights::Register, held: read };
        assert_eq!(doors.judge_heartbeat(&mut key_for(read)), Err(denial));
        assert_eq!(doors.judge_heartbeat(&mut key_for(Rights::Register)), Ok(()));
    }

    #[test]
    fn where_there_are_keys_an_admin_is_obeyed_from_anywhere_and_nobody_without_one() {
        let doors = doors_with_keys(Terminate::Loopback);
        let mut nobody = address("127.0.0.1");

        assert!(doors.may_back_up(&mut key_for(Rights::Admin)));
        assert_eq!(doors.judge(Request::Terminate, &mut nobody), Err(Denial::Key));
        assert_eq!(doors.judge_heartbeat(&mut nobody), Err(Denial::Key));

        let never = doors_with_keys(Terminate::Never);
        let refused = never.judge(Request::Terminate, &mut key_for(Rights::Admin));
        assert_eq!(refused, Err(Denial::Terminate(Terminate::Never)));
    }

    #[test]
    fn an_admin_may_change_the_services_of_others() {
        let doors = doors_with_keys(Terminate::Loopback);
        for (rights, permitted) in [(Rights::Register, false), (Rights::Admin, true)] {
            let judged = doors.judge(deregistration(), &mut key_for(rights));

            let Ok(Request::Write(Write::Deregister { from, .. })) = judged else {
                panic!("{judged:?}")
            };
            let owner = address("192.0.2.9");
            assert_eq!(Ownership::Host.permits(from, owner), permitted, "{rights}");
        }
    }

    #[test]
    fn a_key_that_is_taken_away_opens_nothing_from_the_next_message_on() {
        let doors = doors_with_keys(Terminate::Loopback);
        let mut peer = key_for(Rights::Register);
        assert!(doors.judge(deregistration(), &mut peer).is_ok());

        assert!(doors.set_keys(known(&[Rights::Admin])));

        assert_eq!(doors.judge(Request::Read(Read::Health), &mut peer), Err(Denial::Key));
        assert!(!super::tests::doors("all", Terminate::Never).set_keys(KnownKeys::default()));
    }

    #[test]
    fn this_host_has_its_loopback_addresses_and_those_of_its_interfaces() {
        let own = if_addrs::get_if_addrs().unwrap().into_iter().map(|one| one.ip());
        let loopback = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"];

        for address in own.chain(loopback.map(|address| address.parse().unwrap())) {
            assert!(is_this_host(address), "{address}");
        }
        // Reserved for documentation: no host has them.
        for address in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0"] {
            assert!(!is_this_host(address.parse().unwrap()), "{address}");
        }
    }
}
