//! Folders that publish on rename: what ended in order is its login's alone, whole and durable, until it is renamed.

use super::*;

/// `/in` publishes on rename, `/out` as usual.
fn place() -> Place {
    let mut place = Place::with(&[("/in", Rights::all()), ("/out", Rights::all())]);
    place.owner.folders[0].rules.publish_on_rename = true;
    place
}

async fn rename(tree: &SessionTree, from: &str, to: &str) -> Result<(), VfsError> {
    tree.rename(&path(from), &path(to), Replace::Allow).await
}

#[tokio::test]
async fn an_upload_is_its_logins_alone_until_it_is_renamed() {
    let place = place();
    let login = place.login().await;
    assert!(put(&login, "/in/a", "abc").await.unwrap().event.is_none());
    let seen = login.stat(&path("/in/a")).await.unwrap();
    assert_eq!((seen.size, seen.incomplete), (3, true));
    assert_eq!(names(login.list(&path("/in")).await).await.unwrap(), "a*");
    assert_eq!(outcome(&get(&login, "/in/a").await), "Busy");
    let operator = place.operator().await;
    assert_eq!(outcome(&operator.stat(&path("/in/a")).await), "NotFound");
    assert_eq!(names(operator.list(&path("/in")).await).await.unwrap(), "");
    assert!(place.told().await.is_empty() && place.recorded().await.is_empty());
    let modified = Timestamp::from_seconds(1_000_000);
    login.set_times(&path("/in/a"), Some(modified), None).await.unwrap();

    rename(&login, "/in/a", "/in/b").await.unwrap();
    assert_eq!(get(&login, "/in/b").await.unwrap(), "abc");
    assert_eq!(operator.stat(&path("/in/b")).await.unwrap().modified, modified);
    assert_eq!(outcome(&login.stat(&path("/in/a")).await), "NotFound");
    assert_eq!(place.told().await, ["uploaded /in/b 3"]);
    let recorded = place.recorded().await;
    assert_eq!((recorded.len(), recorded[0].folder), (1, place.owner.folders[0].id));
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn writing_goes_on_and_the_rename_publishes_what_ended_last() {
    let place = place();
    let login = place.login().await;
    put(&login, "/in/a", "abc").await.unwrap();
    let more = login.open_write(&path("/in/a"), CONTINUE).await.unwrap();
    more.write_at(3, b"def").unwrap();
    more.publish().await.unwrap();
    assert_eq!(login.stat(&path("/in/a")).await.unwrap().size, 6);
    // Cut, it leaves what was acknowledged.
    let cut = login.open_write(&path("/in/a"), CONTINUE).await.unwrap();
    cut.write_at(6, b"ghi").unwrap();
    cut.cut(CutReason::ConnectionLost).await;
    assert_eq!(login.stat(&path("/in/a")).await.unwrap().size, 9);
    assert_eq!(outcome(&rename(&login, "/in/a", "/in/b").await), "Busy");
    login.remove_file(&path("/in/a")).await.unwrap();
    assert_eq!(login.stat(&path("/in/a")).await.unwrap().size, 6);
    rename(&login, "/in/a", "/out/b").await.unwrap();
    assert_eq!(place.content("/out/b").unwrap(), "abcdef");
    assert_eq!(place.told().await, ["uploaded /out/b 6"]);
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn a_rename_follows_its_own_rules_about_what_is_there() {
    let mut place = place();
    let no_overwriting =
        Rights::all().iter().filter(|right| *right != Right::Overwrite).fold(Rights::none(), Rights::with);
    place.owner.folders[1].rights = no_overwriting;
    let login = place.login().await;
    let operator = place.operator().await;
    for at in ["/in/there", "/out/there"] {
        operator.open_write(&path(at), START_NEW).await.unwrap().publish().await.unwrap();
    }
    put(&login, "/in/a", "abc").await.unwrap();
    let refused = login.rename(&path("/in/a"), &path("/in/there"), Replace::Refuse).await;
    assert_eq!(outcome(&refused), "AlreadyExists");
    assert_eq!(outcome(&rename(&login, "/in/a", "/out/there").await), "PermissionDenied");
    assert_eq!(login.stat(&path("/in/a")).await.unwrap().size, 3, "it waits as before");
    rename(&login, "/in/a", "/in/there").await.unwrap();
    assert_eq!(place.content("/in/there").unwrap(), "abc");
    let recorded = place.recorded().await;
    assert!(recorded.last().unwrap().replaced);
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn a_drop_box_may_end_its_uploads() {
    let mut place = Place::with(&[("/in", ReadySet::DropBox.rights())]);
    place.owner.folders[0].rules.publish_on_rename = true;
    let login = place.login().await;
    put(&login, "/in/a.tmp", "abc").await.unwrap();
    assert_eq!(login.stat(&path("/in/a.tmp")).await.unwrap().size, 3);
    rename(&login, "/in/a.tmp", "/in/a").await.unwrap();
    assert_eq!(place.told().await, ["uploaded /in/a 3"]);
    assert_eq!(outcome(&rename(&login, "/in/a", "/in/b").await), "PermissionDenied", "published, it is like any other");
}

#[tokio::test]
async fn a_cut_upload_is_incomplete_and_an_operators_is_published_at_once() {
    let place = place();
    let login = place.login().await;
    put_cut(&login, "/in/a", "ab").await;
    assert_eq!(outcome(&rename(&login, "/in/a", "/in/b").await), "Busy");
    let operator = place.operator().await;
    operator.open_write(&path("/in/c"), START_NEW).await.unwrap().publish().await.unwrap();
    assert_eq!(place.told().await, ["uploaded /in/c 0"]);
}

#[tokio::test]
async fn what_is_held_survives_restarts_until_its_own_term_and_no_longer() {
    let mut place = place();
    let login = place.login().await;
    put(&login, "/in/a", "abc").await.unwrap();
    put(&login, "/in/empty", "").await.unwrap();
    assert_eq!(place.restart().await, Recovery { held: 2, ..Recovery::default() });
    place.clock.advance(Duration::from_secs(29 * 24 * 3600));
    assert_eq!(place.storage.sweep().await.unwrap(), Sweep::default());
    let login = place.login().await;
    rename(&login, "/in/empty", "/in/e").await.unwrap();
    assert_eq!(place.told().await, ["uploaded /in/e 0"]);
    place.clock.advance(Duration::from_secs(2 * 24 * 3600));
    assert_eq!(place.storage.sweep().await.unwrap(), Sweep { held: 1, ..Sweep::default() });
    assert_eq!(outcome(&login.stat(&path("/in/a")).await), "NotFound");
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn it_follows_its_folder_and_can_be_given_up() {
    let mut place = place();
    let login = place.login().await;
    login.make_folder(&path("/in/sub")).await.unwrap();
    put(&login, "/in/sub/a", "abc").await.unwrap();
    rename(&login, "/in/sub", "/in/bus").await.unwrap();
    assert_eq!(login.stat(&path("/in/bus/a")).await.unwrap().size, 3);
    assert_eq!(outcome(&login.remove_folder(&path("/in/bus")).await), "NotEmpty");
    assert_eq!(place.restart().await.held, 1);
    let login = place.login().await;
    login.remove_file(&path("/in/bus/a")).await.unwrap();
    login.remove_folder(&path("/in/bus")).await.unwrap();
    assert!(place.staging().await.is_empty());
    assert_eq!(place.told().await, ["renamed /in/sub /in/bus 0"]);
}

#[tokio::test]
async fn of_two_sessions_the_last_orderly_end_is_held_also_after_a_restart() {
    let mut place = place();
    let (one, other) = (place.login().await, place.login().await);
    let first = one.open_write(&path("/in/a"), START_NEW).await.unwrap();
    place.clock.advance(Duration::from_secs(1));
    let second = other.open_write(&path("/in/a"), START_NEW).await.unwrap();
    second.write_at(0, b"second").unwrap();
    first.write_at(0, b"first").unwrap();
    second.publish().await.unwrap();
    place.clock.advance(Duration::from_secs(1));
    first.publish().await.unwrap();
    assert_eq!(place.restart().await, Recovery { held: 1, ..Recovery::default() });
    rename(&place.login().await, "/in/a", "/in/b").await.unwrap();
    assert_eq!(place.content("/in/b").unwrap(), "first");
}

#[tokio::test]
async fn a_rule_that_was_taken_back_leaves_what_waits_to_be_renamed_or_replaced() {
    let mut place = place();
    let login = place.login().await;
    put(&login, "/in/a", "abc").await.unwrap();
    put(&login, "/in/b", "abc").await.unwrap();
    place.owner.folders[0].rules.publish_on_rename = false;
    let login = place.login().await;
    rename(&login, "/in/a", "/in/c").await.unwrap();
    put(&login, "/in/b", "later").await.unwrap();
    assert_eq!(get(&login, "/in/b").await.unwrap(), "later");
    assert_eq!(place.told().await, ["uploaded /in/c 3", "uploaded /in/b 5"]);
    assert!(place.staging().await.is_empty());
}
