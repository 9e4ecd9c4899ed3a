//! `[database]`: where accounts, credentials and the history are kept.

use std::path::PathBuf;

use super::database_url::DatabaseUrl;
use super::reader::{Check, OptionValue, section, within};

section! {
    /// Where accounts, credentials and the history are kept.
    DatabaseSettings {
        /// The database. `sqlite:` and a path, relative to where the gateway is started, made when it is not there; or
        /// `postgres://USER:PASSWORD@HOST/DATABASE`, where several gateways may share one.
        url: DatabaseUrl = "sqlite:./data/gateway.db", a_database();
        /// Connections kept open at a time; PostgreSQL: half of them for writing, half for reading.
        connections: u32 = "8", within(1, 256);
    }
}

impl DatabaseSettings {
    /// The SQLite file; `None` for a database in memory or elsewhere.
    pub fn file(&self) -> Option<PathBuf> {
        let path = self.url.expose().strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(path))
    }
}

impl OptionValue for DatabaseUrl {
    const KIND: &'static str = "a database's URL";
    const EXAMPLE: &'static str = "\"sqlite:./data/gateway.db\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str().map(|url| Self::from(url.to_owned()))
    }

    fn shown(value: &toml::Value) -> String {
        match Self::from_toml(value) {
            Some(url) => format!("{:?}", url.to_string()),
            None => value.to_string(),
        }
    }
}

fn a_database() -> Check<DatabaseUrl> {
    let text = "sqlite: and a path, as in sqlite:./data/gateway.db, or postgres://USER:PASSWORD@HOST/DATABASE";
    Check::new(text, |url: &DatabaseUrl| {
        let url = url.expose();
        url.strip_prefix("sqlite:").is_some_and(|path| !path.trim_start_matches('/').is_empty())
            || ["postgres://", "postgresql://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_database_is_known_whichever_way_its_url_is_written() {
        for (url, file) in [
            ("sqlite:./data/gateway.db", Some("./data/gateway.db")),
            ("sqlite://data/gateway.db", Some("data/gateway.db")),
            ("sqlite:///var/lib/g.db?mode=rwc", Some("/var/lib/g.db")),
            ("sqlite::memory:", None),
            ("postgres://gateway@db/gateway", None),
        ] {
            let settings = DatabaseSettings { url: url.to_owned().into(), connections: 1 };
            assert_eq!(settings.file(), file.map(PathBuf::from), "{url}");
        }
    }
}
