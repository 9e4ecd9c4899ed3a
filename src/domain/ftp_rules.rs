//! How strict FTP is with an account: what proves that an upload has ended, and whose a data connection is.
//!
//! Both are values of a preset, which an account may set for itself. Whoever has an upload whose end is not proven asks
//! here what becomes of it; only [`Watch::over`] makes the [`UnprovenEnd`] that publishes it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::transfer::words;

words! {
    /// What becomes of an upload whose data stream ends without TLS's `close_notify`, which alone tells a finished client
    /// from one that was cut (RFC 8446 §6.1).
    #[derive(Default, PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    CloseNotify, "\"strict\" or \"guarded\"" {
        /// It is published when all else speaks for its end: for clients that never send `close_notify`.
        Guarded = "guarded",
        /// It is not published.
        #[default]
        Strict = "strict",
    }

    /// Whether data connections take up the TLS session of their control connection.
    #[derive(Default, PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    TlsResumption, "\"offered\" or \"require\"" {
        /// They may.
        #[default]
        Offered = "offered",
        /// They must, and that of *this* control connection: so both are one client's.
        Require = "require",
    }
}

/// What holds for an account's sessions over FTP. Greater demands more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FtpRules {
    pub close_notify: CloseNotify,
    pub tls_resumption: TlsResumption,
}

impl FtpRules {
    /// With nothing less than `floor` of resumption.
    #[must_use]
    pub fn resuming_at_least(self, floor: TlsResumption) -> Self {
        Self { tls_resumption: self.tls_resumption.max(floor), ..self }
    }

    /// Whether something is refused under these rules that `others` let through.
    pub fn refuse_what_passed(self, others: Self) -> bool {
        self.close_notify > others.close_notify || self.tls_resumption > others.tls_resumption
    }
}

/// How long the control connection is watched. A client that crashes loses all of its connections together: their ends
/// arrive within moments of each other, or within a retransmission or two on a bad line.
const GRACE: Duration = Duration::from_secs(2);

/// An upload whose data stream ended without `close_notify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BareEnd {
    /// It ended in the middle of a TLS record, which no client that is done does.
    pub inside_a_record: bool,
    /// The size that the client announced in bytes (`ALLO` in TYPE I).
    pub announced: Option<u64>,
    /// Where the first byte that came went.
    pub from: u64,
    /// How many bytes came.
    pub came: u64,
}

/// The control connection at the end of the watch over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It is there, and its client waits for the answer.
    Waiting,
    /// Its client went on to something else.
    Busy,
    Lost,
}

/// Why an upload that ended without `close_notify` is not published; in words for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    #[error(
        "the data connection ended without TLS close_notify, which close_notify = \"strict\" of the account or its \
         preset takes for a cut; \"guarded\" would publish what all else speaks for"
    )]
    Strict,
    #[error("the data connection was cut in the middle of a TLS record (close_notify = \"guarded\")")]
    InsideARecord,
    #[error(
        "the data connection ended without TLS close_notify, and ALLO announced {announced} bytes where {came} came \
         (close_notify = \"guarded\")"
    )]
    NotTheSize { announced: u64, came: u64 },
    #[error(
        "the data connection ended without TLS close_notify, and the control connection was lost with it \
         (close_notify = \"guarded\")"
    )]
    ControlLost,
    #[error(
        "the data connection ended without TLS close_notify, and its client did not wait for the answer \
         (close_notify = \"guarded\")"
    )]
    NobodyWaited,
}

/// Nothing speaks against an upload's end so far: its control connection is to be watched.
#[derive(Debug)]
#[must_use]
pub struct Watch(());

/// The leave to publish an upload whose end is not proven. It is marked so.
#[derive(Debug)]
pub struct UnprovenEnd(());

impl CloseNotify {
    /// What is to be done about an upload that ended without `close_notify`.
    pub fn judge(self, end: &BareEnd) -> Result<Watch, NotProven> {
        match self {
            Self::Strict => return Err(NotProven::Strict),
            Self::Guarded if end.inside_a_record => return Err(NotProven::InsideARecord),
            Self::Guarded => {}
        }
        match end.announced {
            // Clients that go on with a file announce the rest of it or the whole: RFC 959 §4.1.3 leaves it open.
            Some(announced) if announced != end.came && announced != end.from.saturating_add(end.came) => {
                Err(NotProven::NotTheSize { announced, came: end.came })
            }
            Some(_) | None => Ok(Watch(())),
        }
    }
}

