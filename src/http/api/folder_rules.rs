//! The rules of a remote folder, as the API shows and takes them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::folder_rules::FolderRulesChange;
use crate::domain::{FolderRules, Retention, RetentionAction};
use crate::http::fields::{Change, Fields, change as change_of};
use crate::management::sentence;

/// What happens to the files of a folder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FolderRules)]
pub struct FolderRulesView {
    /// What the login uploads stays its own until it renames it.
    publish_on_rename: bool,
    /// How long files stay; `null`: until somebody removes them.
    #[schema(required)]
    retention: Option<RetentionView>,
}

/// How long files stay in a folder, and what becomes of them then.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Retention)]
pub struct RetentionView {
    /// In days of 24 hours, from when a file was published or last changed.
    #[schema(minimum = 1, maximum = 36500)]
    after_days: u32,
    /// `delete`: it is gone. `trash`: it goes to the trash, which has a term of its own.
    action: &'static str,
}

/// Rules of a folder to set; those that are left out stay as they are (for a new folder: off).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FolderRulesChange)]
pub struct FolderRulesInput {
    /// What the login uploads stays its own until it renames it.
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = bool, required = false, nullable = false)]
    publish_on_rename: Change<bool>,
    /// How long files stay; `null`: until somebody removes them.
    #[serde(default, deserialize_with = "change_of")]
    #[schema(value_type = Option<RetentionInput>, required = false)]
    retention: Change<RetentionInput>,
}

/// How long files stay in a folder, and what becomes of them then.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetentionToSet)]
pub struct RetentionInput {
    /// In days of 24 hours, from when a file was published or last changed.
    #[schema(value_type = u32, required, nullable = false, minimum = 1, maximum = 36500)]
    after_days: Option<u32>,
    /// `delete`: it is gone. `trash`: it goes to the trash, which has a term of its own.
    #[schema(value_type = String, required, nullable = false, example = "trash")]
    action: Option<String>,
}

impl From<Retention> for RetentionView {
    fn from(retention: Retention) -> Self {
        Self { after_days: retention.after_days(), action: retention.action().as_str() }
    }
}

impl RetentionInput {
    fn read(self, at: &str, fields: &mut Fields) -> Option<Retention> {
        let action = fields.required(&format!("{at}.action"), self.action.as_deref(), str::parse::<RetentionAction>);
        let at = format!("{at}.after_days");
        let Some(days) = self.after_days else {
            fields.refuse(&at, "required", "This field is needed.");
            return None;
        };
        // Also when the action is none: both are told at once.
        match Retention::new(days, action.unwrap_or(RetentionAction::Trash)) {
            Ok(retention) => action.map(|_| retention),
            Err(problem) => {
                fields.refuse(&at, "out_of_range", &sentence(&problem));
                None
            }
        }
    }
}

impl From<FolderRules> for FolderRulesView {
    fn from(rules: FolderRules) -> Self {
        let FolderRules { publish_on_rename, retention } = rules;
        Self { publish_on_rename, retention: retention.map(RetentionView::from) }
    }
}

impl FolderRulesInput {
    /// `at` is where it is in the request, such as `rules.`.
    pub fn read(self, at: &str, fields: &mut Fields) -> FolderRulesChange {
        let Self { publish_on_rename, retention } = self;
        FolderRulesChange {
            publish_on_rename: fields.changed(&format!("{at}publish_on_rename"), publish_on_rename),
            retention: match retention {
                None => None,
                Some(None) => Some(None),
                Some(Some(retention)) => retention.read(&format!("{at}retention"), fields).map(Some),
            },
        }
    }
}
