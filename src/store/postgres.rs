//! What is peculiar to PostgreSQL: its URL and what the operator is told when nothing answers there, what each
//! connection is told, how a transaction begins, how units wait for their turn, and which of its refusals may pass.
//!
//! Units run beside each other, as many as there are connections for writing. A unit that only writes waits for nobody
//! but who writes the same row; one that reads decides by it, and takes its turn first
//! ([`Turn::Deciding`](super::connection::Turn)), so that what it read is still so when it writes. Turns are advisory
//! locks: they hold over all programs on one database, and go with the transaction however it ends.

use std::sync::LazyLock;
use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgDatabaseError;
use sqlx::{AnyConnection, Connection as _, Row as _};
use tokio::time::timeout;

use super::StoreError;
use super::connection::Turn;
use super::engine::{Pools, usable};
use crate::config::DatabaseSettings;

/// The schema's steps. sqlx's own lock belongs to the connection and would outlive a run that fails; [`LOCK_SCHEMA`]
/// goes with the transaction.
pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("migrations/postgres");
    migrations.set_locking(false);
    migrations
});

/// Said in full, because a role or a database may have other defaults. On a standby this fails at once.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Of programs that start at once one migrates and the others wait for its end. A step may take long.
pub(super) const LOCK_SCHEMA: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; \
                                      SET LOCAL idle_in_transaction_session_timeout = 0; \
                                      SELECT pg_advisory_xact_lock(1819632483, 0)";

/// Our first key among the database's advisory locks: "lucc".
const LOCKS: i32 = 1_819_632_483;

/// With `synchronous_commit` each commit is on the disk when it returns, whatever the server's default (`remote_apply`
/// promises even more, and stays). The timeouts are the server's own, so that what this program gave up ends there as
/// well: a lock is waited for as long as a connection, and a transaction that nobody continues lets go of its turn.
const WRITER: &str = "SELECT set_config('synchronous_commit', 'on', false) \
                      WHERE current_setting('synchronous_commit') <> 'remote_apply'; \
                      SET statement_timeout = '20s'; SET lock_timeout = '10s'; \
                      SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = 'warning'";

/// Readers cannot write: it would evade the turns.
const READER: &str = "SET default_transaction_read_only = on; SET statement_timeout = '20s'; SET lock_timeout = '10s'; \
                      SET client_min_messages = 'warning'";

/// How long the first connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that did nothing for so long may have been cut by what lies between (a firewall, a fail-over).
const DOUBTFUL_AFTER: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// What the URL may say; anything else is a slip of the pen that would quietly do nothing.
const PARAMETERS: [&str; 14] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "ssl-mode",
];

/// Connects once, to tell the operator what is wrong while it is being read, and says how to connect from then on.
///
/// Half of the connections write and half read: neither can starve the other.
pub(super) async fn open(settings: &DatabaseSettings, queue_timeout: Duration) -> Result<Pools, StoreError> {
    let failed = |problem: String| StoreError::Opening { url: settings.url.to_string(), problem };
    let options = options(settings.url.expose()).map_err(failed)?;
    match timeout(CONNECT_TIMEOUT, check(&options)).await {
        Ok(outcome) => outcome.map_err(failed)?,
        Err(_) => return Err(failed(format!("no answer within {} seconds", CONNECT_TIMEOUT.as_secs()))),
    }
    let writers = settings.connections.div_ceil(2).max(1);
    let readers = settings.connections.saturating_sub(writers).max(1);
    let pool = |size: u32, greeting: &'static str| {
        AnyPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(queue_timeout)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                async move { sqlx::raw_sql(greeting).execute(connection).await.map(drop) }.boxed()
            })
            .before_acquire(|connection, about| {
                async move { Ok(about.idle_for < DOUBTFUL_AFTER || answers(connection).await) }.boxed()
            })
            .after_release(|connection, _| usable(connection).boxed())
            .connect_lazy_with(options.clone())
    };
    Ok(Pools { readers: pool(readers, READER), writers: pool(writers, WRITER) })
}

/// Waits for a turn; it ends with the transaction. What is read from then on is what the one before committed.
pub(super) async fn take_turn(connection: &mut AnyConnection, turn: Turn) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1 FROM pg_advisory_xact_lock($1, $2)")
        .bind(LOCKS)
        .bind(turn as i32)
        .execute(connection)
        .await
        .map(drop)
}

/// Whether a refusal is one that passes (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
pub(super) fn may_pass(refusal: &PgDatabaseError) -> bool {
    passes(refusal.code())
}

fn passes(code: &str) -> bool {
    // Two units wanted what the other had; a lock was waited for too long; the statement took too long.
    let waited = matches!(code, "40001" | "40P01" | "55P03" | "57014");
    // The server ends, has crashed, starts, or lost the database; it ended a transaction that idled.
    let ended = matches!(code, "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03");
    // No connection (08), no memory, disk or room for one more connection (53), a failing disk (58).
    waited || ended || ["08", "53", "58"].iter().any(|class| code.starts_with(class))
}

