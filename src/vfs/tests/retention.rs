//! The ages of published files, and the removal of what is past its term: the file that was looked at, or none.

use std::os::unix::fs::symlink;

use super::super::ledger::FileChange;
use super::*;

fn with_a_folder_inside() -> Place {
    Place::with(&[("/in", Rights::all()), ("/in/deep/own", Rights::all())])
}

async fn gateway(place: &Place) -> OperatorTree {
    let actor = Actor::Gateway { rule: String::from("retention") };
    OperatorTree::mount(&place.storage, place.owner.clone(), actor).await.unwrap()
}

/// The files of a remote folder, by path.
async fn files(tree: &OperatorTree, folder: FolderId) -> Vec<AgedFile> {
    let (mut ages, mut files) = (tree.ages(folder).await.unwrap(), Vec::new());
    while let Some(batch) = ages.next_batch().await.unwrap() {
        files.extend(batch);
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

async fn since(tree: &OperatorTree, place: &Place, at: &str) -> Timestamp {
    files(tree, place.owner.folders[0].id).await.into_iter().find(|file| file.path == path(at)).unwrap().since
}

fn removals(place: &Place) -> Vec<FileChange> {
    let change = |happening| match happening {
        Happening::Changed(change) => Some(change),
        Happening::Published(_) => None,
    };
    place.ledger.happenings().into_iter().filter_map(change).collect()
}

/// What an entry of the trash holds at a virtual path.
fn trashed(place: &Place, entry: &TrashEntry, at: &str) -> Option<String> {
    let owner = place.directory().join(".trash").join(entry.as_str()).join(place.owner.instance.to_string());
    std::fs::read_to_string(owner.join(format!("{}{at}", place.owner.account))).ok()
}

#[tokio::test]
async fn a_pass_finds_the_published_files_of_its_own_folder_and_nothing_else() {
    let mut place = with_a_folder_inside();
    place.owner.folders[1].rules.publish_on_rename = true;
    let login = place.login().await;
    for folder in ["/in/x", "/in/x/y", "/in/empty", "/in/deep/own/sub"] {
        login.make_folder(&path(folder)).await.unwrap();
    }
    for at in ["/in/a", "/in/x/y/b", "/in/deep/c", "/in/deep/own/held", "/in/b.part"] {
        put(&login, at, "12").await.unwrap();
    }
    place.operator().await.open_write(&path("/in/deep/own/sub/d"), START_NEW).await.unwrap().publish().await.unwrap();
    put_cut(&login, "/in/cut", "12").await;
    let in_flight = login.open_write(&path("/in/flight"), START_NEW).await.unwrap();
    symlink(place.disk("/in/a"), place.disk("/in/link")).unwrap();
    std::fs::write(place.disk("/in").join("back\\slash"), "nobody's").unwrap();
    let gateway = gateway(&place).await;
    let [outer, own] = [0, 1].map(|folder| place.owner.folders[folder].id);
    let paths = |files: Vec<AgedFile>| files.iter().map(|file| file.path.to_string()).collect::<Vec<_>>();
    assert_eq!(paths(files(&gateway, outer).await), ["/in/a", "/in/b.part", "/in/deep/c", "/in/x/y/b"]);
    assert_eq!(paths(files(&gateway, own).await), ["/in/deep/own/sub/d"]);
    assert_eq!(files(&gateway, outer).await[0].bytes, 2);
    assert_eq!(outcome(&gateway.ages(FolderId::new(place.clock.now(), &OsRandom)).await), "NotFound");

    // What is not published is nothing that could be removed either.
    let late = Timestamp::from_seconds(100_000_000_000);
    for at in ["/in/cut", "/in/flight", "/in/deep/own/held", "/in/link"] {
        assert_eq!(outcome(&gateway.remove_if_older(&path(at), late, None).await), "NotFound", "{at}");
    }
    assert_eq!(outcome(&gateway.remove_if_older(&path("/in/x"), late, None).await), "IsAFolder");
    assert_eq!(outcome(&gateway.remove_if_older(&path("/in/deep/own"), late, None).await), "PermissionDenied");
    in_flight.publish().await.unwrap();
    assert_eq!(names(login.list(&path("/in/deep/own")).await).await.unwrap(), "held* sub/");
}

#[tokio::test]
async fn a_pass_goes_through_more_folders_and_files_than_one_batch_has() {
    let place = Place::new();
    for folder in 0..300 {
        let folder = place.directory().join(place.disk(&format!("/in/{folder}/x")));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a"), "a").unwrap();
    }
    for file in 0..600 {
        std::fs::write(place.disk("/in").join(format!("file-{file}")), "a").unwrap();
    }
    assert_eq!(files(&gateway(&place).await, place.owner.folders[0].id).await.len(), 900);
}

#[tokio::test]
async fn what_is_old_enough_is_removed_and_told_and_its_folders_stay() {
    let place = with_a_folder_inside();
    let login = place.login().await;
    login.make_folder(&path("/in/sub")).await.unwrap();
    put(&login, "/in/sub/a", "abc").await.unwrap();
    let gateway = gateway(&place).await;
    let since = since(&gateway, &place, "/in/sub/a").await;
    let before = since.minus(Duration::from_micros(1));
    assert_eq!(gateway.remove_if_older(&path("/in/sub/a"), before, None).await.unwrap(), None);
    assert_eq!(place.content("/in/sub/a").as_deref(), Some("abc"));
    assert_eq!(gateway.remove_if_older(&path("/in/sub/a"), since, None).await.unwrap(), Some(3));
    assert!(place.content("/in/sub/a").is_none() && place.disk("/in/sub").is_dir());
    assert_eq!(place.told().await, ["uploaded /in/sub/a 3", "deleted /in/sub/a 3"]);
    assert!(place.staging().await.is_empty());
    let removal = removals(&place).remove(0);
    assert!(matches!(&removal.actor, Actor::Gateway { rule } if rule == "retention"));
    assert_eq!((removal.trashed, removal.folder), (None, place.owner.folders[0].id));
}

#[tokio::test]
async fn a_file_that_took_its_place_meanwhile_stays() {
    let place = Place::new();
    let login = place.login().await;
    let gateway = gateway(&place).await;
    put(&login, "/in/a", "old").await.unwrap();
    let looked_at = since(&gateway, &place, "/in/a").await;
    // A disk's clock has ticks of some milliseconds.
    while since(&gateway, &place, "/in/a").await == looked_at {
        put(&login, "/in/a", "new").await.unwrap();
    }
    assert_eq!(gateway.remove_if_older(&path("/in/a"), looked_at, None).await.unwrap(), None);
    assert_eq!(place.content("/in/a").as_deref(), Some("new"));
    assert!(place.told().await.iter().all(|told| told == "uploaded /in/a 3"));
}

#[tokio::test]
async fn no_client_makes_a_file_older_than_it_is() {
    let place = Place::new();
    let login = place.login().await;
    let gateway = gateway(&place).await;
    put(&login, "/in/a", "abc").await.unwrap();
    let published = since(&gateway, &place, "/in/a").await;
    let long_ago = Timestamp::from_seconds(1_000_000);
    login.set_times(&path("/in/a"), Some(long_ago), Some(long_ago)).await.unwrap();
    assert_eq!(login.stat(&path("/in/a")).await.unwrap().modified, long_ago);
    assert!(since(&gateway, &place, "/in/a").await >= published);
    // Nor with times that are set before it is published.
    let upload = login.open_write(&path("/in/b"), START_NEW).await.unwrap();
    login.set_times(&path("/in/b"), Some(long_ago), None).await.unwrap();
    upload.publish().await.unwrap();
    assert!(since(&gateway, &place, "/in/b").await >= published);
}

#[tokio::test]
async fn the_trash_takes_a_file_under_its_account_and_path_and_each_path_once() {
    let place = Place::new();
    let login = place.login().await;
    let gateway = gateway(&place).await;
    let late = Timestamp::from_seconds(100_000_000_000);
    let entry = gateway.new_trash_entry();
    login.make_folder(&path("/in/sub")).await.unwrap();
    for at in ["/in/sub/a", "/in/b.part"] {
        put(&login, at, at).await.unwrap();
        assert!(gateway.remove_if_older(&path(at), late, Some(&entry)).await.unwrap().is_some());
        assert_eq!((place.content(at), trashed(&place, &entry, at)), (None, Some(at.to_owned())));
    }
    assert_eq!(place.told().await, ["uploaded /in/sub/a 9", "deleted /in/sub/a 9"]);
    assert_eq!(removals(&place)[0].trashed, Some(entry.clone()));

    put(&login, "/in/sub/a", "again").await.unwrap();
    assert_eq!(outcome(&gateway.remove_if_older(&path("/in/sub/a"), late, Some(&entry)).await), "AlreadyExists");
    assert_eq!(place.content("/in/sub/a").as_deref(), Some("again"));
    assert_eq!(place.told().await.len(), 3, "what failed is not told");
    assert!(place.staging().await.is_empty());

    place.clock.advance(Duration::from_secs(31 * 24 * 3600));
    assert_eq!(place.storage.sweep().await.unwrap().trash, 1);
    assert_eq!(trashed(&place, &entry, "/in/sub/a"), None);
}

#[tokio::test]
async fn nothing_is_removed_from_a_folder_that_departs() {
    let place = Place::new();
    put(&place.login().await, "/in/a", "abc").await.unwrap();
    let gateway = gateway(&place).await;
    let departure = place.storage.begin_departure(place.owner.account, &path("/in"), &[]).await.unwrap();
    let late = Timestamp::from_seconds(100_000_000_000);
    assert_eq!(gateway.remove_if_older(&path("/in/a"), late, None).await.unwrap(), None);
    drop(departure);
    assert_eq!(gateway.remove_if_older(&path("/in/a"), late, None).await.unwrap(), Some(3));
}
