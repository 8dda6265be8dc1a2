//! `ascribe redactions`.

use clap::Args;
use serde_json::json;

use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::questions::{name, show_answer};
use super::{Asked, upkeep};
use crate::hexadecimal::hexadecimal;
use crate::ops::{self, RedactionError, RedactionsRequest, SealKeyError, SealKeyRequest};

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
    /// Destroy the key that seals values instead: no sealed value can be shown again, by anybody; all else stays
    #[arg(long, requires = "reason", conflicts_with_all = ["rule", "source", "unseal", "new_key"])]
    destroy_key: bool,
    /// Make a new key to seal values with, where the key was destroyed
    #[arg(long, requires = "reason", conflicts_with_all = ["rule", "source", "unseal"])]
    new_key: bool,
    /// Why; it is recorded in the ledger
    #[arg(long, value_name = "TEXT", value_parser = name)]
    reason: Option<String>,
    /// The id of the key that is to be destroyed
    #[arg(long, value_name = "KEY", requires = "destroy_key")]
    confirm: Option<String>,
}

pub fn redactions(asked: &Asked<'_>, arguments: &RedactionsArguments) -> Result<Exit, Failure> {
    if let Some([event, field]) = arguments.unseal.as_deref() {
        return unseal(asked, event, field);
    }
    if let Some(reason) = arguments.reason.as_deref() {
        return change_key(asked, arguments, reason);
    }
    let request = RedactionsRequest { rule: arguments.rule.as_deref(), source: arguments.source.as_deref() };
    show_answer(asked, &ops::redactions(asked.evidence, request)?)
}

fn change_key(asked: &Asked<'_>, arguments: &RedactionsArguments, reason: &str) -> Result<Exit, Failure> {
    let request = match (arguments.destroy_key, arguments.new_key) {
        (true, _) => SealKeyRequest::Destroy { confirmed: arguments.confirm.as_deref(), reason },
        (false, true) => SealKeyRequest::Make { reason },
        (false, false) => {
            return Err(Failure::unusable(
                ReasonAlone,
                "give `--destroy-key` or `--new-key` too, or leave the reason out",
            ));
        }
    };
    let change = ops::change_seal_key(asked.evidence, request)?;
    let what = if arguments.destroy_key { "destroyed" } else { "made" };
    let mut rows = vec![("key", change.key.clone()), ("is", what.to_owned()), ("reason", line(reason, 400))];
    if arguments.destroy_key {
        rows.push(("values", format!("{} can never be shown again", change.values)));
    }
    let value = json!({
        "schema": "ascribe/seal-key/v1",
        "key": change.key,
        "is": what,
        "reason": reason,
        "values": change.values,
    });
    let more = if arguments.destroy_key {
        "\nCopies of `keys/seal.key` elsewhere, such as in backups, still open these values: destroy them too.\n"
    } else {
        "\nBack up `keys/seal.key`: without it, what it seals cannot be shown.\n"
    };
    print(&upkeep::form(asked, &rows, &value, more))?;
    Ok(Exit::Yes)
}

/// A reason for nothing.
#[derive(Debug, thiserror::Error)]
#[error("`--reason` is for what is done to the key")]
struct ReasonAlone;

impl From<SealKeyError> for Failure {
    fn from(error: SealKeyError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
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

impl From<RedactionError> for Failure {
    fn from(error: RedactionError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
