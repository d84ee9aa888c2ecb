//! Asking the members of etcd how they are, each for itself.

use crate::backend::BackendError;
use crate::backend::etcd::{EtcdSettings, Leadership, Member, MemberState, MemberTrouble};

use super::api::{Nothing, Number, Range, RangeAnswer, Status};
use super::gateway::{CallError, Gateway};
use super::keys::Keys;

/// How the members at the endpoints of `settings` are, in that order.
///
/// # Errors
/// [`BackendError`], where a file that `settings` name cannot be used.
pub fn examine(settings: &EtcdSettings) -> Result<Vec<Member>, BackendError> {
    let member = |endpoint: &String| {
        let only = EtcdSettings { endpoints: vec![endpoint.clone()], ..settings.clone() };
        let state = look(&only)?;
        Ok(Member { endpoint: endpoint.clone(), state })
    };
    settings.endpoints.iter().map(member).collect()
}

/// How the only member of `settings` is.
fn look(settings: &EtcdSettings) -> Result<Result<MemberState, MemberTrouble>, BackendError> {
    let mut named = Gateway::open(settings, None)?;
    // A member without a majority knows nobody, but tells everybody how it is.
    let mut nobody = Gateway::open(&EtcdSettings { user: None, ..settings.clone() }, None)?;
    let mut status = nobody.ask::<Status>("maintenance/status", &Nothing {});
    if matches!(status, Err(CallError::Refused(_))) && settings.user.is_some() {
        status = named.ask("maintenance/status", &Nothing {});
    }
    let status = match status {
        Ok(status) => status,
        Err(error) => return Ok(Err(error.into())),
    };
    // What a registry asks first, which takes a majority and the right to it.
    let range = Range { key: Keys::new(&settings.prefix).head(), ..Range::default() };
    let refusal = named.ask::<RangeAnswer>("kv/range", &range).err().map(MemberTrouble::from);
    let leadership = if status.leader == Number(0) {
        Leadership::Unknown
    } else if status.leader == status.header.member_id {
        Leadership::Leads
    } else {
        Leadership::Follows
    };
    Ok(Ok(MemberState {
        version: status.version,
        revision: status.header.revision.0,
        leadership,
        alarms: status.errors,
        refusal,
    }))
}

impl From<CallError> for MemberTrouble {
    fn from(error: CallError) -> Self {
        let is_refusal = matches!(error, CallError::Refused(_));
        Self { is_refusal, reason: error.to_string() }
    }
}
