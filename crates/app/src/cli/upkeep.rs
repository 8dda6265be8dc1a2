//! `ascribe init`, `ascribe verify`, `ascribe rebuild`, `ascribe compact`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::{Asked, Output, csv};
use crate::causes::with_causes;
use crate::ops::{self, AccessState, StoreState, UpkeepError, WitnessingError};

/// Problems that are shown one by one; all are in the JSON.
const PROBLEMS_SHOWN: usize = 50;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The folder to make [default: the folder of `--evidence`]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Name of the ledger in every checkpoint, such as `audit.example.com/ledger`; it can never be changed
    #[arg(long, default_value = "ascribe.local/ledger")]
    origin: String,
}

pub fn init(asked: &Asked<'_>, arguments: &InitArguments) -> Result<Exit, Failure> {
    let folder = arguments.folder.as_deref().unwrap_or(asked.evidence);
    let made = ops::init(folder, &arguments.origin)?;
    let shown = line(&made.root.to_string_lossy(), 500);
    let rows = [
        ("evidence", shown.clone()),
        ("origin", made.origin.clone()),
        ("verifier key", made.verifier_key.clone()),
    ];
    let value = json!({
        "schema": "ascribe/init/v1",
        "evidence": made.root.to_string_lossy(),
        "origin": made.origin,
        "verifier_key": made.verifier_key,
    });
    let next = format!(
        "\nNext:\n  ascribe --evidence {shown} ingest PATH…\n  ascribe --evidence {shown} sources\n\n\
         `{shown}/keys/ledger.key` signs every checkpoint: back it up, and keep it from whoever could want to rewrite the ledger.\n\
         `{shown}/capture.toml` says what is kept of records: now all but secrets.\n"
    );
    print(&form(asked, &rows, &value, &next))?;
    Ok(Exit::Yes)
}

pub fn verify(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let verified = ops::verify(asked.evidence)?;
    let report = &verified.report;
    let valid = verified.is_valid();
    let size = report.checkpoint.as_ref().map_or(0, ascribe_ledger::SignedCheckpoint::size);
    let root = report.checkpoint.as_ref().map(|checkpoint| checkpoint.root().to_string()).unwrap_or_default();
    let store = match &verified.store {
        StoreState::Folded(folded) if *folded == size => "folded up to the checkpoint".to_owned(),
        StoreState::Folded(folded) => {
            format!("folded up to entry {folded}; the next question folds the rest")
        }
        StoreState::Unusable(problem) => format!("unusable ({problem}); `ascribe rebuild` derives it anew"),
    };
    let counts = &report.counts;
    let checked = [
        ("entries", counts.entries.values().sum::<u64>()),
        ("commitments", counts.salts),
        ("erased", counts.erased),
        ("captured_bytes", counts.captured_bytes),
        ("segments", counts.segments),
        ("blocks", counts.blocks),
        ("tiles", counts.tiles),
        ("entry_bundles", counts.bundles),
        ("uncommitted", counts.entries_uncommitted),
        ("unacknowledged_bytes", counts.unacknowledged_bytes),
    ];
    let kinds: BTreeMap<_, _> = counts.entries.iter().map(|(kind, count)| (kind.name(), *count)).collect();
    let listed: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let mut rows = vec![
        ("verdict", if valid { "valid" } else { "INVALID" }.to_owned()),
        ("checkpoint", format!("{size} entries, root {root}")),
        ("entries", listed.join(", ")),
    ];
    rows.extend(checked[1..].iter().map(|(what, count)| (*what, count.to_string())));
    let witnessed = witnessed_text(verified.witnessed.as_ref());
    rows.extend(witnessed.as_ref().map(|witnessed| ("witnessed", witnessed.clone())));
    let keys = keys_words(&verified.keys);
    rows.push(("keys", keys.clone()));
    rows.push(("store", format!("{store} (derived; not part of the verdict)")));
    let (access, access_value) = access_words(&verified.access);
    rows.push(("access ledger", access));
    let mut problems: Vec<String> = report.problems.iter().map(problem_text).collect();
    if verified.keys.is_err() {
        problems.push(format!("keys: {keys}"));
    }
    let value = json!({
        "schema": "ascribe/verify/v1",
        "valid": valid,
        "size": size,
        "root": root,
        "checkpoint": report.checkpoint.as_ref().map(ascribe_ledger::SignedCheckpoint::note),
        "entries": kinds,
        "checked": checked.iter().copied().collect::<BTreeMap<_, _>>(),
        "problems": problems,
        "problems_unlisted": report.problems_unlisted,
        "keys": keys,
        "store": store,
        "witnessed": verified.witnessed.as_ref().ok().copied().flatten(),
        "access": access_value,
    });
    let mut more = problems_text("PROBLEMS", &problems);
    if let AccessState::Checked { report, .. } = &verified.access {
        let problems: Vec<String> = report.problems.iter().map(problem_text).collect();
        more.push_str(&problems_text("PROBLEMS OF THE ACCESS LEDGER", &problems));
    }
    asked.told.results(counts.entries.values().sum(), Some(size));
    asked.told.verdict(if valid { "valid" } else { "invalid" });
    print(&form(asked, &rows, &value, &more))?;
    Ok(if valid && verified.access.is_good() { Exit::Yes } else { Exit::No })
}

