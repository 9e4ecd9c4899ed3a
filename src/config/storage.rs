//! `[storage]`: where files are kept, and for how long what is not a whole file any more, or not yet.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::{lasting, section, some_path};

section! {
    /// Where files are kept.
    StorageSettings {
        /// The directory of all files. One gateway alone works in it at a time.
        directory: PathBuf = "./data/files", some_path();
        /// How long what was received of an upload that was cut is kept, for its login to go on with.
        incomplete: Duration = "24h", lasting("1m", "365d");
        /// How long a login that may only write is still told of what it just uploaded.
        just_uploaded: Duration = "10m", lasting("0s", "24h");
        /// How long removed folders and accounts are kept in the trash.
        trash: Duration = "30d", lasting("0s", "3650d");
        /// How often what is past its term is removed.
        sweep_every: Duration = "10m", lasting("1s", "24h");
    }
}
