//! Transfers, events, sign-in attempts and blocks: what the network fills.

use super::*;
use crate::domain::{ConnectionType, EventId, EventKind, SessionId, TransferDirection, TransferId, TransferResult};
use crate::store::{
    Block, Cursor, EventFilter, EventRow, Events, PageRequest, SignInAttempt, SignInFilter, TransferFilter, TransferRow,
};

on_every_engine! {
    many_transfers_and_events_are_recorded_in_few_statements;
    a_transfer_is_recorded_once_and_read_back;
    transfers_are_listed_newest_first_and_outlive_their_account;
    the_last_upload_to_a_path_is_found;
    old_transfers_are_forgotten_in_steps;
    an_event_is_recorded_once_and_read_back;
    events_are_listed_in_the_order_in_which_they_were_recorded;
    a_reader_of_events_misses_none;
    events_are_found_by_instance_and_kind_between_two_positions;
    what_was_forgotten_of_the_events_is_known;
    alike_sign_ins_are_merged_within_a_day;
    sign_ins_are_capped_for_an_account_and_the_oldest_go;
    unknown_logins_share_one_cap;
    sign_ins_recorded_at_once_all_count_and_the_cap_holds;
    what_describes_is_kept_without_its_nul_characters;
    sign_ins_are_listed_newest_first_a_page_at_a_time;
    the_history_is_searched_by_outcome_direction_and_time;
    old_sign_ins_are_forgotten;
    a_block_ends_by_itself_or_by_hand;
}

fn transfer(account: &Account, seconds: u64) -> TransferRow {
    TransferRow {
        id: TransferId::new(later(seconds), &OsRandom),
        instance: account.instance,
        account: account.id,
        actor: String::from("login paie.acme"),
        session: Some(SessionId::new(NOW, &OsRandom)),
        connection_type: Some(ConnectionType::Ftpes),
        address: Some(String::from("2001:db8::1")),
        client: Some(String::from("FileZilla 3.66 \"été\"")),
        algorithms: Some(String::from("TLSv1.3 TLS_AES_256_GCM_SHA384")),
        direction: TransferDirection::Upload,
        path: "/export/été 2026.csv".parse().unwrap(),
        bytes: 5_000_000_000,
        started_at: later(seconds),
        ended_at: later(seconds + 1),
        outcome: TransferResult::Failed,
        reason: Some(String::from("the connection was lost")),
        unproven_end: false,
    }
}

async fn many_transfers_and_events_are_recorded_in_few_statements(store: &Store) {
    let (instance, account) = written_account(store).await;
    let transfers: Vec<TransferRow> = (0..50)
        .map(|number| {
            let row = transfer(&account, number);
            if number % 3 == 0 { TransferRow { session: None, address: None, reason: None, ..row } } else { row }
        })
        .collect();
    let event = |number| EventRow {
        id: EventId::new(later(number), &OsRandom),
        kind: EventKind::FileUploaded,
        instance: instance.id,
        account: (number % 2 == 0).then_some(account.id),
        folder: None,
        at: later(number),
        data: serde_json::json!({ "number": number }),
    };
    let events: Vec<EventRow> = (0..50).map(event).collect();
    let mut unit = store.write().await.unwrap();
    unit.transfers().record_all(&[]).await.unwrap();
    let twice: Vec<&TransferRow> = transfers.iter().chain(&transfers).collect();
    unit.transfers().record_all(&twice).await.unwrap();
    unit.events().record_all(&events.iter().collect::<Vec<_>>()).await.unwrap();
    let page = PageRequest::first(200);
    let mut read = unit.transfers().of_account(account.id, &TransferFilter::default(), &page).await.unwrap().items;
    read.reverse();
    assert_eq!(read, transfers);
    assert_eq!(events_of(unit.events(), Some(instance.id)).await, events);
}

