//! The half of the etcd backend that tells the others of this registry: its presence, under a
//! lease, and its beats.

use crate::backend::BackendError;
use crate::backend::shared::{Herald, SignOfLife, StoreState};
use crate::clock::{Now, WallTime};
use crate::service::ServiceId;

use super::api::{
    Done, GrantLease, Granted, LeaseId, MemberList, Nothing, Number, Put, RenewedLine, Status,
};
use super::gateway::Gateway;
use super::keys::Keys;
use super::record::{self, BeatRecord, PresenceRecord};

/// After how many seconds without a word a registry counts as gone.
const PRESENCE_TTL: u64 = 10;

/// How many beats there are to a renewal of that lease.
const BEATS_PER_RENEWAL: u64 = 4;

/// Keeps this registry present in etcd, and writes its beats there.
pub(super) struct EtcdHerald {
    pub(super) gateway: Gateway,
    pub(super) keys: Keys,
    pub(super) name: Box<str>,
    pub(super) instance: Box<str>,
    lease: Option<Number>,
    beats: u64,
    /// How many of them told of services.
    heard: u64,
}

impl EtcdHerald {
    pub(super) fn new(gateway: Gateway, keys: Keys, name: Box<str>, instance: Box<str>) -> Self {
        Self { gateway, keys, name, instance, lease: None, beats: 0, heard: 0 }
    }

    fn keep_presence(&mut self) -> Result<(), BackendError> {
        if let Some(id) = self.lease {
            let answer: RenewedLine = self.gateway.ask_all("lease/keepalive", &LeaseId { id })?;
            if answer.result.is_some_and(|renewed| renewed.ttl > Number(0)) {
                return Ok(());
            }
            self.lease = None;
        }
        let question = GrantLease { ttl: Number(PRESENCE_TTL) };
        let granted: Granted = self.gateway.ask_all("lease/grant", &question)?;
        let presence =
            PresenceRecord { instance: &self.instance, version: env!("CARGO_PKG_VERSION") };
        let put = Put {
            key: self.keys.registry(&self.name),
            value: record::write(&presence),
            lease: Some(granted.id),
        };
        let Done {} = self.gateway.ask_all("kv/put", &put)?;
        self.lease = Some(granted.id);
        Ok(())
    }
}

impl Herald for EtcdHerald {
    fn beat(&mut self, now: Now, heard: &[(&ServiceId, WallTime)]) -> Result<(), BackendError> {
        if self.beats.is_multiple_of(BEATS_PER_RENEWAL) || self.lease.is_none() {
            self.keep_presence()?;
        }
        let number = (!heard.is_empty()).then_some(self.heard);
        let beat = BeatRecord::new(&self.instance, now.listening, now.pauses, heard);
        let key = self.keys.heard_by(&self.name, number);
        let put = Put { key, value: record::write(&beat), lease: None };
        let Done {} = self.gateway.ask("kv/put", &put)?;
        self.beats += 1;
        self.heard += u64::from(number.is_some());
        Ok(())
    }

    fn look(&mut self) -> Result<Option<StoreState>, BackendError> {
        let status: Status = self.gateway.ask("maintenance/status", &Nothing {})?;
        let list: MemberList = self.gateway.ask("cluster/member/list", &Nothing {})?;
        let leader = list.members.iter().find(|member| member.id == status.leader);
        Ok(Some(StoreState {
            leader: leader.map(|member| member.name.clone()),
            members: list.members.into_iter().map(|member| member.name).collect(),
            revision: status.header.revision.0,
        }))
    }

    fn say_goodbye(&mut self) {
        if let Some(id) = self.lease.take() {
            // Otherwise it ends by itself.
            let _ = self.gateway.ask::<Done>("lease/revoke", &LeaseId { id });
        }
    }

    fn show_life(&mut self, sign: SignOfLife) {
        self.gateway.show_life(sign);
    }
}
