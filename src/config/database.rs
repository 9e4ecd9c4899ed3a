//! `[database]`: where accounts, credentials and the history are kept.

use std::path::PathBuf;

use super::reader::{Check, section, within};

section! {
    /// Where accounts, credentials and the history are kept.
    DatabaseSettings {
        /// The database. `sqlite:` and a path, relative to where the gateway is started; made when it is not there.
        url: String = "sqlite:./data/gateway.db", a_sqlite_file();
        /// Connections kept open at a time.
        connections: u32 = "8", within(1, 256);
    }
}

impl DatabaseSettings {
    /// The SQLite file; `None` for a database in memory.
    pub fn file(&self) -> Option<PathBuf> {
        let path = self.url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(path))
    }
}

fn a_sqlite_file() -> Check<String> {
    Check::new("sqlite: and a path, as in sqlite:./data/gateway.db", |url: &String| {
        url.strip_prefix("sqlite:").is_some_and(|path| !path.trim_start_matches('/').is_empty())
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
        ] {
            let settings = DatabaseSettings { url: url.into(), connections: 1 };
            assert_eq!(settings.file(), file.map(PathBuf::from), "{url}");
        }
    }
}
