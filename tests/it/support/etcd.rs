//! Members of an etcd cluster, for registries that share a list.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Authority, Launch, Registry, ReservedPort, wait_until};

/// How long etcd's own command waits for what must come, and for what is asked for again.
const PATIENCE: &str = "60s";
const GLANCE: &str = "2s";

/// An etcd cluster of as many members as a test wants. Dropping it kills them.
pub(crate) struct Etcd {
    members: Vec<Member>,
    folder: TempDir,
    /// How members are asked: `http` or `https`.
    scheme: &'static str,
    /// What members are started with besides.
    flags: Vec<String>,
    /// Who the tests are when they ask a member.
    identity: Vec<String>,
}

struct Member {
    name: String,
    client_port: ReservedPort,
    peer_port: ReservedPort,
    process: Option<std::process::Child>,
}

impl Etcd {
    #[track_caller]
    pub(crate) fn start(members: usize) -> Self {
        Self::start_with(members, "http", Vec::new(), Vec::new())
    }

    /// One member, with flags of etcd's.
    #[track_caller]
    pub(crate) fn with_flags(flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self::start_with(1, "http", flags, Vec::new())
    }

    /// One member that `authority` has certified, and that lets in whom `authority` has certified.
    #[track_caller]
    pub(crate) fn behind_tls(authority: &Authority) -> Self {
        let file = |name| authority.file(name);
        let flags = vec![
            format!("--cert-file={}", file("member.pem")),
            format!("--key-file={}", file("member.key")),
            format!("--trusted-ca-file={}", file("authority.pem")),
            "--client-cert-auth".to_owned(),
        ];
        let identity = vec![
            format!("--cert={}", file("registry.pem")),
            format!("--key={}", file("registry.key")),
            format!("--cacert={}", file("authority.pem")),
        ];
        Self::start_with(1, "https", flags, identity)
    }

    #[track_caller]
    fn start_with(
        members: usize,
        scheme: &'static str,
        flags: Vec<String>,
        identity: Vec<String>,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("service-registry-etcd-").tempdir().unwrap();
        let members = (0..members).map(|number| Member {
            name: format!("m{number}"),
            client_port: ReservedPort::new(),
            peer_port: ReservedPort::new(),
            process: None,
        });
        let mut etcd = Self { members: members.collect(), folder, scheme, flags, identity };
        for number in 0..etcd.members.len() {
            etcd.start_member(number);
        }
        for number in 0..etcd.members.len() {
            etcd.wait_until_well(number);
        }
        etcd
    }

