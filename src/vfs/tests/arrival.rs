//! How files arrive: publication, updates in place, several sessions on one path.

use super::*;

#[tokio::test]
async fn a_file_is_seen_by_others_only_when_it_is_published() {
    let place = Place::new();
    let (login, operator) = (place.login().await, place.operator().await);
    let upload = login.open_write(&path("/in/a.csv"), START_NEW).await.unwrap();
    upload.write_at(0, b"abc").unwrap();
    assert!(matches!(operator.stat(&path("/in/a.csv")).await, Err(VfsError::NotFound)));
    assert_eq!(names(operator.list(&path("/in")).await).await.unwrap(), "");
    assert!(login.stat(&path("/in/a.csv")).await.unwrap().incomplete);
    assert_eq!(names(login.list(&path("/in")).await).await.unwrap(), "a.csv*");

    let published = upload.publish().await.unwrap();
    assert_eq!(published.bytes, 3);
    assert_eq!(get_as_operator(&operator, "/in/a.csv").await.unwrap(), "abc");
    let stat = login.stat(&path("/in/a.csv")).await.unwrap();
    assert_eq!((stat.size, stat.incomplete), (3, false));
    assert_eq!(names(login.list(&path("/in")).await).await.unwrap(), "a.csv");
    assert!(place.staging().await.is_empty(), "{:?}", place.staging().await);

    let recorded = place.recorded().await;
    assert_eq!(recorded.len(), 1);
    assert_eq!((recorded[0].event, recorded[0].transfer), (published.event.unwrap(), published.transfer));
    assert_eq!((recorded[0].path.as_str(), recorded[0].bytes, recorded[0].replaced), ("/in/a.csv", 3, false));
}

#[tokio::test]
async fn an_overwritten_file_keeps_its_old_content_for_operators_until_the_new_one_is_published() {
    let place = Place::new();
    let (login, operator) = (place.login().await, place.operator().await);
    put(&login, "/in/a", "old").await.unwrap();
    // Of one moment, chance would order the two records.
    place.clock.advance(Duration::from_secs(1));
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"ne").unwrap();
    assert_eq!(get_as_operator(&operator, "/in/a").await.unwrap(), "old");
    assert!(matches!(get(&login, "/in/a").await, Err(VfsError::Busy)), "the login is told what stat tells");
    assert!(matches!(login.remove_file(&path("/in/a")).await, Err(VfsError::Busy)));
    let old = operator.open_read(&path("/in/a")).await.unwrap();
    upload.write_at(2, b"w!").unwrap();
    upload.publish().await.unwrap();
    assert_eq!(get_as_operator(&operator, "/in/a").await.unwrap(), "new!");
    assert_eq!(read_all(&old), "old");
    assert!(place.recorded().await[1].replaced);
}

#[tokio::test]
async fn of_two_sessions_on_one_path_the_last_orderly_end_wins_whole() {
    let place = Place::new();
    let (one, other) = (place.login().await, place.login().await);
    let first = one.open_write(&path("/in/a"), START_NEW).await.unwrap();
    let second = other.open_write(&path("/in/a"), START_NEW).await.unwrap();
    first.write_at(0, b"1111").unwrap();
    second.write_at(0, b"22").unwrap();
    second.publish().await.unwrap();
    first.publish().await.unwrap();
    assert_eq!(place.content("/in/a").unwrap(), "1111");
}

