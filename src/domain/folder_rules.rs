//! What happens to the files of a remote folder, beside what its login may do there.

use serde::{Deserialize, Serialize};

/// The rules of a remote folder. By default none does anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FolderRules {
    /// What a login uploads stays its own until the login renames it: a name is final only then.
    pub publish_on_rename: bool,
}

/// What to change of a folder's rules; `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderRulesChange {
    pub publish_on_rename: Option<bool>,
}

impl FolderRules {
    /// These rules with a change made to them.
    #[must_use]
    pub fn changed(&self, change: &FolderRulesChange) -> Self {
        let FolderRulesChange { publish_on_rename } = change;
        Self { publish_on_rename: publish_on_rename.unwrap_or(self.publish_on_rename) }
    }
}
