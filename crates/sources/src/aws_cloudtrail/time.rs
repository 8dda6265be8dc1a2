//! Which of its moments a CloudTrail event states, and how: `eventTime`, `creationDate`, the end of a credential.
//!
//! The texts themselves are read by [`Moment`]; here are only the forms that no other source has.

use std::borrow::Cow;

use ascribe_model::{EventTime, TimeBasis, Timestamp};

use crate::json::Value;
use crate::{Moment, Zone};

/// CloudTrail's own precision: `eventTime` is stated in whole seconds.
const SECOND_NS: u64 = 1_000_000_000;

/// The event's time from `eventTime`, else from the member to which a collector moved it.
pub(super) fn event_time(own: Option<Value<'_>>, renamed: Option<Value<'_>>) -> EventTime {
    let undated = |basis| EventTime { at: None, end: None, precision_ns: SECOND_NS, basis };
    let Some(value) = own.or(renamed) else { return undated(TimeBasis::Missing) };
    let Some(moment) = stated(value) else { return undated(TimeBasis::Unreadable) };
    let basis = match moment.zone {
        _ if own.is_none() => TimeBasis::Renamed,
        Zone::Stated => TimeBasis::Stated,
        Zone::Implied => TimeBasis::ZoneImplied,
    };
    EventTime { at: Some(moment.at), end: None, precision_ns: moment.precision_ns, basis }
}

/// A moment such as `creationDate` or `expiration`; `None` where it is missing or cannot be read.
pub(super) fn moment(value: Option<Value<'_>>) -> Option<Timestamp> {
    stated(value?).map(|moment| moment.at)
}

/// A moment inside another text.
pub(super) fn moment_text(text: &str) -> Option<Timestamp> {
    stated_text(text).map(|moment| moment.at)
}

fn stated(value: Value<'_>) -> Option<Moment> {
    let text = value.number_text().map(Cow::Borrowed).or_else(|| value.text())?;
    stated_text(&text)
}

/// Exports from BigQuery write ` UTC` for the zone; the documentation shows `creationDate` without separators, as
/// `20131102T010628Z`.
fn stated_text(text: &str) -> Option<Moment> {
    let text = text.trim();
    if let Some(zoned) = text.strip_suffix(" UTC") {
        return Moment::read(&format!("{zoned}Z")).ok();
    }
    match (text.len(), text.split_once('T')) {
        (16, Some((date, clock))) if date.len() == 8 && text.is_ascii() => {
            let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
            let (hour, minute, second) = (&clock[..2], &clock[2..4], &clock[4..]);
            Moment::read(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}")).ok()
        }
        _ => Moment::read(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_expiry_gives_the_moment() {
        let moment = Some("2019-10-02T23:12:29Z".parse().unwrap());
        for text in [
            "Oct 2, 2019 11:12:29 PM",
            "Oct 2, 2019, 11:12:29 PM",
            "Oct 2, 2019, 11:12:29\u{202f}PM",
            "Oct 2, 2019 11:12:29\u{a0}PM",
            "2019-10-02T23:12:29Z",
            "2019-10-02T23:12:29.000Z",
            "2019-10-03T01:12:29+02:00",
            "2019-10-02 23:12:29",
            "2019-10-02 23:12:29 UTC",
            "20191002T231229Z",
            "1570057949",
            "1570057949000",
        ] {
            assert_eq!(moment_text(text), moment, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "soon",
            "2019-10-02",
            "Oct 2, 2019",
            "Jan 01, 2019 0:00:00 PM",
            "20191302T231229Z",
            "UTC",
            "éT",
        ] {
            assert_eq!(moment_text(text), None, "{text}");
        }
    }
}
