//! Keys: what they are, the files they are kept in, and whether there is CURVE at all.
//!
//! CURVE (RFC 26) is ZeroMQ's own encryption, by which both ends of a connection know each other
//! by their public keys. The server and the client set it up with what is here. Who may do what
//! with which key is in `access`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

mod key_file;
mod z85;

pub use key_file::KeyFileError;

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

/// A key that nobody else may know. It is never shown, and its memory is cleared behind it.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; KEY_LENGTH]>);

/// The two keys of one program: others know it by the first, and it proves who it is by the
/// second.
///
/// ```no_run
/// use std::path::Path;
/// use service_registry::curve::KeyPair;
///
/// let keys = KeyPair::generate()?;
/// keys.store(Path::new("camera.key"))?;
/// println!("the registry must know {}", keys.public);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The public key.
    pub public: PublicKey,
    /// The secret key.
    pub secret: SecretKey,
}

/// Why a text is no key. It does not show the text, which may be the key of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no key; a key has 40 characters, as `service-registry keygen` prints it")]
pub struct InvalidKey;

/// This program is built with a libzmq that cannot encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "this program is built with a libzmq that has no CURVE; build it with the system's libzmq, \
     as docs/security.md says, or do without keys"
)]
pub struct NoCurve;

/// Whether the libzmq that this program is built with has CURVE. The one that comes with the zmq
/// crate has not.
///
/// # Errors
/// [`NoCurve`], where it has not.
pub fn check_available() -> Result<(), NoCurve> {
    if zmq::has("curve") == Some(true) { Ok(()) } else { Err(NoCurve) }
}

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

    fn from_text(text: &str) -> Option<Self> {
        z85::decode(text).map(Self)
    }

    /// For the file alone.
    fn to_text(&self) -> Zeroizing<String> {
        z85::encode(&self.0)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(not shown)")
    }
}

impl KeyPair {
    /// New keys.
    ///
    /// # Errors
    /// [`NoCurve`], where libzmq cannot make them.
    pub fn generate() -> Result<Self, NoCurve> {
        check_available()?;
        let keys = zmq::CurveKeyPair::new().map_err(|_| NoCurve)?;
        let secret = SecretKey(Zeroizing::new(keys.secret_key));
        Ok(Self { public: PublicKey(keys.public_key), secret })
    }
}

/// Whoever has the public key of another has that one's keys.
impl PartialEq for KeyPair {
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

impl Eq for KeyPair {}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the examples of libzmq: everybody knows it.
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

    #[test]
    fn a_secret_key_is_never_shown() {
        let keys = KeyPair {
            public: PUBLIC.parse().unwrap(),
            secret: SecretKey::from_text(SECRET).unwrap(),
        };

        let shown = format!("{keys:?} {keys:#?} {:?}", keys.secret);

        assert!(shown.contains(PUBLIC), "{shown}");
        assert!(!shown.contains(SECRET), "{shown}");
        let byte = format!("{}, {}", keys.secret.as_bytes()[0], keys.secret.as_bytes()[1]);
        assert!(!shown.contains(&byte), "{shown}");
        assert_eq!(*keys.secret.to_text(), SECRET);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let long = format!("{PUBLIC}00000");
        for text in ["", "key", &PUBLIC[1..], &long, &PUBLIC.replace('@', "~"), &"#".repeat(40)] {
            let error = text.parse::<PublicKey>().unwrap_err().to_string();

            assert_eq!(error, InvalidKey.to_string(), "{text}");
        }
    }

    #[test]
    fn keys_are_made_where_libzmq_can() {
        match KeyPair::generate() {
            Ok(keys) => {
                assert!(check_available().is_ok());
                assert_ne!(keys, KeyPair::generate().unwrap());
            }
            Err(error) => assert_eq!(check_available(), Err(error)),
        }
    }
}
