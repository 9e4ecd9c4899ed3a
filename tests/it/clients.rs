//! The table of clients: each with a password and with a key, one way and the other.
//!
//! The cells run with a small exchange; `./check --full clients` runs them again with 2,000 files and 256 MiB, on the
//! program as it is released.

use std::time::Duration;

use crate::exchange::both_ways;
use crate::support::{Client, Gateway, KeyPair, NewAccount, TestDir, Tree, pattern, payroll_exchange, small_files};

const FOLDER: &str = "/paie/échanges";

/// What every client exchanges in every run.
fn an_exchange() -> Tree {
    payroll_exchange().and(small_files(40).below("petits")).with("moyen.bin", pattern(16 * 1024 * 1024 + 1))
}

/// What they exchange in the long run.
fn a_large_exchange() -> Tree {
    payroll_exchange().and(small_files(2_000).below("petits")).with("gros.bin", pattern(256 * 1024 * 1024))
}

macro_rules! cells {
    ($($name:ident: $client:ident;)*) => {
        $(
            mod $name {
                use super::{Client, KeyPair, a_large_exchange, an_exchange, both_ways};

                #[test]
                fn with_a_password() {
                    both_ways(Client::$client, None, &an_exchange());
                }

                #[test]
                fn with_an_ed25519_key() {
                    both_ways(Client::$client, Some(&KeyPair::ed25519()), &an_exchange());
                }

                #[test]
                #[ignore = "long: ./check --full clients"]
                fn with_a_password_and_large_files() {
                    both_ways(Client::$client, None, &a_large_exchange());
                }

                #[test]
                #[ignore = "long: ./check --full clients"]
                fn with_a_key_and_large_files() {
                    both_ways(Client::$client, Some(&KeyPair::ed25519()), &a_large_exchange());
                }
            }
        )*

        #[test]
        fn every_client_has_its_row() {
            assert_eq!([$(Client::$client),*], Client::ALL);
        }
    };
}

cells! {
    openssh_sftp: OpenSshSftp;
    scp: Scp;
    scp_legacy: ScpLegacy;
    curl: Curl;
    lftp: Lftp;
    rclone: Rclone;
    psftp: Psftp;
    paramiko: Paramiko;
    asyncssh: Asyncssh;
}

#[test]
fn rsa_keys_sign_with_sha2() {
    for client in [Client::OpenSshSftp, Client::Asyncssh, Client::Rclone, Client::Psftp] {
        both_ways(client, Some(&KeyPair::rsa()), &payroll_exchange());
    }
}

#[test]
fn a_session_stays_whole_when_keys_change_under_load() {
    // One way at a time, keys changing every few MiB on the client's demand (RFC 4253 §9).
    let account = NewAccount::new().folder(FOLDER, "read-write").make(Gateway::shared());
    let local = TestDir::new();
    let contents = pattern(48 * 1024 * 1024);
    let file = local.file("gros.bin", &contents);
    let mut target = account.target();
    target.deadline = Duration::from_secs(300);
    target.options = vec!["RekeyLimit=4M".to_owned()];
    let back = local.join("retour.bin");
    let done =
        target.sftp(&format!("put {} {FOLDER}/gros.bin\nget {FOLDER}/gros.bin {}\n", file.display(), back.display()));
    assert!(done.succeeded(), "{}", done.said());
    assert!(std::fs::read(back).unwrap() == contents, "the file came back changed");
    assert!(account.api_get(FOLDER, "gros.bin").unwrap() == contents, "the file arrived changed");
}
