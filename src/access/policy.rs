//! What an account asks of a sign-in besides a right proof.

use super::admission::Connection;
use super::refusal::RefusalReason;
use crate::domain::{Account, AccountState, AuthenticationRule, ConnectionType, Hosting, Timestamp};

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
    let can_show_keys = match connection.connection_type {
        ConnectionType::Sftp => true,
        ConnectionType::Ftps | ConnectionType::Ftpes => false,
    };
    // Else "the password was right, a key is missing" would be told by an answer that comes sooner than a refusal.
    if account.authentication == AuthenticationRule::KeyAndPassword && !can_show_keys {
        return Err(RefusalReason::KeyNeeded);
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
