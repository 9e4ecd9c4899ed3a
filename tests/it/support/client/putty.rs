//! PuTTY's `psftp`, which wants to be told the host key and keys of its own format.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Finished, Target, base_name, name_of};
use crate::support::run;

pub(super) fn put(target: &Target, local: &Path, remote: &str) -> Finished {
    psftp(target, &format!("put -r \"{}\" \"{remote}/{}\"\n", local.display(), name_of(local)))
}

pub(super) fn get(target: &Target, remote: &str, local: &Path) -> Finished {
    let into = local.join(base_name(remote));
    psftp(target, &format!("get -r \"{remote}\" \"{}\"\n", into.display()))
}

fn psftp(target: &Target, script: &str) -> Finished {
    let mut command = target.command("psftp");
    command.args(["-batch", "-P", &target.port.to_string()]);
    for fingerprint in host_keys(target) {
        command.args(["-hostkey", &fingerprint]);
    }
    if let Some(password) = target.password() {
        command.args(["-pw", password]);
    }
    if let Some(key) = target.key() {
        command.arg("-i").arg(key.putty());
    }
    command.arg("-b").arg(target.script("psftp-script", script)).arg(format!("{}@127.0.0.1", target.login));
    target.run(&mut command)
}

/// The fingerprints that the gateway shows now, as an administrator would pass them on.
fn host_keys(target: &Target) -> Vec<String> {
    let mut scan = Command::new("ssh-keyscan");
    let scanned = run(scan.args(["-p", &target.port.to_string(), "127.0.0.1"]), Duration::from_secs(30));
    let file = target.script("host-keys", &scanned.stdout);
    let listed = run(Command::new("ssh-keygen").arg("-lf").arg(file), Duration::from_secs(30));
    listed.stdout.lines().filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect()
}