impl Watch {
    /// How long the control connection is to be watched.
    pub const fn grace(&self) -> Duration {
        GRACE
    }

    /// The watch is over, and this is what was seen.
    pub const fn over(self, control: Control) -> Result<UnprovenEnd, NotProven> {
        match control {
            Control::Waiting => Ok(UnprovenEnd(())),
            Control::Busy => Err(NotProven::NobodyWaited),
            Control::Lost => Err(NotProven::ControlLost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: BareEnd = BareEnd { inside_a_record: false, announced: None, from: 0, came: 100 };

    #[test]
    fn strict_publishes_nothing_whatever_speaks_for_it() {
        for announced in [None, Some(100)] {
            let refused = CloseNotify::Strict.judge(&BareEnd { announced, ..END }).unwrap_err();
            assert_eq!(refused, NotProven::Strict);
            assert!(refused.to_string().contains("close_notify = \"strict\""), "{refused}");
        }
    }

    #[test]
    fn guarded_wants_a_whole_record_and_the_announced_size() {
        let judge = |end| CloseNotify::Guarded.judge(&end).map(|_| ());
        let resumed = BareEnd { from: 40, came: 60, ..END };
        for (end, expected) in [
            (END, Ok(())),
            (BareEnd { announced: Some(100), ..END }, Ok(())),
            (BareEnd { announced: Some(101), ..END }, Err(NotProven::NotTheSize { announced: 101, came: 100 })),
            (BareEnd { inside_a_record: true, ..END }, Err(NotProven::InsideARecord)),
            (BareEnd { inside_a_record: true, announced: Some(100), ..END }, Err(NotProven::InsideARecord)),
            (BareEnd { announced: Some(100), ..resumed }, Ok(())),
            (BareEnd { announced: Some(60), ..resumed }, Ok(())),
            (BareEnd { announced: Some(40), ..resumed }, Err(NotProven::NotTheSize { announced: 40, came: 60 })),
            (BareEnd { announced: Some(u64::MAX), from: u64::MAX, ..END }, Ok(())),
        ] {
            assert_eq!(judge(end), expected, "{end:?}");
        }
    }

    #[test]
    fn guarded_wants_a_control_connection_that_waits() {
        let watch = || CloseNotify::Guarded.judge(&END).unwrap();
        assert!(watch().grace() > Duration::ZERO);
        assert!(watch().over(Control::Waiting).is_ok());
        assert_eq!(watch().over(Control::Lost).unwrap_err(), NotProven::ControlLost);
        assert_eq!(watch().over(Control::Busy).unwrap_err(), NotProven::NobodyWaited);
    }

    #[test]
    fn what_demands_more_is_greater() {
        let default = FtpRules::default();
        let guarded = FtpRules { close_notify: CloseNotify::Guarded, ..default };
        let require = default.resuming_at_least(TlsResumption::Require);
        assert_eq!((default.close_notify, default.tls_resumption), (CloseNotify::Strict, TlsResumption::Offered));
        assert!(default.refuse_what_passed(guarded) && !guarded.refuse_what_passed(default));
        assert!(require.refuse_what_passed(default) && !default.refuse_what_passed(require));
        assert!(!default.refuse_what_passed(default));
        assert_eq!(require.resuming_at_least(TlsResumption::Offered), require);
    }

    #[test]
    fn each_word_is_read_back() {
        for word in ["strict", "guarded"] {
            assert_eq!(word.parse::<CloseNotify>().unwrap().as_str(), word);
            assert_eq!(serde_json::json!(word.parse::<CloseNotify>().unwrap()), word);
        }
        for word in ["offered", "require"] {
            assert_eq!(word.parse::<TlsResumption>().unwrap().as_str(), word);
        }
        let unknown = "required".parse::<TlsResumption>().unwrap_err();
        assert_eq!(unknown.to_string(), "unknown: use \"offered\" or \"require\"");
    }
}
