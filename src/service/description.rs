//! What a service says of itself, as one piece of text.
//!
//! Clients are shown a service far more often than anybody looks at a part of it. So its parts
//! are kept as clients are shown them, as JSON, and where each of them stands in it:
//!
//! ```text
//! "name":"…","host":"…","port":6110,"metadata":{…},"ttl":30"tags":["…"]
//! ```
//!
//! Between the two halves clients are shown when it was last heard.

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::json;

use super::{Metadata, Parts, ServiceType, Tags, Ttl};

/// The key under which a service's type stands in its metadata.
const TYPE_KEY: &str = "type";

const NAME: &str = r#""name":"#;
const HOST: &str = r#","host":"#;
const PORT: &str = r#","port":"#;
const METADATA: &str = r#","metadata":"#;
const TTL: &str = r#","ttl":"#;
const TAGS: &str = r#""tags":"#;

/// How long all of these are, with a port and a ttl.
const FRAME_BYTES: usize = 70;

/// The parts of a service, in the text that clients are shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Description {
    json: Box<str>,
    /// Where the name, the host and the metadata end, and where the metadata and the second half
    /// begin.
    name_end: usize,
    host_end: usize,
    metadata_start: usize,
    metadata_end: usize,
    tags_start: usize,
    port: u16,
    ttl: Ttl,
    /// The type in the metadata, where it is not among the tags.
    untagged_type: Option<ServiceType>,
}

impl Description {
    /// For people; need not be unique.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        self.text(NAME.len(), self.name_end)
    }

    /// Host name or address under which the service is reached.
    #[must_use]
    pub fn host(&self) -> Cow<'_, str> {
        self.text(self.name_end + HOST.len(), self.host_end)
    }

    /// Port under which it is reached.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Time to live.
    #[must_use]
    pub const fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// Whatever else it says, with its type: compact JSON text of an object.
    #[must_use]
    pub fn metadata(&self) -> &str {
        self.part(self.metadata_start, self.metadata_end)
    }

    /// The names under which it is looked up, its type among them: compact JSON text of a list
    /// of texts.
    #[must_use]
    pub fn tags(&self) -> &str {
        self.part(self.tags_start + TAGS.len(), self.json.len())
    }

    /// The type in its metadata, where that is a text that is not empty.
    #[must_use]
    pub fn service_type(&self) -> Option<ServiceType> {
        type_in(self.metadata())
    }

    /// Every type under which it is found: its tags, as often as they are there, and the type in
    /// its metadata, where that is none of them.
    pub fn types(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let untagged = self.untagged_type.as_ref().map(|name| Cow::Borrowed(name.as_str()));
        json::items(self.tags()).filter_map(json::text).chain(untagged)
    }

    /// How long the text is as which it is kept, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.json.len()
    }

    /// How long the longest of its names is, in bytes: its own, its host's and its types.
    pub(super) fn longest_name(&self) -> usize {
        let types = self.types().map(|name| name.len());
        types.chain([self.name().len(), self.host().len()]).max().unwrap_or_default()
    }

    /// What clients are shown of it, as fields of a JSON object: those before the time at which
    /// it was last heard, and those after it.
    pub(crate) fn halves(&self) -> (&str, &str) {
        (self.part(0, self.tags_start), self.part(self.tags_start, self.json.len()))
    }

    fn text(&self, start: usize, end: usize) -> Cow<'_, str> {
        json::text(self.part(start, end)).unwrap_or_default()
    }

    fn part(&self, start: usize, end: usize) -> &str {
        self.json.get(start..end).unwrap_or_default()
    }
}

impl From<Parts<'_>> for Description {
    fn from(parts: Parts<'_>) -> Self {
        let Parts { name, host, port, service_type, metadata, ttl, tags } = parts;
        let texts = name.len() + host.len() + metadata.json().len() + tags.json().len();
        let service_type = service_type.as_deref();
        let type_bytes = service_type.map_or(0, |name| 2 * name.len() + 2 * TYPE_KEY.len());
        let mut json = String::with_capacity(texts + type_bytes + FRAME_BYTES);

        json.push_str(NAME);
        json::write_text(&mut json, &name);
        let name_end = json.len();
        json.push_str(HOST);
        json::write_text(&mut json, &host);
        let host_end = json.len();
        write_number(&mut json, PORT, port.into());
        json.push_str(METADATA);
        let metadata_start = json.len();
        write_metadata(&mut json, &metadata, service_type);
        let metadata_end = json.len();
        write_number(&mut json, TTL, ttl.seconds());
        let tags_start = json.len();
        json.push_str(TAGS);
        write_tags(&mut json, &tags, service_type);

        let untagged_type = match service_type {
            Some(_) => None,
            None => type_in(metadata.json()).filter(|name| !has(&tags, name.as_str())),
        };
        Self {
            json: json.into(),
            name_end,
            host_end,
            metadata_start,
            metadata_end,
            tags_start,
            port,
            ttl,
            untagged_type,
        }
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.json)
    }
}

fn write_number(json: &mut String, key: &str, number: u32) {
    // Nothing that is written to a text can fail.
    let _ = write!(json, "{key}{number}");
}

fn write_metadata(json: &mut String, metadata: &Metadata<'_>, service_type: Option<&str>) {
    match service_type {
        Some(name) => json::write_with(json, metadata.json(), TYPE_KEY, name),
        None => json.push_str(metadata.json()),
    }
}

fn write_tags(json: &mut String, tags: &Tags<'_>, service_type: Option<&str>) {
    json.push_str(tags.json());
    if let Some(name) = service_type.filter(|name| !has(tags, name)) {
        json.pop();
        if !json.ends_with('[') {
            json.push(',');
        }
        json::write_text(json, name);
        json.push(']');
    }
}

fn has(tags: &Tags<'_>, name: &str) -> bool {
    json::items(tags.json()).any(|tag| json::is_text(tag, name))
}

fn type_in(metadata: &str) -> Option<ServiceType> {
    let (_, value) = json::fields(metadata).find(|(key, _)| json::is_text(key, TYPE_KEY))?;
    ServiceType::new(&json::text(value)?).ok()
}
