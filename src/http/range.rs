//! The `Range` header (RFC 9110 §14): single byte ranges. Several at once are ignored, as the standard allows, and the
//! whole file is sent: nobody who fetches payroll files needs the multipart form.

/// What a request asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// All of it: no range was asked, or none that we serve.
    Whole,
    /// The bytes from `first` up to, not including, `end`.
    Part { first: u64, end: u64 },
    /// None of the bytes that were asked for exist.
    NotSatisfiable,
}

/// What `header` asks of a file of `size` bytes.
pub fn of(header: Option<&str>, size: u64) -> Range {
    let Some((first, last)) = header.and_then(single) else { return Range::Whole };
    let (first, end) = match (first, last) {
        (Some(first), Some(last)) if last < first => return Range::Whole, // Not a range (§14.1.2).
        (Some(first), last) => (first, last.map_or(size, |last| last.saturating_add(1).min(size))),
        (None, Some(suffix)) => (size.saturating_sub(suffix), size),
        (None, None) => return Range::Whole,
    };
    if first < end { Range::Part { first, end } } else { Range::NotSatisfiable }
}

/// The two sides of `bytes=1-2`; `None` when it is anything else.
fn single(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    Some((position(first)?, position(last)?))
}

/// A number, nothing (the inner `None`), or neither (the outer one). A number beyond any file is the end of all files.
fn position(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let part = |first, end| Range::Part { first, end };
        let cases = [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-9", part(0, 10)),
            ("bytes=0-99", part(0, 10)),
            ("bytes=4-", part(4, 10)),
            ("bytes=9-", part(9, 10)),
            ("bytes=-1", part(9, 10)),
            ("bytes=-99", part(0, 10)),
            ("Bytes= 2-3 ", part(2, 4)),
            ("bytes=2-18446744073709551616", part(2, 10)),
            ("bytes=10-", Range::NotSatisfiable),
            ("bytes=10-20", Range::NotSatisfiable),
            ("bytes=99999999999999999999-", Range::NotSatisfiable),
            ("bytes=-0", Range::NotSatisfiable),
            ("bytes=3-2", Range::Whole),
            ("bytes=-", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("bytes=+1-2", Range::Whole),
            ("bytes 0-1", Range::Whole),
            ("lines=0-1", Range::Whole),
            ("", Range::Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(of(Some(header), 10), expected, "{header}");
        }
        assert_eq!(of(None, 10), Range::Whole);
    }

    #[test]
    fn an_empty_file_has_no_range() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-5"] {
            assert_eq!(of(Some(header), 0), Range::NotSatisfiable, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_lies_in_the_file(header in "(bytes=)?[0-9,-]{0,24}", size in any::<u64>()) {
            if let Range::Part { first, end } = of(Some(&header), size) {
                prop_assert!(first < end && end <= size);
            }
        }

        #[test]
        fn what_was_asked_within_the_file_is_what_is_sent(size in 1..u64::MAX, a in any::<u64>(), b in any::<u64>()) {
            let (first, last) = ((a % size).min(b % size), (a % size).max(b % size));
            prop_assert_eq!(of(Some(&format!("bytes={first}-{last}")), size), Range::Part { first, end: last + 1 });
        }
    }
}
