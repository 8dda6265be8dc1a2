//! What cannot be seen in a part of a timeline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{BlindKind, BlindSpot, Event, Node, SourceRef, StreamSummary, Timestamp};

use super::leads::Leads;
use crate::Evidence;
use crate::evidence::{EvidenceError, Period, Silence};
use crate::naming::{counted, credential_name, length};
use crate::verdict::gap_of;

/// Hints by which a record says that recording itself changed, whoever did it.
const RECORDING: [&str; 3] = ["recording_changed", "recording_started", "recording_stopped"];
/// Such records that are looked at.
const HINTS_MAX: usize = 64;
/// Hints of the events of a page that are shown.
const SHOWN_MAX: usize = 32;

/// The part of time and the streams that a page shows.
pub(super) struct Seen {
    /// First and last moment of the page.
    span: Option<(Timestamp, Timestamp)>,
    /// Streams of its events, with the first and last event of each.
    streams: BTreeMap<SourceRef, Option<(Timestamp, Timestamp)>>,
    /// What the events say about visibility.
    hints: Vec<BlindSpot>,
}

impl Seen {
    pub(super) fn of(events: &[(Arc<Event>, usize)], last: Option<Timestamp>, period: Period) -> Self {
        let mut streams: BTreeMap<SourceRef, Option<(Timestamp, Timestamp)>> = BTreeMap::new();
        let mut hints = Vec::new();
        for (event, _) in events {
            let span = streams.entry(event.source.clone()).or_default();
            if let Some(at) = event.time.at {
                *span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
            }
            hints.extend(hints_of(event).map(|(_, spot)| spot));
        }
        hints.truncate(SHOWN_MAX);
        let first = events.iter().find_map(|(event, _)| event.time.at);
        // The page ends with its last event, or with the period where all of that is shown.
        let span = period.since.or(first).zip(last.max(period.until));
        Self { span, streams, hints }
    }

    /// Names of the streams, sorted.
    pub(super) fn streams(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.streams.keys().map(ToString::to_string).collect();
        names.into_iter().collect()
    }
}

/// Everything that cannot be seen in the page, each once.
pub(super) fn blind_spots(
    evidence: &dyn Evidence,
    seen: &Seen,
    leads: &Leads,
) -> Result<Vec<BlindSpot>, EvidenceError> {
    let streams = evidence.streams();
    let mut spots: BTreeSet<BlindSpot> = seen.hints.iter().cloned().collect();
    spots.extend(unproven(&streams));
    for stream in &streams {
        spots.extend(without_events(stream, seen));
    }
    for silence in evidence.silences()? {
        spots.extend(silence_in(&silence, seen.span));
    }
    spots.extend(losses(evidence));
    spots.extend(not_delivered(leads));
    for hint in RECORDING {
        for event in evidence.hinting(hint, HINTS_MAX)? {
            // What stopped before the page may not have gone on since.
            if seen.span.zip(event.time.at).is_none_or(|((_, last), at)| at <= last) {
                spots.extend(hints_of(&event).filter(|(kind, _)| *kind == hint).map(|(_, spot)| spot));
            }
        }
    }
    Ok(spots.into_iter().collect())
}

fn unproven(streams: &[StreamSummary]) -> Option<BlindSpot> {
    let count = streams.iter().filter(|stream| !stream.is_complete()).count();
    (count > 0).then(|| BlindSpot {
        from: None,
        until: None,
        stream: None,
        kind: BlindKind::Unproven,
        what: format!("nothing proves that {} recorded and delivered everything", counted(count, "stream")),
        settled_by: "continuity proofs of the sources, such as chains of digests".to_owned(),
        event: None,
        entry: None,
    })
}

/// The parts of the page before the first and after the last event of a stream, whoever they are of.
fn without_events(stream: &StreamSummary, seen: &Seen) -> Vec<BlindSpot> {
    let Some((start, end)) = seen.span else { return Vec::new() };
    let name = stream.stream().to_string();
    let spot = |from, until, what: String| BlindSpot {
        from,
        until,
        stream: Some(name.clone()),
        kind: BlindKind::NoEvents,
        what,
        settled_by: "delivery of that stream for that time, or proof that nothing happened".to_owned(),
        event: None,
        entry: None,
    };
    let (Some(first), Some(last)) = (stream.first, stream.last) else { return Vec::new() };
    if last < start || end < first {
        return vec![spot(Some(start), Some(end), format!("{name} holds no event of this time"))];
    }
    // Of a stream that has nothing of the subject, a late start or an early end would say little about it.
    if !seen.streams.contains_key(&stream.stream()) {
        return Vec::new();
    }
    let mut spots = Vec::new();
    if start < first {
        spots.push(spot(Some(start), Some(first), format!("{name} holds no event before {first}")));
    }
    if last < end {
        spots.push(spot(Some(last), None, format!("{name} holds no event after {last}")));
    }
    spots
}

