//! A connection as the repositories see it: whatever they run passes here, on every engine.
//!
//! Four things are seen to, so that no repository has to: no statement is waited for without end, no text with a NUL
//! character leaves, a transaction in which something failed is not committed, and units that decide by what they read
//! do so one after the other.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::any::{AnyArguments, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo, AnyTypeInfoKind, AnyValue};
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Connection as _, Decode, Either, Execute, Executor, SqlStr, Transaction, Value};
use tokio::time::timeout;

use super::StoreError;
use super::engine::Engine;
use super::error::NulCharacter;

/// How long a statement is waited for. The database's own limits are shorter and come first; this one is for a database
/// whose machine vanished, which would otherwise be noticed after a quarter of an hour.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the database answers to a statement, step by step.
type Steps = Vec<Either<AnyQueryResult, AnyRow>>;

/// What units do one after the other: whoever has its turn keeps it until the end of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Deciding by what is read: "there is room for one more", "this is how it is now, so this is how it shall be".
    Deciding = 1,
    /// Recording sign-ins and what comes with them: each takes away the rows beyond the cap, which two at a time would
    /// get wrong, and two batches that touch the same rows in different orders would wait for each other for ever. So
    /// would a batch and the removal of the credentials whose use it records. Taken after [`Self::Deciding`], if both are.
    SignIns = 2,
    /// Recording events: one at a time, up to the end of its transaction, so that a reader who has seen a position will
    /// never find a lower one that was not there. Taken after the others.
    Telling = 3,
}

/// One connection, for reading or for a transaction.
pub(super) struct Connection {
    link: Link,
    engine: Engine,
    turns: Vec<Turn>,
    /// Whether its turn to record events was taken, on any engine.
    told: bool,
    /// A statement failed, or nobody waited for its end.
    spoiled: bool,
}

enum Link {
    Reader(PoolConnection<Any>),
    Unit(Transaction<'static, Any>),
}

impl Connection {
    pub(super) fn reader(engine: Engine, connection: PoolConnection<Any>) -> Self {
        Self { link: Link::Reader(connection), engine, turns: Vec::new(), told: false, spoiled: false }
    }

    pub(super) fn unit(engine: Engine, transaction: Transaction<'static, Any>) -> Self {
        Self { link: Link::Unit(transaction), engine, turns: Vec::new(), told: false, spoiled: false }
    }

    /// Runs a statement that may break a rule; when it does, the unit goes on as if it had not been tried.
    ///
    /// PostgreSQL gives up a transaction at the first error, which is why such a statement is fenced by a savepoint.
    pub(super) async fn attempt(
        &mut self,
        statement: Query<'_, Any, AnyArguments>,
    ) -> Result<AnyQueryResult, StoreError> {
        let (statement, arguments) = parts(statement)?;
        let fenced = async {
            let mut step = self.link.any().begin().await?;
            let outcome = sqlx::query_with(statement, arguments.unwrap_or_default()).execute(&mut *step).await;
            let settled = if outcome.is_ok() { step.commit().await } else { step.rollback().await };
            Ok::<_, sqlx::Error>((outcome, settled))
        };
        let before = std::mem::replace(&mut self.spoiled, true);
        let (outcome, settled) = bounded(fenced).await?;
        self.spoiled = before || settled.is_err();
        let outcome = outcome?;
        settled?;
        Ok(outcome)
    }

    /// Waits until no other unit has this turn, and keeps it until the end of the transaction.
    ///
    /// SQLite lets one writer in at a time: there every unit has every turn.
    pub(super) async fn take_turn(&mut self, turn: Turn) -> Result<(), sqlx::Error> {
        self.told |= turn == Turn::Telling;
        let is_unit = matches!(self.link, Link::Unit(_));
        if !is_unit || self.turns.contains(&turn) {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.spoiled, true);
        bounded(self.engine.take_turn(self.link.any(), turn)).await?;
        self.spoiled = before;
        self.turns.push(turn);
        Ok(())
    }

