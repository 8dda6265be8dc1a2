//! Which identity held a credential or acted in an event, and how strong is the binding.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{
    AddressUse, Basis, Body, Claim, Credential, Details, Edge, EdgeKind, Event, EventId, Gap, Holder,
    Identity, JoinGrade, KeyRef, Node, Question, Role, Status, Verdict, WhoDetail,
};

use crate::chain::workloads;
use crate::evidence::{EvidenceError, span_of};
use crate::identity::anchor_of;
use crate::lineage::{NodeName, credential_in, edge, grade_of};
use crate::naming::{counted, credential_name, identity_name, is_named, listed, node_name};
use crate::trail::Trail;
use crate::verdict::{claim_of, premise, settled_by, verdict_over, worst_grade};
use crate::who_is::{identities_of, who_is};
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
    /// An identity, by the identifier that tells it from every other.
    Identity(KeyRef),
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
            None => who_acted(evidence, event, question),
        },
        Subject::Identity(identity) => who_is(evidence, identity, question),
    }
}

/// Everything that was found about the holders of one credential.
struct Holding {
    holders: Vec<Holder>,
    issued_to: Vec<Holder>,
    addresses: Vec<AddressUse>,
    /// What tells each of them from every other.
    anchors: BTreeSet<KeyRef>,
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
    let origin_is_open = !trail.gaps.is_empty();
    trail.gaps.extend(holding.gaps(&credential_name(&credential.uid)));
    trail.edges.extend(behalf_edges(event));
    // What is open about the origin is a gap, and no part of who held the credential.
    let origin = trail.claims().into_iter().filter(|claim| {
        claim.edges.iter().all(|edge| !matches!(trail.edges[*edge].from, Node::Unresolved { .. }))
    });
    let mut claims = binding_claims(&holding, credential, event);
    claims.extend(origin);
    let verdict = match holding.contradiction().or_else(|| trail.contradiction.clone()) {
        Some(by) => Verdict::Contradicted { by },
        None if !holding.is_attributed() => Verdict::Undecided { decided_by: settled_by(&trail.gaps) },
        None if origin_is_open => Verdict::Bounded {
            bound: "the identity that the records name; who started its session is not settled".to_owned(),
        },
        None if holding.unexamined() > 0 => {
            Verdict::Bounded { bound: format!("the {} uses that were examined", holding.examined) }
        }
        None => verdict_over(&claims, &trail.gaps),
    };
    let statement = match event {
        Some(event) => act_statement(&holding, event, &trail),
        None => held_statement(&holding, credential, &trail),
    };
    let statement = match &verdict {
        Verdict::Contradicted { by } => format!("{statement}; but the records contradict each other: {by}"),
        _ => statement,
    };
    Ok(Body {
        question,
        verdict,
        statement,
        grade: worst_grade(&trail.edges),
        claims,
        gaps: trail.gaps.into_iter().collect(),
        scope: evidence.scope(),
        details: Details::Who(Box::new(WhoDetail {
            subject: credential.uid.clone(),
            event: event.map(|event| event.id),
            attribution: holding.attribution(&trail.edges, &credential.uid).to_owned(),
            holders: holding.issued_to.into_iter().chain(holding.holders).collect(),
            addresses: holding.addresses,
            origin: trail.hops,
            identities: identities_of(evidence, &holding.anchors)?,
        })),
        edges: trail.edges,
    })
}

impl Holding {
    /// Identities that the credential's own system saw it used by. Callers whom nobody authenticated are none.
    fn users(&self) -> impl Iterator<Item = &Identity> {
        let own = self.holders.iter().filter(|holder| holder.binding != "presented as");
        own.map(|holder| &holder.identity).filter(|identity| is_named(identity))
    }

    fn is_attributed(&self) -> bool {
        self.holders.iter().chain(&self.issued_to).any(|holder| is_named(&holder.identity))
    }

    fn unexamined(&self) -> u64 {
        self.total - self.examined as u64
    }

    fn gaps(&self, name: &str) -> Vec<Gap> {
        let mut gaps = Vec::new();
        if self.unexamined() > 0 {
            gaps.push(Gap {
                missing: format!("a look at each of {} uses: {} were examined", self.total, self.examined),
                settled_by: "a narrower question".to_owned(),
            });
        }
        if !self.is_attributed() {
            gaps.push(Gap {
                missing: format!("a record that names who held {name}"),
                settled_by: "the log of a system in which it was used or issued".to_owned(),
            });
        }
        gaps
    }

