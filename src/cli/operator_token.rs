//! `operator token`: who may use the management API. Works on the database alone, so that the first token can be made
//! before anything runs, and another while the gateway runs.

use std::fmt::Write;

use super::{CommandError, ConfigFile, output};
use crate::domain::{InstanceId, InstanceKey, OsRandom, SystemClock, Timestamp, TokenId, TokenScope};
use crate::management::{NewToken, Operator, tokens};
use crate::store::{Store, Token};

/// What `operator` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Manage tokens of the management API
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Debug, clap::Subcommand)]
enum TokenCommand {
    /// Make a token and print it, this once
    Create {
        /// Who or what will use it
        #[arg(long)]
        name: String,
        /// The key of the one instance that it shall see; without it: all
        #[arg(long, value_name = "KEY")]
        instance: Option<InstanceKey>,
        /// Let it read alone, and change nothing
        #[arg(long)]
        read_only: bool,
        /// When it ends (RFC 3339, such as 2030-01-01T00:00:00Z); without it: when it is revoked
        #[arg(long)]
        expires: Option<TimestampArgument>,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List all tokens, without their secrets
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// End a token
    Revoke {
        /// The token's id, as `list` shows it
        id: TokenId,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// An instant of the command line.
#[derive(Debug, Clone, Copy)]
struct TimestampArgument(Timestamp);

impl std::str::FromStr for TimestampArgument {
    type Err = crate::domain::clock::InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Timestamp::parse(text).map(Self)
    }
}

impl Options {
    pub(super) async fn run(self) -> Result<(), CommandError> {
        let Command::Token(command) = self.command;
        let operator = Operator::at_the_command_line();
        match command {
            TokenCommand::Create { name, instance, read_only, expires, config } => {
                let store = open(&config).await?;
                let scope = match instance_of(&store, instance.as_ref()).await {
                    Ok(instance) => TokenScope { instance, read_only },
                    Err(problem) => {
                        store.close().await;
                        return Err(problem);
                    }
                };
                let new = NewToken { name, scope, expires_at: expires.map(|expires| expires.0) };
                let made = tokens::create(&store, &operator, &new, &SystemClock, &OsRandom).await;
                store.close().await;
                let (token, secret) = made?;
                output::say(&format!("{}\n", secret.expose()))?;
                // Apart from the secret, so that `TOKEN=$(lucca-gateway operator token create …)` holds the secret alone.
                note(&format!("token {} ({}); it is not shown again", token.id, token.name));
                Ok(())
            }
            TokenCommand::List { config } => {
                let store = open(&config).await?;
                let listed = tokens::list(&store).await;
                store.close().await;
                output::say(&table(&listed?))
            }
            TokenCommand::Revoke { id, config } => {
                let store = open(&config).await?;
                let revoked = tokens::revoke(&store, &operator, id, &SystemClock, &OsRandom).await;
                store.close().await;
                if revoked? {
                    output::say(&format!("revoked {id}\n"))
                } else {
                    let list = "lucca-gateway operator token list";
                    Err(CommandError::Refused(format!("there is no token {id}: see {list}")))
                }
            }
        }
    }
}

/// The instance with this key. A mistyped one must not make a token that sees all.
async fn instance_of(store: &Store, key: Option<&InstanceKey>) -> Result<Option<InstanceId>, CommandError> {
    let Some(key) = key else { return Ok(None) };
    match store.read().await?.instances().find_by_key(key).await? {
        Some(instance) => Ok(Some(instance.id)),
        None => Err(CommandError::Refused(format!("there is no instance with the key {key}"))),
    }
}

async fn open(config: &ConfigFile) -> Result<Store, CommandError> {
    let config = config.load()?;
    crate::app::make_database_directory(&config)?;
    let store = Store::open(&config.database).await?;
    store.migrate().await?;
    Ok(store)
}

#[expect(clippy::print_stderr, reason = "what is for the person beside the program that reads standard output")]
fn note(text: &str) {
    eprintln!("{text}");
}

fn table(tokens: &[Token]) -> String {
    let instant = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let mut text = String::new();
    for token in tokens {
        let (expires, used) = (instant(token.expires_at), instant(token.last_used_at));
        let reach = token.scope.instance.map_or_else(|| "all instances".to_owned(), |id| format!("instance {id}"));
        let rights = if token.scope.read_only { "reads" } else { "reads and changes" };
        let (id, name, made) = (token.id, &token.name, token.created_at);
        let _ = writeln!(text, "{id}  {name}  {rights} {reach}  made {made}  ends {expires}  used {used}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_token_shows_its_dates_and_not_its_hash() {
        let token = Token {
            id: TokenId::new(Timestamp::EPOCH, &OsRandom),
            name: "deploy".into(),
            hash: "c0ffee".into(),
            scope: TokenScope { instance: None, read_only: true },
            created_at: Timestamp::EPOCH,
            expires_at: Some(Timestamp::from_seconds(86400)),
            last_used_at: None,
        };
        let text = table(&[token]);
        assert!(
            text.contains("deploy") && text.contains("ends 1970-01-02T00:00:00Z") && text.contains("used never"),
            "{text}"
        );
        assert!(text.contains("reads all instances"), "{text}");
        assert!(!text.contains("c0ffee"));
    }
}
