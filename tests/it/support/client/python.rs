//! The Python libraries that scripts are written with.

use std::path::Path;

use super::{Finished, Target, base_name, name_of};

pub(super) fn put(target: &Target, library: &str, local: &Path, remote: &str) -> Finished {
    python(target, library, "put", &local.display().to_string(), &format!("{remote}/{}", name_of(local)))
}

pub(super) fn get(target: &Target, library: &str, remote: &str, local: &Path) -> Finished {
    let into = local.join(base_name(remote));
    python(target, library, "get", remote, &into.display().to_string())
}

fn python(target: &Target, library: &str, what: &str, from: &str, to: &str) -> Finished {
    let script = target.script("transfer.py", include_str!("../python/transfer.py"));
    let key = target.key().map(|key| key.private().display().to_string()).unwrap_or_default();
    // Debian's Python, whatever else is on the path: its packages are for it.
    let mut command = target.command("/usr/bin/python3");
    command.args(["-W", "ignore"]).arg(script).args([library, what, from, to]);
    command.args([&target.port.to_string(), &target.login, target.password().unwrap_or_default(), &key]);
    target.run(&mut command)
}
