//! The rules of a remote folder, as the API shows and takes them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::FolderRules;
use crate::domain::folder_rules::FolderRulesChange;
use crate::http::fields::{Change, Fields, change as change_of};

/// What happens to the files of a folder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FolderRules)]
pub struct FolderRulesView {
    /// What the login uploads stays its own until it renames it.
    publish_on_rename: bool,
}

/// Rules of a folder to set; those that are left out stay as they are (for a new folder: off).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = FolderRulesChange)]
pub struct FolderRulesInput {
    /// What the login uploads stays its own until it renames it.
    #[serde(deserialize_with = "change_of")]
    #[schema(value_type = bool, required = false, nullable = false)]
    publish_on_rename: Change<bool>,
}

impl From<FolderRules> for FolderRulesView {
    fn from(rules: FolderRules) -> Self {
        let FolderRules { publish_on_rename } = rules;
        Self { publish_on_rename }
    }
}

impl FolderRulesInput {
    /// `at` is where it is in the request, such as `rules.`.
    pub fn read(self, at: &str, fields: &mut Fields) -> FolderRulesChange {
        let Self { publish_on_rename } = self;
        FolderRulesChange { publish_on_rename: fields.changed(&format!("{at}publish_on_rename"), publish_on_rename) }
    }
}
