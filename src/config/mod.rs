//! The configuration: one section, one struct, one file; every option documented, defaulted and checked.
//!
//! [`Config::load`] reads the TOML file and the overrides of the environment, and either yields a configuration that is
//! right as a whole, or tells everything that is wrong with it, each fault with where it stands and what would be right.
//! [`reference()`] tells all options.

mod access;
mod api;
mod database;
mod database_url;
mod duration;
mod environment;
mod error;
mod ftp;
mod history;
mod internal;
mod log;
mod passwords;
mod presets;
mod reader;
mod reference;
mod sessions;
mod sftp;
mod storage;
mod webhooks;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use access::AccessSettings;
pub use api::{ApiSettings, TlsFiles};
pub use database::DatabaseSettings;
pub use database_url::DatabaseUrl;
pub use environment::temporary_directory;
pub use error::{ConfigError, Problem};
pub use ftp::{AdvertisedAddress, FtpCertificate, FtpListener, FtpMode, FtpSettings, HostNames, Network, PassivePorts};
pub use history::HistorySettings;
pub use internal::InternalSettings;
pub use log::LogSettings;
pub use passwords::PasswordSettings;
pub use reference::reference;
pub use sessions::SessionSettings;
pub use sftp::{SftpListener, SftpSettings};
pub use storage::StorageSettings;
pub use webhooks::{Networks, WebhookSettings};

use crate::domain::{Preset, PresetName};
use environment::Override;
use reader::{Findings, Reader, lasting, some_path};

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where host keys (and, later, other keys and certificates of the gateway's own) are kept.
    pub certs_dir: PathBuf,
    /// How long sessions may finish what they do when the gateway stops.
    pub shutdown: Duration,
    pub database: DatabaseSettings,
    pub storage: StorageSettings,
    pub passwords: PasswordSettings,
    pub access: AccessSettings,
    pub sessions: SessionSettings,
    pub sftp: SftpSettings,
    pub ftp: FtpSettings,
    pub api: ApiSettings,
    pub internal: InternalSettings,
    pub history: HistorySettings,
    pub webhooks: WebhookSettings,
    pub log: LogSettings,
    /// The built-in presets, with what the configuration changes of them, and those it adds.
    pub presets: BTreeMap<PresetName, Preset>,
}

impl Config {
    /// Reads the file, if there is one, and the overrides of the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let overrides = environment::overrides();
        let Some(path) = file else {
            return Self::from_table(toml::Table::new(), "", &overrides);
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::from_text(&text, &path.display().to_string(), &overrides)
    }

    /// A gateway that nobody else can reach and that leaves nothing outside `directory`: for tests and `try`. The kernel
    /// chooses the ports.
    pub fn on_loopback(directory: &Path) -> Self {
        let mut config = Self::default();
        config.keep_in(directory);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config.sftp.listeners = vec![SftpListener { address, preset: None }];
        config.ftp.listeners = [FtpMode::Ftps, FtpMode::Ftpes]
            .map(|mode| FtpListener { address, mode, preset: None, require_resumption: false, active: false })
            .to_vec();
        config.api.address = address;
        config.internal.address = address;
        config
    }

    /// Puts everything that is kept under one directory.
    pub fn keep_in(&mut self, directory: &Path) {
        self.certs_dir = directory.join("certs");
        self.database.url = format!("sqlite:{}", directory.join("gateway.db").display()).into();
        self.storage.directory = directory.join("files");
    }

    fn from_text(text: &str, origin: &str, overrides: &[Override]) -> Result<Self, ConfigError> {
        match text.parse() {
            Ok(table) => Self::from_table(table, origin, overrides),
            Err(problem) => Err(ConfigError::Syntax { origin: origin.to_owned(), problem: problem.to_string() }),
        }
    }

    /// `origin` is the file that `table` is from.
    fn from_table(mut table: toml::Table, origin: &str, overrides: &[Override]) -> Result<Self, ConfigError> {
        let mut findings = Findings::default();
        for variable in overrides {
            if let Err(message) = apply(&mut table, variable) {
                findings.problems.push((variable.key.join("."), message));
            }
        }
        let mut reader = Reader::new("", table, &mut findings);
        let config = Self::read(&mut reader);
        reader.finish();
        match config {
            Some(config) if findings.problems.is_empty() => Ok(config),
            _ => Err(ConfigError::Wrong(
                findings
                    .problems
                    .into_iter()
                    .map(|(key, message)| Problem { origin: origin_of(&key, origin, overrides), key, message })
                    .collect(),
            )),
        }
    }

