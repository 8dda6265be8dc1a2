//! Rows of a timeline: events in one order, and blind spots among them where they begin.

use std::sync::Arc;

use ascribe_model::{BlindSpot, Event, TimelineEvent, TimelineRow};

use super::leads::Lead;
use crate::uncertainty::{Moment, Order};

/// Rows above one that are compared with it.
const COMPARED_MAX: usize = 64;

/// A row for each event, in their order.
pub(super) fn event_rows(
    events: &[(Arc<Event>, usize)],
    leads: &[Lead],
    streams: &[String],
) -> Vec<TimelineEvent> {
    let mut rows = Vec::with_capacity(events.len());
    for (position, (event, lead)) in events.iter().enumerate() {
        let lead = &leads[*lead];
        let name = event.source.to_string();
        let resource = event.resources.first().map(|resource| resource.uid.clone());
        let observed = event.src_endpoint.addresses.iter().rfind(|address| address.observed);
        rows.push(TimelineEvent {
            event: event.id,
            at: event.time.at,
            within_ns: event.time.precision_ns,
            order_is_open: order_is_open(&events[..position], event),
            stream: streams.iter().position(|stream| *stream == name).unwrap_or_default(),
            verb: event.verb,
            operation: event.api.operation.clone(),
            status: event.outcome.status,
            actor: event.actor.clone(),
            credential: event.credential.as_ref().map(|credential| credential.uid.clone()),
            resource,
            address: observed.map(|address| address.ip.clone()),
            part: lead.part,
            of: lead.wanted.key.clone(),
            edge: lead.edge.map(|(edge, _)| edge),
            grade: lead.edge.map(|(_, grade)| grade),
        });
    }
    rows
}

/// Puts blind spots where they begin: those that concern the whole period first, before the events.
pub(super) fn with_blind_spots(events: Vec<TimelineEvent>, spots: Vec<BlindSpot>) -> Vec<TimelineRow> {
    let mut rows: Vec<TimelineRow> =
        events.into_iter().map(|event| TimelineRow::Event(Box::new(event))).collect();
    rows.extend(spots.into_iter().map(TimelineRow::Blind));
    rows.sort_by_key(|row| match row {
        TimelineRow::Blind(spot) => {
            (false, spot.from, if spot.until.is_none() && spot.event.is_none() { 2 } else { 0 })
        }
        TimelineRow::Event(event) => (event.at.is_none(), event.at, 1),
    });
    rows
}

/// Whether the event may have come before one of the rows above it.
fn order_is_open(above: &[(Arc<Event>, usize)], event: &Event) -> bool {
    let Some(moment) = Moment::of(event) else { return false };
    let mut others = above.iter().rev().take(COMPARED_MAX).filter_map(|(other, _)| Moment::of(other));
    others.any(|other| other.order(&moment) == Order::Open)
}
