//! `ascribe redactions`.

use clap::Args;
use serde_json::json;

use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::questions::{name, show_answer};
use super::{Asked, upkeep};
use crate::ops::{self, RedactionError, RedactionsRequest};

/// Arguments of `redactions`.
#[derive(Debug, Args)]
pub struct RedactionsArguments {
    /// Only what this rule withheld
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only what was withheld from this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Show one sealed value instead, and check it against the ledger; needs `keys/seal.key`
    #[arg(long, num_args = 2, value_names = ["EVENT", "FIELD"], conflicts_with_all = ["rule", "source"], value_parser = name)]
    unseal: Option<Vec<String>>,
}

pub fn redactions(asked: &Asked<'_>, arguments: &RedactionsArguments) -> Result<Exit, Failure> {
    if let Some([event, field]) = arguments.unseal.as_deref() {
        return unseal(asked, event, field);
    }
    let request = RedactionsRequest { rule: arguments.rule.as_deref(), source: arguments.source.as_deref() };
    show_answer(asked, &ops::redactions(asked.evidence, request)?)
}

fn unseal(asked: &Asked<'_>, event: &str, field: &str) -> Result<Exit, Failure> {
    let shown = ops::unseal(asked.evidence, event, field)?;
    let rows = [
        ("event", shown.event.to_string()),
        ("field", line(&shown.field, 400)),
        ("rule", shown.rule.clone()),
        ("value", line(&shown.value, 4_000)),
        ("commitment", format!("{}, opened by this value", hexadecimal(&shown.commitment))),
    ];
    let value = json!({
        "schema": "ascribe/unseal/v1",
        "event": shown.event,
        "leaf": shown.leaf,
        "field": shown.field,
        "rule": shown.rule,
        "value": shown.value,
        "commitment": hexadecimal(&shown.commitment),
        "salt": hexadecimal(&shown.salt),
    });
    asked.told.results(1, Some(shown.size));
    print(&upkeep::form(asked, &rows, &value, ""))?;
    Ok(Exit::Yes)
}

fn hexadecimal(bytes: &[u8; 32]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).concat()
}

impl From<RedactionError> for Failure {
    fn from(error: RedactionError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
