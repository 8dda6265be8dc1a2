//! `ascribe ledger keys`, `ascribe ledger rotate-key`: who signs the ledger.

use clap::Args;
use serde_json::json;

use super::escape::line;
use super::messages::{Exit, Failure, print, say};
use super::rows::{Rows, aligned};
use super::upkeep::form;
use super::{Asked, Output, csv};
use crate::clock;
use crate::ops::{self, KeyShown, KeysError, RotateRequest};

/// Arguments of `ledger rotate-key`.
#[derive(Debug, Args)]
pub struct RotateArguments {
    /// Why, for whoever reads the ledger
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Destroy the old private key, rather than keep it in `keys/retired/`
    #[arg(long)]
    destroy_old: bool,
    /// Say that the old key may be in other hands: its signatures count for nothing from here on
    #[arg(long)]
    compromised: bool,
}

pub fn keys(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let history = ops::key_history(asked.evidence)?;
    let value = |key: &KeyShown| {
        json!({
            "key": key.key,
            "standing": key.standing,
            "from": key.from.as_ref().map(|(leaf, at)| json!({ "leaf": leaf, "at": at })),
            "until": key.until.as_ref().map(|(leaf, at, reason)| json!({ "leaf": leaf, "at": at, "reason": reason })),
        })
    };
    let row = |key: &KeyShown| {
        let (from, since) = key
            .from
            .map_or_else(|| (String::new(), String::new()), |(leaf, at)| (leaf.to_string(), at.to_string()));
        let (until, end, reason) = key.until.clone().map_or_else(
            || (String::new(), String::new(), String::new()),
            |(leaf, at, reason)| (leaf.to_string(), at.to_string(), reason),
        );
        vec![key.standing.to_owned(), from, since, until, end, reason, key.key.clone()]
    };
    let header = vec!["standing", "from entry", "since (UTC)", "to entry", "until (UTC)", "reason", "key"];
    let table = Rows { header, rows: history.iter().map(row).collect() };
    print(&match asked.output {
        Output::Table => keys_text(&history, &table),
        Output::Json => {
            let keys: Vec<_> = history.iter().map(value).collect();
            let whole = asked.beside(json!({ "schema": "ascribe/ledger-keys/v1", "keys": keys }));
            format!("{whole:#}\n")
        }
        Output::Jsonl => history.iter().map(|key| format!("{}\n", value(key))).collect::<Vec<_>>().concat(),
        Output::Csv => csv::table(&table.header, &table.rows),
    })?;
    Ok(Exit::Yes)
}

/// Without the keys themselves, which are too long for a row, and with them below.
fn keys_text(history: &[KeyShown], table: &Rows) -> String {
    let rows = table.rows.iter().map(|row| row[..row.len() - 1].to_vec()).collect();
    let short = Rows { header: table.header[..table.header.len() - 1].to_vec(), rows };
    let keys: Vec<String> =
        history.iter().map(|key| format!("  {:<12}{}\n", key.standing, line(&key.key, 400))).collect();
    format!("{}\nVERIFIER KEYS\n{}", aligned(&short), keys.concat())
}

pub fn rotate_key(asked: &Asked<'_>, arguments: &RotateArguments) -> Result<Exit, Failure> {
    let request = RotateRequest {
        reason: &arguments.reason,
        standing: if arguments.compromised {
            ascribe_ledger::Standing::Compromised
        } else {
            ascribe_ledger::Standing::Retired
        },
        fate: if arguments.destroy_old {
            ascribe_ledger::Fate::Destroyed
        } else {
            ascribe_ledger::Fate::Kept
        },
    };
    let rotated = ops::rotate_key(asked.evidence, &request, clock::now())?;
    if rotated.finished_earlier {
        say("notice: this finished a rotation that was broken off; run it again for yet another key");
    }
    let kept = rotated.kept.as_ref().map(|path| path.to_string_lossy().into_owned());
    let rows = [
        ("old key", rotated.old.clone()),
        ("new key", rotated.new.clone()),
        ("entry", rotated.leaf.to_string()),
        ("old private key", kept.clone().unwrap_or_else(|| "destroyed".to_owned())),
    ];
    let value = json!({
        "schema": "ascribe/rotate-key/v1",
        "old": rotated.old,
        "new": rotated.new,
        "leaf": rotated.leaf,
        "kept": kept,
        "compromised": arguments.compromised,
        "finished_earlier": rotated.finished_earlier,
        "checkpoint": rotated.checkpoint,
    });
    let next = "\nGive the new verifier key to whoever checks the ledger: auditors, witnesses, `ascribe-verify --key`.\n\
        Whoever has only the old one can follow the entry to it, unless the old key may be in other hands.\n";
    print(&form(asked, &rows, &value, next))?;
    Ok(Exit::Yes)
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
