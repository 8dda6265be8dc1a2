//! A walk along a lineage, and what it found: edges, hops, where it breaks, and whether the records contradict each
//! other. It does not know how an answer is worded.

use std::collections::{BTreeSet, VecDeque};

use ascribe_model::{
    ChainHop, Claim, Credential, Edge, EdgeKind, Gap, Identity, IdentityKind, JoinGrade, KeyRef, Node, Role,
};

use crate::evidence::EvidenceError;
use crate::kinds::is_collective;
use crate::lineage::{Step, children, ends, holders, parents};
use crate::naming::{counted, credential_name, identity_name, listed, node_name};
use crate::verdict::{claim_of, gap_of};
use crate::{Evidence, is_credential};

/// Hops after which a walk stops and says so.
pub const HOPS_MAX: usize = 512;

/// What a walk has found so far.
#[derive(Default)]
pub(crate) struct Trail {
    pub(crate) edges: Vec<Edge>,
    pub(crate) hops: Vec<ChainHop>,
    pub(crate) gaps: BTreeSet<Gap>,
    /// The limit at which the walk stopped, in a sentence.
    pub(crate) truncated: Option<String>,
    /// Where the records cannot all be true.
    pub(crate) contradiction: Option<String>,
    /// Credentials that came of the start, by a path without candidates.
    pub(crate) came: usize,
    /// Credentials that came of the start if it is the right one of several candidates.
    pub(crate) may_have_come: usize,
    /// Scopes of other systems that the start, or what came of it, was presented to.
    pub(crate) entered: BTreeSet<String>,
    /// The same, where that rests on candidates.
    pub(crate) may_have_entered: BTreeSet<String>,
    /// Who or what ended the start.
    pub(crate) ended_by: BTreeSet<String>,
}

/// A credential that a walk has reached and not left yet.
struct Open {
    credential: Credential,
    depth: u32,
    /// Whether no edge on the way is one of several candidates.
    sure: bool,
}

