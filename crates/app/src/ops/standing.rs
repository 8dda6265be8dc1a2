//! How far others vouch for the ledger: up to which entry witnesses cosigned it, and up to which an authority stamped it.
//!
//! It stands beside an answer: it grows with every checkpoint that is cosigned or stamped, and no verdict leans on it.

use ascribe_model::{EntryState, TimeStanding, WitnessStanding};

use super::OpenEvidence;

/// What others vouch for.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The witnesses.
    pub witnesses: WitnessStanding,
    /// The time-stamping authorities.
    pub time: TimeStanding,
}

impl Standing {
    /// What is on record at the checkpoint that the evidence was opened at.
    pub fn of(_evidence: &OpenEvidence) -> Self {
        // Neither a policy nor an authority can be configured yet.
        Self::default()
    }

    /// The strongest that vouches for an entry under the checkpoint.
    pub fn state(&self, leaf: u64) -> EntryState {
        if self.time.covers(leaf) {
            EntryState::Timestamped
        } else if self.witnesses.covers(leaf) {
            EntryState::Witnessed
        } else {
            EntryState::Committed
        }
    }
}