async fn a_transfer_is_recorded_once_and_read_back(store: &Store) {
    let (_, account) = written_account(store).await;
    let row = transfer(&account, 1);
    let mut unit = store.write().await.unwrap();
    unit.transfers().record(&row).await.unwrap();
    unit.transfers().record(&TransferRow { bytes: 1, ..row.clone() }).await.unwrap();
    let by_operator = TransferRow {
        id: TransferId::new(later(2), &OsRandom),
        session: None,
        connection_type: None,
        address: None,
        client: None,
        algorithms: None,
        reason: None,
        unproven_end: true,
        ..row.clone()
    };
    unit.transfers().record(&by_operator).await.unwrap();
    let page =
        unit.transfers().of_account(account.id, &TransferFilter::default(), &PageRequest::first(10)).await.unwrap();
    assert_eq!(page.items, [by_operator, row]);
}

async fn transfers_are_listed_newest_first_and_outlive_their_account(store: &Store) {
    let (_, account) = written_account(store).await;
    let rows: Vec<_> = (0..5).map(|seconds| transfer(&account, seconds)).collect();
    let mut unit = store.write().await.unwrap();
    for row in &rows {
        unit.transfers().record(row).await.unwrap();
    }
    unit.accounts().remove(account.id).await.unwrap();
    let first =
        unit.transfers().of_account(account.id, &TransferFilter::default(), &PageRequest::first(3)).await.unwrap();
    assert_eq!(first.items, [rows[4].clone(), rows[3].clone(), rows[2].clone()]);
    // Newer ones that come meanwhile are not repeated behind the cursor.
    unit.transfers().record(&transfer(&account, 9)).await.unwrap();
    let rest = PageRequest { after: first.next, limit: 3 };
    let rest = unit.transfers().of_account(account.id, &TransferFilter::default(), &rest).await.unwrap();
    assert_eq!(rest.items, [rows[1].clone(), rows[0].clone()]);
}

async fn the_last_upload_to_a_path_is_found(store: &Store) {
    let (_, account) = written_account(store).await;
    let completed = |seconds| TransferRow { outcome: TransferResult::Completed, ..transfer(&account, seconds) };
    let other_path = "/export/other.csv".parse().unwrap();
    let rows = [
        completed(0),
        completed(2),
        // None of these is it.
        transfer(&account, 3),
        TransferRow { direction: TransferDirection::Download, ..completed(4) },
        TransferRow { path: other_path, ..completed(5) },
        completed(8),
    ];
    let mut unit = store.write().await.unwrap();
    for row in &rows {
        unit.transfers().record(row).await.unwrap();
    }
    let path = rows[0].path.clone();
    for (until, expected) in
        [(0, None), (1, Some(&rows[0])), (3, Some(&rows[1])), (8, Some(&rows[1])), (9, Some(&rows[5]))]
    {
        let found = unit.transfers().last_upload_to(account.id, &path, later(until)).await.unwrap();
        assert_eq!(found.as_ref(), expected, "{until}");
    }
    let another = AccountId::new(NOW, &OsRandom);
    assert_eq!(unit.transfers().last_upload_to(another, &path, later(9)).await.unwrap(), None);
}

async fn old_transfers_are_forgotten_in_steps(store: &Store) {
    let (_, account) = written_account(store).await;
    let mut unit = store.write().await.unwrap();
    for seconds in 0..5 {
        unit.transfers().record(&transfer(&account, seconds)).await.unwrap();
    }
    // They ended at 1, 2, 3, 4 and 5.
    assert_eq!(unit.transfers().forget_before(later(4), 2).await.unwrap(), 2);
    assert_eq!(unit.transfers().forget_before(later(4), 2).await.unwrap(), 1);
    assert_eq!(unit.transfers().forget_before(later(4), 2).await.unwrap(), 0);
    let left =
        unit.transfers().of_account(account.id, &TransferFilter::default(), &PageRequest::first(10)).await.unwrap();
    assert_eq!(left.items.iter().map(|row| row.ended_at).collect::<Vec<_>>(), [later(5), later(4)]);
}

