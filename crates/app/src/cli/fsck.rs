//! `ascribe ledger fsck` and `ascribe ledger rebuild`: the files of an evidence folder.

use std::path::Path;

use serde_json::{Value, json};

use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::upkeep::form;
use super::{Asked, Output, csv};
use crate::ops::{self, Fault, Fsck, LedgerFilesError, Place};

/// Faults that are shown one by one; all are in the other forms.
const FAULTS_SHOWN: usize = 100;

pub fn fsck(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let fsck = ops::fsck(asked.evidence).map_err(|error| {
        let hint = error.hint();
        Failure::unusable(error, hint)
    })?;
    let faults: Vec<Value> = fsck.faults().map(|(part, fault)| value(asked.evidence, part, fault)).collect();
    let text = match asked.output {
        Output::Table => table(asked.evidence, &fsck),
        Output::Json => {
            let parts: Vec<Value> = fsck
                .parts
                .iter()
                .map(|it| {
                    let (files, faults) = (it.found.files, it.found.faults.len());
                    json!({ "part": it.part, "files": files, "faults": faults, "notes": it.found.notes })
                })
                .collect();
            let whole = json!({
                "schema": "ascribe/fsck/v1",
                "in_order": faults.is_empty(),
                "parts": parts,
                "faults": faults,
            });
            format!("{whole:#}\n")
        }
        Output::Jsonl => faults.iter().map(|fault| format!("{fault}\n")).collect::<Vec<_>>().concat(),
        Output::Csv => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let columns = ["part", "file", "kind", "offset", "leaf", "why", "mend"];
            let row = |fault: &Value| columns.iter().map(|column| text(&fault[*column])).collect();
            csv::table(&columns, &faults.iter().map(row).collect::<Vec<Vec<String>>>())
        }
    };
    print(&text)?;
    Ok(if faults.is_empty() { Exit::Yes } else { Exit::No })
}

/// The path as it is below the evidence folder, where it is.
fn shown(evidence: &Path, fault: &Fault) -> String {
    fault.file.strip_prefix(evidence).unwrap_or(&fault.file).to_string_lossy().into_owned()
}

fn value(evidence: &Path, part: &str, fault: &Fault) -> Value {
    let (offset, leaf) = match fault.place {
        Place::File => (None, None),
        Place::Offset(offset) => (Some(offset), None),
        Place::Leaf(leaf) => (None, Some(leaf)),
    };
    json!({
        "part": part,
        "file": shown(evidence, fault),
        "kind": fault.kind.word(),
        "offset": offset,
        "leaf": leaf,
        "why": fault.why,
        "mend": fault.mend,
    })
}

fn table(evidence: &Path, fsck: &Fsck) -> String {
    let mut out = String::new();
    for checked in &fsck.parts {
        let found = &checked.found;
        let state = match found.faults.len() {
            0 => "in order".to_owned(),
            1 => "1 fault".to_owned(),
            count => format!("{count} faults"),
        };
        out.push_str(&format!("{:<16}{:>8} files  {state}\n", checked.part, found.files));
        for note in &found.notes {
            out.push_str(&format!("{:<16}note: {}\n", "", line(note, 400)));
        }
    }
    let count = fsck.faults().count();
    for (number, (_, fault)) in fsck.faults().enumerate().take(FAULTS_SHOWN) {
        if number == 0 {
            out.push_str("\nFAULTS\n");
        }
        let place = match fault.place {
            Place::File => String::new(),
            Place::Offset(offset) => format!(" at offset {offset}"),
            Place::Leaf(leaf) => format!(" at leaf {leaf}"),
        };
        let file = line(&shown(evidence, fault), 300);
        out.push_str(&format!("  {}: {file}{place}\n", fault.kind.word()));
        out.push_str(&format!("      {}\n", line(&fault.why, 600)));
        out.push_str(&format!("      mend: {}\n", line(&fault.mend, 400)));
    }
    if count > FAULTS_SHOWN {
        out.push_str(&format!("  and {} more\n", count - FAULTS_SHOWN));
    }
    out.push_str(if count == 0 { "\nEvery file is there and whole, and there is no other.\n" } else { "" });
    out
}

pub fn rebuild(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let recovery = ops::rebuild_ledger(asked.evidence)?;
    let published = if recovery.publication_finished { "published again" } else { "in place" };
    let rows = [
        ("entries", recovery.durable_size.to_string()),
        ("files written", recovery.rebuilt.files.to_string()),
        ("footers written", recovery.footers_written.to_string()),
        ("checkpoint", published.to_owned()),
    ];
    let value = json!({
        "schema": "ascribe/ledger-rebuild/v1",
        "entries": recovery.durable_size,
        "files_written": recovery.rebuilt.files,
        "footers_written": recovery.footers_written,
        "checkpoint_published": recovery.publication_finished,
    });
    print(&form(asked.output, &rows, &value, ""))?;
    Ok(Exit::Yes)
}

impl From<LedgerFilesError> for Failure {
    fn from(error: LedgerFilesError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
