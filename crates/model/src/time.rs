//! A moment, as nanoseconds since the Unix epoch, always UTC.
//!
//! It does not know what "now" is: the present enters a program in one place, and that is not here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds since 1970-01-01T00:00:00Z; covers 1677 to 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 moment between the years 1677 and 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTimestampError;

impl Timestamp {
    /// The earliest moment that the type can express.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment that the type can express.
    pub const MAX: Self = Self(i64::MAX);

    /// The moment `nanoseconds` after the Unix epoch.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// The moment `seconds` after the Unix epoch, or `None` outside the years 1677 to 2262.
    pub const fn from_seconds(seconds: i64) -> Option<Self> {
        match seconds.checked_mul(1_000_000_000) {
            Some(nanoseconds) => Some(Self(nanoseconds)),
            None => None,
        }
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// This moment moved by `nanoseconds`, held inside the range that the type can express.
    #[must_use]
    pub const fn plus_nanoseconds(self, nanoseconds: i64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }

    /// Distance to another moment, in nanoseconds, without sign.
    pub const fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }
}

/// RFC 3339 in UTC with as many fractional digits as the value needs: `2026-08-14T09:12:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(moment) => write!(formatter, "{moment}"),
            Err(_) => write!(formatter, "{}ns", self.0), // Unreachable: every i64 of nanoseconds is a jiff moment.
        }
    }
}

/// Reads RFC 3339, with `T` or a blank between date and time, and an offset that is required.
impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| ParseTimestampError)?;
        i64::try_from(moment.as_nanosecond()).map(Self).map_err(|_| ParseTimestampError)
    }
}

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected an RFC 3339 moment with an offset, such as `2026-08-14T09:12:00Z`")
    }
}

impl std::error::Error for ParseTimestampError {}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_agree() {
        for (text, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2019-10-02T23:12:29Z", 1_570_057_949_000_000_000),
            ("2025-05-19T09:37:51.360338Z", 1_747_647_471_360_338_000),
            ("1969-12-31T23:59:59.999999999Z", -1),
        ] {
            let moment: Timestamp = text.parse().unwrap();
            assert_eq!(moment.nanoseconds(), nanoseconds, "{text}");
            assert_eq!(moment.to_string(), text);
        }
        assert_eq!(
            "2026-01-01T01:00:00+01:00".parse::<Timestamp>(),
            "2026-01-01T00:00:00Z".parse::<Timestamp>()
        );
    }

    #[test]
    fn a_moment_without_a_zone_is_refused() {
        for text in ["", "2026-01-01", "2026-01-01T00:00:00", "yesterday", "9999-01-01T00:00:00Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(ParseTimestampError), "{text}");
        }
    }
}
