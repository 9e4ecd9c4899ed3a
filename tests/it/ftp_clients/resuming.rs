//! What clients resume: a file that was cut, from where it was cut; and the TLS session of the control connection, where a
//! listener insists.

use std::sync::OnceLock;

use serde_json::Value;

use super::{BOTH_MODES, account, ten_files};
use crate::exchange::FOLDER;
use crate::support::{
    Account, FtpClient, FtpMode, FtpTarget, Gateway, Link, Options, TestDir, TlsVersion, Tree, Trust, eventually,
    pattern,
};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
const WHOLE: usize = 3_000_000;
const CUT_AT: usize = 1_234_567;

fn usual_link(client: FtpClient) -> Link {
    // PHP looks at no certificate.
    let trust = if client == FtpClient::Php { Trust::Anything } else { Trust::Authority };
    Link { mode: FtpMode::Explicit, version: TlsVersion::Tls13, trust }
}

/// The account's last transfers, once there are so many.
fn transfers(account: &Account, direction: &str, count: usize) -> Vec<Value> {
    let path = format!("/accounts/{}/transfers?direction={direction}", account.id);
    eventually(PATIENCE, &path, || {
        let items = account.api.get(&path).ok()["items"].as_array().expect("items").clone();
        (items.len() >= count).then_some(items)
    })
}

fn bytes(transfer: &Value) -> usize {
    usize::try_from(transfer["bytes"].as_u64().expect("bytes")).expect("a size")
}

/// An upload that was cut is gone on with, and only what was missing is sent.
fn goes_on_with_an_upload(client: FtpClient) {
    let gateway = Gateway::shared();
    let account = account(gateway);
    let link = usual_link(client);
    let target = FtpTarget::new(gateway, &account, gateway.ftp_port(link.mode), link);
    let local = TestDir::new();
    let contents = pattern(WHOLE);
    let file = local.file("écritures.csv", &contents);
    let remote = format!("{FOLDER}/écritures.csv");
    let cut = target.cut_upload(&file, &remote, CUT_AT);
    assert!(cut.succeeded(), "{}", cut.said());
    assert_eq!(account.api_get(FOLDER, "écritures.csv"), None, "a part is visible");
    let kept = bytes(&transfers(&account, "upload", 1)[0]);
    assert!(kept > 0 && kept <= CUT_AT, "{kept}");
    // What the gateway has must not be sent again: another first byte here stays here.
    let mut other = contents.clone();
    other[0] ^= 0xff;
    let file = local.file("écritures.csv", other);
    let done = client.put_rest(&target, &file, &remote).expect("a client that resumes uploads");
    assert!(done.succeeded(), "{client:?}: {}", done.said());
    let found = account.api_get(FOLDER, "écritures.csv").expect("a published file");
    assert!(found[0] == contents[0], "{client:?} began anew");
    assert!(found == contents, "{client:?}: {} bytes, of {WHOLE}", found.len());
}

/// A download that was cut is gone on with, and only what was missing is fetched.
fn goes_on_with_a_download(client: FtpClient) {
    let gateway = Gateway::shared();
    let account = account(gateway);
    let link = usual_link(client);
    let target = FtpTarget::new(gateway, &account, gateway.ftp_port(link.mode), link);
    let local = TestDir::new();
    let contents = pattern(WHOLE);
    account.api_put(FOLDER, "écritures.csv", &contents);
    let file = local.file("écritures.csv", &contents[..CUT_AT]);
    let done = client.get_rest(&target, &format!("{FOLDER}/écritures.csv"), &file).expect("a client that resumes");
    assert!(done.succeeded(), "{client:?}: {}", done.said());
    assert!(std::fs::read(&file).unwrap() == contents, "{client:?}");
    assert_eq!(bytes(&transfers(&account, "download", 1)[0]), WHOLE - CUT_AT, "{client:?}");
}

macro_rules! going_on {
    ($what:ident: $($name:ident $client:ident,)*) => {
        mod $what {
            use super::*;

            $(
                #[test]
                fn $name() {
                    super::$what(FtpClient::$client);
                }
            )*
        }
    };
}

