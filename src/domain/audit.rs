//! The audit log: who changed what, as rows that are chained by their hashes.
//!
//! Each row's hash is of all of its fields and of the hash of the row before it: whoever changes or removes a row must make
//! every later one anew, and the head with them. The form that is hashed is told at [`AuditRow::digest`] and in
//! docs/OPERATIONS.md, and is made of what the export shows, so that an export can be checked by other programs.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::clock::Timestamp;
use super::event_kind::EventKind;
use super::ids::{AccountId, AuditId, InstanceId, TokenId};
use super::transfer::words;

/// What the first row follows: as many zeros as a hash has digits.
pub const NO_ROW: &str = "0000000000000000000000000000000000000000000000000000000000000000";

words! {
    /// What was done to what. Its first word is the kind of the resource.
    AuditAction, "an action, such as \"account.changed\"" {
        InstanceCreated = "instance.created",
        InstanceChanged = "instance.changed",
        InstanceRemoved = "instance.removed",
        AccountCreated = "account.created",
        AccountChanged = "account.changed",
        /// By itself or with its instance.
        AccountRemoved = "account.removed",
        CredentialCreated = "credential.created",
        CredentialChanged = "credential.changed",
        CredentialRemoved = "credential.removed",
        FolderCreated = "folder.created",
        FolderChanged = "folder.changed",
        FolderRemoved = "folder.removed",
        TokenCreated = "token.created",
        /// By itself or with its instance.
        TokenRevoked = "token.revoked",
        WebhookCreated = "webhook.created",
        /// Also that it was paused or resumed, or has a new secret.
        WebhookChanged = "webhook.changed",
        /// By itself or with its instance.
        WebhookRemoved = "webhook.removed",
        /// Its deliveries are made once more.
        WebhookReplayed = "webhook.replayed",
        SessionEnded = "session.ended",
        BlockLifted = "sign_in_block.lifted",
    }
}

words! {
    /// What a row of the audit log is about.
    AuditResource, "a kind of resource, such as \"account\"" {
        Instance = "instance",
        Account = "account",
        Credential = "credential",
        Folder = "folder",
        Token = "token",
        Webhook = "webhook",
        Session = "session",
        Block = "sign_in_block",
    }
}

impl AuditAction {
    /// The kind of what it was done to.
    pub const fn resource(self) -> AuditResource {
        match self {
            Self::InstanceCreated | Self::InstanceChanged | Self::InstanceRemoved => AuditResource::Instance,
            Self::AccountCreated | Self::AccountChanged | Self::AccountRemoved => AuditResource::Account,
            Self::CredentialCreated | Self::CredentialChanged | Self::CredentialRemoved => AuditResource::Credential,
            Self::FolderCreated | Self::FolderChanged | Self::FolderRemoved => AuditResource::Folder,
            Self::TokenCreated | Self::TokenRevoked => AuditResource::Token,
            Self::WebhookCreated | Self::WebhookChanged | Self::WebhookRemoved | Self::WebhookReplayed => {
                AuditResource::Webhook
            }
            Self::SessionEnded => AuditResource::Session,
            Self::BlockLifted => AuditResource::Block,
        }
    }

    /// The event by which other programs are told of it, where they are.
    pub const fn event(self) -> Option<EventKind> {
        match self {
            Self::InstanceCreated => Some(EventKind::InstanceCreated),
            Self::InstanceChanged => Some(EventKind::InstanceChanged),
            Self::InstanceRemoved => Some(EventKind::InstanceRemoved),
            Self::AccountCreated => Some(EventKind::AccountCreated),
            Self::AccountChanged => Some(EventKind::AccountChanged),
            Self::AccountRemoved => Some(EventKind::AccountRemoved),
            Self::CredentialCreated => Some(EventKind::CredentialCreated),
            Self::CredentialChanged => Some(EventKind::CredentialChanged),
            Self::CredentialRemoved => Some(EventKind::CredentialRemoved),
            Self::FolderCreated => Some(EventKind::FolderCreated),
            Self::FolderChanged => Some(EventKind::FolderChanged),
            Self::FolderRemoved => Some(EventKind::FolderRemoved),
            Self::TokenCreated
            | Self::TokenRevoked
            | Self::WebhookCreated
            | Self::WebhookChanged
            | Self::WebhookRemoved
            | Self::WebhookReplayed
            | Self::SessionEnded
            | Self::BlockLifted => None,
        }
    }
}

