//! Hosting servers as data: what an account gets when it is created under `lucca`, `epaye`, `mprh` or a preset that
//! the operator adds.
//!
//! A preset is versioned; an account records which version it was made with. No field is here that does nothing.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::connection_type::{ConnectionType, ConnectionTypes};
use super::folder_rules::FolderRules;
use super::ftp_rules::{CloseNotify, FtpRules, TlsResumption};
use super::instance::InstanceKey;
use super::login_name::{InvalidLoginName, LoginName};
use super::quota::{LARGEST_LIMIT, Quota};
use super::random::{Random, UNAMBIGUOUS};
use super::remote_folder::FolderName;
use super::rights::Rights;
use super::temporary_names::TemporaryNames;
use super::virtual_path::VirtualPath;

/// A preset's name: `lucca`, `epaye`, `mprh`, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PresetName(String);

/// A text that cannot be a preset's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a preset's name has 2 to 24 lower-case letters (a-z), digits or -, as in epaye")]
pub struct InvalidPresetName;

impl PresetName {
    pub fn parse(text: &str) -> Result<Self, InvalidPresetName> {
        match InstanceKey::parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(InvalidPresetName),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PresetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PresetName {
    type Err = InvalidPresetName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for PresetName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PresetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A preset's name for people, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    pub fr: String,
    pub en: String,
}

/// The ports that partners are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    pub sftp: u16,
    pub ftps: u16,
    pub ftpes: u16,
}

impl Ports {
    pub const fn of(self, kind: ConnectionType) -> u16 {
        match kind {
            ConnectionType::Sftp => self.sftp,
            ConnectionType::Ftps => self.ftps,
            ConnectionType::Ftpes => self.ftpes,
        }
    }
}

/// A kind of credential that accounts of a preset may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialMethod {
    Password,
    PublicKey,
}

/// A remote folder that comes with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetFolder {
    pub name: FolderName,
    pub path: VirtualPath,
    pub rights: Rights,
    #[serde(default)]
    pub rules: FolderRules,
}

/// The parameters of a hosting server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Raised by whoever changes the preset; accounts record the one they were made with.
    pub version: u32,
    pub label: Labels,
    /// Starting values that say nothing about the real server, for the operator to fill in.
    #[serde(default)]
    pub neutral: bool,
    /// The host name that partners are told.
    pub host: String,
    pub ports: Ports,
    /// The connection types that an account may have.
    pub connection_types: ConnectionTypes,
    /// Those that it has when none are named.
    pub default_connection_types: ConnectionTypes,
    /// The kinds of credentials that an account may have.
    pub credentials: Vec<CredentialMethod>,
    /// What every login starts with; may be empty.
    #[serde(default)]
    pub login_prefix: String,
    /// How a login is made when none is given: text with `{prefix}`, `{instance}` and `{random}`.
    pub login_pattern: String,
    /// The remote folders that an account gets when none are named.
    #[serde(default)]
    pub folders: Vec<PresetFolder>,
    /// What becomes of an FTP upload that ends without TLS's `close_notify`, where an account says nothing else.
    #[serde(default)]
    pub close_notify: CloseNotify,
    /// Whether FTP's data connections resume their control connection's TLS session, where an account says nothing else.
    #[serde(default)]
    pub tls_resumption: TlsResumption,
    /// How much an account may hold, where it says nothing else.
    #[serde(default)]
    pub quota: Quota,
    /// Names that clients give a file until they have sent it all.
    #[serde(default)]
    pub temporary_names: TemporaryNames,
}

/// A field of a preset that does not fit, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidPreset {
    /// The field's key path inside the preset, such as `folders[1].path`.
    pub field: String,
    pub problem: String,
}

impl Preset {
    /// Checks what the types of the fields cannot.
    pub fn validate(&self) -> Result<(), InvalidPreset> {
        let wrong = |field: &str, problem: &str| InvalidPreset { field: field.into(), problem: problem.into() };
        if self.version == 0 {
            return Err(wrong("version", "starts at 1"));
        }
        for (field, text) in [("label.fr", &self.label.fr), ("label.en", &self.label.en)] {
            if super::remote_folder::check_label(text).is_err() {
                return Err(wrong(field, &super::remote_folder::InvalidLabel.to_string()));
            }
        }
        if !is_host_name(&self.host) {
            return Err(wrong("host", "is a host name or address without port, as in sftp.example.com"));
        }
        for (field, port) in
            [("ports.sftp", self.ports.sftp), ("ports.ftps", self.ports.ftps), ("ports.ftpes", self.ports.ftpes)]
        {
            if port == 0 {
                return Err(wrong(field, "is a port from 1 to 65535"));
            }
        }
        if self.connection_types.is_empty() {
            return Err(wrong("connection_types", "names at least one of \"sftp\", \"ftps\", \"ftpes\""));
        }
        if self.default_connection_types.is_empty()
            || !self.default_connection_types.without(self.connection_types).is_empty()
        {
            let problem = format!("names at least one of connection_types ({}), and no other", self.connection_types);
            return Err(wrong("default_connection_types", &problem));
        }
        if self.credentials.is_empty() {
            return Err(wrong("credentials", "names at least one of \"password\", \"public_key\""));
        }
        for (limit, value) in self.quota.limits() {
            if value.is_some_and(|value| value > LARGEST_LIMIT) {
                return Err(wrong(&format!("quota.{limit}"), &format!("is at most {LARGEST_LIMIT}")));
            }
        }
        self.validate_logins()?;
        if let Err(problem) = self.temporary_names.validate() {
            return Err(wrong("temporary_names", &problem.to_string()));
        }
        let mut paths = HashSet::new();
        for (index, folder) in self.folders.iter().enumerate() {
            if !paths.insert(&folder.path) {
                return Err(wrong(&format!("folders[{index}].path"), "is already another folder's path"));
            }
        }
        Ok(())
    }

