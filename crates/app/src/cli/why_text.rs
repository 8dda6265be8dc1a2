//! Why something was allowed, as text and as rows.

use ascribe_model::{AuthorityBasis, WhyAct, WhyDetail, WhyRule};

use super::escape::{brief, line};
use super::rows::{Rows, word};

/// Each act with who asked, and below it the rules and approvals.
pub fn text(why: &WhyDetail) -> String {
    let mut out = String::new();
    for act in &why.acts {
        let at = act.at.map_or_else(|| "no time".to_owned(), |at| at.to_string());
        let issued = act.issued.as_ref().map_or_else(String::new, |uid| format!("  issued {}", uid.value));
        out.push_str(&format!("\n{at}  {}{}\n", line(&act.operation, 60), brief(&issued, 60)));
        out.push_str(&format!("  asked by   {}\n", brief(&asked_by(act), 120)));
        if let Some(done_by) = &act.done_by {
            let done_by = format!("{} {}", done_by.kind.name(), done_by.label());
            out.push_str(&format!("  done by    {}\n", brief(&done_by, 120)));
        }
        for rule in &act.rules {
            out.push_str(&format!("  {:<10} {}\n", word(&rule.decision), line(&rule_text(rule), 160)));
            if let Some(detail) = &rule.detail {
                out.push_str(&format!("             {}\n", line(detail, 160)));
            }
        }
        if act.rules.is_empty() {
            out.push_str("  unknown    the record says nothing of a rule\n");
        }
    }
    out
}

/// A row for each rule of each act.
pub fn rows(why: &WhyDetail) -> Rows {
    let mut rows = Vec::new();
    for act in &why.acts {
        let at = act.at.map_or_else(String::new, |at| at.to_string());
        let head = [act.depth.to_string(), at, act.operation.clone(), asked_by(act)];
        for rule in &act.rules {
            let mut row = head.to_vec();
            row.extend([word(&rule.decision), word(&rule.kind), rule.uid.clone(), word(&rule.basis)]);
            row.push(rule.by.as_ref().map_or_else(String::new, |by| by.label().to_owned()));
            row.push(rule.event.to_string());
            rows.push(row);
        }
    }
    let header = vec![
        "depth",
        "at",
        "operation",
        "asked by",
        "decision",
        "kind",
        "rule",
        "basis",
        "approved by",
        "event",
    ];
    Rows { header, rows }
}

fn asked_by(act: &WhyAct) -> String {
    let mut text = format!("{} {}", act.asked_by.kind.name(), act.asked_by.label());
    for identity in &act.on_behalf_of {
        text.push_str(&format!(" acting as {} {}", identity.kind.name(), identity.label()));
    }
    text
}

fn rule_text(rule: &WhyRule) -> String {
    if rule.basis == AuthorityBasis::Absent {
        return "the source does not record by which rule".to_owned();
    }
    let by = rule.by.as_ref().map_or_else(String::new, |by| format!(" by {} {}", by.kind.name(), by.label()));
    let at = rule.at.map_or_else(String::new, |at| format!(" at {at}"));
    format!("{} {} ({}){by}{at}", word(&rule.kind), rule.uid, word(&rule.basis))
}
