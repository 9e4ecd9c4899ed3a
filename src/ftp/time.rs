//! Times on the wire: `YYYYMMDDHHMMSS`, in UTC (RFC 3659 §2.3), and as `ls` shows them.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::columns::put_number;
use crate::domain::Timestamp;

/// As MDTM tells it.
pub(super) fn time_val(time: Timestamp) -> String {
    let mut text = Vec::with_capacity(14);
    put_time_val(&mut text, time);
    String::from_utf8(text).unwrap_or_default()
}

/// As the fact `modify` tells it.
pub(super) fn put_time_val(line: &mut Vec<u8>, time: Timestamp) {
    let date = civil(time);
    put_number(line, number(date.year()), 4, b'0');
    for part in [date.month(), date.day(), date.hour(), date.minute(), date.second()] {
        put_number(line, number(part), 2, b'0');
    }
}

/// Reads `YYYYMMDDHHMM`, with seconds or without, and with a fraction of them or without.
pub(super) fn parse_time_val(text: &str) -> Option<Timestamp> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(digits.len(), 12 | 14) || !digits.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |text| text.parse::<i8>().ok());
    // A leap second is the one before it: no clock here knows it.
    let second = part(12, 14)?.min(59);
    let year = digits[..4].parse().ok()?;
    let date = DateTime::new(year, part(4, 6)?, part(6, 8)?, part(8, 10)?, part(10, 12)?, second, 0).ok()?;
    let micros: i64 = format!("{:0<6}", fraction.get(..6).unwrap_or(fraction)).parse().ok()?;
    let seconds = Offset::UTC.to_timestamp(date).ok()?.as_second();
    Some(Timestamp::from_micros(seconds.checked_mul(1_000_000)?.checked_add(micros)?))
}

/// As `ls`: the hour for the last six months, the year for what is older or to come.
pub(super) fn put_ls_date(line: &mut Vec<u8>, time: Timestamp, now: Timestamp) {
    const HALF_A_YEAR: i64 = 182 * 24 * 3600;
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = civil(time);
    let month = usize::try_from(date.month() - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"Jan");
    line.extend_from_slice(month.as_bytes());
    put_number(line, number(date.day()), 3, b' ');
    let age = now.as_seconds().saturating_sub(time.as_seconds());
    if (0..HALF_A_YEAR).contains(&age) {
        line.push(b' ');
        put_number(line, number(date.hour()), 2, b'0');
        line.push(b':');
        put_number(line, number(date.minute()), 2, b'0');
    } else {
        put_number(line, number(date.year()), 6, b' ');
    }
}

/// A part of a date; the years before there were any are none.
fn number(part: impl TryInto<u64>) -> u64 {
    part.try_into().unwrap_or(0)
}

fn civil(time: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(jiff::Timestamp::from_second(time.as_seconds()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_wire() {
        let time = Timestamp::parse("2026-11-23T17:02:30Z").unwrap();
        assert_eq!(time_val(time), "20261123170230");
        assert_eq!(parse_time_val("20261123170230"), Some(time));
        assert_eq!(parse_time_val("20261123170230.5"), Some(Timestamp::from_micros(time.as_micros() + 500_000)));
        assert_eq!(parse_time_val("202611231702"), Timestamp::parse("2026-11-23T17:02:00Z").ok());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "2026", "20261323170230", "2026112317023a", "20261123250000", "20261123170230.x", "++261123170230"]
        {
            assert_eq!(parse_time_val(text), None, "{text}");
        }
    }
}
