//! The words of the product as types that cannot be wrong.
//!
//! Pure data and rules: nothing here reads a socket, a file or a database. What arrives from outside is parsed once,
//! at the door, into these types; the rest of the program never checks again. The clock and the source of randomness
//! are traits, handed in, so that a test can move time and repeat chance.

pub mod access_rule;
pub mod account;
pub mod audit;
pub mod audit_chain;
pub mod client_software;
pub mod clock;
pub mod connection_type;
pub mod credential;
pub mod event_kind;
pub mod folder_rules;
pub mod ftp_rules;
pub mod hosting;
pub mod ids;
pub mod instance;
pub mod login_name;
pub mod name_encoding;
pub mod preset;
pub mod public_key;
pub mod quota;
pub mod random;
pub mod remote_folder;
pub mod rights;
pub mod secret;
pub mod temporary_names;
pub mod token_scope;
pub mod transfer;
pub mod virtual_path;
pub mod webhook;

pub use access_rule::{AddressRange, AuthenticationRule};
pub use account::{Account, AccountName, AccountState};
pub use audit::{AuditAction, AuditEntry, AuditResource, AuditRow};
pub use audit_chain::{AuditChain, AuditFault, AuditReport, AuditWalk};
pub use client_software::{ClientSoftware, shown};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use connection_type::{ConnectionType, ConnectionTypes};
pub use credential::{Credential, CredentialKind, Validity};
pub use event_kind::EventKind;
pub use folder_rules::{FolderRules, FolderRulesChange, Retention, RetentionAction};
pub use ftp_rules::{BareEnd, CloseNotify, Control, FtpRules, NotProven, TlsResumption, UnprovenEnd, Watch};
pub use hosting::Hosting;
pub use ids::{
    AccountId, AuditId, CredentialId, EventId, FolderId, InstanceId, SessionId, TokenId, TransferId, UploadId,
    WebhookId,
};
pub use instance::{Instance, InstanceKey, InstanceName};
pub use login_name::LoginName;
pub use name_encoding::NameEncoding;
pub use preset::{Preset, PresetName};
pub use public_key::PublicKey;
pub use quota::{OverQuota, Quota, QuotaChange, Usage};
pub use random::{OsRandom, Random};
pub use remote_folder::{FolderName, RemoteFolder};
pub use rights::{ReadySet, Right, Rights};
pub use secret::Secret;
pub use temporary_names::TemporaryNames;
pub use token_scope::TokenScope;
pub use transfer::{TransferDirection, TransferResult};
pub use virtual_path::{FileName, VirtualPath};
pub use webhook::{DeliveryState, WebhookState, WebhookUrl};