    fn validate_logins(&self) -> Result<(), InvalidPreset> {
        let wrong = |field: &str, problem: &str| InvalidPreset { field: field.into(), problem: problem.into() };
        if self.login_prefix.len() > 16 || LoginName::parse(&format!("{}abc", self.login_prefix)).is_err() {
            let problem = "has at most 16 letters, digits or . _ - @, and starts with a letter or a digit";
            return Err(wrong("login_prefix", problem));
        }
        if !self.login_pattern.contains("{random}") {
            return Err(wrong("login_pattern", "holds {random}, so that two logins differ"));
        }
        let longest = self.fill_pattern(&"m".repeat(24), "2345678");
        if !longest.starts_with(&self.login_prefix) {
            return Err(wrong("login_pattern", "starts with {prefix}, as every login of the preset does"));
        }
        match LoginName::parse(&longest) {
            Ok(_) => Ok(()),
            Err(problem) => {
                let problem = format!("makes {longest:?} for the longest instance key: {problem}");
                Err(wrong("login_pattern", &problem))
            }
        }
    }

    fn fill_pattern(&self, instance: &str, random: &str) -> String {
        self.login_pattern
            .replace("{prefix}", &self.login_prefix)
            .replace("{instance}", instance)
            .replace("{random}", random)
    }

    /// A new login by the preset's pattern.
    ///
    /// # Errors
    /// When the pattern makes no login, which [`Preset::validate`] rules out.
    pub fn generate_login(&self, instance: &InstanceKey, random: &dyn Random) -> Result<LoginName, InvalidLoginName> {
        LoginName::parse(&self.fill_pattern(instance.as_str(), &random.text(7, UNAMBIGUOUS)))
    }

    /// What holds over FTP for its accounts that do not say otherwise.
    pub const fn ftp_rules(&self) -> FtpRules {
        FtpRules { close_notify: self.close_notify, tls_resumption: self.tls_resumption }
    }

    /// Whether a login that was given fits the preset.
    pub fn accepts_login(&self, login: &LoginName) -> bool {
        login.folded().starts_with(&self.login_prefix.to_ascii_lowercase())
    }
}

/// Whether `text` can be told to a partner as a host: letters, digits, dots, hyphens (and colons, for IPv6).
pub fn is_host_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && (text.parse::<std::net::IpAddr>().is_ok()
            || text.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::OsRandom;

    pub(crate) fn preset() -> Preset {
        toml::from_str(
            r#"
            version = 1
            host = "sftp.epaye.example"
            connection_types = ["sftp", "ftps"]
            default_connection_types = ["sftp"]
            credentials = ["password", "public_key"]
            login_prefix = "epaye-"
            login_pattern = "{prefix}{instance}-{random}"
            [label]
            fr = "E-paye"
            en = "E-paye"
            [ports]
            sftp = 22
            ftps = 990
            ftpes = 21
            [[folders]]
            name = "Import"
            path = "/import"
            rights = "pick-up"
            "#,
        )
        .unwrap()
    }

    #[test]
    fn a_login_is_made_by_the_pattern() {
        let preset = preset();
        preset.validate().unwrap();
        let login = preset.generate_login(&InstanceKey::parse("acme").unwrap(), &OsRandom).unwrap();
        assert!(login.as_str().starts_with("epaye-acme-"), "{login}");
        assert!(preset.accepts_login(&login));
        assert!(!preset.accepts_login(&LoginName::parse("acme").unwrap()));
    }

    #[test]
    fn each_field_that_does_not_fit_is_named() {
        type Spoil = fn(&mut Preset);
        let cases: [(&str, Spoil); 11] = [
            ("version", |preset| preset.version = 0),
            ("label.fr", |preset| preset.label.fr.clear()),
            ("host", |preset| preset.host = "sftp://x".into()),
            ("ports.ftps", |preset| preset.ports.ftps = 0),
            ("default_connection_types", |preset| preset.default_connection_types = ConnectionTypes::all()),
            ("credentials", |preset| preset.credentials.clear()),
            ("quota.files", |preset| preset.quota.files = Some(LARGEST_LIMIT + 1)),
            ("login_prefix", |preset| preset.login_prefix = "/".into()),
            ("login_pattern", |preset| preset.login_pattern = "{instance}".into()),
            ("temporary_names", |preset| preset.temporary_names = serde_json::from_str(r#"["*"]"#).unwrap()),
            ("folders[1].path", |preset| preset.folders.push(preset.folders[0].clone())),
        ];
        for (field, spoil) in cases {
            let mut preset = preset();
            spoil(&mut preset);
            assert_eq!(preset.validate().unwrap_err().field, field);
        }
    }
}
