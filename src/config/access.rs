//! `[access]`: how much a peer may try before it is let in.

use std::time::Duration;

use super::reader::{lasting, section, within};

section! {
    /// How much a peer may try before it is let in.
    AccessSettings {
        /// Sign-ins that one connection may try.
        attempts_per_connection: u32 = "6", within(1, 100);
        /// How long a connection may take to sign in.
        sign_in_timeout: Duration = "60s", lasting("1s", "10m");
        /// Connections that have not signed in, in total.
        unauthenticated_total: usize = "512", within(1, 1_000_000);
        /// Connections that have not signed in, from one address.
        unauthenticated_per_address: usize = "64", within(1, 1_000_000);
        /// Wrong answers for one login from one address before both together are blocked.
        block_after: u32 = "10", within(1, 10_000);
        /// The time within which those wrong answers count.
        block_window: Duration = "10m", lasting("1s", "24h");
        /// How long a block lasts.
        block_for: Duration = "10m", lasting("1s", "30d");
        /// How long a refusal is held back.
        refusal_delay: Duration = "500ms", lasting("0s", "30s");
        /// Rows of the sign-in history kept for an account.
        attempts_kept: u32 = "500", within(1, 100_000);
    }
}