    /// How the uses divide over identities. Another system's name for the holder is no second holder; two workloads
    /// with one credential are.
    fn attribution(&self, edges: &[Edge], uid: &KeyRef) -> &'static str {
        let bound = edges.iter().filter(|edge| {
            edge.kind == EdgeKind::BoundTo
                && matches!(&edge.from, Node::Credential(_))
                && matches!(&edge.to, Node::Credential(credential) if credential.uid == *uid)
        });
        let workloads = bound.count();
        let users: BTreeSet<&KeyRef> = self.users().map(|identity| &identity.uid).collect();
        match (self.is_attributed(), users.len()) {
            (false, _) => "unattributed",
            (true, 0 | 1) if workloads <= 1 => "sole",
            (true, _) => "shared",
        }
    }

    /// Where the issue names one identity and the uses another, under one kind of identifier.
    fn contradiction(&self) -> Option<String> {
        for issued in &self.issued_to {
            for used in self.holders.iter().filter(|holder| holder.binding == "used as") {
                let (to, by) = (&issued.identity, &used.identity);
                let comparable = to.uid.kind == by.uid.kind && to.uid.scope == by.uid.scope;
                if comparable && to.uid.value != by.uid.value && is_named(by) {
                    return Some(format!(
                        "it was issued to {} and used as {}",
                        identity_name(to),
                        identity_name(by)
                    ));
                }
            }
        }
        None
    }
}

/// The answer for an event that names no credential: the record's own word for the actor.
fn who_acted(evidence: &dyn Evidence, event: &Arc<Event>, question: Question) -> Result<Body, EvidenceError> {
    let edges = behalf_edges(Some(event));
    let named = is_named(&event.actor);
    let basis = if named { Basis::Rederivable } else { Basis::Unmet };
    let mut claims = vec![Claim {
        statement: format!("the record names {} as the actor", identity_name(&event.actor)),
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
    let anchors =
        if named { BTreeSet::from([anchor_of(event, &event.actor, Role::Actor)]) } else { BTreeSet::new() };
    Ok(Body {
        question,
        verdict,
        statement: format!("{}, by the record's own word", act(event, &edges)),
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
            identities: identities_of(evidence, &anchors)?,
        })),
    })
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
    let issues: Vec<(Identity, Arc<Event>)> =
        issued_to.iter().map(|(subject, issues)| (subject.clone(), Arc::clone(&issues[0]))).collect();
    let issued_to = issued_to.iter().map(|(subject, issues)| holder("issued to", subject, issues)).collect();
    let addresses = addresses(&page.events);
    let acted = page.events.iter().chain(event).filter(|usage| is_named(&usage.actor));
    let mut anchors: BTreeSet<KeyRef> =
        acted.map(|usage| anchor_of(usage, &usage.actor, Role::Actor)).collect();
    anchors.extend(issues.iter().map(|(subject, issue)| anchor_of(issue, subject, Role::Subject)));
    Ok(Holding { holders, issued_to, addresses, anchors, total: page.total, examined: page.events.len() })
}