// rclone begins anew; wget only fetches.
going_on! {
    goes_on_with_an_upload:
    curl Curl, lftp Lftp, ftplib Ftplib, basic_ftp BasicFtp, net_ftp NetFtp, php Php,
}

going_on! {
    goes_on_with_a_download:
    curl Curl, lftp Lftp, ftplib Ftplib, basic_ftp BasicFtp, net_ftp NetFtp, php Php, wget Wget,
}

/// A gateway whose listeners take only data connections that resume the TLS session of their control connection.
fn demanding() -> &'static Gateway {
    static DEMANDING: OnceLock<Gateway> = OnceLock::new();
    DEMANDING.get_or_init(|| {
        let listener = |mode| {
            format!("[[ftp.listeners]]\naddress = \"127.0.0.1:0\"\nmode = \"{mode}\"\nrequire_resumption = true\n")
        };
        Gateway::start(&Options { config: listener("ftps") + &listener("ftpes"), ..Options::default() })
    })
}

/// Whether ten files go up and come down in a session where data connections must resume.
fn resumes_for_every_file(client: FtpClient, link: Link) -> bool {
    let gateway = demanding();
    let account = account(gateway);
    let mut target = FtpTarget::new(gateway, &account, gateway.ftp_port(link.mode), link);
    // Several of rclone's share one store of sessions, and take each other's.
    target.one_connection = true;
    let (local, files) = (TestDir::new(), ten_files());
    let done = if client.uploads() {
        files.write(&local.folder("paie"));
        client.put(&target, &local.join("paie"), FOLDER)
    } else {
        for (path, contents) in &files.0 {
            account.api_put(FOLDER, &format!("paie/{path}"), contents);
        }
        client.get(&target, &format!("{FOLDER}/paie"), local.path(), &files)
    };
    assert!(done.status.is_some(), "{client:?} hangs: {}", done.said());
    let arrived = if client.uploads() { account.api_tree(FOLDER) } else { Tree::read(local.path()) };
    // Whatever was published is whole.
    for (path, contents) in &arrived.0 {
        assert!(path.strip_prefix("paie/").is_some_and(|path| files.0[path] == *contents), "{client:?}: {path}");
    }
    if done.succeeded() && client.uploads() {
        assert_eq!(arrived.0.len(), files.0.len(), "{client:?}: {}", done.said());
        let back = client.get(&target, &format!("{FOLDER}/paie"), local.folder("retour").as_path(), &files);
        return back.succeeded();
    }
    done.succeeded()
}

macro_rules! demands {
    ($($name:ident: $client:ident, TLS 1.2 $tls12:literal, TLS 1.3 $tls13:literal;)*) => {
        mod where_resumption_is_demanded {
            use super::*;

            $(
                #[test]
                fn $name() {
                    for (version, expected) in [(TlsVersion::Tls12, $tls12), (TlsVersion::Tls13, $tls13)] {
                        for mode in BOTH_MODES {
                            let link = Link { mode, version, ..usual_link(FtpClient::$client) };
                            if FtpClient::$client == FtpClient::Php && mode == FtpMode::Implicit {
                                continue;
                            }
                            assert_eq!(resumes_for_every_file(FtpClient::$client, link), expected, "{link:?}");
                        }
                    }
                }
            )*
        }
    };
}

// Why, in docs/PROTOCOL.md, "Clients".
demands! {
    curl: Curl, TLS 1.2 true, TLS 1.3 false;
    lftp: Lftp, TLS 1.2 true, TLS 1.3 true;
    lftp_parallel: LftpParallel, TLS 1.2 true, TLS 1.3 true;
    ftplib: Ftplib, TLS 1.2 false, TLS 1.3 false;
    ftplib_reusing: FtplibReusing, TLS 1.2 true, TLS 1.3 true;
    basic_ftp: BasicFtp, TLS 1.2 true, TLS 1.3 true;
    net_ftp: NetFtp, TLS 1.2 false, TLS 1.3 false;
    rclone: Rclone, TLS 1.2 true, TLS 1.3 true;
    php: Php, TLS 1.2 true, TLS 1.3 false;
    wget: Wget, TLS 1.2 true, TLS 1.3 true;
}
