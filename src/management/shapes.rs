//! What is told of each thing when it changes: in the audit log and in events. The names are promised to whoever reads
//! either (docs/EVENTS.md, "Management"); no secret is among them, nor what follows from the time alone.

use serde_json::{Value, json};

use crate::domain::{
    Account, CloseNotify, ConnectionType, Credential, CredentialKind, Hosting, Instance, RemoteFolder, Right,
    TlsResumption, TokenScope,
};
use crate::sessions::SessionInfo;
use crate::store::{Block, Token, WebhookRow};

use super::changing::{About, Recorded};

/// An account with what was made or removed with it.
pub(super) struct WholeAccount<'a> {
    pub(super) account: &'a Account,
    pub(super) folders: &'a [RemoteFolder],
    pub(super) credentials: &'a [Credential],
}

/// A remote folder, and whose it is.
pub(super) struct FolderOf<'a>(pub(super) &'a Account, pub(super) &'a RemoteFolder);

/// A password or a key, and whose it is.
pub(super) struct CredentialOf<'a>(pub(super) &'a Account, pub(super) &'a Credential);

impl Recorded for Instance {
    fn about(&self) -> About {
        let (id, label) = (self.id.to_string(), self.key.to_string());
        About { id, instance: Some(self.id), label, ..About::default() }
    }

    fn shape(&self) -> Value {
        json!({ "key": self.key, "name": self.name })
    }
}

impl Recorded for Account {
    fn about(&self) -> About {
        let (id, label) = (self.id.to_string(), self.login.to_string());
        About { id, instance: Some(self.instance), account: Some(self.id), label, folder: None }
    }

    fn shape(&self) -> Value {
        // Each field by its name, so that one that is added is thought of here.
        let Self {
            id: _,
            instance: _,
            name,
            login,
            hosting,
            host,
            connection_types,
            authentication,
            state,
            expires_at,
            allowed_addresses,
            close_notify,
            tls_resumption,
            quota,
            created_at: _,
            updated_at: _,
        } = self;
        let Hosting::Hosted { preset, version } = hosting;
        json!({
            "name": name,
            "login": login,
            "preset": preset,
            "preset_version": version,
            "host": host,
            "connection_types": connection_types.iter().map(ConnectionType::as_str).collect::<Vec<_>>(),
            "authentication": authentication.as_str(),
            "state": state.as_str(),
            "expires_at": expires_at,
            "allowed_addresses": allowed_addresses,
            "close_notify": close_notify.map(CloseNotify::as_str),
            "tls_resumption": tls_resumption.map(TlsResumption::as_str),
            "quota": quota,
        })
    }
}

impl Recorded for WholeAccount<'_> {
    fn about(&self) -> About {
        self.account.about()
    }

    fn shape(&self) -> Value {
        let with_id = |id: String, mut shape: Value| {
            shape["id"] = json!(id);
            shape
        };
        let folders = self.folders.iter().map(|folder| with_id(folder.id.to_string(), folder_shape(folder)));
        let credentials =
            self.credentials.iter().map(|credential| with_id(credential.id.to_string(), credential_shape(credential)));
        let mut shape = self.account.shape();
        shape["folders"] = folders.collect();
        shape["credentials"] = credentials.collect();
        shape
    }
}

impl Recorded for FolderOf<'_> {
    fn about(&self) -> About {
        let Self(account, folder) = self;
        let label = format!("{}: {}", account.login, folder.path);
        About { id: folder.id.to_string(), folder: Some(folder.id), label, ..account.about() }
    }

    fn shape(&self) -> Value {
        folder_shape(self.1)
    }
}

impl Recorded for CredentialOf<'_> {
    fn about(&self) -> About {
        let Self(account, credential) = self;
        let label = match (&credential.kind, credential.label.as_str()) {
            (CredentialKind::Password { .. }, "") => format!("{}: password", account.login),
            (CredentialKind::PublicKey(key), "") => format!("{}: {}", account.login, key.fingerprint()),
            (_, label) => format!("{}: {label}", account.login),
        };
        About { id: credential.id.to_string(), label, ..account.about() }
    }

    fn shape(&self) -> Value {
        credential_shape(self.1)
    }
}

impl Recorded for Token {
    /// It belongs to no instance, also when it reaches one alone: tokens are told to who sees all instances.
    fn about(&self) -> About {
        About { id: self.id.to_string(), label: self.name.clone(), ..About::default() }
    }

    fn shape(&self) -> Value {
        let Self { id: _, name, hash: _, scope: TokenScope { instance, read_only }, expires_at, .. } = self;
        json!({
            "name": name,
            "scope": { "instance": instance, "read_only": read_only },
            "expires_at": expires_at,
        })
    }
}

impl Recorded for WebhookRow {
    fn about(&self) -> About {
        About { id: self.id.to_string(), instance: self.instance, label: self.url.to_string(), ..About::default() }
    }

    /// Of its secrets only when the one before the last rotation ends.
    fn shape(&self) -> Value {
        let Self { id: _, instance, url, description, kinds, state, pause_reason, secret: _, previous_secret, .. } =
            self;
        let kinds = kinds.as_ref().map(|kinds| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>());
        json!({
            "instance": instance,
            "url": url.as_str(),
            "description": description,
            "kinds": kinds,
            "state": state.as_str(),
            "pause_reason": pause_reason,
            "previous_secret_until": previous_secret.as_ref().map(|(_, until)| until),
        })
    }
}

impl Recorded for Block {
    fn about(&self) -> About {
        let text = format!("{} {}", self.address, self.login);
        About { id: text.clone(), label: text, ..About::default() }
    }

    fn shape(&self) -> Value {
        let Self { address, login, reason, since, until } = self;
        json!({ "address": address, "login": login, "reason": reason, "since": since, "until": until })
    }
}

impl Recorded for SessionInfo {
    fn about(&self) -> About {
        About {
            id: self.id.to_string(),
            instance: Some(self.instance),
            account: Some(self.account),
            folder: None,
            label: self.login.to_string(),
        }
    }

    fn shape(&self) -> Value {
        json!({
            "login": self.login,
            "connection_type": self.connection_type.as_str(),
            "address": self.address.to_canonical(),
            "client": self.client.to_string(),
            "opened_at": self.opened_at,
        })
    }
}

fn folder_shape(folder: &RemoteFolder) -> Value {
    let RemoteFolder { id: _, account: _, name, path, rights, rules } = folder;
    let rights: Vec<_> = rights.iter().map(Right::as_str).collect();
    json!({ "name": name, "path": path, "rights": rights, "rules": rules })
}

/// Of a password nothing but its dates and its label; of a key what tells it from others.
fn credential_shape(credential: &Credential) -> Value {
    let Credential { id: _, account: _, kind, label, validity, created_at: _, last_use: _ } = credential;
    let mut shape = json!({
        "kind": "password",
        "label": label,
        "not_before": validity.not_before,
        "not_after": validity.not_after,
    });
    if let CredentialKind::PublicKey(key) = kind {
        shape["kind"] = json!("public_key");
        shape["algorithm"] = json!(key.algorithm());
        shape["fingerprint"] = json!(key.fingerprint());
        shape["comment"] = json!(key.comment());
    }
    shape
}
