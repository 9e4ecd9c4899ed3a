//! `wget`, which only fetches; with GnuTLS as Debian builds it.

use std::path::Path;
use std::process::Command;

use super::{Finished, FtpMode, FtpTarget, Trust, base_name};

pub(super) fn get(target: &FtpTarget, remote: &str, local: &Path) -> Finished {
    // Below `local` the folder alone, not the path to it.
    let above = remote.trim_matches('/').matches('/').count();
    let mut command = wget(target);
    command.args(["--recursive", "--level=inf", "--no-parent", "--no-host-directories"]);
    command.arg(format!("--cut-dirs={above}")).arg("-P").arg(local).arg(target.url("ftps", &format!("{remote}/")));
    target.run(&mut command)
}

pub(super) fn get_rest(target: &FtpTarget, remote: &str, local: &Path) -> Finished {
    assert_eq!(base_name(remote).as_bytes(), local.file_name().expect("a name").as_encoded_bytes());
    let mut command = wget(target);
    command.arg("-c").arg("-P").arg(local.parent().expect("a folder")).arg(target.url("ftps", remote));
    target.run(&mut command)
}

fn wget(target: &FtpTarget) -> Command {
    let mut command = target.command("wget");
    command.args(["--no-config", "-nv", "--no-hsts", "--tries=1", "--timeout=30", "--restrict-file-names=nocontrol"]);
    command.args(["--user", &target.login, "--password", &target.password]);
    // Not --secure-protocol, which says the lowest version alone.
    command.arg(format!("--ciphers={}", target.gnutls_priority()));
    match target.link.mode {
        FtpMode::Implicit => drop(command.arg("--ftps-implicit")),
        FtpMode::Explicit => {}
    }
    match target.link.trust {
        Trust::Authority => drop(command.arg("--ca-certificate").arg(&target.authority)),
        Trust::System => {}
        Trust::Anything => drop(command.arg("--no-check-certificate")),
    }
    command
}