/// A change that was made, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub id: AuditId,
    pub at: Timestamp,
    /// Who made it, by name.
    pub operator: String,
    /// The operator's token; the command line has none.
    pub token: Option<TokenId>,
    /// The request of the API that asked for it.
    pub request: Option<String>,
    pub action: AuditAction,
    /// The identifier of what was changed; a block has its address and login.
    pub resource_id: String,
    /// Whose it is; `None`: nobody's.
    pub instance: Option<InstanceId>,
    pub account: Option<AccountId>,
    /// What people call it: a login, a folder's path.
    pub label: String,
    /// How it was; `None`: it was not there. Holds no secret.
    pub before: Option<Value>,
    /// How it is since; `None`: it is gone.
    pub after: Option<Value>,
}

/// A row of the log at its place in the chain, with its fields as they are kept: what cannot be read must still be hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// 1 and more, without a gap.
    pub position: i64,
    pub id: String,
    pub at: Timestamp,
    pub operator: String,
    pub token: Option<String>,
    pub request: Option<String>,
    pub action: String,
    pub resource: String,
    pub resource_id: String,
    pub instance: Option<String>,
    pub account: Option<String>,
    pub label: String,
    /// JSON without white space, keys sorted.
    pub before: Option<String>,
    /// As [`Self::before`].
    pub after: Option<String>,
    /// The hash of the row before, or [`NO_ROW`].
    pub previous: String,
    /// [`Self::digest`], when it was written.
    pub hash: String,
}

impl AuditRow {
    /// Gives an entry its place behind the row whose hash is `previous`.
    pub fn chained(entry: &AuditEntry, position: i64, previous: &str) -> Self {
        // PostgreSQL keeps no NUL character, and what is hashed must be what is kept.
        let text = |text: &str| text.replace('\0', "\u{fffd}");
        let mut row = Self {
            position,
            id: entry.id.to_string(),
            at: entry.at,
            operator: text(&entry.operator),
            token: entry.token.map(|id| id.to_string()),
            request: entry.request.as_deref().map(text),
            action: entry.action.to_string(),
            resource: entry.action.resource().to_string(),
            resource_id: text(&entry.resource_id),
            instance: entry.instance.map(|id| id.to_string()),
            account: entry.account.map(|id| id.to_string()),
            label: text(&entry.label),
            // JSON writes a NUL character as an escape.
            before: entry.before.as_ref().map(Value::to_string),
            after: entry.after.as_ref().map(Value::to_string),
            previous: previous.to_owned(),
            hash: String::new(),
        };
        row.hash = row.digest();
        row
    }

