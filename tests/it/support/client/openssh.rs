//! `sftp`, `scp`, `scp -O`, `ssh`.

use std::path::Path;
use std::process::Command;

use super::{Finished, Target};

/// The options that all of them share.
fn options(target: &Target) -> Vec<String> {
    let methods = match (target.key(), target.password()) {
        (Some(_), Some(_)) => "publickey,password",
        (Some(_), None) => "publickey",
        (None, _) => "password",
    };
    let known_hosts = target.home.join("known_hosts");
    let mut options: Vec<String> = [
        "BatchMode=no".to_owned(), // before sftp's own -b, which would forbid passwords
        format!("PreferredAuthentications={methods}"),
        format!("UserKnownHostsFile={}", known_hosts.display()),
        "StrictHostKeyChecking=accept-new".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "IdentityAgent=none".to_owned(),
        "NumberOfPasswordPrompts=1".to_owned(),
        "ConnectTimeout=20".to_owned(),
        "LogLevel=ERROR".to_owned(),
    ]
    .into_iter()
    .chain(target.options.iter().cloned())
    .flat_map(|option| ["-o".to_owned(), option])
    .collect();
    options.extend(["-F".to_owned(), "/dev/null".to_owned()]);
    options.extend(target.arguments.iter().cloned());
    if let Some(key) = target.key() {
        options.extend(["-i".to_owned(), key.private().display().to_string()]);
    }
    options
}

/// A command with options and a way to ask for the password.
fn command(target: &Target, program: &str) -> Command {
    let mut command = target.command(program);
    command.args(options(target));
    if let Some(password) = target.password() {
        let ask = target.script("askpass", "#!/bin/sh\nprintf '%s\\n' \"$TEST_PASSWORD\"\n");
        make_executable(&ask);
        command.env("SSH_ASKPASS", ask).env("SSH_ASKPASS_REQUIRE", "force").env("TEST_PASSWORD", password);
    }
    command
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o700)).expect("an executable file");
}

/// The words of ssh's command line for `lftp`, which starts it itself.
pub(super) fn command_line(target: &Target) -> String {
    let quoted = options(target).into_iter().map(|word| format!("'{word}'"));
    std::iter::once("ssh -a -x".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

pub(super) fn sftp_command(target: &Target, script: &str) -> Command {
    let script = target.script("sftp-script", script);
    let mut command = command(target, "sftp");
    command.args(["-P", &target.port.to_string(), "-b"]).arg(script).arg(format!("{}@127.0.0.1", target.login));
    command
}

pub(super) fn sftp(target: &Target, script: &str) -> Finished {
    target.run(&mut sftp_command(target, script))
}

pub(super) fn ssh_command(target: &Target, arguments: &[&str]) -> Command {
    let mut command = command(target, "ssh");
    command.args(["-p", &target.port.to_string(), &format!("{}@127.0.0.1", target.login)]).args(arguments);
    command
}

pub(super) fn ssh(target: &Target, arguments: &[&str]) -> Finished {
    target.run(&mut ssh_command(target, arguments))
}

pub(super) fn sftp_put(target: &Target, local: &Path, remote: &str) -> Finished {
    sftp(target, &format!("put -r \"{}\" \"{remote}\"\n", local.display()))
}

pub(super) fn sftp_get(target: &Target, remote: &str, local: &Path) -> Finished {
    sftp(target, &format!("get -r \"{remote}\" \"{}\"\n", local.display()))
}

fn scp(target: &Target, legacy: bool) -> Command {
    let mut command = command(target, "scp");
    if legacy {
        command.arg("-O");
    }
    command.args(["-r", "-p", "-P", &target.port.to_string()]);
    command
}

pub(super) fn scp_put(target: &Target, legacy: bool, local: &Path, remote: &str) -> Finished {
    target.run(scp(target, legacy).arg(local).arg(format!("{}@127.0.0.1:{remote}/", target.login)))
}

pub(super) fn scp_get(target: &Target, legacy: bool, remote: &str, local: &Path) -> Finished {
    target.run(scp(target, legacy).arg(format!("{}@127.0.0.1:{remote}", target.login)).arg(local))
}
