//! What the access ledger tells: who asked what, and whether it is whole.

use std::fs::File;
use std::path::Path;

use ascribe_ledger::{Kind, Report};
use ascribe_model::{AccessEnd, AccessRecord, AccessUser, Timestamp};

use crate::access::{AccessLedgerError, AccessPlace, DrainError, Drained, drain, waiting};
use crate::causes::with_causes;
use crate::clock;
use crate::workspace::{Workspace, WorkspaceError, patiently};

/// Of the accesses, which are asked for.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// Not asked before this.
    pub since: Option<Timestamp>,
    /// Not asked after this.
    pub until: Option<Timestamp>,
    /// By this user only: a name, or a number.
    pub who: Option<&'a str>,
    /// This command only.
    pub verb: Option<&'a str>,
    /// Most accesses that are listed, the newest first.
    pub limit: usize,
}

/// Accesses as the access ledger has them.
#[derive(Debug, Default)]
pub struct Accesses {
    /// The access ledger's signed checkpoint; empty where there is none yet.
    pub checkpoint: String,
    /// Entries under it.
    pub size: u64,
    /// When the first of them was asked.
    pub since: Option<Timestamp>,
    /// Those that were asked for, each with its leaf, the newest first.
    pub found: Vec<(u64, AccessRecord)>,
    /// Whether there are more than the limit.
    pub has_more: bool,
    /// Entries among those that were looked at that hold bytes of the spool which are no access.
    pub unread: u64,
    /// Accesses that are not in the access ledger yet.
    pub waiting: u64,
}

/// How the access ledger is.
#[derive(Debug)]
pub enum AccessState {
    /// No access was ever recorded here.
    Never,
    /// It was checked.
    Checked {
        /// What was checked, and every problem.
        report: Box<Report>,
        /// Accesses that are not in it yet.
        waiting: u64,
    },
    /// It cannot be checked.
    Unusable(String),
}

/// Accesses cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The access ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] AccessLedgerError),
    /// What waits in the spool cannot be taken in.
    #[error(transparent)]
    Drain(#[from] DrainError),
    /// The spool cannot be read.
    #[error("cannot read the folder of accesses that are not in the ledger yet")]
    Spool(#[source] std::io::Error),
}

/// Lists accesses, the newest first. What waits in the spool is taken in before, where this user may.
pub fn accesses(root: &Path, request: &AccessRequest<'_>) -> Result<Accesses, AccessError> {
    let place = Workspace::open(root)?.access();
    let attempt = || drain(&place, None, clock::now());
    match patiently(attempt, |outcome| !matches!(outcome, Ok(Drained::Busy))) {
        Err(error) if !error.is_about_rights() => return Err(error.into()),
        _ => {}
    }
    let mut accesses = Accesses { waiting: count_waiting(&place)?, ..Accesses::default() };
    if !place.exists() {
        return Ok(accesses);
    }
    let reader = place.reader()?;
    reader.checkpoint().note().clone_into(&mut accesses.checkpoint);
    accesses.size = reader.size();
    let read = |leaf| -> Result<_, AccessLedgerError> {
        // Only what the signed checkpoint covers is shown.
        let entry = reader.proven_entry(leaf)?;
        let record = match entry.envelope().kind {
            Kind::Record => {
                entry.captured().and_then(|captured| serde_json::from_slice::<AccessRecord>(captured).ok())
            }
            _ => None,
        };
        Ok((entry.envelope().received_at, record))
    };
    for leaf in (0..reader.size()).rev() {
        let (received_at, record) = read(leaf)?;
        // No entry is received before what it holds was asked, nor before an entry in front of it.
        if request.since.is_some_and(|since| received_at < since.nanoseconds()) {
            break;
        }
        match record {
            Some(record) if request.wants(&record) => {
                accesses.has_more = accesses.found.len() >= request.limit;
                if accesses.has_more {
                    break;
                }
                accesses.found.push((leaf, record));
            }
            Some(_) => {}
            None => accesses.unread += 1,
        }
    }
    if reader.size() > 0 {
        accesses.since = read(0)?.1.map(|record| record.asked.at);
    }
    Ok(accesses)
}

/// Checks the whole access ledger again. Nobody takes anything in meanwhile, where this user may hold them off.
pub fn check_access(workspace: &Workspace) -> AccessState {
    let place = workspace.access();
    if !place.exists() {
        return AccessState::Never;
    }
    let _held = hold(&place);
    let checked = || -> Result<AccessState, AccessError> {
        let report = ascribe_ledger::verify(&place.ledger_paths(), &place.verifier_key()?, &|_| {});
        Ok(AccessState::Checked { report: Box::new(report), waiting: count_waiting(&place)? })
    };
    checked().unwrap_or_else(|error| AccessState::Unusable(with_causes(&error)))
}

/// Keeps others from taking the spool in, where this user may; they wait for no longer than a check takes.
pub(super) fn hold(place: &AccessPlace) -> Option<File> {
    patiently(|| place.hold(), Option::is_some)
}

/// Accesses that no running program has in hand and that are not in the ledger.
pub(super) fn count_waiting(place: &AccessPlace) -> Result<u64, AccessError> {
    Ok(waiting(place).map_err(AccessError::Spool)?.len() as u64)
}

impl AccessRequest<'_> {
    fn wants(&self, record: &AccessRecord) -> bool {
        let asked = &record.asked;
        let is = |user: &AccessUser, who: &str| {
            user.name.as_deref() == Some(who) || who.parse().is_ok_and(|uid: u32| uid == user.uid)
        };
        self.since.is_none_or(|since| asked.at >= since)
            && self.until.is_none_or(|until| asked.at <= until)
            && self.verb.is_none_or(|verb| asked.verb == verb)
            && self.who.is_none_or(|who| {
                is(&asked.by.user, who) || asked.by.login.as_ref().is_some_and(|login| is(login, who))
            })
    }
}

impl AccessState {
    /// Whether nothing speaks against it.
    pub fn is_good(&self) -> bool {
        match self {
            Self::Never => true,
            Self::Checked { report, .. } => report.is_clean(),
            Self::Unusable(_) => false,
        }
    }
}

impl AccessError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::Ledger(error) => error.hint(),
            Self::Drain(error) => error.hint(),
            Self::Spool(_) => "check who owns the folder `access`",
        }
    }
}

/// How an access ended, in few words: the verdict, or what stands for one.
pub fn ending_words(end: &AccessEnd) -> String {
    match end {
        AccessEnd::Interrupted => "interrupted".to_owned(),
        AccessEnd::Ended(outcome) => match (&outcome.verdict, &outcome.error, outcome.exit) {
            (Some(verdict), _, _) => verdict.clone(),
            (None, Some(error), _) => format!("failed: {error}"),
            (None, None, 0) => "done".to_owned(),
            (None, None, exit) => format!("ended with {exit}"),
        },
    }
}
