//! The session of a credential, as text and as rows.

use ascribe_model::{AuthorityBasis, Element, ResourceUse, SessionDetail};

use super::escape::{brief, line};
use super::rows::{Rows, aligned, word};

/// Resources that the text lists; the rows and the JSON have all that the answer has.
const RESOURCES_MAX: usize = 40;
/// Longest name of a resource in the text, in characters.
const RESOURCE_MAX: usize = 60;

/// Facts, the grade of the evidence, what was done to what, and what was handed on.
pub fn text(session: &SessionDetail) -> String {
    let mut out = facts(session);
    let ready = if session.grade.audit_ready { "audit-ready" } else { "not audit-ready" };
    out.push_str(&format!("\nEVIDENCE ({ready})\n"));
    for element in &session.grade.elements {
        out.push_str(&element_text(element));
    }
    let shown = session.resources.iter().take(RESOURCES_MAX);
    let mut table = rows_of(shown);
    for row in &mut table.rows {
        row[0] = line(&row[0], RESOURCE_MAX);
    }
    out.push_str(&format!("\nRESOURCES\n{}", aligned(&table)));
    let more = session.resources.len().saturating_sub(RESOURCES_MAX) as u64 + session.resources_more;
    if more > 0 {
        out.push_str(&format!("  and {more} more\n"));
    }
    if !session.handed_on.is_empty() {
        let row = |handed: &ascribe_model::HandedOn| {
            let at = handed.at.map_or_else(String::new, |at| at.to_string());
            vec![at, handed.to.clone(), handed.uses.to_string()]
        };
        let rows = session.handed_on.iter().map(row).collect();
        let table = aligned(&Rows { header: vec!["time (UTC)", "what", "use records"], rows });
        out.push_str(&format!("\nHANDED ON\n{table}"));
    }
    out
}

/// What was done to each resource.
pub fn rows(session: &SessionDetail) -> Rows {
    rows_of(session.resources.iter())
}

fn facts(session: &SessionDetail) -> String {
    let mut facts: Vec<(&str, String)> = Vec::new();
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    let subject = session.subject.as_ref();
    add(
        "held by",
        subject.map(|subject| format!("{} {} [{}]", subject.kind.name(), subject.label(), subject.uid)),
    );
    for workload in &session.workloads {
        add("workload", Some(workload.to_string()));
    }
    add("issued", session.issued.map(|at| at.to_string()));
    add(
        "used",
        session.used.map(|span| format!("{} to {}, {}", span.first, span.last, counted(session.uses, "use"))),
    );
    add("ends", session.ended.map(|at| at.to_string()));
    for address in &session.addresses {
        add("from", Some(format!("{} ({})", address.address, counted(address.events, "event"))));
    }
    for rule in &session.authorities {
        let name = if rule.basis == AuthorityBasis::Absent {
            "by a rule that the source does not record".to_owned()
        } else {
            format!("{} {} ({})", word(&rule.kind), rule.uid, word(&rule.basis))
        };
        add("authority", Some(format!("{} {name}, {}", word(&rule.decision), counted(rule.events, "event"))));
    }
    let mut out = String::from("\nSESSION\n");
    for (name, value) in facts {
        out.push_str(&format!("  {name:<11}{}\n", brief(&value, 160)));
    }
    out
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn element_text(element: &Element) -> String {
    let mut out = format!("  {:<10} {}\n", word(&element.element), word(&element.state));
    for because in &element.because {
        out.push_str(&format!("      {}\n", brief(because, 200)));
    }
    for settled_by in &element.settled_by {
        out.push_str(&format!("      supplied by: {}\n", line(settled_by, 200)));
    }
    out
}

fn rows_of<'r>(resources: impl Iterator<Item = &'r ResourceUse>) -> Rows {
    let count = |count: u64| if count == 0 { String::new() } else { count.to_string() };
    let row = |row: &ResourceUse| {
        vec![
            row.resource.as_ref().map_or_else(|| "(none named)".to_owned(), ToString::to_string),
            count(row.read),
            count(row.created),
            count(row.changed),
            count(row.deleted),
            count(row.delegated),
            count(row.executed),
            count(row.other),
            count(row.attempted),
        ]
    };
    Rows {
        header: vec![
            "resource",
            "read",
            "created",
            "changed",
            "deleted",
            "delegated",
            "executed",
            "other",
            "attempted",
        ],
        rows: resources.map(row).collect(),
    }
}
