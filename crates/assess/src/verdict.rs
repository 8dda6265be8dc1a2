//! From premises to a verdict: no verdict is stronger than its weakest premise.

use std::collections::BTreeSet;

use ascribe_model::{Basis, Claim, Edge, EdgeKind, Gap, JoinGrade, Node, Premise, Skew, Timestamp, Verdict};

use crate::evidence::Evidence;
use crate::naming::{counted, node_name};
use crate::uncertainty::SKEW_PREMISE;

/// The claim that an edge makes, with what has to hold for it.
pub(crate) fn claim_of(edge: &Edge, position: usize) -> Claim {
    Claim {
        statement: sentence(edge),
        premises: premises(edge),
        events: edge.evidence.clone(),
        edges: vec![position],
    }
}

/// The verdict over `claims` where nothing is missing: proven where all premises can be derived again, bounded by
/// those that rest on somebody's word, undecided where one is unmet.
pub(crate) fn verdict_over(claims: &[Claim], gaps: &BTreeSet<Gap>) -> Verdict {
    match weakest(claims) {
        Basis::Rederivable | Basis::ProvenByIndex => Verdict::Proven,
        Basis::Asserted => Verdict::Bounded { bound: bound_of(claims) },
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

/// The premise that nothing was overlooked. Asked for once everything was looked up.
pub(crate) fn searched(evidence: &dyn Evidence) -> Premise {
    premise("the search saw every entry of the ledger", evidence.searched())
}

/// What has to be taken on somebody's word.
fn bound_of(claims: &[Claim]) -> String {
    let premises = claims.iter().flat_map(|claim| &claim.premises);
    let asserted = premises.filter(|premise| premise.basis == Basis::Asserted);
    let words: BTreeSet<&str> = asserted.map(|premise| premise.statement.as_str()).collect();
    format!("provided that {}", words.into_iter().collect::<Vec<_>>().join(", and that "))
}

fn sentence(edge: &Edge) -> String {
    let (from, to) = (node_name(&edge.from), node_name(&edge.to));
    match (edge.kind, &edge.from) {
        (_, Node::Unresolved { .. }) => format!("the origin of {to} is open: {from}"),
        (EdgeKind::Issued, Node::Identity(_)) => format!("{to} was issued at the request of {from}"),
        (EdgeKind::Issued, _) => format!("{to} was issued to a caller who used {from}"),
        (EdgeKind::UsedAs, _) => format!("{from} was used as {to}"),
        (EdgeKind::Presented, _) => match edge.grade {
            JoinGrade::A | JoinGrade::B => format!("{from} was presented as {to}"),
            JoinGrade::C | JoinGrade::D => format!("a record of {to} shows {from}"),
        },
        (EdgeKind::OnBehalfOf, _) => match edge.grade {
            JoinGrade::A => format!("{from} acted as {to}"),
            _ => format!("{from} acted in a session that carries the name of {to}"),
        },
        (EdgeKind::BoundTo, Node::Identity(_)) => format!("{to} belongs to {from}"),
        (EdgeKind::BoundTo, _) => bound_to(&to, edge),
        (EdgeKind::Ended, _) => format!("{to} was ended by {from}"),
        (EdgeKind::SameRequest, _) => {
            format!("two records describe one request: one names {from}, the other {to}")
        }
    }
}

/// What is known of the machine or pod of a credential, no better than its grade.
pub(crate) fn bound_to(credential: &str, edge: &Edge) -> String {
    let workload = node_name(&edge.from);
    match edge.grade {
        JoinGrade::A => format!("{credential} was issued for {workload}"),
        JoinGrade::B => format!("a use of {credential} names {workload}"),
        JoinGrade::C | JoinGrade::D => format!("the caller of {credential} named {workload}"),
    }
}

fn premises(edge: &Edge) -> Vec<Premise> {
    let one = "one record names both";
    match (edge.grade, edge.window) {
        (JoinGrade::D, _) if edge.candidates == 0 => vec![premise("a record shows the origin", Basis::Unmet)],
        (JoinGrade::D, _) => {
            let candidates = counted(edge.candidates as usize, "candidate");
            vec![premise(format!("only one of {candidates} fits"), Basis::Unmet)]
        }
        (_, Some(window)) => window_premises(edge, window),
        (JoinGrade::A, None) if edge.evidence.len() > 1 => {
            vec![premise("the cited records carry the same identifier", Basis::Rederivable)]
        }
        (JoinGrade::A, None) => vec![premise(one, Basis::Rederivable)],
        (JoinGrade::B, None) => {
            vec![premise(one, Basis::Rederivable), premise(composite_premise(edge), Basis::Asserted)]
        }
        (JoinGrade::C, None) => vec![
            premise(one, Basis::Rederivable),
            premise(
                format!("the caller who chose the value that names {} told the truth", node_name(&edge.from)),
                Basis::Asserted,
            ),
        ],
    }
}

/// What has to hold where one record was found in a window.
fn window_premises(edge: &Edge, (from, to): (Timestamp, Timestamp)) -> Vec<Premise> {
    let mut premises = vec![
        premise(
            format!("one record alone fits, of those that could between {from} and {to}"),
            Basis::Rederivable,
        ),
        premise("no other record of that kind in that time is missing", Basis::Asserted),
    ];
    if let Some(skew) = edge.skew {
        premises.push(premise(skew_premise(skew), Basis::Asserted));
    }
    premises
}

fn skew_premise(skew: Skew) -> String {
    let Some(version) = skew.frozen else { return SKEW_PREMISE.to_owned() };
    format!(
        "the clocks of the two streams were {} apart, give or take {}, as the operator froze it (estimate v{version})",
        in_seconds(skew.offset_ns.unsigned_abs()),
        in_seconds(skew.bound_ns)
    )
}

/// Tenths of a second are what frozen estimates are made of.
fn in_seconds(nanoseconds: u64) -> String {
    format!("{}.{} s", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000 / 100_000_000)
}

/// What has to hold where a composite names both ends and no window was needed.
fn composite_premise(edge: &Edge) -> String {
    let [from, to] = [&edge.from, &edge.to].map(node_name);
    match edge.kind {
        EdgeKind::Issued => {
            format!("the caller named {from} truthfully among those that the issuer vouched for")
        }
        EdgeKind::OnBehalfOf => {
            format!("the trust policy of the first role let only {to} set that name")
        }
        _ => format!("{to} was not carried elsewhere"),
    }
}
