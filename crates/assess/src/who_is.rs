//! Who an identity is: under which names it acts, with which credentials, and what only looks like it.

use std::collections::BTreeSet;

use ascribe_model::{
    Basis, Body, Claim, Details, EventId, Gap, Holder, IdentityDetail, KeyRef, Question, Role, TimeSpan,
    Verdict, WhoDetail,
};

use crate::Evidence;
use crate::evidence::EvidenceError;
use crate::identity::{Depth, LOOK_ALIKES_MAX, identity_of};
use crate::kinds::is_lasting;
use crate::naming::{counted, identity_name};
use crate::verdict::premise;

/// Holders of one credential that are told under all their names.
const IDENTITIES_MAX: usize = 4;
/// Names that have a claim of their own.
const CLAIMED_MAX: usize = 16;

/// The identity of `anchor` under all its names.
pub(crate) fn who_is(
    evidence: &dyn Evidence,
    anchor: &KeyRef,
    question: Question,
) -> Result<Body, EvidenceError> {
    let found = identity_of(evidence, anchor, Depth::Whole)?;
    let Some(detail) = found else {
        let settled_by = "a log in which it acts".to_owned();
        let gap = Gap { missing: format!("a record that names {anchor}"), settled_by: settled_by.clone() };
        return Ok(body_of(
            evidence,
            question,
            Told {
                verdict: Verdict::Undecided { decided_by: vec![settled_by] },
                statement: format!("no record names {anchor} as an identity"),
                claims: Vec::new(),
                gaps: vec![gap],
                details: Details::Nothing { suggestions: Vec::new() },
            },
        ));
    };
    let claims = name_claims(&detail);
    let gaps = gaps_of(&detail);
    let verdict = if !is_lasting(&anchor.kind, &anchor.value) {
        Verdict::Bounded {
            bound: "a name that may be given again; no record shows a lasting identifier".to_owned(),
        }
    } else if detail.unread > 0 {
        Verdict::Bounded {
            bound: format!("the {} events that were read for names", detail.events - detail.unread),
        }
    } else {
        Verdict::Proven
    };
    let holder = holder_of(evidence, &detail)?;
    let who = WhoDetail {
        subject: anchor.clone(),
        event: None,
        attribution: "sole".to_owned(),
        holders: vec![holder],
        addresses: Vec::new(),
        origin: Vec::new(),
        identities: vec![detail.clone()],
    };
    Ok(body_of(
        evidence,
        question,
        Told {
            verdict,
            statement: statement_of(&detail),
            claims,
            gaps,
            details: Details::Who(Box::new(who)),
        },
    ))
}

/// The identities of `anchors` under all their names, each once: a name that is one of another's is not told again.
pub(crate) fn identities_of(
    evidence: &dyn Evidence,
    anchors: &BTreeSet<KeyRef>,
) -> Result<Vec<IdentityDetail>, EvidenceError> {
    let mut told: Vec<IdentityDetail> = Vec::new();
    let (lasting, given): (Vec<&KeyRef>, Vec<&KeyRef>) =
        anchors.iter().partition(|anchor| is_lasting(&anchor.kind, &anchor.value));
    for anchor in lasting.into_iter().chain(given) {
        let is_told = told.iter().any(|detail| {
            let mut names = detail.names.iter().filter_map(|name| name.key.as_ref());
            names.any(|known| known == anchor)
        });
        if !is_told && told.len() < IDENTITIES_MAX {
            told.extend(identity_of(evidence, anchor, Depth::Beside)?);
        }
    }
    Ok(told)
}

/// What a body says that differs from question to question.
struct Told {
    verdict: Verdict,
    statement: String,
    claims: Vec<Claim>,
    gaps: Vec<Gap>,
    details: Details,
}

fn body_of(evidence: &dyn Evidence, question: Question, told: Told) -> Body {
    Body {
        question,
        verdict: told.verdict,
        statement: told.statement,
        grade: None,
        claims: told.claims,
        edges: Vec::new(),
        gaps: told.gaps,
        scope: evidence.scope(),
        details: told.details,
    }
}

fn statement_of(detail: &IdentityDetail) -> String {
    let names = detail.names.len().saturating_sub(1);
    let acted = match detail.events {
        0 => "no record shows it acting".to_owned(),
        events => format!("acted in {}", counted(usize::try_from(events).unwrap_or(usize::MAX), "event")),
    };
    let known = match names {
        0 => "has no other name on record".to_owned(),
        names => format!("has {} on record", counted(names, "other name")),
    };
    let apart = match detail.not_merged.len() {
        0 => String::new(),
        1 => "; 1 identity looks like it and was not taken for it".to_owned(),
        LOOK_ALIKES_MAX.. => {
            format!(
                "; at least {} identities look like it and were not taken for it",
                detail.not_merged.len()
            )
        }
        several => format!("; {several} identities look like it and were not taken for it"),
    };
    let with = match detail.credentials.len() {
        0 => String::new(),
        several => format!(" with {}", counted(several, "credential")),
    };
    format!("{} [{}] {known} and {acted}{with}{apart}", identity_name(&detail.identity), detail.identity.uid)
}

fn name_claims(detail: &IdentityDetail) -> Vec<Claim> {
    let others = detail.names.iter().filter(|name| name.key.as_ref() != Some(&detail.identity.uid));
    let of_names = others.take(CLAIMED_MAX).map(|name| {
        let key = name.key.as_ref().map_or_else(|| format!("`{}`", name.name), ToString::to_string);
        Claim {
            statement: format!("{key} is a name of {}", detail.identity.uid),
            premises: vec![premise("one record names one actor by both", Basis::Rederivable)],
            events: name.evidence.clone(),
            edges: Vec::new(),
        }
    });
    let kind = Claim {
        statement: detail.kind_because.clone(),
        premises: vec![premise("the records say so", Basis::Rederivable)],
        events: cited(detail),
        edges: Vec::new(),
    };
    std::iter::once(kind).chain(of_names).collect()
}

fn cited(detail: &IdentityDetail) -> Vec<EventId> {
    let own = detail.names.iter().find(|name| name.key.as_ref() == Some(&detail.identity.uid));
    own.map(|name| name.evidence.clone()).unwrap_or_default()
}

fn gaps_of(detail: &IdentityDetail) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if detail.unread > 0 {
        gaps.push(Gap {
            missing: if detail.unlike > 0 {
                format!(
                    "names and credentials that only unread events show: {} were not read, {} of them unlike any that was",
                    detail.unread, detail.unlike
                )
            } else {
                format!(
                    "names and further credentials that only unread events show: {} were not read, each with the actor and the credential of one that was",
                    detail.unread
                )
            },
            settled_by: "`ascribe timeline` of it, which pages through all of them".to_owned(),
        });
    }
    if !is_lasting(&detail.identity.uid.kind, &detail.identity.uid.value) {
        gaps.push(Gap {
            missing: format!("a lasting identifier of {}", detail.identity.uid),
            settled_by: "a record of it that shows the issuer's own id".to_owned(),
        });
    }
    gaps
}

fn holder_of(evidence: &dyn Evidence, detail: &IdentityDetail) -> Result<Holder, EvidenceError> {
    let tally = evidence.tally(&detail.identity.uid, Role::Actor)?;
    let seen = detail.credentials.iter().filter_map(|used| used.span);
    let span = seen.reduce(TimeSpan::joined);
    Ok(Holder {
        identity: detail.identity.clone(),
        binding: "acted as".to_owned(),
        events: detail.events,
        span: tally.span.or(span),
        evidence: cited(detail),
    })
}