fn event(instance: &Instance, seconds: u64) -> EventRow {
    EventRow {
        id: EventId::new(later(seconds), &OsRandom),
        kind: EventKind::FileUploaded,
        instance: instance.id,
        account: None,
        folder: Some(FolderId::new(NOW, &OsRandom)),
        at: later(seconds),
        data: serde_json::json!({ "path": "/été \"2026\".csv", "bytes": 3 }),
    }
}

async fn events_of(mut events: Events<'_>, instance: Option<InstanceId>) -> Vec<EventRow> {
    let page = events.list(instance, &PageRequest::first(200)).await.unwrap();
    page.items.into_iter().map(|placed| placed.event).collect()
}

async fn an_event_is_recorded_once_and_read_back(store: &Store) {
    let row = event(&instance("acme"), 1);
    let mut unit = store.write().await.unwrap();
    unit.events().record(&row).await.unwrap();
    unit.events().record(&EventRow { kind: EventKind::FileDeleted, ..row.clone() }).await.unwrap();
    assert_eq!(events_of(unit.events(), None).await, [row]);
}

async fn events_are_listed_in_the_order_in_which_they_were_recorded(store: &Store) {
    let (acme, other) = (instance("acme"), instance("other"));
    // The second is recorded late: its identifier is older than those before it.
    let rows = [event(&acme, 3), event(&acme, 1), event(&other, 2), event(&acme, 4)];
    let mut unit = store.write().await.unwrap();
    assert_eq!(unit.events().last_position().await.unwrap(), 0);
    for row in &rows {
        unit.events().record(row).await.unwrap();
    }
    assert_eq!(events_of(unit.events(), None).await, rows);
    let first = unit.events().list(Some(acme.id), &PageRequest::first(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|placed| &placed.event).collect::<Vec<_>>(), [&rows[0], &rows[1]]);
    assert!(first.items[0].position < first.items[1].position);
    let rest = unit.events().list(Some(acme.id), &PageRequest { after: first.next, limit: 2 }).await.unwrap();
    assert_eq!((rest.items.len(), &rest.items[0].event, rest.next), (1, &rows[3], None));
    let last = unit.events().last_position().await.unwrap();
    assert_eq!(last, rest.items[0].position);
    assert_eq!(unit.events().forget_before(later(4), 10).await.unwrap(), 3);
    assert_eq!(events_of(unit.events(), None).await, rows[3..]);
    // A position is not used again, or a reader who was there would miss what comes.
    assert_eq!(unit.events().forget_before(later(5), 10).await.unwrap(), 1);
    unit.events().record(&event(&acme, 5)).await.unwrap();
    assert!(unit.events().last_position().await.unwrap() > last);
}

/// Whoever reads on behind a position misses nothing, however many write at a time.
async fn a_reader_of_events_misses_none(store: &Store) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 25;
    let acme = instance("acme");
    let mut committed = store.events_committed();
    let writing = async {
        let write = |writer: u64| {
            let acme = acme.clone();
            async move {
                for number in 0..EACH {
                    let mut unit = store.write().await.unwrap();
                    unit.events().record(&event(&acme, writer * EACH + number)).await.unwrap();
                    unit.commit().await.unwrap();
                }
            }
        };
        futures_util::future::join_all((0..WRITERS).map(write)).await;
    };
    let reading = async {
        let (mut seen, mut after) = (0, None);
        while seen < WRITERS * EACH {
            committed.changed().await.unwrap();
            let page = PageRequest { after: after.clone(), limit: 200 };
            let events = store.read().await.unwrap().events().list(None, &page).await.unwrap().items;
            seen += events.len() as u64;
            after = events.last().map(|last| Cursor::after(&last.position.to_string())).or(after);
        }
        seen
    };
    let reading = tokio::time::timeout(std::time::Duration::from_secs(60), reading);
    let ((), seen) = tokio::join!(writing, reading);
    assert_eq!(seen.unwrap(), WRITERS * EACH);
}

