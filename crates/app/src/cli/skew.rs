//! `ascribe skew`.

use std::collections::BTreeSet;

use ascribe_assess::SKEW_NS;
use ascribe_model::{SkewFact, SourceRef};
use clap::Args;
use serde_json::json;

use super::messages::{Exit, Failure, print};
use super::rows::{Rows, aligned};
use super::{Asked, Output, csv};
use crate::ops::{self, Clocks, SkewError};

/// Arguments of `skew`.
#[derive(Debug, Args)]
pub struct SkewArguments {
    /// Freeze what the records show, for streams and days of which nothing is frozen; it is never changed after that
    #[arg(long)]
    freeze: bool,
}

pub fn skew(asked: &Asked<'_>, arguments: &SkewArguments) -> Result<Exit, Failure> {
    let clocks =
        if arguments.freeze { ops::freeze_skew(asked.evidence)? } else { ops::skew(asked.evidence)? };
    let table = rows(&clocks);
    let value = json!({
        "schema": "ascribe/skew/v1",
        "stated_bound_ns": SKEW_NS,
        "estimated": clocks.estimated,
        "frozen": clocks.frozen,
        "added": clocks.added,
    });
    let value = asked.beside(value);
    print(&match asked.output {
        Output::Table if table.rows.is_empty() => format!("{}\n", nothing()),
        Output::Table => format!("{}\n{}\n", aligned(&table), said(&clocks)),
        Output::Json => format!("{value:#}\n"),
        Output::Jsonl => format!("{value}\n"),
        Output::Csv => csv::table(&table.header, &table.rows),
    })?;
    Ok(Exit::Yes)
}

/// One row for each pair of streams and day, with the estimate beside what is frozen.
fn rows(clocks: &Clocks) -> Rows {
    let names: BTreeSet<(&[SourceRef; 2], &str)> =
        clocks.estimated.iter().chain(&clocks.frozen).map(name).collect();
    let cell = |facts: &[SkewFact], sought| {
        let fact = facts.iter().find(|fact| name(fact) == sought);
        fact.map_or_else(String::new, |fact| {
            format!("{} ± {} ({} pairs)", seconds(fact.offset_ns), seconds_of(fact.bound_ns), fact.pairs)
        })
    };
    let rows = names.into_iter().map(|sought| {
        let (streams, day) = sought;
        vec![
            day.to_owned(),
            streams[0].to_string(),
            streams[1].to_string(),
            cell(&clocks.estimated, sought),
            cell(&clocks.frozen, sought),
        ]
    });
    Rows { header: vec!["DAY", "STREAM", "SHOWS MORE BY", "ESTIMATED", "FROZEN"], rows: rows.collect() }
}

fn name(fact: &SkewFact) -> (&[SourceRef; 2], &str) {
    (&fact.streams, &fact.day)
}

fn nothing() -> String {
    format!(
        "No two streams share {} credentials on one day that tell their clocks apart. Joins take them to differ by at most {}.",
        Clocks::PAIRS_NEEDED,
        seconds_of(SKEW_NS)
    )
}

fn said(clocks: &Clocks) -> String {
    let stated = seconds_of(SKEW_NS);
    match (clocks.added.len(), clocks.frozen.len()) {
        (0, 0) => format!(
            "Nothing is frozen: joins take clocks to differ by at most {stated}. `ascribe skew --freeze` makes them use the estimates."
        ),
        (0, _) => {
            format!("Joins use what is frozen, and elsewhere take clocks to differ by at most {stated}.")
        }
        (added, _) => format!(
            "{added} frozen now. Joins use what is frozen, and elsewhere take clocks to differ by at most {stated}."
        ),
    }
}

/// Estimates are whole tenths.
fn seconds(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    format!("{sign}{}", seconds_of(nanoseconds.unsigned_abs()))
}

fn seconds_of(nanoseconds: u64) -> String {
    format!("{}.{} s", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000 / 100_000_000)
}

impl From<SkewError> for Failure {
    fn from(error: SkewError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
