//! How well a moment is known: a stated time is an interval, and the clocks of two streams may differ.
//!
//! It knows what records state and one assumption, [`SKEW_NS`]. It measures no clock: an answer that leans on the
//! assumption names it as a premise that rests on the operator's word.

use ascribe_model::{Event, SourceRef, Timestamp};

/// How far the clocks of two streams are taken to differ at most, in nanoseconds. No record states it.
pub const SKEW_NS: u64 = 5_000_000_000;

/// The premise under which moments of different streams are put in order.
pub(crate) const SKEW_PREMISE: &str = "the clocks of different streams differ by at most 5 s";

/// When something happened: some time between two moments, by the clock of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) earliest: Timestamp,
    pub(crate) latest: Timestamp,
    /// The stream whose clock it is; none for a moment that no stream's clock took, such as a declared end.
    pub(crate) stream: Option<SourceRef>,
}

/// Which of two moments came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The first, whatever the clocks were.
    Before,
    /// The second, whatever the clocks were.
    After,
    /// The clocks do not tell.
    Open,
}

impl Moment {
    /// When the request of an event arrived. Whether sources cut a time off or round it is not on record, so it may lie
    /// a step to either side.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let at = event.time.at?;
        Some(Self::around(at, event.time.precision_ns, Some(event.source.clone())))
    }

    /// When what an event did took effect: between the arrival of the request and its end.
    pub(crate) fn of_effect(event: &Event) -> Option<Self> {
        let arrived = Self::of(event)?;
        let ended = event.time.end.map(|end| end.plus_nanoseconds(signed(event.time.precision_ns)));
        Some(Self { latest: ended.map_or(arrived.latest, |ended| ended.max(arrived.latest)), ..arrived })
    }

    /// Some time within `within_ns` of `at`.
    pub(crate) fn around(at: Timestamp, within_ns: u64, stream: Option<SourceRef>) -> Self {
        let within = signed(within_ns);
        Self { earliest: at.plus_nanoseconds(-within), latest: at.plus_nanoseconds(within), stream }
    }

    /// Which came first, with room for the skew where the two are not of one stream.
    pub(crate) fn order(&self, other: &Self) -> Order {
        let skew = if self.shares_clock(other) { 0 } else { signed(SKEW_NS) };
        if self.latest.plus_nanoseconds(skew) < other.earliest {
            Order::Before
        } else if other.latest.plus_nanoseconds(skew) < self.earliest {
            Order::After
        } else {
            Order::Open
        }
    }

    /// Whether one clock took both: the parts of one scope, such as the regions of an account, keep one time.
    pub(crate) fn shares_clock(&self, other: &Self) -> bool {
        let clock =
            |moment: &Self| moment.stream.as_ref().map(|stream| (stream.kind.clone(), stream.scope.clone()));
        self.stream.is_some() && clock(self) == clock(other)
    }
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(second: i64, scope: Option<&str>) -> Moment {
        let stream = scope.map(|scope| SourceRef {
            kind: "made_up".to_owned(),
            scope: scope.to_owned(),
            partition: None,
        });
        Moment::around(Timestamp::from_seconds(second).unwrap(), 1_000_000_000, stream)
    }

    #[test]
    fn moments_of_one_stream_are_ordered_beyond_their_precision() {
        for (first, second, expected) in
            [(0, 0, Order::Open), (0, 2, Order::Open), (0, 3, Order::Before), (3, 0, Order::After)]
        {
            let [left, right] = [first, second].map(|second| moment(second, Some("prod")));
            assert_eq!(left.order(&right), expected, "{first} and {second}");
        }
    }

    #[test]
    fn moments_of_different_streams_need_room_for_their_clocks() {
        for (scope, apart, expected) in
            [(Some("staging"), 7, Order::Open), (Some("staging"), 8, Order::Before), (None, 7, Order::Open)]
        {
            assert_eq!(moment(0, Some("prod")).order(&moment(apart, scope)), expected, "{scope:?} {apart}");
            assert_ne!(moment(apart, scope).order(&moment(0, Some("prod"))), Order::Before);
        }
    }

    #[test]
    fn what_no_stream_recorded_shares_no_clock() {
        assert!(!moment(0, None).shares_clock(&moment(0, None)));
    }
}
