//! `rclone`, by flags alone.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Finished, Target, base_name, name_of};
use crate::support::run;

pub(super) fn put(target: &Target, local: &Path, remote: &str) -> Finished {
    let there = format!(":sftp:{remote}/{}", name_of(local));
    target.run(rclone(target).arg("copy").arg(local).arg(there))
}

pub(super) fn get(target: &Target, remote: &str, local: &Path) -> Finished {
    target.run(rclone(target).arg("copy").arg(format!(":sftp:{remote}")).arg(local.join(base_name(remote))))
}

fn rclone(target: &Target) -> Command {
    let mut command = target.command("rclone");
    command.args(["--config", ""]).args(["--retries", "1", "--low-level-retries", "1", "--contimeout", "20s"]).args([
        "--sftp-host",
        "127.0.0.1",
        "--sftp-port",
        &target.port.to_string(),
        "--sftp-user",
        &target.login,
    ]);
    if let Some(password) = target.password() {
        let obscured = run(target.command("rclone").args(["obscure", password]), Duration::from_secs(30));
        command.args(["--sftp-pass", obscured.stdout.trim()]);
    }
    if let Some(key) = target.key() {
        command.arg("--sftp-key-file").arg(key.private());
    }
    command
}
