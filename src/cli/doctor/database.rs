//! Whether the database is one, can be written, has room, and is used by the registry alone.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::sys::stat::{major, minor};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, Uid, eaccess};
use service_registry::backend::{SqliteBackend, SqliteError};
use service_registry::config::{BackendKind, Config};

use super::finding::Finding;
use super::system::{Listener, Process, user_name};
use super::workplace::{Known, Owner, Workplace};
use crate::cli::failure::Failure;

const FILE: &str = "database";
const WRITABLE: &str = "database access";
const SPACE: &str = "disk space";

/// Below this much room a lab's database may not outlive a day of writes, and not a backup.
const SPACE_LOW: u64 = 100 << 20;

/// Below this much, the next checkpoint may fail.
const SPACE_OUT: u64 = 5 << 20;

/// Who is to write to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Writer {
    owner: Owner,
    /// Whether that is this process, which can simply try.
    is_own: bool,
}

/// Who has a lock on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holder {
    process: u32,
    /// Whether the file's device is the same, too. Some file systems, such as btrfs, show another
    /// one for their files than the kernel knows; then it may be a file of the same number.
    is_sure: bool,
}

/// The database that `config` names, of the registry that `listener` is, or that will be started.
pub(super) fn check(
    config: &Config,
    listener: Option<&Listener>,
    workplace: &Workplace,
) -> Vec<Finding> {
    if config.backend == BackendKind::Memory {
        let found = "the registry keeps its services in memory: a restart forgets them";
        return vec![Finding::ok(FILE, found)];
    }
    if config.backend == BackendKind::Etcd {
        let endpoints = config.etcd.endpoints.join(", ");
        let found = format!("the registry keeps its services in etcd, at {endpoints}");
        return vec![Finding::ok(FILE, &found)];
    }
    let Some(path) = workplace.path(&config.db_path) else {
        let path = config.db_path.display();
        let found =
            format!("{path} begins where the registry runs, which its user and root alone can see");
        return [FILE, WRITABLE, SPACE].map(|check| Finding::unknown(check, &found)).into();
    };
    let folder = path.parent().unwrap_or(&path);
    let findings =
        [check_use(&path, listener), check_access(&path, folder, workplace), check_space(folder)];
    if workplace.known != Known::Guess {
        return findings.into();
    }
    // What is there says something. That nothing is there says nothing.
    let is_elsewhere = config.db_path.is_relative() && !path.exists();
    let is_unsure = |finding: &Finding| is_elsewhere || finding.check == WRITABLE;
    let why = "if it is started in this folder, by this user";
    findings
        .map(|finding| if is_unsure(&finding) { finding.unless_ok(why) } else { finding })
        .into()
}

impl Writer {
    fn new(owner: Owner) -> Self {
        Self { owner, is_own: owner.user == Uid::effective().as_raw() }
    }

    /// Whether the bits of the file or folder at `path` let it write there.
    fn may_write(self, path: &Path) -> io::Result<bool> {
        if self.is_own {
            let flags = AccessFlags::W_OK;
            // Unlike the bits, this knows of file systems that are read-only. The superuser may
            // write to what nobody may, and a registry does not.
            let is_writable = !fs::metadata(path)?.permissions().readonly();
            return Ok(is_writable && eaccess(path, flags).is_ok());
        }
        let metadata = fs::metadata(path)?;
        let mode = metadata.permissions().mode();
        Ok(self.is_let_by(mode, metadata.uid(), metadata.gid()))
    }

    const fn is_let_by(self, mode: u32, user: u32, group: u32) -> bool {
        let bit = if self.owner.user == user {
            0o200
        } else if self.owner.group == group {
            0o020
        } else {
            0o002
        };
        self.owner.user == 0 || mode & bit != 0
    }
}

/// Whether somebody uses the file, and if not, whether a registry could.
fn check_use(path: &Path, listener: Option<&Listener>) -> Finding {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound && listener.is_some() => {
            return Finding::warning(
                FILE,
                &format!("{shown} is not there, although a registry runs"),
                "it uses another (see its --db-path and --config; give that to doctor as \
                 --config), or its file was deleted: then save it with `service-registry backup`",
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::ok(FILE, &format!("{shown} is not there yet; a start makes it"));
        }
        Err(error) => {
            return Finding::unknown(FILE, &format!("{shown} cannot be seen: {error}"));
        }
    };
    check_holder(path, &metadata, listener)
}

