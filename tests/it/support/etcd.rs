//! Members of an etcd cluster, for registries that share a list.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Launch, Registry};

/// How long etcd may take to elect a leader and answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// An etcd cluster of as many members as a test wants. Dropping it kills them.
pub(crate) struct Etcd {
    members: Vec<Member>,
    folder: TempDir,
}

struct Member {
    name: String,
    client_port: u16,
    peer_port: u16,
    process: Option<std::process::Child>,
}

impl Etcd {
    #[track_caller]
    pub(crate) fn start(members: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("service-registry-etcd-").tempdir().unwrap();
        let ports = free_ports(members * 2);
        let members = ports.chunks(2).enumerate().map(|(number, ports)| Member {
            name: format!("m{number}"),
            client_port: ports[0],
            peer_port: ports[1],
            process: None,
        });
        let mut etcd = Self { members: members.collect(), folder };
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
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let cluster = self.members.iter().map(|m| format!("{}={}", m.name, url(m.peer_port)));
        let cluster = cluster.collect::<Vec<_>>().join(",");
        let member = &mut self.members[number];
        let (client, peer) = (url(member.client_port), url(member.peer_port));
        let process = Command::new("etcd")
            .args(["--name", &member.name])
            .arg("--data-dir")
            .arg(self.folder.path().join(&member.name))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &cluster, "--logger", "zap", "--log-level", "error"])
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
        let started = Instant::now();
        while !self.etcdctl(number, &["get", "--limit=1", "anything"]) {
            assert!(started.elapsed() < DEADLINE, "member {number} does not answer");
            // Nothing tells when it does.
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Forgets all that was before, as etcd does regularly when it is told to.
    #[track_caller]
    pub(crate) fn compact(&self) {
        let output = self.command(0, &["get", "anything", "--write-out=json"]).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let revision = answer["header"]["revision"].to_string();
        assert!(self.etcdctl(0, &["compact", &revision]), "it compacts");
    }

    /// Deletes everything that is kept.
    #[track_caller]
    pub(crate) fn delete_all(&self) {
        assert!(self.etcdctl(0, &["del", "", "--prefix"]), "it deletes");
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
        Launch::new()
            .flag("--backend", "etcd")
            .flag("--etcd", &self.settings(name).to_string())
            .flag("--cleanup-interval", "0.5")
            .flag("--log-level", "info")
    }

    /// How it reaches this cluster.
    pub(crate) fn settings(&self, name: &str) -> Value {
        let url = |member: &Member| format!("http://127.0.0.1:{}", member.client_port);
        let endpoints: Vec<String> = self.members.iter().map(url).collect();
        json!({"endpoints": endpoints, "name": name, "request_timeout": 1, "grace": 5})
    }

    #[track_caller]
    pub(crate) fn registry(&self, name: &str) -> Registry {
        self.launch(name).start()
    }

    fn etcdctl(&self, number: usize, arguments: &[&str]) -> bool {
        self.command(number, arguments).output().expect("etcdctl is installed").status.success()
    }

    fn command(&self, number: usize, arguments: &[&str]) -> Command {
        let endpoint = format!("127.0.0.1:{}", self.members[number].client_port);
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &endpoint]);
        command.args(["--command-timeout", "2s"]).args(arguments);
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

/// Ports that nobody listens on, all different.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}
