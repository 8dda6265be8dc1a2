//! Under whose authority something was allowed or refused: who asked, who approved, and which rule was in force.
//!
//! A rule is recorded, inferred from the record, or absent because the source never records it; an answer never makes
//! more of it. For a credential the acts are its issue and the issues of those above it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ascribe_model::{
    Authority, AuthorityBasis, AuthorityKind, Basis, Body, Claim, Credential, Decision, Details, Event,
    EventId, Gap, Key, KeyKind, KeyRef, Node, Question, Role, Status, Verdict, WhyAct, WhyDetail, WhyRule,
};

use crate::evidence::EvidenceError;
use crate::lineage::credential_in;
use crate::naming::{credential_name, identity_name, listed};
use crate::trail::Trail;
use crate::verdict::{claim_of, premise, settled_by, worst_grade};
use crate::{Evidence, Subject};

/// Issues of one credential that are told.
const ISSUES_MAX: usize = 8;
/// Steps of one operation that are searched for approvals.
const STEPS_MAX: usize = 64;

/// Why the event was allowed or refused, or why the credential was issued.
///
/// # Errors
/// When the evidence cannot be read.
pub fn why(evidence: &dyn Evidence, subject: &Subject, question: Question) -> Result<Body, EvidenceError> {
    match subject {
        Subject::Event(event) => {
            let mut trail = Trail::default();
            if let Some(credential) = credential_in(event) {
                trail.walk_back(evidence, &credential)?;
            }
            let own = KeyRef {
                kind: KeyKind::new("ascribe.event"),
                scope: String::new(),
                value: event.id.to_string(),
            };
            let act = act_of(evidence, event, 0, None)?;
            let acts = vec![act];
            Ok(Reasons { subject: own, event: Some(event.id), trail, acts }.answer(evidence, question))
        }
        Subject::Key(credential) => of_credential(evidence, credential, question),
        Subject::Identity(identity) => {
            let class = ascribe_model::CredentialClass::Unknown;
            of_credential(evidence, &Credential { uid: identity.clone(), class }, question)
        }
    }
}

/// The issue of a credential and of those above it, nearest first.
fn of_credential(
    evidence: &dyn Evidence,
    credential: &Credential,
    question: Question,
) -> Result<Body, EvidenceError> {
    let mut trail = Trail::default();
    trail.walk_back(evidence, credential)?;
    let mut line: Vec<(u32, KeyRef)> = vec![(0, credential.uid.clone())];
    for hop in &trail.hops {
        if let Some(Node::Credential(parent)) = trail.edges.get(hop.edge).map(|edge| &edge.from)
            && crate::is_credential(&parent.uid.kind)
        {
            line.push((hop.depth, parent.uid.clone()));
        }
    }
    let (mut acts, mut told) = (Vec::new(), BTreeSet::new());
    for (depth, uid) in line {
        for issue in evidence.events(&uid, &[Role::Issued], ISSUES_MAX)?.events {
            if told.insert(issue.id) {
                acts.push(act_of(evidence, &issue, depth, Some(&uid))?);
            }
        }
    }
    Ok(Reasons { subject: credential.uid.clone(), event: None, trail, acts }.answer(evidence, question))
}

/// Acts with their rules, and the lineage on which they lie.
struct Reasons {
    subject: KeyRef,
    event: Option<EventId>,
    trail: Trail,
    acts: Vec<WhyAct>,
}

impl Reasons {
    fn answer(mut self, evidence: &dyn Evidence, question: Question) -> Body {
        let decision = self.decision();
        self.trail.gaps.extend(self.gaps());
        let claims = self.claims();
        let verdict = self.verdict();
        let statement = self.statement(decision);
        let details = WhyDetail { subject: self.subject, event: self.event, decision, acts: self.acts };
        Body {
            question,
            verdict,
            statement,
            grade: worst_grade(&self.trail.edges),
            claims,
            edges: self.trail.edges,
            gaps: self.trail.gaps.into_iter().collect(),
            scope: evidence.scope(),
            details: Details::Why(Box::new(details)),
        }
    }

