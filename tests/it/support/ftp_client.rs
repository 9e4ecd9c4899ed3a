//! The FTP clients that people use, over FTPS (implicit) and FTPES (explicit), each spoken to as they would: by its command
//! line, or by a script of a dozen lines (`ftp_scripts`).

mod curl;
mod lftp;
mod rclone;
mod script;
mod wget;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Account, Finished, Gateway, TestDir, Tree, run};

/// The name by which clients reach the gateway; its certificate is for it.
const HOST: &str = "localhost";

/// A client program, or a library with its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FtpClient {
    Curl,
    /// `mirror`, one file after the other.
    Lftp,
    /// `mirror -P4`.
    LftpParallel,
    /// Python's `ftplib` as it is.
    Ftplib,
    /// With data connections that resume the control connection's TLS session, by a subclass of five lines.
    FtplibReusing,
    BasicFtp,
    NetFtp,
    Rclone,
    Php,
    Wget,
}

/// How a connection becomes private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FtpMode {
    /// FTPS: TLS from the first byte.
    Implicit,
    /// FTPES: `AUTH TLS`.
    Explicit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

/// Which certificates a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Those of the authority that `try` makes, for the host's name.
    Authority,
    /// Those of the authorities that this machine knows, of which `try`'s is none.
    System,
    Anything,
}

/// A cell of the table.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub mode: FtpMode,
    pub version: TlsVersion,
    pub trust: Trust,
}

/// Where a client goes, as whom, and how.
pub struct FtpTarget {
    port: u16,
    login: String,
    password: String,
    link: Link,
    authority: PathBuf,
    /// Uploads of hundreds of MiB need more.
    pub deadline: Duration,
    /// rclone with one control connection instead of several.
    pub one_connection: bool,
    home: TestDir,
}

impl TlsVersion {
    /// As most clients write it.
    pub const fn number(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

impl FtpClient {
    pub const ALL: [Self; 10] = [
        Self::Curl,
        Self::Lftp,
        Self::LftpParallel,
        Self::Ftplib,
        Self::FtplibReusing,
        Self::BasicFtp,
        Self::NetFtp,
        Self::Rclone,
        Self::Php,
        Self::Wget,
    ];

    /// wget only fetches.
    pub const fn uploads(self) -> bool {
        !matches!(self, Self::Wget)
    }

    /// Uploads the folder `local`, so that it becomes `<remote>/<its name>`.
    pub fn put(self, target: &FtpTarget, local: &Path, remote: &str) -> Finished {
        match self {
            Self::Curl => curl::put(target, local, remote),
            Self::Lftp => lftp::put(target, 1, local, remote),
            Self::LftpParallel => lftp::put(target, 4, local, remote),
            Self::Rclone => rclone::put(target, local, remote),
            Self::Ftplib | Self::FtplibReusing | Self::BasicFtp | Self::NetFtp | Self::Php => {
                script::run(self, target, "put", &text(local), &format!("{remote}/{}", name_of(local)))
            }
            Self::Wget => panic!("wget only fetches"),
        }
    }

    /// Downloads the folder `remote`, so that it becomes `<local>/<its name>`. curl cannot list and is told `names`.
    pub fn get(self, target: &FtpTarget, remote: &str, local: &Path, names: &Tree) -> Finished {
        match self {
            Self::Curl => curl::get(target, remote, local, names),
            Self::Lftp => lftp::get(target, 1, remote, local),
            Self::LftpParallel => lftp::get(target, 4, remote, local),
            Self::Rclone => rclone::get(target, remote, local),
            Self::Wget => wget::get(target, remote, local),
            Self::Ftplib | Self::FtplibReusing | Self::BasicFtp | Self::NetFtp | Self::Php => {
                script::run(self, target, "get", remote, &text(&local.join(base_name(remote))))
            }
        }
    }

    /// Sends what the file `remote` lacks of `local`; `None` when the client has no such command.
    pub fn put_rest(self, target: &FtpTarget, local: &Path, remote: &str) -> Option<Finished> {
        match self {
            Self::Curl => Some(curl::put_rest(target, local, remote)),
            Self::Lftp | Self::LftpParallel => Some(lftp::put_rest(target, local, remote)),
            Self::Ftplib | Self::FtplibReusing | Self::BasicFtp | Self::NetFtp | Self::Php => {
                Some(script::run(self, target, "put-rest", &text(local), remote))
            }
            Self::Rclone | Self::Wget => None,
        }
    }

    /// Fetches what the file `local` lacks of `remote`; `None` when the client has no such command.
    pub fn get_rest(self, target: &FtpTarget, remote: &str, local: &Path) -> Option<Finished> {
        match self {
            Self::Curl => Some(curl::get_rest(target, remote, local)),
            Self::Lftp | Self::LftpParallel => Some(lftp::get_rest(target, remote, local)),
            Self::Wget => Some(wget::get_rest(target, remote, local)),
            Self::Ftplib | Self::FtplibReusing | Self::BasicFtp | Self::NetFtp | Self::Php => {
                Some(script::run(self, target, "get-rest", remote, &text(local)))
            }
            Self::Rclone => None,
        }
    }
}

impl FtpTarget {
    /// An account's client that comes over `port`, the gateway's own or a proxy's.
    pub fn new(gateway: &Gateway, account: &Account, port: u16, link: Link) -> Self {
        Self {
            port,
            login: account.login.clone(),
            password: account.password.clone(),
            link,
            authority: gateway.tls_authority(),
            deadline: Duration::from_secs(120),
            one_connection: false,
            home: TestDir::new(),
        }
    }

    /// Begins an upload of `local`, sends its first `bytes`, and is gone.
    pub fn cut_upload(&self, local: &Path, remote: &str, bytes: usize) -> Finished {
        let mut command = script::command(FtpClient::Ftplib, self, "cut", &text(local), remote);
        self.run(command.arg(bytes.to_string()))
    }

    /// Uploads one file by curl, which tells every reply.
    pub fn put_by_curl(&self, local: &Path, remote: &str) -> Finished {
        curl::put_one(self, local, remote)
    }

    /// Uploads one file by PHP's `ftps://` stream.
    pub fn put_by_php_stream(&self, local: &Path, remote: &str) -> Finished {
        script::php_stream(self, "put", &text(local), remote)
    }

    /// Downloads one file by PHP's `ftps://` stream.
    pub fn get_by_php_stream(&self, remote: &str, local: &Path) -> Finished {
        script::php_stream(self, "get", remote, &text(local))
    }

    /// A command in this client's home, in a locale that knows accents, away from this machine's own settings.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.home.path()).env("HOME", self.home.path()).env("LC_ALL", "C.UTF-8");
        for setting in ["SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "NODE_OPTIONS", "FTP_PROXY", "ftp_proxy"] {
            command.env_remove(setting);
        }
        command
    }

    fn run(&self, command: &mut Command) -> Finished {
        run(command, self.deadline)
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        self.home.file(name, text)
    }

    /// The URL of a path, for clients that speak in URLs.
    fn url(&self, scheme: &str, path: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let path: String = path
            .bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect();
        format!("{scheme}://{HOST}:{}{path}", self.port)
    }

    /// GnuTLS's words for one version of TLS alone.
    fn gnutls_priority(&self) -> String {
        format!("NORMAL:-VERS-ALL:+VERS-TLS{}", self.link.version.number())
    }
}

/// The last part of a path, under which clients put a folder elsewhere.
fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8")
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}
