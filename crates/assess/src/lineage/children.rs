//! Forwards: what came of a credential.

use std::collections::BTreeMap;
use std::sync::Arc;

use ascribe_model::{Credential, EdgeKind, Event, JoinGrade, Key, KeyRef, Node, Role};

use super::{CANDIDATES_MAX, Step, credential_of, edge, grade_of, keys_at, parents};
use crate::evidence::EvidenceError;
use crate::joins::{Reach, credential_row, rows_to};
use crate::{Evidence, JOINS};

/// Edges from `node` to the credentials that were issued under it and to the identities that it vouched for in other
/// systems.
///
/// `limit` bounds the issue records that are read.
pub(crate) fn children(
    evidence: &dyn Evidence,
    node: &KeyRef,
    limit: usize,
) -> Result<Vec<Step>, EvidenceError> {
    let mut steps = issued_under(evidence, node, limit)?;
    steps.extend(vouched_for(evidence, node, limit)?);
    Ok(steps)
}

fn issued_under(evidence: &dyn Evidence, node: &KeyRef, limit: usize) -> Result<Vec<Step>, EvidenceError> {
    let mut steps = Vec::new();
    for issue in evidence.events(node, &[Role::Parent], limit)?.events {
        let from = issue.keys.iter().find(|key| is_parent_role(key.role) && node.names(key));
        let Some(from) = from else { continue };
        let mut by_id = 0;
        for issued in
            issue.keys.iter().filter(|key| key.role == Role::Issued && credential_row(&key.kind).is_some())
        {
            by_id += 1;
            let mut rows =
                rows_to(EdgeKind::Issued, |reach| reach == Reach::Within, (&issued.kind, Role::Issued));
            let Some(join) = rows.find(|join| join.from.matches(&from.kind, from.role)) else { continue };
            let child = Node::Credential(credential_of(&issued.to_ref(), &issue));
            let parent = parent_node(&issue, from);
            if parent != child {
                let found = edge(join, (parent, child), grade_of(join, [from, issued]), vec![issue.id]);
                steps.push(Step { edge: found, shown_by: Some(Arc::clone(&issue)) });
            }
        }
        if by_id == 0 {
            steps.extend(sessions_near(evidence, &issue, from)?);
            steps.extend(completed_later(evidence, &issue, from)?);
        }
    }
    Ok(steps)
}

/// Credentials that a later step of the requested operation issued.
fn completed_later(
    evidence: &dyn Evidence,
    request: &Arc<Event>,
    from: &Key,
) -> Result<Vec<Step>, EvidenceError> {
    let mut steps = Vec::new();
    for join in JOINS.iter().filter(|join| join.reach == Reach::Step) {
        for step in keys_at(request, &join.from) {
            let later = evidence.events(&step.to_ref(), &[join.from.role], CANDIDATES_MAX)?.events;
            let done = later.iter().find(|event| {
                event.id != request.id
                    && event.time.at >= request.time.at
                    && keys_at(event, &join.to).next().is_some()
            });
            let Some(done) = done else { continue };
            for issued in keys_at(done, &join.to) {
                let child = Node::Credential(credential_of(&issued.to_ref(), done));
                let found =
                    edge(join, (parent_node(request, from), child), join.grade, vec![request.id, done.id]);
                steps.push(Step { edge: found, shown_by: Some(Arc::clone(done)) });
            }
        }
    }
    Ok(steps)
}

/// Credentials whose uses carry the composite that an issue record without a credential id lists.
///
/// Whether this issue is the only one that fits is decided by walking back from each: forward and back never disagree.
fn sessions_near(
    evidence: &dyn Evidence,
    issue: &Arc<Event>,
    from: &Key,
) -> Result<Vec<Step>, EvidenceError> {
    let parent = parent_node(issue, from);
    let mut sessions = BTreeMap::new();
    for join in JOINS.iter().filter(|join| matches!(join.reach, Reach::Near { .. })) {
        for issued in keys_at(issue, &join.from) {
            for usage in evidence.events(&issued.to_ref(), &[join.to.role], CANDIDATES_MAX)?.events {
                if let Some(credential) = &usage.credential {
                    sessions.insert(credential.uid.clone(), credential.clone());
                }
            }
        }
    }
    let mut steps = Vec::new();
    for credential in sessions.into_values() {
        for step in parents(evidence, &credential)? {
            let leads_here = step.edge.from == parent || step.edge.alternatives.contains(&parent);
            if leads_here && step.edge.evidence.contains(&issue.id) {
                steps.push(step);
            }
        }
    }
    Ok(steps)
}

/// Identities of other systems that the credential vouched for.
fn vouched_for(evidence: &dyn Evidence, node: &KeyRef, limit: usize) -> Result<Vec<Step>, EvidenceError> {
    let mut found: BTreeMap<Node, Step> = BTreeMap::new();
    for join in JOINS.iter().filter(|join| join.says == EdgeKind::Presented && join.reach == Reach::Equal) {
        if !join.to.matches(&node.kind, join.to.role) {
            continue;
        }
        for shown in evidence.events(node, &[join.to.role], limit)?.events {
            let Some(key) = keys_at(&shown, &join.to).find(|key| node.names(key)) else { continue };
            let identity = Node::Identity(shown.actor.clone());
            let credential = Node::Credential(credential_of(node, &shown));
            let grade: JoinGrade = grade_of(join, [key, key]);
            found.entry(identity.clone()).or_insert_with(|| Step {
                edge: edge(join, (credential, identity), grade, vec![shown.id]),
                shown_by: Some(Arc::clone(&shown)),
            });
        }
    }
    Ok(found.into_values().collect())
}

fn is_parent_role(role: Role) -> bool {
    matches!(role, Role::Used | Role::Presented | Role::Actor)
}

fn parent_node(issue: &Event, from: &Key) -> Node {
    match from.role {
        Role::Actor => Node::Identity(issue.actor.clone()),
        _ => Node::Credential(credential_of(&from.to_ref(), issue)),
    }
}

/// The key by which a child is walked further: its own id for a credential, none for an identity.
pub(crate) fn walk_on(node: &Node) -> Option<&Credential> {
    match node {
        Node::Credential(credential) => Some(credential),
        Node::Identity(_) | Node::Unresolved { .. } => None,
    }
}
