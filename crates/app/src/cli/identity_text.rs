//! Identities under all their names, as text.

use ascribe_model::{IdentityDetail, IdentityName};

use super::escape::line;
use super::rows::{Rows, aligned};

/// Credentials that are listed for one identity.
const CREDENTIALS_MAX: usize = 16;
/// Longest name in the table, in characters.
const NAME_MAX: usize = 56;

/// Every identity with its names, its credentials, and what looks like it.
pub fn text(identities: &[IdentityDetail]) -> String {
    identities.iter().map(one).collect()
}

fn one(detail: &IdentityDetail) -> String {
    let identity = &detail.identity;
    let mut out = format!(
        "\nNAMES of {} {}\n  {}\n",
        identity.kind.name(),
        line(identity.label(), 60),
        line(&detail.kind_because, 200)
    );
    let rows = detail.names.iter().map(name_row).collect();
    let shown_by = if detail.unread > 0 { "events read" } else { "events" };
    out.push_str(&aligned(&Rows { header: vec!["name", "kind", shown_by, "because"], rows }));
    if !detail.credentials.is_empty() {
        let shown = detail.credentials.iter().take(CREDENTIALS_MAX);
        let rows = shown.map(|used| {
            vec![
                used.credential.value.clone(),
                used.events.to_string(),
                used.span.map_or_else(String::new, |span| span.first.to_string()),
                used.span.map_or_else(String::new, |span| span.last.to_string()),
            ]
        });
        let rows =
            Rows { header: vec!["acted with", "events", "first (UTC)", "last (UTC)"], rows: rows.collect() };
        out.push_str(&format!("\n{}", aligned(&rows)));
        let more = detail.credentials.len().saturating_sub(CREDENTIALS_MAX);
        if more > 0 {
            out.push_str(&format!("  and {more} more\n"));
        }
    }
    if !detail.not_merged.is_empty() {
        out.push_str("\n  NOT THE SAME\n");
        for other in &detail.not_merged {
            out.push_str(&format!(
                "  {}\n      because: {}\n",
                line(&other.key.to_string(), 120),
                other.because
            ));
        }
    }
    out
}

fn name_row(name: &IdentityName) -> Vec<String> {
    let kind = name.key.as_ref().map_or_else(String::new, |key| {
        let scope = if key.scope.is_empty() { String::new() } else { format!("@{}", key.scope) };
        format!("{}{scope}", key.kind.name())
    });
    vec![line(&name.name, NAME_MAX), kind, name.events.to_string(), name.because.clone()]
}
