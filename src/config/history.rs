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
    }
}
