//! Whether keys are asked for and given, and whether they fit; on the host of the registry, whether
//! its own are there and ours are among those it lets in.

use std::io::ErrorKind;
use std::path::Path;

use service_registry::config::Curve;
use service_registry::curve::{KeyFileError, KeyPair, PublicKey, check_available};

use super::finding::Finding;
use crate::cli::failure::{Failure, chain};
use crate::cli::keys::Given;

const CHECK: &str = "keys";
const FILE: &str = "key file";

/// The keys of the registry on this host.
pub(super) struct RegistryKeys<'a> {
    curve: &'a Curve,
    own: Result<KeyPair, KeyFileError>,
}

impl<'a> RegistryKeys<'a> {
    /// What `curve` says, whose key file is the one at `path`.
    pub(super) fn new(curve: &'a Curve, path: &Path) -> Self {
        Self { curve, own: KeyPair::load(path) }
    }

    /// Whether the registry finds its own keys when it starts.
    pub(super) fn check(&self) -> Finding {
        let clients = self.curve.clients.len();
        match &self.own {
            Ok(keys) => Finding::ok(
                FILE,
                &format!("the registry's public key is {}; it lets in {clients} keys", keys.public),
            ),
            Err(KeyFileError::Unreadable { path, source })
                if source.kind() == ErrorKind::PermissionDenied =>
            {
                let found = format!("{} can be read by the registry's user only", path.display());
                Finding::unknown(FILE, &found)
            }
            Err(error) => Finding::problem(
                FILE,
                &chain(error),
                "give the registry its key file back, readable by its user alone; without it, it \
                 does not start. Other keys must be made known to all clients",
            ),
        }
    }

    fn public(&self) -> Option<PublicKey> {
        self.own.as_ref().ok().map(|keys| keys.public)
    }
}

/// Whether what was `given` is what a registry takes that does or does not encrypt.
pub(super) fn check(
    given: &Result<Option<Given>, Failure>,
    encrypted: bool,
    registry: Option<&RegistryKeys<'_>>,
) -> Finding {
    match (given, encrypted) {
        (Err(failure), _) => {
            Finding::problem(CHECK, &failure.chain(), "correct what is given, or do without keys")
        }
        (Ok(None), false) => Finding::ok(CHECK, "none are asked for, and none are given"),
        (Ok(None), true) => Finding::problem(
            CHECK,
            "the registry asks for keys, and none are given",
            "give its public key with --server-key or SERVICE_REGISTRY_SERVER_KEY, and the file \
             with your own with --key-file or SERVICE_REGISTRY_KEY_FILE; `curve` of the registry \
             must know your public key",
        ),
        (Ok(Some(_)), false) => Finding::problem(
            CHECK,
            "keys are given, and the registry asks for none",
            "ask without keys, or set `curve` in the registry.yaml of the registry",
        ),
        (Ok(Some(given)), true) => check_given(given, registry),
    }
}

fn check_given(given: &Given, registry: Option<&RegistryKeys<'_>>) -> Finding {
    let ours = given.own.public;
    if let Err(error) = check_available() {
        return Finding::problem(CHECK, &error.to_string(), "use a build that has CURVE");
    }
    let Some(registry) = registry else {
        return Finding::ok(CHECK, &format!("we ask as {ours}"));
    };
    if let Some(actual) = registry.public().filter(|public| *public != given.server) {
        let found = format!("--server-key is {}, and the registry's is {actual}", given.server);
        return Finding::problem(CHECK, &found, "give the registry's public key");
    }
    match registry.curve.clients.rights(&ours) {
        Some(rights) => {
            Finding::ok(CHECK, &format!("we ask as {ours}, with the right to {rights}"))
        }
        None => Finding::problem(
            CHECK,
            &format!("our key {ours} is not among the clients of `curve`"),
            "add it, and let the registry read it: `systemctl reload service-registry`, or SIGHUP",
        ),
    }
}
