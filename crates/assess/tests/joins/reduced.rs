//! A body reduced to what a reader of a fixture judges: verdict, statement, grade, edges and gaps.

use ascribe_model::{Body, Edge, Gap, Node, Verdict};
use serde_json::{Value, json};

/// The body without content ids and positions.
pub fn reduced(body: &Body) -> Value {
    json!({
        "verdict": verdict(&body.verdict),
        "statement": body.statement,
        "grade": body.grade,
        "claims": body.claims.iter().map(|claim| &claim.statement).collect::<Vec<_>>(),
        "edges": body.edges.iter().map(edge).collect::<Vec<_>>(),
        "gaps": body.gaps.iter().map(gap).collect::<Vec<_>>(),
    })
}

fn verdict(verdict: &Verdict) -> String {
    let word = verdict.word();
    match verdict {
        Verdict::Proven => word.to_owned(),
        Verdict::Bounded { bound } => format!("{word}: {bound}"),
        Verdict::Undecided { decided_by } => format!("{word}: {}", decided_by.join("; ")),
        Verdict::Contradicted { by } => format!("{word}: {by}"),
    }
}

fn edge(edge: &Edge) -> Value {
    json!({
        "rule": edge.rule,
        "from": edge.from.to_string(),
        "to": edge.to.to_string(),
        "grade": edge.grade,
        "candidates": edge.candidates,
        "alternatives": edge.alternatives.iter().map(Node::to_string).collect::<Vec<_>>(),
    })
}

fn gap(gap: &Gap) -> String {
    format!("{} [{}]", gap.missing, gap.settled_by)
}