#[tokio::test]
async fn concurrent_publications_to_one_path_are_each_whole_and_each_recorded() {
    let place = Place::new();
    let login = place.login().await;
    let tasks = (0..20).map(|index| {
        let (login, content) = (login.clone(), format!("{index}").repeat(1_000));
        tokio::spawn(async move { put(&login, "/in/a", &content).await.unwrap() })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let content = place.content("/in/a").unwrap();
    let index = content[..content.len() / 1_000].to_owned();
    assert_eq!(content, index.repeat(1_000));
    assert_eq!(place.recorded().await.len(), 20);
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn a_whole_file_is_edited_in_a_copy() {
    let place = Place::new();
    let (login, operator) = (place.login().await, place.operator().await);
    put(&login, "/in/a", "hello world").await.unwrap();
    let upload = login.open_write(&path("/in/a"), WriteOptions { read: true, ..CONTINUE }).await.unwrap();
    upload.write_at(0, b"HELLO").unwrap();
    let mut bytes = [0; 20];
    assert_eq!(upload.read_at(0, &mut bytes).unwrap(), 11);
    assert_eq!(&bytes[..11], b"HELLO world");
    assert_eq!(get_as_operator(&operator, "/in/a").await.unwrap(), "hello world");
    upload.publish().await.unwrap();
    assert_eq!(get_as_operator(&operator, "/in/a").await.unwrap(), "HELLO world");
    login.set_size(&path("/in/a"), 5).await.unwrap();
    assert_eq!(place.content("/in/a").unwrap(), "HELLO");
    assert_eq!(place.recorded().await.len(), 3);
}

#[tokio::test]
async fn options_say_what_must_be_there() {
    let place = Place::new();
    let login = place.login().await;
    put(&login, "/in/there", "x").await.unwrap();
    put_cut(&login, "/in/cut", "x").await;
    login.make_folder(&path("/in/folder")).await.unwrap();
    let existing = WriteOptions::default();
    let exclusive = WriteOptions { exclusive: true, ..START_NEW };
    for (at, options, expected) in [
        ("/in/there", existing, "Ok"),
        ("/in/absent", existing, "NotFound"),
        ("/in/cut", exclusive, "AlreadyExists"),
        ("/in/cut", existing, "Ok"),
        ("/in/there", exclusive, "AlreadyExists"),
        ("/in/absent", exclusive, "Ok"),
        ("/in/no/such/folder", START_NEW, "NotFound"),
        ("/in/there/below", START_NEW, "NotAFolder"),
        ("/in/folder", START_NEW, "IsAFolder"),
        ("/in", START_NEW, "IsAFolder"),
        ("/", START_NEW, "IsAFolder"),
        ("/elsewhere", START_NEW, "PermissionDenied"),
        ("/elsewhere/deep", START_NEW, "NotFound"),
    ] {
        assert_eq!(outcome(&login.open_write(&path(at), options).await), expected, "{at} {options:?}");
    }
}

#[tokio::test]
async fn an_exclusive_upload_never_replaces_what_came_meanwhile() {
    let place = Place::new();
    let login = place.login().await;
    let exclusive = WriteOptions { exclusive: true, ..START_NEW };
    let upload = login.open_write(&path("/in/a"), exclusive).await.unwrap();
    upload.write_at(0, b"late").unwrap();
    put(&login, "/in/a", "early").await.unwrap();
    assert!(matches!(upload.publish().await, Err(VfsError::AlreadyExists)));
    assert_eq!(place.content("/in/a").unwrap(), "early");
}

#[tokio::test]
async fn who_may_only_write_cannot_replace_what_came_meanwhile() {
    let place = Place::with(&[("/in", ReadySet::DropBox.rights())]);
    let login = place.login().await;
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"late").unwrap();
    std::fs::write(place.disk("/in/a"), "early").unwrap();
    assert!(matches!(upload.publish().await, Err(VfsError::PermissionDenied)));
    assert_eq!(place.content("/in/a").unwrap(), "early");
}

#[tokio::test]
async fn times_are_kept_through_publication() {
    let place = Place::new();
    let login = place.login().await;
    let (modified, accessed) = (Timestamp::from_seconds(1_000_000), Timestamp::from_micros(2_000_000_000_001));
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.set_times(Some(modified), Some(accessed)).unwrap();
    upload.write_at(0, b"after").unwrap();
    assert_eq!(upload.metadata().unwrap().modified, modified);
    upload.publish().await.unwrap();
    let stat = login.stat(&path("/in/a")).await.unwrap();
    assert_eq!((stat.modified, stat.accessed), (modified, accessed));
    login.set_times(&path("/in/a"), Some(Timestamp::from_seconds(-5)), None).await.unwrap();
    let stat = login.stat(&path("/in/a")).await.unwrap();
    assert_eq!((stat.modified, stat.accessed), (Timestamp::from_seconds(-5), accessed));
}

#[tokio::test]
async fn sparse_writes_are_fine_and_absurd_ones_are_errors() {
    let place = Place::new();
    let login = place.login().await;
    let upload = login.open_write(&path("/in/a"), WriteOptions { read: true, ..START_NEW }).await.unwrap();
    upload.write_at(1 << 40, b"far").unwrap();
    assert_eq!(upload.metadata().unwrap().size, (1 << 40) + 3);
    let mut bytes = [0; 8];
    assert_eq!(upload.read_at(u64::MAX, &mut bytes).unwrap(), 0);
    upload.publish().await.unwrap();

    // A copy of it stays as sparse.
    let copy = login.open_write(&path("/in/a"), WriteOptions { read: true, ..CONTINUE }).await.unwrap();
    assert_eq!(copy.read_at(1 << 40, &mut bytes).unwrap(), 3);
    let staged = place.staging().await.into_iter().find(|name| name.ends_with(".data")).unwrap();
    let staged = place.directory().join(".staging").join(place.owner.account.to_string()).join(staged);
    assert!(std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(staged).unwrap()) < 1_000);

    for offset in [u64::MAX, i64::MAX as u64, (1 << 63) - 4] {
        assert!(matches!(copy.write_at(offset, b"xxxxx"), Err(VfsError::NoSpace)), "{offset}");
    }
    assert!(matches!(copy.set_size(u64::MAX), Err(VfsError::NoSpace)));
}

#[tokio::test]
async fn an_upload_in_which_a_write_failed_is_never_published() {
    let place = Place::new();
    let login = place.login().await;
    put(&login, "/in/a", "whole").await.unwrap();
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"abc").unwrap();
    upload.write_at(u64::MAX, b"x").unwrap_err();
    assert!(matches!(upload.write_at(3, b"def"), Err(VfsError::NoSpace)), "nothing is written past a hole");
    assert!(matches!(upload.publish().await, Err(VfsError::NoSpace)));
    assert_eq!(place.content("/in/a").unwrap(), "whole");
    let stat = login.stat(&path("/in/a")).await.unwrap();
    assert_eq!((stat.size, stat.incomplete), (3, true));
}

