//! The ends of a credential's life, and on which side of them each use stands.

use std::sync::Arc;

use ascribe_model::{EffectKind, Event, EventId, Status, Timestamp};

use super::life::{Life, Mark, Means};
use crate::uncertainty::{Moment, Order};

/// An end of the credential's life.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// When it ended, as stated.
    pub(super) at: Timestamp,
    /// When it took effect, as well as that is known.
    pub(super) moment: Moment,
    /// Since when it holds no more, where the credential was switched on again.
    pub(super) until: Option<Moment>,
    /// Whether it is this very credential that ended.
    pub(super) is_certain: bool,
    /// The record that shows it; for a declared end the one that declares it.
    pub(super) shown_by: EventId,
}

/// The latest end that a record declares.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) at: Timestamp,
    pub(super) within_ns: u64,
    pub(super) by: Arc<Event>,
}

/// Where a use stands to the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Before every end.
    Within,
    /// The clocks do not tell, or it is not certain that it was this credential that ended.
    Open,
    /// After an end.
    After,
}

/// A use that does not stand before every end.
#[derive(Clone, Debug)]
pub(super) struct Late {
    pub(super) usage: Arc<Event>,
    pub(super) standing: Standing,
    /// The record that shows the end.
    pub(super) end: EventId,
    /// Whether the end was recorded by the stream of the use, so that no two clocks are compared.
    pub(super) shares_clock: bool,
}

impl Late {
    /// Whether the record says that the credential was accepted: a failure may have come before or after that.
    pub(super) fn is_accepted(&self) -> bool {
        self.usage.outcome.status == Status::Success
    }

    pub(super) fn is_refused(&self) -> bool {
        self.usage.outcome.status == Status::Denied
    }
}

/// The end that the latest record of issue or renewal declares. A renewal moves it.
pub(super) fn declared(life: &Life) -> Option<Declared> {
    let of_this = life.marks.iter().filter(|mark| mark.means == Means::This);
    let declaring = of_this.filter_map(declares);
    declaring.max_by_key(|declared| (declared.by.time.at, declared.at))
}

/// Ends on record, and the declared one, by time.
pub(super) fn ends(life: &Life, declared: Option<&Declared>) -> Vec<End> {
    let ending = life.marks.iter().filter(|mark| {
        matches!(mark.effect.kind, EffectKind::Revoke | EffectKind::Disable) && mark.event.time.at.is_some()
    });
    let mut ends: Vec<End> = ending.filter_map(|mark| recorded_end(life, mark)).collect();
    ends.extend(declared.map(|declared| End {
        at: declared.at,
        moment: Moment::around(declared.at, declared.within_ns, None),
        until: None,
        is_certain: true,
        shown_by: declared.by.id,
    }));
    ends.sort_by_key(|end| (end.moment.earliest, end.shown_by));
    ends
}

/// Uses that do not stand before every end, in their order.
pub(super) fn late_uses(life: &Life, ends: &[End]) -> Vec<Late> {
    let late = |usage: &Arc<Event>| {
        let moment = Moment::of(usage)?;
        let (standing, end) = ends
            .iter()
            .filter(|end| end.shown_by != usage.id)
            .map(|end| (standing(&moment, end), end))
            .max_by_key(|(standing, _)| *standing)?;
        let shares_clock = end.moment.shares_clock(&moment);
        (standing > Standing::Within).then(|| Late {
            usage: Arc::clone(usage),
            standing,
            end: end.shown_by,
            shares_clock,
        })
    };
    life.uses.iter().filter_map(late).collect()
}

fn standing(usage: &Moment, end: &End) -> Standing {
    let after = usage.order(&end.moment);
    let over = end.until.as_ref().map(|until| usage.order(until));
    match (after, over) {
        (Order::Before, _) | (_, Some(Order::After)) => Standing::Within,
        (Order::After, None | Some(Order::Before)) if end.is_certain => Standing::After,
        _ => Standing::Open,
    }
}

fn recorded_end(life: &Life, mark: &Mark) -> Option<End> {
    let moment = Moment::of_effect(&mark.event)?;
    let enabled_again = life.marks.iter().find(|later| {
        mark.effect.kind == EffectKind::Disable
            && later.effect.kind == EffectKind::Enable
            && later.event.time.at > mark.event.time.at
    });
    Some(End {
        at: mark.event.time.at?,
        moment,
        until: enabled_again.and_then(|later| Moment::of_effect(&later.event)),
        is_certain: mark.means != Means::PerhapsSet,
        shown_by: mark.event.id,
    })
}

fn declares(mark: &Mark) -> Option<Declared> {
    if !matches!(mark.effect.kind, EffectKind::Issue | EffectKind::Renew | EffectKind::Expire) {
        return None;
    }
    let by = Arc::clone(&mark.event);
    if let Some(at) = mark.effect.expires {
        return Some(Declared { at, within_ns: 0, by });
    }
    let length = i64::try_from(mark.effect.ttl_seconds?).ok()?.checked_mul(1_000_000_000)?;
    let began = Moment::of_effect(&mark.event)?;
    let (earliest, latest) = (began.earliest.plus_nanoseconds(length), began.latest.plus_nanoseconds(length));
    let within_ns = latest.distance(earliest).div_ceil(2);
    let middle = i64::try_from(within_ns).ok()?;
    Some(Declared { at: earliest.plus_nanoseconds(middle), within_ns, by })
}
