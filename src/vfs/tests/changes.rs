//! Removals and renames are told, each once, in their order; what did not happen is not.

use super::super::places::DiskPath;
use super::super::sidecar::{Announced, Line};
use super::super::storage::Core;
use super::*;

fn with_two_folders() -> Place {
    Place::with(&[("/in", Rights::all()), ("/out", Rights::all())])
}

async fn rename(tree: &SessionTree, from: &str, to: &str) -> Result<(), VfsError> {
    tree.rename(&path(from), &path(to), Replace::Allow).await
}

#[tokio::test]
async fn a_removal_and_a_rename_are_told_by_login_and_by_operator() {
    let place = with_two_folders();
    let login = place.login().await;
    put(&login, "/in/a", "abc").await.unwrap();
    put(&login, "/out/b", "old").await.unwrap();
    login.make_folder(&path("/in/sub")).await.unwrap();
    rename(&login, "/in/a", "/out/b").await.unwrap();
    rename(&login, "/in/sub", "/in/bus").await.unwrap();
    place.operator().await.remove_file(&path("/out/b")).await.unwrap();
    put(&login, "/in/a", "again").await.unwrap();
    login.remove_file(&path("/in/a")).await.unwrap();
    login.remove_folder(&path("/in/bus")).await.unwrap();
    let expected = [
        "uploaded /in/a 3",
        "uploaded /out/b 3",
        "renamed /in/a /out/b 3",
        "renamed /in/sub /in/bus 0",
        "deleted /out/b 3",
        "uploaded /in/a 5",
        "deleted /in/a 5",
    ];
    assert_eq!(place.told().await, expected);
    assert!(place.staging().await.is_empty());

    let happenings = place.ledger.happenings();
    let changes = happenings.iter().filter_map(|one| match one {
        Happening::Changed(change) => Some(change),
        Happening::Published(_) => None,
    });
    let changes: Vec<_> = changes.collect();
    let folders: Vec<FolderId> = place.owner.folders.iter().map(|folder| folder.id).collect();
    assert_eq!(changes[0].folders(), [folders[0], folders[1]]);
    assert!(matches!(changes[0].change, Change::Renamed { replaced: true, .. }));
    assert!(matches!(changes[1].change, Change::Renamed { replaced: false, .. }));
    assert!(matches!(&changes[2].actor, Actor::Operator { name } if name == "payroll-import"));
    assert!(matches!(&changes[3].actor, Actor::Login { login, .. } if login.as_str() == "acme-payroll"));
}

