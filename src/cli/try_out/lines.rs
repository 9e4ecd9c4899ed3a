//! What `try` prints for people: lines that work when they are pasted into a shell, one after the other.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::probe::reachable;
use super::report::{TryAccount, TryEndpoint, TryReport};
use crate::app::RunningApp;
use crate::cli::CommandError;

/// Files that the printed lines name.
pub(super) struct Files {
    /// The host keys, so that no line has to trust blindly.
    known_hosts: PathBuf,
    /// Something to send.
    sample: PathBuf,
}

/// An export such as payroll software takes in.
const SAMPLE: &str = "matricule;nom;debut;fin;type\r\n0001;Durand;2026-01-05;2026-01-09;CP\r\n";

impl Files {
    pub(super) fn write(place: &Path, app: &RunningApp) -> Result<Self, CommandError> {
        let files = Self { known_hosts: place.join("known_hosts"), sample: place.join("absences.csv") };
        let write = |path: &Path, text: &str| {
            std::fs::write(path, text).map_err(|source| CommandError::File { path: path.to_owned(), source })
        };
        write(&files.known_hosts, &known_hosts(app.sftp_addresses(), &app.host_keys()))?;
        write(&files.sample, SAMPLE)?;
        Ok(files)
    }
}

/// The lines of `known_hosts` (sshd(8)) for the listeners.
fn known_hosts(addresses: &[SocketAddr], keys: &[String]) -> String {
    let mut text = String::new();
    for address in addresses.iter().map(|address| reachable(*address)) {
        for key in keys {
            let _ = match address.port() {
                22 => writeln!(text, "{} {key}", address.ip()),
                port => writeln!(text, "[{}]:{port} {key}", address.ip()),
            };
        }
    }
    text
}

/// Everything that is printed.
pub(super) fn text(report: &TryReport, files: &Files, internal: SocketAddr, throw_away: bool) -> String {
    let mut text = String::new();
    let end = if throw_away { "Ctrl-C ends it and removes its data." } else { "Ctrl-C ends it; its data stays." };
    let _ = writeln!(text, "The gateway runs on this machine alone. {end}\n");
    if let Some(sftp) = &report.sftp {
        let _ = writeln!(text, "SFTP    {} port {}", sftp.host, sftp.port);
    }
    for (name, endpoint) in [("FTPS ", &report.ftps), ("FTPES", &report.ftpes)] {
        if let Some(endpoint) = endpoint {
            let _ = writeln!(text, "{name}   {} port {}", endpoint.host, endpoint.port);
        }
    }
    let _ = writeln!(text, "API     {}", report.api.url);
    let _ = writeln!(text, "Health  http://{}/readyz\n", reachable(internal));
    for account in &report.accounts {
        let password = account.password.as_deref().unwrap_or("none");
        let _ = writeln!(text, "{} ({}): login {}, password {password}", account.name, account.preset, account.login);
        for folder in &account.folders {
            let rights =
                folder.rights.ready_set().map_or_else(|| folder.rights.to_string(), |set| set.as_str().to_owned());
            let _ = writeln!(text, "    {}  {rights}  {}", folder.path, folder.directory.display());
        }
    }
    let _ = writeln!(text, "\nTo paste:");
    for account in &report.accounts {
        sign_in(&mut text, report, files, account);
    }
    if let Some(account) = report.accounts.first() {
        exchange(&mut text, report, files, account);
        exchange_over_tls(&mut text, report, files, account);
    }
    let insecure = if report.api.url.starts_with("https") { "-k " } else { "" };
    let bearer = quoted(&format!("Authorization: Bearer {}", report.api.token));
    let _ = writeln!(text, "  # the management API\n  curl {insecure}-H {bearer} {}/v1/instances", report.api.url);
    text
}

/// `sftp` with the key, which asks for nothing.
fn sign_in(text: &mut String, report: &TryReport, files: &Files, account: &TryAccount) {
    let Some(sftp) = &report.sftp else { return };
    let known_hosts = quoted(&format!("UserKnownHostsFile={}", ssh_word(&files.known_hosts)));
    let options = format!("-P {} -o {known_hosts} -o StrictHostKeyChecking=yes", sftp.port);
    let identity = match &account.private_key {
        Some(key) => format!(" -o IdentitiesOnly=yes -i {}", quoted(&key.display().to_string())),
        None => String::new(),
    };
    let _ = writeln!(text, "  # {}: sign in and look around (`help` tells what to type, `bye` leaves)", account.name);
    let _ = writeln!(text, "  sftp {options}{identity} {}@{}", quoted(&account.login), sftp.host);
}

