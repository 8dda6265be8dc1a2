//! `ascribe ledger timestamp` and `ascribe ledger timestamps`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::escape::line;
use super::messages::{Exit, Failure, print, say};
use super::rows::{Rows, aligned};
use super::{Asked, Output, csv};
use crate::causes::with_causes;
use crate::clock;
use crate::ops::{self, Listed, StampOutcome, StampWhen, Stamped, Stamping, TimestampError};

/// Arguments of `ledger timestamp`.
#[derive(Debug, Args)]
pub struct TimestampArguments {
    /// Ask only those authorities that did not stamp all that came in, timestamps apart; for use by a timer
    #[arg(long)]
    if_grown: bool,
}

/// Arguments of `ledger timestamps`.
#[derive(Debug, Args)]
pub struct TimestampsArguments {
    /// Write each into this folder as note, answer and root certificate
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
}

/// No authority gave a timestamp. The reasons were told one by one.
#[derive(Debug, thiserror::Error)]
#[error("no authority stamped the checkpoint over {size} entries")]
struct NobodyStamped {
    size: u64,
}

pub fn timestamp(asked: &Asked<'_>, arguments: &TimestampArguments) -> Result<Exit, Failure> {
    let when = if arguments.if_grown { StampWhen::Grown } else { StampWhen::Always };
    let stamping = ops::timestamp(asked.evidence, when, clock::now)?;
    for stamped in &stamping.stamped {
        if let StampOutcome::Failed(error) = &stamped.outcome {
            let why = line(&stamped.failure().unwrap_or_default(), 1000);
            say(&format!(
                "warning: `{}` did not stamp: {why}\n  hint: {}",
                line(&stamped.authority, 100),
                error.hint()
            ));
        }
    }
    let header = vec!["AUTHORITY", "OUTCOME", "TIME (UTC)", "ENTRY", "SERIAL", "POLICY"];
    let table = Rows { header, rows: stamping.stamped.iter().map(stamped_row).collect() };
    let value = stamping_json(&stamping);
    print(&match asked.output {
        Output::Table => {
            format!("{}\nStamped is the checkpoint over {} entries.\n", aligned(&table), stamping.size)
        }
        Output::Json => format!("{value:#}\n"),
        Output::Jsonl => format!("{value}\n"),
        Output::Csv => csv::table(&table.header, &table.rows),
    })?;
    if stamping.stamped.iter().all(|stamped| matches!(stamped.outcome, StampOutcome::Failed(_))) {
        let error = NobodyStamped { size: stamping.size };
        return Err(Failure::unusable(
            error,
            "nothing was entered; the ledger is as it was: try again later",
        ));
    }
    Ok(Exit::Yes)
}

fn stamped_row(stamped: &Stamped) -> Vec<String> {
    let mut row = vec![line(&stamped.authority, 100)];
    match &stamped.outcome {
        StampOutcome::Entered { leaf, checked } => row.extend([
            "stamped".to_owned(),
            checked.time.to_string(),
            leaf.to_string(),
            line(&checked.serial, 50),
            line(&checked.policy, 100),
        ]),
        StampOutcome::NothingNew => row.push("nothing new".to_owned()),
        StampOutcome::Failed(_) => row.push("failed".to_owned()),
    }
    row.resize(6, String::new());
    row
}

fn stamping_json(stamping: &Stamping) -> Value {
    let one = |stamped: &Stamped| match &stamped.outcome {
        StampOutcome::Entered { leaf, checked } => json!({
            "authority": stamped.authority, "outcome": "stamped", "time": checked.time, "leaf": leaf,
            "serial": checked.serial, "policy": checked.policy,
        }),
        StampOutcome::NothingNew => json!({ "authority": stamped.authority, "outcome": "nothing_new" }),
        StampOutcome::Failed(_) => {
            json!({ "authority": stamped.authority, "outcome": "failed", "why": stamped.failure() })
        }
    };
    let authorities: Vec<Value> = stamping.stamped.iter().map(one).collect();
    json!({ "schema": "ascribe/timestamp/v1", "size": stamping.size, "authorities": authorities })
}

pub fn timestamps(asked: &Asked<'_>, arguments: &TimestampsArguments) -> Result<Exit, Failure> {
    let listed = ops::timestamps(asked.evidence)?;
    let header = vec!["ENTRY", "AUTHORITY", "TIME (UTC)", "ENTRIES", "ROOT", "CHECKED"];
    let table = Rows { header, rows: listed.iter().map(listed_row).collect() };
    let whole = || json!({ "schema": "ascribe/timestamps/v1", "timestamps": listed.iter().map(listed_json).collect::<Vec<_>>() });
    print(&match asked.output {
        Output::Table if listed.is_empty() => {
            "No timestamp is in the ledger. `ascribe ledger timestamp` has one made.\n".to_owned()
        }
        Output::Table => aligned(&table),
        Output::Json => format!("{:#}\n", whole()),
        Output::Jsonl => {
            listed.iter().map(|stamp| format!("{}\n", listed_json(stamp))).collect::<Vec<_>>().concat()
        }
        Output::Csv => csv::table(&table.header, &table.rows),
    })?;
    if let Some(folder) = &arguments.extract {
        let stems = ops::extract_timestamps(&listed, folder)?;
        say(&format!(
            "{} written to `{}`; each is checked by",
            stems.len(),
            line(&folder.to_string_lossy(), 500)
        ));
        for stem in stems {
            say(&format!("  openssl ts -verify -data {stem}.note -in {stem}.tsr -CAfile {stem}.pem"));
        }
    }
    let all_hold = listed.iter().all(|stamp| stamp.checked.is_ok());
    Ok(if all_hold { Exit::Yes } else { Exit::No })
}

fn listed_row(stamp: &Listed) -> Vec<String> {
    let (size, root) =
        stamp.head.clone().map_or_else(<(String, String)>::default, |(size, root)| (size.to_string(), root));
    let (time, checked) = match &stamp.checked {
        Ok(checked) => (checked.time.to_string(), "holds".to_owned()),
        Err(refused) => (String::new(), line(&with_causes(refused), 300)),
    };
    vec![stamp.leaf.to_string(), line(&stamp.entry.authority, 100), time, size, root, checked]
}

fn listed_json(stamp: &Listed) -> Value {
    let head = stamp.head.as_ref();
    let checked = stamp.checked.as_ref().ok();
    json!({
        "leaf": stamp.leaf,
        "authority": stamp.entry.authority,
        "time": checked.map(|checked| checked.time),
        "size": head.map(|head| head.0),
        "root": head.map(|head| &head.1),
        "serial": checked.map(|checked| &checked.serial),
        "policy": checked.map(|checked| &checked.policy),
        "holds": checked.is_some(),
        "why": stamp.checked.as_ref().err().map(|refused| with_causes(refused)),
    })
}

impl From<TimestampError> for Failure {
    fn from(error: TimestampError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