#[tokio::test]
async fn what_is_refused_or_fails_is_not_told_and_leaves_nothing() {
    let place = with_two_folders();
    let login = place.login().await;
    put(&login, "/in/a", "abc").await.unwrap();
    put(&login, "/out/b", "old").await.unwrap();
    login.make_folder(&path("/in/sub")).await.unwrap();
    put(&login, "/in/sub/full", "x").await.unwrap();
    let before = place.told().await;
    let refused = login.rename(&path("/in/a"), &path("/out/b"), Replace::Refuse).await;
    assert_eq!(outcome(&refused), "AlreadyExists");
    assert_eq!(outcome(&rename(&login, "/in/none", "/in/x").await), "NotFound");
    assert_eq!(outcome(&rename(&login, "/in/a", "/in/none/x").await), "NotFound");
    assert_eq!(outcome(&rename(&login, "/in/a", "/in/sub").await), "IsAFolder");
    assert_eq!(outcome(&login.remove_file(&path("/in/none")).await), "NotFound");
    assert_eq!(outcome(&login.remove_file(&path("/in/sub")).await), "IsAFolder");
    rename(&login, "/in/a", "/in/a").await.unwrap();
    assert_eq!(place.told().await, before);
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn names_that_clients_use_while_they_send_raise_no_event_and_the_final_one_raises_one() {
    let place = with_two_folders();
    let login = place.login().await;
    put(&login, "/in/a.csv.filepart", "abcd").await.unwrap();
    rename(&login, "/in/a.csv.filepart", "/in/a.csv.PART").await.unwrap();
    rename(&login, "/in/a.csv.PART", "/out/a.csv").await.unwrap();
    put(&login, "/in/b.tmp", "b").await.unwrap();
    login.remove_file(&path("/in/b.tmp")).await.unwrap();
    let operator = place.operator().await;
    let upload = operator.open_write(&path("/in/.in.c"), START_NEW).await.unwrap();
    upload.publish().await.unwrap();
    operator.remove_file(&path("/in/.in.c")).await.unwrap();
    // A folder of such a name is no file that is being sent; and a final name that goes is told.
    login.make_folder(&path("/in/old~")).await.unwrap();
    rename(&login, "/in/old~", "/in/older~").await.unwrap();
    rename(&login, "/out/a.csv", "/out/a.csv~").await.unwrap();
    let expected = ["uploaded /out/a.csv 4", "renamed /in/old~ /in/older~ 0", "renamed /out/a.csv /out/a.csv~ 4"];
    assert_eq!(place.told().await, expected);
    assert_eq!(place.recorded().await.len(), 3, "each transfer is recorded, under the name that it had");
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn a_preset_says_which_names_are_temporary() {
    let mut place = Place::new();
    place.owner.temporary_names = TemporaryNames::new(vec![String::from("*.uploading")]).unwrap();
    let login = place.login().await;
    put(&login, "/in/a.part", "a").await.unwrap();
    put(&login, "/in/b.uploading", "b").await.unwrap();
    rename(&login, "/in/b.uploading", "/in/b").await.unwrap();
    assert_eq!(place.told().await, ["uploaded /in/a.part 1", "uploaded /in/b 1"]);
}

#[tokio::test]
async fn what_could_not_be_recorded_is_told_by_the_next_start_in_its_order() {
    let mut place = with_two_folders();
    let login = place.login().await;
    place.ledger.fails.store(true, Ordering::SeqCst);
    put(&login, "/in/a", "first").await.unwrap();
    login.remove_file(&path("/in/a")).await.unwrap();
    // Sent again, perhaps into the same inode; renamed away and back.
    put(&login, "/in/a", "second").await.unwrap();
    rename(&login, "/in/a", "/out/a").await.unwrap();
    rename(&login, "/out/a", "/in/a").await.unwrap();
    place.storage.settle().await;
    for _ in 0..2 {
        assert_eq!(place.restart().await.rolled_forward, 0);
        assert!(place.told().await.is_empty());
    }
    place.ledger.fails.store(false, Ordering::SeqCst);
    assert_eq!(place.restart().await, Recovery { rolled_forward: 5, ..Recovery::default() });
    let expected =
        ["uploaded /in/a 5", "deleted /in/a 5", "uploaded /in/a 6", "renamed /in/a /out/a 6", "renamed /out/a /in/a 6"];
    assert_eq!(place.told().await, expected);
    assert!(place.staging().await.is_empty());
}

/// As a crash leaves it: announced, and no more.
fn announce(place: &Place, at: &str) -> UploadId {
    let core: &Core = &place.storage.core;
    let stat = core.backend.stat(&DiskPath::of(place.owner.instance, place.owner.account, &path(at))).unwrap();
    let change = FileChange {
        event: core.new_event_id(),
        instance: place.owner.instance,
        account: place.owner.account,
        folder: place.owner.folders[0].id,
        path: path(at),
        kind: stat.kind,
        bytes: stat.size,
        change: Change::Deleted,
        trashed: None,
        actor: Actor::Operator { name: String::from("payroll-import") },
        at: core.now(),
    };
    let id = core.new_upload_id();
    let line = Line::Change(Box::new(Announced { unique: stat.unique, change }));
    line.create(core.backend.as_ref(), &DiskPath::sidecar(place.owner.account, id)).unwrap();
    id
}

#[tokio::test]
async fn an_intent_counts_when_its_file_is_gone_and_else_is_dropped() {
    let mut place = Place::new();
    let login = place.login().await;
    put(&login, "/in/stays", "abc").await.unwrap();
    put(&login, "/in/goes", "abcd").await.unwrap();
    place.storage.settle().await;
    announce(&place, "/in/stays");
    announce(&place, "/in/goes");
    let withdrawn = announce(&place, "/in/goes");
    let sidecar = DiskPath::sidecar(place.owner.account, withdrawn);
    Line::Withdrawn.append(place.storage.core.backend.as_ref(), &sidecar, true).unwrap();
    std::fs::remove_file(place.disk("/in/goes")).unwrap();
    let expected = Recovery { rolled_forward: 1, rolled_back: 2, ..Recovery::default() };
    assert_eq!(place.restart().await, expected);
    assert_eq!(place.told().await[2..], ["deleted /in/goes 4"]);
    assert!(place.staging().await.is_empty());
    assert_eq!(place.restart().await, Recovery::default());
}

#[tokio::test]
async fn what_is_stuck_in_one_folder_holds_up_that_folder_alone() {
    let place = with_two_folders();
    let login = place.login().await;
    let [inbox, out] = [0, 1].map(|folder| place.owner.folders[folder].id);
    *place.ledger.refused.lock().unwrap() = Some(inbox);
    put(&login, "/out/a", "1").await.unwrap();
    put(&login, "/in/a", "22").await.unwrap();
    // Behind the one that is stuck, although its own end is taken.
    rename(&login, "/in/a", "/out/b").await.unwrap();
    assert_eq!(place.told().await, ["uploaded /out/a 1"]);
    *place.ledger.refused.lock().unwrap() = None;
    place.storage.settle().await;
    assert_eq!(place.told().await, ["uploaded /out/a 1", "uploaded /in/a 2", "renamed /in/a /out/b 2"]);
    assert_ne!(inbox, out);
}

#[tokio::test]
async fn while_too_many_wait_for_their_record_changes_are_refused() {
    let place = Place::new();
    let login = place.login().await;
    place.ledger.fails.store(true, Ordering::SeqCst);
    put(&login, "/in/a", "abc").await.unwrap();
    let core = &place.storage.core;
    let happening = core.uploads.pending().remove(0).1.happening;
    while core.uploads.count_pending() < super::super::publisher::WAITING_MOST {
        core.uploads.pend(core.new_upload_id(), happening.clone());
    }
    assert_eq!(outcome(&login.remove_file(&path("/in/a")).await), "Ledger");
    assert_eq!(outcome(&rename(&login, "/in/a", "/in/b").await), "Ledger");
    assert_eq!(place.content("/in/a").as_deref(), Some("abc"));
}
