//! How transfers end: uploads whose end nothing proves, and looks at files that are no transfers.

use super::*;

/// The leave that the rule gives when all else speaks for an upload.
fn unproven_end() -> UnprovenEnd {
    let end = BareEnd { inside_a_record: false, announced: None, from: 0, came: 3 };
    CloseNotify::Guarded.judge(&end).unwrap().over(Control::Waiting).unwrap()
}

#[tokio::test]
async fn a_look_at_a_file_is_no_transfer() {
    let place = Place::new();
    let login = place.login().await;
    put(&login, "/in/a", "abc").await.unwrap();
    let checked = login.open_to_check(&path("/in/a")).await.unwrap();
    assert_eq!(read_all(&checked), "abc");
    checked.close(None);
    drop(login.open_to_check(&path("/in/a")).await.unwrap());
    assert_eq!(place.ledger.notes().len(), 0);
    put_cut(&login, "/in/a", "x").await;
    assert!(matches!(login.open_to_check(&path("/in/a")).await, Err(VfsError::Busy)));
}

#[tokio::test]
async fn an_upload_without_a_proven_end_is_published_and_recorded_as_such() {
    let place = Place::new();
    let login = place.login().await;
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"abc").unwrap();
    upload.publish_unproven(unproven_end()).await.unwrap();
    put(&login, "/in/b", "abc").await.unwrap();
    assert_eq!(place.content("/in/a").unwrap(), "abc");
    // The clock stands still: chance orders the two.
    for publication in place.recorded().await {
        assert_eq!(publication.unproven_end, publication.path.as_str() == "/in/a");
    }
    assert_eq!(place.recorded().await.len(), 2);
}

#[tokio::test]
async fn what_is_published_without_a_proven_end_is_recorded_as_such_after_a_crash() {
    let mut place = Place::new();
    let login = place.login().await;
    place.ledger.fails.store(true, Ordering::SeqCst);
    let upload = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"abc").unwrap();
    upload.publish_unproven(unproven_end()).await.unwrap();
    place.ledger.fails.store(false, Ordering::SeqCst);
    assert_eq!(place.restart().await.rolled_forward, 1);
    let [publication] = place.recorded().await.try_into().unwrap();
    assert!(publication.unproven_end);
}

#[tokio::test]
async fn what_is_read_to_be_copied_here_is_no_download() {
    let place = Place::new();
    let login = place.login().await;
    put(&login, "/in/a", "payroll").await.unwrap();
    let mut bytes = [0; 16];
    for cut in [None, Some("the connection was lost")] {
        let file = login.open_read(&path("/in/a")).await.unwrap();
        assert_eq!(file.read_to_copy(0, &mut bytes).unwrap(), 7);
        file.close(cut);
    }
    assert_eq!(place.ledger.notes().len(), 0);
    // What goes to the client all the same is one, of what went.
    let file = login.open_read(&path("/in/a")).await.unwrap();
    file.read_to_copy(0, &mut bytes).unwrap();
    file.read_at(0, &mut bytes[..3]).unwrap();
    file.close(None);
    let [note] = place.ledger.notes().try_into().unwrap();
    assert_eq!((note.bytes, note.outcome), (3, failed("closed before the end")));
}

fn failed(reason: &str) -> TransferOutcome {
    TransferOutcome::Failed { reason: reason.to_owned() }
}

#[tokio::test]
async fn an_upload_that_ends_because_a_write_failed_says_so() {
    let place = Place::new();
    let (login, operator) = (place.login().await, place.operator().await);
    let dropped = operator.open_write(&path("/in/a"), START_NEW).await.unwrap();
    dropped.write_at(u64::MAX, b"x").unwrap_err();
    drop(dropped);
    let cut = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    cut.write_at(u64::MAX, b"x").unwrap_err();
    cut.cut(CutReason::ConnectionLost).await;
    let outcomes: Vec<_> = place.ledger.notes().into_iter().map(|note| note.outcome).collect();
    assert_eq!(outcomes, [failed("the storage failed"), failed("the storage failed")]);
}
