//! Backwards: what brought a credential into being, and who or what holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ascribe_model::{
    Credential, CredentialClass, Edge, EdgeKind, Event, EventId, JoinGrade, Key, Node, Role, Timestamp, Verb,
};

use super::{
    CANDIDATES_MAX, ISSUES_MAX, Step, ambiguous, credential_of, edge, grade_of, keys_at, node_of, with_twins,
};
use crate::evidence::EvidenceError;
use crate::joins::{Join, Reach, credential_row, rows_to};
use crate::{Evidence, JOINS};

/// A parent that fits, with the edge that would lead to it and the event that shows it.
type Candidate = (Edge, Arc<Event>);

/// Edges that lead to `credential` from what it was issued under.
///
/// Exactly one edge where the parent is unique, one of grade D where it is not, and one from an unresolved node where
/// it should be on record and is not. A long-lived credential without an issue record starts with the identity that
/// its uses name.
pub(crate) fn parents(evidence: &dyn Evidence, credential: &Credential) -> Result<Vec<Step>, EvidenceError> {
    let issues = evidence.events(&credential.uid, &[Role::Issued], ISSUES_MAX)?.events;
    let mut steps = Vec::new();
    if issues.is_empty() {
        let uses = evidence.events(&credential.uid, &[Role::Used, Role::Presented], ISSUES_MAX)?.events;
        match near_parents(evidence, credential, &uses)? {
            found if !found.is_empty() => steps.extend(found),
            _ => steps.push(without_issue(credential, &uses)),
        }
    } else {
        let mut candidates = Vec::new();
        for issue in &issues {
            candidates.extend(issue_parents(evidence, issue, credential, &mut steps)?);
        }
        steps.extend(settle(credential, candidates));
    }
    Ok(steps)
}

/// Edges from what holds the credential: the machine or pod that it was issued for, or that its uses name.
pub(crate) fn holders(evidence: &dyn Evidence, credential: &Credential) -> Result<Vec<Step>, EvidenceError> {
    let mut best: BTreeMap<Node, Step> = BTreeMap::new();
    for join in JOINS.iter().filter(|join| join.says == EdgeKind::BoundTo && join.reach == Reach::Within) {
        if !join.to.matches(&credential.uid.kind, join.to.role) {
            continue;
        }
        for event in evidence.events(&credential.uid, &[join.to.role], ISSUES_MAX)?.events {
            let Some(held) = keys_at(&event, &join.to).find(|key| credential.uid.names(key)) else {
                continue;
            };
            for key in keys_at(&event, &join.from) {
                let holder =
                    Node::Credential(Credential { uid: key.to_ref(), class: CredentialClass::Unknown });
                let ends = (holder.clone(), Node::Credential(credential.clone()));
                let found = edge(join, ends, grade_of(join, [key, held]), vec![event.id]);
                let better = best.get(&holder).is_none_or(|known| found.grade < known.edge.grade);
                if better {
                    best.insert(holder, Step { edge: found, shown_by: Some(Arc::clone(&event)) });
                }
            }
        }
    }
    Ok(best.into_values().collect())
}

