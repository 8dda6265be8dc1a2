//! How the clocks of streams stand to each other: what the records show, and what is frozen.

use std::path::Path;

use ascribe_assess::skew::{PAIRS_MIN, VERSION, estimate, pairs};
use ascribe_assess::{Evidence, EvidenceError, is_credential};
use ascribe_ledger::Kind;
use ascribe_model::{ConfigEntry, Role, SkewFact, Timestamp};

use super::configured::{ConfiguredError, open_recording};
use super::evidence::{OpenError, OpenEvidence};
use super::writing::WriteFailure;
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
    /// What is configured cannot be recorded.
    #[error(transparent)]
    Configured(#[from] ConfiguredError),
    /// The ledger cannot be written.
    #[error(transparent)]
    Write(#[from] WriteFailure),
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
        append(root, &added, clock::now())?;
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
fn append(root: &Path, facts: &[SkewFact], now: Timestamp) -> Result<(), SkewError> {
    let mut writing = open_recording(Workspace::open(root).map_err(OpenError::from)?, now)?;
    let entry = ConfigEntry::Skew { version: VERSION.to_string(), facts: facts.to_vec() };
    writing.add(Kind::Config, &entry, now)?;
    writing.commit()?;
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
            Self::Configured(error) => error.hint(),
            Self::Write(failure) => failure.hint(),
            Self::Evidence(_) | Self::Store(_) => {
                "`ascribe verify` lists everything that is damaged or missing"
            }
        }
    }
}
