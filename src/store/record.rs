//! Reading a row back: each column into the type that cannot be wrong, or the name of the row and column that is.
//!
//! What a column holds is never part of an error: one of them is a password hash.

use std::fmt::Display;
use std::str::FromStr;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::StoreError;
use crate::domain::Timestamp;

/// A row of `table` that is being read.
pub(super) struct Record<'r> {
    table: &'static str,
    row: &'r AnyRow,
    id: String,
}

impl<'r> Record<'r> {
    /// `id` is the column that tells the row to an operator.
    pub(super) fn new(table: &'static str, row: &'r AnyRow, id: &'static str) -> Self {
        let id = row.try_get(id).unwrap_or_else(|_| String::from("?"));
        Self { table, row, id }
    }

    /// What is wrong with a column.
    pub(super) fn wrong(&self, column: &'static str, problem: impl Display) -> StoreError {
        StoreError::Inconsistent { table: self.table, column, row: self.id.clone(), problem: problem.to_string() }
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.wrong(column, "nothing is there"))
    }

    pub(super) fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.row.try_get(column).map_err(|_| self.wrong(column, "not a text"))
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|problem| self.wrong(column, problem))
    }

    pub(super) fn optional<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let text = self.optional_text(column)?;
        text.map(|text| text.parse().map_err(|problem| self.wrong(column, problem))).transpose()
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| self.wrong(column, "not the JSON that belongs here"))
    }

    /// A number that is never negative.
    pub(super) fn count<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        let number = self.optional_integer(column)?.ok_or_else(|| self.wrong(column, "nothing is there"))?;
        T::try_from(number).map_err(|_| self.wrong(column, "out of range"))
    }

    /// A number that is never negative, where there is one.
    pub(super) fn optional_count<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let number = self.optional_integer(column)?;
        number.map(|number| T::try_from(number).map_err(|_| self.wrong(column, "out of range"))).transpose()
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.optional_time(column)?.ok_or_else(|| self.wrong(column, "nothing is there"))
    }

    pub(super) fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_integer(column)?.map(Timestamp::from_micros))
    }

    fn optional_integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.row.try_get(column).map_err(|_| self.wrong(column, "not an integer"))
    }
}

/// How many rows one statement inserts at most: each statement is a message to the database and back, and each number of
/// rows a statement of its own that a connection keeps prepared.
pub(super) const ROWS_OF_A_STATEMENT: usize = 16;

/// `($1, $2), ($3, $4)`: places for so many rows of so many columns.
pub(super) fn placeholders(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// A text that only describes: a NUL character in it, which no engine keeps, is no reason to lose the row.
pub(super) fn descriptive(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The form of an optional time in the database.
pub(super) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}

/// The form of a count in the database, which knows signed integers only: no real size reaches the bound.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