    /// What was decided in the act nearest to the subject.
    fn decision(&self) -> Decision {
        let rules = || self.acts.first().into_iter().flat_map(|act| &act.rules);
        let has = |decision| rules().any(|rule| rule.decision == decision);
        match (has(Decision::Deny), has(Decision::Allow)) {
            (true, _) => Decision::Deny,
            (false, true) => Decision::Allow,
            (false, false) => Decision::Unknown,
        }
    }

    fn verdict(&self) -> Verdict {
        if let Some(by) = &self.trail.contradiction {
            return Verdict::Contradicted { by: by.clone() };
        }
        let Some(nearest) = self.acts.first() else {
            return Verdict::Undecided { decided_by: settled_by(&self.trail.gaps) };
        };
        let known = |act: &WhyAct| act.rules.iter().map(rank).max().unwrap_or(Rank::Nothing);
        match known(nearest) {
            Rank::Decides if self.acts.iter().all(|act| known(act) == Rank::Decides) => {
                let is_stated = |rule: &WhyRule| rule.basis != AuthorityBasis::Absent;
                if self.acts.iter().flat_map(|act| &act.rules).all(is_stated) {
                    Verdict::Proven
                } else {
                    let bound = "the rules and approvals on record; which others had a part is not recorded";
                    Verdict::Bounded { bound: bound.to_owned() }
                }
            }
            Rank::Decides => Verdict::Bounded {
                bound: "the act itself; for those above it, which rule decided is not on record".to_owned(),
            },
            Rank::Frames => Verdict::Bounded {
                bound: "the role or the conditions on record; which rule decided is not".to_owned(),
            },
            Rank::Nothing => Verdict::Undecided { decided_by: settled_by(&self.trail.gaps) },
        }
    }

    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for act in &self.acts {
            if act.rules.iter().map(rank).max().unwrap_or(Rank::Nothing) < Rank::Decides {
                gaps.push(Gap {
                    missing: format!("which rule decided {}: the record does not say", act.operation),
                    settled_by:
                        "the rules in force at that time: a snapshot of them, or the history of their changes"
                            .to_owned(),
                });
            }
        }
        if self.acts.is_empty() {
            gaps.push(Gap {
                missing: format!("a record of the issue of {}", credential_name(&self.subject)),
                settled_by: "the log of whatever issued it".to_owned(),
            });
        }
        gaps
    }

    fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        for act in &self.acts {
            claims.push(Claim {
                statement: format!("{} was asked for by {}", act.operation, asked_by(act)),
                premises: vec![premise("the record says so", Basis::Rederivable)],
                events: vec![act.event],
                edges: Vec::new(),
            });
            for rule in &act.rules {
                let basis = match rule.basis {
                    AuthorityBasis::Recorded => premise("the record states it", Basis::Rederivable),
                    AuthorityBasis::Inferred => premise("the record's wording means it", Basis::Asserted),
                    AuthorityBasis::Absent => premise("a record states the rule", Basis::Unmet),
                };
                let (statement, premises, events) = (rule_words(rule), vec![basis], vec![rule.event]);
                claims.push(Claim { statement, premises, events, edges: Vec::new() });
            }
        }
        let edges = self.trail.edges.iter().enumerate();
        claims.extend(edges.map(|(position, edge)| claim_of(edge, position)));
        claims
    }

    fn statement(&self, decision: Decision) -> String {
        let Some(act) = self.acts.first() else {
            return format!("no record says why {} was issued", credential_name(&self.subject));
        };
        let decided = match decision {
            Decision::Allow => "was allowed to",
            Decision::Deny => "was refused to",
            Decision::Unknown => "was asked for by",
        };
        let deciding: Vec<String> = act
            .rules
            .iter()
            .filter(|rule| rank(rule) == Rank::Decides)
            .map(|rule| format!("{} {}", kind_words(rule.kind), rule.uid))
            .collect();
        let framing: Vec<String> = act
            .rules
            .iter()
            .filter(|rule| rank(rule) == Rank::Frames && !rule.uid.is_empty())
            .map(|rule| match rule.basis {
                AuthorityBasis::Inferred => format!("{}, as inferred from the record", rule.uid),
                _ => format!("{} {}", kind_words(rule.kind), rule.uid),
            })
            .collect();
        let by = match (deciding.as_slice(), framing.as_slice()) {
            ([], []) => "; which rule decided is not on record".to_owned(),
            ([], framing) => format!("; on record: {}; which rule decided is not", listed(framing)),
            (deciding, []) => format!(" by {}", listed(deciding)),
            (deciding, framing) => format!(" by {}; also on record: {}", listed(deciding), listed(framing)),
        };
        let approved = match approvals(act).as_slice() {
            [] => self.approvals_above(),
            approvals => format!("; {}", approvals.join("; ")),
        };
        let of = match (&act.issued, self.event) {
            (Some(uid), None) => format!(", which issued {},", credential_name(uid)),
            _ => String::new(),
        };
        let asker = asked_by(act);
        match &act.done_by {
            Some(done_by) => {
                let done_by = identity_name(done_by);
                format!(
                    "{}{of} was asked for by {asker} and completed by {done_by}{by}{approved}",
                    act.operation
                )
            }
            None => format!("{}{of} {decided} {asker}{by}{approved}", act.operation),
        }
    }

    /// The approvals of what it came of, where the act nearest to the subject has none itself.
    fn approvals_above(&self) -> String {
        let mut words = String::new();
        for act in self.acts.iter().skip(1) {
            let approvals = approvals(act);
            if let Some(issued) = act.issued.as_ref().filter(|_| !approvals.is_empty()) {
                let issued = credential_name(issued);
                words.push_str(&format!("; {issued}, of which it came: {}", approvals.join(", ")));
            }
        }
        if words.is_empty() { "; no approval is on record".to_owned() } else { words }
    }
}