/// An upload and a download, by password.
fn exchange(text: &mut String, report: &TryReport, files: &Files, account: &TryAccount) {
    let (Some(sftp), Some(folder), Some(password)) = (&report.sftp, account.folders.first(), &account.password) else {
        return;
    };
    let host = if sftp.host.contains(':') { format!("[{}]", sftp.host) } else { sftp.host.clone() };
    let folder_url = format!("sftp://{host}:{}{}/", sftp.port, url_path(&folder.path));
    let user = quoted(&format!("{}:{password}", account.login));
    let sample = quoted(&files.sample.display().to_string());
    // curl reads the user's own known_hosts alone; on loopback there is nobody between.
    let _ = writeln!(text, "  # upload a file, then fetch it, with curl");
    let _ = writeln!(text, "  curl -k -u {user} -T {sample} {folder_url}");
    let _ = writeln!(text, "  curl -k -u {user} {folder_url}absences.csv");
    let ssh = format!("ssh -a -x -o UserKnownHostsFile={} -o StrictHostKeyChecking=yes", ssh_word(&files.known_hosts));
    let script = format!("set sftp:connect-program {}; cd {}; ls; bye", lftp_word(&ssh), lftp_word(&folder.path));
    let user = quoted(&format!("{},{password}", account.login));
    let _ = writeln!(text, "  # list the folder with lftp");
    let _ = writeln!(text, "  lftp -u {user} -e {} sftp://{host}:{}", quoted(&script), sftp.port);
}

/// The same over FTPS and FTPES, the gateway's certificate verified.
fn exchange_over_tls(text: &mut String, report: &TryReport, files: &Files, account: &TryAccount) {
    let (Some(authority), Some(folder), Some(password)) = (&report.tls_ca, account.folders.first(), &account.password)
    else {
        return;
    };
    let authority = authority.display().to_string();
    let user = quoted(&format!("{}:{password}", account.login));
    let sample = quoted(&files.sample.display().to_string());
    let path = url_path(&folder.path);
    let ends = [("FTPS", "ftps", "", &report.ftps), ("FTPES", "ftp", "--ssl-reqd ", &report.ftpes)];
    for (name, scheme, option, endpoint) in ends {
        let Some(TryEndpoint { host, port }) = endpoint else { continue };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let _ = writeln!(text, "  # upload a file with curl over {name}");
        let _ = writeln!(
            text,
            "  curl {option}--cacert {} -u {user} -T {sample} {scheme}://{host}:{port}{path}/",
            quoted(&authority)
        );
    }
    let Some(TryEndpoint { host, port }) = &report.ftpes else { return };
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let script = format!(
        "set ssl:ca-file {}; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; cd {}; ls; bye",
        lftp_word(&authority),
        lftp_word(&folder.path)
    );
    let user = quoted(&format!("{},{password}", account.login));
    let _ = writeln!(text, "  # list the folder with lftp over FTPES");
    let _ = writeln!(text, "  lftp -u {user} -e {} ftp://{host}:{port}", quoted(&script));
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@,+%[]".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A path as a value of ssh_config(5), in which double quotes hold spaces together.
fn ssh_word(path: &Path) -> String {
    let path = path.display().to_string();
    if path.contains(char::is_whitespace) { format!("\"{path}\"") } else { path }
}

/// A word for lftp's own command line.
fn lftp_word(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A path inside a URL (RFC 3986 §3.3), without a final slash.
fn url_path(path: &str) -> String {
    let mut encoded = String::new();
    for byte in path.trim_end_matches('/').bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::sample;
    use super::*;

    fn files() -> Files {
        Files { known_hosts: "/tmp/x/known_hosts".into(), sample: "/tmp/x/absences.csv".into() }
    }

    #[test]
    fn every_line_to_paste_is_there() {
        let text = text(&sample(), &files(), "127.0.0.1:9090".parse().unwrap(), true);
        for line in [
            "  sftp -P 2022 -o UserKnownHostsFile=/tmp/x/known_hosts -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -i \
             '/tmp/a b/demo_ed25519' demo@127.0.0.1",
            "  curl -k -u 'demo:it'\\''s secret' -T /tmp/x/absences.csv sftp://127.0.0.1:2022/in%20box/",
            "  curl -k -u 'demo:it'\\''s secret' sftp://127.0.0.1:2022/in%20box/absences.csv",
            "  lftp -u 'demo,it'\\''s secret' -e 'set sftp:connect-program \"ssh -a -x -o \
             UserKnownHostsFile=/tmp/x/known_hosts -o StrictHostKeyChecking=yes\"; cd \"/in box\"; ls; bye' \
             sftp://127.0.0.1:2022",
            "  curl -H 'Authorization: Bearer lgw_x' http://127.0.0.1:8080/v1/instances",
            "Health  http://127.0.0.1:9090/readyz",
            "    /in box  read-write  /tmp/a b/files/1/2/in box",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_shell_reads_a_quoted_word_as_it_was() {
        for word in ["plain", "", "a b", "it's", "$HOME `id` \"x\" \\", "*", "a;b", "~", "#x"] {
            let output = std::process::Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted(word))).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), word);
        }
    }

    #[test]
    fn known_hosts_names_the_port_where_it_is_not_the_usual_one() {
        let keys = ["ssh-ed25519 AAAA".to_owned()];
        let addresses = ["0.0.0.0:2022".parse().unwrap(), "127.0.0.1:22".parse().unwrap()];
        assert_eq!(known_hosts(&addresses, &keys), "[127.0.0.1]:2022 ssh-ed25519 AAAA\n127.0.0.1 ssh-ed25519 AAAA\n");
    }

    #[test]
    fn a_folder_that_is_the_root_has_one_slash() {
        assert_eq!(url_path("/"), "");
        assert_eq!(url_path("/é/a"), "/%C3%A9/a");
    }
}
