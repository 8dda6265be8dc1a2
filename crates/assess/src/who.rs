//! Which identity held a credential or acted in an event, and how strong is the binding.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{
    AddressUse, Basis, Body, Claim, Credential, Details, Edge, EdgeKind, Event, EventId, Gap, Holder,
    Identity, IdentityKind, JoinGrade, KeyRef, Node, Question, Role, Verdict, WhoDetail,
};

use crate::chain::{Trail, counted};
use crate::evidence::{EvidenceError, span_of};
use crate::lineage::credential_in;
use crate::verdict::{claim_of, premise, settled_by, weakest, worst_grade};
use crate::{Evidence, JOINS};

/// Uses of one credential that are examined one by one. Beyond it the answer says how many were not.
pub const USES_MAX: usize = 20_000;

/// Events that an answer cites for one holder: the first and the last ones.
const CITED_MAX: usize = 8;

/// Addresses that an answer lists, first used first.
const ADDRESSES_MAX: usize = 64;

/// What a question is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A credential, or an identity to start from.
    Key(Credential),
    /// One event.
    Event(Arc<Event>),
}

/// Which identity held the credential, or acted in the event.
///
/// # Errors
/// When the evidence cannot be read.
pub fn who(evidence: &dyn Evidence, subject: &Subject, question: Question) -> Result<Body, EvidenceError> {
    match subject {
        Subject::Key(credential) => who_held(evidence, credential, None, question),
        Subject::Event(event) => match credential_in(event) {
            Some(credential) => who_held(evidence, &credential, Some(event), question),
            None => Ok(who_acted(evidence, event, question)),
        },
    }
}

/// Everything that was found about the holders of one credential.
struct Holding {
    holders: Vec<Holder>,
    issued_to: Vec<Holder>,
    addresses: Vec<AddressUse>,
    total: u64,
    examined: usize,
}

fn who_held(
    evidence: &dyn Evidence,
    credential: &Credential,
    event: Option<&Arc<Event>>,
    question: Question,
) -> Result<Body, EvidenceError> {
    let holding = holding_of(evidence, credential, event)?;
    let mut trail = Trail::default();
    trail.walk_back(evidence, credential)?;
    let workloads = trail
        .edges
        .iter()
        .filter(|edge| edge.kind == EdgeKind::BoundTo && edge.to == Node::Credential(credential.clone()));
    let workloads = workloads.filter(|edge| matches!(edge.from, Node::Credential(_))).count();
    let mut claims = binding_claims(&holding, credential, event);
    let binding = weakest(&claims);
    let behalf = behalf_edges(event);
    trail.edges.extend(behalf);
    claims.extend(trail.claims());
    let contradiction = contradiction(&holding);
    // Another system's name for the holder is no second holder.
    let own_names = holding.holders.iter().filter(|holder| holder.binding != "presented as").count();
    let attribution = match (holding.holders.len() + holding.issued_to.len(), own_names) {
        (0, _) => "unattributed",
        (_, 0 | 1) if workloads <= 1 => "sole",
        _ => "shared",
    };
    if holding.total > holding.examined as u64 {
        trail.gaps.insert(Gap {
            missing: format!("a look at each of {} uses: {} were examined", holding.total, holding.examined),
            settled_by: "a narrower question".to_owned(),
        });
    }
    let verdict = verdict_of(&holding, binding, (&claims, &trail.gaps), contradiction);
    let statement = statement_of(&holding, credential, event, &trail);
    Ok(Body {
        question,
        verdict,
        statement,
        grade: worst_grade(&trail.edges).or(Some(JoinGrade::A).filter(|_| !holding.holders.is_empty())),
        claims,
        gaps: trail.gaps.into_iter().collect(),
        scope: evidence.scope(),
        details: Details::Who(Box::new(WhoDetail {
            subject: credential.uid.clone(),
            event: event.map(|event| event.id),
            attribution: attribution.to_owned(),
            holders: holding.issued_to.into_iter().chain(holding.holders).collect(),
            addresses: holding.addresses,
            origin: trail.hops,
        })),
        edges: trail.edges,
    })
}

