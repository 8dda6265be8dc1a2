//! Moments as sources write them: RFC 3339 with or without a zone, the US-English form of AWS STS, Unix time.
//!
//! The model reads RFC 3339 only; here is what real records hold besides. It knows no time zone but fixed offsets,
//! and no present.

use ascribe_model::Timestamp;

/// A moment that a record states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The moment.
    pub at: Timestamp,
    /// The smallest step that the text can express, in nanoseconds.
    pub precision_ns: u64,
    /// Whether the text says which zone it is in.
    pub zone: Zone,
}

/// Whether a text says which zone its moment is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// It states an offset from UTC, or counts from the Unix epoch.
    Stated,
    /// It states none; the moment was read as UTC.
    Implied,
}

/// The text is in none of the known forms, or names a moment outside the years 1677 to 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a moment such as `2026-08-14T09:12:00Z`")]
pub struct UnreadableMoment;

impl Moment {
    /// Reads `2026-08-14T09:12:00.5Z`, `2026-08-14 09:12:00+02:00`, `2026-08-14 09:12:00` (zone implied),
    /// `Oct 2, 2019 11:12:29 PM` (zone implied; any Unicode blank before `PM`, a comma after the year), and Unix time
    /// in seconds (at most 11 digits) or milliseconds (12 to 14 digits).
    pub fn read(text: &str) -> Result<Self, UnreadableMoment> {
        let bytes = text.as_bytes();
        let moment = match bytes {
            [_, _, _, _, b'-', ..] => dashed(bytes),
            [first, ..] if first.is_ascii_alphabetic() => month_first(text),
            _ => unix(text),
        };
        moment.ok_or(UnreadableMoment)
    }
}

/// Length of an RFC 3339 moment with its zone at the start of `bytes`; `None` where there is none.
pub(crate) fn dashed_length(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader { rest: bytes };
    reader.dashed()?;
    reader.offset_seconds()?;
    Some(bytes.len() - reader.rest.len())
}

/// The parts of a moment before they are put together.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
    nanosecond: i64,
    precision_ns: u64,
}

struct Reader<'a> {
    rest: &'a [u8],
}

fn dashed(bytes: &[u8]) -> Option<Moment> {
    let mut reader = Reader { rest: bytes };
    let civil = reader.dashed()?;
    if reader.rest.is_empty() {
        return civil.moment(0, Zone::Implied);
    }
    let offset = reader.offset_seconds()?;
    if !reader.rest.is_empty() {
        return None;
    }
    civil.moment(offset, Zone::Stated)
}

/// `Oct 2, 2019 11:12:29 PM`: what Java's medium US format gives, which AWS STS writes into `expiration`.
fn month_first(text: &str) -> Option<Moment> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // Newer Java puts U+202F before the half of the day; `split_whitespace` takes that and U+00A0 as blanks.
    let mut words = text.split_whitespace();
    let month_name = words.next()?;
    let month = (1..).zip(MONTHS).find(|(_, month)| *month == month_name)?.0;
    let day = number(words.next()?.strip_suffix(',')?)?;
    let year_word = words.next()?;
    let year = number(year_word.strip_suffix(',').unwrap_or(year_word))?;
    let mut reader = Reader { rest: words.next()?.as_bytes() };
    let (hour, second_of_hour) = reader.clock()?;
    let hour = match words.next()? {
        "AM" if (1..=12).contains(&hour) => hour % 12,
        "PM" if (1..=12).contains(&hour) => hour % 12 + 12,
        _ => return None,
    };
    if words.next().is_some() || !reader.rest.is_empty() {
        return None;
    }
    let second_of_day = hour * 3600 + second_of_hour;
    let civil = Civil { year, month, day, second_of_day, nanosecond: 0, precision_ns: 1_000_000_000 };
    civil.moment(0, Zone::Implied)
}

fn unix(text: &str) -> Option<Moment> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let count = number(whole)?;
    let (at, precision_ns) = match (whole.len(), fraction) {
        (1..=11, "") => (Timestamp::from_seconds(count)?, 1_000_000_000),
        (1..=11, digits) => {
            let (nanosecond, precision_ns) = fraction_of_second(digits.as_bytes())?;
            (Timestamp::from_seconds(count)?.plus_nanoseconds(nanosecond), precision_ns)
        }
        (12..=14, "") => (Timestamp::from_nanoseconds(count.checked_mul(1_000_000)?), 1_000_000),
        _ => return None,
    };
    Some(Moment { at, precision_ns, zone: Zone::Stated })
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Nanoseconds and precision of the digits behind a decimal point. Digits past the ninth are below what can be kept.
fn fraction_of_second(digits: &[u8]) -> Option<(i64, u64)> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut step: u32 = 1_000_000_000;
    let mut nanosecond = 0;
    for digit in digits.iter().take(9) {
        step /= 10;
        nanosecond += i64::from(u32::from(digit - b'0') * step);
    }
    Some((nanosecond, u64::from(step)))
}

impl Civil {
    fn moment(&self, offset_seconds: i64, zone: Zone) -> Option<Moment> {
        let seconds = self.days()? * 86_400 + self.second_of_day - offset_seconds;
        let nanoseconds = i128::from(seconds) * 1_000_000_000 + i128::from(self.nanosecond);
        let at = Timestamp::from_nanoseconds(i64::try_from(nanoseconds).ok()?);
        Some(Moment { at, precision_ns: self.precision_ns, zone })
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar: whole years, leap days, then a March-based year
    /// in which the lengths of months follow (153 m + 2) / 5.
    fn days(&self) -> Option<i64> {
        let Self { year, month, day, .. } = *self;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=length).contains(&day) {
            return None;
        }
        let (march_year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let leap_days = march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400);
        Some(march_year * 365 + leap_days + (153 * march_month + 2) / 5 + day - 1 - 719_468)
    }
}

