//! What an account may hold: exact whatever happens at a time, refused before publication, never more than the disk shows.

use futures_util::future::join_all;

use super::*;

fn limited(quota: Quota) -> Place {
    let mut place = Place::new();
    place.owner.quota = quota;
    place
}

const TWENTY_FILES: Quota = Quota { bytes: None, files: Some(20), largest_file: None };

pub(super) async fn held(place: &Place, anew: bool) -> Usage {
    place.storage.held(&place.owner, anew).await.unwrap().unwrap().usage
}

pub(super) async fn set(place: &Place, quota: Quota) {
    place.storage.begin_quota_change().await.to(place.owner.instance, place.owner.account, quota);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_uploads_at_a_time_as_many_are_published_as_fit() {
    for quota in [TWENTY_FILES, Quota { bytes: Some(20 * 7 + 6), ..Quota::default() }] {
        let place = limited(quota);
        let tree = place.login().await;
        let uploads = (0..50).map(|number| {
            let tree = tree.clone();
            tokio::spawn(async move { put(&tree, &format!("/in/{number}"), "7 bytes").await })
        });
        let outcomes: Vec<_> = join_all(uploads).await.into_iter().map(Result::unwrap).collect();
        let published = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(published, 20);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(VfsError::OverQuota(_)))));
        assert_eq!(std::fs::read_dir(place.disk("/in")).unwrap().count(), 20);
        assert_eq!(held(&place, false).await, Usage { bytes: 140, files: 20 });
        assert_eq!(held(&place, true).await, Usage { bytes: 140, files: 20 });
        assert_eq!(place.recorded().await.len(), 20);
        let refused = place.ledger.notes();
        assert_eq!(refused.len(), 30);
        for note in refused {
            let TransferOutcome::Failed { reason } = note.outcome else { panic!("refused") };
            assert!(reason.starts_with("over the quota: the account holds") && reason.contains("quota."), "{reason}");
        }
        assert!(place.staging().await.is_empty(), "what was refused is not kept");
    }
}

#[tokio::test]
async fn what_takes_the_place_of_another_counts_by_the_difference() {
    let place = limited(Quota { bytes: Some(10), files: Some(2), largest_file: Some(8) });
    let tree = place.login().await;
    put(&tree, "/in/a", "12345").await.unwrap();
    put(&tree, "/in/b", "12345").await.unwrap();
    put(&tree, "/in/a", "abcde").await.unwrap();
    put(&tree, "/in/a", "abc").await.unwrap();
    assert_eq!(held(&place, false).await, Usage { bytes: 8, files: 2 });
    assert_eq!(outcome(&put(&tree, "/in/a", "abcdef").await), "OverQuota");
    assert_eq!(outcome(&put(&tree, "/in/c", "").await), "OverQuota");
    assert_eq!(place.content("/in/a").unwrap(), "abc");
    tree.rename(&path("/in/a"), &path("/in/b"), Replace::Allow).await.unwrap();
    assert_eq!(held(&place, false).await, Usage { bytes: 3, files: 1 });
    tree.remove_file(&path("/in/b")).await.unwrap();
    assert_eq!(held(&place, false).await, Usage::default());
    assert_eq!(outcome(&put(&tree, "/in/a", "123456789").await), "OverQuota");
}

#[tokio::test]
async fn what_could_not_be_published_is_not_even_taken() {
    let place = limited(Quota { bytes: Some(10), files: None, largest_file: None });
    let tree = place.login().await;
    held(&place, false).await;
    let upload = tree.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"1234567890").unwrap();
    assert_eq!(outcome(&upload.write_at(10, b"1")), "OverQuota");
    assert_eq!(outcome(&upload.write_at(0, b"1")), "OverQuota");
    assert_eq!(outcome(&upload.publish().await), "OverQuota");
    assert!(place.staging().await.is_empty());
    assert_eq!(place.content("/in/a"), None);
    assert_eq!(tree.check_quota(10).map_err(|error| error.to_string()), Ok(()));
    assert!(tree.check_quota(11).is_err());
    put(&tree, "/in/a", "1234").await.unwrap();
    let space = tree.space(&path("/in")).await.unwrap();
    assert_eq!(space.blocks_available, 0, "6 bytes are less than a block");
}

#[tokio::test]
async fn a_changed_quota_holds_for_sessions_that_run() {
    let place = Place::new();
    let tree = place.login().await;
    put(&tree, "/in/a", "1").await.unwrap();
    put(&tree, "/in/b", "1").await.unwrap();
    set(&place, Quota { files: Some(1), ..Quota::default() }).await;
    assert_eq!(outcome(&put(&tree, "/in/c", "1").await), "OverQuota");
    put(&tree, "/in/a", "2").await.unwrap();
    set(&place, Quota { files: Some(3), ..Quota::default() }).await;
    put(&tree, "/in/c", "1").await.unwrap();
    assert_eq!(outcome(&put(&tree, "/in/d", "1").await), "OverQuota");
    set(&place, Quota::default()).await;
    put(&tree, "/in/d", "1").await.unwrap();
}

