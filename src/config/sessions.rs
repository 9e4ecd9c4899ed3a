//! `[sessions]`: how many may be connected, and how long without doing anything.

use std::time::Duration;

use super::reader::{lasting, section, within};

section! {
    /// How many may be connected at a time.
    SessionSettings {
        /// Sessions in total.
        total: usize = "1000", within(1, 1_000_000);
        /// Sessions of one account.
        per_account: usize = "50", within(1, 1_000_000);
        /// Sessions from one address.
        per_address: usize = "200", within(1, 1_000_000);
        /// How long a session may do nothing; a transfer in progress is not nothing.
        idle: Duration = "15m", lasting("1s", "24h");
        /// How long a transfer may stand still: the client takes nothing of what it asked for or, over FTP, sends nothing of
        /// what it announced.
        stall: Duration = "5m", lasting("1s", "24h");
    }
}
