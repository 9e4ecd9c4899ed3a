//! What operators and timers do: folders moved and thrown away, terms, orphans.

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn trash(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.directory().join(".trash")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What an entry of the trash holds at a virtual path.
fn trashed(place: &Place, entry: &str, at: &str) -> Option<String> {
    let owner = place.directory().join(".trash").join(entry).join(place.owner.instance.to_string());
    std::fs::read_to_string(owner.join(format!("{}{at}", place.owner.account))).ok()
}

#[tokio::test]
async fn incomplete_uploads_end_with_their_term() {
    let place = Place::new();
    let tree = place.login().await;
    put_cut(&tree, "/in/early", "x").await;
    place.clock.advance(DAY / 2);
    put_cut(&tree, "/in/late", "x").await;
    place.clock.advance(DAY / 2);
    assert_eq!(place.storage.sweep().await.unwrap(), Sweep { incomplete: 1, ..Sweep::default() });
    assert_eq!(names(tree.list(&path("/in")).await).await.unwrap(), "late*");
    assert_eq!(place.staging().await.len(), 2);
}

#[tokio::test]
async fn the_term_goes_on_through_restarts() {
    let mut place = Place::new();
    put_cut(&place.login().await, "/in/a", "x").await;
    let data = place.staging().await.into_iter().find(|name| name.ends_with(".data")).unwrap();
    let data = place.directory().join(".staging").join(place.owner.account.to_string()).join(data);
    let cut = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(place.clock.now().as_seconds()).unwrap());
    std::fs::File::options().write(true).open(data).unwrap().set_modified(cut).unwrap();
    place.clock.advance(DAY / 2);
    place.restart().await;
    assert_eq!(place.storage.sweep().await.unwrap().incomplete, 0);
    place.clock.advance(DAY / 2);
    assert_eq!(place.storage.sweep().await.unwrap().incomplete, 1);
}