/// Who approved, and who refused to, as far as that is on record.
fn approvals(act: &WhyAct) -> Vec<String> {
    let on_record = || act.rules.iter().filter(|rule| rule.kind == AuthorityKind::Approval);
    let by = |decision: Decision| -> Vec<String> {
        let of_decision = on_record().filter(|rule| rule.decision == decision);
        of_decision.filter_map(|rule| rule.by.as_ref().map(identity_name)).collect()
    };
    let told = [
        (Decision::Allow, "approved by"),
        (Decision::Deny, "refused by"),
        (Decision::Unknown, "without its decision on record, a step of approval by"),
    ];
    let words = told.map(|(decision, what)| (by(decision), what));
    let words = words.iter().filter(|(names, _)| !names.is_empty());
    words.map(|(names, what)| format!("{what} {}", listed(names))).collect()
}

/// How much a rule on record says of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It says that something was decided, not by what.
    Nothing,
    /// It is a condition or a role on the way, or inferred.
    Frames,
    /// It is a rule that decides, as recorded.
    Decides,
}

fn rank(rule: &WhyRule) -> Rank {
    use AuthorityKind::{Admission, MultiFactor, Role, SessionPolicy, Unstated};
    match (rule.basis, rule.kind) {
        (AuthorityBasis::Absent, _) | (_, Unstated) => Rank::Nothing,
        (AuthorityBasis::Recorded, kind)
            if !matches!(kind, Role | MultiFactor | Admission | SessionPolicy)
                && rule.decision != Decision::Unknown =>
        {
            Rank::Decides
        }
        _ => Rank::Frames,
    }
}

