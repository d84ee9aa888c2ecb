//! The keys with which the asking commands ask.

use std::env;
use std::path::{Path, PathBuf};

use service_registry::client::CurveKeys;
use service_registry::curve::{KeyPair, PublicKey};

use super::failure::Failure;

/// The environment variable with the registry's public key.
const SERVER_KEY: &str = "SERVICE_REGISTRY_SERVER_KEY";

/// The environment variable that names the file with the client's own keys.
const KEY_FILE: &str = "SERVICE_REGISTRY_KEY_FILE";

/// What the arguments say of keys.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    pub(super) server_key: Option<PublicKey>,
    pub(super) key_file: Option<&'a Path>,
}

/// The keys that somebody gave.
pub(super) struct Given {
    /// By which the registry is known.
    pub(super) server: PublicKey,
    pub(super) own: KeyPair,
}

impl Keys<'_> {
    /// What to ask with, if keys are given.
    pub(super) fn load(self) -> Result<Option<CurveKeys>, Failure> {
        let Some(Given { server, own }) = self.given()? else { return Ok(None) };
        Ok(Some(CurveKeys::new(server, own)?))
    }

    /// The keys, if some are given by arguments or by the environment. An argument wins.
    pub(super) fn given(self) -> Result<Option<Given>, Failure> {
        let server_key = match self.server_key {
            Some(key) => Some(key),
            None => variable(SERVER_KEY).map(|text| public_key(&text)).transpose()?,
        };
        let key_file = self.key_file.map(Path::to_owned);
        match (server_key, key_file.or_else(|| variable(KEY_FILE).map(PathBuf::from))) {
            (None, None) => Ok(None),
            (Some(server), Some(file)) => Ok(Some(Given { server, own: KeyPair::load(&file)? })),
            _ => {
                let problem = format!(
                    "keys come in pairs: give both the registry's public key (--server-key or \
                     {SERVER_KEY}) and the file with your own keys (--key-file or {KEY_FILE})"
                );
                Err(Failure::Usage(problem))
            }
        }
    }
}

/// An empty variable is how a shell unsets one for a single command.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn public_key(text: &str) -> Result<PublicKey, Failure> {
    text.parse().map_err(|problem| Failure::Usage(format!("{SERVER_KEY} is {problem}")))
}
