//! Events as subscribers receive them: from the two frames of a message to an [`Event`].
//!
//! A registry of a later version may tell more than is known here. What is unknown is kept.

use serde_json::{Map, Value};

use crate::client::service::{Sequence, Service, WallTime};

/// What can be subscribed to.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let events = client.subscribe(&[EventKind::Deregister])?;
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
/// client.deregister()?;
/// assert_eq!(events.receiver().recv()?.kind(), Some(EventKind::Deregister));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A service registered, or registered again.
    Register,
    /// A service was deregistered.
    Deregister,
    /// A service was silent for too long.
    Expire,
}

/// One message to a subscriber.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let events = client.subscribe(&[])?;
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
///
/// match events.receiver().recv()? {
///     Event::Register(event) => println!("{} registered", event.service_id),
///     Event::Deregister(event) | Event::Expire(event) => println!("{} left", event.service_id),
///     Event::Missed(missed) => println!("{:?} events were missed", missed.events),
///     other => println!("something else: {other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A service registered, or registered again.
    Register(ServiceEvent),
    /// A service was deregistered.
    Deregister(ServiceEvent),
    /// A service was silent for too long.
    Expire(ServiceEvent),
    /// Something that this library does not know.
    Other(OtherEvent),
    /// Events were lost, or may have been lost. Every subscriber receives this.
    Missed(Missed),
}

/// What happened to one service.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let events = client.subscribe(&[EventKind::Register])?;
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
///
/// if let Event::Register(event) = events.receiver().recv()? {
///     assert!(event.service_id.starts_with("camera-"));
///     assert_eq!(event.service_info["type"], "CM_CS");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ServiceEvent {
    /// The service's id.
    pub service_id: String,
    /// What its client sent when it registered; else the service as it was. The Python registry
    /// says nothing of an expired service, so this is empty then.
    pub service_info: Map<String, Value>,
    /// When it happened, on the registry's clock.
    pub timestamp: WallTime,
    /// The number of the event. The Python registry does not number its events.
    pub sequence: Option<Sequence>,
    /// Everything that the registry says about it: the fields above, and what later versions add.
    pub data: Map<String, Value>,
}

/// An event of a kind that this library does not know.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// // Without a kind, what a later version of the registry adds is heard, too.
/// let events = client.subscribe(&[])?;
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
/// if let Event::Other(event) = events.receiver().recv()? {
///     println!("{}: {:?}", event.event_type, event.body);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OtherEvent {
    /// What the registry calls it.
    pub event_type: String,
    /// The number of the event, if it has one.
    pub sequence: Option<Sequence>,
    /// Everything that came.
    pub body: Map<String, Value>,
}

/// A gap in the events that a subscriber received.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let events = client.subscribe(&[EventKind::Register])?;
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
/// if let Event::Missed(missed) = events.receiver().recv()? {
///     // What is true now, a list tells.
///     println!("{:?} events are missing: {:?}", missed.events, client.list_services(None)?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missed {
    /// What made the gap.
    pub reason: MissedReason,
    /// How many events are missing, where that can be known.
    pub events: Option<u64>,
}

/// What made a gap.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let events = client.subscribe(&[EventKind::Register])?;
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
/// if let Event::Missed(missed) = events.receiver().recv()? {
///     match missed.reason {
///         MissedReason::TooSlow => println!("this program takes its events too slowly"),
///         reason => println!("something was lost on its way: {reason:?}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissedReason {
    /// The events were lost on their way.
    Lost,
    /// This subscriber did not take its events as fast as they came, and its queue was full.
    TooSlow,
    /// The connection was interrupted and is up again. Maybe nothing happened meanwhile.
    Disconnected,
    /// The registry was restarted, or replaced by another one, or the list that it shares with
    /// others was set back to an earlier state. Maybe nothing happened meanwhile.
    Restarted,
}

impl Event {
    /// The event in the two frames of a message, or what is wrong with them.
    pub(in crate::client) fn from_frames(frames: &[Vec<u8>]) -> Result<Self, &'static str> {
        let [event_type, body] = frames else { return Err("it does not have two frames") };
        let event_type = str::from_utf8(event_type).map_err(|_| "its type is not UTF-8")?;
        let body: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| "its body is not a JSON object")?;
        let sequence = Sequence::from_json(&body);
        let of_service = |event: fn(ServiceEvent) -> Self| {
            ServiceEvent::from_body(&body, sequence.clone()).map(event)
        };
        match event_type {
            "register" => of_service(Self::Register),
            "deregister" => of_service(Self::Deregister),
            "expire" => of_service(Self::Expire),
            _ => Ok(Self::Other(OtherEvent { event_type: event_type.to_owned(), sequence, body })),
        }
    }

    /// Which kind of event it is, if it is one that can be subscribed to.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let events = client.subscribe(&[])?;
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// assert_eq!(events.receiver().recv()?.kind(), Some(EventKind::Register));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn kind(&self) -> Option<EventKind> {
        match self {
            Self::Register(_) => Some(EventKind::Register),
            Self::Deregister(_) => Some(EventKind::Deregister),
            Self::Expire(_) => Some(EventKind::Expire),
            Self::Other(_) | Self::Missed(_) => None,
        }
    }

    /// The number of the event, if the registry gave one.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let events = client.subscribe(&[])?;
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// let event = events.receiver().recv()?;
    /// assert_eq!(event.sequence().map(|sequence| sequence.seq), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn sequence(&self) -> Option<&Sequence> {
        match self {
            Self::Register(event) | Self::Deregister(event) | Self::Expire(event) => {
                event.sequence.as_ref()
            }
            Self::Other(event) => event.sequence.as_ref(),
            Self::Missed(_) => None,
        }
    }

    /// The service as the registry kept it when this happened, where the registry says so: the
    /// Python registry does for a deregistered service only.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let events = client.subscribe(&[])?;
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// let service = events.receiver().recv()?.service().ok_or("it is not told")?;
    /// assert_eq!(service.endpoint(), "tcp://localhost:6110");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn service(&self) -> Option<Service> {
        match self {
            Self::Register(event) => Service::from_json(event.data.get("service")?),
            Self::Deregister(event) | Self::Expire(event) => {
                Service::from_json(event.data.get("service_info")?)
            }
            Self::Other(_) | Self::Missed(_) => None,
        }
    }
}

