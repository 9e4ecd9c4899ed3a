//! The long part of the table: 256 MiB in every cell with the certificate verified, 1 GiB over FTPS and FTPES, and 200 files
//! in a session.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use super::{BOTH_MODES, account, both_ways};
use crate::exchange::FOLDER;
use crate::support::{
    Account, FtpClient, FtpMode, FtpTarget, Gateway, Link, TestDir, TlsVersion, Tree, Trust, pattern, payroll_exchange,
    small_files,
};

const MIB: usize = 1024 * 1024;

fn modes(client: FtpClient) -> &'static [FtpMode] {
    if client == FtpClient::Php { &[FtpMode::Explicit] } else { &BOTH_MODES }
}

fn link(client: FtpClient, mode: FtpMode, version: TlsVersion) -> Link {
    // PHP looks at no certificate.
    Link { mode, version, trust: if client == FtpClient::Php { Trust::Anything } else { Trust::Authority } }
}

fn many_and_large(client: FtpClient, version: TlsVersion) {
    let files = payroll_exchange().and(small_files(200).below("petits")).with("gros.bin", pattern(256 * MIB));
    for mode in modes(client) {
        let account = both_ways(client, link(client, *mode, version), &files);
        free(&account);
    }
}

/// Never in memory as a whole, as it would not be in a customer's.
fn a_gibibyte(client: FtpClient) {
    let gateway = Gateway::shared();
    for mode in modes(client) {
        let account = account(gateway);
        let port = gateway.ftp_port(*mode);
        let mut target = FtpTarget::new(gateway, &account, port, link(client, *mode, TlsVersion::Tls13));
        target.deadline = Duration::from_secs(900);
        let local = TestDir::new();
        let folder = local.folder("un gibioctet");
        write_mebibytes(&folder.join("énorme.bin"), 1024);
        // wget only fetches.
        let sender = if client.uploads() { client } else { FtpClient::Curl };
        let put = sender.put(&target, &folder, FOLDER);
        assert!(put.succeeded(), "{client:?} {mode:?}: {}", put.said());
        let published = account.on_disk(gateway, &format!("{FOLDER}/un gibioctet/énorme.bin"));
        assert_alike(&folder.join("énorme.bin"), &published);
        let names = Tree::default().with("énorme.bin", "");
        let back = local.folder("retour");
        let get = client.get(&target, &format!("{FOLDER}/un gibioctet"), &back, &names);
        assert!(get.succeeded(), "{client:?} {mode:?}: {}", get.said());
        assert_alike(&published, &back.join("un gibioctet/énorme.bin"));
        free(&account);
    }
}

/// The shared gateway outlives its tests, and a disk is not endless.
fn free(account: &Account) {
    std::fs::remove_dir_all(account.on_disk(Gateway::shared(), FOLDER)).expect("the account's files");
}

fn write_mebibytes(path: &Path, count: u64) {
    let mut file = File::create(path).expect("a file");
    let block = pattern(MIB);
    for number in 0..count {
        file.write_all(&number.to_le_bytes()).expect("space on the disk");
        file.write_all(&block[8..]).expect("space on the disk");
    }
}

fn assert_alike(one: &Path, other: &Path) {
    let open = |path: &Path| BufReader::with_capacity(MIB, File::open(path).expect("a readable file"));
    let length = |path: &Path| path.metadata().expect("a file").len();
    assert_eq!(length(one), length(other), "{}", other.display());
    let (mut one_reader, mut other_reader) = (open(one), open(other));
    let (mut expected, mut found) = (vec![0; MIB], vec![0; MIB]);
    for number in 0..length(one) / MIB as u64 {
        one_reader.read_exact(&mut expected).expect("a MiB");
        other_reader.read_exact(&mut found).expect("a MiB");
        assert!(expected == found, "{} differs in its MiB {number}", other.display());
    }
}

macro_rules! rows {
    ($($row:ident: $client:ident;)*) => {
        $(
            mod $row {
                use super::*;

                #[test]
                #[ignore = "long: ./check --full clients"]
                fn many_and_large_files_over_tls12() {
                    many_and_large(FtpClient::$client, TlsVersion::Tls12);
                }

                #[test]
                #[ignore = "long: ./check --full clients"]
                fn many_and_large_files_over_tls13() {
                    many_and_large(FtpClient::$client, TlsVersion::Tls13);
                }

                #[test]
                #[ignore = "long: ./check --full clients"]
                fn a_gibibyte() {
                    super::a_gibibyte(FtpClient::$client);
                }
            }
        )*
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
    php: Php;
    wget: Wget;
}
