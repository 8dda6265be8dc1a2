//! The lineage of a credential: back to who started it, or forward to all that came of it.

use std::collections::{BTreeSet, VecDeque};

use ascribe_model::{
    Basis, Body, ChainDetail, ChainHop, Claim, Credential, CredentialClass, Details, Edge, EdgeKind, Gap,
    JoinGrade, KeyRef, Node, Question, Role, Verdict,
};

use crate::evidence::EvidenceError;
use crate::lineage::{Step, children, credential_in, holders, parents, walk_on};
use crate::verdict::{claim_of, gap_of, premise, settled_by, verdict_over, worst_grade};
use crate::{Evidence, Subject};

/// Hops after which a walk stops and says so.
pub const HOPS_MAX: usize = 512;

/// Which way a lineage is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To who started it.
    Back,
    /// To all that came of it.
    Forward,
}

/// Walks the lineage of `subject` and answers with every hop, its grade and where the trail breaks.
///
/// # Errors
/// When the evidence cannot be read.
pub fn chain(
    evidence: &dyn Evidence,
    subject: &Subject,
    direction: Direction,
    question: Question,
) -> Result<Body, EvidenceError> {
    let start = start_of(subject);
    let mut trail = Trail::default();
    match direction {
        Direction::Back => trail.walk_back(evidence, &start)?,
        Direction::Forward => trail.walk_forward(evidence, &start)?,
    }
    Ok(trail.into_body(evidence, start.uid, direction, question))
}

/// What a walk has found so far.
#[derive(Default)]
pub(crate) struct Trail {
    pub(crate) edges: Vec<Edge>,
    pub(crate) hops: Vec<ChainHop>,
    pub(crate) gaps: BTreeSet<Gap>,
    truncated: Option<String>,
}

impl Trail {
    /// Follows parents, nearest first, each credential once.
    pub(crate) fn walk_back(
        &mut self,
        evidence: &dyn Evidence,
        start: &Credential,
    ) -> Result<(), EvidenceError> {
        let mut seen = BTreeSet::from([start.uid.clone()]);
        let mut open = VecDeque::from([(start.clone(), 1)]);
        while let Some((credential, depth)) = open.pop_front() {
            if !crate::is_credential(&credential.uid.kind) {
                continue;
            }
            for step in parents(evidence, &credential)?.into_iter().chain(holders(evidence, &credential)?) {
                let next = if step.edge.kind == EdgeKind::BoundTo {
                    None
                } else {
                    walk_on(&step.edge.from).cloned()
                };
                if !self.push(evidence, step, depth)? {
                    return Ok(());
                }
                if let Some(parent) = next.filter(|parent| seen.insert(parent.uid.clone())) {
                    open.push_back((parent, depth + 1));
                }
            }
        }
        Ok(())
    }

    /// Follows children, nearest first, each credential once.
    fn walk_forward(&mut self, evidence: &dyn Evidence, start: &Credential) -> Result<(), EvidenceError> {
        let mut seen = BTreeSet::from([start.uid.clone()]);
        let mut open = VecDeque::from([(start.uid.clone(), 1)]);
        while let Some((uid, depth)) = open.pop_front() {
            for step in children(evidence, &uid, HOPS_MAX)? {
                let next = walk_on(&step.edge.to).map(|child| child.uid.clone());
                if next.as_ref().is_some_and(|child| seen.contains(child)) {
                    continue; // Reached before by a shorter way.
                }
                if !self.push(evidence, step, depth)? {
                    return Ok(());
                }
                if let Some(child) = next {
                    seen.insert(child.clone());
                    open.push_back((child, depth + 1));
                }
            }
        }
        Ok(())
    }

    /// Adds a hop; false once the limit is reached.
    fn push(&mut self, evidence: &dyn Evidence, step: Step, depth: u32) -> Result<bool, EvidenceError> {
        if self.hops.len() >= HOPS_MAX {
            self.truncated = Some(format!("stopped after {HOPS_MAX} hops"));
            self.gaps.insert(Gap {
                missing: format!("hops beyond the first {HOPS_MAX}"),
                settled_by: "asking again from one of the last credentials shown".to_owned(),
            });
            return Ok(false);
        }
        self.gaps.extend(gap_of(&step.edge));
        self.hops.push(hop_of(evidence, &step, depth, self.edges.len())?);
        self.edges.push(step.edge);
        Ok(true)
    }

    pub(crate) fn claims(&self) -> Vec<Claim> {
        self.edges.iter().enumerate().map(|(position, edge)| claim_of(edge, position)).collect()
    }

