//! What happens to the files of a remote folder, beside what its login may do there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::transfer::words;

/// The longest term of a folder's files, in days: a hundred years.
pub const LONGEST_RETENTION_DAYS: u32 = 36_500;

words! {
    /// What becomes of a file that is past its folder's term.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    RetentionAction, "\"delete\" or \"trash\"" {
        /// It is gone.
        Delete = "delete",
        /// It goes to the dated trash, which has a term of its own.
        Trash = "trash",
    }
}

/// How long files stay in a folder, and what becomes of them then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RetentionText", into = "RetentionText")]
pub struct Retention {
    after_days: u32,
    action: RetentionAction,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionText {
    after_days: u32,
    action: RetentionAction,
}

/// A term that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("files stay 1 to {LONGEST_RETENTION_DAYS} days")]
pub struct InvalidRetention;

impl Retention {
    pub const fn new(after_days: u32, action: RetentionAction) -> Result<Self, InvalidRetention> {
        match after_days {
            1..=LONGEST_RETENTION_DAYS => Ok(Self { after_days, action }),
            _ => Err(InvalidRetention),
        }
    }

    pub const fn after_days(self) -> u32 {
        self.after_days
    }

    pub const fn action(self) -> RetentionAction {
        self.action
    }

    /// How long a file stays.
    pub fn term(self) -> Duration {
        Duration::from_secs(u64::from(self.after_days) * 24 * 3600)
    }
}

impl TryFrom<RetentionText> for Retention {
    type Error = InvalidRetention;

    fn try_from(text: RetentionText) -> Result<Self, Self::Error> {
        Self::new(text.after_days, text.action)
    }
}

impl From<Retention> for RetentionText {
    fn from(Retention { after_days, action }: Retention) -> Self {
        Self { after_days, action }
    }
}

/// The rules of a remote folder. By default none does anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FolderRules {
    /// What a login uploads stays its own until the login renames it: a name is final only then.
    pub publish_on_rename: bool,
    /// `None`: files stay until somebody removes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// What to change of a folder's rules; `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderRulesChange {
    pub publish_on_rename: Option<bool>,
    /// `Some(None)`: files stay from now on.
    pub retention: Option<Option<Retention>>,
}

impl FolderRules {
    /// These rules with a change made to them.
    #[must_use]
    pub fn changed(&self, change: &FolderRulesChange) -> Self {
        let FolderRulesChange { publish_on_rename, retention } = change;
        Self {
            publish_on_rename: publish_on_rename.unwrap_or(self.publish_on_rename),
            retention: retention.unwrap_or(self.retention),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_of_days_and_bounded_wherever_it_comes_from() {
        for days in [0, LONGEST_RETENTION_DAYS + 1] {
            assert_eq!(Retention::new(days, RetentionAction::Trash), Err(InvalidRetention));
            let text = serde_json::json!({ "retention": { "after_days": days, "action": "trash" } });
            assert!(serde_json::from_value::<FolderRules>(text).is_err());
        }
        let rules = serde_json::json!({ "retention": { "after_days": 30, "action": "delete" } });
        let retention = serde_json::from_value::<FolderRules>(rules).unwrap().retention.unwrap();
        assert_eq!((retention.after_days(), retention.action()), (30, RetentionAction::Delete));
        assert_eq!(retention.term(), Duration::from_secs(30 * 86_400));
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let retention = Retention::new(7, RetentionAction::Trash).unwrap();
        let rules = FolderRules { publish_on_rename: true, retention: Some(retention) };
        assert_eq!(rules.changed(&FolderRulesChange::default()), rules);
        let emptied = FolderRulesChange { retention: Some(None), ..FolderRulesChange::default() };
        assert_eq!(rules.changed(&emptied), FolderRules { publish_on_rename: true, retention: None });
    }
}
