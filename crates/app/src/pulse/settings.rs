//! What is expected of the ledger and its streams: `[pulse]` of `ascribe.toml`.

use std::fmt;
use std::str::FromStr;

use ascribe_model::StreamEntry;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `[pulse]` of `ascribe.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PulseSettings {
    /// A heartbeat is due when nothing was written for so long.
    #[serde(default = "default_heartbeat")]
    pub heartbeat_after: Length,
    /// How long any stream may be silent that no line of `stream` fits; absent where none is expected to speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after: Option<Length>,
    /// How long single streams, or all of a source, may be silent. The first line that fits counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stream: Vec<StreamExpectation>,
}

/// One line of `[[pulse.stream]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamExpectation {
    /// Id of the source.
    pub source: String,
    /// Native scope; any where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Part that is delivered apart; any where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// How long it may be silent, or `never` where it need not speak.
    pub silent_after: Limit,
}

/// How long a stream may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So long.
    After(Length),
    /// For ever: it is not expected to speak.
    Never,
}

/// A length of time, in nanoseconds: whole seconds, minutes, hours or days, such as `90s`, `15m`, `1h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(u64);

/// The text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no length of time, such as `90s`, `15m`, `1h` or `7d`, up to a hundred years")]
pub struct NotALength {
    text: String,
}

/// The units, largest first, in seconds.
const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];

/// A hundred years: sums of a moment and a length stay within what a moment can be.
const SECONDS_MAX: u64 = 100 * 366 * 86_400;

const NS: u64 = 1_000_000_000;

impl PulseSettings {
    /// How long a stream may be silent, in nanoseconds; `None` where it is not expected to speak.
    pub fn silent_after(&self, stream: &StreamEntry) -> Option<u64> {
        let limit = self.stream.iter().find(|line| line.fits(stream)).map(|line| line.silent_after);
        match limit {
            Some(Limit::After(length)) => Some(length.nanoseconds()),
            Some(Limit::Never) => None,
            None => self.silent_after.map(Length::nanoseconds),
        }
    }
}

impl Default for PulseSettings {
    fn default() -> Self {
        Self { heartbeat_after: default_heartbeat(), silent_after: None, stream: Vec::new() }
    }
}

impl StreamExpectation {
    fn fits(&self, stream: &StreamEntry) -> bool {
        self.source == stream.source
            && self.scope.as_ref().is_none_or(|scope| *scope == stream.scope)
            && self.partition.as_ref().is_none_or(|partition| Some(partition) == stream.partition.as_ref())
    }
}

impl Length {
    /// Its nanoseconds; never 0.
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Length {
    type Err = NotALength;

    fn from_str(text: &str) -> Result<Self, NotALength> {
        let failed = || NotALength { text: text.chars().take(40).collect() };
        let unit = UNITS.iter().find(|(_, letter)| text.ends_with(*letter)).ok_or_else(failed)?;
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(failed());
        }
        let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit.0));
        let seconds = seconds.filter(|seconds| (1..=SECONDS_MAX).contains(seconds)).ok_or_else(failed)?;
        Ok(Self(seconds * NS))
    }
}

/// In the largest unit that it is a whole number of.
impl fmt::Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / NS;
        let (size, letter) =
            UNITS.into_iter().find(|(size, _)| seconds.is_multiple_of(*size)).unwrap_or((1, 's'));
        write!(formatter, "{}{letter}", seconds / size)
    }
}

impl FromStr for Limit {
    type Err = NotALength;

    fn from_str(text: &str) -> Result<Self, NotALength> {
        if text == "never" { Ok(Self::Never) } else { text.parse().map(Self::After) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(length) => length.fmt(formatter),
            Self::Never => formatter.write_str("never"),
        }
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn default_heartbeat() -> Length {
    Length(3_600 * NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_and_print() {
        for (text, seconds, shown) in
            [("90s", 90, "90s"), ("60m", 3_600, "1h"), ("36h", 129_600, "36h"), ("7d", 604_800, "7d")]
        {
            let length: Length = text.parse().unwrap();
            assert_eq!((length.nanoseconds(), length.to_string().as_str()), (seconds * NS, shown));
        }
        for bad in ["", "h", "0s", "-1h", "1.5h", "1 h", "1w", "99999999999d", "+1h", "١h"] {
            assert!(bad.parse::<Length>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let settings: PulseSettings = toml::from_str(
            "silent_after = '1d'\n\
             [[stream]]\nsource = 'aws_cloudtrail'\nscope = '1'\nsilent_after = 'never'\n\
             [[stream]]\nsource = 'aws_cloudtrail'\nsilent_after = '1h'\n",
        )
        .unwrap();
        let stream = |source: &str, scope: &str| StreamEntry {
            source: source.to_owned(),
            scope: scope.to_owned(),
            partition: Some("eu-west-1".to_owned()),
        };
        assert_eq!(settings.silent_after(&stream("aws_cloudtrail", "1")), None);
        assert_eq!(settings.silent_after(&stream("aws_cloudtrail", "2")), Some(3_600 * NS));
        assert_eq!(settings.silent_after(&stream("vault", "2")), Some(86_400 * NS));
        assert!(toml::from_str::<PulseSettings>("[[stream]]\nsource = 'x'\n").is_err());
    }
}