    /// Starts a member that does not run, on what it kept.
    #[track_caller]
    pub(crate) fn start_member(&mut self, number: usize) {
        let peer = |member: &Member| format!("http://127.0.0.1:{}", member.peer_port.number());
        let cluster = self.members.iter().map(|member| format!("{}={}", member.name, peer(member)));
        let cluster = cluster.collect::<Vec<_>>().join(",");
        let client = self.url(number);
        let member = &mut self.members[number];
        let peer = peer(member);
        let process = Command::new("etcd")
            .args(["--name", &member.name])
            .arg("--data-dir")
            .arg(self.folder.path().join(&member.name))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &cluster, "--logger", "zap", "--log-level", "error"])
            .args(&self.flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd is installed (Debian: etcd-server)");
        member.process = Some(process);
    }

    /// Ends a member as a power cut does.
    #[track_caller]
    pub(crate) fn kill_member(&mut self, number: usize) {
        let mut process = self.members[number].process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Sends all members a signal, named as `kill` names it.
    #[track_caller]
    pub(crate) fn signal_all(&self, name: &str) {
        for process in self.members.iter().filter_map(|member| member.process.as_ref()) {
            let status = Command::new("sh")
                .args(["-c", "kill -s \"$0\" \"$1\"", name, &process.id().to_string()])
                .status()
                .unwrap();
            assert!(status.success(), "SIG{name} reaches etcd");
        }
    }

    /// Waits until a member answers a question that takes a majority.
    #[track_caller]
    pub(crate) fn wait_until_well(&self, number: usize) {
        let what = format!("member {number} answers");
        wait_until(&what, || self.etcdctl(number, &["get", "--limit=1", "anything"]));
    }

    /// Forgets all that was before, as etcd does regularly when it is told to.
    #[track_caller]
    pub(crate) fn compact(&self) {
        self.administer(&["compact", &self.revision().to_string()]);
    }

    /// Deletes everything that is kept.
    #[track_caller]
    pub(crate) fn delete_all(&self) {
        self.administer(&["del", "", "--prefix"]);
    }

    /// Writes a copy of all that is kept, as etcd's own command does.
    #[track_caller]
    pub(crate) fn save_snapshot(&self) {
        self.administer(&["snapshot", "save", &self.snapshot()]);
    }

    /// Goes on from the copy, in a cluster of one member that is called `token`.
    #[track_caller]
    pub(crate) fn restore_snapshot(&mut self, token: &str) {
        self.kill_member(0);
        let member = &self.members[0];
        let folder = self.folder.path().join(&member.name);
        std::fs::remove_dir_all(&folder).unwrap();
        let peer = format!("http://127.0.0.1:{}", member.peer_port.number());
        let cluster = format!("{}={peer}", member.name);
        let arguments = [
            ["--name", &member.name],
            ["--data-dir", folder.to_str().unwrap()],
            ["--initial-cluster", &cluster],
            ["--initial-advertise-peer-urls", &peer],
            ["--initial-cluster-token", token],
        ];
        let snapshot = self.snapshot();
        self.administer(&[&["snapshot", "restore", &snapshot], &*arguments.concat()].concat());
        self.start_member(0);
        self.wait_until_well(0);
    }

    fn snapshot(&self) -> String {
        self.folder.path().join("snapshot").to_str().unwrap().to_owned()
    }

    /// The revision of all that is kept.
    #[track_caller]
    pub(crate) fn revision(&self) -> u64 {
        let question = ["get", "anything", "--write-out=json"];
        let output = self.command(0, PATIENCE, &question).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["header"]["revision"].as_u64().unwrap()
    }

    /// Loses everything that a cluster of one member has: it starts as an empty one.
    #[track_caller]
    pub(crate) fn set_up_anew(&mut self) {
        self.kill_member(0);
        std::fs::remove_dir_all(self.folder.path().join(&self.members[0].name)).unwrap();
        self.start_member(0);
        self.wait_until_well(0);
    }

    /// How a registry called `name` starts on this cluster.
    pub(crate) fn launch(&self, name: &str) -> Launch {
        Self::launch_with(&self.settings(name))
    }

    /// How a registry starts whose `etcd` is that.
    pub(crate) fn launch_with(settings: &Value) -> Launch {
        Launch::new()
            .flag("--backend", "etcd")
            .flag("--etcd", &settings.to_string())
            .flag("--cleanup-interval", "0.5")
            .flag("--log-level", "info")
    }

    /// How it reaches this cluster.
    pub(crate) fn settings(&self, name: &str) -> Value {
        let endpoints: Vec<String> = (0..self.members.len()).map(|it| self.url(it)).collect();
        json!({"endpoints": endpoints, "name": name, "request_timeout": 1, "grace": 5})
    }

    #[track_caller]
    pub(crate) fn registry(&self, name: &str) -> Registry {
        self.launch(name).start()
    }

    /// Where a member is asked.
    pub(crate) fn url(&self, number: usize) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.members[number].client_port.number())
    }

    /// Changes something with etcd's own command.
    #[track_caller]
    pub(crate) fn administer(&self, arguments: &[&str]) {
        let output = self.command(0, PATIENCE, arguments).output().expect("etcdctl is installed");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
    }

    /// Lets nobody in from now on but `root`, who may do everything, and `registry`, who may do
    /// what a registry does. Each is the password of itself.
    #[track_caller]
    pub(crate) fn ask_for_passwords(&mut self) {
        for command in [
            "user add root:root",
            "role add root",
            "user grant-role root root",
            "role add registry",
            "role grant-permission --prefix=true registry readwrite /service-registry/",
            "user add registry:registry",
            "user grant-role registry registry",
            "auth enable",
        ] {
            self.administer(&command.split(' ').collect::<Vec<_>>());
        }
        self.identity.push("--user=root:root".to_owned());
    }

    fn etcdctl(&self, number: usize, arguments: &[&str]) -> bool {
        let mut command = self.command(number, GLANCE, arguments);
        command.output().expect("etcdctl is installed").status.success()
    }

    fn command(&self, number: usize, patience: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.url(number)]);
        command.args(&self.identity);
        command.args(["--dial-timeout", patience, "--command-timeout", patience]).args(arguments);
        command
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for process in self.members.iter_mut().filter_map(|member| member.process.as_mut()) {
            // Both fail where it has ended already, which is what is wanted.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
