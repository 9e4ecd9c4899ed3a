//! Whether the rows of the audit log are those that were written: walks the chain row by row, and tells what does not fit.

use std::fmt;

use super::audit::AuditRow;
use super::clock::Timestamp;

/// The most faults that are told; there may be more.
pub const MOST_FAULTS: usize = 50;

/// Where the chain begins and ends, as it is kept beside the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditChain {
    /// The position of the last row whose term is over; 0: every row is kept.
    pub forgotten: i64,
    /// Its hash, which the oldest kept row follows.
    pub forgotten_hash: String,
    /// The position of the last row; 0: there was never one.
    pub head: i64,
    /// Its hash.
    pub head_hash: String,
}

/// Something in the log that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditFault {
    /// A field of the row does not fit its hash.
    Changed { position: i64, id: String },
    /// The row fits its own hash, but is not the one that the next row (or the head) follows: it was written anew.
    Replaced { position: i64, id: String },
    /// Rows between two others, before the first or behind the last.
    Missing { first: i64, last: i64 },
    /// A row is there behind the head, or before the beginning.
    Added { position: i64, id: String },
    /// The oldest kept row follows another than the one that was forgotten last.
    Beginning { position: i64 },
    /// No row has the hash that was noted elsewhere.
    NotedHead { hash: String },
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { position, id } => write!(f, "row {position} ({id}) was changed"),
            Self::Replaced { position, id } => {
                write!(f, "row {position} ({id}) was replaced: what comes behind it followed another row")
            }
            Self::Missing { first, last } if first == last => {
                write!(f, "row {first} is missing, between row {} and row {}", first - 1, last + 1)
            }
            Self::Missing { first, last } => {
                write!(f, "rows {first} to {last} are missing, between row {} and row {}", first - 1, last + 1)
            }
            Self::Added { position, id } => write!(f, "row {position} ({id}) was added without the gateway"),
            Self::Beginning { position } => {
                write!(f, "row {position}, the oldest kept, does not follow the row that was removed last by its term")
            }
            Self::NotedHead { hash } => {
                write!(
                    f,
                    "no row has the hash {hash}: the log is not the one that it was noted of, or that row's term is over"
                )
            }
        }
    }
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    pub chain: AuditChain,
    /// How many rows were looked at.
    pub rows: u64,
    /// When the oldest and the newest were written.
    pub first_at: Option<Timestamp>,
    pub last_at: Option<Timestamp>,
    /// The position of the row whose hash was noted elsewhere.
    pub noted_at: Option<i64>,
    /// Empty: all is as it was written. At most [`MOST_FAULTS`].
    pub faults: Vec<AuditFault>,
}

/// A walk along the chain.
pub struct AuditWalk {
    report: AuditReport,
    noted: Option<String>,
    /// The row before, or what stands for it.
    position: i64,
    hash: String,
    id: Option<String>,
}

impl AuditWalk {
    /// Begins behind the last forgotten row. `noted` is a hash that was once the head's.
    pub fn begin(chain: AuditChain, noted: Option<&str>) -> Self {
        let noted = noted.map(str::to_ascii_lowercase);
        let noted_at = (noted.as_deref() == Some(&chain.forgotten_hash)).then_some(chain.forgotten);
        let (position, hash) = (chain.forgotten, chain.forgotten_hash.clone());
        let report = AuditReport { chain, rows: 0, first_at: None, last_at: None, noted_at, faults: Vec::new() };
        Self { report, noted, position, hash, id: None }
    }

    /// Rows were appended since: the chain ends there now.
    pub fn head_moved(&mut self, chain: AuditChain) {
        self.report.chain = chain;
    }

    /// The next row, by position.
    pub fn step(&mut self, row: &AuditRow) {
        if row.position <= self.position || row.position > self.report.chain.head {
            return self.fault(AuditFault::Added { position: row.position, id: row.id.clone() });
        }
        if self.report.rows == 0 {
            self.report.first_at = Some(row.at);
        }
        self.report.rows += 1;
        self.report.last_at = Some(row.at);
        let is_next = row.position == self.position + 1;
        if !is_next {
            self.fault(AuditFault::Missing { first: self.position + 1, last: row.position - 1 });
        }
        if row.digest() != row.hash {
            self.fault(AuditFault::Changed { position: row.position, id: row.id.clone() });
        } else if is_next && row.previous != self.hash {
            self.broken_before(row.position);
        }
        if self.noted.as_deref() == Some(&row.hash) {
            self.report.noted_at = Some(row.position);
        }
        self.position = row.position;
        self.hash.clone_from(&row.hash);
        self.id = Some(row.id.clone());
    }

    /// When there are no more rows.
    pub fn end(mut self) -> AuditReport {
        let (head, head_hash) = (self.report.chain.head, self.report.chain.head_hash.clone());
        if self.position < head {
            self.fault(AuditFault::Missing { first: self.position + 1, last: head });
        } else if self.hash != head_hash {
            self.broken_before(head + 1);
        }
        if let Some(hash) = self.noted.take()
            && self.report.noted_at.is_none()
        {
            self.fault(AuditFault::NotedHead { hash });
        }
        self.report
    }

