//! The command line, one command per file. What is for people or for other programs goes to standard output; the log and
//! errors go to standard error.

mod check_config;
mod config_reference;
mod error;
mod migrate;
mod openapi;
mod operator_token;
mod output;
mod serve;
mod try_out;

use std::future::Future;
use std::num::NonZero;
use std::time::Duration;

pub use error::{CommandError, report};

use crate::app::Foundations;
pub use try_out::{TryAccount, TryApi, TryEndpoint, TryFolder, TryReport};

/// How long blocking work (a hash, a sync) may go on once the command is done.
const LAST_WORK: Duration = Duration::from_secs(2);

/// Hosted file exchange between an HR suite and its customers' payroll software.
#[derive(Debug, clap::Parser)]
#[command(name = "lucca-gateway", version, about, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Start everything on this machine alone with throw-away data and demo accounts, and say how to use it
    Try(Box<try_out::Options>),
    /// Run the gateway
    Serve(serve::Options),
    /// Check a configuration without starting
    CheckConfig(check_config::Options),
    /// Bring the database's schema up to date
    Migrate(migrate::Options),
    /// Manage operators of the management API
    Operator(operator_token::Options),
    /// Print the OpenAPI document of the management API
    Openapi,
    /// Print the reference of all configuration options, as Markdown
    ConfigReference,
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration, in TOML; variables LUCCA_GATEWAY__SECTION__KEY override it. Without it: the defaults
    #[arg(long = "config", value_name = "FILE")]
    path: Option<std::path::PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> Result<crate::config::Config, CommandError> {
        Ok(crate::config::Config::load(self.path.as_deref())?)
    }
}

impl Cli {
    /// Runs the command to its end.
    pub fn run(self) -> Result<(), CommandError> {
        self.run_on(Foundations::default())
    }

    /// As [`Self::run`], with `try` on foundations of the caller's own: for benchmarks.
    #[doc(hidden)]
    pub fn run_on(self, foundations: Foundations) -> Result<(), CommandError> {
        match self.command {
            Command::Try(options) => in_runtime(options.run(foundations)),
            Command::Serve(options) => in_runtime(options.run()),
            Command::CheckConfig(options) => options.run(),
            Command::Migrate(options) => in_runtime(options.run()),
            Command::Operator(options) => in_runtime(options.run()),
            Command::Openapi => openapi::run(),
            Command::ConfigReference => config_reference::run(),
        }
    }
}

fn in_runtime(command: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    // One more than there are processors: small disk work in place may use as many as those (`vfs::Pace`).
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get) + 1;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(CommandError::Runtime)?;
    let outcome = runtime.block_on(Box::pin(command));
    // Dropping the runtime would wait for blocking work without a bound.
    runtime.shutdown_timeout(LAST_WORK);
    outcome
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_commands_are_those_of_the_documents() {
        for line in [
            "try --json out.json --data d --config c.toml --sftp 127.0.0.1:0 --api 127.0.0.1:0 --internal 127.0.0.1:0",
            "try --account bench:secret --public-key k.pub --folder /bench",
            "serve",
            "serve --config c.toml",
            "check-config --config c.toml",
            "migrate --list --config c.toml",
            "operator token create --name deploy --expires 2030-01-01T00:00:00Z",
            "operator token create --name dashboard --instance acme --read-only",
            "operator token list",
            "operator token revoke 01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e",
            "openapi",
            "config-reference",
        ] {
            let words = std::iter::once("lucca-gateway").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_refused_with_code_2() {
        for line in [
            "",
            "sing",
            "try --sftp 2022",
            "try --account nopassword",
            "try --account no/login:secret",
            "try --folder inbox",
            "operator token create",
            "operator token create --name x --expires tomorrow",
            "operator token create --name x --instance NoKey",
            "operator token revoke 7",
        ] {
            let words = std::iter::once("lucca-gateway").chain(line.split(' ').filter(|word| !word.is_empty()));
            let error = Cli::try_parse_from(words).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
