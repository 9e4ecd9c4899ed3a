//! The audit log: one chain, whoever writes it, from which nothing is changed or taken without a trace.

use super::*;
use crate::domain::audit::NO_ROW;
use crate::domain::audit::tests::entry;
use crate::domain::{
    AuditAction, AuditChain, AuditEntry, AuditFault, AuditReport, AuditResource, AuditRow, AuditWalk, TokenId,
};
use crate::store::{AuditFilter, PageRequest};

on_every_engine! {
    a_row_is_read_back_as_it_was_written_and_follows_the_one_before;
    what_is_not_committed_leaves_no_gap;
    many_units_at_once_write_one_chain;
    a_changed_row_is_found_wherever_it_is;
    a_removed_row_is_found_wherever_it_is;
    rows_cut_off_with_their_head_are_missed_where_the_head_was_noted;
    a_log_without_its_head_is_an_error;
    old_rows_are_forgotten_and_the_rest_is_proven_still;
    rows_are_found_by_what_they_tell;
}

/// Appends rows whose labels are `row 1` and so on, `seconds` apart from [`NOW`] on.
async fn written(store: &Store, count: u64) {
    for number in 1..=count {
        let entry = AuditEntry { at: later(number), label: format!("row {number}"), ..entry() };
        append(store, &[entry]).await;
    }
}

async fn append(store: &Store, entries: &[AuditEntry]) {
    let mut unit = store.decide().await.unwrap();
    unit.audit().append(entries).await.unwrap();
    unit.commit().await.unwrap();
}

async fn rows(store: &Store) -> Vec<AuditRow> {
    store.read().await.unwrap().audit().walk(&AuditFilter::default(), 0, 1_000).await.unwrap()
}

async fn chain(store: &Store) -> AuditChain {
    store.read().await.unwrap().audit().chain().await.unwrap()
}

async fn verified(store: &Store, noted: Option<&str>) -> AuditReport {
    let mut walk = AuditWalk::begin(chain(store).await, noted);
    rows(store).await.iter().for_each(|row| walk.step(row));
    walk.end()
}

async fn a_row_is_read_back_as_it_was_written_and_follows_the_one_before(store: &Store) {
    assert_eq!(chain(store).await.head, 0);
    let whole = entry();
    let bare = AuditEntry {
        token: None,
        request: None,
        instance: None,
        account: None,
        before: None,
        after: None,
        label: String::from("a\0b \"é\""),
        ..entry()
    };
    append(store, &[whole.clone(), bare.clone()]).await;
    let first = AuditRow::chained(&whole, 1, NO_ROW);
    let second = AuditRow::chained(&bare, 2, &first.hash);
    assert_eq!(rows(store).await, [first.clone(), second.clone()]);
    let newest =
        store.read().await.unwrap().audit().list(&AuditFilter::default(), &PageRequest::first(1)).await.unwrap();
    assert_eq!(newest.items, std::slice::from_ref(&second));
    let next = PageRequest { after: newest.next, limit: 1 };
    let next = store.read().await.unwrap().audit().list(&AuditFilter::default(), &next).await.unwrap();
    assert_eq!((next.items, next.next), (vec![first], None));
    let AuditChain { forgotten, head, head_hash, .. } = chain(store).await;
    assert_eq!((forgotten, head, head_hash), (0, 2, second.hash));
    assert_eq!(verified(store, None).await.faults, []);
}

