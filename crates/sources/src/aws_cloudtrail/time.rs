//! The ways in which CloudTrail and its exporters write a moment.
//!
//! `eventTime` is RFC 3339 in UTC ("CloudTrail record contents"); exports to tables drop the `T` and the zone, and
//! old sessions state `creationDate` in basic form. `credentials.expiration` is a US-English text in UTC, such as
//! `Oct 2, 2019 11:12:29 PM`. This file knows no field: it turns texts into moments or says that it cannot.

use ascribe_model::{EventTime, TimeBasis, Timestamp};

use crate::json::Value;

const SECOND_NS: u64 = 1_000_000_000;

/// Numbers above this are milliseconds: as seconds they would lie in the year 5138.
const SECONDS_MAX: i64 = 100_000_000_000;

/// The event's time from `eventTime`, else from where a collector moved it.
pub(super) fn event_time(own: Option<Value<'_>>, renamed: Option<Value<'_>>) -> EventTime {
    let Some(value) = own.or(renamed) else {
        return EventTime { at: None, end: None, precision_ns: SECOND_NS, basis: TimeBasis::Missing };
    };
    let unreadable = EventTime { at: None, end: None, precision_ns: SECOND_NS, basis: TimeBasis::Unreadable };
    let Some(text) = value.text() else { return unreadable };
    let Some((at, zone)) = stated(&text) else { return unreadable };
    let basis = match zone {
        _ if own.is_none() => TimeBasis::Renamed,
        Zone::Stated => TimeBasis::Stated,
        Zone::Implied => TimeBasis::ZoneImplied,
    };
    EventTime { at: Some(at), end: None, precision_ns: precision_ns(&text), basis }
}

/// A moment such as `creationDate`; `None` where it is missing or cannot be read.
pub(super) fn moment(value: Option<Value<'_>>) -> Option<Timestamp> {
    stated(&value?.text()?).map(|(at, _)| at)
}

/// The declared end of a credential: US-English text, RFC 3339, or seconds or milliseconds since the Unix epoch.
pub(super) fn expiry(value: Option<Value<'_>>) -> Option<Timestamp> {
    let value = value?;
    match value.number_text() {
        Some(number) => epoch(number),
        None => expiry_text(&value.text()?),
    }
}

/// [`expiry`] of a text.
fn expiry_text(text: &str) -> Option<Timestamp> {
    stated(text).map(|(at, _)| at).or_else(|| american(text)).or_else(|| epoch(text))
}

/// Whether a text names its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    Stated,
    Implied,
}

fn stated(text: &str) -> Option<(Timestamp, Zone)> {
    let text = text.trim();
    if let Ok(at) = text.parse() {
        return Some((at, Zone::Stated));
    }
    let (text, zone) = match text.strip_suffix(" UTC") {
        Some(text) => (text, Zone::Stated),
        None => (text, Zone::Implied),
    };
    // A date alone is not a moment, although it would parse as midnight.
    if !text.contains(':') {
        return None;
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    utc(civil).map(|at| (at, zone))
}

/// `Oct 2, 2019 11:12:29 PM`: Java's medium date and time for `en_US`. Newer runtimes put a comma after the year
/// and a no-break space (U+00A0 or U+202F) before the half of the day.
fn american(text: &str) -> Option<Timestamp> {
    let mut words = text.split_whitespace().map(|word| word.trim_end_matches(','));
    let month = month_number(words.next()?)?;
    let day = words.next()?.parse().ok()?;
    let year = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':');
    let hour: i8 = clock.next()?.parse().ok().filter(|hour| (1..=12).contains(hour))?;
    let minute = clock.next()?.parse().ok()?;
    let second = clock.next()?.parse().ok()?;
    let afternoon = match words.next()? {
        "AM" | "am" => 0,
        "PM" | "pm" => 12,
        _ => return None,
    };
    if clock.next().is_some() || words.next().is_some() {
        return None;
    }
    utc(jiff::civil::DateTime::new(year, month, day, hour % 12 + afternoon, minute, second, 0).ok()?)
}

fn month_number(name: &str) -> Option<i8> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let position = MONTHS.iter().position(|month| *month == name)?;
    i8::try_from(position + 1).ok()
}

/// A count since the Unix epoch. Java writes it as `1.570057949E9`, which is an integer all the same.
fn epoch(number: &str) -> Option<Timestamp> {
    let count = integer(number)?;
    if count > SECONDS_MAX {
        return count.checked_mul(1_000_000).map(Timestamp::from_nanoseconds);
    }
    Timestamp::from_seconds(count)
}

