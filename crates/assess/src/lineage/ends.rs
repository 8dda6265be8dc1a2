//! What put an end to a credential, by the rows of the table that say so.
//!
//! It finds the records. Whether an end held, and what else may have ended, is for the questions.

use std::collections::BTreeMap;
use std::sync::Arc;

use ascribe_model::{Credential, EdgeKind, Event, EventId, KeyRef, Node, Role, Status};

use super::parents::is_vouching;
use super::{ISSUES_MAX, Step, edge, grade_of, keys_at, node_of};
use crate::evidence::EvidenceError;
use crate::joins::Reach;
use crate::{Evidence, JOINS};

/// Edges to `credential` from what ended it, each record once, in the order of the records' ids.
pub(crate) fn ends(evidence: &dyn Evidence, credential: &Credential) -> Result<Vec<Step>, EvidenceError> {
    let mut found: BTreeMap<EventId, Step> = BTreeMap::new();
    let issued = evidence.events(&credential.uid, &[Role::Issued], ISSUES_MAX)?.events;
    let rows = JOINS.iter().filter(|join| join.says == EdgeKind::Ended);
    for join in rows.filter(|join| join.from.matches(&credential.uid.kind, join.from.role)) {
        let mut names = vec![credential.uid.clone()];
        if join.reach == Reach::Path {
            names.extend(beginnings(&credential.uid));
        }
        for name in names {
            for event in evidence.events(&name, &[join.to.role], ISSUES_MAX)?.events {
                let Some(key) = keys_at(&event, &join.to).find(|key| name.names(key)) else { continue };
                if event.outcome.status != Status::Success || is_before(&event, &issued) {
                    continue;
                }
                let vouched = event.keys.iter().find(|key| is_vouching(key));
                let by =
                    vouched.map_or_else(|| Node::Identity(event.actor.clone()), |key| node_of(&event, key));
                let ends = (by, Node::Credential(credential.clone()));
                let found_edge = edge(join, ends, grade_of(join, [key, key]), vec![event.id]);
                found
                    .entry(event.id)
                    .or_insert(Step { edge: found_edge, shown_by: Some(Arc::clone(&event)) });
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The beginnings of an id that is a path: whoever ends a folder ends all that lies in it.
pub(crate) fn beginnings(uid: &KeyRef) -> Vec<KeyRef> {
    let ends = uid.value.match_indices('/').flat_map(|(at, _)| [at, at + 1]);
    let beginnings = ends.filter(|end| *end > 0 && *end < uid.value.len());
    beginnings.map(|end| KeyRef { value: uid.value[..end].to_owned(), ..uid.clone() }).collect()
}

/// Whether an end lies before every issue on record: it was then the end of something else.
fn is_before(end: &Event, issues: &[Arc<Event>]) -> bool {
    let first = issues.iter().filter_map(|issue| issue.time.at).min();
    matches!((end.time.at, first), (Some(end), Some(first)) if end < first)
}
