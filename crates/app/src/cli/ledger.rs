//! `ascribe ledger`: matters of the ledger itself, such as sealing ranges and proving that nothing is left out.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::checkpoints::{self, CompareArguments, ConsistencyArguments, ServeArguments};
use super::escape::brief;
use super::messages::{Exit, Failure, print};
use super::rows::{Rows, aligned};
use super::signing_keys::RotateArguments;
use super::timestamp::{self, TimestampArguments, TimestampsArguments};
use super::upkeep::form;
use super::{Asked, Output, csv, fsck, signing_keys};
use crate::ops::{
    self, ProveError, ProveRequest, ProvenName, ProvenRange, ProvenValue, Recompute, Recomputed, SealError,
    SealWhat, Seals,
};

/// Entries of one value that the table lists; all are in the JSON.
const ENTRIES_SHOWN: usize = 8;

/// Arguments of `ledger`.
#[derive(Debug, Args)]
pub struct LedgerArguments {
    /// What to do
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Index what is new, so that it can be proven that no entry of a name is left out; the root becomes an entry
    Seal(SealArguments),
    /// What the indexes prove of a name: these are all its entries, or it has none; and where nothing is proven
    Prove(ProveArguments),
    /// Ask the witnesses of the policy to cosign the checkpoint, and keep what they give
    Witness,
    /// Whether two checkpoints of one ledger exclude each other; works offline, with the ledger's verifier key alone
    Compare(CompareArguments),
    /// Prove that the tree had a certain root at an earlier size
    Consistency(ConsistencyArguments),
    /// Serve checkpoint, tiles and envelopes by HTTP, for readers, mirrors and auditors; no record and no salt
    Serve(ServeArguments),
    /// Have the timestamp authorities of the settings stamp the last checkpoint, and enter what they say
    Timestamp(TimestampArguments),
    /// What authorities stamped, checked again; with `--extract`, as files for `openssl ts -verify`
    Timestamps(TimestampsArguments),
    /// The keys that sign the ledger, in the order in which they followed each other
    Keys,
    /// Make a new signing key, to which the old one hands over in an entry that both sign
    RotateKey(RotateArguments),
    /// Look at every file of the evidence: what is damaged, missing or extra, and what mends it; changes nothing
    Fsck,
    /// Write tiles, entry bundles and the published checkpoint again from the segments, where they are missing or differ
    Rebuild,
}

#[derive(Debug, Args)]
struct SealArguments {
    /// Also index again what other parsers indexed, or where the index is damaged, lost or blinded
    #[arg(long)]
    again: bool,
}

#[derive(Debug, Args)]
struct ProveArguments {
    /// A key, a name, an event id: any value that records list; it may be preceded by its kind, as `kind:value`
    #[arg(value_name = "NAME")]
    name: String,
    /// First entry of interest
    #[arg(long, value_name = "ENTRY", default_value_t = 0)]
    from: u64,
    /// Entry behind the last of interest [default: the end of the ledger]
    #[arg(long, value_name = "ENTRY")]
    to: Option<u64>,
    /// Parse every range again and compare its root, instead of resting on the operator's parsing
    #[arg(long)]
    recompute: bool,
}

pub fn ledger(asked: &Asked<'_>, arguments: &LedgerArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        LedgerCommand::Seal(arguments) => seal(asked, arguments),
        LedgerCommand::Prove(arguments) => prove(asked, arguments),
        LedgerCommand::Witness => checkpoints::witness(asked),
        LedgerCommand::Compare(arguments) => checkpoints::compare(asked, arguments),
        LedgerCommand::Consistency(arguments) => checkpoints::consistent(asked, arguments),
        LedgerCommand::Serve(arguments) => checkpoints::serve(asked, arguments),
        LedgerCommand::Timestamp(arguments) => timestamp::timestamp(asked, arguments),
        LedgerCommand::Timestamps(arguments) => timestamp::timestamps(asked, arguments),
        LedgerCommand::Keys => signing_keys::keys(asked),
        LedgerCommand::RotateKey(arguments) => signing_keys::rotate_key(asked, arguments),
        LedgerCommand::Fsck => fsck::fsck(asked),
        LedgerCommand::Rebuild => fsck::rebuild(asked),
    }
}