/// The integer part of a decimal number, with or without an exponent, computed on its digits.
fn integer(number: &str) -> Option<i64> {
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.trim_start_matches('+').parse::<usize>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if exponent > 18 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let shifted: String = whole.chars().chain(fraction.chars().chain("0".chars().cycle()).take(exponent)).collect();
    shifted.parse().ok()
}

fn utc(civil: jiff::civil::DateTime) -> Option<Timestamp> {
    let moment = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    i64::try_from(moment.as_nanosecond()).ok().map(Timestamp::from_nanoseconds)
}

/// The smallest step that the text can express: its fraction's last digit, else a second.
fn precision_ns(text: &str) -> u64 {
    let Some((_, fraction)) = text.split_once('.') else { return SECOND_NS };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).take(9).count();
    SECOND_NS / 10_u64.pow(digits as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn every_way_to_write_an_expiry_gives_the_moment() {
        let moment = at("2019-10-02T23:12:29Z");
        for text in [
            "Oct 2, 2019 11:12:29 PM",
            "Oct 2, 2019, 11:12:29 PM",
            "Oct 2, 2019, 11:12:29\u{202f}PM",
            "Oct 2, 2019 11:12:29\u{a0}PM",
            "Oct 02, 2019 11:12:29 PM",
            "2019-10-02T23:12:29Z",
            "2019-10-03T01:12:29+02:00",
            "2019-10-02 23:12:29",
            "1570057949",
            "1570057949000",
            "1.570057949E9",
            "1.570057949E12",
        ] {
            assert_eq!(expiry_text(text), moment, "{text}");
        }
        assert_eq!(expiry_text("Jan 1, 2024, 12:00:00 AM"), at("2024-01-01T00:00:00Z"));
        assert_eq!(expiry_text("Jan 1, 2024, 12:00:01 PM"), at("2024-01-01T12:00:01Z"));
        assert_eq!(expiry_text("Feb 29, 2024 1:02:03 AM"), at("2024-02-29T01:02:03Z"));
    }

    #[test]
    fn an_expiry_that_is_no_moment_is_refused() {
        for text in [
            "",
            "soon",
            "2019-10-02",
            "Oct 2, 2019",
            "Oct 2, 2019 11:12:29",
            "Oct 2, 2019 13:12:29 PM",
            "Jan 01, 2019 0:00:00 PM",
            "Feb 30, 2019 1:00:00 AM",
            "Okt 2, 2019 11:12:29 PM",
            "Oct 2, 2019 11:12:29:00 PM",
            "Oct 2, 2019 11:12:29 PM CEST",
            "1e400",
            "1.5x",
        ] {
            assert_eq!(expiry_text(text), None, "{text}");
        }
    }

    #[test]
    fn a_stated_time_tells_whether_its_zone_is_stated() {
        for (text, moment, zone, precision) in [
            ("2022-11-29T00:09:04Z", "2022-11-29T00:09:04Z", Zone::Stated, 1_000_000_000),
            ("2022-11-29T00:09:04.380Z", "2022-11-29T00:09:04.38Z", Zone::Stated, 1_000_000),
            ("20131102T010628Z", "2013-11-02T01:06:28Z", Zone::Stated, 1_000_000_000),
            ("2022-11-29 00:09:04 UTC", "2022-11-29T00:09:04Z", Zone::Stated, 1_000_000_000),
            ("2021-05-20 15:53:47Z", "2021-05-20T15:53:47Z", Zone::Stated, 1_000_000_000),
            ("2022-11-29 00:09:04.38", "2022-11-29T00:09:04.38Z", Zone::Implied, 10_000_000),
            ("2025-01-20 16:52:14.000000000", "2025-01-20T16:52:14Z", Zone::Implied, 1),
            ("2022-09-27 17:09:18", "2022-09-27T17:09:18Z", Zone::Implied, 1_000_000_000),
        ] {
            assert_eq!(stated(text), Some((moment.parse().unwrap(), zone)), "{text}");
            assert_eq!(precision_ns(text), precision, "{text}");
        }
        for text in ["", "redacted", "2022-11-29", "...", "17:09:18", "2022-13-01 00:00:00"] {
            assert_eq!(stated(text), None, "{text}");
        }
    }
}
