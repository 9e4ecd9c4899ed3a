//! `try`: everything on this machine alone, with throw-away data and demo accounts, and the lines to paste.
//!
//! It is the same program as `serve`. What differs: data and keys are in one directory (a temporary one, or `--data`),
//! listeners are on loopback and give way when their usual port is taken, and there are accounts to sign in with.

mod key;
mod lines;
mod listeners;
mod place;
mod probe;
mod provision;
mod report;
mod secrets;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use report::{TryAccount, TryApi, TryEndpoint, TryFolder, TryReport};

use super::{CommandError, output};
use crate::app::{App, Foundations, RunningApp};
use crate::config::Config;
use crate::domain::{Clock, LoginName, OsRandom, PublicKey, Secret, SystemClock, TokenId, VirtualPath};
use crate::management::{NewToken, tokens};
use crate::store::Store;
use crate::telemetry::logs;
use key::DemoKey;
use listeners::{Asked, Wishes};
use place::Place;
use secrets::{Secrets, TokenSecret};

/// `try` does not make whoever pressed Ctrl-C wait for a session that is left open.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// What `try` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Keep the data in this directory, and go on with it at the next start; without it: a temporary one, removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write what is printed as JSON, for programs, when all listeners answer
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A configuration, for all but where data and keys are; variables LUCCA_GATEWAY__SECTION__KEY override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where SFTP listens; without it: 127.0.0.1:2022, or another port when that is taken
    #[arg(long, value_name = "ADDR:PORT")]
    sftp: Option<SocketAddr>,
    /// Where FTPS (implicit TLS) listens; without it: 127.0.0.1:2990, or another port when that is taken
    #[arg(long, value_name = "ADDR:PORT")]
    ftps: Option<SocketAddr>,
    /// Where FTPES (explicit TLS) listens; without it: 127.0.0.1:2121, or another port when that is taken
    #[arg(long, value_name = "ADDR:PORT")]
    ftpes: Option<SocketAddr>,
    /// Where the management API listens; without it: 127.0.0.1:8080, or another port when that is taken
    #[arg(long, value_name = "ADDR:PORT")]
    api: Option<SocketAddr>,
    /// Where health and metrics listen; without it: 127.0.0.1:9090, or another port when that is taken
    #[arg(long, value_name = "ADDR:PORT")]
    internal: Option<SocketAddr>,
    /// An account of your own, the first one told. Others of this machine can see the password in the list of processes
    #[arg(long, value_name = "LOGIN:PASSWORD")]
    account: Option<AccountGiven>,
    /// The public key that the accounts take; without it: a key made for them
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// The path of the first account's folder; without it: /inbox
    #[arg(long, value_name = "PATH")]
    folder: Option<VirtualPath>,
}

/// `LOGIN:PASSWORD`.
#[derive(Debug, Clone)]
struct AccountGiven {
    login: LoginName,
    password: Secret<String>,
}

impl FromStr for AccountGiven {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (login, password) = text.split_once(':').ok_or("write LOGIN:PASSWORD, with a colon between")?;
        if password.is_empty() {
            return Err("the password is empty".to_owned());
        }
        let login = LoginName::parse(login).map_err(|error| error.to_string())?;
        Ok(Self { login, password: Secret::new(password.to_owned()) })
    }
}