impl Reader<'_> {
    /// Date, `T` or a blank, and time, without the zone.
    fn dashed(&mut self) -> Option<Civil> {
        let year = self.digits(4)?;
        self.skip(b"-")?;
        let month = self.digits(2)?;
        self.skip(b"-")?;
        let day = self.digits(2)?;
        self.skip(b"Tt ")?;
        let (hour, second_of_hour) = self.clock()?;
        if hour > 23 {
            return None;
        }
        let (mut nanosecond, mut precision_ns) = (0, 1_000_000_000);
        if self.skip(b".,").is_some() {
            let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, rest) = self.rest.split_at(length);
            (nanosecond, precision_ns) = fraction_of_second(digits)?;
            self.rest = rest;
        }
        let second_of_day = hour * 3600 + second_of_hour;
        Some(Civil { year, month, day, second_of_day, nanosecond, precision_ns })
    }

    /// Hour, and second of the hour. A leap second counts as the second before it.
    fn clock(&mut self) -> Option<(i64, i64)> {
        let hour = if self.rest.get(1) == Some(&b':') { self.digits(1)? } else { self.digits(2)? };
        self.skip(b":")?;
        let minute = self.digits(2)?;
        self.skip(b":")?;
        let second = self.digits(2)?;
        (minute < 60 && second <= 60).then(|| (hour, minute * 60 + second.min(59)))
    }

    fn offset_seconds(&mut self) -> Option<i64> {
        if self.skip(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.skip(b"+").is_some() { 1 } else { self.skip(b"-").map(|()| -1)? };
        let hours = self.digits(2)?;
        // ISO 8601 also allows `+0200`, which some shippers write.
        let minutes = if self.skip(b":").is_some() { self.digits(2)? } else { self.digits(2).unwrap_or(0) };
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        let mut number = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + i64::from(digit - b'0');
        }
        self.rest = rest;
        Some(number)
    }

    /// Skips one byte of `set`.
    fn skip(&mut self, set: &[u8]) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        set.contains(first).then(|| self.rest = rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_known_form_is_read() {
        use Zone::{Implied, Stated};
        for (text, expected, precision_ns, zone) in [
            ("2019-10-02T23:12:29Z", "2019-10-02T23:12:29Z", 1_000_000_000, Stated),
            ("2025-05-19T09:37:51.360338Z", "2025-05-19T09:37:51.360338Z", 1_000, Stated),
            ("2022-11-29 00:09:04.38", "2022-11-29T00:09:04.38Z", 10_000_000, Implied),
            ("2022-11-29 00:09:04 +02:00", "", 0, Stated),
            ("2022-11-29 02:09:04+02:00", "2022-11-29T00:09:04Z", 1_000_000_000, Stated),
            ("2022-11-29T02:09:04-0230", "2022-11-29T04:39:04Z", 1_000_000_000, Stated),
            ("Oct 2, 2019 11:12:29 PM", "2019-10-02T23:12:29Z", 1_000_000_000, Implied),
            ("Oct 2, 2019, 12:12:29\u{202f}AM", "2019-10-02T00:12:29Z", 1_000_000_000, Implied),
            ("Oct 12, 2019 9:12:29\u{a0}AM", "2019-10-12T09:12:29Z", 1_000_000_000, Implied),
            ("1570057949", "2019-10-02T23:12:29Z", 1_000_000_000, Stated),
            ("1570057949123", "2019-10-02T23:12:29.123Z", 1_000_000, Stated),
            ("1570057949.5", "2019-10-02T23:12:29.5Z", 100_000_000, Stated),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", 1_000_000_000, Stated),
            ("2024-02-29T00:00:00.1234567891Z", "2024-02-29T00:00:00.123456789Z", 1, Stated),
        ] {
            match (Moment::read(text), expected) {
                (Err(UnreadableMoment), "") => {}
                (Ok(moment), _) => {
                    let found = (moment.at.to_string(), moment.precision_ns, moment.zone);
                    assert_eq!(found, (expected.to_owned(), precision_ns, zone), "{text}");
                }
                (Err(error), _) => panic!("{text}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "yesterday",
            "2023-02-29T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:60:00Z",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00Zulu",
            "9999-01-01T00:00:00Z",
            "Oct 2, 2019 13:12:29 PM",
            "Oct 2, 2019 0:12:29 PM",
            "Oct 32, 2019 1:12:29 PM",
            "Oct 2 2019 1:12:29 PM",
            "-1",
            "+1570057949",
            "999999999999999",
            "é123-01-01",
        ] {
            assert_eq!(Moment::read(text), Err(UnreadableMoment), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn what_the_model_writes_is_read_back(nanoseconds: i64) {
            let at = Timestamp::from_nanoseconds(nanoseconds);
            prop_assert_eq!(Moment::read(&at.to_string()).map(|moment| moment.at), Ok(at));
        }

        #[test]
        fn what_is_read_is_read_again_from_its_own_text(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{5,12}(Z|[+-][0-9]{2}:?[0-9]{2})?") {
            if let Ok(moment) = Moment::read(&text) {
                prop_assert_eq!(Moment::read(&moment.at.to_string()).map(|again| again.at), Ok(moment.at));
            }
        }
    }
}
