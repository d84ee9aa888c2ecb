//! What a program says of its service when it registers it.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::service::ServiceId;

pub use crate::service::TypePolicy;

/// How long a service counts as alive after a heartbeat, in seconds, where nothing is said.
const TTL_SECONDS: u32 = 30;

/// A service to register. What is not set is left to the registry.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let registration = Registration::new("Camera", "10.0.0.7", 6110)
///     .service_type("CM_CS")
///     .metadata("service_port", 6112)
///     .tag("focal-plane")
///     .ttl(10);
/// assert_eq!((registration.host(), registration.ttl_seconds()), ("10.0.0.7", 10));
///
/// client.register(&registration)?;
/// let camera = client.discover_service("focal-plane")?.ok_or("no camera")?;
/// assert_eq!(camera.endpoint(), "tcp://10.0.0.7:6110");
/// assert_eq!(camera.metadata["service_port"], 6112);
/// assert_eq!((camera.service_type(), camera.ttl), (Some("CM_CS"), 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    name: String,
    host: String,
    port: u16,
    service_id: Option<String>,
    service_type: Option<String>,
    metadata: Map<String, Value>,
    tags: Vec<String>,
    ttl_seconds: u32,
    policy: TypePolicy,
}

impl Registration {
    /// A service called `name` that is reached at `port` of `host`.
    ///
    /// A `host` that is an address of this host is kept up to date by the heartbeats when it
    /// changes. A name, `localhost` among them, stays what it is.
    #[must_use]
    pub fn new(name: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self {
            name: name.into(),
            host: host.into(),
            port,
            service_id: None,
            service_type: None,
            metadata: Map::new(),
            tags: Vec::new(),
            ttl_seconds: TTL_SECONDS,
            policy: TypePolicy::default(),
        }
    }

    /// The type of the service, by which it is looked up.
    #[must_use]
    pub fn service_type(mut self, service_type: impl Into<String>) -> Self {
        self.service_type = Some(service_type.into());
        self
    }

    /// Further information about the service. If a key is given again, its new value counts.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// A further name by which the service is looked up.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// For how many seconds after a heartbeat the service counts as alive: at least 1, by default
    /// 30. Three heartbeats are sent in this time.
    #[must_use]
    pub const fn ttl(mut self, seconds: u32) -> Self {
        self.ttl_seconds = seconds;
        self
    }

