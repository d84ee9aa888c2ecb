//! `service-registry keygen`.

use std::path::PathBuf;

use argh::FromArgs;
use serde_json::json;
use service_registry::curve::KeyPair;

use super::Exit;
use super::asking::{Answer, tell};
use super::failure::Failure;

/// Make a pair of keys for a registry or a client, and print the public key.
#[derive(argh::ArgsInfo, FromArgs)]
#[argh(
    subcommand,
    name = "keygen",
    help_triggers("-h", "--help", "help"),
    note = "The file has both keys, and only its owner can read it. Give the public key of a \
        registry to its clients (--server-key), and that of a client to the registry (`curve` in \
        registry.yaml). Write it in single quotes in a shell and in registry.yaml.",
    note = "An existing file is never overwritten.",
    example = "{command_name} camera.key"
)]
pub(super) struct Keygen {
    /// the file to write
    #[argh(positional, arg_name = "file")]
    path: PathBuf,

    /// print the public key as one line of JSON, also on failure
    #[argh(switch)]
    json: bool,
}

impl Keygen {
    pub(super) fn run(&self) -> Exit {
        tell(&self.make(), self.json)
    }

    fn make(&self) -> Result<Answer, Failure> {
        let keys = KeyPair::generate()?;
        keys.store(&self.path)?;
        let text = keys.public.to_string();
        let reply = json!({"success": true, "public_key": text});
        Ok(Answer { reply, text })
    }
}