/// Parents that one issue record, its copies in other accounts and the earlier steps of its operation name.
fn issue_parents(
    evidence: &dyn Evidence,
    issue: &Arc<Event>,
    credential: &Credential,
    steps: &mut Vec<Step>,
) -> Result<Vec<Candidate>, EvidenceError> {
    let family = with_twins(evidence, issue)?;
    let issued_keys: Vec<&Key> =
        issue.keys.iter().filter(|key| key.role == Role::Issued && credential.uid.names(key)).collect();
    let Some(issued) = issued_keys.first().copied() else { return Ok(Vec::new()) };
    for join in rows_to(EdgeKind::Issued, |reach| matches!(reach, Reach::Step), (&issued.kind, Role::Issued))
    {
        let found = request_step(evidence, join, issue, credential)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    for join in rows_to(EdgeKind::Issued, |reach| reach == Reach::Within, (&issued.kind, Role::Issued)) {
        let mut found = Vec::new();
        for (event, twin) in &family {
            for key in
                keys_at(event, &join.from).take(if join.from.role == Role::Actor { 1 } else { usize::MAX })
            {
                let ends = (node_of(event, key), Node::Credential(credential.clone()));
                if ends.0 == ends.1 {
                    continue;
                }
                let mut shown = vec![issue.id, event.id];
                shown.sort_unstable();
                found.push((edge(join, ends, grade_of(join, [key, issued]), shown), Arc::clone(event)));
                if let Some(twin) = twin {
                    let actors = (Node::Identity(event.actor.clone()), Node::Identity(issue.actor.clone()));
                    let same = edge(twin, actors, twin.grade, vec![issue.id, event.id]);
                    steps.push(Step { edge: same, shown_by: Some(Arc::clone(event)) });
                }
            }
            if !found.is_empty() && join.from.role == Role::Actor {
                break; // The record that names the credential comes first; its copies name the same caller from afar.
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// The request that an operation in several records began with: its caller is the parent, not the controller that
/// completed it.
fn request_step(
    evidence: &dyn Evidence,
    join: &Join,
    issue: &Arc<Event>,
    credential: &Credential,
) -> Result<Vec<Candidate>, EvidenceError> {
    let mut found = Vec::new();
    for step in keys_at(issue, &join.from) {
        let steps = evidence.events(&step.to_ref(), &[Role::Step], CANDIDATES_MAX)?.events;
        let mut requests =
            steps.into_iter().filter(|event| event.verb == Verb::Create || event.verb == Verb::Delegate);
        // Names are used again: the request is the last one that is not later than the issue.
        let Some(request) = requests.rfind(|event| event.time.at <= issue.time.at && event.id != issue.id)
        else {
            continue;
        };
        let used = request.keys.iter().find(|key| matches!(key.role, Role::Used | Role::Presented));
        let parent = match used {
            Some(key) => node_of(&request, key),
            None => Node::Identity(request.actor.clone()),
        };
        let ends = (parent, Node::Credential(credential.clone()));
        found.push((edge(join, ends, join.grade, vec![issue.id, request.id]), request));
    }
    Ok(found)
}

/// Parents by a composite of the session, where no record issues the credential by its id.
fn near_parents(
    evidence: &dyn Evidence,
    credential: &Credential,
    uses: &[Arc<Event>],
) -> Result<Vec<Step>, EvidenceError> {
    for join in JOINS.iter().filter(|join| matches!(join.reach, Reach::Near { .. })) {
        let Reach::Near { tolerance_ns, window_ns } = join.reach else { continue };
        for (limit, grade) in [(tolerance_ns, join.grade), (window_ns, JoinGrade::C)] {
            let mut candidates = Vec::new();
            let mut window = None;
            for (used, at, used_event) in composites(join, credential, uses) {
                window = Some((at.plus_nanoseconds(-signed(limit)), at.plus_nanoseconds(signed(limit))));
                for issue in evidence.events(&used.to_ref(), &[join.from.role], CANDIDATES_MAX)?.events {
                    if issues_near(join, &issue, used, (at, limit)) && !issues_another(&issue, credential) {
                        candidates.push(near_candidate(join, credential, &issue, (used_event.id, grade)));
                    }
                }
            }
            if !candidates.is_empty() {
                let mut steps = settle(credential, candidates);
                for step in &mut steps {
                    step.edge.window = window;
                }
                return Ok(steps);
            }
        }
    }
    Ok(Vec::new())
}

/// Distinct composites, with their moments, that uses of the credential list for a row.
fn composites<'e>(
    join: &'e Join,
    credential: &'e Credential,
    uses: &'e [Arc<Event>],
) -> Vec<(&'e Key, Timestamp, &'e Event)> {
    let mut found: BTreeMap<(String, Timestamp), (&Key, Timestamp, &Event)> = BTreeMap::new();
    for event in uses
        .iter()
        .filter(|event| event.keys.iter().any(|key| key.role == Role::Used && credential.uid.names(key)))
    {
        for key in keys_at(event, &join.to) {
            if let Some(at) = key.at {
                found.entry((key.to_ref().to_string(), at)).or_insert((key, at, event));
            }
        }
    }
    found.into_values().collect()
}

fn issues_near(join: &Join, issue: &Event, used: &Key, (at, limit): (Timestamp, u64)) -> bool {
    keys_at(issue, &join.from).any(|key| {
        key.value == used.value
            && key.scope == used.scope
            && key.at.is_some_and(|issued_at| issued_at.distance(at) <= limit)
    })
}

/// Whether the record names another credential of the same kind as the one that it issued.
fn issues_another(issue: &Event, credential: &Credential) -> bool {
    let mut issued = issue
        .keys
        .iter()
        .filter(|key| key.role == Role::Issued && key.kind == credential.uid.kind)
        .peekable();
    issued.peek().is_some() && !issued.any(|key| credential.uid.names(key))
}

fn near_candidate(
    join: &Join,
    credential: &Credential,
    issue: &Arc<Event>,
    use_of: (EventId, JoinGrade),
) -> Candidate {
    let parent = issue
        .keys
        .iter()
        .find(|key| matches!(key.role, Role::Used | Role::Presented) && credential_row(&key.kind).is_some())
        .map_or_else(|| Node::Identity(issue.actor.clone()), |key| node_of(issue, key));
    let ends = (parent, Node::Credential(credential.clone()));
    (edge(join, ends, use_of.1, vec![issue.id, use_of.0]), Arc::clone(issue))
}

/// One edge where all candidates agree on the parent, else one of grade D that keeps them all.
fn settle(credential: &Credential, candidates: Vec<Candidate>) -> Vec<Step> {
    let mut by_issue: BTreeMap<(Node, Vec<EventId>), Candidate> = BTreeMap::new();
    for candidate in candidates {
        by_issue.entry((candidate.0.from.clone(), candidate.0.evidence.clone())).or_insert(candidate);
    }
    let distinct: BTreeMap<Node, Vec<EventId>> =
        by_issue.values().fold(BTreeMap::new(), |mut nodes, (edge, _)| {
            nodes.entry(edge.from.clone()).or_default().extend(edge.evidence.iter().copied());
            nodes
        });
    let Some((first, event)) = by_issue.into_values().next() else { return Vec::new() };
    if distinct.len() == 1 {
        return vec![Step { edge: first, shown_by: Some(event) }];
    }
    let row = JOINS.iter().find(|join| join.id == first.rule);
    let to = Node::Credential(credential.clone());
    row.map(|join| Step { edge: ambiguous(join, distinct, to), shown_by: None }).into_iter().collect()
}

/// The edge for a credential whose issue is not on record: from its holder if it lives until ended, else from a node
/// that says what is missing.
fn without_issue(credential: &Credential, uses: &[Arc<Event>]) -> Step {
    let to = Node::Credential(credential.clone());
    let row = JOINS
        .iter()
        .find(|join| join.reach == Reach::Equal && join.to.matches(&credential.uid.kind, Role::Used));
    let Some(join) = row.or_else(|| JOINS.last()) else {
        return Step { edge: unresolved_edge("", credential, to), shown_by: None };
    };
    if let (CredentialClass::LongLived, Some(first)) = (credential.class, uses.first()) {
        let ends = (Node::Identity(first.actor.clone()), to);
        let mut held = edge(join, ends, JoinGrade::A, vec![first.id]);
        "REC-1".clone_into(&mut held.rule);
        held.kind = EdgeKind::BoundTo;
        return Step { edge: held, shown_by: Some(Arc::clone(first)) };
    }
    Step { edge: unresolved_edge(join.id, credential, to), shown_by: uses.first().cloned() }
}

fn unresolved_edge(rule: &str, credential: &Credential, to: Node) -> Edge {
    let row = credential_row(&credential.uid.kind);
    let name = row.map_or("credential", |row| row.name);
    Edge {
        rule: rule.to_owned(),
        kind: EdgeKind::Issued,
        from: Node::Unresolved {
            reason: format!("the issue of {name} `{}` is not on record", credential.uid.value),
            settled_by: row.map_or("the log of whatever issued it", |row| row.issue_recorded_in).to_owned(),
        },
        to,
        grade: JoinGrade::D,
        evidence: Vec::new(),
        window: None,
        candidates: 0,
        alternatives: Vec::new(),
        requires: None,
    }
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

/// The credential that an event used or presented, if it names one.
pub(crate) fn credential_in(event: &Event) -> Option<Credential> {
    event.credential.clone().or_else(|| {
        let presented = event.keys.iter().find(|key| {
            matches!(key.role, Role::Used | Role::Presented) && credential_row(&key.kind).is_some()
        });
        presented.map(|key| credential_of(&key.to_ref(), event))
    })
}
