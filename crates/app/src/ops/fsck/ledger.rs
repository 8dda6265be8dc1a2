//! The ledger and its anchor: everything that a verification of the whole ledger looks at, and strangers beside the
//! anchor.

use std::path::Path;

use ascribe_ledger::{Cause, LedgerPaths, Problem, VerifierKey};

use super::{Check, Fault, FaultKind, Folder, Found, Place, list};
use crate::causes::with_causes;

pub(super) const CHECK: Check = Check {
    part: "ledger",
    owns: |folder| {
        let paths = folder.workspace.ledger_paths();
        [paths.ledger.clone()].into_iter().chain(paths.anchor.folder().map(Path::to_owned)).collect()
    },
    look,
};

const REBUILD: &str = "it is derived: `ascribe ledger rebuild` writes it again from the segments";
const RESTORE: &str =
    "it is ground, and nothing else holds it: put the file back from a backup (`ascribe restore`)";

fn look(folder: &Folder, found: &mut Found) {
    let paths = folder.workspace.ledger_paths();
    let key = match folder.workspace.verifier_key() {
        Ok(key) => key,
        Err(error) => {
            return found
                .notes
                .push(format!("not looked at without a verifier key: {}", with_causes(&error)));
        }
    };
    look_at(&paths, &key, found, RESTORE);
}

/// Looks at a ledger and what lies beside its anchor; `restore` says what mends ground that is lost.
pub(super) fn look_at(paths: &LedgerPaths, key: &VerifierKey, found: &mut Found, restore: &'static str) {
    let report = ascribe_ledger::verify(paths, key, &|_| {});
    let counts = &report.counts;
    found.files += counts.segments * 2 + counts.tiles + counts.bundles + 2;
    for problem in report.problems.iter().filter(|problem| !follows_from_another(problem, &report.problems)) {
        found.push(Fault {
            file: problem.path.clone(),
            place: problem.place,
            kind: kind_of(&problem.cause),
            why: why(problem),
            mend: mend(paths, problem, restore).to_owned(),
        });
    }
    if report.problems_unlisted > 0 {
        found.notes.push(format!("{} more faults are not listed", report.problems_unlisted));
    }
    if counts.entries_uncommitted > 0 {
        found.notes.push(format!(
            "{} entries are durable and in no checkpoint yet; the next ingest commits them",
            counts.entries_uncommitted
        ));
    }
    if counts.unacknowledged_bytes > 0 {
        found.notes.push(format!(
            "{} bytes at its end were never acknowledged; the next ingest cuts them off",
            counts.unacknowledged_bytes
        ));
    }
    if let Some(anchor) = paths.anchor.folder() {
        look_beside_anchor(anchor, found);
    }
}

/// Whether a problem is but a consequence of another one: entries that are missing because their segment is, and an
/// earlier form of a tile that differs from the present one because that is damaged. Mending the other mends it.
fn follows_from_another(problem: &Problem, all: &[Problem]) -> bool {
    let is_own = |other: &Problem| !matches!(other.cause, Cause::Unknown | Cause::EntriesMissing { .. });
    let mut others = all.iter().filter(|other| is_own(other));
    match (&problem.cause, problem.path.parent()) {
        (Cause::EntriesMissing { .. }, _) => {
            let is_segment = |path: &Path| path.parent().is_some_and(|folder| folder.ends_with("segment"));
            others.any(|other| is_segment(&other.path))
        }
        // `tile/0/000.p/24` beside `tile/0/000.p/37`, or before `tile/0/000`.
        (Cause::Unknown, Some(forms)) if forms.extension().is_some_and(|ending| ending == "p") => {
            let full = forms.with_extension("");
            others.any(|other| other.path.parent() == Some(forms) || other.path == full)
        }
        _ => false,
    }
}

fn look_beside_anchor(anchor: &Path, found: &mut Found) {
    // That the anchor is missing has been said.
    let Ok(paths) = list(anchor) else { return };
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !["checkpoint", "checkpoint.staged", "lock"].contains(&name) {
            let why = "is no part of an anchor".to_owned();
            found.file(&path, FaultKind::Extra, (why, "find out who put it there, then take it away"));
        }
    }
}

fn kind_of(cause: &Cause) -> FaultKind {
    match cause {
        Cause::Missing => FaultKind::Missing,
        Cause::Unknown => FaultKind::Extra,
        Cause::NotTheAnchors { .. } | Cause::Root { .. } | Cause::EntriesMissing { .. } => FaultKind::Differs,
        _ => FaultKind::Damaged,
    }
}

/// The cause and what is behind it.
fn why(problem: &Problem) -> String {
    let place = match problem.place {
        Place::File => format!("`{}` ", problem.path.display()),
        Place::Offset(offset) => format!("`{}` at offset {offset} ", problem.path.display()),
        Place::Leaf(leaf) => format!("`{}` at leaf {leaf} ", problem.path.display()),
    };
    let text = with_causes(problem);
    text.strip_prefix(&place).unwrap_or(&text).to_owned()
}

fn mend(paths: &LedgerPaths, problem: &Problem, restore: &'static str) -> &'static str {
    let is_at = |place: &Path| problem.path.starts_with(place);
    if problem.path == paths.published_checkpoint() {
        return match &problem.cause {
            Cause::Missing | Cause::NotTheAnchors { .. }
                if matches!(paths.anchor_store().read(), Ok(Some(_))) =>
            {
                "a crash leaves this, and opening the ledger publishes the anchor's: `ascribe ledger rebuild`; if that \
                 refuses, it shows both as evidence of a rollback or fork"
            }
            Cause::CheckpointRefused(_) | Cause::Damaged(_) => {
                "take it away, and `ascribe ledger rebuild` publishes the anchor's again"
            }
            _ => "the ledger is not the one that was signed: restore it from a backup (`ascribe restore`)",
        };
    }
    match &problem.cause {
        Cause::Unknown => "nothing needs it: find out who put it there, then take it away",
        _ if paths.anchor.folder().is_some_and(is_at) => {
            "put it back from where it is kept; if it is lost, compare `ledger/checkpoint` with one that a witness or \
             auditor kept, and copy that there"
        }
        _ if is_at(&paths.ledger.join("tile")) => REBUILD,
        _ => restore,
    }
}