    /// Every section is read before the first that failed is let go, so that every fault is told.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let certs_dir = reader.option(
            "certs_dir",
            "./certs",
            "The directory of the SSH host keys and of the master key for secrets in the database, made on first start and \
             never replaced. Keep a copy of it.",
            &some_path(),
        );
        let shutdown = reader.option(
            "shutdown",
            "30s",
            "How long sessions may finish what they do when the gateway stops; then they are ended.",
            &lasting("0s", "1h"),
        );
        let database = reader.section("database");
        let storage = reader.section("storage");
        let passwords = reader.checked_section("passwords", passwords::read);
        let access = reader.section("access");
        let sessions = reader.section("sessions");
        let sftp = reader.section::<SftpSettings>("sftp");
        let ftp = reader.section::<FtpSettings>("ftp");
        let api = reader.checked_section("api", api::read);
        let internal = reader.section::<InternalSettings>("internal");
        let history = reader.section("history");
        let webhooks = reader.section("webhooks");
        let log = reader.section("log");
        let presets = presets::read(reader);
        if let Some(presets) = &presets {
            check_bound_presets(reader, sftp.as_ref(), ftp.as_ref(), presets);
        }
        check_ports(reader, sftp.as_ref(), ftp.as_ref(), api.as_ref(), internal.as_ref());
        Some(Self {
            certs_dir: certs_dir?,
            shutdown: shutdown?,
            database: database?,
            storage: storage?,
            passwords: passwords?,
            access: access?,
            sessions: sessions?,
            sftp: sftp?,
            ftp: ftp?,
            api: api?,
            internal: internal?,
            history: history?,
            webhooks: webhooks?,
            log: log?,
            presets: presets?,
        })
    }
}

impl Default for Config {
    /// Every option at its default, whatever the environment says.
    fn default() -> Self {
        Self::from_table(toml::Table::new(), "", &[]).expect("every option's default is allowed: a test reads them")
    }
}

/// Sets what a variable of the environment overrides.
fn apply(table: &mut toml::Table, variable: &Override) -> Result<(), String> {
    let Some(text) = &variable.text else { return Err("holds bytes that are no UTF-8".to_owned()) };
    let Some((last, sections)) = variable.key.split_last().filter(|_| variable.key.iter().all(|key| !key.is_empty()))
    else {
        return Err(format!("names no option: write it as in {}SFTP__KEEPALIVE", environment::PREFIX));
    };
    let mut table = table;
    for section in sections {
        let value = table.entry(section.clone()).or_insert_with(|| toml::Table::new().into());
        table = value.as_table_mut().ok_or_else(|| format!("{section} is not a section in the file"))?;
    }
    table.insert(last.clone(), environment::loose_value(text));
    Ok(())
}

/// Who says what is at `key`: the variable that set it or what holds it or, of an unknown section, something in it; else
/// the file.
fn origin_of(key: &str, file: &str, overrides: &[Override]) -> Option<String> {
    let holds = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let path = |variable: &Override| variable.key.join(".");
    let sets = overrides.iter().find(|variable| holds(&path(variable), key));
    let variable = sets.or_else(|| overrides.iter().find(|variable| holds(key, &path(variable))));
    variable.map(|variable| variable.variable.clone()).or_else(|| (!file.is_empty()).then(|| file.to_owned()))
}

/// A listener that is bound to a preset which is not there would let nobody in.
fn check_bound_presets(
    reader: &mut Reader<'_>,
    sftp: Option<&SftpSettings>,
    ftp: Option<&FtpSettings>,
    presets: &BTreeMap<PresetName, Preset>,
) {
    let sftp = sftp.map_or(&[][..], |sftp| &sftp.listeners).iter().map(|listener| &listener.preset);
    let ftp = ftp.map_or(&[][..], |ftp| &ftp.listeners).iter().map(|listener| &listener.preset);
    let bound = sftp.enumerate().map(|(index, preset)| (format!("sftp.listeners[{index}].preset"), preset));
    let bound = bound.chain(ftp.enumerate().map(|(index, preset)| (format!("ftp.listeners[{index}].preset"), preset)));
    for (key, preset) in bound {
        if let Some(preset) = preset.as_ref().filter(|preset| !presets.contains_key(*preset)) {
            let known: Vec<&str> = presets.keys().map(PresetName::as_str).collect();
            reader.problem(&key, format!("there is no preset {preset}: use one of {}", known.join(", ")));
        }
    }
}

/// Two listeners cannot have one port of one address. Port 0 is another one each time.
fn check_ports(
    reader: &mut Reader<'_>,
    sftp: Option<&SftpSettings>,
    ftp: Option<&FtpSettings>,
    api: Option<&ApiSettings>,
    internal: Option<&InternalSettings>,
) {
    let listeners = sftp.map_or(&[][..], |sftp| &sftp.listeners);
    let mut taken: Vec<(String, SocketAddr)> = listeners
        .iter()
        .enumerate()
        .map(|(index, listener)| (format!("sftp.listeners[{index}].address"), listener.address))
        .collect();
    let ftp_listeners = ftp.map_or(&[][..], |ftp| &ftp.listeners);
    taken.extend(
        ftp_listeners
            .iter()
            .enumerate()
            .map(|(index, listener)| (format!("ftp.listeners[{index}].address"), listener.address)),
    );
    taken.extend(api.map(|api| ("api.address".to_owned(), api.address)));
    taken.extend(internal.map(|internal| ("internal.address".to_owned(), internal.address)));
    if let Some(ftp) = ftp {
        ftp::check_passive_ports(reader, ftp, &taken);
    }
    for (index, (key, address)) in taken.iter().enumerate() {
        if let Some((other, at)) = taken[..index].iter().find(|(_, other)| share_a_port(*address, *other)) {
            reader.problem(key, format!("{address} is already taken by {other} ({at}): give each its own port"));
        }
    }
}

fn share_a_port(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() != 0 && one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}

#[cfg(test)]
mod tests;
