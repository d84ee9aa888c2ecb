//! Reading what a client asks: JSON bodies, into the types of `request.rs`.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::access::Origin;
use crate::json::{self, Json};
use crate::protocol::action::Action;
use crate::protocol::fault::RequestFault;
use crate::protocol::fields::{Fields, describe};
use crate::protocol::object::Object;
use crate::protocol::readable::{self, Unreadable};
use crate::protocol::request_id::RequestId;
use crate::service::{Parts, Registration, ServiceId, Ttl, TypePolicy};

use super::{Backup, Read, Renewal, Request, Write};

/// The actions of the request socket.
const ACTIONS: &[Action] = &Action::ALL;

/// The actions of the heartbeat socket.
const HEARTBEAT_ACTIONS: &[Action] = &[Action::Renew];

/// What was read of the body of a message: as much as can be, also where something is wrong.
#[derive(Debug, PartialEq)]
pub struct ParsedBody<T> {
    /// The action, where there is one of that name.
    pub action: Option<Action>,
    /// What must come back in the reply.
    pub request_id: Option<RequestId>,
    /// What is asked, or what is wrong with it.
    pub request: Result<T, RequestFault>,
}

impl<T> ParsedBody<T> {
    /// Reads the `body` of a message with `read`. Where the message itself is refused for a
    /// `fault`, such as its size, only its action and its id are read: by the id the client knows
    /// which of its requests was refused.
    #[must_use]
    pub fn of_message(
        body: Result<&[u8], RequestFault>,
        fault: Option<RequestFault>,
        read: impl FnOnce(&[u8]) -> Self,
    ) -> Self {
        match (body, fault) {
            (Ok(body), None) => read(body),
            (Ok(body), Some(fault)) => {
                let ParsedBody { action, request_id, .. } = read_body(body, |_, _| Ok(()));
                Self { action, request_id, request: Err(fault) }
            }
            (Err(_), Some(fault)) | (Err(fault), None) => Self::unreadable(fault),
        }
    }

    /// What nobody can read has neither an action nor an id.
    const fn unreadable(fault: RequestFault) -> Self {
        Self { action: None, request_id: None, request: Err(fault) }
    }
}

/// Reads the body of a message on the request socket.
#[must_use]
pub fn read_request(body: &[u8]) -> ParsedBody<Request> {
    read_body(body, |action, object| read_request_of(action?, object))
}

/// Reads the body of a message on the heartbeat socket, whether it says that it renews or not.
#[must_use]
pub fn read_heartbeat(body: &[u8]) -> ParsedBody<Renewal> {
    read_body(body, |_, object| read_renewal(object))
}

