//! The libraries that scripts are written with: Python's ftplib, basic-ftp for Node, Perl's Net::FTP, PHP's ftp. Each has a
//! script that is told by its arguments what to do and by its environment where.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Finished, FtpClient, FtpMode, FtpTarget, HOST, TlsVersion, Trust};

pub(super) fn run(client: FtpClient, target: &FtpTarget, what: &str, from: &str, to: &str) -> Finished {
    target.run(&mut command(client, target, what, from, to))
}

/// One file by PHP's `ftps://` stream.
pub(super) fn php_stream(target: &FtpTarget, what: &str, from: &str, to: &str) -> Finished {
    let mut command = php(target, "php_stream.php");
    told(&mut command, target, what, from, to);
    target.run(&mut command)
}

pub(super) fn command(client: FtpClient, target: &FtpTarget, what: &str, from: &str, to: &str) -> Command {
    let mut command = match client {
        // Debian's Python, whatever else is on the path.
        FtpClient::Ftplib | FtpClient::FtplibReusing => script(target, "/usr/bin/python3", "ftplib_client.py"),
        FtpClient::BasicFtp => {
            let mut command = script(target, "node", "basic_ftp.js");
            command.env("NODE_PATH", node_modules());
            command
        }
        FtpClient::NetFtp => script(target, "perl", "net_ftp.pl"),
        FtpClient::Php => php(target, "php_ftp.php"),
        FtpClient::Curl | FtpClient::Lftp | FtpClient::LftpParallel | FtpClient::Rclone | FtpClient::Wget => {
            panic!("{client:?} needs no script")
        }
    };
    if client == FtpClient::FtplibReusing {
        command.env("FTP_REUSE", "yes");
    }
    told(&mut command, target, what, from, to);
    command
}

/// Tells a script what to do, where, and as whom.
fn told(command: &mut Command, target: &FtpTarget, what: &str, from: &str, to: &str) {
    command.args([what, from, to]);
    command.env("FTP_HOST", HOST).env("FTP_PORT", target.port.to_string());
    command.env("FTP_LOGIN", &target.login).env("FTP_PASSWORD", &target.password);
    command.env("FTP_TLS", target.link.version.number());
    let mode = match target.link.mode {
        FtpMode::Implicit => "implicit",
        FtpMode::Explicit => "explicit",
    };
    command.env("FTP_MODE", mode);
    match target.link.trust {
        Trust::Authority => command.env("FTP_TRUST", &target.authority),
        Trust::System => command.env("FTP_TRUST", "system"),
        Trust::Anything => command.env("FTP_TRUST", "anything"),
    };
}

fn script(target: &FtpTarget, interpreter: &str, name: &str) -> Command {
    let mut command = target.command(interpreter);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/ftp_scripts").join(name));
    command
}

fn php(target: &FtpTarget, name: &str) -> Command {
    let mut command = script(target, "php", name);
    command.env("OPENSSL_CONF", openssl_settings(target));
    command
}

/// Where scripts/install-clients puts what npm brings.
fn node_modules() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let modules = target.join("tools/node/node_modules");
    assert!(modules.join("basic-ftp").is_dir(), "basic-ftp is missing: scripts/install-clients (./check does it)");
    modules
}

/// PHP has no say in versions of TLS; the library below it has.
fn openssl_settings(target: &FtpTarget) -> PathBuf {
    let version = match target.link.version {
        TlsVersion::Tls12 => "TLSv1.2",
        TlsVersion::Tls13 => "TLSv1.3",
    };
    let settings = format!(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = versions\n[versions]\n\
         MinProtocol = {version}\nMaxProtocol = {version}\n"
    );
    target.script("openssl.cnf", &settings)
}
