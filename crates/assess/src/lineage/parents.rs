//! Backwards: what brought a credential into being, and who or what holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ascribe_model::{
    Credential, CredentialClass, EdgeKind, EffectKind, Event, EventId, JoinGrade, Key, Node, Role, Status,
    Timestamp, Trust, Verb,
};

use super::beside::{Found, Search};
use super::candidates::{Candidate, NodeName, settle, settle_near, unresolved};
use super::life::life_parents;
use super::{
    CANDIDATES_MAX, ISSUES_MAX, Step, Twin, credential_of, edge, grade_of, keys_at, node_of, with_twins,
};
use crate::evidence::{EvidenceError, Page};
use crate::joins::{Join, Reach, holder_row, rows_to};
use crate::kinds::credential_row;
use crate::naming::{counted, credential_name, is_named};
use crate::{Evidence, JOINS, Subject, is_credential};

/// Edges that lead to `credential` from what it was issued under.
///
/// Exactly one of them says where it came from: from the parent where that is unique, of grade D from all candidates
/// where it is not, from an unresolved node where it should be on record and is not. A long-lived credential without
/// an issue record starts with the identity that its uses name.
pub(crate) fn parents(evidence: &dyn Evidence, credential: &Credential) -> Result<Vec<Step>, EvidenceError> {
    let issues = evidence.events(&credential.uid, &[Role::Issued], ISSUES_MAX)?.events;
    if issues.is_empty() {
        let uses = evidence.events(&credential.uid, &[Role::Used, Role::Presented], CANDIDATES_MAX)?;
        let mut found = near_parents(evidence, credential, &uses.events)?;
        if found.is_empty() {
            found = life_parents(evidence, credential, &uses.events)?;
        }
        return Ok(if found.is_empty() { without_issue(credential, &uses) } else { found });
    }
    let mut found = Found::default();
    for issue in &issues {
        let more = issue_parents(evidence, issue, credential)?;
        found.candidates.extend(more.candidates);
        found.open.extend(more.open);
        found.refused.extend(more.refused);
    }
    let mut steps = settle(credential, found.candidates);
    // What one record does not show another may, for the same row. An identity is less than the credential that was
    // sought, so that stays open.
    let shown: Vec<String> = steps
        .iter()
        .filter(|step| !matches!(step.edge.from, Node::Identity(_)))
        .map(|step| step.edge.rule.clone())
        .collect();
    found.open.retain(|step| !shown.contains(&step.edge.rule));
    steps.extend(found.refused);
    steps.extend(distinct(found.open));
    if !steps.is_empty() {
        return Ok(steps);
    }
    let listed = keys_of(&issues[0], credential).next();
    let row = listed.and_then(|key| step_rows(key).next().or_else(|| within_rows(key).last()));
    let name = credential_name(&credential.uid);
    let reason = match row {
        Some(join) if join.reach == Reach::Step => {
            format!("the request on which {name} was issued is not on record")
        }
        _ => format!("the record of its issue does not say who asked for {name}"),
    };
    let shown = issues.iter().map(|issue| issue.id).collect();
    let open = unresolved(row.map_or("REC-1", |join| join.id), credential, reason, shown);
    Ok(vec![Step { edge: open, shown_by: issues.first().cloned() }])
}

