//! What an account may hold, as clients meet it: exact over all protocols at a time, refused in each protocol's own code.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Account, Finished, FtpMode, FtpTarget, Gateway, Link, NewAccount, Options, TestDir, TlsVersion, Trust, eventually,
    pattern,
};

const PATIENCE: Duration = Duration::from_secs(20);
const UPLOADS: usize = 50;
const FITTING: usize = 20;
const SIZE: usize = 100_000;
/// As many sessions as the crowd has, at a time.
const ROOMY: &str = "[access]\nunauthenticated_total = 400\nunauthenticated_per_address = 400\n\
                     [sessions]\nper_account = 100\nper_address = 100\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Sftp,
    Ftp(FtpMode),
}

impl Way {
    const ALL: [Self; 3] = [Self::Sftp, Self::Ftp(FtpMode::Implicit), Self::Ftp(FtpMode::Explicit)];

    fn put(self, gateway: &Gateway, account: &Account, local: &std::path::Path, remote: &str) -> Finished {
        match self {
            Self::Sftp => account.target().sftp(&format!("put {} {remote}\n", local.display())),
            Self::Ftp(mode) => {
                let link = Link { mode, version: TlsVersion::Tls13, trust: Trust::Authority };
                FtpTarget::new(gateway, account, gateway.ftp_port(mode), link).put_by_curl(local, remote)
            }
        }
    }

    /// Whether a client was told that the quota is why.
    fn is_over_quota(self, finished: &Finished) -> bool {
        match self {
            // Version 3 has SSH_FX_FAILURE alone, of which OpenSSH shows its own words.
            Self::Sftp => finished.said().contains("Failure"),
            Self::Ftp(_) => finished.stderr.contains("< 552 Over the quota"),
        }
    }
}

fn usage(account: &Account) -> (Value, Value) {
    let told = account.api.get(&format!("/accounts/{}/usage", account.id)).ok();
    (told["bytes"].clone(), told["files"].clone())
}

fn failed_uploads(account: &Account) -> Vec<Value> {
    let path = format!("/accounts/{}/transfers?limit=200", account.id);
    let transfers = account.api.get(&path).ok()["items"].as_array().expect("items").clone();
    transfers.into_iter().filter(|transfer| transfer["outcome"] == "failed").collect()
}

