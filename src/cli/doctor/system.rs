//! What Linux tells of the registry on this host: who listens at its port, where, and as which
//! process.
//!
//! Read from /proc. What belongs to another user can be seen in part only; what is not seen is
//! told as not known, and never taken for not there.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::finding::Finding;

const CHECK: &str = "process";

/// How many registries stand in a finding, and how much of the command of each.
const NAMED_MAX: usize = 5;
const COMMAND_MAX: usize = 80;

/// The state of a socket that listens, as /proc/net/tcp writes it.
const LISTENS: &str = "0A";

/// A socket that listens on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) at: SocketAddr,
    /// The user whose process opened it.
    pub(super) user: u32,
    inode: u64,
    /// Its process, where it can be seen.
    pub(super) process: Option<Process>,
}

/// A process of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: u32,
    pub(super) command: String,
}

/// Who listens on this host for connections to `asked`, or else at its port only.
pub(super) fn listener(asked: SocketAddr) -> Option<Listener> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let mut found: Vec<Listener> = tables.iter().flatten().flat_map(|it| listeners(it)).collect();
    found.retain(|listener| listener.at.port() == asked.port());
    let hears = found.iter().position(|listener| listener.hears(asked)).unwrap_or(0);
    let mut listener = (hears < found.len()).then(|| found.swap_remove(hears))?;
    listener.process = processes().find(|process| process.has_socket(listener.inode));
    Some(listener)
}

/// What listens for connections to `asked`, judged.
pub(super) fn check(asked: SocketAddr, listener: Option<&Listener>) -> Finding {
    if let Some(listener) = listener {
        return judge_listener(asked, listener);
    }
    let registries: Vec<Process> = processes().filter(Process::is_registry).collect();
    judge_absence(asked.port(), &registries)
}

fn judge_listener(asked: SocketAddr, listener: &Listener) -> Finding {
    let Listener { at, user, process, .. } = listener;
    let user = user_name(*user);
    let process = process.as_ref().map_or_else(
        || "a process that only its user or root can see".to_owned(),
        |process| format!("process {}", process.shown()),
    );
    let found = format!("{process} of user {user} listens at {at}");
    if !listener.hears(asked) {
        let remedy = format!(
            "ask it with --host {}, or start it with --bind '*' or --bind {}",
            at.ip(),
            asked.ip()
        );
        return Finding::problem(CHECK, &format!("{found}, and not at {}", asked.ip()), &remedy);
    }
    if at.ip().is_loopback() {
        return Finding::ok(CHECK, &format!("{found}; other hosts cannot reach it (`bind`)"));
    }
    Finding::ok(CHECK, &found)
}

fn judge_absence(port: u16, registries: &[Process]) -> Finding {
    let nobody = format!("nobody listens at port {port} of this host");
    if registries.is_empty() {
        let remedy = "start the registry: `systemctl start service-registry`, or \
            `service-registry start`; `journalctl -u service-registry` tells why it ended";
        return Finding::problem(CHECK, &format!("{nobody}, and no registry runs"), remedy);
    }
    let remedy = "it has another port (`--req-port`), or is in a container or a network namespace \
        of its own: see `ls -l /proc/PID/ns/net`, and publish its ports";
    let named: Vec<String> = registries.iter().take(NAMED_MAX).map(Process::shown).collect();
    let more = if registries.len() > NAMED_MAX { ", …" } else { "" };
    let found = format!("{nobody}, but there is process {}{more}", named.join(", "));
    Finding::problem(CHECK, &found, remedy)
}

/// The name of a user, or the number where it has none.
pub(super) fn user_name(id: u32) -> String {
    let user = User::from_uid(Uid::from_raw(id)).ok().flatten();
    user.map_or_else(|| id.to_string(), |user| user.name)
}

impl Listener {
    /// Whether it hears who connects to `address`.
    fn hears(&self, address: SocketAddr) -> bool {
        self.at == address || (self.at.ip().is_unspecified() && self.at.port() == address.port())
    }
}

impl Process {
    /// The process with this id.
    pub(super) fn with_id(id: u32) -> Option<Self> {
        let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let words: Vec<String> = line
            .split(|&byte| byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        (!words.is_empty()).then(|| Self { id, command: words.join(" ") })
    }

    /// Its id, and as much of its command as a line takes.
    pub(super) fn shown(&self) -> String {
        let Self { id, command } = self;
        match command.char_indices().nth(COMMAND_MAX) {
            Some((end, _)) => format!("{id} ({}…)", &command[..end]),
            None => format!("{id} ({command})"),
        }
    }

    /// Whether it has this file open, as far as its open files can be seen.
    pub(super) fn has_open(&self, device: u64, inode: u64) -> bool {
        let Ok(files) = fs::read_dir(format!("/proc/{}/fd", self.id)) else { return false };
        let mut files = files.flatten().filter_map(|file| fs::metadata(file.path()).ok());
        files.any(|file| (file.dev(), file.ino()) == (device, inode))
    }

    /// Where its relative paths begin.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/cwd", self.id)).ok()
    }