#[tokio::test]
async fn an_account_keeps_a_bounded_number_of_incomplete_uploads() {
    let place = Place::new();
    let tree = place.login().await;
    for index in 0..1_003 {
        put_cut(&tree, &format!("/in/{index}"), "x").await;
        place.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(place.staging().await.len(), 2_000);
    assert_eq!(outcome(&tree.stat(&path("/in/2")).await), "NotFound");
    assert_eq!(outcome(&tree.stat(&path("/in/3")).await), "Ok");
}

#[tokio::test]
async fn orphans_of_staging_go_and_uploads_in_flight_stay() {
    let place = Place::new();
    let (tree, operator) = (place.login().await, place.operator().await);
    let flying = tree.open_write(&path("/in/a"), START_NEW).await.unwrap();
    let delivered = operator.open_write(&path("/in/b"), START_NEW).await.unwrap();
    let staging = place.directory().join(".staging").join(place.owner.account.to_string());
    let id = UploadId::new(place.clock.now(), &OsRandom);
    std::fs::write(staging.join(format!("{id}.data")), "orphan").unwrap();
    let id = UploadId::new(place.clock.now(), &OsRandom);
    std::fs::write(staging.join(format!("{id}.json")), "orphan").unwrap();
    assert_eq!(place.storage.sweep().await.unwrap(), Sweep { orphans: 2, ..Sweep::default() });
    for upload in [flying, delivered] {
        upload.write_at(0, b"x").unwrap();
        upload.publish().await.unwrap();
    }
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn a_folder_moves_with_all_it_holds() {
    let place = Place::new();
    let tree = place.login().await;
    tree.make_folder(&path("/in/sub")).await.unwrap();
    put(&tree, "/in/sub/a", "a").await.unwrap();
    put_cut(&tree, "/in/cut", "c").await;
    let (instance, account) = (place.owner.instance, place.owner.account);
    let move_to = async |from: &str, to: &str| {
        outcome(&place.storage.move_folder(instance, account, &path(from), &path(to)).await)
    };
    assert_eq!(move_to("/in", "/in/deeper").await, "AlreadyExists");
    std::fs::create_dir_all(place.disk("/taken/full")).unwrap();
    std::fs::write(place.disk("/file"), "x").unwrap();
    assert_eq!(move_to("/in", "/taken").await, "AlreadyExists");
    assert_eq!(move_to("/in", "/file").await, "AlreadyExists");
    assert_eq!(move_to("/taken/full", "/taken").await, "AlreadyExists");
    assert_eq!(place.content("/in/sub/a").unwrap(), "a");

    let flying = tree.open_write(&path("/in/flying"), START_NEW).await.unwrap();
    flying.write_at(0, b"f").unwrap();
    assert_eq!(move_to("/in", "/new/place").await, "Ok");
    assert_eq!(place.content("/new/place/sub/a").unwrap(), "a");
    assert_eq!(place.content("/in/sub/a"), None);
    assert_eq!(outcome(&flying.publish().await), "NotFound");

    let moved = TreeOwner {
        folders: vec![RemoteFolder { path: path("/new/place"), ..place.owner.folders[0].clone() }],
        ..place.owner.clone()
    };
    let moved = Place { owner: moved, ..place };
    assert_eq!(names(moved.login().await.list(&path("/new/place")).await).await.unwrap(), "cut* sub/");
}

#[tokio::test]
async fn a_folder_that_was_never_made_moves_too() {
    let place = Place::new();
    let (instance, account) = (place.owner.instance, place.owner.account);
    place.storage.move_folder(instance, account, &path("/never"), &path("/there")).await.unwrap();
    assert!(place.disk("/there").is_dir());
}

#[tokio::test]
async fn a_removed_folder_stays_in_the_trash_for_its_term() {
    let place = Place::new();
    let tree = place.login().await;
    put(&tree, "/in/a", "a").await.unwrap();
    put_cut(&tree, "/in/cut", "c").await;
    let (instance, account) = (place.owner.instance, place.owner.account);
    place.storage.trash_folder(instance, account, &path("/in"), &[]).await.unwrap();
    assert!(!place.disk("/in").exists());
    assert!(place.staging().await.is_empty());
    let entries = trash(&place);
    assert_eq!(entries.len(), 1);
    assert!(entries[0].starts_with("2026-11-23T18.00.00Z-"), "{entries:?}");
    assert_eq!(trashed(&place, &entries[0], "/in/a").unwrap(), "a");

    place.clock.advance(29 * DAY);
    assert_eq!(place.storage.sweep().await.unwrap().trash, 0);
    // Whatever was planted in it goes without being followed.
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("keep"), "x").unwrap();
    let entry = place.directory().join(".trash").join(&entries[0]);
    std::os::unix::fs::symlink(outside.path(), entry.join("link")).unwrap();
    place.clock.advance(DAY);
    assert_eq!(place.storage.sweep().await.unwrap().trash, 1);
    assert!(trash(&place).is_empty());
    assert!(outside.path().join("keep").exists());
}

#[tokio::test]
async fn the_files_of_an_inner_folder_survive_the_outer_ones_removal() {
    let place = Place::with(&[("/a", Rights::all()), ("/a/b/c", Rights::all())]);
    let tree = place.login().await;
    for at in ["/a/x", "/a/b/y", "/a/b/c/z"] {
        put(&tree, at, at).await.unwrap();
    }
    let (instance, account) = (place.owner.instance, place.owner.account);
    place.storage.trash_folder(instance, account, &path("/a"), &[path("/a/b/c"), path("/other")]).await.unwrap();
    assert_eq!(place.content("/a/b/c/z").unwrap(), "/a/b/c/z");
    let entry = &trash(&place)[0];
    for at in ["/a/x", "/a/b/y"] {
        assert_eq!(place.content(at), None, "{at}");
        assert_eq!(trashed(&place, entry, at).unwrap(), at);
    }
}

#[tokio::test]
async fn a_removed_account_leaves_nothing_but_trash() {
    let place = Place::with(&[("/a", Rights::all()), ("/b", Rights::all())]);
    let tree = place.login().await;
    put(&tree, "/a/x", "x").await.unwrap();
    put_cut(&tree, "/b/cut", "c").await;
    place.storage.trash_account(place.owner.instance, place.owner.account).await.unwrap();
    assert!(!place.disk("/").exists());
    assert!(place.staging().await.is_empty());
    assert_eq!(trashed(&place, &trash(&place)[0], "/a/x").unwrap(), "x");
    assert_eq!(outcome(&tree.stat(&path("/a/x")).await), "NotFound");
    assert_eq!(outcome(&put(&tree, "/a/x", "x").await), "NotFound");
    place.storage.trash_account(place.owner.instance, place.owner.account).await.unwrap();
}

#[tokio::test]
async fn readiness_tells_whether_files_can_be_written() {
    let place = Place::new();
    assert!(place.storage.is_writable().await);
    std::fs::remove_dir_all(place.directory().join(".staging")).unwrap();
    assert!(!place.storage.is_writable().await);
}

#[tokio::test]
async fn space_is_told_for_what_is_there() {
    let place = Place::new();
    let tree = place.login().await;
    let space = tree.space(&path("/in")).await.unwrap();
    assert!(space.block_size > 0 && space.blocks >= space.blocks_available);
    assert_eq!(outcome(&tree.space(&path("/nowhere")).await), "NotFound");
}

#[tokio::test]
async fn nothing_is_put_into_a_folder_that_departs() {
    let place = Place::with(&[("/in", Rights::all()), ("/in/keep", Rights::all()), ("/out", Rights::all())]);
    let (tree, operator) = (place.login().await, place.operator().await);
    put(&tree, "/out/a", "x").await.unwrap();
    let uploads = [
        tree.open_write(&path("/in/a"), START_NEW).await.unwrap(),
        operator.open_write(&path("/in/new/a"), START_NEW).await.unwrap(),
    ];
    let keep = [path("/in/keep"), path("/out")];
    let departure = place.storage.begin_departure(place.owner.account, &path("/in"), &keep).await.unwrap();
    for upload in uploads {
        upload.write_at(0, b"x").unwrap();
        assert_eq!(outcome(&upload.publish().await), "NotFound");
    }
    assert_eq!(outcome(&operator.open_write(&path("/in/newer/a"), START_NEW).await), "NotFound");
    assert!(!place.disk("/in/newer").exists());
    assert_eq!(outcome(&tree.rename(&path("/out/a"), &path("/in/c"), Replace::Refuse).await), "NotFound");
    // What stays can be used.
    put(&tree, "/in/keep/a", "x").await.unwrap();
    tree.rename(&path("/out/a"), &path("/in/keep/b"), Replace::Refuse).await.unwrap();
    departure.complete();
    assert_eq!(outcome(&put(&tree, "/in/b", "x").await), "NotFound", "this tree saw the folder where it was");
    put(&place.login().await, "/in/b", "x").await.unwrap();
}

#[tokio::test]
async fn no_tree_is_mounted_while_a_folder_departs_and_none_makes_it_anew() {
    let place = Place::new();
    let (account, instance) = (place.owner.account, place.owner.instance);
    let departure = place.storage.begin_departure(account, &path("/in"), &[]).await.unwrap();
    place.storage.move_folder(instance, account, &path("/in"), &path("/elsewhere")).await.unwrap();
    let actor = Actor::Operator { name: String::from("payroll-import") };
    let mounted = OperatorTree::mount(&place.storage, place.owner.clone(), actor).await;
    assert_eq!(outcome(&mounted), "Busy");
    assert!(!place.disk("/in").exists());
    departure.complete();
    place.login().await;
}

#[tokio::test]
async fn a_departure_that_is_called_off_changes_nothing() {
    let place = Place::new();
    let tree = place.login().await;
    drop(place.storage.begin_departure(place.owner.account, &path("/in"), &[]).await.unwrap());
    put(&tree, "/in/a", "x").await.unwrap();
    put(&place.login().await, "/in/b", "x").await.unwrap();
}

#[tokio::test]
async fn one_entry_of_the_trash_that_cannot_be_removed_keeps_no_other() {
    let place = Place::new();
    let (instance, account) = (place.owner.instance, place.owner.account);
    for _ in 0..6 {
        put(&place.login().await, "/in/a", "x").await.unwrap();
        place.storage.trash_folder(instance, account, &path("/in"), &[]).await.unwrap();
        place.clock.advance(Duration::from_secs(1));
    }
    let stubborn = trash(&place).into_iter().min().unwrap();
    let deep = place.directory().join(".trash").join(&stubborn).join("d/".repeat(140));
    std::fs::create_dir_all(deep).unwrap();
    place.clock.advance(31 * DAY);
    assert_eq!(place.storage.sweep().await.unwrap(), Sweep { trash: 5, ..Sweep::default() });
    assert_eq!(trash(&place), [stubborn]);
}
