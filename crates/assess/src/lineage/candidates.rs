//! Candidates for a parent, and what is made of them: one edge, one edge that keeps them all, or one that says what is
//! missing. None is ever picked from several.

use std::collections::BTreeMap;
use std::sync::Arc;

use ascribe_model::{Credential, Edge, EdgeKind, Event, EventId, JoinGrade, KeyRef, Node, Role, Timestamp};

use super::{Step, edge};
use crate::joins::{Join, is_across_systems, stronger_than};
use crate::kinds::credential_row;
use crate::naming::{counted, credential_name, listed, node_name};

/// A parent that fits.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) join: &'static Join,
    /// The edge that leads to it.
    pub(super) edge: Edge,
    /// The event that shows it best.
    pub(super) shown_by: Arc<Event>,
    /// The request that it is of: the least id among its copies.
    pub(super) request: EventId,
    /// The edge to the copy that names the parent, where there are several copies of the request.
    pub(super) twin: Option<Step>,
}

/// What tells nodes apart: the id of a credential, the id and session of an identity. Records of one request may
/// describe it in more or fewer words, and it is still one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NodeName {
    Credential(KeyRef),
    Identity(KeyRef, Option<String>),
    Nothing,
}

impl NodeName {
    pub(crate) fn of(node: &Node) -> Self {
        match node {
            Node::Credential(credential) => Self::Credential(credential.uid.clone()),
            Node::Identity(identity) => Self::Identity(identity.uid.clone(), identity.session_name.clone()),
            Node::Unresolved { .. } => Self::Nothing,
        }
    }
}

/// Steps for candidates that are told by an identifier: several records may name one parent.
pub(super) fn settle(credential: &Credential, candidates: Vec<Candidate>) -> Vec<Step> {
    let mut parents: BTreeMap<NodeName, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        parents.entry(NodeName::of(&candidate.edge.from)).or_default().push(candidate);
    }
    let mut nearest: Vec<Candidate> = parents.into_values().filter_map(nearest).collect();
    let nodes: Vec<NodeName> = nearest.iter().map(|candidate| NodeName::of(&candidate.edge.from)).collect();
    nearest.retain(|candidate| !issues_one_of(&nodes, candidate));
    if nearest.len() > 1 {
        let window = widest(&nearest);
        return vec![ambiguous(credential, nearest, window)];
    }
    nearest.pop().map(steps_of).unwrap_or_default()
}

/// Steps for candidates that are told by a composite: it has to be of one request.
pub(super) fn settle_near(
    credential: &Credential,
    candidates: Vec<Candidate>,
    window: (Timestamp, Timestamp),
) -> Vec<Step> {
    let mut requests: BTreeMap<EventId, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        requests.entry(candidate.request).or_default().push(candidate);
    }
    let mut nearest: Vec<Candidate> = requests.into_values().filter_map(nearest).collect();
    if nearest.len() > 1 {
        return vec![ambiguous(credential, nearest, Some(window))];
    }
    let mut steps = nearest.pop().map(steps_of).unwrap_or_default();
    for step in steps.iter_mut().filter(|step| step.edge.kind == EdgeKind::Issued) {
        step.edge.window = Some(window);
    }
    steps
}

/// An edge from nothing: `reason` says what is missing.
pub(super) fn unresolved(rule: &str, credential: &Credential, reason: String, shown: Vec<EventId>) -> Edge {
    Edge {
        rule: rule.to_owned(),
        kind: EdgeKind::Issued,
        from: Node::Unresolved { reason, settled_by: issue_recorded_in(credential).to_owned() },
        to: Node::Credential(credential.clone()),
        grade: JoinGrade::D,
        evidence: shown,
        window: None,
        skew: None,
        candidates: 0,
        alternatives: Vec::new(),
        requires: None,
    }
}

/// Whether the record that shows a candidate issues another of them: the way to this one then leads through that one.
fn issues_one_of(nodes: &[NodeName], candidate: &Candidate) -> bool {
    let own = NodeName::of(&candidate.edge.from);
    let issued = candidate.shown_by.keys.iter().filter(|key| key.role == Role::Issued);
    issued.map(|key| NodeName::Credential(key.to_ref())).any(|name| name != own && nodes.contains(&name))
}

/// The time in which all candidates were looked for.
fn widest(candidates: &[Candidate]) -> Option<(Timestamp, Timestamp)> {
    let windows = candidates.iter().filter_map(|candidate| candidate.edge.window);
    windows.reduce(|left, right| (left.0.min(right.0), left.1.max(right.1)))
}

/// The candidate that the strongest join gives, by the fewest records; with the copy of its request, where there is one.
fn nearest(mut candidates: Vec<Candidate>) -> Option<Candidate> {
    candidates.sort_by(|left, right| order(left).cmp(&order(right)));
    let mut candidates = candidates.into_iter();
    let first = candidates.next()?;
    let copy = candidates.find(|other| other.request == first.request && other.twin.is_some());
    Some(Candidate { twin: first.twin.or(copy.and_then(|copy| copy.twin)), ..first })
}

fn order(candidate: &Candidate) -> (JoinGrade, usize, &[EventId]) {
    (candidate.edge.grade, candidate.edge.evidence.len(), &candidate.edge.evidence)
}

fn steps_of(candidate: Candidate) -> Vec<Step> {
    let found = Step { edge: candidate.edge, shown_by: Some(candidate.shown_by) };
    candidate.twin.into_iter().chain([found]).collect()
}

/// One edge from several candidates: grade D, all of them kept.
fn ambiguous(
    credential: &Credential,
    mut candidates: Vec<Candidate>,
    window: Option<(Timestamp, Timestamp)>,
) -> Step {
    candidates.sort_by(|left, right| left.edge.from.cmp(&right.edge.from));
    let mut nodes: BTreeMap<NodeName, &Node> = BTreeMap::new();
    for candidate in &candidates {
        nodes.entry(NodeName::of(&candidate.edge.from)).or_insert(&candidate.edge.from);
    }
    let child = credential_name(&credential.uid);
    let names: Vec<String> = nodes.values().map(|node| node_name(node)).collect();
    let reason = match names.as_slice() {
        [one] => format!(
            "{} under {one} fit {child} equally well, and nothing says which is its own",
            counted(candidates.len(), "record")
        ),
        names => format!("{} fit equally well as the origin of {child}", listed(names)),
    };
    let join = candidates[0].join;
    let settled_by = match stronger_than(join).and_then(|row| row.requires) {
        Some(requires) => format!("what ties one of them alone to it: {requires}"),
        None if is_across_systems(join) => "a record that names one of them together with it".to_owned(),
        None => format!("a record that names it as issued: {}", issue_recorded_in(credential)),
    };
    let from = Node::Unresolved { reason, settled_by };
    let alternatives = nodes.into_values().cloned().collect();
    let shown = candidates.iter().flat_map(|candidate| candidate.edge.evidence.iter().copied()).collect();
    let count = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
    let skew = candidates.iter().filter_map(|candidate| candidate.edge.skew).max_by_key(|skew| skew.bound_ns);
    let found = edge(join, (from, Node::Credential(credential.clone())), JoinGrade::D, shown);
    Step { edge: Edge { window, skew, candidates: count, alternatives, ..found }, shown_by: None }
}

fn issue_recorded_in(credential: &Credential) -> &'static str {
    credential_row(&credential.uid.kind).map_or("the log of whatever issued it", |row| row.issue_recorded_in)
}
