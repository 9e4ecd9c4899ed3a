//! `[history]`: for how long what happened is remembered.

use std::time::Duration;

use super::reader::{lasting, section};

section! {
    /// For how long what happened is remembered.
    HistorySettings {
        /// Uploads and downloads.
        transfers: Duration = "400d", lasting("1d", "3650d");
        /// Sign-ins, granted and refused.
        sign_ins: Duration = "90d", lasting("1d", "3650d");
        /// Events.
        events: Duration = "90d", lasting("1d", "3650d");
        /// The audit log of what operators change. What is left proves itself still: the chain begins later.
        audit: Duration = "1826d", lasting("30d", "36500d");
    }
}
