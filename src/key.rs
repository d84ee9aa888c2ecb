//! A key as a value: 32 bytes, and the text that stands for them.
//!
//! Nothing here knows ZeroMQ, so that the rules of who may do what can speak of keys. Where they
//! come from and where they are kept is in `curve`, under which other crates find them, too.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

mod z85;

/// How many bytes a key has.
const KEY_LENGTH: usize = 32;

/// A key that everybody may know. As text it has 40 characters, the Z85 of ZeroMQ (RFC 32).
///
/// ```
/// use service_registry::curve::PublicKey;
///
/// let text = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
/// let key: PublicKey = text.parse()?;
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), service_registry::curve::InvalidKey>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_LENGTH]);

/// A key that nobody else may know. It is never shown, and dropping it clears its memory.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; KEY_LENGTH]>);

/// Why a text is no key. It does not show the text, which may be the key of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no key; a key has 40 characters, as `service-registry keygen` prints it")]
pub struct InvalidKey;

impl PublicKey {
    /// The key as ZeroMQ carries it, if it is one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The key as ZeroMQ takes it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; KEY_LENGTH]> for PublicKey {
    fn from(bytes: [u8; KEY_LENGTH]) -> Self {
        Self(bytes)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        z85::decode(text).map(|bytes| Self(*bytes)).ok_or(InvalidKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&z85::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({self})")
    }
}

impl SecretKey {
    /// The key as ZeroMQ takes it. Not to be shown, and not to be copied.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &*self.0
    }

    /// The key that `text` stands for, if it does for one.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        z85::decode(text).map(Self)
    }

    /// For the file alone.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        z85::encode(&self.0)
    }
}

impl From<[u8; KEY_LENGTH]> for SecretKey {
    fn from(bytes: [u8; KEY_LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the examples of libzmq: everybody knows it.
    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let long = format!("{PUBLIC}00000");
        for text in ["", "key", &PUBLIC[1..], &long, &PUBLIC.replace('@', "~"), &"#".repeat(40)] {
            let error = text.parse::<PublicKey>().unwrap_err().to_string();

            assert_eq!(error, InvalidKey.to_string(), "{text}");
        }
    }
}