/// One act with the rules of its record, and the approvals that other records of the same operation hold.
fn act_of(
    evidence: &dyn Evidence,
    event: &Arc<Event>,
    depth: u32,
    issued: Option<&KeyRef>,
) -> Result<WhyAct, EvidenceError> {
    let mut rules: Vec<WhyRule> =
        event.authorities.iter().map(|authority| rule_of(authority, event, None)).collect();
    let mut seen = BTreeSet::from([event.id]);
    let mut asked: Option<Arc<Event>> = None;
    for step in event.keys.iter().filter(|key| key.role == Role::Step) {
        for other in steps(evidence, step)? {
            let earlier = other.time.at <= event.time.at && other.outcome.status == Status::Success;
            if !earlier || !seen.insert(other.id) {
                continue;
            }
            let approvals =
                other.authorities.iter().filter(|authority| authority.kind == AuthorityKind::Approval);
            rules.extend(approvals.map(|authority| rule_of(authority, &other, Some(&other))));
            if asked.as_ref().is_none_or(|first| other.time.at < first.time.at) {
                asked = Some(other);
            }
        }
    }
    rules.sort_by_key(|rule| (std::cmp::Reverse(rank(rule)), rule.kind, rule.uid.clone(), rule.event));
    // Who completed an operation in several steps is not who asked for it.
    let asking = asked.as_ref().unwrap_or(event);
    Ok(WhyAct {
        depth,
        event: event.id,
        at: event.time.at,
        operation: event.api.operation.clone(),
        asked_by: asking.actor.clone(),
        done_by: asked.as_ref().map(|_| event.actor.clone()),
        on_behalf_of: asking.on_behalf_of.clone(),
        issued: issued.cloned(),
        rules,
    })
}

fn steps(evidence: &dyn Evidence, step: &Key) -> Result<Vec<Arc<Event>>, EvidenceError> {
    Ok(evidence.events(&step.to_ref(), &[Role::Step], STEPS_MAX)?.events)
}

fn rule_of(authority: &Authority, event: &Event, approval: Option<&Arc<Event>>) -> WhyRule {
    let is_approval = authority.kind == AuthorityKind::Approval;
    WhyRule {
        kind: authority.kind,
        uid: authority.uid.clone(),
        decision: authority.decision,
        basis: authority.basis,
        detail: authority.detail.clone(),
        by: (is_approval || approval.is_some()).then(|| event.actor.clone()),
        at: event.time.at.filter(|_| is_approval || approval.is_some()),
        event: event.id,
    }
}

fn asked_by(act: &WhyAct) -> String {
    let behalf: Vec<String> = act.on_behalf_of.iter().map(identity_name).collect();
    let who = identity_name(&act.asked_by);
    if behalf.is_empty() { who } else { format!("{who} acting as {}", listed(&behalf)) }
}

fn rule_words(rule: &WhyRule) -> String {
    let decided = match rule.decision {
        Decision::Allow => "allowed",
        Decision::Deny => "refused",
        Decision::Unknown => "is named, without a decision",
    };
    let by = rule.by.as_ref().map_or_else(String::new, |by| format!(" by {}", identity_name(by)));
    match (rule.basis, rule.uid.is_empty()) {
        (AuthorityBasis::Absent, _) => format!("it was {decided}; the source does not record by which rule"),
        (_, true) => format!("a {} {decided}{by}", kind_words(rule.kind)),
        (_, false) => format!("{} {} {decided}{by}", kind_words(rule.kind), rule.uid),
    }
}

const fn kind_words(kind: AuthorityKind) -> &'static str {
    match kind {
        AuthorityKind::Policy => "policy",
        AuthorityKind::SessionPolicy => "session policy",
        AuthorityKind::OrganizationPolicy => "organisation policy",
        AuthorityKind::Role => "role",
        AuthorityKind::Binding => "binding",
        AuthorityKind::Approval => "approval",
        AuthorityKind::MultiFactor => "second factor",
        AuthorityKind::Group => "group",
        AuthorityKind::Admission => "admission check",
        AuthorityKind::Unstated => "unstated rule",
    }
}
