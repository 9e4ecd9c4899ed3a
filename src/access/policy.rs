//! What an account asks of a sign-in besides a right proof.

use super::admission::Connection;
use super::refusal::RefusalReason;
use crate::domain::{Account, AccountState, Hosting, Timestamp};

/// Whether the account may be used over this connection at all.
pub(super) fn check(account: &Account, connection: &Connection, now: Timestamp) -> Result<(), RefusalReason> {
    match account.state {
        AccountState::Enabled => {}
        AccountState::Disabled => return Err(RefusalReason::AccountDisabled),
    }
    if account.is_expired(now) {
        return Err(RefusalReason::AccountExpired);
    }
    if !account.connection_types.contains(connection.connection_type) {
        return Err(RefusalReason::ConnectionTypeNotAllowed);
    }
    let Hosting::Hosted { preset, .. } = &account.hosting;
    if connection.preset.as_ref().is_some_and(|bound_to| bound_to != preset) {
        return Err(RefusalReason::ListenerOfAnotherPreset);
    }
    if !account.allows_address(connection.peer.ip()) {
        return Err(RefusalReason::AddressNotAllowed);
    }
    Ok(())
}
