//! The table of FTP clients: each over FTPS and FTPES, TLS 1.2 and 1.3, with the certificate verified and not, one way and
//! the other; then what they resume, and who can do without a full handshake for every file.
//!
//! The cells run with ten files; `./check --full clients` runs them again with 256 MiB and 1 GiB, on the program as it is
//! released.

mod large;
mod resuming;

use std::time::Duration;

use crate::exchange::{FOLDER, drop_and_take, put_and_fetch};
use crate::support::{
    Account, FtpClient, FtpMode, FtpTarget, Gateway, Link, NewAccount, Proxy, TestDir, TlsVersion, Tree, Trust,
    pattern, payroll_exchange,
};

const BOTH_MODES: [FtpMode; 2] = [FtpMode::Implicit, FtpMode::Explicit];

/// Ten files in one session: none, one and many bytes, names that a shell, a pattern or a URL would take for something
/// else, folders in folders.
fn ten_files() -> Tree {
    payroll_exchange()
        .with("un octet.txt", "1")
        .with("Réponse (1) [v2] & co #3 100%.txt", "à relire\r\n")
        .with("paie/2026/août/.masqué", "caché")
        .with("paie/2026/août/Bulletins n°1.pdf", pattern(65_536))
        .with("paie/2026/août/Bulletins n°2.pdf", pattern(65_537))
        .with("paie/moyen.bin", pattern(1_300_003))
}

fn account(gateway: &Gateway) -> Account {
    NewAccount::new().folder(FOLDER, "read-write").make(gateway)
}

/// One cell of the table: the same files both ways, and a witness on the wire of what was spoken. The account that has
/// them.
fn both_ways(client: FtpClient, link: Link, files: &Tree) -> Account {
    let gateway = Gateway::shared();
    let account = account(gateway);
    let wire = Proxy::to(gateway.ftp_port(link.mode));
    let mut target = FtpTarget::new(gateway, &account, wire.port(), link);
    target.deadline = Duration::from_secs(900);
    let who = format!("{client:?}, {link:?}");
    if client.uploads() {
        drop_and_take(&account, &who, files, |local, remote| client.put(&target, local, remote));
    }
    put_and_fetch(&account, &who, files, |remote, local| client.get(&target, remote, local, files));
    let versions = wire.tls_versions();
    assert!(!versions.is_empty(), "{who}: nothing came over the wire");
    assert!(versions.iter().all(|version| *version == Some(link.version)), "{who} spoke {versions:?}");
    account
}

/// A client that verifies must not send its password to a server that no known authority vouches for.
fn refuses_an_unknown_authority(client: FtpClient, mode: FtpMode) {
    let gateway = Gateway::shared();
    let account = account(gateway);
    account.api_put(FOLDER, "à-prendre/paie.csv", b"douze");
    let link = Link { mode, version: TlsVersion::Tls13, trust: Trust::System };
    let target = FtpTarget::new(gateway, &account, gateway.ftp_port(mode), link);
    let local = TestDir::new();
    let names = Tree::default().with("paie.csv", "");
    let refused = client.get(&target, &format!("{FOLDER}/à-prendre"), local.path(), &names);
    let said = refused.said();
    assert!(refused.status.is_some() && !refused.succeeded(), "{client:?} {mode:?}: {said}");
    assert!(said.to_lowercase().contains("certificate"), "{client:?} {mode:?} failed for another reason: {said}");
    assert!(!local.join("à-prendre/paie.csv").exists());
}

fn php_streams_look_at_the_certificate() {
    let gateway = Gateway::shared();
    let account = account(gateway);
    let local = TestDir::new();
    let contents = pattern(1_300_003);
    let file = local.file("écritures août.csv", &contents);
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let name = format!("écritures, {version:?}.csv");
        let remote = format!("{FOLDER}/{name}");
        let target = |trust| {
            let link = Link { mode: FtpMode::Explicit, version, trust };
            FtpTarget::new(gateway, &account, gateway.ftp_port(FtpMode::Explicit), link)
        };
        let refused = target(Trust::System).put_by_php_stream(&file, &remote);
        assert!(!refused.succeeded() && refused.said().contains("certificate"), "{version:?}: {}", refused.said());
        assert_eq!(account.api_get(FOLDER, &name), None);
        let put = target(Trust::Authority).put_by_php_stream(&file, &remote);
        assert!(put.succeeded(), "{version:?}: {}", put.said());
        let back = local.join("retour.csv");
        let get = target(Trust::Authority).get_by_php_stream(&remote, &back);
        assert!(get.succeeded(), "{version:?}: {}", get.said());
        assert!(std::fs::read(&back).unwrap() == contents, "{version:?}");
        assert!(account.api_get(FOLDER, &name).is_some_and(|found| found == contents), "{version:?}");
    }
}

macro_rules! cells {
    ($client:ident; $($cell:ident: $mode:ident $version:ident $trust:ident;)*) => {
        $(
            #[test]
            fn $cell() {
                let link = Link { mode: FtpMode::$mode, version: TlsVersion::$version, trust: Trust::$trust };
                both_ways(FtpClient::$client, link, &ten_files());
            }
        )*
    };
}

macro_rules! rows {
    ($($row:ident: $client:ident;)*) => {
        $(
            mod $row {
                use super::*;

                cells! {
                    $client;
                    ftps_tls12_verified: Implicit Tls12 Authority;
                    ftps_tls12_unverified: Implicit Tls12 Anything;
                    ftps_tls13_verified: Implicit Tls13 Authority;
                    ftps_tls13_unverified: Implicit Tls13 Anything;
                    ftpes_tls12_verified: Explicit Tls12 Authority;
                    ftpes_tls12_unverified: Explicit Tls12 Anything;
                    ftpes_tls13_verified: Explicit Tls13 Authority;
                    ftpes_tls13_unverified: Explicit Tls13 Anything;
                }

                #[test]
                fn refuses_an_unknown_authority() {
                    for mode in BOTH_MODES {
                        super::refuses_an_unknown_authority(FtpClient::$client, mode);
                    }
                }
            }
        )*

        /// PHP's ftp functions have no TLS from the first byte and no way to look at a certificate; its streams have.
        mod php {
            use super::*;

            cells! {
                Php;
                ftpes_tls12_unverified: Explicit Tls12 Anything;
                ftpes_tls13_unverified: Explicit Tls13 Anything;
            }

            #[test]
            fn streams_look_at_the_certificate() {
                php_streams_look_at_the_certificate();
            }
        }

        #[test]
        fn every_client_has_its_row() {
            let mut rows = vec![$(FtpClient::$client),*];
            rows.push(FtpClient::Php);
            assert!(rows.len() == FtpClient::ALL.len() && FtpClient::ALL.iter().all(|client| rows.contains(client)));
        }
    };
}

rows! {
    curl: Curl;
    lftp: Lftp;
    lftp_parallel: LftpParallel;
    ftplib: Ftplib;
    ftplib_reusing: FtplibReusing;
    basic_ftp: BasicFtp;
    net_ftp: NetFtp;
    rclone: Rclone;
    wget: Wget;
}