/// The answer for an event that names no credential: the record's own word for the actor.
fn who_acted(evidence: &dyn Evidence, event: &Arc<Event>, question: Question) -> Body {
    let edges = behalf_edges(Some(event));
    let named = !matches!(event.actor.kind, IdentityKind::Unknown | IdentityKind::Anonymous);
    let basis = if named { Basis::Rederivable } else { Basis::Unmet };
    let mut claims = vec![Claim {
        statement: format!(
            "the record names {} `{}` as the actor",
            event.actor.kind.name(),
            event.actor.label()
        ),
        premises: vec![premise("the record says so", basis)],
        events: vec![event.id],
        edges: Vec::new(),
    }];
    claims.extend(edges.iter().enumerate().map(|(position, edge)| claim_of(edge, position)));
    let gap = Gap {
        missing: "the credential: the record names none".to_owned(),
        settled_by: "a source that records the credential id of this call".to_owned(),
    };
    let verdict = if named {
        Verdict::Bounded { bound: "the name in the record; no credential ties it to a session".to_owned() }
    } else {
        Verdict::Undecided { decided_by: vec![gap.settled_by.clone()] }
    };
    let holder = holder("acted as", &event.actor, std::slice::from_ref(event));
    Body {
        question,
        verdict,
        statement: format!(
            "{} `{}` acted, by the record's own word",
            event.actor.kind.name(),
            event.actor.label()
        ),
        grade: worst_grade(&edges),
        claims,
        edges,
        gaps: vec![gap],
        scope: evidence.scope(),
        details: Details::Who(Box::new(WhoDetail {
            subject: event.actor.uid.clone(),
            event: Some(event.id),
            attribution: if named { "sole" } else { "unattributed" }.to_owned(),
            holders: vec![holder],
            addresses: addresses(std::slice::from_ref(event)),
            origin: Vec::new(),
        })),
    }
}

