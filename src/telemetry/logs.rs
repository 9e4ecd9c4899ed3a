//! The log: sentences with fields, to standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::LogSettings;

/// Why the log does not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("log.level: {0:?} is not a level")]
    Level(String),
    #[error("the log was started already: {0}")]
    AlreadyStarted(#[from] TryInitError),
}

/// Starts the log of this process. Once.
pub fn init(settings: &LogSettings) -> Result<(), LogError> {
    let filter = filter(settings)?;
    let layer = if settings.json {
        fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
    } else {
        fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).boxed()
    };
    Ok(tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()?)
}

fn filter(settings: &LogSettings) -> Result<Targets, LogError> {
    let filter: Targets = settings.level.parse().map_err(|_| LogError::Level(settings.level.clone()))?;
    if filter.iter().any(|(target, _)| target.starts_with("rustls")) {
        return Ok(filter);
    }
    // It warns of every connection of clients that say an address where a host's name belongs, as lftp does: twice a file.
    let level = filter.default_level().unwrap_or(LevelFilter::OFF).min(LevelFilter::ERROR);
    Ok(filter.with_target("rustls", level))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_the_configuration_allows_is_a_filter() {
        for level in ["info", "off", "warn,lucca_gateway::sftp=debug", "info, russh=warn"] {
            assert!(filter(&LogSettings { level: level.into(), json: false }).is_ok(), "{level}");
        }
        assert!(filter(&LogSettings { level: "info=loud".into(), json: false }).is_err());
    }

    #[test]
    fn rustls_says_errors_alone_unless_it_is_named() {
        let enables = |level: &str| {
            let filter = filter(&LogSettings { level: level.into(), json: false }).unwrap();
            [Level::ERROR, Level::WARN].map(|level| filter.would_enable("rustls::msgs::handshake", &level))
        };
        assert_eq!(enables("info"), [true, false]);
        assert_eq!(enables("off"), [false, false]);
        assert_eq!(enables("info,rustls=warn"), [true, true]);
    }

    #[test]
    fn a_part_of_the_program_can_say_more_than_the_rest() {
        let filter = filter(&LogSettings { level: "warn,lucca_gateway::sftp=debug".into(), json: false }).unwrap();
        assert!(filter.would_enable("lucca_gateway::sftp::server", &Level::DEBUG));
        assert!(!filter.would_enable("lucca_gateway::http", &Level::INFO));
    }
}
