//! How a registry is started: folder, flags, environment.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use serde_json::json;
use tempfile::TempDir;

use super::{Finished, Process, Registry, has_a_limit};

const BINARY: &str = env!("CARGO_BIN_EXE_service-registry");

/// The variable that names the configuration file.
const CONFIG_VARIABLE: &str = "SERVICE_REGISTRY_CONFIG";

/// The variable with the URL of an etcd: where it is set, registries keep their list there.
const ETCD_VARIABLE: &str = "SERVICE_REGISTRY_TEST_ETCD";

/// Sets a limit on the size of every file that the process writes, and lets a write beyond it
/// fail as it fails on a full disk, instead of killing the process. In the shell, because a
/// limit must be set between fork and exec.
const WITH_FILE_SIZE_LIMIT: &str = r#"trap '' XFSZ; ulimit -S -f "$0" || exit 99; exec "$@""#;

/// Sets how many files a process may open, and how many it may allow itself.
const WITH_DESCRIPTOR_LIMIT: &str =
    r#"ulimit -S -n "$0" && ulimit -H -n "$1" || exit 99; shift; exec "$@""#;

/// Everything that decides how a registry starts. Each has a folder of its own, in which it
/// runs, and which several starts of it share.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    folder: Arc<TempDir>,
    flags: Vec<(String, Option<String>)>,
    environment: Vec<(String, String)>,
    file_size_limit: Option<u32>,
    descriptor_limits: Option<[u32; 2]>,
}

impl Launch {
    /// The ports are picked by the system, and only a test that wants it waits for a cleanup.
    pub(crate) fn new() -> Self {
        Self::without_flags()
            .on_etcd()
            .flag("--req-port", "0")
            .flag("--pub-port", "0")
            .flag("--hb-port", "0")
            .flag("--cleanup-interval", "3600")
            .flag("--log-level", "debug")
    }

    /// A bare `start`.
    pub(crate) fn without_flags() -> Self {
        has_a_limit();
        let folder = tempfile::Builder::new().prefix("service-registry-").tempdir().unwrap();
        Self {
            folder: Arc::new(folder),
            flags: Vec::new(),
            environment: Vec::new(),
            file_size_limit: None,
            descriptor_limits: None,
        }
    }

    /// Under a prefix that belongs to this folder alone.
    fn on_etcd(self) -> Self {
        let Ok(url) = env::var(ETCD_VARIABLE) else { return self };
        let folder = self.folder.path().file_name().unwrap().to_string_lossy();
        let prefix = format!("/{folder}/");
        let etcd = json!({"endpoints": [url], "prefix": prefix, "name": "tested"}).to_string();
        self.flag("--backend", "etcd").flag("--etcd", &etcd)
    }

    /// Sets a flag, in place of what was set before.
    pub(crate) fn flag(self, name: &str, value: &str) -> Self {
        self.set(name, Some(value))
    }

    /// Sets a flag that has no value.
    pub(crate) fn switch(self, name: &str) -> Self {
        self.set(name, None)
    }

    /// Takes a flag away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.flags.retain(|(flag, _)| flag != name);
        self
    }

    /// Names the configuration file in the environment.
    pub(crate) fn config_variable(self, path: &str) -> Self {
        self.variable(CONFIG_VARIABLE, path)
    }

    /// Sets a variable of the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets no file grow beyond so many blocks of 512 bytes.
    pub(crate) fn file_size_limit(mut self, blocks: u32) -> Self {
        self.file_size_limit = Some(blocks);
        self
    }

    /// Lets the process open so many files at first, and no more than so many when it asks.
    pub(crate) fn descriptor_limits(mut self, at_first: u32, at_most: u32) -> Self {
        self.descriptor_limits = Some([at_first, at_most]);
        self
    }

    /// Lifts the limit on the size of files.
    pub(crate) fn without_file_size_limit(mut self) -> Self {
        self.file_size_limit = None;
        self
    }

    /// Writes a file into the folder.
    #[track_caller]
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    /// Where a file of this name is in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a registry that must become ready.
    #[track_caller]
    pub(crate) fn start(&self) -> Registry {
        Registry::new(self.spawn(), self.clone())
    }

    /// Starts a registry that becomes ready, or ends by itself.
    #[track_caller]
    pub(crate) fn try_start(&self) -> Result<Registry, Finished> {
        Registry::unless_it_ends(self.spawn(), self.clone())
    }

    /// Starts a registry that must end by itself.
    #[track_caller]
    pub(crate) fn start_in_vain(&self) -> Finished {
        let mut process = self.spawn();
        if let Some(line) = process.next_line() {
            panic!("it starts, although it should not: {line}");
        }
        process.wait()
    }

    /// Runs any command of the binary, in the folder and with the environment of this launch.
    #[track_caller]
    pub(crate) fn run<A: AsRef<str>>(&self, arguments: &[A]) -> Finished {
        self.begin(arguments).wait()
    }

    /// As [`Self::run`], without waiting for its end.
    #[track_caller]
    pub(crate) fn begin<A: AsRef<str>>(&self, arguments: &[A]) -> Process {
        let mut command = self.command(Command::new(BINARY));
        Process::spawn(command.args(arguments.iter().map(AsRef::as_ref)))
    }

    fn set(self, name: &str, value: Option<&str>) -> Self {
        let mut launch = self.without(name);
        launch.flags.push((name.to_owned(), value.map(str::to_owned)));
        launch
    }

    #[track_caller]
    pub(crate) fn spawn(&self) -> Process {
        let mut command = match (self.file_size_limit, self.descriptor_limits) {
            (Some(blocks), _) => {
                let mut shell = self.command(Command::new("sh"));
                shell.args(["-c", WITH_FILE_SIZE_LIMIT, &blocks.to_string(), BINARY]);
                shell
            }
            (None, Some(limits)) => {
                let [at_first, at_most] = limits.map(|limit| limit.to_string());
                let mut shell = self.command(Command::new("sh"));
                shell.args(["-c", WITH_DESCRIPTOR_LIMIT, &at_first, &at_most, BINARY]);
                shell
            }
            (None, None) => self.command(Command::new(BINARY)),
        };
        command.arg("start");
        for (name, value) in &self.flags {
            command.arg(name).args(value);
        }
        Process::spawn(&mut command)
    }

    fn command(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).env_remove(CONFIG_VARIABLE);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
