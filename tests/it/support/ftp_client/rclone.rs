//! `rclone`, by flags alone.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Finished, FtpMode, FtpTarget, HOST, TlsVersion, Trust, base_name, name_of};
use crate::support::run;

pub(super) fn put(target: &FtpTarget, local: &Path, remote: &str) -> Finished {
    let there = format!(":ftp:{remote}/{}", name_of(local));
    target.run(rclone(target).arg("copy").arg(local).arg(there))
}

pub(super) fn get(target: &FtpTarget, remote: &str, local: &Path) -> Finished {
    target.run(rclone(target).arg("copy").arg(format!(":ftp:{remote}")).arg(local.join(base_name(remote))))
}

fn rclone(target: &FtpTarget) -> Command {
    let mut command = target.command("rclone");
    command.args(["--config", "", "--retries", "1", "--low-level-retries", "1", "--contimeout", "20s"]);
    // From 250 MiB on it fetches parts and closes each connection in the middle; 1.60 takes the 426 that this deserves for
    // a failure (docs/PROTOCOL.md).
    command.args(["--multi-thread-streams", "0"]);
    command.args(["--ftp-host", HOST, "--ftp-port", &target.port.to_string(), "--ftp-user", &target.login]);
    let obscured = run(target.command("rclone").args(["obscure", &target.password]), Duration::from_secs(30));
    command.args(["--ftp-pass", obscured.stdout.trim()]);
    if target.one_connection {
        command.args(["--ftp-concurrency", "1", "--transfers", "1", "--checkers", "1"]);
    }
    command.arg(match target.link.mode {
        FtpMode::Implicit => "--ftp-tls",
        FtpMode::Explicit => "--ftp-explicit-tls",
    });
    match target.link.version {
        TlsVersion::Tls12 => drop(command.arg("--ftp-disable-tls13")),
        // Go's own choice.
        TlsVersion::Tls13 => {}
    }
    match target.link.trust {
        // rclone 1.60 does not ask its own --ca-cert for FTP; Go reads this.
        Trust::Authority => drop(command.env("SSL_CERT_FILE", &target.authority)),
        Trust::System => {}
        Trust::Anything => drop(command.arg("--ftp-no-check-certificate")),
    }
    command
}