    /// Nodes in which a walk back ends well.
    pub(crate) fn origins(&self) -> BTreeSet<&Node> {
        let ends = self.edges.iter().filter(|edge| edge.kind != EdgeKind::SameRequest);
        ends.map(|edge| &edge.from).filter(|node| matches!(node, Node::Identity(_))).collect()
    }

    fn into_body(
        mut self,
        evidence: &dyn Evidence,
        start: KeyRef,
        direction: Direction,
        question: Question,
    ) -> Body {
        let mut claims = self.claims();
        let statement = match direction {
            Direction::Back => self.back_statement(&start),
            Direction::Forward => self.forward_statement(&start),
        };
        if direction == Direction::Forward {
            claims.push(nothing_else(&start));
            self.gaps.insert(Gap {
                missing: "proof that the streams in scope recorded everything".to_owned(),
                settled_by: "continuity proofs of the sources, such as CloudTrail digests".to_owned(),
            });
        }
        let verdict = match direction {
            Direction::Back => verdict_over(
                &claims,
                &self.gaps,
                "the trail rests on a composite or on a value that a caller chose",
            ),
            Direction::Forward if self.truncated.is_some() => {
                Verdict::Undecided { decided_by: settled_by(&self.gaps) }
            }
            Direction::Forward => Verdict::Bounded { bound: "what the streams in scope recorded".to_owned() },
        };
        let word = if direction == Direction::Back { "back" } else { "forward" };
        Body {
            question,
            verdict,
            statement,
            grade: worst_grade(&self.edges),
            claims,
            gaps: self.gaps.into_iter().collect(),
            scope: evidence.scope(),
            details: Details::Chain(Box::new(ChainDetail {
                start,
                direction: word.to_owned(),
                hops: self.hops,
                truncated: self.truncated,
            })),
            edges: self.edges,
        }
    }

    fn back_statement(&self, start: &KeyRef) -> String {
        let origins: Vec<String> = self.origins().into_iter().map(ToString::to_string).collect();
        let breaks: Vec<&str> = self.gaps.iter().map(|gap| gap.missing.as_str()).collect();
        match (origins.as_slice(), breaks.as_slice()) {
            ([], []) => format!("nothing on record says where {start} came from"),
            ([], breaks) => format!("the trail of {start} breaks: {}", breaks.join("; ")),
            (origins, []) => format!("{start} goes back to {}", origins.join(" and ")),
            (origins, breaks) => {
                format!("{start} goes back to {}, but {}", origins.join(" and "), breaks.join("; "))
            }
        }
    }

    fn forward_statement(&self, start: &KeyRef) -> String {
        let sure = self.edges.iter().filter(|edge| edge.grade < JoinGrade::D);
        let credentials: BTreeSet<&Node> =
            sure.filter(|edge| edge.kind == EdgeKind::Issued).map(|edge| &edge.to).collect();
        let open = self.edges.iter().filter(|edge| edge.grade == JoinGrade::D).count();
        let entered: BTreeSet<&str> = self.edges.iter().filter_map(entered_system).collect();
        let mut parts = Vec::new();
        if !credentials.is_empty() {
            parts.push(format!("{} came of it", counted(credentials.len(), "credential")));
        }
        if open > 0 {
            parts.push(format!("{} may have", counted(open, "more")));
        }
        if !entered.is_empty() {
            let entered: Vec<&str> = entered.into_iter().collect();
            parts.push(format!("it or they entered {}", entered.join(" and ")));
        }
        if parts.is_empty() {
            return format!("no record in scope shows anything that came of {start}");
        }
        format!("{start}: {}", parts.join(", "))
    }
}

/// The system that a credential of another one was presented to, by the scope of the name that it got there.
fn entered_system(edge: &Edge) -> Option<&str> {
    match (&edge.to, edge.kind) {
        (Node::Identity(identity), EdgeKind::Presented) => Some(&identity.uid.scope),
        _ => None,
    }
}

/// The credential from which a walk starts; an identity's key is walked the same way.
fn start_of(subject: &Subject) -> Credential {
    match subject {
        Subject::Key(credential) => credential.clone(),
        Subject::Event(event) => credential_in(event)
            .unwrap_or_else(|| Credential { uid: event.actor.uid.clone(), class: CredentialClass::Unknown }),
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

fn nothing_else(start: &KeyRef) -> Claim {
    Claim {
        statement: format!("the records in scope show nothing else that came of {start}"),
        premises: vec![premise("the search saw every entry of the ledger", Basis::Asserted)],
        events: Vec::new(),
        edges: Vec::new(),
    }
}

pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 || what == "more" { format!("{count} {what}") } else { format!("{count} {what}s") }
}
