//! What is bounded: each limit with all that there is to know of it.

/// What there is to know of a limit.
struct Known {
    name: &'static str,
    default: u64,
    /// The smallest and the largest value that it can have.
    range: (u64, u64),
    /// What is said where it is exceeded, with `{}` for what it allows.
    sentence: &'static str,
}

/// Makes [`Limit`] of a table, so that none of them can be without a part of what is known of it.
macro_rules! limits {
    ($(
        $(#[$doc:meta])*
        $limit:ident = $name:literal, $default:expr, $range:expr, $sentence:literal;
    )+) => {
        /// Something that is bounded.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Limit { $($(#[$doc])* $limit,)+ }

        impl Limit {
            /// All of them, in the order in which they are documented.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$limit),+];

            const fn known(self) -> Known {
                let (name, default, range, sentence) = match self {
                    $(Self::$limit => ($name, $default, $range, $sentence),)+
                };
                Known { name, default, range, sentence }
            }
        }
    };
}

// Its name; what it is where nobody says otherwise, for which `registry.yaml` has the reasons; the
// range that it can be in; what is said where it is exceeded.
limits! {
    /// The size of a message, in bytes.
    MessageBytes = "message_bytes", 128 << 10, (1 << 10, 16 << 20),
        "A message has at most {} bytes";
    /// The number of frames of a message.
    Frames = "frames", 16, (3, 1_024),
        "A message has at most {} frames";
    /// The number of services.
    Services = "services", 100_000, (1, 1_000_000),
        "There are at most {} services";
    /// What all services say of themselves, in bytes.
    RegistryBytes = "registry_bytes", 64 << 20, (1 << 10, 1 << 40),
        "All services together have at most {} bytes";
    /// What a service says of itself, in bytes.
    ServiceBytes = "service_bytes", 64 << 10, (1 << 10, 16 << 20),
        "The service_info of a service has at most {} bytes";
    /// The number of tags of a service.
    Tags = "tags", 64, (1, 65_536),
        "A service has at most {} tags";
    /// The length of an id, a name, a host, a type or a tag, in bytes.
    NameBytes = "name_bytes", 512, (64, 65_536),
        "An id, a name, a host, a type and a tag have at most {} bytes each";
    /// The shortest time to live, in seconds.
    TtlMin = "ttl_min", 1, (1, u32::MAX as u64),
        "A ttl is at least {} seconds";
    /// The longest time to live, in seconds.
    TtlMax = "ttl_max", u32::MAX as u64, (1, u32::MAX as u64),
        "A ttl is at most {} seconds";
    /// The number of requests that wait to be stored.
    Jobs = "jobs", 16_384, (1, 1_000_000),
        "At most {} requests wait to be stored";
    /// The size of all requests that wait to be stored, in bytes, as they came.
    JobBytes = "job_bytes", 16 << 20, (1 << 10, 1 << 40),
        "At most {} bytes of requests wait to be stored";
    /// The number of requests of a client that wait to be read.
    MessagesPerClient = "messages_per_client", 256, (1, 1_000_000),
        "At most {} messages of a client wait to be read";
    /// The number of replies, or events, that wait for a client that does not read.
    RepliesPerClient = "replies_per_client", 16_384, (1, 1_000_000),
        "At most {} replies wait for a client to read them";
    /// The number of refusals to a client that wait for replies which come before them.
    RefusalsPerClient = "refusals_per_client", 1_024, (1, 1_000_000),
        "At most {} refusals wait for a client behind replies";
    /// The size of the large replies to a client in ten seconds while memory is short, in bytes.
    LargeReplyBytes = "large_reply_bytes", 8 << 20, (1 << 10, 1 << 40),
        "A client gets at most {} bytes of large replies in ten seconds while memory is short";
    /// The number of requests that are taken in a turn.
    RequestsPerTurn = "requests_per_turn", 256, (1, 65_536),
        "At most {} requests are taken in a turn";
    /// The size of the requests that are taken in a turn, in bytes.
    BytesPerTurn = "bytes_per_turn", 1 << 20, (1 << 10, 1 << 40),
        "At most {} bytes of requests are taken in a turn";
    /// The number of connections.
    Connections = "connections", 16_384, (1, 1_000_000),
        "There are at most {} connections";
    /// The number of connections from one address.
    ConnectionsPerAddress = "connections_per_address", 8_192, (1, 1_000_000),
        "There are at most {} connections from one address";
    /// The number of connections that wait to be accepted.
    ConnectionsWaiting = "connections_waiting", 8_192, (1, 65_535),
        "At most {} connections wait to be accepted";
    /// What waits in the kernel to be read from a connection, in bytes.
    ReceiveBufferBytes = "receive_buffer_bytes", 64 << 10, (4 << 10, 1 << 30),
        "At most {} bytes of a connection wait in the system";
    /// How long a peer takes to say who it is, in seconds.
    HandshakeSeconds = "handshake_seconds", 10, (1, 3_600),
        "A peer says who it is within {} seconds";
    /// How long a peer gives no sign of life, in seconds.
    SilenceSeconds = "silence_seconds", 60, (2, 86_400),
        "A peer gives a sign of life within {} seconds";
    /// The memory of the process, in bytes.
    MemoryBytes = "memory_bytes", 192 << 20, (32 << 20, 1 << 40),
        "The registry takes at most {} bytes of memory";
    /// The number of connections to the HTTP port.
    HttpConnections = "http_connections", 64, (1, 4_096),
        "There are at most {} HTTP connections";
    /// How long an HTTP request takes to arrive, in seconds.
    HttpRequestSeconds = "http_request_seconds", 5, (1, 3_600),
        "An HTTP request arrives within {} seconds";
    /// How long an answer over HTTP takes to leave, in seconds.
    HttpAnswerSeconds = "http_answer_seconds", 15, (1, 3_600),
        "An HTTP answer leaves within {} seconds";
}

impl Limit {
    /// Its name, in settings and in refusals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.known().name
    }

    /// The limit of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }

    /// What it is where nobody says otherwise.
    #[must_use]
    pub const fn default_value(self) -> u64 {
        self.known().default
    }

    /// The smallest and the largest value that it can have.
    #[must_use]
    pub const fn range(self) -> (u64, u64) {
        self.known().range
    }

    /// What is said where more is refused than the `allowed`.
    pub(super) fn sentence(self, allowed: u64) -> String {
        self.known().sentence.replace("{}", &allowed.to_string())
    }
}