    /// The row before `position` is not the one that `position` follows.
    fn broken_before(&mut self, position: i64) {
        let is_told =
            |fault: &AuditFault| matches!(fault, AuditFault::Changed { position, .. } if *position == self.position);
        match &self.id {
            Some(_) if self.report.faults.last().is_some_and(is_told) => {}
            Some(id) => self.fault(AuditFault::Replaced { position: self.position, id: id.clone() }),
            None => self.fault(AuditFault::Beginning { position }),
        }
    }

    fn fault(&mut self, fault: AuditFault) {
        if self.report.faults.len() < MOST_FAULTS {
            self.report.faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::tests::entry;
    use crate::domain::audit::{AuditEntry, NO_ROW};

    /// A chain of `count` rows behind the first `forgotten`, as it was written.
    fn log(count: i64, forgotten: i64) -> (AuditChain, Vec<AuditRow>) {
        let mut rows: Vec<AuditRow> = Vec::new();
        for position in 1..=count {
            let previous = rows.last().map_or(NO_ROW, |row| &row.hash).to_owned();
            let label = format!("row {position}");
            rows.push(AuditRow::chained(&AuditEntry { label, ..entry() }, position, &previous));
        }
        let hash = |position: i64| {
            let row = rows.iter().find(|row| row.position == position);
            row.map_or(NO_ROW, |row| &row.hash).to_owned()
        };
        let chain = AuditChain { forgotten, forgotten_hash: hash(forgotten), head: count, head_hash: hash(count) };
        rows.retain(|row| row.position > forgotten);
        (chain, rows)
    }

    fn faults_of(chain: &AuditChain, rows: &[AuditRow], noted: Option<&str>) -> Vec<String> {
        let mut walk = AuditWalk::begin(chain.clone(), noted);
        for row in rows {
            walk.step(row);
        }
        walk.end().faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_log_as_it_was_written_has_no_fault() {
        for (count, forgotten) in [(0, 0), (1, 0), (5, 0), (5, 2), (5, 5)] {
            let (chain, rows) = log(count, forgotten);
            assert_eq!(faults_of(&chain, &rows, None), Vec::<String>::new(), "{count} {forgotten}");
            assert_eq!(faults_of(&chain, &rows, Some(&chain.head_hash.to_uppercase())), Vec::<String>::new());
        }
        let (chain, rows) = log(5, 2);
        let mut walk = AuditWalk::begin(chain, Some(&rows[1].hash));
        rows.iter().for_each(|row| walk.step(row));
        let report = walk.end();
        assert_eq!((report.rows, report.noted_at), (3, Some(4)));
        assert_eq!((report.first_at, report.last_at), (Some(rows[0].at), Some(rows[2].at)));
    }

    #[test]
    fn a_changed_row_is_named_wherever_it_is() {
        for position in 1..=5 {
            let (chain, mut rows) = log(5, 0);
            let row = &mut rows[usize::try_from(position - 1).unwrap()];
            row.label.push('x');
            let id = row.id.clone();
            assert_eq!(faults_of(&chain, &rows, None), [format!("row {position} ({id}) was changed")]);
        }
    }

    #[test]
    fn a_row_that_was_given_a_hash_anew_is_named_by_what_follows_it() {
        for position in 1..=5 {
            let (chain, mut rows) = log(5, 0);
            let row = &mut rows[usize::try_from(position - 1).unwrap()];
            row.label.push('x');
            row.hash = row.digest();
            let told = faults_of(&chain, &rows, None);
            assert!(told.len() == 1 && told[0].starts_with(&format!("row {position} ")), "{told:?}");
        }
    }

    #[test]
    fn a_removed_row_is_told_with_its_neighbours() {
        for (removed, told) in [
            (1..=1, "row 1 is missing, between row 0 and row 2"),
            (3..=3, "row 3 is missing, between row 2 and row 4"),
            (2..=4, "rows 2 to 4 are missing, between row 1 and row 5"),
            (5..=5, "row 5 is missing, between row 4 and row 6"),
            (1..=5, "rows 1 to 5 are missing, between row 0 and row 6"),
        ] {
            let (chain, mut rows) = log(5, 0);
            rows.retain(|row| !removed.contains(&row.position));
            assert_eq!(faults_of(&chain, &rows, None), [told]);
        }
    }

    #[test]
    fn an_added_row_a_false_beginning_and_a_lost_head_are_told() {
        let (chain, rows) = log(5, 0);
        let shorter = AuditChain { head: 4, head_hash: rows[3].hash.clone(), ..chain.clone() };
        assert_eq!(faults_of(&shorter, &rows, None), [format!("row 5 ({}) was added without the gateway", rows[4].id)]);
        // Cut off at the end together with the head: what was noted elsewhere tells.
        assert_eq!(faults_of(&shorter, &rows[..4], None), Vec::<String>::new());
        let told = faults_of(&shorter, &rows[..4], Some(&chain.head_hash));
        assert!(told.len() == 1 && told[0].contains(&chain.head_hash), "{told:?}");
        let begins = AuditChain { forgotten: 2, ..chain };
        let told = faults_of(&begins, &rows[2..], None);
        assert!(told.len() == 1 && told[0].starts_with("row 3, the oldest kept"), "{told:?}");
    }

    #[test]
    fn a_log_that_is_wrong_throughout_is_told_within_reason() {
        let (chain, mut rows) = log(200, 0);
        rows.iter_mut().for_each(|row| row.label.clear());
        assert_eq!(faults_of(&chain, &rows, None).len(), MOST_FAULTS);
    }
}
