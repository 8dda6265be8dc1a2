//! Forwards: what came of a credential.
//!
//! Records that list the node as a parent name the credentials that may have come of it; walking back from each decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{Credential, EdgeKind, Event, Key, KeyRef, Node, Role};

use super::beside::tied;
use super::{CANDIDATES_MAX, NodeName, Step, credential_of, edge, grade_of, keys_at, parents, with_twins};
use crate::evidence::EvidenceError;
use crate::joins::{Join, Reach, Tie};
use crate::kinds::credential_row;
use crate::{Evidence, JOINS, USES_MAX};

/// What came of a node.
#[derive(Default)]
pub(crate) struct Children {
    /// Edges to the credentials that were issued under it and to the identities that it vouched for elsewhere.
    pub(crate) steps: Vec<Step>,
    /// Records that may show more and were not read.
    pub(crate) unread: u64,
}

/// What came of `node`; of the records that issue something under it, the first `limit` are read.
pub(crate) fn children(
    evidence: &dyn Evidence,
    node: &KeyRef,
    limit: usize,
) -> Result<Children, EvidenceError> {
    let mut found = Children::default();
    let page = evidence.events(node, &[Role::Parent], limit)?;
    found.unread += page.total - page.events.len() as u64;
    let mut issued = Issued::default();
    for issue in &page.events {
        issued.list(evidence, issue)?;
    }
    issued.list_beside(evidence, node, limit)?;
    found.unread += issued.unread;
    for credential in &issued.credentials {
        let steps = parents(evidence, credential)?.into_iter();
        found.steps.extend(steps.filter(|step| step.edge.kind == EdgeKind::Issued && leads_from(step, node)));
    }
    vouched_for(evidence, node, &mut found)?;
    Ok(found)
}

/// Credentials that records issue, each once, in the order of the records.
#[derive(Default)]
struct Issued {
    credentials: Vec<Credential>,
    seen: BTreeSet<KeyRef>,
    unread: u64,
}

impl Issued {
    /// Lists what one record issues: by id, by a composite that uses carry, or in a later step of its operation.
    fn list(&mut self, evidence: &dyn Evidence, issue: &Arc<Event>) -> Result<(), EvidenceError> {
        for (copy, _) in with_twins(evidence, issue)? {
            self.list_ids(&copy);
            for join in JOINS {
                let roles = match join.reach {
                    Reach::Near { .. } | Reach::Life(_) => [join.to.role],
                    Reach::Step => [join.from.role],
                    Reach::Beside(tie, _) => {
                        self.list_tied(evidence, &copy, tie)?;
                        continue;
                    }
                    _ => continue,
                };
                for key in keys_at(&copy, &join.from).filter(|key| is_dated(join, key)) {
                    let page = evidence.events(&key.to_ref(), &roles, CANDIDATES_MAX)?;
                    self.unread += page.total - page.events.len() as u64;
                    for event in &page.events {
                        match join.reach {
                            Reach::Step => self.list_ids(event),
                            _ => event.credential.iter().for_each(|credential| self.add(credential.clone())),
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Lists what records beside those that name the node issue.
    fn list_beside(
        &mut self,
        evidence: &dyn Evidence,
        node: &KeyRef,
        limit: usize,
    ) -> Result<(), EvidenceError> {
        for join in JOINS {
            let Reach::Beside(tie, _) = join.reach else { continue };
            // A record in which the node acted lists it as a parent, and was read already.
            let acted = matches!(join.from.role, Role::Used | Role::Presented | Role::Actor);
            if acted || !join.from.matches(&node.kind, join.from.role) {
                continue;
            }
            let page = evidence.events(node, &[join.from.role], limit)?;
            self.unread += page.total - page.events.len() as u64;
            for event in &page.events {
                self.list_tied(evidence, event, tie)?;
            }
        }
        Ok(())
    }

    /// Lists what records issue that share a key with this one.
    fn list_tied(&mut self, evidence: &dyn Evidence, event: &Event, tie: Tie) -> Result<(), EvidenceError> {
        for key in tied(event, tie.kind, tie.there) {
            let page = evidence.events(&key.to_ref(), &[tie.here], CANDIDATES_MAX)?;
            self.unread += page.total - page.events.len() as u64;
            for (copy, _) in page
                .events
                .iter()
                .map(|event| with_twins(evidence, event))
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .flatten()
            {
                self.list_ids(&copy);
            }
        }
        Ok(())
    }

    fn list_ids(&mut self, issue: &Event) {
        let is_issued = |role| role == Role::Issued;
        for key in issue.keys.iter().filter(|key| is_issued(key.role) && credential_row(&key.kind).is_some())
        {
            self.add(credential_of(&key.to_ref(), issue));
        }
    }

    fn add(&mut self, credential: Credential) {
        if self.seen.insert(credential.uid.clone()) {
            self.credentials.push(credential);
        }
    }
}

/// Whether the key can stand at the first end of the row: a composite only with its moment.
fn is_dated(join: &Join, key: &Key) -> bool {
    key.at.is_some() || !matches!(join.reach, Reach::Near { .. } | Reach::Life(_))
}

/// Whether the step starts at the node, or at candidates of which it is one.
fn leads_from(step: &Step, node: &KeyRef) -> bool {
    let is_node = |end: &Node| match end {
        Node::Credential(credential) => credential.uid == *node,
        Node::Identity(identity) => identity.uid == *node || identity.alt_names.contains(&node.value),
        Node::Unresolved { .. } => false,
    };
    is_node(&step.edge.from) || step.edge.alternatives.iter().any(is_node)
}

/// Identities of other systems that the credential vouched for.
fn vouched_for(evidence: &dyn Evidence, node: &KeyRef, found: &mut Children) -> Result<(), EvidenceError> {
    let mut identities: BTreeMap<NodeName, Step> = BTreeMap::new();
    for join in JOINS.iter().filter(|join| join.says == EdgeKind::Presented && join.reach == Reach::Equal) {
        if !join.to.matches(&node.kind, join.to.role) {
            continue;
        }
        let page = evidence.events(node, &[join.to.role], USES_MAX)?;
        found.unread += page.total - page.events.len() as u64;
        for shown in page.events {
            let Some(key) = keys_at(&shown, &join.to).find(|key| node.names(key)) else { continue };
            let identity = Node::Identity(shown.actor.clone());
            let credential = Node::Credential(credential_of(node, &shown));
            let grade = grade_of(join, [key, key]);
            identities.entry(NodeName::of(&identity)).or_insert_with(|| Step {
                edge: edge(join, (credential, identity), grade, vec![shown.id]),
                shown_by: Some(Arc::clone(&shown)),
            });
        }
    }
    found.steps.extend(identities.into_values());
    Ok(())
}
