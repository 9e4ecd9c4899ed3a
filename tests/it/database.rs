//! The way to a PostgreSQL on another machine: over TLS, to the server that the operator means and to no other.

use std::process::Command;
use std::time::Duration;

use lucca_gateway::domain::{Clock as _, SystemClock};
use lucca_gateway::net::certificates::{DemoCertificate, demo_ca};

use crate::support::{Database, Finished, TestDir, run};

/// An authority, and a certificate by it for `localhost`.
fn authority() -> (TestDir, DemoCertificate) {
    let folder = TestDir::new();
    let made = demo_ca(folder.path(), &["localhost".to_owned()], SystemClock.now()).expect("a certificate");
    (folder, made)
}

/// Brings a database up to date, or says why it cannot.
fn migrate(url: &str) -> Finished {
    let folder = TestDir::new();
    folder.file("gateway.toml", format!("[database]\nurl = {url:?}\n"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lucca-gateway"));
    command.args(["migrate", "--config", "gateway.toml"]).current_dir(folder.path()).env_remove("RUST_LOG");
    run(&mut command, Duration::from_secs(60))
}

#[test]
fn a_database_is_reached_over_tls_and_by_the_name_and_authority_that_were_told_alone() {
    let ((_folder, right), (_other_folder, other)) = (authority(), authority());
    let database = Database::over_tls(&right.files.certificate, &right.files.key);
    let password = database.url.split([':', '@']).nth(2).expect("a password");
    let by_address = database.url.replace("@localhost:", "@127.0.0.1:");
    let trusting = |url: &str, mode: &str, authority: &DemoCertificate| {
        format!("{url}?sslmode={mode}&sslrootcert={}", authority.authority.display())
    };

    let done = migrate(&trusting(&database.url, "verify-full", &right));
    assert!(done.succeeded() && done.stdout.contains("applied"), "{}", done.said());

    let of_the_certificate = "where the certificate is by an authority of your own";
    let refused = [
        (of_the_certificate, trusting(&database.url, "verify-full", &other)),
        (of_the_certificate, trusting(&database.url, "verify-ca", &other)),
        // Its authority vouches for another name.
        (of_the_certificate, trusting(&by_address, "verify-full", &right)),
        // No authority that everyone trusts vouches for it.
        (of_the_certificate, format!("{}?sslmode=verify-full", database.url)),
        (
            "is the file of sslrootcert there?",
            format!("{}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem", database.url),
        ),
        // The server takes nobody in the clear.
        ("check user, password and the server's pg_hba.conf", format!("{}?sslmode=disable", database.url)),
    ];
    for (advice, url) in refused {
        let told = migrate(&url);
        assert!(!told.succeeded() && told.stderr.contains(advice), "{url}: {}", told.said());
        assert!(!told.said().contains(password), "{}", told.said());
    }
    // What `verify-ca` leaves out is the name.
    let done = migrate(&trusting(&by_address, "verify-ca", &right));
    assert!(done.succeeded(), "{}", done.said());
}
