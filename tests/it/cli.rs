//! The command line: what each command prints, and how it says what is wrong.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Api, Finished, Gateway, NewAccount, Options, TestDir, run};

fn gateway(arguments: &[&str], folder: &TestDir) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lucca-gateway"));
    command.args(arguments).current_dir(folder.path()).env_remove("RUST_LOG");
    run(&mut command, Duration::from_secs(60))
}

/// A generated file of the repository is what the program generates today.
fn assert_committed(file: &str, command: &str) {
    let generated = gateway(&[command], &TestDir::new());
    assert!(generated.succeeded(), "{}", generated.said());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated.stdout, "{file} is not of today: cargo run -- {command} > {file}");
}

#[test]
fn the_committed_api_document_is_of_today() {
    assert_committed("docs/generated/openapi.json", "openapi");
}

#[test]
fn the_committed_configuration_reference_is_of_today() {
    assert_committed("docs/generated/config-reference.md", "config-reference");
}

#[test]
fn a_right_configuration_is_said_to_be_right() {
    let folder = TestDir::new();
    folder.file("gateway.toml", "[sessions]\nidle = \"10m\"\n");
    let checked = gateway(&["check-config", "--config", "gateway.toml"], &folder);
    assert!(checked.succeeded(), "{}", checked.said());
}

#[test]
fn a_wrong_option_is_refused_with_its_key_path_and_what_would_be_right() {
    let cases = [
        ("[passwords]\nmemory_kib = 1\n", ["passwords.memory_kib", "8"]),
        ("[sessions]\nidle = \"bientôt\"\n", ["sessions.idle", "15m"]),
        ("[sesions]\nidle = \"10m\"\n", ["sesions", "sessions"]),
        ("[access]\nblock_aftr = 3\n", ["access.block_aftr", "block_after"]),
        ("[presets.epaye]\nversion = 0\n", ["presets.epaye", "gateway.toml"]),
    ];
    for (text, expected) in cases {
        let folder = TestDir::new();
        folder.file("gateway.toml", text);
        for command in [["check-config", "--config", "gateway.toml"], ["serve", "--config", "gateway.toml"]] {
            let refused = gateway(&command, &folder);
            assert!(!refused.succeeded(), "{command:?} accepts {text:?}");
            for word in expected.into_iter().chain(["gateway.toml"]) {
                assert!(refused.stderr.contains(word), "{command:?}, {text:?}: no {word:?} in {}", refused.said());
            }
        }
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let folder = TestDir::new();
    folder.file("gateway.toml", "[passwords]\niterations = 2\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lucca-gateway"));
    command
        .args(["check-config", "--config", "gateway.toml"])
        .current_dir(folder.path())
        .env("LUCCA_GATEWAY__PASSWORDS__ITERATIONS", "zero");
    let refused = run(&mut command, Duration::from_secs(60));
    assert!(!refused.succeeded());
    assert!(refused.stderr.contains("LUCCA_GATEWAY__PASSWORDS__ITERATIONS"), "{}", refused.said());
}

#[test]
fn an_operators_token_is_made_listed_and_revoked() {
    let served = Gateway::start(&Options::default());
    let url = served.told()["api"]["url"].as_str().expect("a url").to_owned();
    let folder = TestDir::new();
    folder.file("gateway.toml", format!("[database]\nurl = {:?}\n", served.database_url()));
    let command = |arguments: &[&str]| {
        let all: Vec<&str> = ["operator", "token"]
            .into_iter()
            .chain(arguments.iter().copied())
            .chain(["--config", "gateway.toml"])
            .collect();
        let done = gateway(&all, &folder);
        assert!(done.succeeded(), "{all:?}: {}", done.said());
        done.stdout
    };
    let made = command(&["create", "--name", "paie-interne"]);
    let token = made.split_whitespace().find(|word| word.starts_with("lgw_")).expect("a token").to_owned();
    assert_eq!(Api::new(&url, &token).get("/instances").status, 200);
    let listed = command(&["list"]);
    let line = listed.lines().find(|line| line.contains("paie-interne")).expect("a line for it");
    assert!(!listed.contains(&token), "a token is shown once");
    let id = line.split_whitespace().find(|word| word.len() == 36).expect("an id").to_owned();
    command(&["revoke", &id]);
    assert_eq!(Api::new(&url, &token).get("/instances").status, 401);
}

