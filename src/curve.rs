//! Keys for CURVE: how they are made and kept, and whether there is CURVE at all.
//!
//! CURVE (RFC 26) is ZeroMQ's own encryption, by which both ends of a connection know each other
//! by their public keys. The server and the client set it up with what is here. What a key is, is
//! in `key`; who may do what with which key is in `access`.

use thiserror::Error;

mod key_file;

pub use crate::key::{InvalidKey, PublicKey, SecretKey};
pub use key_file::KeyFileError;

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

impl KeyPair {
    /// New keys.
    ///
    /// # Errors
    /// [`NoCurve`], where libzmq cannot make them.
    pub fn generate() -> Result<Self, NoCurve> {
        check_available()?;
        let keys = zmq::CurveKeyPair::new().map_err(|_| NoCurve)?;
        Ok(Self { public: keys.public_key.into(), secret: keys.secret_key.into() })
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
