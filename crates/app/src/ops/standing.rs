//! How far others vouch for the ledger: up to which entry witnesses cosigned it, and up to which an authority stamped it.
//!
//! It stands beside an answer: it grows with every checkpoint that is cosigned or stamped, and no verdict leans on it.

use ascribe_model::{EntryState, TimeStanding, WitnessStanding};

use super::OpenEvidence;
use super::timestamp::timestamped;
use super::witnessing::witnessed_size;
use crate::causes::with_causes;

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
    pub fn of(evidence: &OpenEvidence) -> Self {
        let witnesses = match witnessed_size(&evidence.workspace) {
            Ok(None) => WitnessStanding::NotConfigured,
            Ok(Some(0)) => WitnessStanding::NotYet,
            // Another program may have had a larger checkpoint cosigned since the evidence was opened.
            Ok(Some(size)) => WitnessStanding::UpTo { size: size.min(evidence.reader.size()) },
            Err(error) => WitnessStanding::Unknown { why: with_causes(&error) },
        };
        Self { witnesses, time: stamped(evidence) }
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

/// Timestamps are entries, so what is stamped stays so, whatever the settings say now.
fn stamped(evidence: &OpenEvidence) -> TimeStanding {
    let found = match evidence.workspace.verifier_key() {
        Ok(key) => timestamped(&evidence.store, &evidence.reader, &key).map_err(|error| with_causes(&error)),
        Err(error) => Err(with_causes(&error)),
    };
    match found {
        Ok(Some(found)) => TimeStanding::UpTo { size: found.size, at: found.time, by: found.authority },
        Ok(None) if evidence.workspace.settings().timestamp.authorities.is_empty() => {
            TimeStanding::NotConfigured
        }
        Ok(None) => TimeStanding::NotYet,
        Err(why) => TimeStanding::Unknown { why },
    }
}

#[cfg(test)]
mod tests {
    use ascribe_model::Timestamp;

    use super::*;

    #[test]
    fn an_entry_has_the_strongest_state_that_holds() {
        let at = Timestamp::from_nanoseconds(0);
        let standing = Standing {
            witnesses: WitnessStanding::UpTo { size: 5 },
            time: TimeStanding::UpTo { size: 3, at, by: String::new() },
        };
        let states = [0, 2, 3, 4, 5].map(|leaf| standing.state(leaf));
        let expected = [
            EntryState::Timestamped,
            EntryState::Timestamped,
            EntryState::Witnessed,
            EntryState::Witnessed,
            EntryState::Committed,
        ];
        assert_eq!(states, expected);
        assert_eq!(Standing::default().state(0), EntryState::Committed);
    }
}