    /// The id to register under; by default one is made from the name. A service that already has
    /// this id is replaced.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let camera = Registration::new("Camera", "localhost", 6110).service_id("camera-1");
    /// assert_eq!(client.register(&camera)?, "camera-1");
    ///
    /// let at_another_port = Registration::new("Camera", "localhost", 6111).service_id("camera-1");
    /// client.register(&at_another_port)?;
    /// assert_eq!(client.list_services(None)?.len(), 1);
    /// assert_eq!(client.get_service("camera-1")?.ok_or("it has gone")?.port, 6111);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn service_id(mut self, id: impl Into<String>) -> Self {
        self.service_id = Some(id.into());
        self
    }

    /// Refuse this registration if another living service has the type, even if the registry
    /// allows that. Replaces an earlier [`Self::allow_duplicate_service_type`].
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let camera = |id: &str| {
    ///     Registration::new("Camera", "localhost", 6110).service_type("CM_CS").service_id(id)
    /// };
    /// client.register(&camera("camera-1"))?;
    /// client.register(&camera("camera-2").allow_duplicate_service_type())?;
    ///
    /// let error = client.register(&camera("camera-3").singleton()).expect_err("there are two");
    /// assert!(error.is_refused_as(&RefusalCode::DuplicateServiceType));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn singleton(self) -> Self {
        self.type_policy(TypePolicy::Singleton)
    }

    /// Accept this registration even if another living service has the type. Replaces an earlier
    /// [`Self::singleton`], where there is an example.
    #[must_use]
    pub const fn allow_duplicate_service_type(self) -> Self {
        self.type_policy(TypePolicy::AllowDuplicates)
    }

    /// Whether the type may be shared with other services: what [`Self::singleton`] and
    /// [`Self::allow_duplicate_service_type`] say, as a value.
    ///
    /// ```
    /// use service_registry::client::{Registration, TypePolicy};
    ///
    /// let camera = Registration::new("Camera", "localhost", 6110);
    /// assert_eq!(camera.clone().type_policy(TypePolicy::Singleton), camera.singleton());
    /// ```
    #[must_use]
    pub const fn type_policy(mut self, policy: TypePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Where the service is reached: a name or an address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// For how many seconds after a heartbeat the service counts as alive.
    #[must_use]
    pub const fn ttl_seconds(&self) -> u32 {
        self.ttl_seconds
    }

    /// The id that it asks for.
    pub(super) fn id(&self) -> Option<&str> {
        self.service_id.as_deref()
    }

    /// This registration under the id that it asks for, or else under one such as the registry
    /// makes.
    #[must_use]
    pub(super) fn identified(self) -> Self {
        if self.service_id.is_some() {
            return self;
        }
        let id = ServiceId::generate(&self.name, Uuid::new_v4());
        self.service_id(id.as_str())
    }

    /// This registration with another host.
    #[must_use]
    pub(super) fn at_host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The request that registers it.
    pub(super) fn request(&self) -> Map<String, Value> {
        Map::from_iter([
            ("action".to_owned(), "register".into()),
            ("service_info".to_owned(), self.service_info().into()),
            ("ttl".to_owned(), self.ttl_seconds.into()),
        ])
    }

    fn service_info(&self) -> Map<String, Value> {
        let mut info = Map::new();
        let mut say = |key: &str, value: Value| info.insert(key.to_owned(), value);
        say("name", self.name.as_str().into());
        say("host", self.host.as_str().into());
        say("port", self.port.into());
        if let Some(id) = &self.service_id {
            say("id", id.as_str().into());
        }
        if let Some(service_type) = &self.service_type {
            say("type", service_type.as_str().into());
        }
        if !self.metadata.is_empty() {
            say("metadata", self.metadata.clone().into());
        }
        if !self.tags.is_empty() {
            say("tags", self.tags.clone().into());
        }
        match self.policy {
            TypePolicy::Unspecified => {}
            TypePolicy::ServerDecides => {
                say("singleton", false.into());
            }
            TypePolicy::Singleton => {
                say("singleton", true.into());
            }
            TypePolicy::AllowDuplicates => {
                say("allow_duplicate_service_type", true.into());
            }
        }
        info
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_registration_says_what_it_was_told_and_nothing_else() {
        let request = Registration::new("Camera", "lab-7", 6_110).request();

        assert_eq!(
            Value::Object(request),
            json!({
                "action": "register",
                "service_info": {"name": "Camera", "host": "lab-7", "port": 6_110},
                "ttl": 30,
            })
        );
    }

    #[test]
    fn everything_that_is_said_travels() {
        let request = Registration::new("Camera", "10.0.0.7", 0)
            .service_id("camera-1")
            .service_type("CM_CS")
            .metadata("z", 1)
            .metadata("a", json!(["x"]))
            .metadata("z", 2)
            .tag("first")
            .tag("second")
            .ttl(9)
            .singleton()
            .request();

        assert_eq!(
            Value::Object(request).to_string(),
            json!({
                "action": "register",
                "service_info": {
                    "name": "Camera",
                    "host": "10.0.0.7",
                    "port": 0,
                    "id": "camera-1",
                    "type": "CM_CS",
                    "metadata": {"z": 2, "a": ["x"]},
                    "tags": ["first", "second"],
                    "singleton": true,
                },
                "ttl": 9,
            })
            .to_string()
        );
    }

    #[test]
    fn the_last_word_about_sharing_the_type_counts() {
        let registration = Registration::new("Camera", "lab-7", 6_110);

        let info = registration.singleton().allow_duplicate_service_type().service_info();

        assert_eq!(info.get("singleton"), None);
        assert_eq!(info["allow_duplicate_service_type"], true);
    }
}
