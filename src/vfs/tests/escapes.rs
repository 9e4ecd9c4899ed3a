//! Nothing outside an account's folders is reached, whatever is planted on the disk.

use std::os::unix::fs::symlink;

use super::*;

/// Everything that can be asked of a name; none may reach through it.
async fn every_answer(tree: &SessionTree, at: &str) -> Vec<(&'static str, String)> {
    let place = path(at);
    let free = place.parent().unwrap().resolve("free-name").unwrap();
    let open = |options| tree.open_write(&place, options);
    vec![
        ("stat", outcome(&tree.stat(&place).await)),
        ("list", outcome(&tree.list(&place).await)),
        ("read", outcome(&tree.open_read(&place).await)),
        ("edit", outcome(&open(WriteOptions::default()).await)),
        ("resize", outcome(&tree.set_size(&place, 0).await)),
        ("remove file", outcome(&tree.remove_file(&place).await)),
        ("remove folder", outcome(&tree.remove_folder(&place).await)),
        ("rename", outcome(&tree.rename(&place, &free, Replace::Allow).await)),
        ("times", outcome(&tree.set_times(&place, Some(Timestamp::EPOCH), None).await)),
    ]
}

#[tokio::test]
async fn links_and_special_files_do_not_exist() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let tree = place.login().await;
    put(&tree, "/in/real", "real").await.unwrap();
    let within = |name: &str| place.disk("/in").join(name);
    symlink(outside.path(), within("to-folder")).unwrap();
    symlink(outside.path().join("secret"), within("to-file")).unwrap();
    symlink("real", within("to-sibling")).unwrap();
    symlink("../../..", within("up")).unwrap();
    symlink("nowhere", within("dangling")).unwrap();
    symlink("/proc/self/cwd", within("magic")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, within("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(within("socket")).unwrap();

    assert_eq!(names(tree.list(&path("/in")).await).await.unwrap(), "real");
    for name in ["to-folder", "to-file", "to-sibling", "up", "dangling", "magic", "pipe", "socket"] {
        for (asked, answer) in every_answer(&tree, &format!("/in/{name}")).await {
            let not_there = answer == "NotFound" || (asked == "list" && answer == "NotAFolder");
            assert!(not_there, "{asked} of {name}: {answer}");
        }
        assert!(std::fs::symlink_metadata(within(name)).is_ok(), "{name} is left alone");
        // The name is taken, so nothing can be put there; and nothing is destroyed by trying.
        let put = put(&tree, &format!("/in/{name}"), "mine").await;
        assert_eq!(outcome(&put), "PermissionDenied", "{name}");
        let rename = tree.rename(&path("/in/real"), &path(&format!("/in/{name}")), Replace::Allow).await;
        tree.remove_file(&path(&format!("/in/{name}"))).await.unwrap(); // the incomplete upload
        assert_eq!(outcome(&rename), "PermissionDenied", "{name}");
        assert!(!std::fs::symlink_metadata(within(name)).unwrap().is_file(), "{name} is left alone");
    }
    for at in ["/in/to-folder/secret", "/in/up/x", "/in/magic/x", "/in/to-folder/new"] {
        for (asked, answer) in every_answer(&tree, at).await {
            assert_eq!(answer, "NotFound", "{asked} of {at}");
        }
        assert_eq!(outcome(&put(&tree, at, "mine").await), "NotFound", "{at}");
        assert_eq!(outcome(&tree.make_folder(&path(at)).await), "NotFound", "{at}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
}

#[tokio::test]
async fn a_link_in_place_of_a_remote_folder_leads_nowhere() {
    let place = Place::with(&[("/d1/d2", Rights::all())]);
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(outside.path().join("d2")).unwrap();
    std::fs::write(outside.path().join("d2/secret"), "secret").unwrap();
    let tree = place.login().await;
    std::fs::remove_dir_all(place.disk("/d1")).unwrap();
    symlink(outside.path(), place.disk("/d1")).unwrap();
    assert_eq!(outcome(&get(&tree, "/d1/d2/secret").await), "NotFound");
    assert_eq!(outcome(&put(&tree, "/d1/d2/new", "x").await), "NotFound");
    assert_eq!(outcome(&tree.list(&path("/d1/d2")).await), "NotFound");
    let actor = Actor::Operator { name: String::from("x") };
    assert!(OperatorTree::mount(&place.storage, place.owner.clone(), actor).await.is_err());
    assert_eq!(std::fs::read_dir(outside.path().join("d2")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_swapped_for_a_link_in_a_loop_never_lets_anything_through() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), "secret").unwrap();
    let tree = place.login().await;
    tree.make_folder(&path("/in/sub")).await.unwrap();
    put(&tree, "/in/sub/file", "mine").await.unwrap();
    symlink(outside.path(), place.disk("/in/link")).unwrap();

    let (sub, link, stop) = (place.disk("/in/sub"), place.disk("/in/link"), Arc::new(AtomicBool::new(false)));
    let swapping = Arc::clone(&stop);
    let swapper = std::thread::spawn(move || {
        let folder = std::fs::File::open(sub.parent().unwrap()).unwrap();
        let (one, other) = (sub.file_name().unwrap(), link.file_name().unwrap());
        while !swapping.load(Ordering::Relaxed) {
            // The folder and the link exchange their names, atomically.
            rustix::fs::renameat_with(&folder, one, &folder, other, rustix::fs::RenameFlags::EXCHANGE).unwrap();
        }
    });
    let (mut through, mut refused) = (0, 0);
    for turn in 0..2_000 {
        match get(&tree, "/in/sub/file").await {
            Ok(content) => {
                assert_eq!(content, "mine");
                through += 1;
            }
            Err(VfsError::NotFound) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
        if turn % 10 == 0 {
            let written = put(&tree, "/in/sub/new", "mine").await;
            assert!(matches!(written, Ok(_) | Err(VfsError::NotFound)), "{written:?}");
            let removed = tree.remove_file(&path("/in/sub/file-not-there")).await;
            assert!(matches!(removed, Err(VfsError::NotFound)), "{removed:?}");
            if let Ok(listing) = tree.list(&path("/in/sub")).await {
                assert!(names(Ok(listing)).await.unwrap().starts_with("file"));
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert!(through > 0 && refused > 0, "both were met: {through} through, {refused} refused");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1, "nothing was written outside");
    assert_eq!(std::fs::read_to_string(outside.path().join("file")).unwrap(), "secret");
}

#[tokio::test]
async fn another_accounts_files_are_out_of_reach() {
    let place = Place::with(&[("/", Rights::all())]);
    let tree = place.login().await;
    let mut other = place.owner.clone();
    other.account = AccountId::new(place.clock.now(), &OsRandom);
    place.storage.prepare(&other).await.unwrap();
    let theirs = place.storage.directory_of(other.instance, other.account, &path("/"));
    std::fs::write(theirs.join("secret"), "secret").unwrap();
    for at in [
        format!("/../{}/secret", other.account),
        format!("/{}/secret", other.account),
        format!("/{}/{}/secret", other.instance, other.account),
        String::from("/../../.staging"),
    ] {
        for (asked, answer) in every_answer(&tree, &at).await {
            assert_eq!(answer, "NotFound", "{asked} of {at}");
        }
    }
    assert_eq!(names(tree.list(&path("/")).await).await.unwrap(), "");
}

#[tokio::test]
async fn nothing_is_renamed_out_of_the_folders() {
    let place = Place::with(&[("/d1/in", Rights::all()), ("/d1/out", Rights::all())]);
    let tree = place.login().await;
    put(&tree, "/d1/in/a", "a").await.unwrap();
    for (to, expected) in [
        ("/a", "PermissionDenied"),
        ("/d1/a", "PermissionDenied"),
        ("/d1/in/../../a", "PermissionDenied"),
        ("/d2/a", "NotFound"),
    ] {
        let result = tree.rename(&path("/d1/in/a"), &path(to), Replace::Allow).await;
        assert_eq!(outcome(&result), expected, "{to}");
    }
    tree.rename(&path("/d1/in/a"), &path("/d1/out/a"), Replace::Refuse).await.unwrap();
    assert_eq!(place.content("/d1/out/a").unwrap(), "a");
}

#[tokio::test]
async fn what_is_made_is_private_to_the_gateway() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let tree = place.login().await;
    tree.make_folder(&path("/in/f")).await.unwrap();
    put(&tree, "/in/a", "a").await.unwrap();
    put_cut(&tree, "/in/cut", "a").await;
    let mode = |at: PathBuf| std::fs::metadata(at).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(place.disk("/in")), mode(place.disk("/in/f")), mode(place.disk("/in/a"))), (0o700, 0o700, 0o600));
    let staging = place.directory().join(".staging").join(place.owner.account.to_string());
    assert_eq!(mode(staging.clone()), 0o700);
    for name in place.staging().await {
        assert_eq!(mode(staging.join(&name)), 0o600, "{name}");
    }
}
