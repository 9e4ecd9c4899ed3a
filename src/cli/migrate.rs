//! `migrate`: brings the database's schema up to date, or says what is missing. `serve` does the first by itself.

use std::fmt::Write;

use super::{CommandError, ConfigFile, output};
use crate::store::{Migration, Store};

/// What `migrate` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Say which steps there are and which are applied; change nothing
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    config: ConfigFile,
}

impl Options {
    pub(super) async fn run(self) -> Result<(), CommandError> {
        let config = self.config.load()?;
        crate::app::make_database_directory(&config)?;
        let store = Store::open(&config.database).await?;
        if !self.list {
            store.migrate().await?;
        }
        let migrations = store.migrations().await;
        store.close().await;
        output::say(&table(&migrations?))
    }
}

fn table(migrations: &[Migration]) -> String {
    let mut text = String::new();
    for Migration { version, description, applied } in migrations {
        let _ = writeln!(text, "{version:>6}  {}  {description}", if *applied { "applied" } else { "missing" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_told_with_its_state() {
        let step = |version, applied| Migration { version, description: "accounts".into(), applied };
        assert_eq!(table(&[step(1, true), step(2, false)]), "     1  applied  accounts\n     2  missing  accounts\n");
    }
}
