//! The bounded use of one credential: who held it, under what, from where, what was done to what, what it handed on,
//! and how good the evidence of all that is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{
    AuthorityUse, Basis, Body, Claim, Credential, Details, EdgeKind, Event, EventId, Gap, HandedOn, KeyRef,
    Node, Premise, Question, ResourceRole, ResourceUse, Role, SessionDetail, Status, TimeSpan, Verb, Verdict,
};

use crate::evidence::{EvidenceError, span_of};
use crate::grading::Graded;
use crate::lifecycle::{Life, first_end, no_credential};
use crate::lineage::credential_asked;
use crate::naming::{counted, credential_name, identity_name, is_named, node_name};
use crate::trail::Trail;
use crate::verdict::{premise, searched, settled_by, worst_grade};
use crate::who::addresses;
use crate::{Evidence, Subject};

/// Resources that are listed, most used first.
const RESOURCES_MAX: usize = 200;
/// Events that are cited for one resource.
const CITED_MAX: usize = 4;

/// The session of the credential, or of the one that the event used.
///
/// # Errors
/// When the evidence cannot be read.
pub fn session(
    evidence: &dyn Evidence,
    subject: &Subject,
    question: Question,
) -> Result<Body, EvidenceError> {
    match credential_asked(subject) {
        Some(credential) => session_of(evidence, &credential, question),
        None => Ok(no_credential(evidence, question)),
    }
}

fn session_of(
    evidence: &dyn Evidence,
    credential: &Credential,
    question: Question,
) -> Result<Body, EvidenceError> {
    let life = Life::read(evidence, credential)?;
    let mut back = Trail::default();
    back.walk_back(evidence, credential)?;
    let mut forward = Trail::default();
    forward.walk_forward(evidence, credential)?;
    let (uses, unexamined) = (&life.uses, life.used - life.uses.len() as u64);
    let ended = first_end(&life);
    let graded = Graded {
        evidence,
        trail: &back,
        uses,
        unexamined,
        holders: holders(uses, &credential.uid),
        has_issue: life.issued.is_some(),
        has_end: ended.is_some(),
    };
    let grade = graded.grade();
    let (resources, resources_more) = resources(uses);
    let mut detail = SessionDetail {
        credential: credential.clone(),
        subject: life.subject.clone(),
        workloads: workloads(&back, &credential.uid),
        issued: life.issued_at(),
        used: span_of(uses),
        ended,
        authorities: authorities(uses),
        addresses: addresses(uses),
        resources,
        resources_more,
        handed_on: Vec::new(),
        uses: life.used,
        unexamined,
        grade,
    };
    let claims = claims(&detail, uses, &back, &searched(evidence));
    // Edges of both walks stand in one list: those that lead on come after those that lead back.
    let offset = back.edges.len();
    detail.handed_on = handed_on(&forward, offset);
    let statement = statement(&detail);
    let contradiction = back.contradiction.clone().or_else(|| forward.contradiction.clone());
    let gaps = gaps(&detail, back.gaps, forward.gaps);
    let edges = [back.edges, forward.edges].concat();
    let verdict = match contradiction {
        Some(by) => Verdict::Contradicted { by },
        None if life.used == 0 => Verdict::Undecided { decided_by: settled_by(&gaps) },
        None if detail.grade.audit_ready => Verdict::Proven,
        None => Verdict::Bounded { bound: bound(&detail) },
    };
    Ok(Body {
        question,
        verdict,
        statement,
        grade: worst_grade(&edges),
        claims,
        edges,
        gaps: gaps.into_iter().collect(),
        scope: evidence.scope(),
        details: Details::Session(Box::new(detail)),
    })
}

/// What both walks leave open, and what the elements of the evidence lack.
fn gaps(detail: &SessionDetail, mut back: BTreeSet<Gap>, forward: BTreeSet<Gap>) -> BTreeSet<Gap> {
    back.extend(forward);
    for element in &detail.grade.elements {
        let missing = format!("evidence of {} that is whole", word(element.element));
        let open = element.settled_by.iter();
        back.extend(open.map(|settled_by| Gap { missing: missing.clone(), settled_by: settled_by.clone() }));
    }
    back
}

fn bound(detail: &SessionDetail) -> String {
    let open =
        detail.grade.elements.iter().filter(|element| element.state != ascribe_model::ElementState::Proven);
    let open: Vec<String> = open.map(|element| word(element.element).to_owned()).collect();
    format!("what the streams in scope recorded; not proven whole: {}", open.join(", "))
}

/// Distinct identities that used the credential, by its own system's word.
fn holders(uses: &[Arc<Event>], uid: &KeyRef) -> usize {
    let own = uses.iter().filter(|usage| {
        is_named(&usage.actor) && usage.keys.iter().any(|key| key.role == Role::Used && uid.names(key))
    });
    own.map(|usage| &usage.actor.uid).collect::<BTreeSet<_>>().len()
}

