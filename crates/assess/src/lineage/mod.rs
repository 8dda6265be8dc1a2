//! The engine that runs the table of joins: from a credential to its parents, children, holders and twins.
//!
//! It reads kinds, roles, reach and trust. It knows no vendor: a new join is a new row in `joins`, never code here.
//! A join that is not unique stays a set of candidates. What came of a credential is decided by walking back from each
//! credential that may have, so that forward and back never disagree.

mod beside;
mod candidates;
mod children;
mod ends;
mod life;
mod parents;

use std::sync::Arc;

use ascribe_model::{
    Credential, CredentialClass, Edge, EdgeKind, Event, EventId, JoinGrade, Key, KeyRef, Node, Role, Trust,
};

pub(crate) use candidates::NodeName;
pub(crate) use children::children;
pub(crate) use ends::{beginnings, ends};
pub(crate) use parents::{credential_asked, credential_in, holders, parents};

use crate::evidence::EvidenceError;
use crate::joins::{End, Join, Reach};
use crate::{Evidence, JOINS};

/// Issue records of one credential that are read. More than one or two means that the records contradict each other.
const ISSUES_MAX: usize = 64;
/// Candidates that are compared when a composite has to be unique. Where there are more, nothing is picked.
const CANDIDATES_MAX: usize = 1_024;
/// Copies of one request: one for each account concerned.
const TWINS_MAX: usize = 16;

/// An edge, and the event that shows it best.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) edge: Edge,
    pub(crate) shown_by: Option<Arc<Event>>,
}

/// A record of the same request, with the row that ties it to the first and its grade; none for the first itself.
type Twin = (Arc<Event>, Option<(&'static Join, JoinGrade)>);

/// The credential named by `uid`, in the words of an event that knows its class.
pub(crate) fn credential_of(uid: &KeyRef, event: &Event) -> Credential {
    let used = event.credential.iter();
    let affected = event.effects.iter().filter_map(|effect| effect.credential.as_ref());
    used.chain(affected)
        .find(|credential| credential.uid == *uid)
        .cloned()
        .unwrap_or_else(|| Credential { uid: uid.clone(), class: CredentialClass::Unknown })
}

/// Keys of the event that stand at one end of a row.
fn keys_at<'e>(event: &'e Event, end: &'e End) -> impl Iterator<Item = &'e Key> {
    event.keys.iter().filter(move |key| end.matches(&key.kind, key.role))
}

/// The node that a key stands for: the event's actor for an actor's key, a credential otherwise.
fn node_of(event: &Event, key: &Key) -> Node {
    match key.role {
        Role::Actor | Role::Behalf | Role::Subject => Node::Identity(event.actor.clone()),
        _ => Node::Credential(credential_of(&key.to_ref(), event)),
    }
}

/// The row's grade, lowered where a key was chosen by the caller: such a key may point anywhere.
pub(crate) fn grade_of(join: &Join, keys: [&Key; 2]) -> JoinGrade {
    if keys.iter().any(|key| key.trust == Trust::SelfAsserted) {
        join.grade.max(JoinGrade::C)
    } else {
        join.grade
    }
}

/// An edge between two nodes that the cited events show without any doubt about which two.
pub(crate) fn edge(join: &Join, ends: (Node, Node), grade: JoinGrade, mut evidence: Vec<EventId>) -> Edge {
    evidence.sort_unstable();
    evidence.dedup();
    Edge {
        rule: join.id.to_owned(),
        kind: join.says,
        from: ends.0,
        to: ends.1,
        grade,
        evidence,
        window: None,
        skew: None,
        candidates: 1,
        alternatives: Vec::new(),
        requires: join.requires.map(str::to_owned),
    }
}

/// The event and the copies of the same request that other accounts received, with the row that ties them.
fn with_twins(evidence: &dyn Evidence, event: &Arc<Event>) -> Result<Vec<Twin>, EvidenceError> {
    let mut family = vec![(Arc::clone(event), None)];
    let is_twin = |join: &&Join| matches!(join.reach, Reach::Equal | Reach::Across);
    for join in JOINS.iter().filter(|join| join.says == EdgeKind::SameRequest).filter(is_twin) {
        for key in keys_at(event, &join.from) {
            for twin in evidence.events(&key.to_ref(), &[join.to.role], TWINS_MAX)?.events {
                let is_own_system = join.reach == Reach::Across && twin.source.kind == event.source.kind;
                if !is_own_system && family.iter().all(|(known, _)| known.id != twin.id) {
                    let same = keys_at(&twin, &join.to).find(|same| key.to_ref().names(same)).unwrap_or(key);
                    let grade = grade_of(join, [key, same]);
                    family.push((twin, Some((join, grade))));
                }
            }
        }
    }
    Ok(family)
}