    /// SHA-256, in hexadecimal, of the line `lucca-gateway audit row 1`, and of a line for each field in the order below:
    /// `name=LENGTH:VALUE`, the length in bytes of UTF-8, or `name=-` for a field that is not there. Each line ends with a
    /// line feed. Numbers are decimal, the time is RFC 3339 in UTC as the API shows it.
    pub fn digest(&self) -> String {
        let position = self.position.to_string();
        let at = self.at.to_string();
        let fields: [(&str, Option<&str>); 15] = [
            ("previous", Some(&self.previous)),
            ("position", Some(&position)),
            ("id", Some(&self.id)),
            ("at", Some(&at)),
            ("operator", Some(&self.operator)),
            ("token", self.token.as_deref()),
            ("request", self.request.as_deref()),
            ("action", Some(&self.action)),
            ("resource", Some(&self.resource)),
            ("resource_id", Some(&self.resource_id)),
            ("instance", self.instance.as_deref()),
            ("account", self.account.as_deref()),
            ("label", Some(&self.label)),
            ("before", self.before.as_deref()),
            ("after", self.after.as_deref()),
        ];
        let mut hasher = Sha256::new();
        hasher.update(b"lucca-gateway audit row 1\n");
        for (name, value) in fields {
            let line = match value {
                Some(value) => format!("{name}={}:{value}\n", value.len()),
                None => format!("{name}=-\n"),
            };
            hasher.update(line);
        }
        hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::OsRandom;
    use serde_json::json;

    /// Every field is there.
    pub(crate) fn entry() -> AuditEntry {
        let at = Timestamp::parse("2026-11-24T08:00:00.25Z").unwrap();
        AuditEntry {
            id: AuditId::new(at, &OsRandom),
            at,
            operator: String::from("SIRH"),
            token: Some(TokenId::new(at, &OsRandom)),
            request: Some(String::from("17-3")),
            action: AuditAction::AccountChanged,
            resource_id: AccountId::new(at, &OsRandom).to_string(),
            instance: Some(InstanceId::new(at, &OsRandom)),
            account: Some(AccountId::new(at, &OsRandom)),
            label: String::from("épaye-acme"),
            before: Some(json!({"state": "enabled", "name": "Été"})),
            after: Some(json!({"state": "disabled", "name": "Été"})),
        }
    }

    #[test]
    fn an_action_tells_its_resource_and_an_event_has_the_same_word() {
        for word in [
            "account.changed",
            "folder.removed",
            "token.revoked",
            "webhook.replayed",
            "session.ended",
            "sign_in_block.lifted",
        ] {
            let action: AuditAction = word.parse().unwrap();
            assert_eq!(word.split('.').next(), Some(action.resource().as_str()));
            if let Some(event) = action.event() {
                assert_eq!(event.as_str(), word);
            }
        }
    }

    #[test]
    fn the_hash_is_of_the_documented_form() {
        let row = AuditRow {
            position: 2,
            id: String::from("a"),
            at: Timestamp::from_seconds(1),
            operator: String::from("é"),
            token: None,
            request: None,
            action: String::from("x.y"),
            resource: String::from("x"),
            resource_id: String::from("i"),
            instance: None,
            account: None,
            label: String::new(),
            before: None,
            after: Some(String::from("{}")),
            previous: String::from("0"),
            hash: String::new(),
        };
        let form = "lucca-gateway audit row 1\nprevious=1:0\nposition=1:2\nid=1:a\nat=20:1970-01-01T00:00:01Z\n\
                    operator=2:é\ntoken=-\nrequest=-\naction=3:x.y\nresource=1:x\nresource_id=1:i\ninstance=-\n\
                    account=-\nlabel=0:\nbefore=-\nafter=2:{}\n";
        let expected: String = Sha256::digest(form).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(row.digest(), expected);
    }

    #[test]
    fn each_field_counts_and_none_can_pass_for_another() {
        let row = AuditRow::chained(&entry(), 7, NO_ROW);
        let changes: [fn(&mut AuditRow); 16] = [
            |row| row.position = 8,
            |row| row.id.push('x'),
            |row| row.at = row.at.plus(std::time::Duration::from_micros(1)),
            |row| row.operator.push('x'),
            |row| row.token = None,
            |row| row.request = None,
            |row| row.action = String::from("account.removed"),
            |row| row.resource = String::from("folder"),
            |row| row.resource_id.push('x'),
            |row| row.instance = None,
            |row| row.account = None,
            |row| row.label.clear(),
            |row| row.before = None,
            |row| row.after = None,
            |row| row.previous.replace_range(..1, "1"),
            |row| std::mem::swap(&mut row.before, &mut row.after),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut changed = row.clone();
            change(&mut changed);
            assert_ne!(changed.digest(), row.hash, "change {index}");
        }
        assert_eq!(row.digest(), row.hash);
    }

    #[test]
    fn what_no_database_keeps_is_not_hashed() {
        let row = AuditRow::chained(&AuditEntry { label: String::from("a\0b"), ..entry() }, 1, NO_ROW);
        assert_eq!(row.label, "a\u{fffd}b");
        assert_eq!(row.digest(), row.hash);
    }
}