    /// Whether events were recorded.
    pub(super) fn tells(&self) -> bool {
        self.told
    }

    /// Commits the transaction, unless something in it failed: PostgreSQL would answer a commit with a quiet rollback.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        let Link::Unit(transaction) = self.link else { return Ok(()) };
        if self.spoiled {
            bounded(transaction.rollback()).await?;
            return Err(sqlx::Error::Protocol(String::from(
                "a statement of this transaction had failed, so all of it is undone",
            ))
            .into());
        }
        Ok(bounded(transaction.commit()).await?)
    }

    pub(super) async fn roll_back(self) -> Result<(), StoreError> {
        match self.link {
            Link::Unit(transaction) => Ok(bounded(transaction.rollback()).await?),
            Link::Reader(_) => Ok(()),
        }
    }

    async fn run<'q>(&mut self, statement: impl Execute<'q, Any>, reads: bool) -> Result<Steps, sqlx::Error> {
        let (statement, arguments) = parts(statement)?;
        if reads {
            self.take_turn(Turn::Deciding).await?;
        }
        let before = std::mem::replace(&mut self.spoiled, true);
        let connection = self.link.any();
        let steps: Steps = match arguments {
            Some(arguments) => {
                let query = sqlx::query_with(statement, arguments);
                bounded(Executor::fetch_many(connection, query).try_collect()).await?
            }
            None => bounded(Executor::fetch_many(connection, sqlx::raw_sql(statement)).try_collect()).await?,
        };
        self.spoiled = before;
        Ok(steps)
    }
}

impl Link {
    fn any(&mut self) -> &mut AnyConnection {
        match self {
            Self::Reader(connection) => connection,
            Self::Unit(transaction) => transaction,
        }
    }
}

/// Takes a statement apart, and refuses it when a text in it holds a NUL character: PostgreSQL keeps none, and SQLite
/// keeps them and then stumbles over them in functions and tools.
fn parts<'q>(mut statement: impl Execute<'q, Any>) -> Result<(SqlStr, Option<AnyArguments>), sqlx::Error> {
    let arguments = statement.take_arguments().map_err(sqlx::Error::Encode)?;
    for value in arguments.iter().flat_map(|arguments| &arguments.values.0) {
        let value = AnyValue { kind: value.clone() }; // a counted reference to the text
        let is_text = value.type_info().kind() == AnyTypeInfoKind::Text;
        if is_text && <&str as Decode<Any>>::decode(value.as_ref()).is_ok_and(|text| text.contains('\0')) {
            return Err(sqlx::Error::Encode(Box::new(NulCharacter)));
        }
    }
    Ok((statement.sql(), arguments))
}

/// Waits for the database, within reason. What it was doing then is unknown, and the connection is given up.
pub(super) async fn bounded<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(STATEMENT_TIMEOUT, work).await.unwrap_or_else(|_| {
        let problem = format!("no answer within {} seconds", STATEMENT_TIMEOUT.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, problem)))
    })
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// Lets statements be run as on any connection of sqlx. What is fetched is read; what is executed is not.
impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Any;

    fn execute<'e, 'q: 'e, E>(self, statement: E) -> BoxFuture<'e, Result<AnyQueryResult, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(async move {
            let mut done = AnyQueryResult::default();
            done.extend(self.run(statement, false).await?.into_iter().filter_map(Either::left));
            Ok(done)
        })
    }

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        statement: E,
    ) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        // Whole before the first is handed out: every list is a bounded page.
        stream::once(async move { self.run(statement, true).await })
            .map_ok(|steps| stream::iter(steps.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, statement: E) -> BoxFuture<'e, Result<Option<AnyRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(async move { Ok(self.run(statement, true).await?.into_iter().find_map(Either::right)) })
    }

    fn prepare_with<'e>(
        self,
        statement: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        Executor::prepare_with(self.link.any(), statement, parameters)
    }

    fn describe<'e>(self, statement: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Any>, sqlx::Error>>
    where
        'c: 'e,
    {
        Executor::describe(self.link.any(), statement)
    }
}
