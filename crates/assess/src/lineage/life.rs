//! Backwards, where no record issues a credential by its id and uses show no more than a name: the requests under that
//! name that were approved before the use, and whose credential could still be in use then.
//!
//! A name is no identifier, so this never gives more than a candidate for each request, and one candidate alone is
//! no more than grade C.

use std::collections::BTreeSet;
use std::sync::Arc;

use ascribe_model::{
    AuthorityKind, Credential, CredentialClass, Decision, Event, JoinGrade, Key, KeyRef, Node, Role,
    TimeSpan, Timestamp,
};

use super::candidates::{Candidate, settle_near};
use super::parents::{is_vouching, may_issue, too_many};
use super::{CANDIDATES_MAX, Step, credential_of, edge, grade_of, keys_at, node_of};
use crate::evidence::{EvidenceError, span_of};
use crate::joins::{Join, Reach};
use crate::{Evidence, JOINS};

/// Parents by a name and the life of what was asked for under it.
pub(super) fn life_parents(
    evidence: &dyn Evidence,
    credential: &Credential,
    uses: &[Arc<Event>],
) -> Result<Vec<Step>, EvidenceError> {
    let is_use = |key: &Key| key.role == Role::Used && credential.uid.names(key);
    let uses: Vec<Arc<Event>> = uses.iter().filter(|event| event.keys.iter().any(is_use)).cloned().collect();
    let Some(span) = span_of(&uses) else { return Ok(Vec::new()) };
    let stated = uses.iter().map(|event| credential_of(&credential.uid, event).class);
    let classes: BTreeSet<CredentialClass> = [credential.class].into_iter().chain(stated).collect();
    for join in JOINS {
        let Reach::Life(class) = join.reach else { continue };
        if !classes.contains(&class) {
            continue;
        }
        let search = Search { evidence, join, credential, uses: &uses, span };
        let steps = search.steps()?;
        if !steps.is_empty() {
            return Ok(steps);
        }
    }
    Ok(Vec::new())
}

/// A search for the request of one credential by one row.
struct Search<'s> {
    evidence: &'s dyn Evidence,
    join: &'static Join,
    credential: &'s Credential,
    uses: &'s [Arc<Event>],
    /// First and last use.
    span: TimeSpan,
}

/// The life that the credential of a request can have had.
struct Life {
    /// When the request was made and, not earlier, approved.
    asked: Timestamp,
    /// The latest end; none where no record declares how long it was to live.
    ends: Option<Timestamp>,
}

impl Search<'_> {
    fn steps(&self) -> Result<Vec<Step>, EvidenceError> {
        let names: BTreeSet<KeyRef> =
            self.uses.iter().flat_map(|event| keys_at(event, &self.join.to)).map(Key::to_ref).collect();
        let mut candidates = Vec::new();
        let mut earliest = self.span.first;
        for name in names {
            let page = self.evidence.events(&name, &[self.join.from.role], CANDIDATES_MAX)?;
            if page.total > page.events.len() as u64 {
                return Ok(vec![too_many(self.join, self.credential, &page)]);
            }
            for request in &page.events {
                let Some(asked) = self.asked(request, &name) else { continue };
                let Some(life) = self.life(request, asked)? else { continue };
                let is_in_use =
                    life.asked <= self.span.first && life.ends.is_none_or(|ends| self.span.last <= ends);
                if is_in_use && let Some(candidate) = self.candidate(request, asked) {
                    earliest = earliest.min(life.asked);
                    candidates.push(candidate);
                }
            }
        }
        Ok(settle_near(self.credential, candidates, (earliest, self.span.last)))
    }

    /// The key by which an event asks for a credential under this name.
    fn asked<'e>(&self, request: &'e Event, name: &KeyRef) -> Option<&'e Key> {
        keys_at(request, &self.join.from).find(|key| name.names(key) && key.at.is_some())
    }

    /// None for a request that was not approved before the first use, that was refused, or that led to another
    /// credential.
    fn life(&self, request: &Event, asked: &Key) -> Result<Option<Life>, EvidenceError> {
        let Some(asked_at) = asked.at else { return Ok(None) };
        let mut approved = None;
        let mut last = asked_at;
        for step in self.later_steps(request, asked_at)? {
            let Some(at) = step.time.at else { continue };
            let issued =
                step.keys.iter().any(|key| key.role == Role::Issued && key.kind == self.credential.uid.kind);
            let approvals =
                step.authorities.iter().filter(|authority| authority.kind == AuthorityKind::Approval);
            for approval in approvals {
                match approval.decision {
                    Decision::Deny => return Ok(None),
                    Decision::Allow | Decision::Unknown => approved = approved.or(Some(at)),
                }
            }
            if issued {
                return Ok(None);
            }
            last = last.max(at);
        }
        let lives = request.effects.iter().filter_map(|effect| effect.ttl_seconds).max();
        let lives =
            lives.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000));
        let ends = lives.map(|lives| last.plus_nanoseconds(lives));
        Ok(approved.filter(|at| *at <= self.span.first).map(|_| Life { asked: asked_at, ends }))
    }

    /// The later steps of the operation that the request began. Names are used again: the next request under the name
    /// of the operation begins another.
    fn later_steps(&self, request: &Event, asked: Timestamp) -> Result<Vec<Arc<Event>>, EvidenceError> {
        let mut steps = Vec::new();
        for key in request.keys.iter().filter(|key| key.role == Role::Step) {
            let page = self.evidence.events(&key.to_ref(), &[Role::Step], CANDIDATES_MAX)?;
            let later = page
                .events
                .into_iter()
                .filter(|step| step.id != request.id && step.time.at.is_some_and(|at| at >= asked));
            let begins = |step: &Event| keys_at(step, &self.join.from).any(|key| key.at.is_some());
            steps.extend(later.take_while(|step| !begins(step)));
        }
        Ok(steps)
    }

    fn candidate(&self, request: &Arc<Event>, asked: &Key) -> Option<Candidate> {
        let vouched = request.keys.iter().find(|key| is_vouching(key));
        let parent =
            vouched.map_or_else(|| Node::Identity(request.actor.clone()), |key| node_of(request, key));
        let ends = (parent, Node::Credential(self.credential.clone()));
        if !may_issue(&ends) {
            return None;
        }
        let grade = grade_of(self.join, [asked, asked]).max(JoinGrade::C);
        let shown = [request.id, self.uses.first()?.id].to_vec();
        let edge = edge(self.join, ends, grade, shown);
        Some(Candidate {
            join: self.join,
            edge,
            shown_by: Arc::clone(request),
            request: request.id,
            twin: None,
        })
    }
}
