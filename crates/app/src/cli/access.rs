//! `ascribe access`.

use ascribe_model::{AccessBy, AccessEnd, AccessRecord, Timestamp};
use clap::Args;
use serde_json::{Value, json};

use super::messages::{Exit, Failure, print};
use super::questions::moment;
use super::rows::{Rows, aligned};
use super::{Asked, Output, csv};
use crate::ops::{self, AccessError, AccessRequest, Accesses};

/// Arguments of `access`.
#[derive(Debug, Args)]
pub struct AccessArguments {
    /// Only what was asked at this moment or later, such as `2026-08-14T09:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only what was asked at this moment or before
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only what this user asked: a name, or a number
    #[arg(long, value_name = "USER")]
    who: Option<String>,
    /// Only this command, such as `export`
    #[arg(long, value_name = "COMMAND")]
    verb: Option<String>,
    /// Most accesses that are shown, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
}

pub fn access(asked: &Asked<'_>, arguments: &AccessArguments) -> Result<Exit, Failure> {
    let accesses = ops::accesses(
        asked.evidence,
        &AccessRequest {
            since: arguments.since,
            until: arguments.until,
            who: arguments.who.as_deref(),
            verb: arguments.verb.as_deref(),
            limit: arguments.limit as usize,
        },
    )?;
    asked.told.results(accesses.found.len() as u64, None);
    let text = match asked.output {
        Output::Table => text(&accesses),
        Output::Json => format!("{:#}\n", asked.beside(value(&accesses))),
        Output::Jsonl => {
            let lines = accesses.found.iter().map(|found| format!("{}\n", access_value(found)));
            lines.collect::<Vec<_>>().concat()
        }
        Output::Csv => {
            let rows = rows(&accesses);
            csv::table(&rows.header, &rows.rows)
        }
    };
    print(&text)?;
    Ok(Exit::Yes)
}

fn text(accesses: &Accesses) -> String {
    let mut out = match accesses.found.len() {
        0 => "No access of that kind is recorded.\n".to_owned(),
        _ => aligned(&rows(accesses)),
    };
    if accesses.has_more {
        out.push_str("\nThere are earlier ones: `--limit` shows more, `--until` begins further back.\n");
    }
    if accesses.unread > 0 {
        out.push_str(&format!("\n{} entries hold bytes that are no access.\n", accesses.unread));
    }
    let since = accesses.since.map_or_else(String::new, |since| format!(", recorded since {since}"));
    out.push_str(&format!(
        "\nACCESS LEDGER  signed checkpoint over {} accesses{since}; {} not in it yet\n",
        accesses.size, accesses.waiting
    ));
    out
}

fn rows(accesses: &Accesses) -> Rows {
    let row = |(_, record): &(u64, AccessRecord)| {
        let asked = &record.asked;
        let outcome = match &record.ended {
            AccessEnd::Ended(outcome) => Some(outcome),
            AccessEnd::Interrupted => None,
        };
        let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        vec![
            asked.at.to_string(),
            by_words(&asked.by),
            asked.verb.clone(),
            asked_words(record),
            ops::ending_words(&record.ended),
            number(outcome.and_then(|outcome| outcome.results)),
            number(outcome.and_then(|outcome| outcome.size)),
            asked.tool.clone(),
        ]
    };
    Rows {
        header: vec!["time (UTC)", "who", "command", "of", "ended", "results", "at size", "program"],
        rows: accesses.found.iter().map(row).collect(),
    }
}

/// `user@host`, and who signed in where that is another.
pub(super) fn by_words(by: &AccessBy) -> String {
    let login =
        by.login.as_ref().map_or_else(String::new, |login| format!(", signed in as {}", login.label()));
    format!("{}@{}{login}", by.user.label(), by.host)
}

/// Subject and options as they were typed.
fn asked_words(record: &AccessRecord) -> String {
    let mut words = record.asked.subject.clone();
    for (name, values) in &record.asked.options {
        words.push(format!("--{name} {}", values.join(" ")).trim_end().to_owned());
    }
    words.join(" ")
}

fn value(accesses: &Accesses) -> Value {
    json!({
        "schema": "ascribe/access/v1",
        "checkpoint": accesses.checkpoint,
        "size": accesses.size,
        "since": accesses.since,
        "waiting": accesses.waiting,
        "unread": accesses.unread,
        "has_more": accesses.has_more,
        "accesses": accesses.found.iter().map(access_value).collect::<Vec<_>>(),
    })
}

fn access_value((leaf, record): &(u64, AccessRecord)) -> Value {
    json!({ "leaf": leaf, "access": record })
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