impl Trail {
    /// Follows parents, nearest first, each credential once.
    pub(crate) fn walk_back(
        &mut self,
        evidence: &dyn Evidence,
        start: &Credential,
    ) -> Result<(), EvidenceError> {
        if !is_credential(&start.uid.kind) {
            self.gaps.insert(no_credential(&start.uid));
        }
        let mut seen = BTreeSet::from([start.uid.clone()]);
        let mut open = VecDeque::from([(start.clone(), 1)]);
        while let Some((credential, depth)) = open.pop_front() {
            if !is_credential(&credential.uid.kind) {
                continue;
            }
            for step in parents(evidence, &credential)?.into_iter().chain(holders(evidence, &credential)?) {
                let next = followed(&step.edge);
                if !self.push(evidence, step, depth)? {
                    return Ok(());
                }
                match next {
                    Some(parent) if seen.insert(parent.uid.clone()) => open.push_back((parent, depth + 1)),
                    Some(parent) => self.contradict(&parent.uid),
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Follows the parents of one credential and no further: where it came from, and what holds it.
    pub(crate) fn begin(&mut self, evidence: &dyn Evidence, start: &Credential) -> Result<(), EvidenceError> {
        for step in parents(evidence, start)?.into_iter().chain(holders(evidence, start)?) {
            self.push(evidence, step, 1)?;
        }
        Ok(())
    }

    /// Follows children, nearest first, each credential once.
    pub(crate) fn walk_forward(
        &mut self,
        evidence: &dyn Evidence,
        start: &Credential,
    ) -> Result<(), EvidenceError> {
        let mut seen = BTreeSet::from([start.uid.clone()]);
        let mut open = VecDeque::from([Open { credential: start.clone(), depth: 1, sure: true }]);
        while let Some(reached) = open.pop_front() {
            let found = children(evidence, &reached.credential.uid, HOPS_MAX)?;
            if found.unread > 0 {
                self.stop(
                    format!(
                        "{} not read",
                        counted(usize::try_from(found.unread).unwrap_or(usize::MAX), "record")
                    ),
                    format!("further children of {}", credential_name(&reached.credential.uid)),
                );
            }
            for step in found.steps {
                let sure = reached.sure && step.edge.grade < JoinGrade::D;
                let child = match &step.edge.to {
                    Node::Credential(child) => Some(child.clone()),
                    Node::Identity(_) | Node::Unresolved { .. } => None,
                };
                if sure && child.as_ref().is_some_and(|child| child.uid == start.uid) {
                    self.contradict(&start.uid);
                }
                if child.as_ref().is_some_and(|child| seen.contains(&child.uid)) {
                    continue; // Reached before by a shorter way.
                }
                self.count(&step, sure);
                if !self.push(evidence, step, reached.depth)? {
                    return Ok(());
                }
                if let Some(credential) = child {
                    seen.insert(credential.uid.clone());
                    open.push_back(Open { credential, depth: reached.depth + 1, sure });
                }
            }
        }
        Ok(())
    }

    /// Adds what ended `start`.
    pub(crate) fn add_ends(
        &mut self,
        evidence: &dyn Evidence,
        start: &Credential,
    ) -> Result<(), EvidenceError> {
        for step in ends(evidence, start)? {
            self.ended_by.insert(node_name(&step.edge.from));
            if !self.push(evidence, step, 1)? {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(crate) fn claims(&self) -> Vec<Claim> {
        self.edges.iter().enumerate().map(|(position, edge)| claim_of(edge, position)).collect()
    }

    /// The identities in which a walk back ends, each with the machine for which the first credential was issued; not
    /// where that credential is `told`, because a sentence about it names its machine anyway.
    pub(crate) fn origins(&self, told: Option<&KeyRef>) -> BTreeSet<String> {
        let ends = self.edges.iter().filter(|edge| {
            matches!(edge.kind, EdgeKind::Issued | EdgeKind::BoundTo)
                && matches!(edge.from, Node::Identity(_))
        });
        ends.map(|end| {
            let is_told = matches!(&end.to, Node::Credential(credential) if Some(&credential.uid) == told);
            let machines = self.edges.iter().filter(|edge| {
                edge.kind == EdgeKind::BoundTo
                    && edge.grade == JoinGrade::A
                    && edge.to == end.to
                    && !std::ptr::eq(*edge, end)
            });
            let machines: Vec<String> = machines.map(|edge| node_name(&edge.from)).collect();
            let origin = node_name(&end.from);
            if machines.is_empty() || is_told {
                origin
            } else {
                format!("{origin} for {}", listed(&machines))
            }
        })
        .collect()
    }

    fn count(&mut self, step: &Step, sure: bool) {
        match (&step.edge.to, sure) {
            (Node::Credential(_), true) => self.came += 1,
            (Node::Credential(_), false) => self.may_have_come += 1,
            (Node::Identity(_) | Node::Unresolved { .. }, _) => {
                let entered = sure && step.edge.grade < JoinGrade::C;
                let scopes = if entered { &mut self.entered } else { &mut self.may_have_entered };
                scopes.extend(step.shown_by.iter().map(|event| event.source.scope.clone()));
            }
        }
    }

    /// Adds a hop; false once the limit is reached.
    fn push(&mut self, evidence: &dyn Evidence, step: Step, depth: u32) -> Result<bool, EvidenceError> {
        if self.hops.len() >= HOPS_MAX {
            self.stop(format!("stopped after {HOPS_MAX} hops"), format!("hops beyond the first {HOPS_MAX}"));
            return Ok(false);
        }
        self.gaps.extend(gap_of(&step.edge));
        self.gaps.extend(end_gap(&step.edge));
        self.hops.push(hop_of(evidence, &step, depth, self.edges.len())?);
        self.edges.push(step.edge);
        Ok(true)
    }

    fn stop(&mut self, limit: String, missing: String) {
        self.truncated = Some(limit);
        let settled_by = "asking again from one of the last credentials shown".to_owned();
        self.gaps.insert(Gap { missing, settled_by });
    }

    /// A credential cannot be its own ancestor.
    fn contradict(&mut self, uid: &KeyRef) {
        self.contradiction = Some(format!("they make {} an origin of itself", credential_name(uid)));
    }
}

/// The parent to which a walk back goes on.
fn followed(edge: &Edge) -> Option<Credential> {
    match (&edge.from, edge.kind) {
        (Node::Credential(credential), EdgeKind::Issued | EdgeKind::UsedAs) => Some(credential.clone()),
        _ => None,
    }
}

/// What is open where a trail ends in somebody who is not the one who started it: a role that somebody took on, or an
/// account in which somebody acted.
fn end_gap(edge: &Edge) -> Option<Gap> {
    let (Node::Identity(identity), EdgeKind::Issued) = (&edge.from, edge.kind) else { return None };
    let who = who_is_open(identity)?;
    let missing = format!("{who} when {} was issued is not on record", node_name(&edge.to));
    let settled_by = "a record of that request with the credential of its caller".to_owned();
    Some(Gap { missing, settled_by })
}

fn who_is_open(identity: &Identity) -> Option<String> {
    if is_collective(&identity.uid.kind) {
        return Some(format!("who acted in account {}", identity.label()));
    }
    (identity.kind == IdentityKind::Role).then(|| format!("who had taken on {}", identity_name(identity)))
}

fn no_credential(uid: &KeyRef) -> Gap {
    Gap {
        missing: format!("no credential of {uid} is named, and a trail starts at one"),
        settled_by: "asking about a credential that it used".to_owned(),
    }
}

fn hop_of(evidence: &dyn Evidence, step: &Step, depth: u32, edge: usize) -> Result<ChainHop, EvidenceError> {
    let mut hop =
        ChainHop { depth, edge, actor: None, at: None, operation: None, expires: None, uses: 0, used: None };
    if let Some(event) = &step.shown_by {
        hop.actor = Some(event.actor.clone());
        hop.at = event.time.at;
        hop.operation = Some(event.api.operation.clone());
    }
    if let Node::Credential(credential) = &step.edge.to {
        let tally = evidence
            .tally(&credential.uid, Role::Used)?
            .plus(evidence.tally(&credential.uid, Role::Presented)?);
        hop.uses = tally.count;
        hop.used = tally.span;
        let effects = step.shown_by.iter().flat_map(|event| &event.effects);
        let of_this = effects.filter(|effect| {
            effect.credential.as_ref().is_some_and(|affected| affected.uid == credential.uid)
        });
        hop.expires = of_this.filter_map(|effect| effect.expires).max();
    }
    Ok(hop)
}
