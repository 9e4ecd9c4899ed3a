//! `curl`: no listing to follow, so every file is a URL of its own, all over one connection.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::{Finished, FtpMode, FtpTarget, TlsVersion, Tree, Trust, base_name, name_of};

pub(super) fn put(target: &FtpTarget, local: &Path, remote: &str) -> Finished {
    let mut config = String::new();
    for path in Tree::read_names(local) {
        let url = url(target, &format!("{remote}/{}/{path}", name_of(local)));
        let _ = writeln!(config, "url = \"{url}\"\nupload-file = \"{}\"", local.join(path).display());
    }
    target.run(curl(target, &config).arg("--ftp-create-dirs"))
}

pub(super) fn get(target: &FtpTarget, remote: &str, local: &Path, names: &Tree) -> Finished {
    let mut config = String::new();
    for path in names.0.keys() {
        let file = local.join(base_name(remote)).join(path);
        let url = url(target, &format!("{remote}/{path}"));
        let _ = writeln!(config, "url = \"{url}\"\noutput = \"{}\"", file.display());
    }
    // Without asking for each size: see docs/PROTOCOL.md for how long curl 7.88 takes otherwise.
    target.run(curl(target, &config).args(["--create-dirs", "--ignore-content-length"]))
}

pub(super) fn put_rest(target: &FtpTarget, local: &Path, remote: &str) -> Finished {
    let config = format!("url = \"{}\"\nupload-file = \"{}\"\n", url(target, remote), local.display());
    target.run(curl(target, &config).args(["-C", "-"]))
}

pub(super) fn put_one(target: &FtpTarget, local: &Path, remote: &str) -> Finished {
    let config = format!("url = \"{}\"\nupload-file = \"{}\"\n", url(target, remote), local.display());
    target.run(curl(target, &config).arg("-v"))
}

pub(super) fn get_rest(target: &FtpTarget, remote: &str, local: &Path) -> Finished {
    let config = format!("url = \"{}\"\noutput = \"{}\"\n", url(target, remote), local.display());
    target.run(curl(target, &config).args(["-C", "-"]))
}

fn url(target: &FtpTarget, path: &str) -> String {
    let scheme = match target.link.mode {
        FtpMode::Implicit => "ftps",
        FtpMode::Explicit => "ftp",
    };
    // A path behind the host is seen from the home folder, which is / for every login.
    target.url(scheme, path)
}

fn curl(target: &FtpTarget, config: &str) -> Command {
    let mut command = target.command("curl");
    // -q: not this machine's settings; -g: names with brackets are no patterns.
    command.args(["-q", "-g", "-sS", "--fail-early", "--connect-timeout", "20"]);
    command.args(["--ssl-reqd", "-u", &format!("{}:{}", target.login, target.password)]);
    command.args(match target.link.version {
        TlsVersion::Tls12 => ["--tlsv1.2", "--tls-max", "1.2"],
        TlsVersion::Tls13 => ["--tlsv1.3", "--tls-max", "1.3"],
    });
    match target.link.trust {
        Trust::Authority => drop(command.arg("--cacert").arg(&target.authority)),
        Trust::System => {}
        Trust::Anything => drop(command.arg("-k")),
    }
    command.arg("-K").arg(target.script("curl-config", config));
    command
}