/// Edges from what holds the credential: the machine or pod that it was issued for, or that its uses name.
pub(crate) fn holders(evidence: &dyn Evidence, credential: &Credential) -> Result<Vec<Step>, EvidenceError> {
    let mut best: BTreeMap<Node, Step> = BTreeMap::new();
    let is_holder = |join: &&Join| matches!(join.from.role, Role::Workload | Role::Presented);
    for join in JOINS.iter().filter(|join| join.says == EdgeKind::BoundTo).filter(is_holder) {
        if !join.to.matches(&credential.uid.kind, join.to.role) {
            continue;
        }
        for event in evidence.events(&credential.uid, &[join.to.role], ISSUES_MAX)?.events {
            // Beside an effect, the workload is that of the credential affected, not of the one in use.
            if join.to.role == Role::Used
                && event.effects.iter().any(|effect| effect.kind != EffectKind::Scope)
            {
                continue;
            }
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

/// The credential that an event used or presented, if it names one.
pub(crate) fn credential_in(event: &Event) -> Option<Credential> {
    event.credential.clone().or_else(|| {
        let presented = event.keys.iter().find(|key| is_vouching(key));
        presented.map(|key| credential_of(&key.to_ref(), event))
    })
}

/// The credential that a question is about: itself, or the one that the event used. None for anything else.
pub(crate) fn credential_asked(subject: &Subject) -> Option<Credential> {
    let credential = match subject {
        Subject::Key(credential) => Some(credential.clone()),
        Subject::Event(event) => credential_in(event),
        Subject::Identity(_) => None,
    };
    credential.filter(|credential| is_credential(&credential.uid.kind))
}

/// Parents that one issue record, its copies, the earlier steps of its operation and the records beside it name.
fn issue_parents(
    evidence: &dyn Evidence,
    issue: &Arc<Event>,
    credential: &Credential,
) -> Result<Found, EvidenceError> {
    let Some(issued) = keys_of(issue, credential).next() else { return Ok(Found::default()) };
    for join in step_rows(issued) {
        let steps: Vec<&Key> = keys_at(issue, &join.from).collect();
        if !steps.is_empty() {
            // Whoever completed the operation is not who asked for it: without the request, nothing is known of that.
            let candidates = request_parents(evidence, join, (issue, issued, &steps), credential)?;
            return Ok(Found { candidates, ..Found::default() });
        }
    }
    let family = with_twins(evidence, issue)?;
    let (mut open, mut refused) = (Vec::new(), Vec::new());
    for join in rows_to(EdgeKind::Issued, |_| true, (&issued.kind, Role::Issued)) {
        let search = Search { evidence, join, family: &family, issued, credential };
        let found = match join.reach {
            Reach::Within => {
                Found { candidates: named_in(&family, join, issued, credential), ..Found::default() }
            }
            Reach::Beside(tie, window) => search.beside(tie, window)?,
            Reach::Claimed(tie) => search.claimed(tie)?,
            Reach::Named => search.named()?,
            _ => continue,
        };
        open.extend(found.open);
        refused.extend(found.refused);
        if !found.candidates.is_empty() {
            return Ok(Found { candidates: found.candidates, open, refused });
        }
    }
    Ok(Found { candidates: Vec::new(), open, refused })
}

/// What is open, once for each rule.
fn distinct(open: Vec<Step>) -> Vec<Step> {
    let mut rules = std::collections::BTreeSet::new();
    open.into_iter().filter(|step| rules.insert(step.edge.rule.clone())).collect()
}

/// Parents that a row finds in the record of the issue, or else in its copies, which may name a caller from afar.
fn named_in(family: &[Twin], join: &'static Join, issued: &Key, credential: &Credential) -> Vec<Candidate> {
    let Some((issue, _)) = family.first() else { return Vec::new() };
    for (event, twin) in family {
        let mut keys: Vec<&Key> = keys_at(event, &join.from).collect();
        if join.from.role == Role::Actor {
            keys.truncate(1); // All of them name the one actor.
        }
        let mut found = Vec::new();
        for key in keys {
            let ends = (node_of(event, key), Node::Credential(credential.clone()));
            if !may_issue(&ends) {
                continue;
            }
            let tied = twin.map_or(JoinGrade::A, |(_, grade)| grade);
            let grade = grade_of(join, [key, issued]).max(tied);
            let edge = edge(join, ends, grade, vec![issue.id, event.id]);
            let shown_by = Arc::clone(event);
            let twin = twin.map(|twin| same_request(twin, issue, event));
            found.push(Candidate { join, edge, shown_by, request: request_of(family), twin });
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The request that an operation in several records began with: its caller is the parent, not the controller that
/// completed it.
fn request_parents(
    evidence: &dyn Evidence,
    join: &'static Join,
    (issue, issued, steps): (&Arc<Event>, &Key, &[&Key]),
    credential: &Credential,
) -> Result<Vec<Candidate>, EvidenceError> {
    let mut found = Vec::new();
    for step in steps {
        let page = evidence.events(&step.to_ref(), &[join.from.role], CANDIDATES_MAX)?;
        let whole = page.total <= page.events.len() as u64;
        // Names are used again: the request is the last that succeeded and is not later than the issue.
        let request = page.events.into_iter().rfind(|event| begins(event, issue));
        let Some(request) = request.filter(|_| whole) else { continue };
        let used = request.keys.iter().find(|key| is_vouching(key));
        let parent = used.map_or_else(|| Node::Identity(request.actor.clone()), |key| node_of(&request, key));
        let (ends, shown) = ((parent, Node::Credential(credential.clone())), vec![issue.id, request.id]);
        if !may_issue(&ends) {
            continue;
        }
        let grade = used.map_or(grade_of(join, [step, issued]), |key| grade_of(join, [step, key]));
        let edge = edge(join, ends, grade, shown);
        found.push(Candidate { join, edge, request: request.id, shown_by: request, twin: None });
    }
    Ok(found)
}

/// Whether `event` may be the request that `issue` completed.
fn begins(event: &Event, issue: &Event) -> bool {
    let earlier = matches!((event.time.at, issue.time.at), (Some(asked), Some(issued)) if asked <= issued);
    let issues = event.keys.iter().any(|key| key.role == Role::Issued);
    earlier
        && !issues
        && event.id != issue.id
        && event.outcome.status == Status::Success
        && matches!(event.verb, Verb::Create | Verb::Delegate | Verb::Exec)
}

/// Parents by a composite of the session, where no record issues the credential by its id.
fn near_parents(
    evidence: &dyn Evidence,
    credential: &Credential,
    uses: &[Arc<Event>],
) -> Result<Vec<Step>, EvidenceError> {
    for join in JOINS {
        let Reach::Near { tolerance_ns, window_ns } = join.reach else { continue };
        let shown = composites(join, credential, uses);
        let (Some(first), Some(last)) = (
            shown.iter().map(|composite| composite.at).min(),
            shown.iter().map(|composite| composite.at).max(),
        ) else {
            continue;
        };
        for (limit, grade) in [(tolerance_ns, join.grade), (window_ns, join.grade.max(JoinGrade::C))] {
            let mut candidates = Vec::new();
            for composite in &shown {
                let page = evidence.events(&composite.key.to_ref(), &[join.from.role], CANDIDATES_MAX)?;
                if page.total > page.events.len() as u64 {
                    return Ok(vec![too_many(join, credential, &page)]);
                }
                for issue in page.events.iter().filter(|issue| issues_near(join, issue, composite, limit)) {
                    candidates.extend(near_candidate(
                        evidence,
                        (join, grade),
                        issue,
                        (composite, credential),
                    )?);
                }
            }
            if !candidates.is_empty() {
                let window = (first.plus_nanoseconds(-signed(limit)), last.plus_nanoseconds(signed(limit)));
                return Ok(settle_near(credential, candidates, window));
            }
            if tolerance_ns == window_ns {
                break;
            }
        }
    }
    Ok(Vec::new())
}

/// What one use of the credential says of its session.
struct Composite<'e> {
    key: &'e Key,
    at: Timestamp,
    shown_by: EventId,
}

/// Distinct composites, with their moments, that uses of the credential list for a row.
fn composites<'e>(join: &'e Join, credential: &Credential, uses: &'e [Arc<Event>]) -> Vec<Composite<'e>> {
    let mut found: BTreeMap<(String, Timestamp), Composite<'e>> = BTreeMap::new();
    let is_use = |key: &Key| key.role == Role::Used && credential.uid.names(key);
    for event in uses.iter().filter(|event| event.keys.iter().any(is_use)) {
        for key in keys_at(event, &join.to) {
            if let Some(at) = key.at {
                let composite = Composite { key, at, shown_by: event.id };
                found.entry((key.to_ref().to_string(), at)).or_insert(composite);
            }
        }
    }
    found.into_values().collect()
}

fn issues_near(join: &Join, issue: &Event, used: &Composite<'_>, limit: u64) -> bool {
    let wanted = used.key.to_ref();
    keys_at(issue, &join.from)
        .any(|key| wanted.names(key) && key.at.is_some_and(|issued_at| issued_at.distance(used.at) <= limit))
}

/// The parent that an issue record or one of its copies names, unless one of them names another credential as issued.
fn near_candidate(
    evidence: &dyn Evidence,
    (join, grade): (&'static Join, JoinGrade),
    issue: &Arc<Event>,
    (used, credential): (&Composite<'_>, &Credential),
) -> Result<Option<Candidate>, EvidenceError> {
    let family = with_twins(evidence, issue)?;
    if family.iter().any(|(event, _)| issues_another(event, credential)) {
        return Ok(None);
    }
    let vouched = family.iter().find_map(|(event, twin)| {
        let key = event.keys.iter().find(|key| is_vouching(key))?;
        Some((node_of(event, key), event, *twin, key))
    });
    let issued = keys_at(issue, &join.from).find(|key| used.key.to_ref().names(key)).unwrap_or(used.key);
    let (parent, event, twin, trusted) = match vouched {
        Some((node, event, twin, key)) => (node, event, twin, grade_of(join, [key, issued])),
        None => (Node::Identity(issue.actor.clone()), issue, None, grade_of(join, [issued, used.key])),
    };
    let ends = (parent, Node::Credential(credential.clone()));
    if !may_issue(&ends) {
        return Ok(None);
    }
    let tied = twin.map_or(JoinGrade::A, |(_, grade)| grade);
    let edge = edge(join, ends, grade.max(trusted).max(tied), vec![issue.id, event.id, used.shown_by]);
    let twin = twin.map(|twin| same_request(twin, issue, event));
    let shown_by = Arc::clone(event);
    Ok(Some(Candidate { join, edge, shown_by, request: request_of(&family), twin }))
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

/// More records fit the composite than are compared: whether one of them is the only one is then not known.
pub(super) fn too_many(join: &Join, credential: &Credential, page: &Page) -> Step {
    let reason = format!(
        "{} issue sessions of the name of {}: no more than {CANDIDATES_MAX} are compared",
        counted(usize::try_from(page.total).unwrap_or(usize::MAX), "record"),
        credential_name(&credential.uid)
    );
    Step { edge: unresolved(join.id, credential, reason, Vec::new()), shown_by: None }
}

/// The edge for a credential whose issue is not on record: from its holder if it lives until ended, else from a node
/// that says what is missing.
fn without_issue(credential: &Credential, uses: &Page) -> Vec<Step> {
    let stated = uses.events.iter().map(|event| credential_of(&credential.uid, event).class);
    let lives = [credential.class].into_iter().chain(stated).any(|class| class == CredentialClass::LongLived);
    if let Some(join) = holder_row().filter(|_| lives) {
        let is_held = |key: &Key| is_vouching(key) && credential.uid.names(key);
        let own = uses.events.iter().filter(|event| event.keys.iter().any(is_held));
        let named = own.filter(|event| is_named(&event.actor));
        let candidates = named.map(|event| {
            let ends = (Node::Identity(event.actor.clone()), Node::Credential(credential.clone()));
            let held = event.keys.iter().filter(|key| is_held(key));
            let grade = held.map(|key| grade_of(join, [key, key])).min().unwrap_or(join.grade);
            let edge = edge(join, ends, grade, vec![event.id]);
            Candidate { join, edge, shown_by: Arc::clone(event), request: event.id, twin: None }
        });
        let steps = settle(credential, candidates.collect());
        if !steps.is_empty() {
            return steps;
        }
    }
    let row = JOINS
        .iter()
        .find(|join| join.reach == Reach::Equal && join.to.matches(&credential.uid.kind, Role::Used));
    let reason = format!("the issue of {} is not on record", credential_name(&credential.uid));
    let open = unresolved(row.map_or("REC-1", |join| join.id), credential, reason, Vec::new());
    vec![Step { edge: open, shown_by: uses.events.first().cloned() }]
}

fn step_rows(issued: &Key) -> impl Iterator<Item = &'static Join> {
    rows_to(EdgeKind::Issued, |reach| reach == Reach::Step, (&issued.kind, Role::Issued))
}

fn within_rows(issued: &Key) -> impl Iterator<Item = &'static Join> {
    rows_to(EdgeKind::Issued, |reach| reach == Reach::Within, (&issued.kind, Role::Issued))
}

/// The keys by which an event issues the credential.
fn keys_of<'e>(issue: &'e Event, credential: &'e Credential) -> impl Iterator<Item = &'e Key> {
    issue.keys.iter().filter(|key| key.role == Role::Issued && credential.uid.names(key))
}

pub(super) fn is_vouching(key: &Key) -> bool {
    let is_accepted = match key.role {
        Role::Used => true,
        // What a caller merely shows, such as a token in the text of a command, vouches for nobody.
        Role::Presented => key.trust != Trust::SelfAsserted,
        _ => false,
    };
    is_accepted && credential_row(&key.kind).is_some()
}

/// Whether the first may be the parent of the second: no credential issues itself, and a caller whom nobody
/// authenticated is no origin.
pub(super) fn may_issue((from, to): &(Node, Node)) -> bool {
    match from {
        Node::Identity(identity) => is_named(identity),
        Node::Credential(_) | Node::Unresolved { .. } => NodeName::of(from) != NodeName::of(to),
    }
}

fn same_request((join, grade): (&Join, JoinGrade), issue: &Event, copy: &Arc<Event>) -> Step {
    let actors = (Node::Identity(copy.actor.clone()), Node::Identity(issue.actor.clone()));
    let same = edge(join, actors, grade, vec![issue.id, copy.id]);
    Step { edge: same, shown_by: Some(Arc::clone(copy)) }
}

/// One id for all copies of a request.
pub(super) fn request_of(family: &[Twin]) -> EventId {
    family.iter().map(|(event, _)| event.id).min().unwrap_or(EventId([0; 32]))
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}