/// All at a time, by OpenSSH and by curl over FTPS and FTPES, against a quota that fits some of them.
fn a_crowd(quota: Value, reason: &str) {
    let gateway = Gateway::start(&Options { config: ROOMY.into(), ..Options::default() });
    let account = NewAccount::new().folder("/depot", "read-write").with("quota", quota).make(&gateway);
    let files = TestDir::new();
    let local = files.file("paie.csv", pattern(SIZE));
    let together = Barrier::new(UPLOADS);
    let ended: Vec<(Way, Finished)> = thread::scope(|scope| {
        let uploads: Vec<_> = (0..UPLOADS)
            .map(|number| {
                let (gateway, account, local, together) = (&gateway, &account, &local, &together);
                scope.spawn(move || {
                    let way = Way::ALL[number % Way::ALL.len()];
                    together.wait();
                    (way, way.put(gateway, account, local, &format!("/depot/{number}.csv")))
                })
            })
            .collect();
        uploads.into_iter().map(|upload| upload.join().expect("an upload")).collect()
    });
    let published = ended.iter().filter(|(_, finished)| finished.succeeded()).count();
    assert_eq!(published, FITTING, "exactly as many as fit");
    for (way, refused) in ended.iter().filter(|(_, finished)| !finished.succeeded()) {
        assert!(way.is_over_quota(refused), "{way:?}: {}", refused.said());
    }
    let there: Vec<u64> = std::fs::read_dir(account.on_disk(&gateway, "/depot"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").metadata().expect("a file").len())
        .collect();
    assert_eq!(there, [SIZE as u64; FITTING], "each is whole");
    assert_eq!(usage(&account), (json!(SIZE * FITTING), json!(FITTING)));

    // One more beside them, over the API.
    let folder = account.folders[0]["id"].as_str().expect("an id");
    let beside = account.api.upload(&account.id, folder, "beside.csv", &pattern(SIZE));
    assert_eq!(beside.status, 507);
    assert!(beside.json()["detail"].as_str().is_some_and(|detail| detail.contains(reason)), "{}", beside.json());
    let counted = account.api.post(&format!("/accounts/{}/usage/recount", account.id), &json!({})).ok();
    assert_eq!((&counted["bytes"], &counted["files"]), (&json!(SIZE * FITTING), &json!(FITTING)));

    let refused = UPLOADS - FITTING + 1;
    let failed = eventually(PATIENCE, "each refused upload is recorded", || {
        Some(failed_uploads(&account)).filter(|failed| failed.len() == refused)
    });
    for transfer in failed {
        let said = transfer["reason"].as_str().expect("a reason");
        assert!(said.starts_with("over the quota: the account holds") && said.contains(reason), "{said}");
    }
    // Room that is made is there at once, for whoever comes.
    assert_eq!(account.api.change_account(&account.id, &json!({"quota": {"bytes": null, "files": 21}})).status, 200);
    let late = Way::Sftp.put(&gateway, &account, &local, "/depot/late.csv");
    assert!(late.succeeded(), "{}", late.said());
}

#[test]
fn of_50_uploads_over_three_protocols_20_are_published_when_20_files_fit() {
    a_crowd(json!({"files": FITTING}), "quota.files is 20");
}

#[test]
fn of_50_uploads_over_three_protocols_20_are_published_when_20_fit_by_their_bytes() {
    let limit = SIZE * FITTING + SIZE - 1;
    a_crowd(json!({"bytes": limit}), &format!("quota.bytes is {limit}"));
}

#[test]
fn what_is_held_counts_when_its_rename_publishes_it() {
    let gateway = Gateway::shared();
    let account = NewAccount::new().folder("/depot", "read-write").with("quota", json!({"files": 1})).make(gateway);
    let folder = account.folders[0]["id"].as_str().expect("an id").to_owned();
    account.api.change_folder(&account.id, &folder, &json!({"rules": {"publish_on_rename": true}})).ok();
    let mut session = account.session();
    assert!(session.upload("/depot/a.new", b"douze").is_done());
    assert!(session.upload("/depot/b.new", b"treize").is_done());
    assert_eq!(usage(&account), (json!(0), json!(0)));
    assert!(session.rename("/depot/a.new", "/depot/a.csv").is_done());
    let refused = session.rename("/depot/b.new", "/depot/b.csv");
    assert_eq!(refused.code(), 4, "{refused:?}");
    assert!(format!("{refused:?}").contains("over the quota"), "{refused:?}");
    assert_eq!(usage(&account), (json!(5), json!(1)));
    assert!(session.remove("/depot/a.csv").is_done());
    assert!(session.rename("/depot/b.new", "/depot/b.csv").is_done(), "it waited");
    assert_eq!(usage(&account), (json!(6), json!(1)));
    assert_eq!(account.api_get("/depot", "b.csv").as_deref(), Some(&b"treize"[..]));
}

#[test]
fn a_killed_gateway_counts_what_it_published() {
    let options = Options::default();
    let gateway = Gateway::start(&options);
    let mut account =
        NewAccount::new().folder("/depot", "read-write").with("quota", json!({"files": 2})).make(&gateway);
    assert!(account.session().upload("/depot/a.csv", b"douze").is_done());
    let gateway = gateway.kill_and_restart(&options);
    account.move_to(&gateway);
    assert_eq!(usage(&account), (json!(5), json!(1)));
    let mut session = account.session();
    assert!(session.upload("/depot/b.csv", b"douze").is_done());
    assert!(!session.upload("/depot/c.csv", b"douze").is_done());
    assert_eq!(account.api_names("/depot"), ["a.csv", "b.csv"]);
}