fn read_body<T>(
    body: &[u8],
    read: impl FnOnce(Result<Action, RequestFault>, &Object<'_>) -> Result<T, RequestFault>,
) -> ParsedBody<T> {
    if let Some(object) = Object::plain(body) {
        return read_object(&object, read);
    }
    let Ok(json) = Json::read(body) else {
        return ParsedBody::unreadable(RequestFault::InvalidJson);
    };
    match Object::of(json.as_str()) {
        Some(object) => read_object(&object, read),
        None => {
            ParsedBody::unreadable(RequestFault::NotAnObject { found: describe(json.as_str()) })
        }
    }
}

fn read_object<T>(
    object: &Object<'_>,
    read: impl FnOnce(Result<Action, RequestFault>, &Object<'_>) -> Result<T, RequestFault>,
) -> ParsedBody<T> {
    let action = read_action_name(object);
    let known = action.as_ref().ok().copied();
    match RequestId::read(object) {
        Ok(request_id) => ParsedBody { action: known, request_id, request: read(action, object) },
        Err(fault) => ParsedBody { action: known, request_id: None, request: Err(fault) },
    }
}

fn read_action_name(object: &Object<'_>) -> Result<Action, RequestFault> {
    let missing = RequestFault::MissingField { object: None, field: "action" };
    match object.get("action") {
        None | Some("null") => Err(missing),
        Some(value) => match json::text(value) {
            Some(name) if name.is_empty() => Err(missing),
            Some(name) => Action::named(&name).ok_or_else(|| unknown_action(&name, ACTIONS)),
            None => Err(unknown_action(value, ACTIONS)),
        },
    }
}

fn read_request_of(action: Action, object: &Object<'_>) -> Result<Request, RequestFault> {
    let fields = Fields::of_request(object);
    match action {
        Action::Register => {
            read_registration(object).map(Box::new).map(Write::Register).map(Request::Write)
        }
        Action::Deregister => {
            let service_id = fields.non_empty_text("service_id")?;
            let service_id = ServiceId::new(&service_id)
                .map_err(|_| RequestFault::MissingField { object: None, field: "service_id" })?;
            Ok(Request::Write(Write::Deregister { service_id, from: Origin::default() }))
        }
        Action::Renew => {
            let service_id = fields.non_empty_text("service_id")?.into_owned();
            Ok(Request::Read(Read::Renew(Renewal { service_id })))
        }
        Action::Get => {
            let service_id = fields.non_empty_text("service_id")?.into_owned();
            Ok(Request::Read(Read::Get { service_id }))
        }
        Action::List => {
            let service_type = fields.optional_text("service_type")?.map(Cow::into_owned);
            Ok(Request::Read(Read::List { service_type }))
        }
        Action::Discover => {
            let service_type = fields.non_empty_text("service_type")?.into_owned();
            Ok(Request::Read(Read::Discover { service_type }))
        }
        Action::Health => Ok(Request::Read(Read::Health)),
        Action::Info => Ok(Request::Read(Read::Info)),
        Action::Backup => read_backup(&fields).map(Request::Backup),
        Action::Terminate => Ok(Request::Terminate),
    }
}

fn read_renewal(object: &Object<'_>) -> Result<Renewal, RequestFault> {
    let fields = Fields::of_request(object);
    if let Some(unknown) = fields.optional_text("action")?.filter(|action| action != "renew") {
        return Err(unknown_action(&unknown, HEARTBEAT_ACTIONS));
    }
    let service_id = fields.non_empty_text("service_id")?.into_owned();
    Ok(Renewal { service_id })
}

fn unknown_action(action: &str, known: &'static [Action]) -> RequestFault {
    RequestFault::UnknownAction { action: action.chars().take(100).collect(), known }
}

fn read_backup(fields: &Fields<'_>) -> Result<Backup, RequestFault> {
    const DESTINATION: &str = "destination";

    let destination = PathBuf::from(fields.non_empty_text(DESTINATION)?.into_owned());
    if !destination.is_absolute() {
        return Err(RequestFault::InvalidField {
            object: None,
            field: DESTINATION,
            expected: "the absolute path of a file",
            found: "a relative path".to_owned(),
        });
    }
    let force = fields.flag("force")?.unwrap_or(false);
    Ok(Backup { destination, force })
}

fn read_registration(request: &Object<'_>) -> Result<Registration, RequestFault> {
    const SERVICE_INFO: &str = "service_info";

    let fields = Fields::of_request(request);
    let received = fields.require(SERVICE_INFO)?;
    if let Err(Unreadable { expected, found }) = readable::check(received) {
        return Err(RequestFault::InvalidField {
            object: None,
            field: SERVICE_INFO,
            expected,
            found: found.to_owned(),
        });
    }
    let object =
        Object::of(received).ok_or_else(|| fields.invalid(SERVICE_INFO, "an object", received))?;
    let service = Fields::of_object(SERVICE_INFO, &object);
    for field in ["name", "host", "port"] {
        service.require(field)?;
    }
    let id = service.optional_text("id")?.and_then(|id| ServiceId::new(&id).ok());
    let parts = Parts {
        name: service.text("name")?,
        host: service.text("host")?,
        port: read_port(&service)?,
        service_type: service.optional_text("type")?,
        metadata: service.metadata("metadata")?,
        tags: service.tags("tags")?,
        ttl: read_ttl(&fields)?,
    };
    let policy = read_policy(&service)?;
    Ok(Registration { policy, ..Registration::new(id, parts, Json::of_part(received)) })
}

fn read_port(service: &Fields<'_>) -> Result<u16, RequestFault> {
    let port = service.require("port")?;
    port.parse().map_err(|_| service.invalid("port", "a whole number from 0 to 65535", port))
}

fn read_ttl(request: &Fields<'_>) -> Result<Ttl, RequestFault> {
    const EXPECTED: &str = "a whole number of seconds from 1 to 4294967295";

    let read = |value: &str| Ttl::from_seconds(whole_seconds(value)?).ok();
    Ok(request.optional("ttl", EXPECTED, read)?.unwrap_or(Ttl::DEFAULT))
}

/// Python programs write 30 seconds as `30` or as `30.0`, and mean the same.
fn whole_seconds(value: &str) -> Option<u64> {
    value.strip_suffix(".0").unwrap_or(value).parse().ok()
}

fn read_policy(service: &Fields<'_>) -> Result<TypePolicy, RequestFault> {
    let singleton = service.flag("singleton")?;
    let allow_duplicates = service.flag("allow_duplicate_service_type")?;
    match (singleton, allow_duplicates) {
        (Some(true), Some(true)) => Err(RequestFault::ContradictoryPolicy),
        (Some(true), _) => Ok(TypePolicy::Singleton),
        (_, Some(true)) => Ok(TypePolicy::AllowDuplicates),
        (None, None) => Ok(TypePolicy::Unspecified),
        _ => Ok(TypePolicy::ServerDecides),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::readable::DEPTH_MAX;

    fn registration(service_info: Value, ttl: Value) -> Result<Registration, RequestFault> {
        let body = json!({"action": "register", "service_info": service_info, "ttl": ttl});
        registered(body.to_string().as_bytes())
    }

    fn registered(body: &[u8]) -> Result<Registration, RequestFault> {
        match read_request(body).request? {
            Request::Write(Write::Register(registration)) => Ok(*registration),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn null_counts_as_absent_where_a_field_may_be_absent() {
        let registration = registration(
            json!({
                "name": "n", "host": "h", "port": 1, "id": null, "type": null, "metadata": null,
                "tags": null, "singleton": null, "allow_duplicate_service_type": null,
            }),
            Value::Null,
        )
        .unwrap();

        assert_eq!(registration.id, None);
        assert_eq!(registration.description.service_type(), None);
        let description = &registration.description;
        assert_eq!((description.metadata(), description.tags()), ("{}", "[]"));
        assert_eq!(description.ttl(), Ttl::DEFAULT);
        assert_eq!(registration.policy, TypePolicy::Unspecified);
    }

    #[test]
    fn empty_names_and_hosts_are_values_and_an_empty_id_or_type_is_absent() {
        let info = json!({"name": "", "host": "", "port": 0, "id": "", "type": "", "tags": [""]});

        let registration = registration(info, json!(1)).unwrap();

        let description = registration.description;
        assert_eq!((description.name(), description.host()), ("".into(), "".into()));
        assert_eq!((registration.id, description.service_type()), (None, None));
        assert_eq!(description.tags(), r#"[""]"#);
    }

    #[test]
    fn an_error_names_the_field_what_it_must_be_and_what_it_was() {
        let error = registration(json!({"name": "n", "host": "h", "port": 70_000}), json!(1));

        assert_eq!(
            error.unwrap_err().to_string(),
            "Invalid field in service_info: port must be a whole number from 0 to 65535, \
             not 70000"
        );
    }

    #[test]
    fn what_is_registered_can_be_read_again_in_a_reply() {
        let nested = |levels: usize| {
            let list = (1..levels).fold(json!([]), |inner, _| json!([inner]));
            json!({"name": "n", "host": "h", "port": 1, "metadata": {"x": list}})
        };

        assert!(registration(nested(DEPTH_MAX - 2), json!(1)).is_ok());
        for levels in [DEPTH_MAX, 100] {
            let error = registration(nested(levels), json!(1)).unwrap_err();
            assert!(error.to_string().contains("64 levels"), "{error}");
        }
    }

    #[test]
    fn a_ttl_is_whole_seconds_however_they_are_written() {
        let ttl = |ttl| {
            Ok(registration(json!({"name": "n", "host": "h", "port": 1}), ttl)?.description.ttl())
        };

        for same in [json!(45), json!(45.0)] {
            assert_eq!(ttl(same), Ok(Ttl::from_seconds(45).unwrap()));
        }
        for refused in [json!(45.5), json!(0), json!(0.0), json!(-1.0), json!("45"), json!(true)] {
            assert!(matches!(ttl(refused), Err(RequestFault::InvalidField { field: "ttl", .. })));
        }
    }

    #[test]
    fn a_heartbeat_needs_no_action_but_tolerates_no_other() {
        let renewal = Renewal { service_id: "a".to_owned() };

        assert_eq!(read_heartbeat(br#"{"service_id": "a"}"#).request, Ok(renewal.clone()));
        assert_eq!(
            read_heartbeat(br#"{"action": "renew", "service_id": "a"}"#).request,
            Ok(renewal)
        );
        assert!(matches!(
            read_heartbeat(br#"{"action": "terminate", "service_id": "a"}"#).request,
            Err(RequestFault::UnknownAction { .. })
        ));
    }

    #[test]
    fn a_registration_keeps_no_more_than_three_times_what_came() {
        let in_metadata = |value: &str| {
            let list = [value; 1_000].join(",");
            format!(r#"{{"name":"n","host":"h","port":1,"metadata":{{"":[{list}]}}}}"#)
        };
        // A type stands in the metadata and among the tags, too.
        let as_type = |letter: &str| {
            let name = letter.repeat(500);
            format!(r#"{{"name":"","host":"","port":1,"type":"{name}"}}"#)
        };
        let values = ["0", "1e5", r#""""#, "{}", "[]", r#""\n""#, r#""\u00e9""#, r#"{"":1}"#];
        let letters = ["a", r"\u0001", r"\\"];
        for service in values.map(in_metadata).into_iter().chain(letters.map(as_type)) {
            let body = format!(r#"{{"action":"register","service_info":{service}}}"#);
            let registration = registered(body.as_bytes()).unwrap();

            let (before, behind) = registration.description.halves();
            let kept = before.len() + behind.len() + registration.received.as_str().len();
            assert!(kept <= 3 * body.len(), "{kept} of {}: {body}", body.len());
        }
    }

    #[test]
    fn a_backup_goes_to_an_absolute_path_and_overwrites_nothing_unasked() {
        let read = |body: &str| read_request(body.as_bytes()).request;
        let backup =
            |force| Ok(Request::Backup(Backup { destination: PathBuf::from("/b.db"), force }));

        assert_eq!(read(r#"{"action": "backup", "destination": "/b.db"}"#), backup(false));
        assert_eq!(
            read(r#"{"action": "backup", "destination": "/b.db", "force": true}"#),
            backup(true)
        );
        assert_eq!(
            read(r#"{"action": "backup", "destination": "b.db"}"#).unwrap_err().to_string(),
            "Invalid field: destination must be the absolute path of a file, not a relative path"
        );
        for body in [
            r#"{"action": "backup"}"#,
            r#"{"action": "backup", "destination": ""}"#,
            r#"{"action": "backup", "destination": 1}"#,
            r#"{"action": "backup", "destination": "/b.db", "force": "yes"}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_told_apart() {
        assert_eq!(read_request(b"{not json").request, Err(RequestFault::InvalidJson));
        assert_eq!(read_request(b"\"\xff\"").request, Err(RequestFault::InvalidJson));
        assert_eq!(read_request(b"").request, Err(RequestFault::InvalidJson));
        assert_eq!(
            read_request(b"[1]").request,
            Err(RequestFault::NotAnObject { found: "an array" })
        );
    }
}
