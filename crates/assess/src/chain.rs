//! The lineage of a credential: back to who started it, or forward to all that came of it.

use ascribe_model::{
    Basis, Body, ChainDetail, Claim, Credential, CredentialClass, Details, Edge, EdgeKind, Gap, KeyRef, Node,
    Question, Verdict,
};

use crate::evidence::EvidenceError;
use crate::lineage::credential_in;
use crate::naming::{counted, credential_name, listed};
use crate::trail::Trail;
use crate::verdict::{bound_to, searched, settled_by, verdict_over, weakest, worst_grade};
use crate::{Evidence, Subject};

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
    let (word, statement, claims, verdict) = match direction {
        Direction::Back => {
            trail.walk_back(evidence, &start)?;
            let claims = trail.claims();
            ("back", back_statement(&trail, &start.uid), claims.clone(), back_verdict(&trail, &claims))
        }
        Direction::Forward => {
            trail.walk_forward(evidence, &start)?;
            trail.add_ends(evidence, &start)?;
            let claims = [trail.claims(), vec![nothing_else(evidence, &trail, &start.uid)]].concat();
            let verdict = forward_verdict(&trail, &claims);
            trail.gaps.insert(Gap {
                missing: "proof that the streams in scope recorded everything".to_owned(),
                settled_by: "continuity proofs of the sources, such as chains of digests".to_owned(),
            });
            ("forward", forward_statement(&trail, &start.uid), claims, verdict)
        }
    };
    Ok(Body {
        question,
        verdict,
        statement,
        grade: worst_grade(&trail.edges),
        claims,
        edges: trail.edges,
        gaps: trail.gaps.into_iter().collect(),
        scope: evidence.scope(),
        details: Details::Chain(Box::new(ChainDetail {
            start: start.uid,
            direction: word.to_owned(),
            hops: trail.hops,
            truncated: trail.truncated,
        })),
    })
}

/// The credential from which a walk starts; an identity's key is walked the same way.
fn start_of(subject: &Subject) -> Credential {
    match subject {
        Subject::Key(credential) => credential.clone(),
        Subject::Identity(identity) => Credential { uid: identity.clone(), class: CredentialClass::Unknown },
        Subject::Event(event) => credential_in(event)
            .unwrap_or_else(|| Credential { uid: event.actor.uid.clone(), class: CredentialClass::Unknown }),
    }
}

fn back_verdict(trail: &Trail, claims: &[Claim]) -> Verdict {
    match &trail.contradiction {
        Some(by) => Verdict::Contradicted { by: by.clone() },
        None if trail.gaps.is_empty() => verdict_over(claims, &trail.gaps),
        None => Verdict::Undecided { decided_by: settled_by(&trail.gaps) },
    }
}

/// Never more than bounded: that nothing else came of it rests on what the streams recorded.
fn forward_verdict(trail: &Trail, claims: &[Claim]) -> Verdict {
    match &trail.contradiction {
        Some(by) => Verdict::Contradicted { by: by.clone() },
        None if trail.truncated.is_some() || weakest(claims) == Basis::Unmet => {
            Verdict::Undecided { decided_by: settled_by(&trail.gaps) }
        }
        None => Verdict::Bounded { bound: "what the streams in scope recorded".to_owned() },
    }
}

fn back_statement(trail: &Trail, start: &KeyRef) -> String {
    let name = credential_name(start);
    if let Some(by) = &trail.contradiction {
        return format!("the records contradict each other about the origin of {name}: {by}");
    }
    let origins: Vec<String> = trail.origins(Some(start)).into_iter().collect();
    let breaks: Vec<&str> = trail.gaps.iter().map(|gap| gap.missing.as_str()).collect();
    let held = workloads(&trail.edges, start);
    match (origins.as_slice(), breaks.as_slice()) {
        ([], []) => format!("nothing on record says where {name} came from{held}"),
        ([], breaks) => format!("the trail of {name} breaks: {}{held}", breaks.join("; ")),
        (origins, []) => format!("{name} goes back to {}{held}", listed(origins)),
        (origins, breaks) => {
            format!("{name} goes back to {}, but {}{held}", listed(origins), breaks.join("; "))
        }
    }
}

/// The machine or pod that the credential was issued for, by how well that is known.
pub(crate) fn workloads(edges: &[Edge], start: &KeyRef) -> String {
    let of_start = edges.iter().filter(|edge| {
        edge.kind == EdgeKind::BoundTo
            && matches!(&edge.from, Node::Credential(_))
            && matches!(&edge.to, Node::Credential(credential) if credential.uid == *start)
    });
    let words: Vec<String> = of_start.map(|edge| bound_to("it", edge)).collect();
    if words.is_empty() { String::new() } else { format!("; {}", words.join("; ")) }
}

fn forward_statement(trail: &Trail, start: &KeyRef) -> String {
    let name = credential_name(start);
    if let Some(by) = &trail.contradiction {
        return format!("the records contradict each other about what came of {name}: {by}");
    }
    let mut parts = Vec::new();
    if trail.came > 0 {
        parts.push(format!("{} came of it", counted(trail.came, "credential")));
    }
    if trail.may_have_come > 0 {
        let more = if trail.came > 0 { "more " } else { "" };
        parts.push(format!(
            "{} may have come of it",
            counted(trail.may_have_come, &format!("{more}credential"))
        ));
    }
    let may_have_entered = trail.may_have_entered.difference(&trail.entered).cloned().collect();
    for (presented, verb) in [(&trail.entered, "entered"), (&may_have_entered, "may have entered")] {
        let scopes: Vec<String> = presented.iter().cloned().collect();
        if !scopes.is_empty() {
            let whose = if trail.came + trail.may_have_come > 0 { "it or they" } else { "it" };
            parts.push(format!("{whose} {verb} {}", listed(&scopes)));
        }
    }
    let ended_by: Vec<String> = trail.ended_by.iter().cloned().collect();
    let ended =
        if ended_by.is_empty() { String::new() } else { format!("; it was ended by {}", listed(&ended_by)) };
    if parts.is_empty() {
        return format!("no record in scope shows anything that came of {name}{ended}");
    }
    format!("{name}: {}{ended}", parts.join(", "))
}

fn nothing_else(evidence: &dyn Evidence, trail: &Trail, start: &KeyRef) -> Claim {
    let what = if trail.edges.is_empty() { "nothing" } else { "nothing else" };
    Claim {
        statement: format!("the records in scope show {what} that came of {}", credential_name(start)),
        premises: vec![searched(evidence)],
        events: Vec::new(),
        edges: Vec::new(),
    }
}