fn workloads(trail: &Trail, uid: &KeyRef) -> Vec<KeyRef> {
    let bound = trail.edges.iter().filter(|edge| edge.kind == EdgeKind::BoundTo);
    let of_this = bound.filter(|edge| matches!(&edge.to, Node::Credential(held) if held.uid == *uid));
    let named = of_this.filter_map(|edge| match &edge.from {
        Node::Credential(workload) => Some(workload.uid.clone()),
        Node::Identity(_) | Node::Unresolved { .. } => None,
    });
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

fn authorities(uses: &[Arc<Event>]) -> Vec<AuthorityUse> {
    let mut counts: BTreeMap<AuthorityUse, u64> = BTreeMap::new();
    for authority in uses.iter().flat_map(|usage| &usage.authorities) {
        let rule = AuthorityUse {
            kind: authority.kind,
            uid: authority.uid.clone(),
            decision: authority.decision,
            basis: authority.basis,
            events: 0,
        };
        *counts.entry(rule).or_default() += 1;
    }
    counts.into_iter().map(|(rule, events)| AuthorityUse { events, ..rule }).collect()
}

/// What was done to each resource, most events first, and how many resources are not listed.
fn resources(uses: &[Arc<Event>]) -> (Vec<ResourceUse>, u64) {
    let mut by_resource: BTreeMap<Option<KeyRef>, ResourceUse> = BTreeMap::new();
    for event in uses {
        let target = event.resources.iter().find(|resource| resource.role == ResourceRole::Target);
        let target = target.or(event.resources.first()).map(|resource| resource.uid.clone());
        let row = by_resource.entry(target.clone()).or_default();
        row.resource = target;
        *count_of(row, event) += 1;
        if let Some(at) = event.time.at {
            let moment = TimeSpan::at(at);
            row.span = Some(row.span.map_or(moment, |span| span.joined(moment)));
        }
        if row.evidence.len() < CITED_MAX {
            row.evidence.push(event.id);
        }
    }
    let mut rows: Vec<ResourceUse> = by_resource.into_values().collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(total(row)), row.resource.clone()));
    for row in &mut rows {
        row.evidence.sort_unstable();
    }
    let more = rows.len().saturating_sub(RESOURCES_MAX) as u64;
    rows.truncate(RESOURCES_MAX);
    (rows, more)
}

/// The count to which an event belongs. Only what succeeded was done.
fn count_of<'r>(row: &'r mut ResourceUse, event: &Event) -> &'r mut u64 {
    if event.outcome.status != Status::Success {
        return &mut row.attempted;
    }
    match event.verb {
        Verb::Read | Verb::SecretRead => &mut row.read,
        Verb::Create => &mut row.created,
        Verb::Update | Verb::Admin => &mut row.changed,
        Verb::Delete => &mut row.deleted,
        Verb::Delegate => &mut row.delegated,
        Verb::Exec => &mut row.executed,
        Verb::Auth | Verb::Unknown => &mut row.other,
    }
}

fn total(row: &ResourceUse) -> u64 {
    row.read
        + row.created
        + row.changed
        + row.deleted
        + row.delegated
        + row.executed
        + row.other
        + row.attempted
}

fn handed_on(forward: &Trail, offset: usize) -> Vec<HandedOn> {
    let hops = forward.hops.iter().filter(|hop| hop.depth == 1);
    let hops = hops.filter_map(|hop| Some((hop, forward.edges.get(hop.edge)?)));
    hops.map(|(hop, edge)| HandedOn {
        edge: offset + hop.edge,
        to: node_name(&edge.to),
        at: hop.at,
        uses: hop.uses,
    })
    .collect()
}

fn claims(detail: &SessionDetail, uses: &[Arc<Event>], back: &Trail, searched: &Premise) -> Vec<Claim> {
    let cited = |is: fn(&Event) -> bool| -> Vec<EventId> {
        let mut events: Vec<EventId> =
            uses.iter().filter(|event| is(event)).map(|event| event.id).take(64).collect();
        events.sort_unstable();
        events
    };
    let mut claims = back.claims();
    let attempted = uses.iter().filter(|event| event.outcome.status != Status::Success).count();
    let done = uses.len() - attempted;
    for (count, what, events) in [
        (done, "succeeded", cited(|event| event.outcome.status == Status::Success)),
        (attempted, "were attempted only", cited(|event| event.outcome.status != Status::Success)),
    ] {
        if count > 0 {
            let name = credential_name(&detail.credential.uid);
            claims.push(Claim {
                statement: format!("of the uses of {name} on record, {count} {what}"),
                premises: vec![
                    premise("the records state the outcome", Basis::Rederivable),
                    searched.clone(),
                ],
                events,
                edges: Vec::new(),
            });
        }
    }
    claims
}

fn statement(detail: &SessionDetail) -> String {
    let name = credential_name(&detail.credential.uid);
    let subject = detail
        .subject
        .as_ref()
        .map_or_else(String::new, |subject| format!(", of {},", identity_name(subject)));
    let named = detail.resources.iter().filter(|row| row.resource.is_some()).count();
    let attempted: u64 = detail.resources.iter().map(|row| row.attempted).sum();
    let handed = match detail.handed_on.len() {
        0 => String::new(),
        1 => "; it handed on 1 credential or sign-in".to_owned(),
        several => format!("; it handed on {several} credentials or sign-ins"),
    };
    let proven = detail
        .grade
        .elements
        .iter()
        .filter(|element| element.state == ascribe_model::ElementState::Proven)
        .count();
    let ready = if detail.grade.audit_ready { "audit-ready" } else { "not audit-ready" };
    format!(
        "{name}{subject} was used {} on {}, {attempted} of them without success{handed}; of the 5 elements of \
         the evidence {proven} proven: {ready}",
        if detail.uses == 1 { "once".to_owned() } else { format!("{} times", detail.uses) },
        counted(named + usize::try_from(detail.resources_more).unwrap_or(0), "resource"),
    )
}

const fn word(element: ascribe_model::ElementKind) -> &'static str {
    use ascribe_model::ElementKind;
    match element {
        ElementKind::Identity => "identity",
        ElementKind::Authority => "authority",
        ElementKind::Action => "action",
        ElementKind::Time => "time",
        ElementKind::Custody => "custody",
    }
}