async fn events_are_found_by_instance_and_kind_between_two_positions(store: &Store) {
    let (acme, other) = (instance("acme"), instance("other"));
    let of_kind = |instance, seconds, kind| EventRow { kind, ..event(instance, seconds) };
    let rows = [
        event(&acme, 1),
        of_kind(&acme, 2, EventKind::FileDeleted),
        of_kind(&other, 3, EventKind::FileDeleted),
        of_kind(&acme, 4, EventKind::TransferFailed),
        event(&acme, 5),
    ];
    let mut unit = store.write().await.unwrap();
    for row in &rows {
        unit.events().record(row).await.unwrap();
    }
    unit.commit().await.unwrap();
    let mut reader = store.read().await.unwrap();
    let last = reader.events().last_position().await.unwrap();
    let all = reader.events().between(0, last, &EventFilter::default(), 10).await.unwrap();
    assert_eq!(all.iter().map(|placed| placed.event.clone()).collect::<Vec<_>>(), rows);
    let kinds = vec![EventKind::FileDeleted, EventKind::FileUploaded];
    let filter = EventFilter { instance: Some(acme.id), kinds };
    let found = reader.events().between(all[0].position, last, &filter, 10).await.unwrap();
    assert_eq!(found, [all[1].clone(), all[4].clone()]);
    assert_eq!(reader.events().between(0, all[3].position, &filter, 1).await.unwrap(), [all[0].clone()]);
    let of_kind = EventFilter { kinds: vec![EventKind::FileDeleted], ..EventFilter::default() };
    assert_eq!(reader.events().between(0, last, &of_kind, 10).await.unwrap(), all[1..3]);
}

async fn what_was_forgotten_of_the_events_is_known(store: &Store) {
    let acme = instance("acme");
    let mut unit = store.write().await.unwrap();
    // The third was recorded late: it goes with its turn, not before those that are in front of it.
    for seconds in [1, 5, 2, 6] {
        unit.events().record(&event(&acme, seconds)).await.unwrap();
    }
    unit.commit().await.unwrap();
    let forget = async |before| {
        let mut unit = store.write().await.unwrap();
        let forgotten = unit.events().forget_before(later(before), 10).await.unwrap();
        unit.commit().await.unwrap();
        let mut reader = store.read().await.unwrap();
        (forgotten, reader.events().forgotten().await.unwrap(), reader.events().last_position().await.unwrap())
    };
    let positions: Vec<i64> = {
        let mut reader = store.read().await.unwrap();
        let all = reader.events().list(None, &PageRequest::first(10)).await.unwrap().items;
        all.iter().map(|placed| placed.position).collect()
    };
    assert_eq!(forget(1).await, (0, 0, positions[3]));
    assert_eq!(forget(4).await, (1, positions[0], positions[3]));
    assert_eq!(forget(6).await, (2, positions[2], positions[3]));
    // The last position stays known when no event is left.
    assert_eq!(forget(10).await, (1, positions[3], positions[3]));
}

fn attempt(account: Option<AccountId>, client: &str, at: Timestamp) -> SignInAttempt {
    SignInAttempt {
        account,
        login: String::from("paie.acme"),
        address: String::from("203.0.113.7"),
        connection_type: ConnectionType::Sftp,
        client: client.to_owned(),
        algorithms: None,
        outcome: String::from("granted"),
        first_at: at,
        last_at: at,
        count: 1,
    }
}

