//! `lftp`, which starts `ssh` for SFTP and answers its questions.

use std::path::Path;

use super::{Finished, Target, base_name, name_of, openssh};

pub(super) fn put(target: &Target, local: &Path, remote: &str) -> Finished {
    lftp(target, &format!("mirror -R \"{}\" \"{remote}/{}\"", local.display(), name_of(local)))
}

pub(super) fn get(target: &Target, remote: &str, local: &Path) -> Finished {
    lftp(target, &format!("mirror \"{remote}\" \"{}/{}\"", local.display(), base_name(remote)))
}

fn lftp(target: &Target, work: &str) -> Finished {
    let script = format!(
        "set cmd:fail-exit yes\nset net:max-retries 1\nset net:timeout 30\nset sftp:auto-confirm yes\n\
         set sftp:connect-program \"{}\"\nopen -p {} -u {},{} sftp://127.0.0.1\n{work}\n",
        openssh::command_line(target),
        target.port,
        target.login,
        // A key needs none, but without one lftp would ask a terminal.
        target.password().unwrap_or("-"),
    );
    let mut command = target.command("lftp");
    command.arg("--norc").arg("-f").arg(target.script("lftp-script", &script));
    target.run(&mut command)
}
