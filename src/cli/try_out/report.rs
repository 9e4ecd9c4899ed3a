//! What `try` made, for programs: the content of `--json FILE`. Its keys are a promise to tests and benchmarks.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::probe::reachable;
use super::provision::Provisioned;
use super::secrets::write_private;
use crate::app::RunningApp;
use crate::cli::CommandError;
use crate::config::FtpMode;
use crate::domain::{ConnectionTypes, Rights};

/// Everything that `try` tells. What is not there yet is `null`.
#[derive(Debug, Clone, Serialize)]
pub struct TryReport {
    pub pid: u32,
    pub sftp: Option<TryEndpoint>,
    pub ftps: Option<TryEndpoint>,
    pub ftpes: Option<TryEndpoint>,
    pub api: TryApi,
    /// The address of the pages.
    pub pages: Option<String>,
    /// The file of the authority that vouches for the gateway's certificates.
    pub tls_ca: Option<PathBuf>,
    /// The first speaks every connection type there is and has a folder that it may do everything in.
    pub accounts: Vec<TryAccount>,
}

/// Where something is served.
#[derive(Debug, Clone, Serialize)]
pub struct TryEndpoint {
    pub host: String,
    pub port: u16,
}

/// The management API.
#[derive(Debug, Clone, Serialize)]
pub struct TryApi {
    pub url: String,
    pub token: String,
}

/// An account to try things with.
#[derive(Debug, Clone, Serialize)]
pub struct TryAccount {
    pub preset: String,
    pub name: String,
    pub login: String,
    pub password: Option<String>,
    /// The file of the private key.
    pub private_key: Option<PathBuf>,
    pub connection_types: ConnectionTypes,
    pub folders: Vec<TryFolder>,
}

/// A remote folder of an account.
#[derive(Debug, Clone, Serialize)]
pub struct TryFolder {
    pub name: String,
    pub path: String,
    pub rights: Rights,
    /// Where its files are on this machine's disk.
    pub directory: PathBuf,
}

impl TryReport {
    pub(super) fn new(
        app: &RunningApp,
        tls: bool,
        tls_ca: Option<PathBuf>,
        token: String,
        accounts: &[Provisioned],
        private_key: Option<&Path>,
    ) -> Self {
        let scheme = if tls { "https" } else { "http" };
        let account = |provisioned: &Provisioned| {
            let Provisioned { preset, account, folders, password, takes_key } = provisioned;
            TryAccount {
                preset: preset.to_string(),
                name: account.name.to_string(),
                login: account.login.to_string(),
                password: password.clone(),
                private_key: private_key.filter(|_| *takes_key).map(Path::to_owned),
                connection_types: account.connection_types,
                folders: folders
                    .iter()
                    .map(|folder| TryFolder {
                        name: folder.name.to_string(),
                        path: folder.path.to_string(),
                        rights: folder.rights,
                        directory: app.directory_of(account.instance, account.id, &folder.path),
                    })
                    .collect(),
            }
        };
        let ftp = |mode| {
            let (_, address) = app.ftp_addresses().iter().find(|(other, _)| *other == mode)?;
            let address = reachable(*address);
            Some(TryEndpoint { host: address.ip().to_string(), port: address.port() })
        };
        Self {
            pid: std::process::id(),
            sftp: app.sftp_addresses().first().map(|address| {
                let address = reachable(*address);
                TryEndpoint { host: address.ip().to_string(), port: address.port() }
            }),
            ftps: ftp(FtpMode::Ftps),
            ftpes: ftp(FtpMode::Ftpes),
            api: TryApi { url: format!("{scheme}://{}", reachable(app.api_address())), token },
            pages: None,
            tls_ca,
            accounts: accounts.iter().map(account).collect(),
        }
    }

    /// Writes it, for its owner alone, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Result<(), CommandError> {
        let mut text = serde_json::to_vec_pretty(self).expect("texts and numbers are always JSON");
        text.push(b'\n');
        write_private(path, &text)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::ReadySet;

    pub(in super::super) fn sample() -> TryReport {
        TryReport {
            pid: 7,
            sftp: Some(TryEndpoint { host: "127.0.0.1".into(), port: 2022 }),
            ftps: None,
            ftpes: None,
            api: TryApi { url: "http://127.0.0.1:8080".into(), token: "lgw_x".into() },
            pages: None,
            tls_ca: None,
            accounts: vec![TryAccount {
                preset: "lucca".into(),
                name: "Demo Lucca".into(),
                login: "demo".into(),
                password: Some("it's secret".into()),
                private_key: Some("/tmp/a b/demo_ed25519".into()),
                connection_types: ConnectionTypes::all(),
                folders: vec![TryFolder {
                    name: "Inbox".into(),
                    path: "/in box".into(),
                    rights: ReadySet::ReadWrite.rights(),
                    directory: "/tmp/a b/files/1/2/in box".into(),
                }],
            }],
        }
    }

    #[test]
    fn the_keys_are_those_that_programs_expect() {
        let json = serde_json::to_value(sample()).unwrap();
        let expected = serde_json::json!({
            "pid": 7,
            "sftp": { "host": "127.0.0.1", "port": 2022 },
            "ftps": null,
            "ftpes": null,
            "api": { "url": "http://127.0.0.1:8080", "token": "lgw_x" },
            "pages": null,
            "tls_ca": null,
            "accounts": [{
                "preset": "lucca",
                "name": "Demo Lucca",
                "login": "demo",
                "password": "it's secret",
                "private_key": "/tmp/a b/demo_ed25519",
                "connection_types": ["sftp", "ftps", "ftpes"],
                "folders": [{
                    "name": "Inbox",
                    "path": "/in box",
                    "rights": ["list", "read", "write", "overwrite", "delete", "rename", "make_folder"],
                    "directory": "/tmp/a b/files/1/2/in box",
                }],
            }],
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn the_file_is_whole_and_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.json");
        sample().write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(read["accounts"][0]["login"], "demo");
    }
}