fn seal(asked: &Asked<'_>, arguments: &SealArguments) -> Result<Exit, Failure> {
    let what = if arguments.again { SealWhat::Again } else { SealWhat::New };
    let Seals { made, sealed_to, size } = ops::seal(asked.evidence, what)?;
    let mut rows = vec![
        ("ranges sealed now", made.len().to_string()),
        ("sealed", format!("entries 0 to {sealed_to}, of {size}")),
    ];
    for (leaf, entry) in &made {
        rows.push((
            "range",
            format!(
                "entries {} to {}: {} values in {} records; index root in entry {leaf}",
                entry.from, entry.to, entry.rows, entry.records
            ),
        ));
        if entry.unread + entry.erased > 0 {
            rows.push((
                "",
                format!("nothing is known of {} unread and {} erased records", entry.unread, entry.erased),
            ));
        }
    }
    let entries: Vec<Value> =
        made.iter().map(|(leaf, entry)| json!({"leaf": leaf, "entry": entry})).collect();
    let value = json!({
        "schema": "ascribe/seal/v1", "made": entries, "sealed_to": sealed_to, "size": size,
    });
    let more = if made.is_empty() { "\nNothing is new.\n" } else { "" };
    print(&form(asked.output, &rows, &value, more))?;
    Ok(Exit::Yes)
}

fn prove(asked: &Asked<'_>, arguments: &ProveArguments) -> Result<Exit, Failure> {
    let request = ProveRequest {
        name: &arguments.name,
        from: arguments.from,
        to: arguments.to,
        recompute: if arguments.recompute { Recompute::Yes } else { Recompute::No },
    };
    let proven = ops::prove(asked.evidence, &request)?;
    let table = rows(&proven);
    let value = value(&proven);
    print(&match asked.output {
        Output::Table => format!("{}\n{}", said(&proven), aligned(&table)),
        Output::Json => format!("{value:#}\n"),
        Output::Jsonl => format!("{value}\n"),
        Output::Csv => csv::table(&table.header, &table.rows),
    })?;
    asked.told.results(proven.entries(), Some(proven.size));
    Ok(if proven.is_contradicted() {
        Exit::No
    } else if proven.is_whole() {
        Exit::Yes
    } else {
        Exit::Inconclusive
    })
}

/// What it comes to, in sentences.
fn said(proven: &ProvenName) -> String {
    let mut out = String::new();
    for (place, value) in proven.values.iter().enumerate() {
        let mut entries = 0;
        let (mut without, mut open): (usize, usize) = (0, 0);
        for range in &proven.ranges {
            match &range.found[place] {
                ProvenValue::Entries(keys) => entries += all_leaves(keys).len(),
                ProvenValue::Nothing => without += 1,
                ProvenValue::Undetermined | ProvenValue::Unusable(_) => open += 1,
            }
        }
        let name = brief(value, 200);
        let sealed = proven.ranges.len();
        out.push_str(&match (sealed, entries) {
            (0, _) => format!("`{name}`: no entry of interest is sealed, so nothing is proven\n"),
            (_, 0) => format!("`{name}`: in no entry of {}\n", counted(without, "sealed range")),
            _ => format!(
                "`{name}`: in {} of {}, and in no others of them\n",
                counted(entries, "entry"),
                counted(sealed - open, "sealed range")
            ),
        });
        if open > 0 {
            out.push_str(&format!("  not determined in {open} of them\n"));
        }
    }
    if let Some(rest) = &proven.unsealed {
        out.push_str(&format!(
            "entries {} to {} are not sealed: nothing is proven there. `ascribe ledger seal` seals them\n",
            rest.start, rest.end
        ));
    }
    let parsing = proven.ranges.iter().map(|range| range.recomputed);
    let parsings = parsing.fold(BTreeMap::new(), |mut counts: BTreeMap<&str, usize>, recomputed| {
        *counts.entry(sentence(recomputed)).or_default() += 1;
        counts
    });
    for (sentence, count) in parsings {
        out.push_str(&format!("{}: {sentence}\n", counted(count, "range")));
    }
    for range in &proven.ranges {
        let entry = &range.range.root.entry;
        if entry.unread + entry.erased + entry.rejects > 0 {
            out.push_str(&format!(
                "entries {} to {}: outside of what is proven are {} rejects, {} unread and {} erased records\n",
                entry.from, entry.to, entry.rejects, entry.unread, entry.erased
            ));
        }
    }
    out
}

