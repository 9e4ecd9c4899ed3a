//! An account: an access on a server, for one partner of an instance.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::access_rule::{AddressRange, AuthenticationRule};
use super::clock::Timestamp;
use super::connection_type::ConnectionTypes;
use super::ftp_rules::{CloseNotify, FtpRules, TlsResumption};
use super::hosting::Hosting;
use super::ids::{AccountId, InstanceId};
use super::login_name::LoginName;
use super::preset::{Preset, PresetName};
use super::quota::Quota;
use super::remote_folder::label;
use super::temporary_names::TemporaryNames;

label! {
    /// What people call an account.
    AccountName
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    #[default]
    Enabled,
    Disabled,
}

/// A text that names no state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a state: use \"enabled\" or \"disabled\"")]
pub struct UnknownAccountState;

impl AccountState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for AccountState {
    type Err = UnknownAccountState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Enabled, Self::Disabled].into_iter().find(|state| state.as_str() == text).ok_or(UnknownAccountState)
    }
}

/// An access on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub instance: InstanceId,
    pub name: AccountName,
    pub login: LoginName,
    pub hosting: Hosting,
    /// The host name that the partner is told.
    pub host: String,
    pub connection_types: ConnectionTypes,
    pub authentication: AuthenticationRule,
    pub state: AccountState,
    /// From then on no sign-in succeeds.
    pub expires_at: Option<Timestamp>,
    /// From where it may sign in; empty: from anywhere.
    pub allowed_addresses: Vec<AddressRange>,
    /// `None`: as its preset says.
    pub close_notify: Option<CloseNotify>,
    /// `None`: as its preset says.
    pub tls_resumption: Option<TlsResumption>,
    /// What is `None` is as its preset says.
    pub quota: Quota,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Account {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    pub fn allows_address(&self, address: IpAddr) -> bool {
        self.allowed_addresses.is_empty() || self.allowed_addresses.iter().any(|range| range.contains(address))
    }

    /// The names that clients give a file until they have sent all of it: its preset's, else (the preset is no longer
    /// configured) the usual ones.
    pub fn temporary_names(&self, presets: &BTreeMap<PresetName, Preset>) -> TemporaryNames {
        let Hosting::Hosted { preset, .. } = &self.hosting;
        presets.get(preset).map(|preset| preset.temporary_names.clone()).unwrap_or_default()
    }

    /// What holds for it over FTP: its own values, else those of its preset, else (the preset is no longer configured)
    /// the defaults.
    pub fn ftp_rules(&self, presets: &BTreeMap<PresetName, Preset>) -> FtpRules {
        let Hosting::Hosted { preset, .. } = &self.hosting;
        let otherwise = presets.get(preset).map(Preset::ftp_rules).unwrap_or_default();
        FtpRules {
            close_notify: self.close_notify.unwrap_or(otherwise.close_notify),
            tls_resumption: self.tls_resumption.unwrap_or(otherwise.tls_resumption),
        }
    }

    /// How much it may hold: its own limits, else those of its preset, else (the preset is no longer configured) none.
    pub fn quota(&self, presets: &BTreeMap<PresetName, Preset>) -> Quota {
        let Hosting::Hosted { preset, .. } = &self.hosting;
        self.quota.or(presets.get(preset).map(|preset| preset.quota).unwrap_or_default())
    }
}
