//! How FTP transfers end: what is published of an upload without TLS's `close_notify`, whose TLS session a data connection
//! must take up, what the history calls complete, and how a long answer ends.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Account, Gateway, NewAccount, Options, TestDir, Tree, difference, eventually, run, small_files};

const SCENARIO: Duration = Duration::from_secs(120);
const PATIENCE: Duration = Duration::from_secs(10);
const FOLDER: &str = "/depot";

/// 0 where there is no such listener.
fn port(gateway: &Gateway, kind: &str) -> String {
    gateway.told()[kind]["port"].as_u64().unwrap_or(0).to_string()
}

/// Runs a scenario of `ftp_endings.py` as these accounts.
fn play(gateway: &Gateway, scenario: &str, accounts: &[&Account]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ftp_endings.py");
    let authority = gateway.told()["tls_ca"].as_str().expect("tls_ca");
    let mut command = Command::new("python3");
    command.arg(script).args([scenario, &port(gateway, "ftps"), &port(gateway, "ftpes"), authority, FOLDER]);
    for account in accounts {
        command.args([&account.login, &account.password]);
    }
    let finished = run(&mut command, SCENARIO);
    assert!(finished.succeeded(), "{}", finished.said());
}

fn account(rules: &[(&str, &str)]) -> Account {
    account_on(Gateway::shared(), rules)
}

fn account_on(gateway: &Gateway, rules: &[(&str, &str)]) -> Account {
    let new = NewAccount::new().folder(FOLDER, "read-write");
    rules.iter().fold(new, |new, (field, value)| new.with(field, *value)).make(gateway)
}

/// The transfers of an account, the oldest first, once there are as many.
fn transfers(account: &Account, query: &str, count: usize) -> Vec<Value> {
    let path = format!("/accounts/{}/transfers?limit=200{query}", account.id);
    eventually(PATIENCE, &path, || {
        let mut items = account.api.get(&path).ok()["items"].as_array().expect("items").clone();
        items.reverse();
        (items.len() >= count).then_some(items)
    })
}

fn of<'a>(transfers: &'a [Value], name: &str) -> &'a Value {
    let path = format!("{FOLDER}/{name}");
    transfers.iter().find(|transfer| transfer["path"] == path).unwrap_or_else(|| panic!("no transfer of {path}"))
}

#[test]
fn a_strict_account_publishes_nothing_without_close_notify_and_operators_read_which_setting_it_is() {
    let account = account(&[]);
    play(Gateway::shared(), "strict", &[&account]);
    assert_eq!(account.api_names(FOLDER), ["orderly-1.2", "orderly-1.3"]);
    for failed in transfers(&account, "&direction=upload&outcome=failed", 4) {
        let reason = failed["reason"].as_str().expect("a reason");
        assert!(reason.contains("close_notify = \"strict\"") && reason.contains("guarded"), "{reason}");
        assert_eq!(failed["unproven_end"], false);
    }
}

#[test]
fn a_guarded_account_publishes_and_marks_what_its_waiting_client_ended_without_close_notify() {
    let account = account(&[("close_notify", "guarded")]);
    play(Gateway::shared(), "guarded", &[&account]);
    let uploads = transfers(&account, "&direction=upload", 10);
    for upload in &uploads {
        assert_eq!((&upload["outcome"], &upload["reason"]), (&json!("completed"), &Value::Null));
        let is_orderly = upload["path"] == format!("{FOLDER}/orderly");
        assert_eq!(upload["unproven_end"], !is_orderly, "{upload}");
    }
    assert_eq!(of(&uploads, "orderly")["outcome"], "completed");
    let told = |line: &&str| line.contains("without proof of its end") && line.contains(&account.id);
    assert_eq!(Gateway::shared().log().lines().filter(told).count(), uploads.len() - 1);
}

#[test]
fn a_guarded_account_publishes_nothing_of_another_size_than_announced_or_cut_inside_a_record() {
    let account = account(&[("close_notify", "guarded")]);
    play(Gateway::shared(), "guarded_another_size", &[&account]);
    assert_eq!(account.api_names(FOLDER), ["another"]);
    let failed = transfers(&account, "&outcome=failed&direction=upload", 4);
    let reason = of(&failed, "another-size")["reason"].as_str().expect("a reason");
    assert!(reason.contains("ALLO announced 700001 bytes where 700000 came"), "{reason}");
    let reason = of(&failed, "inside-a-record")["reason"].as_str().expect("a reason");
    assert!(reason.contains("in the middle of a TLS record"), "{reason}");
}