    /// The user and the group that it runs as.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        let metadata = fs::metadata(format!("/proc/{}", self.id)).ok()?;
        Some((metadata.uid(), metadata.gid()))
    }

    /// Its open files, where they can be seen.
    pub(super) fn open_files(&self) -> Option<usize> {
        fs::read_dir(format!("/proc/{}/fd", self.id)).ok().map(Iterator::count)
    }

    /// The most that it may open.
    pub(super) fn open_files_max(&self) -> Option<u64> {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.id)).ok()?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    fn has_socket(&self, inode: u64) -> bool {
        let socket = PathBuf::from(format!("socket:[{inode}]"));
        let Ok(files) = fs::read_dir(format!("/proc/{}/fd", self.id)) else { return false };
        files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == socket))
    }

    fn is_registry(&self) -> bool {
        is_registry(&self.command)
    }
}

/// Whether this command runs a registry, ours or the Python one.
fn is_registry(command: &str) -> bool {
    let mut words = command.split(' ');
    let program = words.next().and_then(|path| Path::new(path).file_name());
    let ours = program.is_some_and(|name| name == "service-registry");
    let starts = words.any(|word| word == "start");
    let python = ["egse.registry.server", "reg_cs"].iter().any(|name| command.contains(name));
    starts && (ours || python)
}

/// All processes of this host, or of this container.
fn processes() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(Process::with_id)
}

/// The sockets that listen, in a table of /proc/net.
fn listeners(table: &str) -> Vec<Listener> {
    table.lines().skip(1).filter_map(listener_in).collect()
}

fn listener_in(line: &str) -> Option<Listener> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, _, _, _, user, _, inode, ..] = words[..] else { return None };
    if state != LISTENS {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    Some(Listener {
        at: SocketAddr::new(address_in(address)?, u16::from_str_radix(port, 16).ok()?),
        user: user.parse().ok()?,
        inode: inode.parse().ok()?,
        process: None,
    })
}

/// An address as /proc writes it: in words of four bytes, each in the order of this processor.
fn address_in(text: &str) -> Option<IpAddr> {
    let word =
        |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    if text.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let words = [word(0)?, word(8)?, word(16)?, word(24)?];
    let bytes: [u8; 16] = words.concat().try_into().ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn who_listens_is_found_with_its_process_and_its_address() {
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            let socket = TcpListener::bind(address).unwrap();
            let local = socket.local_addr().unwrap();
            let asked = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), local.port());

            let listener = listener(asked).unwrap();

            assert_eq!(listener.at, local);
            assert_eq!(listener.user, Uid::effective().as_raw());
            assert_eq!(listener.process.clone().unwrap().id, std::process::id());
            let finding = check(asked, Some(&listener));
            assert_eq!(finding.verdict, Verdict::Ok);
            assert_eq!(finding.found.contains("other hosts"), local.ip().is_loopback());
        }
    }

    #[test]
    fn who_is_asked_at_another_address_than_it_listens_at_does_not_hear() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let asked = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), port);

        let finding = check(asked, listener(asked).as_ref());

        assert_eq!(finding.verdict, Verdict::Problem);
        assert!(finding.found.ends_with("and not at 192.0.2.1"), "{}", finding.found);
        assert!(finding.remedy.unwrap().contains("--bind 192.0.2.1"));
    }

    #[test]
    fn where_nobody_listens_nobody_is_found() {
        // No program gets this one from the system.
        let address = SocketAddr::from(([127, 0, 0, 1], 1));

        assert_eq!(listener(address), None);
    }

    #[test]
    fn a_registry_that_runs_elsewhere_is_another_problem_than_none() {
        let none = judge_absence(6_100, &[]);
        let registry = Process { id: 7, command: "service-registry start".to_owned() };
        let elsewhere = judge_absence(6_100, &[registry]);

        assert_eq!((none.verdict, elsewhere.verdict), (Verdict::Problem, Verdict::Problem));
        assert!(none.remedy.unwrap().starts_with("start the registry"));
        assert!(elsewhere.remedy.unwrap().contains("namespace"));
    }

    #[test]
    fn of_many_registries_some_are_named_and_of_a_long_command_the_beginning() {
        let long = format!("service-registry start --allow {}", "ü".repeat(1_000));
        let registries: Vec<Process> =
            (10..30).map(|id| Process { id, command: long.clone() }).collect();

        let found = judge_absence(6_100, &registries).found;

        assert!(found.contains("process 10 (service-registry start"), "{found}");
        assert!(found.ends_with("ü…), …") && !found.contains("15 ("), "{found}");
        assert!(found.chars().count() < 600, "{found}");
    }

    #[test]
    fn the_files_that_a_process_has_open_are_seen() {
        let own = Process::with_id(std::process::id()).unwrap();
        let open = tempfile::tempfile().unwrap();
        let metadata = open.metadata().unwrap();

        assert!(own.has_open(metadata.dev(), metadata.ino()));
        assert!(!own.has_open(metadata.dev() + 1, metadata.ino()));
    }

    #[test]
    fn registries_are_told_from_other_commands() {
        assert!(is_registry("/usr/bin/service-registry start --bind *"));
        assert!(is_registry("python3 -m egse.registry.server start"));
        assert!(is_registry("/opt/venv/bin/python3 /opt/venv/bin/reg_cs start"));
        assert!(!is_registry("service-registry top"));
        assert!(!is_registry("tail -f service-registry start"));
    }

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let loopback = u32::from_ne_bytes([127, 0, 0, 1]);
        assert_eq!(address_in(&format!("{loopback:08X}")), Some(Ipv4Addr::LOCALHOST.into()));
        let last = u32::from_ne_bytes([0, 0, 0, 1]);
        let text = format!("{}{last:08X}", "0".repeat(24));
        assert_eq!(address_in(&text), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(address_in("zz"), None);
    }
}
