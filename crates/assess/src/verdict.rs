//! From premises to a verdict: no verdict is stronger than its weakest premise.

use std::collections::BTreeSet;

use ascribe_model::{Basis, Claim, Edge, EdgeKind, Gap, JoinGrade, Node, Premise, Verdict};

/// The claim that an edge makes, with what has to hold for it.
pub(crate) fn claim_of(edge: &Edge, position: usize) -> Claim {
    Claim {
        statement: sentence(edge),
        premises: premises(edge),
        events: edge.evidence.clone(),
        edges: vec![position],
    }
}

/// The verdict over `claims`: proven where all premises can be derived again, bounded where some rest on a word,
/// undecided where one is unmet.
pub(crate) fn verdict_over(claims: &[Claim], gaps: &BTreeSet<Gap>, bound: &str) -> Verdict {
    match weakest(claims) {
        Basis::Rederivable | Basis::ProvenByIndex => Verdict::Proven,
        Basis::Asserted => Verdict::Bounded { bound: bound.to_owned() },
        Basis::Unmet => Verdict::Undecided { decided_by: settled_by(gaps) },
    }
}

/// The weakest basis among the premises of `claims`.
pub(crate) fn weakest(claims: &[Claim]) -> Basis {
    let premises = claims.iter().flat_map(|claim| &claim.premises);
    premises.map(|premise| premise.basis).max().unwrap_or(Basis::Unmet)
}

/// Grade of the worst edge.
pub(crate) fn worst_grade<'e>(edges: impl IntoIterator<Item = &'e Edge>) -> Option<JoinGrade> {
    edges.into_iter().map(|edge| edge.grade).max()
}

/// What an edge leaves open, if anything.
pub(crate) fn gap_of(edge: &Edge) -> Option<Gap> {
    [&edge.from, &edge.to].into_iter().find_map(|node| match node {
        Node::Unresolved { reason, settled_by } => {
            Some(Gap { missing: reason.clone(), settled_by: settled_by.clone() })
        }
        Node::Credential(_) | Node::Identity(_) => None,
    })
}

/// The logs that would close the gaps, each once.
pub(crate) fn settled_by(gaps: &BTreeSet<Gap>) -> Vec<String> {
    gaps.iter().map(|gap| gap.settled_by.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

pub(crate) fn premise(statement: impl Into<String>, basis: Basis) -> Premise {
    Premise { statement: statement.into(), basis }
}

fn sentence(edge: &Edge) -> String {
    let (from, to) = (&edge.from, &edge.to);
    match edge.kind {
        _ if matches!(from, Node::Unresolved { .. }) => format!("the origin of {to} is open: {from}"),
        _ if matches!(to, Node::Unresolved { .. }) => format!("what came of {from} is open: {to}"),
        EdgeKind::Issued => format!("{to} was issued under {from}"),
        EdgeKind::UsedAs => format!("{from} was used as {to}"),
        EdgeKind::Presented => format!("{from} was presented as {to}"),
        EdgeKind::OnBehalfOf => format!("{from} acted as {to}"),
        EdgeKind::BoundTo => format!("{to} belongs to {from}"),
        EdgeKind::SameRequest => format!("the records of {from} and of {to} describe one request"),
    }
}

fn premises(edge: &Edge) -> Vec<Premise> {
    match (edge.grade, edge.window) {
        (JoinGrade::D, _) if edge.candidates == 0 => vec![premise("a record shows the issue", Basis::Unmet)],
        (JoinGrade::D, _) => {
            vec![premise(format!("exactly one of {} candidates fits", edge.candidates), Basis::Unmet)]
        }
        (grade, Some((from, to))) => vec![
            premise(
                format!("the composite of both records is equal and lies between {from} and {to}"),
                Basis::Rederivable,
            ),
            premise(format!("no other candidate in that window (grade {grade})"), Basis::Asserted),
        ],
        (JoinGrade::A, None) => {
            let several = if edge.evidence.len() > 1 {
                "the cited records carry the same identifier"
            } else {
                "one record names both"
            };
            vec![premise(several, Basis::Rederivable)]
        }
        (JoinGrade::B, None) => vec![
            premise("one record names both", Basis::Rederivable),
            premise("the credential was not carried elsewhere", Basis::Asserted),
        ],
        (JoinGrade::C, None) => vec![
            premise("one record names both", Basis::Rederivable),
            premise("the caller, who chose the value, told the truth", Basis::Asserted),
        ],
    }
}
