//! Where the registry of this host keeps its files, and as whom: as the process that runs, or else
//! as the unit that would start it.
//!
//! Where neither is there, a person will start it, most likely here and as the same user. That is a
//! guess, by which nothing is told to be well.

use std::env;
use std::path::{self, Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User};

use super::system::{Listener, Process};
use crate::cli::configuration::Source;

/// The unit of the package.
const UNIT: &str = "service-registry.service";

/// Where the files of the registry are, and who writes them, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workplace {
    /// Where relative paths begin, where that can be seen.
    folder: Option<PathBuf>,
    /// Who writes there, where that can be seen.
    pub(super) owner: Option<Owner>,
    pub(super) known: Known,
}

/// A user, and the group whose rights it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// By what a workplace is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// The registry that runs.
    Process,
    /// The unit by which systemd starts it.
    Unit,
    /// Nothing.
    Guess,
}

/// What systemd would start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    folder: PathBuf,
    owner: Option<Owner>,
}

impl Workplace {
    /// That of the registry with these `settings`, which `listener` is, if it runs.
    pub(super) fn find(listener: Option<&Listener>, settings: &Source) -> Self {
        match listener {
            Some(Listener { process: Some(process), .. }) => Self::of_process(process),
            Some(listener) => Self::of_user(listener.user, Unit::with(settings)),
            None => Unit::with(settings).map_or_else(Self::guess, Self::of_unit),
        }
    }

    /// `path` as the registry takes it; none, where that is not known.
    pub(super) fn path(&self, path: &Path) -> Option<PathBuf> {
        if path.is_absolute() {
            return Some(path.to_owned());
        }
        self.folder.as_ref().map(|folder| folder.join(path))
    }

    /// Whether systemd makes `folder` when it starts the registry.
    pub(super) fn is_made_at_start(&self, folder: &Path) -> bool {
        self.known == Known::Unit && self.folder.as_deref() == Some(folder)
    }

    fn of_process(process: &Process) -> Self {
        let owner = process.owner().map(|(user, group)| Owner { user, group });
        Self { folder: process.folder(), owner, known: Known::Process }
    }

    /// Of a process that can be seen by its `user` only, who is known by its socket.
    pub(super) fn of_user(user: u32, unit: Option<Unit>) -> Self {
        let unit = unit.filter(|unit| unit.owner.is_some_and(|owner| owner.user == user));
        // A group that nobody has: it gives no right.
        let owner = Owner { user, group: u32::MAX };
        match unit {
            Some(unit) => Self { known: Known::Process, ..Self::of_unit(unit) },
            None => Self { folder: None, owner: Some(owner), known: Known::Process },
        }
    }

    fn of_unit(unit: Unit) -> Self {
        Self { folder: Some(unit.folder), owner: unit.owner, known: Known::Unit }
    }

    pub(super) fn guess() -> Self {
        let (user, group) = (Uid::effective().as_raw(), Gid::effective().as_raw());
        let owner = Some(Owner { user, group });
        Self { folder: env::current_dir().ok(), owner, known: Known::Guess }
    }
}

impl Unit {
    /// The unit, if systemd has it and it starts a registry with these `settings`.
    fn with(settings: &Source) -> Option<Self> {
        let settings = path::absolute(settings.path()?).ok()?;
        let output = Command::new("systemctl")
            .args(["show", UNIT, "--property=LoadState,WorkingDirectory,User,ExecStart"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        Self::read(&String::from_utf8_lossy(&output.stdout), &settings)
    }

    fn read(properties: &str, settings: &Path) -> Option<Self> {
        let property = |name: &str| {
            let mut lines = properties.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        let starts_with_them =
            |command: &str| command.split(' ').any(|word| Path::new(word) == settings);
        if property("LoadState") != Some("loaded")
            || !property("ExecStart").is_some_and(starts_with_them)
        {
            return None;
        }
        let user = property("User").filter(|name| !name.is_empty()).unwrap_or("root");
        let user = User::from_name(user).ok().flatten();
        let owner = user.map(|user| Owner { user: user.uid.as_raw(), group: user.gid.as_raw() });
        // An exclamation mark: the unit does without the folder where it is missing.
        let folder = property("WorkingDirectory").unwrap_or_default().trim_start_matches('!');
        let folder = if folder.is_empty() { "/" } else { folder };
        Some(Self { folder: folder.into(), owner })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROPERTIES: &str = "ExecStart={ path=/usr/bin/service-registry ; \
        argv[]=/usr/bin/service-registry start --config /etc/lab.yaml ; ignore_errors=no }\n\
        LoadState=loaded\nWorkingDirectory=/var/lib/lab\nUser=root\n";

    fn read(properties: &str) -> Option<Unit> {
        Unit::read(properties, Path::new("/etc/lab.yaml"))
    }

    #[test]
    fn a_unit_tells_where_and_as_whom_the_registry_of_its_settings_runs() {
        let unit = read(PROPERTIES).unwrap();

        assert_eq!(unit.folder, Path::new("/var/lib/lab"));
        assert_eq!(unit.owner, Some(Owner { user: 0, group: 0 }));
        let usual = PROPERTIES.replace("/var/lib/lab", "").replace("User=root", "User=");
        assert_eq!(read(&usual).unwrap().folder, Path::new("/"));
        let nobody = PROPERTIES.replace("User=root", "User=no-such-user");
        assert_eq!(read(&nobody).unwrap().owner, None);
    }

    #[test]
    fn a_unit_with_other_settings_or_none_is_not_that_of_the_registry() {
        assert_eq!(read(&PROPERTIES.replace("/etc/lab.yaml", "/etc/other.yaml")), None);
        assert_eq!(read("LoadState=not-found\nWorkingDirectory=\n"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn of_a_process_that_cannot_be_seen_the_folder_is_not_known() {
        let hidden = Workplace::of_user(7, None);

        assert_eq!(hidden.path(Path::new("a.db")), None);
        assert_eq!(hidden.path(Path::new("/a.db")), Some("/a.db".into()));
        assert_eq!(hidden.owner.map(|owner| owner.user), Some(7));
    }

    #[test]
    fn a_hidden_process_of_the_units_user_is_the_units() {
        let unit = || read(PROPERTIES);

        let units = Workplace::of_user(0, unit());
        let others = Workplace::of_user(7, unit());

        assert_eq!(units.path(Path::new("a.db")), Some("/var/lib/lab/a.db".into()));
        assert_eq!(units.known, Known::Process);
        assert_eq!(others.path(Path::new("a.db")), None);
    }
}
