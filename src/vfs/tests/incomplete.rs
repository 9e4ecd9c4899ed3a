//! What stays of an upload that was cut, and how it is continued.

use super::super::view::View;
use super::*;

#[tokio::test]
async fn a_cut_upload_is_its_logins_incomplete_upload_and_nobody_elses() {
    let place = Place::new();
    let (login, operator) = (place.login().await, place.operator().await);
    put(&login, "/in/a", "whole").await.unwrap();
    put_cut(&login, "/in/a", "wh").await;

    let stat = login.stat(&path("/in/a")).await.unwrap();
    assert_eq!((stat.size, stat.incomplete), (2, true));
    assert_eq!(names(login.list(&path("/in")).await).await.unwrap(), "a*");
    assert!(matches!(get(&login, "/in/a").await, Err(VfsError::Busy)));
    assert!(matches!(login.rename(&path("/in/a"), &path("/in/b"), Replace::Allow).await, Err(VfsError::Busy)));
    assert!(matches!(login.set_size(&path("/in/a"), 1).await, Err(VfsError::Busy)));
    assert_eq!(get_as_operator(&operator, "/in/a").await.unwrap(), "whole");
    assert_eq!(operator.stat(&path("/in/a")).await.unwrap().size, 5);

    // Removing it discards it alone.
    login.remove_file(&path("/in/a")).await.unwrap();
    assert_eq!(get(&login, "/in/a").await.unwrap(), "whole");
    assert!(place.staging().await.is_empty());
    let cut = place.ledger.notes().into_iter().find(|note| note.upload).unwrap();
    assert_eq!(cut.outcome, TransferOutcome::Failed { reason: String::from("the connection was lost") });
    assert_eq!(cut.bytes, 2);
}

#[tokio::test]
async fn a_cut_upload_resumes_where_it_ended_also_after_a_restart() {
    let mut place = Place::new();
    put_cut(&place.login().await, "/in/a", "abc").await;
    assert_eq!(place.restart().await, Recovery { incomplete: 1, ..Recovery::default() });
    let login = place.login().await;
    assert_eq!(login.stat(&path("/in/a")).await.unwrap().size, 3);
    let upload = login.open_write(&path("/in/a"), CONTINUE).await.unwrap();
    upload.append(b"def").unwrap();
    upload.publish().await.unwrap();
    assert_eq!(place.content("/in/a").unwrap(), "abcdef");
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn a_dropped_upload_can_be_resumed_at_once() {
    let place = Place::new();
    let login = place.login().await;
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"abc").unwrap();
    drop(upload);
    let again = login.open_write(&path("/in/a"), CONTINUE).await.unwrap();
    assert_eq!(again.metadata().unwrap().size, 3);
    assert_eq!(place.staging().await.len(), 2, "the same staging file is used");
}

