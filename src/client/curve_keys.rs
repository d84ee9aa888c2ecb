//! The keys of a client, and how a socket gets them.

use std::sync::Arc;

use crate::curve::{KeyPair, NoCurve, PublicKey, check_available};

/// By what a client knows its registry, and is known there: connections are encrypted, and made
/// with the owner of that key alone.
///
/// ```no_run
/// use std::path::Path;
/// use service_registry::client::{CurveKeys, RegistryClient};
/// use service_registry::curve::KeyPair;
///
/// let registry = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7".parse()?;
/// let own = KeyPair::load(Path::new("camera.key"))?;
/// let client = RegistryClient::builder().curve(CurveKeys::new(registry, own)?).build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurveKeys {
    registry: PublicKey,
    own: Arc<KeyPair>,
}

impl CurveKeys {
    /// The public key of the registry, and the client's own keys.
    ///
    /// # Errors
    /// [`NoCurve`], where libzmq cannot encrypt: there is no client that would talk openly instead.
    pub fn new(registry: PublicKey, own: KeyPair) -> Result<Self, NoCurve> {
        check_available()?;
        Ok(Self { registry, own: Arc::new(own) })
    }

    /// Lets `socket` use the keys for the connections that it makes from now on.
    ///
    /// # Errors
    /// What ZeroMQ says.
    pub fn secure(&self, socket: &zmq::Socket) -> zmq::Result<()> {
        socket.set_curve_serverkey(self.registry.as_bytes())?;
        socket.set_curve_publickey(self.own.public.as_bytes())?;
        socket.set_curve_secretkey(self.own.secret.as_bytes())
    }
}
