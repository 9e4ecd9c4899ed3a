//! The history's term.

use crate::config::HistorySettings;
use crate::domain::Timestamp;
use crate::store::{Store, StoreError};

/// The most rows that one transaction removes: uploads wait for its end.
const STEP: u32 = 1_000;

/// Removes what is older than its term; says how many rows.
pub async fn forget_old(store: &Store, settings: &HistorySettings, now: Timestamp) -> Result<u64, StoreError> {
    let terms = [
        (Kind::Transfers, now.minus(settings.transfers)),
        (Kind::SignIns, now.minus(settings.sign_ins)),
        (Kind::Events, now.minus(settings.events)),
        (Kind::Audit, now.minus(settings.audit)),
    ];
    let mut forgotten = 0;
    for (kind, before) in terms {
        loop {
            let mut unit = store.write().await?;
            let step = match kind {
                Kind::Transfers => unit.transfers().forget_before(before, STEP).await?,
                Kind::SignIns => unit.sign_ins().forget_before(before, STEP).await?,
                Kind::Events => unit.events().forget_before(before, STEP).await?,
                Kind::Audit => unit.audit().forget_before(before, STEP).await?,
            };
            // Others that wait to write come between two steps.
            unit.commit().await?;
            forgotten += step;
            if step < u64::from(STEP) {
                break;
            }
        }
    }
    Ok(forgotten)
}

/// What has a term of its own.
#[derive(Clone, Copy)]
enum Kind {
    Transfers,
    SignIns,
    Events,
    Audit,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::tests::entry;
    use crate::domain::{AccountId, AuditEntry, ConnectionType, OsRandom};
    use crate::events::rows;
    use crate::events::samples::{note, publication};
    use crate::store::contract::on_every_engine;
    use crate::store::{AuditFilter, PageRequest, SignInAttempt, SignInFilter, TransferFilter};
    use crate::vfs::{Publication, TransferNote};
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    on_every_engine! {
        what_is_older_than_its_term_goes_and_the_rest_stays;
    }

    async fn what_is_older_than_its_term_goes_and_the_rest_stays(store: &Store) {
        let now = publication(0).published_at;
        let account = AccountId::new(now, &OsRandom);
        let mut unit = store.write().await.unwrap();
        // More than two steps of old transfers, and one of yesterday.
        for number in 0..2_100 {
            let old = TransferNote { account, ended_at: now.minus(10 * DAY), ..note(number) };
            unit.transfers().record(&rows::of_note(old).0).await.unwrap();
        }
        let recent = TransferNote { account, ended_at: now.minus(DAY), ..note(3_000) };
        unit.transfers().record(&rows::of_note(recent.clone()).0).await.unwrap();
        for days in [10, 1] {
            let at = now.minus(days * DAY);
            let event = rows::of_publication(Publication { published_at: at, ..publication(1) }).1.unwrap();
            unit.events().record(&event).await.unwrap();
            let attempt = SignInAttempt {
                account: Some(account),
                login: String::from("paie.acme"),
                address: String::from("203.0.113.7"),
                connection_type: ConnectionType::Sftp,
                client: String::from("OpenSSH_9.9"),
                algorithms: None,
                outcome: String::from("granted"),
                first_at: at,
                last_at: at,
                count: 1,
            };
            unit.sign_ins().record(&attempt, 100).await.unwrap();
            unit.audit().append(&[AuditEntry { at, ..entry() }]).await.unwrap();
        }
        unit.commit().await.unwrap();

        let settings = HistorySettings { transfers: 7 * DAY, sign_ins: 5 * DAY, events: 3 * DAY, audit: 2 * DAY };
        assert_eq!(forget_old(store, &settings, now).await.unwrap(), 2_100 + 1 + 1 + 1);

        let page = PageRequest::first(200);
        let mut reader = store.read().await.unwrap();
        let transfers = reader.transfers().of_account(account, &TransferFilter::default(), &page).await.unwrap().items;
        assert_eq!(transfers.iter().map(|row| row.id).collect::<Vec<_>>(), [recent.transfer]);
        let sign_ins = reader.sign_ins().of_account(account, &SignInFilter::default(), &page).await.unwrap().items;
        assert_eq!(sign_ins.iter().map(|row| row.last_at).collect::<Vec<_>>(), [now.minus(DAY)]);
        let events = reader.events().list(None, &page).await.unwrap().items;
        assert_eq!(events.iter().map(|placed| placed.event.at).collect::<Vec<_>>(), [now.minus(DAY)]);
        let audit = reader.audit().list(&AuditFilter::default(), &page).await.unwrap().items;
        assert_eq!(audit.iter().map(|row| row.at).collect::<Vec<_>>(), [now.minus(DAY)]);
        drop(reader);
        assert_eq!(forget_old(store, &settings, now).await.unwrap(), 0);
    }
}