async fn what_is_not_committed_leaves_no_gap(store: &Store) {
    written(store, 1).await;
    let mut unit = store.decide().await.unwrap();
    unit.audit().append(&[entry(), entry()]).await.unwrap();
    drop(unit);
    written(store, 1).await;
    assert_eq!(rows(store).await.iter().map(|row| row.position).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(verified(store, None).await.faults, []);
}

async fn many_units_at_once_write_one_chain(store: &TestStore) {
    let stores = [(**store).clone(), store.another().await];
    let writers = (0..8).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                append(&store, &[entry(), entry()]).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let report = verified(store, None).await;
    assert_eq!((report.rows, report.chain.head, report.faults), (80, 80, Vec::new()));
}

async fn a_changed_row_is_found_wherever_it_is(store: &TestStore) {
    written(store, 5).await;
    for (position, change, back) in [
        (
            1,
            "UPDATE audit SET operator = 'x' WHERE position = 1",
            "UPDATE audit SET operator = 'SIRH' WHERE position = 1",
        ),
        (3, "UPDATE audit SET label = 'x' WHERE position = 3", "UPDATE audit SET label = 'row 3' WHERE position = 3"),
        (5, "UPDATE audit SET label = 'x' WHERE position = 5", "UPDATE audit SET label = 'row 5' WHERE position = 5"),
    ] {
        store.run(change, change).await;
        let id = rows(store).await[position - 1].id.clone();
        let position = i64::try_from(position).unwrap();
        assert_eq!(verified(store, None).await.faults, [AuditFault::Changed { position, id }]);
        store.run(back, back).await;
        assert_eq!(verified(store, None).await.faults, []);
    }
}

async fn a_removed_row_is_found_wherever_it_is(store: &TestStore) {
    written(store, 7).await;
    let mut expected = Vec::new();
    for (position, removal) in [
        (4, "DELETE FROM audit WHERE position = 4"),
        (1, "DELETE FROM audit WHERE position = 1"),
        (7, "DELETE FROM audit WHERE position = 7"),
    ] {
        store.run(removal, removal).await;
        expected.push(position);
        expected.sort_unstable();
        let missing = expected.iter().map(|&position| AuditFault::Missing { first: position, last: position });
        assert_eq!(verified(store, None).await.faults, missing.collect::<Vec<_>>());
    }
    // A row in another's place proves nothing.
    let moved = "UPDATE audit SET position = 4 WHERE position = 5";
    store.run(moved, moved).await;
    let faults = verified(store, None).await.faults;
    assert!(matches!(faults[1], AuditFault::Changed { position: 4, .. }), "{faults:?}");
}

async fn rows_cut_off_with_their_head_are_missed_where_the_head_was_noted(store: &TestStore) {
    written(store, 4).await;
    let noted = chain(store).await.head_hash;
    let cut = "DELETE FROM audit WHERE position = 4";
    store.run(cut, cut).await;
    let head = "UPDATE audit_chain SET head = 3, head_hash = (SELECT hash FROM audit WHERE position = 3)";
    store.run(head, head).await;
    assert_eq!(verified(store, None).await.faults, []);
    assert_eq!(verified(store, Some(&noted)).await.faults, [AuditFault::NotedHead { hash: noted }]);
}

async fn a_log_without_its_head_is_an_error(store: &TestStore) {
    written(store, 1).await;
    store.run("DELETE FROM audit_chain", "DELETE FROM audit_chain").await;
    let lost = store.read().await.unwrap().audit().chain().await;
    assert!(matches!(lost, Err(StoreError::Inconsistent { table: "audit_chain", .. })), "{lost:?}");
    let mut unit = store.decide().await.unwrap();
    assert!(unit.audit().append(&[entry()]).await.is_err(), "nothing is changed that cannot be recorded");
}

async fn old_rows_are_forgotten_and_the_rest_is_proven_still(store: &TestStore) {
    written(store, 6).await;
    let mut unit = store.write().await.unwrap();
    assert_eq!(unit.audit().forget_before(later(4), 2).await.unwrap(), 2);
    assert_eq!(unit.audit().forget_before(later(4), 2).await.unwrap(), 1);
    assert_eq!(unit.audit().forget_before(later(4), 2).await.unwrap(), 0);
    unit.commit().await.unwrap();
    let report = verified(store, None).await;
    assert_eq!((report.rows, report.chain.forgotten, report.first_at, report.faults), (3, 3, Some(later(4)), vec![]));
    written(store, 1).await;
    assert_eq!(verified(store, None).await.faults, []);
    // The oldest that is kept, without its term being over.
    let removal = "DELETE FROM audit WHERE position = 4";
    store.run(removal, removal).await;
    assert_eq!(verified(store, None).await.faults, [AuditFault::Missing { first: 4, last: 4 }]);
    // Everything goes, and the chain goes on.
    let mut unit = store.write().await.unwrap();
    assert_eq!(unit.audit().forget_before(later(100), 100).await.unwrap(), 3);
    unit.commit().await.unwrap();
    written(store, 1).await;
    let report = verified(store, None).await;
    assert_eq!((report.rows, report.chain.forgotten, report.chain.head, report.faults), (1, 7, 8, vec![]));
}

async fn rows_are_found_by_what_they_tell(store: &Store) {
    let one = AuditEntry { at: later(1), label: String::from("Épaye_acme 100%"), ..entry() };
    let two = AuditEntry {
        at: later(2),
        action: AuditAction::TokenCreated,
        operator: String::from("command line"),
        token: None,
        label: String::from("epayeXacme"),
        ..entry()
    };
    append(store, &[one.clone(), two.clone()]).await;
    let all = AuditFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let searches = [
        (all(), vec![2, 1]),
        (AuditFilter { instance: one.instance, ..all() }, vec![1]),
        (AuditFilter { account: two.account, ..all() }, vec![2]),
        (AuditFilter { without: Some(AuditResource::Token), ..all() }, vec![1]),
        (AuditFilter { operator: text("SIRH"), ..all() }, vec![1]),
        (AuditFilter { operator: one.token.map(|id: TokenId| id.to_string()), ..all() }, vec![1]),
        (AuditFilter { operator: text("sirh"), ..all() }, vec![]),
        (AuditFilter { action: Some(AuditAction::TokenCreated), ..all() }, vec![2]),
        (AuditFilter { resource: Some(AuditResource::Account), ..all() }, vec![1]),
        (AuditFilter { resource_id: Some(two.resource_id.clone()), ..all() }, vec![2]),
        (AuditFilter { since: Some(later(2)), ..all() }, vec![2]),
        (AuditFilter { until: Some(later(2)), ..all() }, vec![1]),
        (AuditFilter { search: text("épaye_"), ..all() }, vec![1]),
        (AuditFilter { search: text("ACME"), ..all() }, vec![2, 1]),
        (AuditFilter { search: text("0%"), ..all() }, vec![1]),
        (AuditFilter { search: text("a\0"), ..all() }, vec![]),
        (AuditFilter { search: text("acme"), operator: text("SIRH"), since: Some(later(2)), ..all() }, vec![]),
    ];
    for (filter, expected) in searches {
        let mut reader = store.read().await.unwrap();
        let listed = reader.audit().list(&filter, &PageRequest::first(10)).await.unwrap().items;
        assert_eq!(listed.iter().map(|row| row.position).collect::<Vec<_>>(), expected, "{filter:?}");
        let mut walked = reader.audit().walk(&filter, 0, 10).await.unwrap();
        walked.reverse();
        assert_eq!(walked, listed, "{filter:?}");
    }
}
