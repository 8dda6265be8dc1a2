//! How the clocks of streams stand to each other: what the records show, and what is frozen.

use std::path::Path;

use ascribe_assess::skew::{PAIRS_MIN, VERSION, estimate, pairs};
use ascribe_assess::{Evidence, EvidenceError, is_credential};
use ascribe_ledger::{Draft, Kind, Ledger};
use ascribe_model::{ConfigEntry, Role, SkewFact};

use super::evidence::{OpenError, OpenEvidence};
use super::ingest::{IngestFailure, open_ledger};
use crate::clock;
use crate::workspace::Workspace;

/// Records of one credential's issue and of its first uses elsewhere that are read.
const RECORDS_MAX: usize = 64;

/// What is known of the clocks.
pub struct Clocks {
    /// What the records show now, sorted.
    pub estimated: Vec<SkewFact>,
    /// What is frozen, and what joins use therefore, sorted.
    pub frozen: Vec<SkewFact>,
    /// Those of the frozen ones that this run froze.
    pub added: Vec<SkewFact>,
}

/// The clocks cannot be told, or nothing could be frozen.
#[derive(Debug, thiserror::Error)]
pub enum SkewError {
    /// The evidence cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The evidence cannot be read.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The store cannot be read.
    #[error("cannot read the store")]
    Store(#[source] ascribe_store::ReadError),
    /// The ledger cannot be opened for writing.
    #[error(transparent)]
    Ledger(Box<IngestFailure>),
    /// The entry has no JSON form.
    #[error("the facts have no JSON form")]
    Form(#[source] serde_json::Error),
    /// The ledger cannot take the entry.
    #[error("the ledger cannot take the entry")]
    Append(#[source] ascribe_ledger::AppendError),
    /// The checkpoint cannot be signed or published.
    #[error("cannot publish a checkpoint")]
    Checkpoint(#[source] ascribe_ledger::CheckpointError),
}

/// What the records show of the clocks, beside what is frozen.
pub fn skew(root: &Path) -> Result<Clocks, SkewError> {
    let evidence = OpenEvidence::open(root)?;
    let estimated = estimated(&evidence)?;
    Ok(Clocks { estimated, frozen: evidence.clocks.facts().cloned().collect(), added: Vec::new() })
}

/// Freezes what the records show of those streams and days of which nothing is frozen yet. What is frozen stays as it
/// is: records that come later do not change it, and so no grade that rests on it.
pub fn freeze_skew(root: &Path) -> Result<Clocks, SkewError> {
    let evidence = OpenEvidence::open(root)?;
    let estimated = estimated(&evidence)?;
    let mut frozen: Vec<SkewFact> = evidence.clocks.facts().cloned().collect();
    let added: Vec<SkewFact> =
        estimated.iter().filter(|fact| !evidence.clocks.covers(fact)).cloned().collect();
    if !added.is_empty() {
        let workspace = Workspace::open(root).map_err(OpenError::from)?;
        let (mut ledger, _) =
            open_ledger(&workspace).map_err(|failure| SkewError::Ledger(Box::new(failure)))?;
        append(&mut ledger, &added)?;
        frozen.extend(added.iter().cloned());
        frozen.sort();
    }
    Ok(Clocks { estimated, frozen, added })
}

/// Estimates from every credential that is on record in two streams.
fn estimated(evidence: &OpenEvidence) -> Result<Vec<SkewFact>, SkewError> {
    let issued = evidence.store.keys_in_role(Role::Issued, is_credential).map_err(SkewError::Store)?;
    let mut found = Vec::new();
    for credential in &issued {
        let elsewhere = evidence.tally(credential, Role::Presented)?.count > 0
            || evidence.tally(credential, Role::Issued)?.count > 1;
        if !elsewhere {
            continue; // Issue and use are in one stream, by one clock.
        }
        let mut events = Vec::new();
        for role in [Role::Issued, Role::Presented] {
            events.extend(evidence.events(credential, &[role], RECORDS_MAX)?.events);
        }
        found.extend(pairs(credential, &events));
    }
    Ok(estimate(&found))
}

/// Appends one entry with the facts. A crash before the checkpoint leaves an entry that the next opening signs for; a
/// crash before the append leaves nothing.
fn append(ledger: &mut Ledger, facts: &[SkewFact]) -> Result<(), SkewError> {
    let entry = ConfigEntry::Skew { version: VERSION.to_string(), facts: facts.to_vec() };
    let captured = serde_json::to_vec(&entry).map_err(SkewError::Form)?;
    let draft = Draft {
        kind: Kind::Config,
        stream: None,
        object: None,
        span: None,
        received_at: clock::now().nanoseconds(),
        captured: &captured,
        received: None,
    };
    ledger.append(&[draft]).map_err(SkewError::Append)?;
    ledger.checkpoint().map_err(SkewError::Checkpoint)?;
    Ok(())
}

impl Clocks {
    /// How many pairs of records an estimate needs.
    pub const PAIRS_NEEDED: u64 = PAIRS_MIN;
}

impl SkewError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open(error) => error.hint(),
            Self::Ledger(failure) => failure.hint(),
            Self::Evidence(_) | Self::Store(_) | Self::Form(_) => {
                "`ascribe verify` lists everything that is damaged or missing"
            }
            Self::Append(_) | Self::Checkpoint(_) => {
                "check that the disk is not full or read-only; what was acknowledged is on disk"
            }
        }
    }
}
