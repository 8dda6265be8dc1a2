//! The life of a credential, as text and as rows.

use ascribe_model::{Identity, LifecycleDetail, LifecycleStep};

use super::escape::{brief, line};
use super::rows::{Rows, aligned};

/// Longest note below a step, in characters.
const NOTE_MAX: usize = 200;

/// Longest name of an actor in the table, in characters.
const ACTOR_MAX: usize = 32;

/// The table that people see, with notes below the steps; every field is in the rows and in the JSON.
pub fn text(life: &LifecycleDetail) -> String {
    let row = |step: &LifecycleStep| {
        vec![
            step.at.map_or_else(|| "not stated".to_owned(), |at| at.to_string()),
            within(step.within_ns),
            step.mark.words().to_owned(),
            step.operation.clone().unwrap_or_default(),
            step.actor.as_ref().map(|actor| line(&who(actor), ACTOR_MAX)).unwrap_or_default(),
        ]
    };
    let header = vec!["time (UTC)", "±", "what", "operation", "by"];
    let rows = life.steps.iter().map(row).collect();
    let table = aligned(&Rows { header, rows });
    let mut out = String::from("\nLIFE\n");
    let notes = std::iter::once(String::new()).chain(life.steps.iter().map(note));
    for (row, note) in table.lines().zip(notes) {
        out.push_str(&format!("{row}\n"));
        if !note.is_empty() {
            out.push_str(&format!("        {}\n", brief(&note, NOTE_MAX)));
        }
    }
    out
}

/// Every field of every step.
pub fn rows(life: &LifecycleDetail) -> Rows {
    let row = |step: &LifecycleStep| {
        vec![
            step.mark.words().to_owned(),
            step.at.map_or_else(String::new, |at| at.to_string()),
            step.within_ns.to_string(),
            step.stream.clone().unwrap_or_default(),
            step.operation.clone().unwrap_or_default(),
            step.actor.as_ref().map(who).unwrap_or_default(),
            step.selector.clone().unwrap_or_default(),
            step.expires.map_or_else(String::new, |expires| expires.to_string()),
            step.event.or(step.declared_by).map_or_else(String::new, |event| event.to_string()),
        ]
    };
    Rows {
        header: vec!["mark", "at", "within ns", "stream", "operation", "by", "selector", "expires", "event"],
        rows: life.steps.iter().map(row).collect(),
    }
}

/// How far a moment may lie from the one that is stated, rounded up.
pub fn within(nanoseconds: u64) -> String {
    match nanoseconds {
        0 => String::new(),
        ns if ns >= 1_000_000_000 => format!("{} s", ns.div_ceil(1_000_000_000)),
        ns if ns >= 1_000_000 => format!("{} ms", ns.div_ceil(1_000_000)),
        ns if ns >= 1_000 => format!("{} µs", ns.div_ceil(1_000)),
        ns => format!("{ns} ns"),
    }
}

fn note(step: &LifecycleStep) -> String {
    match (&step.selector, step.expires, step.declared_by) {
        (Some(selector), _, _) => selector.clone(),
        (None, _, Some(by)) => format!("declared in event {}…", &by.to_string()[..8]),
        (None, Some(expires), None) => format!("until {expires}"),
        (None, None, None) => String::new(),
    }
}

fn who(identity: &Identity) -> String {
    format!("{} {}", identity.kind.name(), identity.label())
}