const fn sentence(recomputed: Recomputed) -> &'static str {
    match recomputed {
        Recomputed::NotAsked => {
            "as the operator's parsing had it when it was sealed; `--recompute` parses again"
        }
        Recomputed::Same => "parsed again here, and the same root follows",
        Recomputed::Differs => "PARSED AGAIN HERE, AND ANOTHER ROOT FOLLOWS: the index must not be relied on",
        Recomputed::OtherParsers => {
            "sealed by parsers of other versions, which cannot be compared; `ascribe ledger seal --again` seals anew"
        }
        Recomputed::Erased => "entries were erased since, so that it cannot be parsed again",
    }
}

fn rows(proven: &ProvenName) -> Rows {
    let mut rows = Vec::new();
    for range in &proven.ranges {
        for (value, found) in proven.values.iter().zip(&range.found) {
            let of_range = |key: String, said: String| {
                vec![
                    range.range.leaves().start.to_string(),
                    range.range.leaves().end.to_string(),
                    range.range.root_leaf.to_string(),
                    key,
                    said,
                ]
            };
            match found {
                ProvenValue::Entries(keys) => rows.extend(keys.iter().map(|key| {
                    let name = key.key.as_ref().map_or_else(
                        || format!("{value} (of a kind or scope that these parsers do not find)"),
                        ToString::to_string,
                    );
                    of_range(name, entries_said(&key.leaves))
                })),
                ProvenValue::Nothing => rows.push(of_range(value.clone(), "none".to_owned())),
                ProvenValue::Undetermined => {
                    let said = "cannot be determined, because a neighbouring row was erased";
                    rows.push(of_range(value.clone(), said.to_owned()));
                }
                ProvenValue::Unusable(why) => {
                    rows.push(of_range(value.clone(), format!("the index cannot be used: {why}")));
                }
            }
        }
    }
    Rows { header: vec!["FROM", "TO", "INDEX ROOT", "KEY", "ENTRIES"], rows }
}

/// A number with its word.
fn counted(count: usize, word: &str) -> String {
    match (count, word.strip_suffix('y')) {
        (1, _) => format!("1 {word}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {word}s"),
    }
}

fn entries_said(leaves: &[u64]) -> String {
    let shown: Vec<String> = leaves.iter().take(ENTRIES_SHOWN).map(ToString::to_string).collect();
    match leaves.len().saturating_sub(ENTRIES_SHOWN) {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}

fn all_leaves(keys: &[ops::ProvenKey]) -> std::collections::BTreeSet<u64> {
    keys.iter().flat_map(|key| &key.leaves).copied().collect()
}

fn value(proven: &ProvenName) -> Value {
    json!({
        "schema": "ascribe/prove/v1",
        "values": proven.values,
        "size": proven.size,
        "ranges": proven.ranges.iter().map(|range| range_value(proven, range)).collect::<Vec<_>>(),
        "unsealed": proven.unsealed.as_ref().map(|rest| json!({"from": rest.start, "to": rest.end})),
        "whole": proven.is_whole(),
    })
}

fn range_value(proven: &ProvenName, range: &ProvenRange) -> Value {
    let found = proven.values.iter().zip(&range.found).map(|(value, found)| match found {
        ProvenValue::Entries(keys) => json!({
            "value": value, "is": "present",
            "entries": all_leaves(keys),
            "keys": keys.iter().map(|key| json!({
                "key": key.key.as_ref().map(ToString::to_string), "entries": key.leaves,
            })).collect::<Vec<_>>(),
        }),
        ProvenValue::Nothing => json!({ "value": value, "is": "absent" }),
        ProvenValue::Undetermined => json!({ "value": value, "is": "undetermined" }),
        ProvenValue::Unusable(why) => json!({ "value": value, "is": "unusable", "why": why }),
    });
    json!({
        "from": range.range.leaves().start,
        "to": range.range.leaves().end,
        "index_root": range.range.root_leaf,
        "entry": range.range.root.entry,
        "found": found.collect::<Vec<_>>(),
        "recomputed": match range.recomputed {
            Recomputed::NotAsked => "not_asked",
            Recomputed::Same => "same",
            Recomputed::Differs => "differs",
            Recomputed::OtherParsers => "other_parsers",
            Recomputed::Erased => "erased",
        },
    })
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}

impl From<ProveError> for Failure {
    fn from(error: ProveError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