/// A silence that the ledger recorded, where it lies in the page. Its times are of receipt: records that came later may
/// be of that time, and then they are among the rows.
fn silence_in(silence: &Silence, span: Option<(Timestamp, Timestamp)>) -> Option<BlindSpot> {
    let (start, end) = span?;
    if silence.from > end || silence.until.is_some_and(|until| until < start) {
        return None;
    }
    let name = silence.stream.to_string();
    let every = length(silence.after_ns);
    let until = silence.until.map_or_else(String::new, |until| format!(" until {until}"));
    let jumped = if silence.jumped { "; the clock jumped in between" } else { "" };
    Some(BlindSpot {
        from: Some(silence.from),
        until: silence.until,
        what: format!(
            "no record of {name} was received from {}{until}; it is expected to speak every {every}{jumped}",
            silence.from
        ),
        stream: Some(name),
        kind: BlindKind::Silence,
        settled_by: "delivery of that stream for that time, or proof that nothing happened".to_owned(),
        event: None,
        entry: Some(silence.entry.clone()),
    })
}

fn losses(evidence: &dyn Evidence) -> Vec<BlindSpot> {
    let losses = evidence.losses();
    let spot = |kind, what: String, settled_by: &str| BlindSpot {
        from: None,
        until: None,
        stream: None,
        kind,
        what,
        settled_by: settled_by.to_owned(),
        event: None,
        entry: None,
    };
    let mut spots: Vec<BlindSpot> = losses
        .rejects
        .iter()
        .map(|reject| {
            let count = counted(usize::try_from(reject.count).unwrap_or(usize::MAX), "reject");
            let what = format!("{count} ({}): what they held, and when, is not known", reject.reason);
            spot(BlindKind::Rejects, what, "the objects again, undamaged")
        })
        .collect();
    if losses.unfinished > 0 {
        let count = counted(usize::try_from(losses.unfinished).unwrap_or(usize::MAX), "input");
        let what = format!("{count} not read to the end");
        spots.push(spot(BlindKind::Unfinished, what, "taking them in again"));
    }
    spots
}

/// Sources that the lineage shows must exist and that were not delivered: of an issue that is not on record, and of the
/// use of a credential that was issued and of which no use is.
fn not_delivered(leads: &Leads) -> Vec<BlindSpot> {
    let spot = |from, what: String, settled_by: String, event| BlindSpot {
        from,
        until: None,
        stream: None,
        kind: BlindKind::NotDelivered,
        what,
        settled_by,
        event,
        entry: None,
    };
    let missing = leads.origins.edges.iter().filter(|edge| edge.candidates == 0).filter_map(gap_of);
    let mut spots: Vec<BlindSpot> =
        missing.map(|gap| spot(None, gap.missing, gap.settled_by, None)).collect();
    for hop in leads.trail.hops.iter().filter(|hop| hop.uses == 0) {
        let Some(edge) = leads.trail.edges.get(hop.edge) else { continue };
        let Node::Credential(child) = &edge.to else { continue };
        let what = format!("{} was issued, and no use of it is on record", credential_name(&child.uid));
        let settled_by = "the streams of the systems in which it may have been used".to_owned();
        spots.push(spot(hop.at, what, settled_by, edge.evidence.first().copied()));
    }
    spots
}

/// What an event says about visibility.
fn hints_of(event: &Event) -> impl Iterator<Item = (&str, BlindSpot)> {
    event.coverage_hints.iter().map(|hint| {
        let spot = BlindSpot {
            from: event.time.at,
            until: None,
            stream: Some(event.source.to_string()),
            kind: BlindKind::Hint,
            what: format!("{}: {}", hint.kind.replace('_', " "), hint.note),
            settled_by: "another record of the same time and place".to_owned(),
            event: Some(event.id),
            entry: None,
        };
        (hint.kind.as_str(), spot)
    })
}
