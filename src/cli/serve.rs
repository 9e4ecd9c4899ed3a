//! `serve`: the gateway for real.

use super::{CommandError, ConfigFile};
use crate::app::App;
use crate::telemetry::logs;

/// What `serve` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigFile,
}

impl Options {
    pub(super) async fn run(self) -> Result<(), CommandError> {
        let config = self.config.load()?;
        logs::init(&config.log)?;
        let app = Box::pin(App::start(config)).await?;
        Ok(app.run().await?)
    }
}
