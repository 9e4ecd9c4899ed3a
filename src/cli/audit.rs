//! `audit`: whether the log of what operators changed is as it was written. Works on the database alone, also while the
//! gateway runs.

use std::fmt::Write;
use std::str::FromStr;

use super::{CommandError, ConfigFile, output};
use crate::domain::AuditReport;
use crate::management::audit;
use crate::store::Store;

/// What `audit` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Walk along the chain of the log's rows, and name each that was changed or is missing
    Verify {
        /// A hash that was the head's and was noted elsewhere: the row that has it must still be there
        #[arg(long, value_name = "HASH")]
        expect_head: Option<Hash>,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// 64 hexadecimal digits.
#[derive(Debug, Clone)]
struct Hash(String);

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("a hash has 64 hexadecimal digits")
        }
    }
}

impl Options {
    pub(super) async fn run(self) -> Result<(), CommandError> {
        let Command::Verify { expect_head, config } = self.command;
        let store = Store::open(&config.load()?.database).await?;
        let verified = audit::verify(&store, expect_head.as_ref().map(|Hash(hash)| hash.as_str())).await;
        store.close().await;
        let report = verified?;
        output::say(&told(&report))?;
        if report.faults.is_empty() {
            return Ok(());
        }
        Err(CommandError::Audit(report.faults.iter().map(|fault| format!("  {fault}")).collect()))
    }
}

/// What was looked at.
fn told(report: &AuditReport) -> String {
    let AuditReport { chain, rows, first_at, last_at, noted_at, faults: _ } = report;
    let mut text = format!("{rows} rows");
    if let (Some(first), Some(last)) = (first_at, last_at) {
        let _ = write!(text, ", the first of {first}, the last of {last}");
    }
    text.push('\n');
    if chain.forgotten > 0 {
        let _ = writeln!(text, "the chain begins behind row {}, the last whose term is over", chain.forgotten);
    }
    if let Some(position) = noted_at {
        let _ = writeln!(text, "row {position} has the hash that was expected");
    }
    let _ = writeln!(text, "head: row {}\n{}", chain.head, chain.head_hash);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AuditChain, Timestamp};

    #[test]
    fn what_was_looked_at_is_told_with_the_head_on_the_last_line() {
        let chain = AuditChain { forgotten: 2, forgotten_hash: "b".repeat(64), head: 5, head_hash: "a".repeat(64) };
        let report = AuditReport {
            chain,
            rows: 3,
            first_at: Some(Timestamp::EPOCH),
            last_at: Some(Timestamp::from_seconds(60)),
            noted_at: Some(4),
            faults: Vec::new(),
        };
        let expected = format!(
            "3 rows, the first of 1970-01-01T00:00:00Z, the last of 1970-01-01T00:01:00Z\n\
             the chain begins behind row 2, the last whose term is over\n\
             row 4 has the hash that was expected\nhead: row 5\n{}\n",
            "a".repeat(64)
        );
        assert_eq!(told(&report), expected);
    }
}