#[test]
fn a_guarded_account_publishes_nothing_of_a_client_that_lost_its_control_connection() {
    let account = account(&[("close_notify", "guarded")]);
    play(Gateway::shared(), "guarded_control_lost", &[&account]);
    // Each of them has ended, and none was published.
    for failed in transfers(&account, "", 4) {
        assert_eq!(failed["outcome"], "failed", "{failed}");
        let reason = failed["reason"].as_str().expect("a reason");
        // Where the loss was noticed first, the data connection's end was never looked at.
        assert!(reason.contains("the connection was lost") || reason.contains("was lost with it"), "{reason}");
    }
    assert_eq!(account.api_names(FOLDER), [""; 0]);
}

#[test]
fn a_guarded_account_publishes_nothing_of_a_client_that_did_not_wait() {
    let account = account(&[("close_notify", "guarded")]);
    play(Gateway::shared(), "guarded_not_waited", &[&account]);
    assert_eq!(account.api_names(FOLDER), ["waited"]);
    let failed = transfers(&account, "&outcome=failed&direction=upload", 2);
    assert_eq!(of(&failed, "aborted")["reason"], "the client gave it up");
    let reason = of(&failed, "left")["reason"].as_str().expect("a reason");
    assert!(reason.contains("did not wait"), "{reason}");
}

#[test]
fn an_account_is_made_guarded_and_strict_again_from_one_session_to_the_next() {
    let account = account(&[]);
    for (value, published) in [(json!("guarded"), true), (Value::Null, false)] {
        let changed = account.api.change_account(&account.id, &json!({"close_notify": value})).ok();
        assert_eq!(changed["close_notify"], value);
        play(Gateway::shared(), if published { "guarded_once" } else { "strict" }, &[&account]);
    }
}

#[test]
fn an_account_that_must_resume_is_refused_all_but_its_control_connections_own_session() {
    let (bound, free) = (account(&[("tls_resumption", "require")]), account(&[]));
    play(Gateway::shared(), "require", &[&bound, &free]);
    assert_eq!(bound.api_names(FOLDER), ["own"]);
    assert_eq!(free.api_names(FOLDER), ["lenient"]);
    for failed in transfers(&bound, "&outcome=failed", 24) {
        let reason = failed["reason"].as_str().expect("a reason");
        assert!(reason.contains("tls_resumption") && reason.contains("resume"), "{reason}");
    }
}

#[test]
fn curl_and_lftp_do_all_they_do_where_sessions_must_be_taken_up() {
    let gateway = Gateway::shared();
    let account = account(&[("tls_resumption", "require")]);
    let authority = gateway.told()["tls_ca"].as_str().expect("tls_ca");
    let (local, files) = (TestDir::new(), small_files(8));
    files.write(&local.folder("envoi"));
    let at = |name: &str| local.join(name).display().to_string();
    let user = format!("{}:{}", account.login, account.password);
    let mut expected = Tree::default();
    for (kind, scheme) in [("ftps", "ftps"), ("ftpes", "ftp")] {
        let server = format!("{scheme}://localhost:{}", port(gateway, kind));
        // TLS 1.2: under 1.3 curl 7.88 takes a session up once, so it would need a connection for each file.
        let mut curl = Command::new("curl");
        curl.args(["-q", "-sS", "--ssl-reqd", "--tls-max", "1.2", "--ftp-create-dirs"]);
        curl.args(["--cacert", authority, "-u", &user]);
        for name in files.0.keys() {
            curl.args(["-T", &at(&format!("envoi/{name}")), &format!("{server}{FOLDER}/{kind}-curl/{name}")]);
        }
        let finished = run(&mut curl, SCENARIO);
        assert!(finished.succeeded(), "{}", finished.said());
        expected = expected.and(files.clone().below(&format!("{kind}-curl")));
        for (version, priority) in [("1.2", "NORMAL:-VERS-TLS1.3"), ("1.3", "NORMAL")] {
            let name = format!("{kind}-lftp-{version}");
            let settings = format!(
                "set ssl:ca-file {authority}; set ssl:priority {priority}; set ftp:ssl-force true; \
                 set ftp:ssl-protect-data true; set net:max-retries 1; set net:timeout 20"
            );
            let mirrors =
                format!("mirror -R {} {FOLDER}/{name}; mirror {FOLDER}/{name} {}; bye", at("envoi"), at(&name));
            let mut lftp = Command::new("lftp");
            lftp.env("HOME", local.path()).args(["-u", &user.replace(':', ","), "-e"]);
            let finished = run(lftp.arg(format!("{settings}; {mirrors}")).arg(server.as_str()), SCENARIO);
            assert!(finished.succeeded(), "{}", finished.said());
            assert!(difference(&files, &Tree::read(&local.join(&name))).is_none(), "{name}: {}", finished.said());
            expected = expected.and(files.clone().below(&name));
        }
    }
    assert!(difference(&expected, &account.api_tree(FOLDER)).is_none(), "what arrived differs");
}