async fn alike_sign_ins_are_merged_within_a_day(store: &Store) {
    let account = AccountId::new(NOW, &OsRandom);
    let day = Duration::from_secs(24 * 60 * 60);
    let once = attempt(Some(account), "WinSCP", NOW);
    let mut unit = store.write().await.unwrap();
    unit.sign_ins().record(&once, 100).await.unwrap();
    unit.sign_ins()
        .record(&SignInAttempt { first_at: later(9), last_at: later(9), count: 4, ..once.clone() }, 100)
        .await
        .unwrap();
    // One that is told late counts, and does not turn the clock back.
    unit.sign_ins()
        .record(&SignInAttempt { first_at: later(3), last_at: later(3), ..once.clone() }, 100)
        .await
        .unwrap();
    let merged = SignInAttempt { last_at: later(9), count: 6, ..once.clone() };
    let page = PageRequest::first(10);
    assert_eq!(unit.sign_ins().of_account(account, &SignInFilter::default(), &page).await.unwrap().items, [merged]);

    let unlike = [
        SignInAttempt { login: String::from("Paie.Acme"), ..once.clone() },
        SignInAttempt { address: String::from("203.0.113.8"), ..once.clone() },
        SignInAttempt { connection_type: ConnectionType::Ftps, ..once.clone() },
        SignInAttempt { client: String::from("OpenSSH_9.9"), ..once.clone() },
        SignInAttempt { algorithms: Some(String::from("TLS1.3")), ..once.clone() },
        SignInAttempt { outcome: String::from("wrong_password"), ..once.clone() },
        SignInAttempt { first_at: NOW.plus(day), last_at: NOW.plus(day), ..once.clone() },
    ];
    for attempt in &unlike {
        unit.sign_ins().record(attempt, 100).await.unwrap();
    }
    assert_eq!(
        unit.sign_ins().of_account(account, &SignInFilter::default(), &page).await.unwrap().items.len(),
        1 + unlike.len()
    );
    let other = AccountId::new(NOW, &OsRandom);
    unit.sign_ins().record(&SignInAttempt { account: Some(other), ..once.clone() }, 100).await.unwrap();
    assert_eq!(unit.sign_ins().of_account(other, &SignInFilter::default(), &page).await.unwrap().items.len(), 1);
}

async fn sign_ins_are_capped_for_an_account_and_the_oldest_go(store: &Store) {
    let account = AccountId::new(NOW, &OsRandom);
    let mut unit = store.write().await.unwrap();
    for seconds in 0..10 {
        let attempt = attempt(Some(account), &format!("client {seconds}"), later(seconds));
        unit.sign_ins().record(&attempt, 4).await.unwrap();
    }
    let left =
        unit.sign_ins().of_account(account, &SignInFilter::default(), &PageRequest::first(20)).await.unwrap().items;
    let clients: Vec<_> = left.iter().map(|attempt| attempt.client.as_str()).collect();
    assert_eq!(clients, ["client 9", "client 8", "client 7", "client 6"]);
}

