//! What an account may be: the rules for a new one and for changes, each told by the field that breaks it.

use crate::domain::preset::{CredentialMethod, is_host_name};
use crate::domain::{Account, AddressRange, ConnectionType, ConnectionTypes, Hosting, LoginName, Preset, PresetName};

use super::credentials::{MAX_KEYS, password_problem};
use super::folders::{MAX_FOLDERS, duplicate_problems};
use super::{AccountChanges, FieldError, Management, NewAccount};

/// The most entries of an account's list of addresses.
const MAX_ADDRESSES: usize = 100;

impl Management {
    /// What does not fit of a new account: every field, not just the first.
    pub fn check_new_account(&self, new: &NewAccount) -> Vec<FieldError> {
        let mut errors = Vec::new();
        match self.preset_named(&new.preset) {
            Err(error) => errors.push(error),
            Ok(preset) => {
                errors.extend(new.login.as_ref().and_then(|login| login_problem(preset, login)));
                errors.extend(new.connection_types.and_then(|types| types_problem(&new.preset, preset, types)));
                let offers = |method| preset.credentials.contains(&method);
                if (new.password.is_some() || new.generate_password) && !offers(CredentialMethod::Password) {
                    let field = if new.password.is_some() { "password" } else { "generate_password" };
                    let detail = format!("Accounts of the preset {} have keys, no passwords.", new.preset);
                    errors.push(FieldError::new(field, "not_offered", detail));
                }
                if !new.public_keys.is_empty() && !offers(CredentialMethod::PublicKey) {
                    let detail = format!("Accounts of the preset {} have passwords, no keys.", new.preset);
                    errors.push(FieldError::new("public_keys", "not_offered", detail));
                }
            }
        }
        if let Some(password) = &new.password {
            if new.generate_password {
                let detail = "Give a password or let one be generated, not both.";
                errors.push(FieldError::new("generate_password", "contradictory", detail));
            }
            errors.extend(password_problem("password", password, new.login.as_ref(), self.passwords.shortest()));
        }
        if new.public_keys.len() > MAX_KEYS {
            let detail = format!("An account has at most {MAX_KEYS} keys.");
            errors.push(FieldError::new("public_keys", "too_many", detail));
        }
        for (index, key) in new.public_keys.iter().enumerate() {
            if new.public_keys[..index].contains(key) {
                let field = format!("public_keys[{index}]");
                errors.push(FieldError::new(field, "duplicate", "This key is in the list already."));
            }
        }
        errors.extend(new.host.as_deref().and_then(host_problem));
        if new.expires_at.is_some_and(|end| end <= self.clock.now()) {
            errors.push(FieldError::new("expires_at", "in_the_past", "A new account ends in the future, or never."));
        }
        errors.extend(addresses_problem(&new.allowed_addresses));
        match new.folders.as_deref() {
            None => {}
            Some([]) => {
                let detail = "Name at least one folder, or leave the field out for those of the preset.";
                errors.push(FieldError::new("folders", "too_few", detail));
            }
            Some(folders) if folders.len() > MAX_FOLDERS => {
                let detail = format!("An account has at most {MAX_FOLDERS} remote folders.");
                errors.push(FieldError::new("folders", "too_many", detail));
            }
            Some(folders) => errors.extend(duplicate_problems(folders)),
        }
        errors
    }

    /// What does not fit of changes to an account.
    pub(super) fn check_changes(&self, account: &Account, changes: &AccountChanges) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let Hosting::Hosted { preset: name, .. } = &account.hosting;
        // What is as it was is never a problem, even when the preset has changed since, or is gone.
        let login = changes.login.as_ref().filter(|login| **login != account.login);
        let types = changes.connection_types.filter(|types| *types != account.connection_types);
        match self.presets.get(name) {
            Some(preset) => {
                errors.extend(login.and_then(|login| login_problem(preset, login)));
                errors.extend(types.and_then(|types| types_problem(name, preset, types)));
            }
            None => {
                let detail = format!("The account's preset {name} is no longer configured, so this cannot change.");
                let changed = [login.map(|_| "login"), types.map(|_| "connection_types")];
                errors.extend(
                    changed.into_iter().flatten().map(|field| FieldError::new(field, "preset_missing", detail.clone())),
                );
            }
        }
        errors.extend(changes.host.as_deref().and_then(host_problem));
        errors.extend(changes.allowed_addresses.as_deref().and_then(addresses_problem));
        errors
    }
}

fn login_problem(preset: &Preset, login: &LoginName) -> Option<FieldError> {
    let detail = || format!("Logins of this preset start with {:?}.", preset.login_prefix);
    (!preset.accepts_login(login)).then(|| FieldError::new("login", "prefix", detail()))
}

fn types_problem(name: &PresetName, preset: &Preset, types: ConnectionTypes) -> Option<FieldError> {
    let offered = preset.connection_types.iter().map(ConnectionType::as_str).collect::<Vec<_>>().join(", ");
    if types.is_empty() {
        let detail = format!("Name at least one of {offered}; to close an account, set its state to disabled.");
        return Some(FieldError::new("connection_types", "too_few", detail));
    }
    let detail = || format!("The preset {name} offers {offered}.");
    (!types.without(preset.connection_types).is_empty())
        .then(|| FieldError::new("connection_types", "not_offered", detail()))
}

fn host_problem(host: &str) -> Option<FieldError> {
    let detail = "A host is a host name or an address without port, as in sftp.example.com.";
    (!is_host_name(host)).then(|| FieldError::new("host", "malformed", detail))
}

fn addresses_problem(addresses: &[AddressRange]) -> Option<FieldError> {
    let detail = || format!("Name at most {MAX_ADDRESSES} addresses or networks.");
    (addresses.len() > MAX_ADDRESSES).then(|| FieldError::new("allowed_addresses", "too_many", detail()))
}
