//! `lftp`, with GnuTLS as Debian builds it.

use std::path::Path;

use super::{Finished, FtpMode, FtpTarget, HOST, Trust, base_name, name_of};

pub(super) fn put(target: &FtpTarget, at_once: usize, local: &Path, remote: &str) -> Finished {
    lftp(target, &format!("mirror -R -P{at_once} \"{}\" \"{remote}/{}\"", local.display(), name_of(local)))
}

pub(super) fn get(target: &FtpTarget, at_once: usize, remote: &str, local: &Path) -> Finished {
    lftp(target, &format!("mirror -P{at_once} \"{remote}\" \"{}/{}\"", local.display(), base_name(remote)))
}

pub(super) fn put_rest(target: &FtpTarget, local: &Path, remote: &str) -> Finished {
    lftp(target, &format!("put -c \"{}\" -o \"{remote}\"", local.display()))
}

pub(super) fn get_rest(target: &FtpTarget, remote: &str, local: &Path) -> Finished {
    lftp(target, &format!("get -c \"{remote}\" -o \"{}\"", local.display()))
}

fn lftp(target: &FtpTarget, work: &str) -> Finished {
    let scheme = match target.link.mode {
        FtpMode::Implicit => "ftps",
        FtpMode::Explicit => "ftp",
    };
    let trust = match target.link.trust {
        Trust::Authority => format!("set ssl:ca-file \"{}\"", target.authority.display()),
        Trust::System => String::new(),
        Trust::Anything => String::from("set ssl:verify-certificate no"),
    };
    let script = format!(
        "set cmd:fail-exit yes\nset net:max-retries 1\nset net:timeout 30\nset ftp:ssl-force yes\n\
         set ftp:ssl-protect-data yes\nset ssl:priority {}\n{trust}\n\
         open -p {} -u {},{} {scheme}://{HOST}\n{work}\n",
        target.gnutls_priority(),
        target.port,
        target.login,
        target.password,
    );
    let mut command = target.command("lftp");
    command.arg("--norc").arg("-f").arg(target.script("lftp-script", &script));
    target.run(&mut command)
}
