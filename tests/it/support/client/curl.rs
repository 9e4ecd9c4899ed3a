//! `curl`: no listing to follow, so every file is a URL of its own, all over one connection.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::{Finished, Target, Tree, base_name, name_of};

pub(super) fn put(target: &Target, local: &Path, remote: &str) -> Finished {
    let mut config = String::new();
    for path in Tree::read(local).0.keys() {
        let url = url(target, &format!("{remote}/{}/{path}", name_of(local)));
        let _ = writeln!(config, "url = \"{url}\"\nupload-file = \"{}\"", local.join(path).display());
    }
    target.run(curl(target, &config).arg("--ftp-create-dirs"))
}

pub(super) fn get(target: &Target, remote: &str, local: &Path, names: &Tree) -> Finished {
    let mut config = String::new();
    for path in names.0.keys() {
        let file = local.join(base_name(remote)).join(path);
        let _ =
            writeln!(config, "url = \"{}\"\noutput = \"{}\"", url(target, &format!("{remote}/{path}")), file.display());
    }
    target.run(curl(target, &config).arg("--create-dirs"))
}

fn curl(target: &Target, config: &str) -> Command {
    let mut command = target.command("curl");
    // -q: not this machine's settings; -k: the host key is another on every start.
    command.args(["-q", "-k", "-sS", "--fail-early", "--connect-timeout", "20"]);
    command.args(["-u", &format!("{}:{}", target.login, target.password().unwrap_or_default())]);
    if let Some(key) = target.key() {
        command.arg("--key").arg(key.private()).arg("--pubkey").arg(key.public());
    }
    command.arg("-K").arg(target.script("curl-config", config));
    command
}

fn url(target: &Target, path: &str) -> String {
    let mut url = format!("sftp://127.0.0.1:{}", target.port);
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' => url.push(char::from(byte)),
            _ => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}