impl Options {
    pub(super) async fn run(self, foundations: Foundations) -> Result<(), CommandError> {
        let place = Place::choose(self.data.as_deref(), &OsRandom)?;
        let config = self.configuration(place.path())?;
        logs::init(&config.log)?;
        let app = tokio::select! {
            app = Box::pin(self.start(config, place.path(), foundations)) => app?,
            // Until the gateway takes signals itself: without this the temporary directory would stay.
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        Ok(app.run().await?)
    }

    /// The configuration as given, kept in one place and on loopback.
    fn configuration(&self, place: &Path) -> Result<Config, CommandError> {
        let mut config = Config::load(self.config.as_deref())?;
        // A database that is elsewhere is meant; a file would be someone's real one.
        let elsewhere = config.database.file().is_none().then(|| config.database.url.clone());
        config.keep_in(place);
        if let Some(url) = elsewhere {
            config.database.url = url;
        }
        // `--account demo:demo` is all right on loopback, for an hour.
        config.passwords.shortest = 0;
        config.shutdown = config.shutdown.min(SHUTDOWN);
        Ok(config)
    }

    async fn start(
        &self,
        mut config: Config,
        place: &Path,
        foundations: Foundations,
    ) -> Result<RunningApp, CommandError> {
        let tls_ca = demo_authority(&mut config, place)?;
        let key = self.key(place)?;
        let bound = Wishes::of(&config, self.asked()).bind()?;
        let presets = config.presets.clone();
        let tls = config.api.tls.is_some();
        let app = App::open_with(config, bound, foundations).await?;

        let mut secrets = Secrets::load(place)?;
        let token = token(app.store(), &mut secrets).await?;
        let wanted = provision::accounts(&presets, self.account.as_ref(), self.folder.as_ref(), &key.public);
        let accounts = provision::provision(app.management(), wanted, &mut secrets).await?;
        secrets.save(place)?;
        // Not before there is someone to serve: a script that waits for the port would be told that its login is wrong.
        let app = app.serve();
        let report = TryReport::new(&app, tls, tls_ca, token, &accounts, key.private.as_deref());
        let files = lines::Files::write(place, &app)?;
        probe::all(&app).await?;
        output::say(&lines::text(&report, &files, app.internal_address(), self.data.is_none()))?;
        if let Some(path) = &self.json {
            report.write(path)?;
        }
        Ok(app)
    }

    fn asked(&self) -> Asked {
        Asked { sftp: self.sftp, ftps: self.ftps, ftpes: self.ftpes, api: self.api, internal: self.internal }
    }

    /// The key that was given, or the one made for the demo accounts.
    fn key(&self, place: &Path) -> Result<DemoKey, CommandError> {
        let Some(path) = &self.public_key else { return DemoKey::load_or_create(place, &OsRandom) };
        let file = |source| CommandError::File { path: path.clone(), source };
        let text = std::fs::read_to_string(path).map_err(file)?;
        let public = PublicKey::parse(&text)
            .map_err(|problem| CommandError::Refused(format!("--public-key {}: {problem}", path.display())))?;
        // The usual neighbour: id_ed25519 beside id_ed25519.pub.
        let private = path.extension().filter(|end| *end == "pub").map(|_| path.with_extension(""));
        let private = private.filter(|private| private.is_file());
        Ok(DemoKey { public, private: private.map(|path| std::path::absolute(&path).unwrap_or(path)) })
    }
}

/// A certificate that clients can verify, unless one is configured; the authority to trust.
fn demo_authority(config: &mut Config, place: &Path) -> Result<Option<PathBuf>, CommandError> {
    if config.ftp.certificate.is_some() {
        return Ok(None);
    }
    let hosts = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = crate::net::certificates::demo_ca(place, &hosts, SystemClock.now())
        .map_err(|problem| CommandError::Refused(problem.to_string()))?;
    config.ftp.certificate = Some(made.files);
    Ok(Some(made.authority))
}

/// A token of the API: the one of the start before, if it is still there.
async fn token(store: &Store, secrets: &mut Secrets) -> Result<String, CommandError> {
    let known = tokens::list(store).await?;
    if let Some(kept) = &secrets.token {
        let id = kept.id.parse::<TokenId>().ok();
        if known.iter().any(|token| Some(token.id) == id) {
            return Ok(kept.token.clone());
        }
    }
    let (token, secret) = tokens::create(store, &NewToken::named("try"), &SystemClock, &OsRandom).await?;
    let secret = secret.expose().to_owned();
    secrets.token = Some(TokenSecret { id: token.id.to_string(), token: secret.clone() });
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_hold_colons() {
        let given: AccountGiven = "bench:a:b".parse().unwrap();
        assert_eq!((given.login.as_str(), given.password.expose().as_str()), ("bench", "a:b"));
        assert!(!format!("{given:?}").contains("a:b"));
    }

    #[test]
    fn what_is_no_account_is_refused() {
        for text in ["bench", "bench:", ":secret", "a b:secret"] {
            assert!(text.parse::<AccountGiven>().is_err(), "{text}");
        }
    }
}