/// Who has the file open.
fn check_holder(path: &Path, metadata: &fs::Metadata, listener: Option<&Listener>) -> Finding {
    let shown = path.display();
    let registry = listener.and_then(|listener| listener.process.as_ref());
    let (device, inode) = (metadata.dev(), metadata.ino());
    if registry.is_some_and(|process| process.has_open(device, inode)) {
        return Finding::ok(FILE, &format!("{shown} is used by the registry alone"));
    }
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    match holder(&locks, device, inode) {
        Some(Holder { process, .. }) if listener.is_some() && registry.is_none() => {
            let found = format!("{shown} is used by process {process}, which may be the registry");
            Finding::ok(FILE, &found)
        }
        Some(Holder { process, is_sure: true }) => {
            let command =
                Process::with_id(process).map_or_else(|| process.to_string(), |it| it.shown());
            let found = format!("{shown} is held by process {command}, not by a registry here");
            let remedy = "two programs cannot use it: stop that one, or give another db_path";
            Finding::problem(FILE, &found, remedy)
        }
        _ if listener.is_some() => Finding::warning(
            FILE,
            &format!("{shown} is not what the registry that runs has open"),
            "see its --db-path and --config, and give doctor the same --config",
        ),
        // Who opens it is told where another program holds it.
        _ => judge_contents(path, SqliteBackend::examine(path).map(|it| it.services.len())),
    }
}

/// What is in a database that nobody uses.
fn judge_contents(path: &Path, services: Result<usize, SqliteError>) -> Finding {
    match services {
        Ok(count) => {
            Finding::ok(FILE, &format!("{} is sound and has {count} services", path.display()))
        }
        Err(SqliteError::Empty { .. }) => {
            Finding::ok(FILE, &format!("{} is empty; a start fills it", path.display()))
        }
        Err(error) => {
            let found = Failure::from(error).chain();
            Finding::problem(FILE, &found, "no registry starts on it before that is mended")
        }
    }
}

fn check_access(path: &Path, folder: &Path, workplace: &Workplace) -> Finding {
    let Some(owner) = workplace.owner else {
        return Finding::unknown(WRITABLE, "the user of the registry is not known");
    };
    let writer = Writer::new(owner);
    let user = user_name(owner.user);
    let mut there = Vec::new();
    for part in [path, folder] {
        match part.try_exists() {
            Ok(true) => there.push(part),
            Ok(false) => {}
            Err(error) => {
                let found = format!("{} cannot be seen: {error}", part.display());
                return Finding::unknown(WRITABLE, &found);
            }
        }
    }
    if there.is_empty() && workplace.is_made_at_start(folder) {
        let found = format!("{} is made by systemd at the first start", folder.display());
        return Finding::unknown(WRITABLE, &found);
    }
    if there.is_empty() {
        let found = format!("there is no folder {}", folder.display());
        return Finding::problem(WRITABLE, &found, "create it, or correct db_path");
    }
    for part in there {
        match writer.may_write(part) {
            Ok(true) => {}
            Ok(false) => {
                let owner = fs::metadata(part).map_or(u32::MAX, |metadata| metadata.uid());
                let part = part.display();
                let found =
                    format!("user {user} cannot write {part}, which is {}'s", user_name(owner));
                let remedy = format!(
                    "`chown {user} {part}` and `chmod u+w {part}`, or start it as the owner"
                );
                return Finding::problem(WRITABLE, &found, &remedy);
            }
            Err(error) => {
                return Finding::unknown(WRITABLE, &format!("{}: {error}", part.display()));
            }
        }
    }
    Finding::ok(WRITABLE, &format!("user {user} can write the file and its folder"))
}