#[tokio::test]
async fn only_the_first_end_of_an_upload_counts() {
    let place = Place::new();
    let login = place.login().await;
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.publish().await.unwrap();
    assert!(matches!(upload.publish().await, Err(VfsError::WrongMode)));
    assert!(matches!(upload.write_at(0, b"x"), Err(VfsError::WrongMode)));
    upload.cut(CutReason::Aborted).await;
    assert_eq!(place.content("/in/a").unwrap(), "");
    assert!(matches!(upload.read_at(0, &mut [0]), Err(VfsError::WrongMode)));
}

#[tokio::test]
async fn a_publication_runs_to_its_end_when_the_caller_goes_away() {
    let place = Place::new();
    let login = place.login().await;
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"abc").unwrap();
    {
        // Polled once: begun, then given up.
        let publishing = upload.publish();
        tokio::pin!(publishing);
        assert!(futures_util::poll!(publishing.as_mut()).is_pending());
    }
    drop(upload);
    while place.recorded().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(place.content("/in/a").unwrap(), "abc");
}

#[tokio::test]
async fn an_operator_sees_published_files_only_and_publishes_by_the_same_rules() {
    let place = Place::with(&[("/d1/d2", ReadySet::PickUp.rights())]);
    let (login, operator) = (place.login().await, place.operator().await);
    let upload = operator.open_write(&path("/d1/d2/2026/11/pay.csv"), START_NEW).await.unwrap();
    upload.write_at(0, b"pay").unwrap();
    assert!(matches!(login.stat(&path("/d1/d2/2026/11/pay.csv")).await, Err(VfsError::NotFound)));
    upload.publish().await.unwrap();
    assert_eq!(get(&login, "/d1/d2/2026/11/pay.csv").await.unwrap(), "pay");

    let cut = operator.open_write(&path("/d1/d2/b"), START_NEW).await.unwrap();
    cut.write_at(0, b"x").unwrap();
    cut.cut(CutReason::Aborted).await;
    assert!(place.staging().await.is_empty(), "an operator's cut upload is discarded");

    for at in ["/", "/d1", "/elsewhere"] {
        assert!(matches!(operator.stat(&path(at)).await, Err(VfsError::NotFound)), "{at}");
        assert!(operator.list(&path(at)).await.is_err(), "{at}");
    }
    for at in ["/x", "/d1/x", "/elsewhere/x"] {
        assert!(matches!(operator.open_write(&path(at), START_NEW).await, Err(VfsError::NotFound)), "{at}");
    }
    operator.remove_file(&path("/d1/d2/2026/11/pay.csv")).await.unwrap();
    assert_eq!(place.content("/d1/d2/2026/11/pay.csv"), None);
}

#[tokio::test]
async fn a_download_is_noted_as_completed_when_its_last_byte_was_read_or_all_that_was_asked() {
    let place = Place::new();
    let login = place.login().await;
    put(&login, "/in/a", "abcdef").await.unwrap();
    let open = || async { login.open_read(&path("/in/a")).await.unwrap() };
    let (whole, part, asked, lost) = (open().await, open().await, open().await, open().await);
    let (refused, vanished) = (open().await, open().await);
    read_all(&whole);
    whole.close(None);
    part.read_at(0, &mut [0; 3]).unwrap();
    part.close(Some("the client gave it up"));
    asked.read_at(1, &mut [0; 2]).unwrap();
    asked.finish();
    drop(lost);
    // The last byte was read, and did not arrive for all that is known.
    read_all(&refused);
    refused.close(Some("the client gave it up"));
    read_all(&vanished);
    drop(vanished);
    put(&login, "/in/empty", "").await.unwrap();
    login.open_read(&path("/in/empty")).await.unwrap().close(Some("no data connection"));
    login.open_read(&path("/in/empty")).await.unwrap().close(None);
    let noted: Vec<_> = place.ledger.notes().into_iter().map(|note| (note.bytes, note.outcome)).collect();
    let failed = |reason: &str| TransferOutcome::Failed { reason: reason.to_owned() };
    let expected = vec![
        (6, TransferOutcome::Completed),
        (3, failed("the client gave it up")),
        (2, TransferOutcome::Completed),
        (0, failed("the connection was lost")),
        (6, failed("the client gave it up")),
        (6, failed("the connection was lost")),
        (0, failed("no data connection")),
        (0, TransferOutcome::Completed),
    ];
    assert_eq!(noted, expected);
}

