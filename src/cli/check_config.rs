//! `check-config`: whether a configuration is right, and what it comes to.

use std::fmt::Write;

use super::{CommandError, ConfigFile, output};
use crate::config::Config;

/// What `check-config` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigFile,
}

impl Options {
    pub(super) fn run(self) -> Result<(), CommandError> {
        output::say(&summary(&self.config.load()?))
    }
}

fn summary(config: &Config) -> String {
    let mut text = "ok\n".to_owned();
    for listener in &config.sftp.listeners {
        let bound =
            listener.preset.as_ref().map_or_else(|| "every preset".to_owned(), |preset| format!("preset {preset}"));
        let _ = writeln!(text, "sftp      {} ({bound})", listener.address);
    }
    let tls = if config.api.tls.is_some() { "TLS" } else { "clear text" };
    let _ = writeln!(text, "api       {} ({tls})", config.api.address);
    let _ = writeln!(text, "internal  {}", config.internal.address);
    let _ = writeln!(text, "database  {}", config.database.url);
    let _ = writeln!(text, "files     {}", config.storage.directory.display());
    let _ = writeln!(text, "keys      {}", config.certs_dir.display());
    for (name, preset) in &config.presets {
        let neutral = if preset.neutral { ", starting values to be filled in" } else { "" };
        let _ = writeln!(text, "preset    {name} version {} on {}{neutral}", preset.version, preset.host);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_ok_and_what_the_configuration_comes_to() {
        let text = summary(&Config::default());
        assert!(text.starts_with("ok\n"), "{text}");
        for part in
            ["sftp      0.0.0.0:2022 (every preset)", "127.0.0.1:8080 (clear text)", "epaye version 1", "to be filled"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
