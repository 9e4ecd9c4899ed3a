//! Identifiers: UUIDv7 (RFC 9562 §5.7), so that they sort by the time they were made; one type for each thing, so
//! that an account's cannot be passed for an instance's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Timestamp;
use super::random::Random;

/// A text that is not an identifier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an identifier (a UUID such as 01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e)")]
pub struct InvalidId;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, made at `now`.
            pub fn new(now: Timestamp, random: &dyn Random) -> Self {
                let mut tail = [0u8; 10];
                random.fill(&mut tail);
                let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }
    )*};
}

id! {
    /// A customer's tenant.
    InstanceId;
    /// An account of an instance.
    AccountId;
    /// A password or a key of an account.
    CredentialId;
    /// A remote folder of an account.
    FolderId;
    /// One authenticated connection.
    SessionId;
    /// One upload or download.
    TransferId;
    /// One staged upload, published or not.
    UploadId;
    /// One event of the outbox.
    EventId;
    /// A token of the management API.
    TokenId;
    /// A row of the audit log.
    AuditId;
    /// Where events are sent to.
    WebhookId;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::OsRandom;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = AccountId::new(Timestamp::from_seconds(1_000), &OsRandom);
        let late = AccountId::new(Timestamp::from_seconds(2_000), &OsRandom);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn an_id_survives_display_and_parse() {
        let id = FolderId::new(Timestamp::from_seconds(1_000), &OsRandom);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!("acme".parse::<InstanceId>(), Err(InvalidId));
    }
}