fn check_space(folder: &Path) -> Finding {
    match statvfs(folder) {
        Ok(system) if system.flags().contains(FsFlags::ST_RDONLY) => {
            let found = format!("the file system of {} is read-only", folder.display());
            Finding::problem(SPACE, &found, "see `dmesg` for why, and mount it for writing")
        }
        Ok(system) => {
            judge_space(folder, system.blocks_available().saturating_mul(system.fragment_size()))
        }
        Err(error) => Finding::unknown(SPACE, &format!("{}: {error}", folder.display())),
    }
}

fn judge_space(folder: &Path, free: u64) -> Finding {
    let found = format!("{} MiB are free for {}", free >> 20, folder.display());
    let remedy = "make room on that file system, or move the database (db_path): registrations \
        are refused when it is full";
    match free {
        ..SPACE_OUT => Finding::problem(SPACE, &found, remedy),
        SPACE_OUT..SPACE_LOW => Finding::warning(SPACE, &found, remedy),
        _ => Finding::ok(SPACE, &found),
    }
}

/// Who holds a lock on the file, in the table of /proc/locks.
fn holder(locks: &str, device: u64, inode: u64) -> Option<Holder> {
    let device = format!("{:02x}:{:02x}", major(device), minor(device));
    let holders = locks.lines().filter_map(|line| {
        let mut words =
            line.split_whitespace().skip_while(|word| *word != "READ" && *word != "WRITE");
        let (process, locked) = (words.nth(1)?, words.next()?);
        let (its_device, its_inode) = locked.rsplit_once(':')?;
        let is_it = its_inode.parse() == Ok(inode);
        is_it.then_some(Holder { process: process.parse().ok()?, is_sure: its_device == device })
    });
    // Of equals the first: behind it stand those that wait.
    holders.min_by_key(|holder| !holder.is_sure)
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::makedev;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn the_bits_that_count_are_those_of_the_user() {
        let writer = |user, group| Writer { owner: Owner { user, group }, is_own: false };

        assert!(writer(7, 7).is_let_by(0o644, 7, 0));
        assert!(!writer(7, 7).is_let_by(0o466, 7, 7), "the owner's bits hide the group's");
        assert!(writer(7, 8).is_let_by(0o664, 0, 8));
        assert!(!writer(7, 8).is_let_by(0o644, 0, 8));
        assert!(writer(7, 8).is_let_by(0o646, 0, 0));
        assert!(writer(0, 0).is_let_by(0o444, 7, 7), "nothing stops the superuser");
    }

    #[test]
    fn little_space_is_told_before_there_is_none() {
        let verdict = |free| judge_space(Path::new("/data"), free).verdict;

        assert_eq!(verdict(1 << 30), Verdict::Ok);
        assert_eq!(verdict(50 << 20), Verdict::Warning);
        assert_eq!(verdict(0), Verdict::Problem);
    }

    #[test]
    fn who_holds_a_file_is_read_from_the_table_of_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 15520 fe:00:12967969 1073741826 1073742335\n\
                     1: -> POSIX  ADVISORY  READ 9 fe:00:12967969 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 77 08:11:5 0 EOF\n";

        let found = |device, inode| {
            holder(locks, device, inode).map(|Holder { process, is_sure }| (process, is_sure))
        };
        assert_eq!(found(makedev(0xfe, 0), 12_967_969), Some((15_520, true)));
        assert_eq!(found(makedev(8, 0x11), 5), Some((77, true)));
        assert_eq!(found(makedev(8, 0x11), 6), None);
        assert_eq!(found(makedev(0, 0x2a), 5), Some((77, false)), "as on btrfs");
    }

    #[test]
    fn of_a_registry_in_a_folder_that_cannot_be_seen_nothing_is_said() {
        let hidden = Workplace::of_user(7, None);

        let findings = check(&Config::default(), None, &hidden);

        let verdicts: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Unknown; 3], "{findings:?}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_problem() {
        let findings = check(
            &Config { db_path: "/no/such/a.db".into(), ..Config::default() },
            None,
            &Workplace::guess(),
        );

        assert_eq!(findings[1].verdict, Verdict::Problem);
        assert_eq!(findings[1].found, "there is no folder /no/such");
    }
}