/// Addresses that the recording systems saw, by first use. They tell where, never who: addresses are shared and
/// translated, so no verdict rests on them.
pub(crate) fn addresses(events: &[Arc<Event>]) -> Vec<AddressUse> {
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
    let name = credential_name(&credential.uid);
    let mut claims: Vec<Claim> = event
        .iter()
        .map(|event| Claim {
            statement: format!("{} with {name}", act(event, &[])),
            premises: vec![premise("the record says so", Basis::Rederivable)],
            events: vec![event.id],
            edges: Vec::new(),
        })
        .collect();
    for holder in holding.issued_to.iter().chain(&holding.holders) {
        let premised = match holder.binding.as_str() {
            "issued to" => "the system that issued the credential wrote the name down",
            "acted as" => "the record says so",
            _ => "the recording system checked the credential and wrote the name down",
        };
        claims.push(Claim {
            statement: format!(
                "{name} was {} {} in {}",
                holder.binding,
                identity_name(&holder.identity),
                counted(usize::try_from(holder.events).unwrap_or(usize::MAX), "event")
            ),
            premises: vec![premise(premised, Basis::Rederivable)],
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
        let mut named = event.keys.iter().filter(|key| key.role == Role::Behalf && effective.uid.names(key));
        let found = named.find_map(|key| {
            let mut rows = JOINS.iter().filter(|join| join.says == EdgeKind::OnBehalfOf);
            rows.find(|join| join.to.matches(&key.kind, key.role)).map(|join| (join, key))
        });
        if let Some((join, key)) = found {
            let ends = (Node::Identity(event.actor.clone()), Node::Identity(effective.clone()));
            edges.push(edge(join, ends, grade_of(join, [key, key]), vec![event.id]));
        }
    }
    edges
}

/// What was done in an event and by whom, no better than its outcome: `DeleteBucket at … was refused to …`.
fn act(event: &Event, behalf: &[Edge]) -> String {
    let at = event.time.at.map_or_else(|| "an unstated time".to_owned(), |at| at.to_string());
    let mut actor = identity_name(&event.actor);
    for edge in behalf.iter().filter(|edge| edge.kind == EdgeKind::OnBehalfOf) {
        let how = match edge.grade {
            JoinGrade::A => "acting as",
            _ => "in a session that carries the name of",
        };
        actor = format!("{actor} {how} {}", node_name(&edge.to));
    }
    let operation = &event.api.operation;
    match event.outcome.status {
        Status::Success => format!("{operation} at {at} was done by {actor}"),
        Status::Denied => format!("{operation} at {at} was refused to {actor}"),
        Status::Failure => format!("{operation} at {at} was tried without success by {actor}"),
        Status::Pending | Status::Unknown => format!("{operation} at {at} was asked for by {actor}"),
    }
}

fn act_statement(holding: &Holding, event: &Event, trail: &Trail) -> String {
    let mut statement = act(event, &trail.edges);
    let others: Vec<&Identity> = holding.users().filter(|identity| identity.uid != event.actor.uid).collect();
    let others = names_of(others);
    if !others.is_empty() {
        statement = format!("{statement}; its credential was also used as {}", listed(&others));
    }
    let actor = [identity_name(&event.actor)];
    statement.push_str(&issued_to_another(holding, &actor));
    statement + &goes_back(trail, None, &actor)
}

fn held_statement(holding: &Holding, credential: &Credential, trail: &Trail) -> String {
    let name = credential_name(&credential.uid);
    let users = names_of(holding.users().collect());
    let presented = holding.holders.iter().filter(|holder| holder.binding == "presented as");
    let presented = names_of(presented.map(|holder| &holder.identity).collect());
    let issued = names_of(holding.issued_to.iter().map(|holder| &holder.identity).collect());
    let mut statement = match (users.as_slice(), issued.as_slice(), presented.as_slice()) {
        ([], [], []) => return format!("nothing on record says who held {name}"),
        ([], [], presented) => format!("{name} was presented as {}", listed(presented)),
        ([], issued, []) => format!("{name} was issued to {}, and no use of it is on record", listed(issued)),
        ([], issued, presented) => {
            format!("{name} was issued to {} and presented as {}", listed(issued), listed(presented))
        }
        (users, _, []) => format!("{name} was held by {}", listed(users)),
        (users, _, presented) => {
            format!("{name} was held by {}, and presented elsewhere as {}", listed(users), listed(presented))
        }
    };
    if !users.is_empty() {
        statement.push_str(&issued_to_another(holding, &users));
    }
    statement.push_str(&workloads(&trail.edges, &credential.uid));
    statement + &goes_back(trail, Some(&credential.uid), &users)
}

/// Whom the credential was issued to, where that is not the name under which it was used.
fn issued_to_another(holding: &Holding, known: &[String]) -> String {
    let issued = names_of(holding.issued_to.iter().map(|holder| &holder.identity).collect());
    let others: Vec<String> = issued.into_iter().filter(|name| !known.contains(name)).collect();
    if others.is_empty() { String::new() } else { format!("; it was issued to {}", listed(&others)) }
}

/// Where the trail ends, unless that is whom the sentence has just named.
fn goes_back(trail: &Trail, told: Option<&KeyRef>, named: &[String]) -> String {
    let origins = trail.origins(told).into_iter();
    let origins: Vec<String> = origins.filter(|origin| !named.contains(origin)).collect();
    if origins.is_empty() { String::new() } else { format!("; it goes back to {}", listed(&origins)) }
}

/// The names of distinct identities, with the identifier where two of them share a name.
fn names_of(identities: Vec<&Identity>) -> Vec<String> {
    let mut distinct: BTreeMap<NodeName, &Identity> = BTreeMap::new();
    for identity in identities {
        distinct.entry(NodeName::of(&Node::Identity(identity.clone()))).or_insert(identity);
    }
    let mut sharers: BTreeMap<String, Vec<&Identity>> = BTreeMap::new();
    for identity in distinct.into_values() {
        sharers.entry(identity_name(identity)).or_default().push(identity);
    }
    let mut names = Vec::new();
    for (name, identities) in sharers {
        match identities.as_slice() {
            [_] => names.push(name),
            several => {
                names.extend(several.iter().map(|identity| format!("{name} [{}]", identity.uid.value)));
            }
        }
    }
    names
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