fn keys_words(keys: &Result<usize, ops::KeysError>) -> String {
    match keys {
        Ok(1) => "one key signs, and none before it".to_owned(),
        Ok(count) => format!("{count} keys, each of which handed over to the next"),
        Err(error) => with_causes(error),
    }
}

fn problems_text(title: &str, problems: &[String]) -> String {
    let mut text = String::new();
    if !problems.is_empty() {
        text.push_str(&format!("\n{title}\n"));
    }
    for problem in problems.iter().take(PROBLEMS_SHOWN) {
        text.push_str(&format!("  {}\n", line(problem, 600)));
    }
    if problems.len() > PROBLEMS_SHOWN {
        text.push_str(&format!("  and {} more\n", problems.len() - PROBLEMS_SHOWN));
    }
    text
}

/// How the access ledger is, as a sentence and as JSON.
fn access_words(access: &AccessState) -> (String, serde_json::Value) {
    match access {
        AccessState::Never => ("no access was ever recorded".to_owned(), serde_json::Value::Null),
        AccessState::Unusable(why) => {
            (format!("UNUSABLE: {why}"), json!({ "valid": false, "problems": [why] }))
        }
        AccessState::Checked { report, waiting } => {
            let valid = report.is_clean();
            let size = report.checkpoint.as_ref().map_or(0, ascribe_ledger::SignedCheckpoint::size);
            let root = report.checkpoint.as_ref().map(|checkpoint| checkpoint.root().to_string());
            let word = if valid { "valid" } else { "INVALID" };
            let problems: Vec<String> = report.problems.iter().map(problem_text).collect();
            let value = json!({
                "valid": valid,
                "size": size,
                "root": root,
                "checkpoint": report.checkpoint.as_ref().map(ascribe_ledger::SignedCheckpoint::note),
                "waiting": waiting,
                "problems": problems,
                "problems_unlisted": report.problems_unlisted,
            });
            (format!("{word}: {size} accesses; {waiting} not in it yet"), value)
        }
    }
}

/// `None` where no policy is configured.
fn witnessed_text(witnessed: Result<&Option<u64>, &WitnessingError>) -> Option<String> {
    match witnessed {
        Ok(witnessed) => {
            witnessed.map(|size| format!("{size} entries, by a quorum of the policy's witnesses"))
        }
        Err(error) => Some(line(&format!("unknown: {error}"), 300)),
    }
}

pub fn rebuild(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let rebuilt = ops::rebuild(asked.evidence)?;
    let mut rows = vec![("entries", rebuilt.entries.to_string())];
    rows.extend(rebuilt.digests.iter().map(|(table, digest)| (table.as_str(), digest.clone())));
    let value =
        json!({ "schema": "ascribe/rebuild/v1", "entries": rebuilt.entries, "digests": rebuilt.digests });
    print(&form(asked, &rows, &value, ""))?;
    Ok(Exit::Yes)
}

pub fn compact(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let compacted = ops::compact(asked.evidence)?;
    let left: Vec<String> = compacted
        .left
        .iter()
        .map(|(unit, unfit)| format!("entries {} to {}: {unfit}", unit.start, unit.end))
        .collect();
    let rows = [("units made", compacted.made.to_string()), ("units left", left.len().to_string())];
    let value = json!({ "schema": "ascribe/compact/v1", "made": compacted.made, "left": left });
    let more = left.iter().map(|left| format!("  {left}\n")).collect::<Vec<_>>().concat();
    print(&form(asked, &rows, &value, &more))?;
    Ok(Exit::Yes)
}

fn problem_text(problem: &ascribe_ledger::Problem) -> String {
    let mut text = problem.to_string();
    let mut cause = problem.source().and_then(Error::source);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// How a result is shown.
pub(super) struct Shown {
    output: Output,
    /// Whether the access should be recorded and could not be.
    unrecorded: bool,
}

impl From<Output> for Shown {
    fn from(output: Output) -> Self {
        Self { output, unrecorded: false }
    }
}

impl From<&Asked<'_>> for Shown {
    fn from(asked: &Asked<'_>) -> Self {
        Self { output: asked.output, unrecorded: asked.unrecorded }
    }
}

/// Rows in the form that was asked for; `more` goes behind the text for people only.
pub(super) fn form(
    shown: impl Into<Shown>,
    rows: &[(&str, String)],
    value: &serde_json::Value,
    more: &str,
) -> String {
    let Shown { output, unrecorded } = shown.into();
    let mut value = value.clone();
    if unrecorded && let Some(object) = value.as_object_mut() {
        object.insert("recorded".to_owned(), false.into());
    }
    match output {
        Output::Table => {
            let lines: Vec<String> =
                rows.iter().map(|(name, value)| format!("{name:<22}{value}\n")).collect();
            format!("{}{more}", lines.concat())
        }
        Output::Json => format!("{value:#}\n"),
        Output::Jsonl => format!("{value}\n"),
        Output::Csv => {
            let rows: Vec<Vec<String>> =
                rows.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]).collect();
            csv::table(&["name", "value"], &rows)
        }
    }
}

impl From<UpkeepError> for Failure {
    fn from(error: UpkeepError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
