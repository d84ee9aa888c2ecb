//! The file that keeps the keys of one program, as CZMQ and pyzmq keep them too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use super::{KeyPair, PublicKey, SecretKey};

/// Whom a key file may be read and written by: its owner.
const MODE: u32 = 0o600;

/// What everybody else may do with a file.
const OTHERS: u32 = 0o077;

/// Many times what a key file has, comments included.
const SIZE_MAX: u64 = 16_384;

/// Why there are no keys in a file, or no file for keys. It never shows a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read the key file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Somebody else may have read the secret.
    #[error(
        "the key file {} is open to others (mode {mode:04o}); keep it to its owner with \
         `chmod 600`, and make new keys if somebody may have read these",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What everybody may do with it.
        mode: u32,
    },
    /// It contains something else.
    #[error(
        "{} is no key file with a public-key and a secret-key; make one with \
         `service-registry keygen`",
        path.display()
    )]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// A key was given where a file was asked for.
    #[error("a key stands where the path of a key file should; write the key into a file")]
    KeyInsteadOfFile,
    /// There is such a file already, perhaps with keys that are in use.
    #[error("{} exists; remove it first, or give another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the key file {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl KeyPair {
    /// The keys in the file `path`.
    ///
    /// # Errors
    /// [`KeyFileError`], also where others may read the file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        if path.to_str().is_some_and(|text| text.parse::<PublicKey>().is_ok()) {
            return Err(KeyFileError::KeyInsteadOfFile);
        }
        let unreadable = |source| KeyFileError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.mode() & OTHERS != 0 {
            let mode = metadata.mode() & 0o7777;
            return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
        }
        // With all its room from the start: bytes that grow leave copies behind.
        let room = usize::try_from(metadata.len().min(SIZE_MAX)).unwrap_or_default() + 1;
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        file.take(SIZE_MAX).read_to_end(&mut text).map_err(unreadable)?;
        let keys = str::from_utf8(&text).ok().and_then(read);
        keys.ok_or_else(|| KeyFileError::NotAKeyFile { path: path.to_owned() })
    }

    /// Writes the keys into a new file that its owner alone can read.
    ///
    /// # Errors
    /// [`KeyFileError`], also where there is a file of that name.
    pub fn store(&self, path: &Path) -> Result<(), KeyFileError> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
            _ => KeyFileError::Unwritable { path: path.to_owned(), source },
        };
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(MODE).open(path).map_err(failed)?;
        let written = self.write(&mut file).and_then(|()| file.sync_all());
        written.map_err(|error| {
            // Half a file would be in the way of the next attempt.
            let _ = fs::remove_file(path);
            failed(error)
        })
    }

    fn write(&self, file: &mut File) -> io::Result<()> {
        write!(
            file,
            "# Keys for CURVE, in the form of CZMQ. Whoever reads this file can act as its owner:\n\
             # give others the public key alone.\n\
             curve\n    public-key = \"{}\"\n    secret-key = \"",
            self.public
        )?;
        file.write_all(self.secret.to_text().as_bytes())?;
        file.write_all(b"\"\n")
    }
}

fn read(text: &str) -> Option<KeyPair> {
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let value = line.trim().strip_prefix(name)?.trim_start().strip_prefix('=')?;
            value.trim().strip_prefix('"')?.strip_suffix('"')
        })
    };
    let public = value("public-key")?.parse().ok()?;
    let secret = SecretKey::from_text(value("secret-key")?)?;
    Some(KeyPair { public, secret })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    fn keys() -> KeyPair {
        let secret = SecretKey::from_text(SECRET).unwrap();
        KeyPair { public: PUBLIC.parse().unwrap(), secret }
    }

    #[test]
    fn keys_come_back_from_a_file_that_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.key");

        keys().store(&path).unwrap();

        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let loaded = KeyPair::load(&path).unwrap();
        assert_eq!(loaded, keys());
        assert_eq!(loaded.secret.as_bytes(), keys().secret.as_bytes());
    }

    #[test]
    fn a_file_that_is_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.key");
        fs::write(&path, "precious").unwrap();

        let error = keys().store(&path).unwrap_err();

        assert!(matches!(error, KeyFileError::Exists { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_file_that_others_may_touch_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.key");
        keys().store(&path).unwrap();

        for (mode, accepted) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();

            match KeyPair::load(&path) {
                Ok(_) => assert!(accepted, "{mode:o}"),
                Err(error) => {
                    assert!(!accepted, "{mode:o}: {error}");
                    assert!(error.to_string().contains("chmod 600"), "{error}");
                }
            }
        }
    }

    #[test]
    fn the_files_of_czmq_and_pyzmq_are_read() {
        let text = format!(
            "#   **** Generated by pyzmq ****\n\nmetadata\n    name = \"me\"\ncurve\n    \
             public-key = \"{PUBLIC}\"\n    secret-key=\"{SECRET}\"\n"
        );

        assert_eq!(read(&text), Some(keys()));
    }

    #[test]
    fn what_is_no_key_file_is_told_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.key");
        let public_alone = format!("curve\n    public-key = \"{PUBLIC}\"\n");
        let cut_off = format!("curve\n    public-key = \"{PUBLIC}\"\n    secret-key = \"{SECRET}");
        for text in [SECRET, "", &public_alone, &cut_off, &SECRET.repeat(1_000)] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(MODE)).unwrap();

            let error = KeyPair::load(&path).unwrap_err();

            assert!(matches!(error, KeyFileError::NotAKeyFile { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
        }
    }

    #[test]
    fn a_key_that_is_given_for_a_file_is_not_repeated() {
        let error = KeyPair::load(Path::new(SECRET)).unwrap_err();

        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
}
