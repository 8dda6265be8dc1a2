//! A timeline, as text and as rows: the streams side by side, a column each.

use ascribe_model::{
    BlindSpot, Identity, KeyRef, Status, TimelineDetail, TimelineEvent, TimelinePart, TimelineRow,
};

use super::escape::{brief, line};
use super::lifecycle_text::within;
use super::rows::{Rows, aligned, word};

/// Streams that have a column of their own; with more, a row names its stream by number.
const COLUMNS_MAX: usize = 10;
/// Longest name of an operation in the table, in characters.
const OPERATION_MAX: usize = 30;
/// Longest name of an actor in the table, in characters.
const ACTOR_MAX: usize = 22;
/// Longest name of what it came of in the table, in characters.
const CAME_OF_MAX: usize = 20;
/// Longest sentence about a blind spot, in characters.
const SPOT_MAX: usize = 200;

/// The table that people see; every field is in the rows and in the JSON.
pub fn text(timeline: &TimelineDetail) -> String {
    let mut out = String::from("\nSTREAMS\n");
    for (position, stream) in timeline.streams.iter().enumerate() {
        out.push_str(&format!("  {:<2} {}\n", position + 1, line(stream, 90)));
    }
    let events: Vec<&TimelineEvent> = timeline.rows.iter().filter_map(event_of).collect();
    let table = aligned(&Rows {
        header: vec!["", "time (UTC)", "±", "stream", "operation", "outcome", "by", "came of"],
        rows: events.iter().map(|event| cells(event, timeline.streams.len())).collect(),
    });
    let mut lines = table.lines();
    out.push_str(&format!("\nTIMELINE\n{}\n", lines.next().unwrap_or_default()));
    for row in &timeline.rows {
        match row {
            TimelineRow::Event(_) => out.push_str(&format!("{}\n", lines.next().unwrap_or_default())),
            TimelineRow::Blind(spot) => out.push_str(&format!("  ▒ {}\n", spot_text(spot))),
        }
    }
    out.push_str(&legend(timeline, &events));
    out
}

/// Every field of every row.
pub fn rows(timeline: &TimelineDetail) -> Rows {
    let stream = |position: usize| timeline.streams.get(position).cloned().unwrap_or_default();
    let rows = timeline.rows.iter().map(|row| match row {
        TimelineRow::Event(event) => vec![
            "event".to_owned(),
            event.at.map_or_else(String::new, |at| at.to_string()),
            String::new(),
            event.within_ns.to_string(),
            if event.order_is_open { "open".to_owned() } else { String::new() },
            stream(event.stream),
            event.operation.clone(),
            word(&event.status),
            format!("{} {}", event.actor.kind.name(), event.actor.label()),
            name(event.credential.as_ref()),
            name(event.resource.as_ref()),
            event.address.clone().unwrap_or_default(),
            word(&event.part),
            event.of.to_string(),
            event.grade.map_or_else(String::new, |grade| grade.to_string()),
            event.event.to_string(),
        ],
        TimelineRow::Blind(spot) => {
            let moment =
                |at: Option<ascribe_model::Timestamp>| at.map_or_else(String::new, |at| at.to_string());
            let mut cells = vec!["blind".to_owned(), moment(spot.from), moment(spot.until)];
            cells.extend([String::new(), String::new(), spot.stream.clone().unwrap_or_default()]);
            cells.extend([spot.what.clone(), word(&spot.kind)]);
            cells.extend(std::iter::repeat_n(String::new(), 7));
            let event = spot.event.map(|event| event.to_string());
            cells.push(event.or_else(|| spot.entry.clone()).unwrap_or_default());
            cells
        }
    });
    Rows {
        header: vec![
            "row",
            "at",
            "until",
            "within ns",
            "order",
            "stream",
            "what",
            "status",
            "by",
            "credential",
            "resource",
            "address",
            "part",
            "of",
            "grade",
            "event",
        ],
        rows: rows.collect(),
    }
}

fn cells(event: &TimelineEvent, streams: usize) -> Vec<String> {
    let came_of = match (event.part, event.grade) {
        (TimelinePart::Derived, Some(grade)) => {
            format!("{grade} {}", line(&event.of.value, CAME_OF_MAX))
        }
        (TimelinePart::ByName, _) => "by name".to_owned(),
        _ => String::new(),
    };
    vec![
        if event.order_is_open { "~".to_owned() } else { String::new() },
        event.at.map_or_else(|| "no time".to_owned(), |at| at.to_string()),
        within(event.within_ns),
        lane(event.stream, streams),
        line(&event.operation, OPERATION_MAX),
        if event.status == Status::Success { String::new() } else { word(&event.status) },
        line(&actor(&event.actor), ACTOR_MAX),
        came_of,
    ]
}

/// The actor in few characters: of a path, such as an ARN, what tells it from its neighbours.
fn actor(identity: &Identity) -> String {
    let label = identity.label();
    let end = label.strip_prefix("arn:").and_then(|path| path.split_once('/')).map_or(label, |(_, end)| end);
    format!("{} {end}", identity.kind.name())
}

/// A column for each stream, with a mark in that of the event.
fn lane(stream: usize, streams: usize) -> String {
    if streams > COLUMNS_MAX {
        return (stream + 1).to_string();
    }
    let mark =
        |position: usize| if position == stream { (position + 1).to_string() } else { "·".to_owned() };
    (0..streams).map(mark).collect()
}

fn spot_text(spot: &BlindSpot) -> String {
    let from = spot.from.map_or_else(String::new, |from| format!("{from}  "));
    brief(&format!("{from}{}", spot.what), SPOT_MAX)
}

fn legend(timeline: &TimelineDetail, events: &[&TimelineEvent]) -> String {
    let mut out = String::from("\n  ▒ cannot be seen");
    if events.iter().any(|event| event.order_is_open) {
        out.push_str(&format!(
            "   ~ may have come before a row above; clocks of streams may differ by {}",
            within(timeline.skew_ns)
        ));
    }
    out.push('\n');
    if let Some(next) = timeline.next {
        let total = if timeline.is_exact { "" } else { "at most " };
        let shown = events.iter().filter(|event| event.at.is_some()).count();
        out.push_str(&format!("  {shown} of {total}{} events; go on with --since {next}\n", timeline.total));
    }
    out
}

fn event_of(row: &TimelineRow) -> Option<&TimelineEvent> {
    match row {
        TimelineRow::Event(event) => Some(event),
        TimelineRow::Blind(_) => None,
    }
}

fn name(key: Option<&KeyRef>) -> String {
    key.map_or_else(String::new, ToString::to_string)
}