#[tokio::test]
async fn an_upload_that_received_nothing_leaves_nothing() {
    let place = Place::new();
    let login = place.login().await;
    put(&login, "/in/a", "whole").await.unwrap();
    for options in [START_NEW, CONTINUE] {
        let upload = login.open_write(&path("/in/a"), options).await.unwrap();
        upload.cut(CutReason::Aborted).await;
        assert_eq!(get(&login, "/in/a").await.unwrap(), "whole");
    }
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn starting_anew_keeps_the_older_incomplete_upload_until_the_new_one_ends() {
    let place = Place::new();
    let login = place.login().await;
    put_cut(&login, "/in/a", "first attempt").await;
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    assert_eq!(login.stat(&path("/in/a")).await.unwrap().size, 0, "the latest opened is seen");
    assert_eq!(place.staging().await.len(), 4);
    upload.write_at(0, b"2nd").unwrap();
    upload.cut(CutReason::ConnectionLost).await;
    assert_eq!(login.stat(&path("/in/a")).await.unwrap().size, 3, "the latest cut stays");
    assert_eq!(place.staging().await.len(), 2);
    put(&login, "/in/a", "third").await.unwrap();
    assert_eq!(get(&login, "/in/a").await.unwrap(), "third");
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn a_client_resumes_while_its_dead_twin_still_holds_the_upload() {
    let place = Place::new();
    let (dead, alive) = (place.login().await, place.login().await);
    let twin = dead.open_write(&path("/in/a"), START_NEW).await.unwrap();
    twin.write_at(0, b"abc").unwrap();
    let upload = alive.open_write(&path("/in/a"), CONTINUE).await.unwrap();
    upload.append(b"def").unwrap();
    twin.write_at(3, b"XXXXXX").unwrap();
    upload.publish().await.unwrap();
    assert_eq!(place.content("/in/a").unwrap(), "abcdef");
    twin.cut(CutReason::ConnectionLost).await;
    assert_eq!(place.content("/in/a").unwrap(), "abcdef");
    assert_eq!(alive.stat(&path("/in/a")).await.unwrap().size, 9, "the latest cut is the incomplete one");
}

#[tokio::test]
async fn an_upload_whose_folder_went_away_becomes_incomplete() {
    let place = Place::new();
    let login = place.login().await;
    login.make_folder(&path("/in/sub")).await.unwrap();
    let upload = login.open_write(&path("/in/sub/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"abc").unwrap();
    std::fs::remove_dir(place.disk("/in/sub")).unwrap();
    assert!(matches!(upload.publish().await, Err(VfsError::NotFound)));
    assert!(place.recorded().await.is_empty());
    // Made again, it can be finished there.
    login.make_folder(&path("/in/sub")).await.unwrap();
    assert_eq!(login.stat(&path("/in/sub/a")).await.unwrap().size, 3);
}

#[tokio::test]
async fn a_renamed_folder_takes_its_incomplete_uploads_along() {
    let mut place = Place::new();
    let login = place.login().await;
    login.make_folder(&path("/in/a")).await.unwrap();
    put_cut(&login, "/in/a/cut", "abc").await;
    assert!(matches!(login.remove_folder(&path("/in/a")).await, Err(VfsError::NotEmpty)));
    let upload = login.open_write(&path("/in/a/flying"), START_NEW).await.unwrap();
    assert!(matches!(login.rename(&path("/in/a"), &path("/in/b"), Replace::Refuse).await, Err(VfsError::Busy)));
    upload.cut(CutReason::Aborted).await;
    login.rename(&path("/in/a"), &path("/in/b"), Replace::Refuse).await.unwrap();
    assert_eq!(login.stat(&path("/in/b/cut")).await.unwrap().size, 3);
    place.restart().await;
    assert_eq!(place.login().await.stat(&path("/in/b/cut")).await.unwrap().size, 3);
}

#[tokio::test]
async fn an_operators_delivery_leaves_a_logins_incomplete_upload_alone() {
    let place = Place::new();
    let (login, operator) = (place.login().await, place.operator().await);
    put_cut(&login, "/in/a", "abc").await;
    let delivery = operator.open_write(&path("/in/a"), START_NEW).await.unwrap();
    delivery.write_at(0, b"delivered").unwrap();
    delivery.publish().await.unwrap();
    // What the client resumes is what it sent, not what someone else put there.
    let resumed = login.open_write(&path("/in/a"), CONTINUE).await.unwrap();
    assert_eq!(resumed.metadata().unwrap().size, 3);
    operator.remove_file(&path("/in/a")).await.unwrap();
    assert!(login.stat(&path("/in/a")).await.unwrap().incomplete);
}

#[tokio::test]
async fn an_upload_that_was_cut_and_resumed_without_end_is_still_recorded_after_a_crash() {
    let mut place = Place::new();
    let tree = place.login().await;
    put_cut(&tree, "/in/a", "x").await;
    let sidecar = place.staging().await.into_iter().find(|name| name.ends_with(".json")).unwrap();
    let sidecar = place.directory().join(".staging").join(place.owner.account.to_string()).join(sidecar);
    // What many thousand resumptions leave.
    let mut lines = std::fs::read_to_string(&sidecar).unwrap();
    let one = lines.clone();
    while lines.len() < 3 * 1024 * 1024 {
        lines.push_str(&one);
    }
    std::fs::write(&sidecar, lines).unwrap();
    let upload = tree.open_write(&path("/in/a"), CONTINUE).await.unwrap();
    upload.write_at(1, b"y").unwrap();
    place.ledger.fails.store(true, Ordering::SeqCst);
    upload.publish().await.unwrap();
    assert_eq!(place.content("/in/a").as_deref(), Some("xy"));
    place.ledger.fails.store(false, Ordering::SeqCst);
    let recovery = place.restart().await;
    assert_eq!((recovery.rolled_forward, place.recorded().await.len()), (1, 1));
}

#[tokio::test]
async fn a_folder_that_takes_an_empty_ones_place_shows_nothing_of_that_ones_cut_uploads() {
    let place = Place::new();
    let tree = place.login().await;
    for folder in ["/in/old", "/in/new"] {
        tree.make_folder(&path(folder)).await.unwrap();
    }
    put(&tree, "/in/new/a", "whole").await.unwrap();
    put_cut(&tree, "/in/old/a", "cut").await;
    tree.rename(&path("/in/new"), &path("/in/old"), Replace::Allow).await.unwrap();
    assert_eq!(get(&tree, "/in/old/a").await.unwrap(), "whole");
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn data_stays_while_its_sidecar_cannot_be_removed() {
    let place = Place::new();
    let tree = place.login().await;
    put_cut(&tree, "/in/a", "x").await;
    let staging = place.directory().join(".staging").join(place.owner.account.to_string());
    let names = place.staging().await;
    let sidecar = staging.join(names.iter().find(|name| name.ends_with(".json")).unwrap());
    // Alone, it could read as the intent of a file that is in place, and a ghost would be recorded.
    std::fs::remove_file(&sidecar).unwrap();
    std::fs::create_dir(&sidecar).unwrap();
    tree.remove_file(&path("/in/a")).await.unwrap();
    assert!(names.iter().any(|name| name.ends_with(".data") && staging.join(name).exists()));
    std::fs::remove_dir(&sidecar).unwrap();
    assert_eq!(place.storage.sweep().await.unwrap(), Sweep { orphans: 1, ..Sweep::default() });
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn what_is_cut_while_a_file_is_resized_is_not_published_with_it() {
    let place = Place::new();
    let tree = place.login().await;
    put(&tree, "/in/a", "whole").await.unwrap();
    put_cut(&tree, "/in/a", "cut short").await;
    put_cut(&tree, "/in/b", "cut short").await;
    let actor = place.ledger.notes()[0].actor.clone();
    let (storage, owner) = (Arc::clone(&place.storage), place.owner.clone());
    let [resized, nothing] = tokio::task::spawn_blocking(move || {
        let view = View::mount(&storage, &owner, actor).unwrap();
        // Past the look whether something is unfinished.
        ["/in/a", "/in/b"].map(|at| view.open_whole(&path(at), 3))
    })
    .await
    .unwrap();
    assert_eq!(outcome(&nothing), "Busy");
    resized.unwrap().publish().await.unwrap();
    assert_eq!(place.content("/in/a").as_deref(), Some("who"));
    assert_eq!(place.content("/in/b"), None);
}