fn options(url: &str) -> Result<AnyConnectOptions, String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut names = query.split('&').filter(|part| !part.is_empty()).map(|part| part.split('=').next().unwrap_or(part));
    let known = |name: &str| PARAMETERS.contains(&name) || name.starts_with("options[");
    if names.clone().any(|name| !known(name)) {
        return Err(format!("its parameters may be {} and options[…], spelt like this", PARAMETERS[..13].join(", ")));
    }
    let url = if names.any(|name| name == "application_name") {
        url.to_owned()
    } else {
        format!("{url}{}application_name=lucca-gateway", if url.contains('?') { '&' } else { '?' })
    };
    // What cannot be read is not repeated: it may be the password.
    url.parse().map_err(|_| {
        String::from("use postgres://USER:PASSWORD@HOST:PORT/DATABASE; write % / @ : ? # in a password as %25 %2F %40 %3A %3F %23")
    })
}

/// Whether there is a database that can be used, or what is wrong and what helps.
async fn check(options: &AnyConnectOptions) -> Result<(), String> {
    let mut connection = AnyConnection::connect_with(options).await.map_err(|error| explain(&error))?;
    let row = sqlx::query("SELECT current_setting('server_encoding'), current_setting('fsync')")
        .fetch_one(&mut connection)
        .await
        .map_err(|error| error.to_string())?;
    let setting = |index: usize| row.try_get::<String, _>(index).map_err(|error| error.to_string());
    let encoding = setting(0)?;
    if encoding != "UTF8" {
        return Err(format!("its encoding is {encoding}: make it anew with CREATE DATABASE … ENCODING 'UTF8'"));
    }
    if setting(1)? == "off" {
        tracing::warn!(
            "The database server runs with fsync = off: what it acknowledged is lost with its machine's power"
        );
    }
    // That it ends impolitely is no fault of the database.
    let _ = connection.close().await;
    Ok(())
}

const TLS_ADVICE: &str =
    "check sslmode, the host's name, and sslrootcert where the certificate is by an authority of your own";

fn explain(error: &sqlx::Error) -> String {
    let advice = match error {
        sqlx::Error::Database(refusal) => match refusal.code().as_deref() {
            Some("28P01" | "28000") => "check user, password and the server's pg_hba.conf",
            Some("3D000") => "create it: CREATE DATABASE … ENCODING 'UTF8' OWNER …",
            Some("42501") => "grant CONNECT on the database to the user",
            Some("53300") => "raise the server's max_connections, or lower database.connections",
            Some("57P03") => "it is starting or ending: try again",
            _ => "see the server's log",
        },
        // A certificate that is refused is told as data that cannot be right.
        sqlx::Error::Io(problem) if problem.kind() == std::io::ErrorKind::InvalidData => TLS_ADVICE,
        sqlx::Error::Io(problem) if problem.kind() == std::io::ErrorKind::NotFound => {
            "is the server running there, does it listen on that socket, and is the file of sslrootcert there?"
        }
        sqlx::Error::Io(_) => "is the server running there, and does it listen on that address or socket?",
        sqlx::Error::Tls(_) => TLS_ADVICE,
        _ => "check the URL",
    };
    format!("{error}: {advice}")
}

async fn answers(connection: &mut AnyConnection) -> bool {
    matches!(timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for code in ["40001", "40P01", "53100", "53300", "57P01", "57P03", "08006", "55P03", "57014", "58030", "25P03"]
        {
            assert!(passes(code), "{code}");
        }
        for code in ["23505", "23503", "25006", "25P02", "42P01", "42501", "22021", "28P01", "XX000"] {
            assert!(!passes(code), "{code}");
        }
    }

    #[test]
    fn a_parameter_that_nobody_knows_is_refused_without_its_value() {
        let problem = options("postgres://u:pw@h/d?sslmod=s3cret").unwrap_err();
        assert!(problem.contains("sslmode") && !problem.contains("s3cret"), "{problem}");
        options("postgres://u:pw@h/d?sslmode=verify-full&sslrootcert=/etc/ca.pem&options[search_path]=x").unwrap();
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated() {
        let problem = options("postgres://u:s3cret@h:port/d").unwrap_err();
        assert!(problem.contains("postgres://USER") && !problem.contains("s3cret"), "{problem}");
    }

    #[test]
    fn connections_bear_the_programs_name_unless_the_url_says_another() {
        assert!(options("postgres://h/d").unwrap().database_url.as_str().ends_with("?application_name=lucca-gateway"));
        assert!(
            options("postgres://h/d?user=u")
                .unwrap()
                .database_url
                .as_str()
                .ends_with("&application_name=lucca-gateway")
        );
        assert!(
            options("postgres://h/d?application_name=x").unwrap().database_url.as_str().ends_with("application_name=x")
        );
    }
}
