//! An authority that certifies members of etcd and registries, made with the `openssl` command.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// Members are certified for clients' purposes, too: etcd's gateway asks its own member by the
/// member's certificate.
const SETTINGS: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
O = lab
[authority]
basicConstraints = critical, CA:TRUE
[member]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1
extendedKeyUsage = serverAuth, clientAuth
[registry]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
";

const KEY: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// The keys and certificates of one authority, in a folder of their own. Dropping it removes all
/// that it made.
pub(crate) struct Authority(TempDir);

impl Authority {
    /// One that has certified a `member`, a `registry`, and one that is `named`: it has a common
    /// name, which the others have not.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("service-registry-tls-").tempdir().unwrap();
        fs::write(folder.path().join("openssl.cnf"), SETTINGS).unwrap();
        let authority = Self(folder);
        authority.make("authority", "authority", &[]);
        let issuer = ["-CA", "authority.pem", "-CAkey", "authority.key"];
        authority.make("member", "member", &issuer);
        authority.make("registry", "registry", &issuer);
        authority.make("named", "registry", &[&issuer[..], &["-subj", "/CN=named"]].concat());
        authority
    }

    /// Where a file of this name is: `authority.pem`, `member.pem`, `member.key`, and so on.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same, as settings have it.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    #[track_caller]
    fn make(&self, name: &str, extensions: &str, arguments: &[&str]) {
        let output = Command::new("openssl")
            .current_dir(self.0.path())
            .args([
                "req",
                "-x509",
                "-config",
                "openssl.cnf",
                "-days",
                "1",
                "-extensions",
                extensions,
            ])
            .args(["-out", &format!("{name}.pem"), "-keyout", &format!("{name}.key")])
            .args(KEY)
            .args(arguments)
            .output()
            .expect("openssl is installed (Debian: openssl)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
