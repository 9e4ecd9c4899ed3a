//! What is peculiar to SQLite: the file and how it is made, what each connection is told, how a transaction begins, and
//! which of its refusals may pass.
//!
//! One connection writes and some read. SQLite lets one writer in at a time and makes the others poll; here they wait
//! in the queue of a pool of one connection instead, which is fair and costs nothing. Other processes (the command line
//! beside a running gateway) are waited for by SQLite's own polling, up to [`BUSY_TIMEOUT`].

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use sqlx::AnyConnection;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::error::DatabaseError;
use sqlx::migrate::Migrator;

use super::StoreError;
use super::engine::{Pools, usable};
use crate::config::DatabaseSettings;

/// The schema's steps.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Takes the write lock at once. A transaction that begins by reading and then writes could find that another process
/// wrote in between, and would fail where this one waits.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// With `synchronous = FULL` each commit is on the disk when it returns; WAL's usual `NORMAL` loses the last ones in a
/// power cut. A log that a burst made long is cut back to 64 MiB.
const WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; \
                                 PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864";

/// Readers cannot write: it would evade the writers' queue.
const READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY";

/// How long the file may be locked by another process; also in [`WRITER`] and [`READER`].
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a refusal is one that passes: the database is busy, locked, or its disk fails or is full.
pub(super) fn may_pass(refusal: &dyn DatabaseError) -> bool {
    // Extended result codes carry the primary one in their low byte (https://sqlite.org/rescode.html):
    // BUSY 5, LOCKED 6, IOERR 10, FULL 13, CANTOPEN 14.
    let code = refusal.code().and_then(|code| code.parse::<u32>().ok());
    matches!(code.map(|code| code & 0xff), Some(5 | 6 | 10 | 13 | 14))
}

/// Opens the file, which is made where missing.
pub(super) async fn open(settings: &DatabaseSettings, queue_timeout: Duration) -> Result<Pools, StoreError> {
    let options = prepare(settings.url.expose()).await?;
    let pool = |size: u32, greeting: &'static str| {
        AnyPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(queue_timeout)
            // The database is a file: a connection neither ages nor breaks by itself.
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                async move { sqlx::raw_sql(greeting).execute(connection).await.map(drop) }.boxed()
            })
            .after_release(|connection, _| usable(connection).boxed())
    };
    let writers = pool(1, WRITER).connect_with(options.clone()).await?;
    use_write_ahead_log(&mut *writers.acquire().await?).await.map_err(|error| match error {
        StoreError::Opening { problem, .. } => StoreError::Opening { url: settings.url.to_string(), problem },
        other => other,
    })?;
    Ok(Pools { readers: pool(settings.connections.max(1), READER).connect_lazy_with(options), writers })
}

/// Makes the file that `url` names, and its directory, where missing; says how to connect to it.
async fn prepare(url: &str) -> Result<AnyConnectOptions, StoreError> {
    let failed = |problem: String| StoreError::Opening { url: url.to_owned(), problem };
    let path = path_of(url).map_err(failed)?;
    let path = tokio::task::spawn_blocking(move || {
        make_file(&path)?;
        // The URL below would lose `..`, which means another place where a link is on the way.
        path.canonicalize()
    })
    .await
    .map_err(|_| failed(String::from("the program is ending")))?
    .map_err(|error| failed(format!("{error}: the directory must exist or be creatable, and be writable")))?;
    let path = path.to_str().ok_or_else(|| failed(String::from("the path is not UTF-8")))?;
    format!("sqlite://{}?mode=rw", percent_encoded(path))
        .parse()
        .map_err(|error: sqlx::Error| failed(error.to_string()))
}

/// The file in `sqlite:./data/gateway.db`, `sqlite:/srv/gateway.db` or `sqlite:///srv/gateway.db`.
fn path_of(url: &str) -> Result<PathBuf, String> {
    let form = "use sqlite: and a path, as in sqlite:./data/gateway.db";
    let path = url.strip_prefix("sqlite:").ok_or(form)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.contains(":memory:") {
        // Each connection would have a database of its own.
        return Err(format!("a database in memory cannot be shared between connections: {form}"));
    }
    if path.is_empty() || path.contains(['?', '\0']) {
        return Err(form.to_owned());
    }
    Ok(PathBuf::from(path))
}

/// Makes the file readable by its owner alone, and durable with its whole path: SQLite syncs what it writes into the
/// file, but not the directories above it.
fn make_file(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let directory = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    let missing: Vec<&Path> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    match File::options().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(file) => file.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    File::open(directory)?.sync_all()?;
    for made in missing {
        if let Some(parent) = made.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

/// Escapes all but what stands for itself everywhere in a URL's path.
fn percent_encoded(path: &str) -> String {
    use std::fmt::Write as _;
    path.bytes().fold(String::with_capacity(path.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"/-._".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes what is written to it");
        }
        encoded
    })
}

/// Turns on the write-ahead log, which lets readers read while a writer writes. It is a property of the file.
///
/// Turning it on needs the file alone, and here SQLite does not wait for others (another process that opens the same
/// new file), so this does.
async fn use_write_ahead_log(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let begin = Instant::now();
    let mode: String = loop {
        match sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await.map_err(Into::into) {
            Err(StoreError::Unavailable(_)) if begin.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => break answer?,
        }
    };
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    Err(StoreError::Opening {
        url: String::from("(sqlite)"),
        problem: format!("its file system allows no write-ahead log (it stays in mode {mode}): use a local disk"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_three_forms_of_a_url_name_a_file() {
        assert_eq!(path_of("sqlite:./data/gateway.db"), Ok(PathBuf::from("./data/gateway.db")));
        assert_eq!(path_of("sqlite:/srv/gateway.db"), Ok(PathBuf::from("/srv/gateway.db")));
        assert_eq!(path_of("sqlite:///srv/gateway.db"), Ok(PathBuf::from("/srv/gateway.db")));
    }

    #[test]
    fn a_url_that_names_no_file_is_refused_with_what_would_be_right() {
        for url in ["", "sqlite:", "sqlite::memory:", "postgres://localhost/x", "sqlite:x.db?mode=ro", "./x.db"] {
            let problem = path_of(url).unwrap_err();
            assert!(problem.contains("sqlite:./data/gateway.db"), "{url}: {problem}");
        }
    }

    #[tokio::test]
    async fn the_file_is_the_owners_alone_and_an_existing_one_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/été #1 100%.db");
        let url = format!("sqlite:{}", path.display());
        prepare(&url).await.unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

        std::fs::write(&path, b"kept").unwrap();
        prepare(&url).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_told_with_its_url() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), b"").unwrap();
        let url = format!("sqlite:{}", directory.path().join("file/gateway.db").display());
        let error = prepare(&url).await.unwrap_err();
        assert!(error.to_string().contains(&url), "{error}");
    }
}