impl ServiceEvent {
    fn from_body(
        body: &Map<String, Value>,
        sequence: Option<Sequence>,
    ) -> Result<Self, &'static str> {
        let data = body.get("data").and_then(Value::as_object).ok_or("it has no data")?;
        let service_id = data
            .get("service_id")
            .and_then(Value::as_str)
            .ok_or("it does not say which service it is about")?;
        let service_info = data.get("service_info").and_then(Value::as_object);
        Ok(Self {
            service_id: service_id.to_owned(),
            service_info: service_info.cloned().unwrap_or_default(),
            timestamp: timestamp(body),
            sequence,
            data: data.clone(),
        })
    }
}

/// Whole seconds: a registry that tells fractions means the same second.
fn timestamp(body: &Map<String, Value>) -> WallTime {
    let seconds = body.get("timestamp").and_then(Value::as_f64).unwrap_or_default();
    WallTime::from_unix_seconds(seconds as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn event(event_type: &str, body: &Value) -> Event {
        Event::from_frames(&frames(event_type, &body.to_string())).unwrap()
    }

    fn frames(event_type: &str, body: &str) -> Vec<Vec<u8>> {
        vec![event_type.into(), body.into()]
    }

    #[test]
    fn a_registration_tells_what_its_client_sent_and_what_the_registry_keeps() {
        let sent = json!({"name": "Cam", "host": "h", "port": 1, "type": "CAM", "id": "cam"});
        let kept = json!({
            "id": "cam", "name": "Cam", "host": "h", "port": 1, "metadata": {"type": "CAM"},
            "ttl": 30, "last_heartbeat": 100, "tags": ["CAM"], "health": "passing",
        });

        let event = event(
            "register",
            &json!({
                "type": "register", "timestamp": 100, "epoch": "e", "seq": 7,
                "data": {"service_id": "cam", "service_info": sent, "service": kept},
            }),
        );

        assert_eq!(event.kind(), Some(EventKind::Register));
        assert_eq!(event.service(), Service::from_json(&kept));
        assert_eq!(event.service().map(|service| service.ttl), Some(30));
        let Event::Register(event) = event else { panic!("it is a registration") };
        assert_eq!(event.service_id, "cam");
        assert_eq!(Value::Object(event.service_info.clone()), sent);
        assert_eq!(event.timestamp.unix_seconds(), 100);
        assert_eq!(event.sequence, Some(Sequence { epoch: "e".to_owned(), seq: 7 }));
    }

    #[test]
    fn an_event_of_the_python_registry_has_no_number_and_may_say_nothing_of_the_service() {
        let body = json!({"type": "expire", "timestamp": 100.9, "data": {"service_id": "cam"}});

        let event = event("expire", &body);

        assert_eq!(event.service(), None);
        let Event::Expire(event) = event else { panic!("it is an expiry") };
        assert_eq!(event.service_id, "cam");
        assert_eq!(event.timestamp.unix_seconds(), 100);
        assert_eq!(event.sequence, None);
        assert_eq!(event.service_info, Map::new());
    }

    #[test]
    fn an_event_of_an_unknown_kind_is_kept_whole() {
        let body = json!({"type": "pause", "epoch": "e", "seq": 3, "why": [1, 2]});

        let event = event("pause", &body);

        assert_eq!(event.kind(), None);
        assert_eq!(event.sequence().map(|sequence| sequence.seq), Some(3));
        let Event::Other(event) = event else { panic!("nobody knows it") };
        assert_eq!(event.event_type, "pause");
        assert_eq!(Value::Object(event.body), body);
    }

    #[test]
    fn what_is_no_event_is_told_with_its_mistake() {
        let no_service = json!({"data": {"service_info": {}}}).to_string();
        for (frames, mistake) in [
            (vec![b"register".to_vec()], "it does not have two frames"),
            (vec![vec![0xff], b"{}".to_vec()], "its type is not UTF-8"),
            (frames("register", "[]"), "its body is not a JSON object"),
            (frames("register", "{}"), "it has no data"),
            (frames("register", &no_service), "it does not say which service it is about"),
        ] {
            assert_eq!(Event::from_frames(&frames), Err(mistake));
        }
    }
}