#[tokio::test]
async fn names_of_255_bytes_arrive() {
    let place = Place::new();
    let login = place.login().await;
    let at = format!("/in/{}", "n".repeat(255));
    put(&login, &at, "x").await.unwrap();
    put_cut(&login, &at, "y").await;
    assert_eq!(place.content(&at).unwrap(), "x");
    let upload = login.open_write(&path(&at), CONTINUE).await.unwrap();
    upload.publish().await.unwrap();
    assert_eq!(place.content(&at).unwrap(), "y");
}

#[tokio::test]
async fn listings_come_in_batches_each_name_once() {
    let place = Place::with(&[("/", Rights::all()), ("/inner", Rights::all())]);
    let login = place.login().await;
    for index in 0..10 {
        put(&login, &format!("/f{index}"), "x").await.unwrap();
    }
    put_cut(&login, "/f3", "yy").await;
    put_cut(&login, "/new", "yy").await;
    std::fs::write(place.disk("/").join("back\\slash"), "x").unwrap();
    std::fs::write(place.disk("/").join("cafe\u{301}"), "x").unwrap();
    let names = names(login.list(&path("/")).await).await.unwrap();
    assert_eq!(names, "f0 f1 f2 f3* f4 f5 f6 f7 f8 f9 inner/ new*");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_sessions_on_few_paths_never_mix_nor_leave_anything_behind() {
    let place = Place::new();
    let paths = ["/in/a", "/in/b", "/in/c"];
    let tree = place.login().await;
    let tasks = (0..8_usize).map(|task| {
        let tree = tree.clone();
        tokio::spawn(async move {
            for turn in 0..40_usize {
                let at = path(paths[(task + turn) % 3]);
                match (task * 7 + turn * 5) % 6 {
                    0 => drop(tree.remove_file(&at).await),
                    1 => drop(tree.rename(&at, &path(paths[turn % 3]), Replace::Allow).await),
                    2 => drop(get(&tree, at.as_str()).await),
                    kind => {
                        // Every version is one letter a thousand times, written in two pieces.
                        let letter = [b'a' + u8::try_from(task).unwrap()];
                        let upload = tree.open_write(&at, START_NEW).await.unwrap();
                        upload.append(&letter.repeat(400)).unwrap();
                        tokio::task::yield_now().await;
                        upload.append(&letter.repeat(600)).unwrap();
                        if kind == 3 {
                            upload.cut(CutReason::ConnectionLost).await;
                        } else {
                            upload.publish().await.unwrap();
                        }
                    }
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    for content in paths.iter().filter_map(|at| place.content(at)) {
        assert_eq!(content, content[..1].repeat(1_000));
    }
    assert_eq!(place.storage.sweep().await.unwrap(), Sweep::default());
    let listed = names(tree.list(&path("/in")).await).await.unwrap();
    assert_eq!(place.staging().await.len(), 2 * listed.matches('*').count(), "{listed}: {:?}", place.staging().await);
}

#[tokio::test]
async fn a_download_that_was_cut_is_not_told_as_completed_for_having_been_read() {
    let place = Place::new();
    let tree = place.login().await;
    put(&tree, "/in/small", "payroll").await.unwrap();
    put(&tree, "/in/empty", "").await.unwrap();
    for (at, reason) in [("/in/small", "the data connection was cut"), ("/in/empty", "no data connection")] {
        let file = tree.open_read(&path(at)).await.unwrap();
        read_all(&file);
        file.close(Some(reason));
        let failed = TransferOutcome::Failed { reason: reason.to_owned() };
        assert_eq!(place.ledger.notes().pop().unwrap().outcome, failed, "{at}");
    }
    let dropped = tree.open_read(&path("/in/small")).await.unwrap();
    read_all(&dropped);
    drop(dropped);
    assert!(matches!(place.ledger.notes().pop().unwrap().outcome, TransferOutcome::Failed { .. }));
}

#[tokio::test]
async fn what_the_gateway_reads_for_itself_is_no_transfer() {
    let place = Place::new();
    let tree = place.login().await;
    put(&tree, "/in/a", "payroll").await.unwrap();
    let file = tree.open_to_check(&path("/in/a")).await.unwrap();
    read_all(&file);
    drop(file);
    assert!(place.ledger.notes().is_empty());
}