fn holding_of(
    evidence: &dyn Evidence,
    credential: &Credential,
    event: Option<&Arc<Event>>,
) -> Result<Holding, EvidenceError> {
    let page = evidence.events(&credential.uid, &[Role::Used, Role::Presented], USES_MAX)?;
    let mut by_actor: BTreeMap<(&'static str, KeyRef), Vec<Arc<Event>>> = BTreeMap::new();
    for usage in &page.events {
        let presented = usage.keys.iter().any(|key| key.role == Role::Presented && credential.uid.names(key));
        let binding = if presented { "presented as" } else { "used as" };
        by_actor.entry((binding, usage.actor.uid.clone())).or_default().push(Arc::clone(usage));
    }
    let mut holders: Vec<Holder> =
        by_actor.iter().map(|((binding, _), uses)| holder(binding, &uses[0].actor, uses)).collect();
    // Another system's name for the same holder comes after the system's own.
    holders.sort_by_key(|holder| (holder.binding == "presented as", holder.identity.clone()));
    if let Some(event) = event.filter(|_| holders.is_empty()) {
        holders.push(holder("acted as", &event.actor, std::slice::from_ref(event)));
    }
    let mut issued_to: BTreeMap<Identity, Vec<Arc<Event>>> = BTreeMap::new();
    for issue in evidence.events(&credential.uid, &[Role::Issued], CITED_MAX)?.events {
        let effects = issue
            .effects
            .iter()
            .filter(|effect| effect.credential.as_ref().is_some_and(|issued| issued.uid == credential.uid));
        for subject in effects.filter_map(|effect| effect.subject.as_ref()) {
            issued_to.entry(subject.clone()).or_default().push(Arc::clone(&issue));
        }
    }
    let issued_to = issued_to.iter().map(|(subject, issues)| holder("issued to", subject, issues)).collect();
    let addresses = addresses(&page.events);
    Ok(Holding { holders, issued_to, addresses, total: page.total, examined: page.events.len() })
}

/// Addresses that the recording systems saw, by first use. They tell where, never who: addresses are shared and
/// translated, so no verdict rests on them.
fn addresses(events: &[Arc<Event>]) -> Vec<AddressUse> {
    let mut by_address: BTreeMap<&str, Vec<Arc<Event>>> = BTreeMap::new();
    for event in events {
        for address in event.src_endpoint.addresses.iter().filter(|address| address.observed) {
            by_address.entry(&address.ip).or_default().push(Arc::clone(event));
        }
    }
    let uses = by_address.into_iter().map(|(address, events)| AddressUse {
        address: address.to_owned(),
        events: events.len() as u64,
        span: span_of(&events),
    });
    let mut uses: Vec<AddressUse> = uses.collect();
    uses.sort_by_key(|usage| (usage.span.map(|span| span.first), usage.address.clone()));
    uses.truncate(ADDRESSES_MAX);
    uses
}

fn binding_claims(holding: &Holding, credential: &Credential, event: Option<&Arc<Event>>) -> Vec<Claim> {
    let mut claims: Vec<Claim> = event
        .iter()
        .map(|event| Claim {
            statement: format!(
                "the event was done with {} by {} `{}`",
                credential.uid,
                event.actor.kind.name(),
                event.actor.label()
            ),
            premises: vec![premise("the record says so", Basis::Rederivable)],
            events: vec![event.id],
            edges: Vec::new(),
        })
        .collect();
    for holder in holding.issued_to.iter().chain(&holding.holders) {
        let by = format!("{} `{}`", holder.identity.kind.name(), holder.identity.label());
        claims.push(Claim {
            statement: format!(
                "{} was {} {by} in {}",
                credential.uid,
                holder.binding,
                counted(holder.events as usize, "event")
            ),
            premises: vec![premise(
                "the recording system checked the credential and wrote the name down",
                Basis::Rederivable,
            )],
            events: holder.evidence.clone(),
            edges: Vec::new(),
        });
    }
    claims
}

/// Edges for those on whose behalf the actor of the event acted.
fn behalf_edges(event: Option<&Arc<Event>>) -> Vec<Edge> {
    let Some(event) = event else { return Vec::new() };
    let mut edges = Vec::new();
    for effective in &event.on_behalf_of {
        let kind = &effective.uid.kind;
        let Some(join) = JOINS
            .iter()
            .find(|join| join.says == EdgeKind::OnBehalfOf && join.to.matches(kind, Role::Behalf))
        else {
            continue;
        };
        edges.push(Edge {
            rule: join.id.to_owned(),
            kind: join.says,
            from: Node::Identity(event.actor.clone()),
            to: Node::Identity(effective.clone()),
            grade: join.grade,
            evidence: vec![event.id],
            window: None,
            candidates: 1,
            alternatives: Vec::new(),
            requires: None,
        });
    }
    edges
}

/// Where the issue names one identity and the uses another, under one kind of identifier.
fn contradiction(holding: &Holding) -> Option<String> {
    for issued in &holding.issued_to {
        for used in holding.holders.iter().filter(|holder| holder.binding == "used as") {
            let (to, by) = (&issued.identity.uid, &used.identity.uid);
            if to.kind == by.kind && to.scope == by.scope && to.value != by.value {
                return Some(format!("it was issued to {to} and used as {by}"));
            }
        }
    }
    None
}

fn verdict_of(
    holding: &Holding,
    binding: Basis,
    (claims, gaps): (&[Claim], &BTreeSet<Gap>),
    contradiction: Option<String>,
) -> Verdict {
    if let Some(by) = contradiction {
        return Verdict::Contradicted { by };
    }
    if holding.holders.is_empty() && holding.issued_to.is_empty() {
        return Verdict::Undecided { decided_by: settled_by(gaps) };
    }
    match (binding, weakest(claims)) {
        (Basis::Rederivable, Basis::Rederivable) if gaps.is_empty() => Verdict::Proven,
        (Basis::Rederivable, Basis::Unmet) => Verdict::Bounded {
            bound: "the identity that the records name; who started its session is not settled".to_owned(),
        },
        (Basis::Unmet, _) => Verdict::Undecided { decided_by: settled_by(gaps) },
        _ => Verdict::Bounded {
            bound: "the records in scope, and a join that rests on more than one identifier".to_owned(),
        },
    }
}

fn statement_of(
    holding: &Holding,
    credential: &Credential,
    event: Option<&Arc<Event>>,
    trail: &Trail,
) -> String {
    let what = match event {
        Some(event) => format!(
            "{} at {}",
            event.api.operation,
            event.time.at.map_or_else(|| "an unstated time".to_owned(), |at| at.to_string())
        ),
        None => credential.uid.to_string(),
    };
    let names: BTreeSet<String> =
        holding.holders.iter().chain(&holding.issued_to).map(|holder| described(&holder.identity)).collect();
    let names: Vec<String> = names.into_iter().collect();
    let held = match names.as_slice() {
        [] => return format!("nothing on record says who held {what}"),
        names if event.is_some() => format!("{what} was done by {}", names.join(", also known as ")),
        names => format!("{what} was held by {}", names.join(", also known as ")),
    };
    let origins: Vec<String> = trail
        .origins()
        .into_iter()
        .map(ToString::to_string)
        .filter(|origin| !names.contains(origin))
        .collect();
    if origins.is_empty() { held } else { format!("{held}; it goes back to {}", origins.join(" and ")) }
}

fn described(identity: &Identity) -> String {
    match &identity.session_name {
        Some(session) => format!("{} {} (session `{session}`)", identity.kind.name(), identity.label()),
        None => format!("{} {}", identity.kind.name(), identity.label()),
    }
}

/// A holder with the first and the last of the events that show it.
fn holder(binding: &str, identity: &Identity, events: &[Arc<Event>]) -> Holder {
    let half = CITED_MAX / 2;
    let cited = if events.len() <= CITED_MAX {
        events.to_vec()
    } else {
        [&events[..half], &events[events.len() - half..]].concat()
    };
    let mut evidence: Vec<EventId> = cited.iter().map(|event| event.id).collect();
    evidence.sort_unstable();
    Holder {
        identity: identity.clone(),
        binding: binding.to_owned(),
        events: events.len() as u64,
        span: span_of(events),
        evidence,
    }
}