async fn unknown_logins_share_one_cap(store: &Store) {
    let account = AccountId::new(NOW, &OsRandom);
    let mut unit = store.write().await.unwrap();
    unit.sign_ins().record(&attempt(Some(account), "WinSCP", NOW), 4).await.unwrap();
    for number in 0..10 {
        let login = format!("admin{number}");
        let attempt = SignInAttempt { login, ..attempt(None, "bot", later(number)) };
        unit.sign_ins().record(&attempt, 4).await.unwrap();
    }
    // Those of the account are not theirs to push out.
    assert_eq!(
        unit.sign_ins()
            .of_account(account, &SignInFilter::default(), &PageRequest::first(10))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    assert_eq!(unit.sign_ins().forget_before(later(1_000), 100).await.unwrap(), 4 + 1);
}

async fn sign_ins_recorded_at_once_all_count_and_the_cap_holds(store: &Store) {
    let (_, account) = written_account(store).await;
    let record = |client: String, seconds: u64| {
        let (store, account) = (store.clone(), account.id);
        tokio::spawn(async move {
            let mut unit = store.write().await?;
            unit.sign_ins().record(&attempt(Some(account), "WinSCP", later(1_000)), 4).await?;
            unit.sign_ins().record(&attempt(Some(account), &client, later(seconds)), 4).await?;
            unit.commit().await
        })
    };
    let records: Vec<_> = (0..20).map(|number| record(format!("client {number}"), number)).collect();
    for recorded in records {
        recorded.await.unwrap().unwrap();
    }
    let mut reader = store.read().await.unwrap();
    let left = reader
        .sign_ins()
        .of_account(account.id, &SignInFilter::default(), &PageRequest::first(50))
        .await
        .unwrap()
        .items;
    assert_eq!(left.len(), 4);
    assert_eq!((left[0].client.as_str(), left[0].count), ("WinSCP", 20));
}

async fn what_describes_is_kept_without_its_nul_characters(store: &Store) {
    let (_, account) = written_account(store).await;
    let mut unit = store.write().await.unwrap();
    unit.sign_ins().record(&attempt(Some(account.id), "Win\0SCP", NOW), 10).await.unwrap();
    let row = TransferRow {
        reason: Some(String::from("\0")),
        client: Some(String::from("Win\0SCP")),
        ..transfer(&account, 1)
    };
    unit.transfers().record(&row).await.unwrap();
    let page = PageRequest::first(10);
    assert_eq!(
        unit.sign_ins().of_account(account.id, &SignInFilter::default(), &page).await.unwrap().items[0].client,
        "Win\u{fffd}SCP"
    );
    let told =
        unit.transfers().of_account(account.id, &TransferFilter::default(), &page).await.unwrap().items.remove(0);
    assert_eq!(told.reason.as_deref(), Some("\u{fffd}"));
    assert_eq!(told.client.as_deref(), Some("Win\u{fffd}SCP"));
}

async fn sign_ins_are_listed_newest_first_a_page_at_a_time(store: &Store) {
    let account = AccountId::new(NOW, &OsRandom);
    let mut unit = store.write().await.unwrap();
    // Two at the same instant stand in some order, and neither is lost between pages.
    for (client, seconds) in [("a", 1), ("b", 2), ("c", 2), ("d", 3)] {
        unit.sign_ins().record(&attempt(Some(account), client, later(seconds)), 100).await.unwrap();
    }
    let mut clients = Vec::new();
    let mut request = PageRequest::first(1);
    loop {
        let page = unit.sign_ins().of_account(account, &SignInFilter::default(), &request).await.unwrap();
        clients.extend(page.items.into_iter().map(|attempt| attempt.client));
        // A repeat of one that was shown does not move it.
        unit.sign_ins()
            .record(&SignInAttempt { first_at: later(50), ..attempt(Some(account), "d", later(50)) }, 100)
            .await
            .unwrap();
        let Some(next) = page.next else { break };
        request.after = Some(next);
    }
    clients[1..3].sort();
    assert_eq!(clients, ["d", "b", "c", "a"]);
}

async fn the_history_is_searched_by_outcome_direction_and_time(store: &Store) {
    let (_, account) = written_account(store).await;
    let mut unit = store.write().await.unwrap();
    let refused = SignInAttempt { outcome: String::from("wrong_key"), ..attempt(Some(account.id), "a", later(1)) };
    let granted = SignInAttempt {
        algorithms: Some(String::from("mlkem768x25519-sha256 aes128-gcm@openssh.com")),
        ..attempt(Some(account.id), "a", later(5))
    };
    for attempt in [&refused, &granted] {
        unit.sign_ins().record(attempt, 100).await.unwrap();
    }
    let page = PageRequest::first(10);
    let searches = [
        (SignInFilter { granted: Some(true), since: None }, vec![granted.clone()]),
        (SignInFilter { granted: Some(false), since: None }, vec![refused.clone()]),
        (SignInFilter { granted: None, since: Some(later(2)) }, vec![granted.clone()]),
        (SignInFilter { granted: Some(false), since: Some(later(2)) }, vec![]),
        (SignInFilter::default(), vec![granted, refused]),
    ];
    for (filter, expected) in searches {
        assert_eq!(unit.sign_ins().of_account(account.id, &filter, &page).await.unwrap().items, expected, "{filter:?}");
    }

    let up = transfer(&account, 1);
    let down = TransferRow { direction: TransferDirection::Download, ..transfer(&account, 2) };
    let whole = TransferRow { outcome: TransferResult::Completed, ..transfer(&account, 3) };
    for row in [&up, &down, &whole] {
        unit.transfers().record(row).await.unwrap();
    }
    let all = TransferFilter::default();
    let (upload, failed) = (Some(TransferDirection::Upload), Some(TransferResult::Failed));
    let searches = [
        (TransferFilter { direction: upload, ..all }, vec![whole.clone(), up.clone()]),
        (TransferFilter { outcome: failed, ..all }, vec![down.clone(), up.clone()]),
        (TransferFilter { direction: upload, outcome: failed, since: None }, vec![up]),
        // They ended at 2, 3 and 4.
        (TransferFilter { since: Some(later(3)), ..all }, vec![whole.clone(), down]),
        (TransferFilter { direction: upload, since: Some(later(3)), ..all }, vec![whole]),
    ];
    for (filter, expected) in searches {
        assert_eq!(
            unit.transfers().of_account(account.id, &filter, &page).await.unwrap().items,
            expected,
            "{filter:?}"
        );
    }
}

async fn old_sign_ins_are_forgotten(store: &Store) {
    let account = AccountId::new(NOW, &OsRandom);
    let mut unit = store.write().await.unwrap();
    for seconds in 0..5 {
        let attempt = attempt(Some(account), &seconds.to_string(), later(seconds));
        unit.sign_ins().record(&attempt, 100).await.unwrap();
    }
    assert_eq!(unit.sign_ins().forget_before(later(3), 2).await.unwrap(), 2);
    assert_eq!(unit.sign_ins().forget_before(later(3), 2).await.unwrap(), 1);
    assert_eq!(
        unit.sign_ins()
            .of_account(account, &SignInFilter::default(), &PageRequest::first(10))
            .await
            .unwrap()
            .items
            .len(),
        2
    );
}

async fn a_block_ends_by_itself_or_by_hand(store: &Store) {
    let block = |address: &str, until| Block {
        address: address.to_owned(),
        login: String::from("paie.acme"),
        reason: String::from("too_many_attempts"),
        since: NOW,
        until,
    };
    let (short, long) = (block("203.0.113.7", later(10)), block("203.0.113.8", later(20)));
    let mut unit = store.write().await.unwrap();
    unit.blocks().put(&short).await.unwrap();
    unit.blocks().put(&block("203.0.113.8", later(5))).await.unwrap();
    unit.blocks().put(&long).await.unwrap();
    assert_eq!(unit.blocks().find("203.0.113.8", "paie.acme", later(9)).await.unwrap(), Some(long.clone()));
    assert_eq!(unit.blocks().find("203.0.113.8", "other", later(9)).await.unwrap(), None);
    let first = unit.blocks().active(later(9), &PageRequest::first(1)).await.unwrap();
    assert_eq!(first.items, [short]);
    let rest = PageRequest { after: first.next, limit: 1 };
    let rest = unit.blocks().active(later(9), &rest).await.unwrap();
    assert_eq!((rest.items, rest.next), (vec![long.clone()], None));
    assert_eq!(unit.blocks().find("203.0.113.7", "paie.acme", later(10)).await.unwrap(), None);
    assert_eq!(unit.blocks().active(later(10), &PageRequest::first(10)).await.unwrap().items, [long]);
    assert_eq!(unit.blocks().forget_ended(later(10)).await.unwrap(), 1);
    assert!(unit.blocks().lift("203.0.113.8", "paie.acme").await.unwrap());
    assert!(!unit.blocks().lift("203.0.113.8", "paie.acme").await.unwrap());
}