#[test]
fn a_listener_that_demands_resumption_does_so_of_accounts_that_need_not() {
    let config = "[[ftp.listeners]]\naddress = \"127.0.0.1:0\"\nmode = \"ftpes\"\nrequire_resumption = true\n";
    let gateway = Gateway::start(&Options { config: config.into(), ..Options::default() });
    let account = account_on(&gateway, &[("tls_resumption", "offered")]);
    play(&gateway, "as_the_listener_demands", &[&account]);
    assert_eq!(account.api_names(FOLDER), ["own"]);
}

#[test]
fn a_presets_rules_hold_for_its_accounts_but_for_those_that_say_otherwise() {
    let config = "[presets.lucca]\nversion = 2\nclose_notify = \"guarded\"\ntls_resumption = \"require\"\n";
    let gateway = Gateway::start(&Options { config: config.into(), ..Options::default() });
    let preset = gateway.api().get("/presets/lucca").ok();
    assert_eq!((&preset["close_notify"], &preset["tls_resumption"]), (&json!("guarded"), &json!("require")));
    let silent = account_on(&gateway, &[]);
    let own = account_on(&gateway, &[("close_notify", "strict"), ("tls_resumption", "offered")]);
    let told = |account: &Account| {
        let told = account.api.account(&account.id).ok();
        (told["close_notify"].clone(), told["tls_resumption"].clone())
    };
    assert_eq!(told(&silent), (Value::Null, Value::Null));
    assert_eq!(told(&own), (json!("strict"), json!("offered")));
    play(&gateway, "of_the_preset", &[&silent, &own]);
    assert_eq!(silent.api_names(FOLDER), ["guarded"]);
    assert_eq!(own.api_names(FOLDER), ["unresumed"]);
}

#[test]
fn a_download_is_complete_only_when_its_client_took_it_to_the_end_and_a_digest_is_none() {
    let account = account(&[]);
    play(Gateway::shared(), "downloads", &[&account]);
    let downloads = transfers(&account, "&direction=download", 3);
    let told: Vec<_> = downloads.iter().map(|one| (&one["path"], &one["outcome"], &one["reason"])).collect();
    let (file, empty) = (json!("/depot/file"), json!("/depot/empty"));
    let (completed, failed) = (json!("completed"), json!("failed"));
    let (lost, missing) =
        (json!("the connection was lost"), json!("no data connection came, or its TLS handshake failed"));
    let expected = [(&file, &completed, &Value::Null), (&file, &failed, &lost), (&empty, &failed, &missing)];
    assert_eq!(told, expected);
}

#[test]
fn a_long_listing_on_the_control_connection_is_whole_and_in_order_and_roots_are_not_offered_for_removal() {
    let account = account(&[]);
    let directory = account.on_disk(Gateway::shared(), FOLDER);
    for number in 0..6_000 {
        let name = format!("un-nom-assez-long-pour-un-fichier-de-paie-{number:05}.csv");
        std::fs::write(directory.join(name), "x").expect("a file");
    }
    play(Gateway::shared(), "listings", &[&account]);
}