#[tokio::test]
async fn what_operators_throw_away_makes_room() {
    let place = limited(Quota { files: Some(1), ..Quota::default() });
    let tree = place.login().await;
    put(&tree, "/in/a", "1").await.unwrap();
    let (instance, account) = (place.owner.instance, place.owner.account);
    place.storage.trash_folder(instance, account, &path("/in"), &[]).await.unwrap();
    place.storage.prepare(&place.owner).await.unwrap();
    put(&tree, "/in/b", "1").await.unwrap();
    assert_eq!(held(&place, false).await, Usage { bytes: 1, files: 1 });
    place.storage.move_folder(instance, account, &path("/in"), &path("/out")).await.unwrap();
    assert_eq!(held(&place, false).await, held(&place, true).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_count_beside_changes_of_all_kinds_comes_to_what_the_disk_holds() {
    let place = limited(Quota { bytes: Some(1 << 40), ..Quota::default() });
    let tree = place.login().await;
    for folder in 0..20 {
        tree.make_folder(&path(&format!("/in/{folder}"))).await.unwrap();
        put(&tree, &format!("/in/{folder}/begin"), "begin").await.unwrap();
    }
    let workers = (0..4).map(|worker: usize| {
        let tree = tree.clone();
        tokio::spawn(async move {
            for step in 0..60 {
                let at = |name: usize| format!("/in/{}/{worker}-{}", (step * 7 + name) % 20, name % 5);
                let content = "x".repeat((step * 13 + worker) % 50);
                match step % 5 {
                    0..=2 => drop(put(&tree, &at(step), &content).await.unwrap()),
                    3 => drop(tree.rename(&path(&at(step - 1)), &path(&at(step + 2)), Replace::Allow).await),
                    _ => {
                        drop(tree.remove_file(&path(&at(step - 2))).await);
                        let (from, to) = (format!("/in/{worker}/new"), format!("/in/{worker}/new{step}"));
                        tree.make_folder(&path(&from)).await.unwrap();
                        put(&tree, &format!("{from}/file"), &content).await.unwrap();
                        tree.rename(&path(&from), &path(&to), Replace::Refuse).await.unwrap();
                    }
                }
            }
        })
    });
    let workers = join_all(workers.collect::<Vec<_>>());
    let recounts = async {
        for _ in 0..15 {
            held(&place, true).await;
        }
    };
    let (done, ()) = futures_util::join!(workers, recounts);
    done.into_iter().for_each(Result::unwrap);
    let kept = held(&place, false).await;
    assert_eq!(kept, on_the_disk(&place.disk("/in")));
    assert_eq!(held(&place, true).await, kept);
}

#[tokio::test]
async fn what_is_held_counts_from_its_rename_on_and_waits_where_it_does_not_fit() {
    let mut place = limited(Quota { bytes: Some(10), files: Some(1), largest_file: None });
    place.owner.folders[0].rules.publish_on_rename = true;
    let tree = place.login().await;
    put(&tree, "/in/a.new", "12345").await.unwrap();
    put(&tree, "/in/b.new", "12345").await.unwrap();
    assert_eq!(held(&place, false).await, Usage::default());
    assert_eq!(outcome(&put(&tree, "/in/c.new", "12345678901").await), "OverQuota");
    assert_eq!(outcome(&tree.stat(&path("/in/c.new")).await), "NotFound");

    let rename = |from: &'static str, to: &'static str| {
        let tree = tree.clone();
        async move { tree.rename(&path(from), &path(to), Replace::Allow).await }
    };
    rename("/in/a.new", "/in/a").await.unwrap();
    assert_eq!(held(&place, false).await, Usage { bytes: 5, files: 1 });
    assert_eq!(outcome(&rename("/in/b.new", "/in/b").await), "OverQuota");
    assert_eq!(outcome(&put(&tree, "/in/d.new", "1").await), "OverQuota");
    // It is as it was, also after a start, at which nothing is counted.
    place.restart().await;
    let tree = place.login().await;
    let rename = async |from: &str, to: &str| tree.rename(&path(from), &path(to), Replace::Allow).await;
    assert_eq!(outcome(&rename("/in/b.new", "/in/b").await), "OverQuota");
    assert_eq!(tree.stat(&path("/in/b.new")).await.unwrap().size, 5);
    rename("/in/b.new", "/in/a").await.unwrap();
    assert_eq!(held(&place, false).await, Usage { bytes: 5, files: 1 });
    assert_eq!(held(&place, true).await, Usage { bytes: 5, files: 1 });
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn temporary_names_count_like_others() {
    let place = limited(Quota { bytes: Some(10), ..Quota::default() });
    let tree = place.login().await;
    put(&tree, "/in/a.tmp", "1234").await.unwrap();
    put(&tree, "/in/b.tmp", "123456").await.unwrap();
    assert_eq!(outcome(&put(&tree, "/in/c", "1").await), "OverQuota");
    tree.rename(&path("/in/a.tmp"), &path("/in/b.tmp"), Replace::Allow).await.unwrap();
    assert_eq!(held(&place, false).await, Usage { bytes: 4, files: 1 });
    tree.rename(&path("/in/b.tmp"), &path("/in/b"), Replace::Allow).await.unwrap();
    put(&tree, "/in/a.tmp", "123456").await.unwrap();
    tree.remove_file(&path("/in/a.tmp")).await.unwrap();
    assert_eq!(held(&place, false).await, Usage { bytes: 4, files: 1 });
}

#[tokio::test]
async fn a_publication_that_fails_gives_its_room_back() {
    let place = limited(Quota { files: Some(1), ..Quota::default() });
    let tree = place.login().await;
    // Its folder goes while it is written.
    tree.make_folder(&path("/in/sub")).await.unwrap();
    let upload = tree.open_write(&path("/in/sub/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"1").unwrap();
    std::fs::remove_dir(place.disk("/in/sub")).unwrap();
    assert_eq!(outcome(&upload.publish().await), "NotFound");
    put(&tree, "/in/b", "1").await.unwrap();
    assert_eq!(held(&place, false).await, Usage { bytes: 1, files: 1 });
}

pub(super) fn on_the_disk(folder: &Path) -> Usage {
    std::fs::read_dir(folder).unwrap().fold(Usage::default(), |sum, entry| {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        sum.plus(if metadata.is_dir() { on_the_disk(&entry.path()) } else { Usage::file(metadata.len()) })
    })
}