#[test]
fn migrations_are_listed() {
    let folder = TestDir::new();
    folder.file("gateway.toml", "[database]\nurl = \"sqlite:./gateway.db\"\n");
    let before = gateway(&["migrate", "--list", "--config", "gateway.toml"], &folder);
    assert!(before.succeeded() && before.stdout.lines().count() > 0, "{}", before.said());
    let applied = gateway(&["migrate", "--config", "gateway.toml"], &folder);
    assert!(applied.succeeded(), "{}", applied.said());
    let after = gateway(&["migrate", "--list", "--config", "gateway.toml"], &folder);
    assert_ne!(before.stdout, after.stdout, "what is applied is told apart");
}

#[test]
fn a_second_start_on_the_same_data_is_fast_and_keeps_everything() {
    let gateway = Gateway::start(&Options::default());
    let mut account = NewAccount::new().folder("/depot", "read-write").make(&gateway);
    account.api_put("/depot", "paie.csv", b"x");
    let scan = |port: u16| {
        let port = port.to_string();
        let scanned =
            run(Command::new("ssh-keyscan").args(["-t", "ed25519", "-p", &port, "127.0.0.1"]), Duration::from_secs(30));
        scanned.stdout.split_whitespace().last().unwrap_or_default().to_owned()
    };
    let host_key = scan(gateway.port());
    let start = Instant::now();
    let gateway = gateway.kill_and_restart(&Options::default());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    account.move_to(&gateway);
    assert_eq!(account.session().download("/depot/paie.csv"), Ok(b"x".to_vec()));
    assert!(!host_key.is_empty());
    assert_eq!(scan(gateway.port()), host_key, "the same host key");
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = TestDir::new();
    let refused = gateway(&["try", "--sftp", &address, "--data", "data"], &folder);
    assert!(!refused.succeeded());
    assert!(refused.stderr.contains(&address), "{}", refused.said());
}

#[test]
fn what_try_tells_programs_is_true() {
    let gateway = Gateway::shared();
    let told = gateway.told();
    for protocol in ["sftp", "ftps", "ftpes"] {
        let port = told[protocol]["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect(protocol);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "nothing answers for {protocol}");
    }
    assert!(told["tls_ca"].as_str().is_some_and(|path| Path::new(path).is_file()), "{}", told["tls_ca"]);
    assert!(told["pages"].is_null());
    for account in told["accounts"].as_array().expect("accounts") {
        let text = |key: &str| account[key].as_str().unwrap_or_else(|| panic!("{key} in {account}"));
        let proof = crate::support::Proof::Password(text("password"));
        let target = crate::support::Target::new(gateway.port(), text("login"), proof);
        let mut session = crate::support::Session::open(&target).expect("its login and password open");
        for folder in account["folders"].as_array().expect("folders") {
            assert!(session.stat(folder["path"].as_str().expect("a path")).is_done(), "{folder}");
            assert!(std::path::Path::new(folder["directory"].as_str().expect("a directory")).is_dir(), "{folder}");
        }
    }
}

#[test]
fn an_account_can_be_asked_for() {
    let options = Options {
        arguments: ["--account", "banc:Bulletin-de-paie-2026", "--folder", "/banc"].map(str::to_owned).to_vec(),
        ..Options::default()
    };
    let gateway = Gateway::start(&options);
    let account = &gateway.told()["accounts"][0];
    assert_eq!((account["login"].as_str(), account["folders"][0]["path"].as_str()), (Some("banc"), Some("/banc")));
    let proof = crate::support::Proof::Password("Bulletin-de-paie-2026");
    let target = crate::support::Target::new(gateway.port(), "banc", proof);
    let mut session = crate::support::Session::open(&target).expect("it signs in");
    assert!(session.upload("/banc/x.bin", b"x").is_done());
}

#[test]
fn the_lines_that_try_prints_work_when_pasted() {
    let gateway = Gateway::shared();
    let stdout = gateway.stdout();
    let curls: Vec<&str> = stdout.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert!(!curls.is_empty(), "no curl line in:\n{stdout}");
    let folder = TestDir::new();
    for line in curls {
        let done = run(Command::new("bash").args(["-c", line]).current_dir(folder.path()), Duration::from_secs(60));
        assert!(done.succeeded(), "{line}\n{}", done.said());
    }
}
