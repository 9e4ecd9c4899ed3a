//! The clients that people use, each spoken to as they would: by its command line.

mod curl;
mod lftp;
mod openssh;
mod putty;
mod python;
mod rclone;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Finished, KeyPair, TestDir, Tree, run};

/// A client program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    OpenSshSftp,
    /// `scp`, which speaks SFTP since OpenSSH 9.
    Scp,
    /// `scp -O`: the old rcp protocol.
    ScpLegacy,
    Curl,
    Lftp,
    Rclone,
    Psftp,
    Paramiko,
    Asyncssh,
}

impl Client {
    pub const ALL: [Self; 9] = [
        Self::OpenSshSftp,
        Self::Scp,
        Self::ScpLegacy,
        Self::Curl,
        Self::Lftp,
        Self::Rclone,
        Self::Psftp,
        Self::Paramiko,
        Self::Asyncssh,
    ];

    /// Uploads the folder `local`, so that it becomes `<remote>/<its name>`.
    pub fn put(self, target: &Target, local: &Path, remote: &str) -> Finished {
        match self {
            Self::OpenSshSftp => openssh::sftp_put(target, local, remote),
            Self::Scp => openssh::scp_put(target, false, local, remote),
            Self::ScpLegacy => openssh::scp_put(target, true, local, remote),
            Self::Curl => curl::put(target, local, remote),
            Self::Lftp => lftp::put(target, local, remote),
            Self::Rclone => rclone::put(target, local, remote),
            Self::Psftp => putty::put(target, local, remote),
            Self::Paramiko => python::put(target, "paramiko", local, remote),
            Self::Asyncssh => python::put(target, "asyncssh", local, remote),
        }
    }

    /// Downloads the folder `remote`, so that it becomes `<local>/<its name>`. curl cannot list and is told `names`.
    pub fn get(self, target: &Target, remote: &str, local: &Path, names: &Tree) -> Finished {
        match self {
            Self::OpenSshSftp => openssh::sftp_get(target, remote, local),
            Self::Scp => openssh::scp_get(target, false, remote, local),
            Self::ScpLegacy => openssh::scp_get(target, true, remote, local),
            Self::Curl => curl::get(target, remote, local, names),
            Self::Lftp => lftp::get(target, remote, local),
            Self::Rclone => rclone::get(target, remote, local),
            Self::Psftp => putty::get(target, remote, local),
            Self::Paramiko => python::get(target, "paramiko", remote, local),
            Self::Asyncssh => python::get(target, "asyncssh", remote, local),
        }
    }
}

/// What a client signs in with.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    Password(&'a str),
    Key(&'a KeyPair),
    /// Both, for accounts that demand it.
    KeyAndPassword(&'a KeyPair, &'a str),
}

/// Where a client goes and as whom.
pub struct Target<'a> {
    pub port: u16,
    pub login: String,
    pub proof: Proof<'a>,
    /// Uploads of hundreds of MiB need more.
    pub deadline: Duration,
    /// Further options of OpenSSH's programs (`Name=value`).
    pub options: Vec<String>,
    /// Further arguments of OpenSSH's programs, before their destination.
    pub arguments: Vec<String>,
    /// The client's home: known hosts, scripts.
    home: TestDir,
}

impl<'a> Target<'a> {
    pub fn new(port: u16, login: &str, proof: Proof<'a>) -> Self {
        let (login, home) = (login.to_owned(), TestDir::new());
        Self {
            port,
            login,
            proof,
            deadline: Duration::from_secs(120),
            options: Vec::new(),
            arguments: Vec::new(),
            home,
        }
    }

    /// `sftp` with a script, one command a line.
    pub fn sftp(&self, script: &str) -> Finished {
        openssh::sftp(self, script)
    }

    /// `ssh` with further arguments.
    pub fn ssh(&self, arguments: &[&str]) -> Finished {
        openssh::ssh(self, arguments)
    }

    /// The command line of `ssh`, for a test that talks through it.
    pub fn ssh_command(&self, arguments: &[&str]) -> Command {
        openssh::ssh_command(self, arguments)
    }

    /// A file of this client's alone.
    pub fn home_file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// The command line of `sftp`, for a test that must interrupt it.
    pub fn sftp_command(&self, script: &str) -> Command {
        openssh::sftp_command(self, script)
    }

    /// Its files alone, for a client that outlives the target.
    pub fn into_home(self) -> TestDir {
        self.home
    }

    fn password(&self) -> Option<&'a str> {
        match self.proof {
            Proof::Password(password) | Proof::KeyAndPassword(_, password) => Some(password),
            Proof::Key(_) => None,
        }
    }

    fn key(&self) -> Option<&'a KeyPair> {
        match self.proof {
            Proof::Key(key) | Proof::KeyAndPassword(key, _) => Some(key),
            Proof::Password(_) => None,
        }
    }

    /// A command in this client's home, in a locale that knows accents, away from this machine's own settings.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("DISPLAY");
        command
    }

    fn run(&self, command: &mut Command) -> Finished {
        run(command, self.deadline)
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        self.home.file(name, text)
    }
}

/// The last part of a path, under which clients put a folder elsewhere.
fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8")
}
