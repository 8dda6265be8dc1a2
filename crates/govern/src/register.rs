//! The decisions on record, folded in the order of the ledger: holds that are open, disposals and who approved them.
//!
//! Whether a signature is good is for others: an approval comes here once it was checked. A decision that contradicts an
//! earlier one is refused, never dropped.

use std::collections::{BTreeMap, BTreeSet};

use ascribe_model::{DecisionEntry, Disposal, HoldScope, Timestamp};

/// A hold that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Leaf of its entry.
    pub leaf: u64,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Name of the case.
    pub case: String,
    /// Why.
    pub reason: String,
    /// Who answers for the case.
    pub owner: String,
    /// What it covers.
    pub scope: HoldScope,
}

/// A disposal and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisposalState {
    /// Leaf of its entry.
    pub leaf: u64,
    /// When it was proposed.
    pub proposed_at: Timestamp,
    /// What is proposed.
    pub disposal: Disposal,
    /// Who approved it, in order.
    pub approvers: BTreeSet<String>,
    /// What became of it.
    pub status: DisposalStatus,
}

/// What became of a disposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisposalStatus {
    /// It waits, for approvals or to be carried out.
    Open,
    /// It was carried out, by the tombstone at this leaf.
    Done {
        /// Leaf of the tombstone.
        tombstone: u64,
    },
    /// It was called off.
    Withdrawn,
}

/// Whether enough people approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approvals {
    /// Enough.
    Enough,
    /// So many more are needed.
    Missing(u32),
}

/// Every decision on record.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// Holds that are open, by leaf.
    pub holds: BTreeMap<u64, Hold>,
    /// Disposals, by leaf.
    pub disposals: BTreeMap<u64, DisposalState>,
}

/// A decision does not fit those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There is no open hold of this case.
    #[error("there is no open hold of case `{case}`")]
    NoHold {
        /// Name of the case.
        case: String,
    },
    /// There is no such disposal.
    #[error("there is no disposal at leaf {leaf}")]
    NoDisposal {
        /// The leaf.
        leaf: u64,
    },
    /// The disposal is over.
    #[error("the disposal at leaf {leaf} was carried out or called off")]
    Over {
        /// The leaf.
        leaf: u64,
    },
    /// Somebody approves twice.
    #[error("`{approver}` approved the disposal at leaf {leaf} already")]
    Twice {
        /// The leaf.
        leaf: u64,
        /// Who.
        approver: String,
    },
}

impl Register {
    /// Takes the next decision in.
    pub fn apply(&mut self, leaf: u64, at: Timestamp, decision: DecisionEntry) -> Result<(), RegisterError> {
        match decision {
            DecisionEntry::Hold { case, reason, owner, scope, .. } => {
                self.holds.insert(leaf, Hold { leaf, placed_at: at, case, reason, owner, scope });
            }
            DecisionEntry::Release { case, .. } => {
                let before = self.holds.len();
                self.holds.retain(|_, hold| hold.case != case);
                if self.holds.len() == before {
                    return Err(RegisterError::NoHold { case });
                }
            }
            DecisionEntry::Disposal(disposal) => {
                let (approvers, status) = (BTreeSet::new(), DisposalStatus::Open);
                let state = DisposalState { leaf, proposed_at: at, disposal, approvers, status };
                self.disposals.insert(leaf, state);
            }
            DecisionEntry::Approval { disposal, approver, .. } => {
                let open = self.open(disposal)?;
                if !open.approvers.insert(approver.clone()) {
                    return Err(RegisterError::Twice { leaf: disposal, approver });
                }
            }
            DecisionEntry::Withdrawal { disposal, .. } => {
                self.open(disposal)?.status = DisposalStatus::Withdrawn;
            }
        }
        Ok(())
    }

    /// The tombstone at `tombstone` says that it carries the disposal at `disposal` out.
    pub fn carried_out(&mut self, disposal: u64, tombstone: u64) -> Result<(), RegisterError> {
        self.open(disposal)?.status = DisposalStatus::Done { tombstone };
        Ok(())
    }

    /// The holds that cover an entry.
    pub fn holds_on<'r>(&'r self, entry: &'r crate::HeldEntry<'_>) -> impl Iterator<Item = &'r Hold> {
        self.holds.values().filter(|hold| crate::covers(&hold.scope, entry))
    }

    /// A disposal that waits.
    pub fn waiting(&self, leaf: u64) -> Result<&DisposalState, RegisterError> {
        let state = self.disposals.get(&leaf).ok_or(RegisterError::NoDisposal { leaf })?;
        if state.status == DisposalStatus::Open { Ok(state) } else { Err(RegisterError::Over { leaf }) }
    }

    fn open(&mut self, leaf: u64) -> Result<&mut DisposalState, RegisterError> {
        self.waiting(leaf)?;
        self.disposals.get_mut(&leaf).ok_or(RegisterError::NoDisposal { leaf })
    }
}

impl DisposalState {
    /// Whether enough people approved it.
    pub fn approvals(&self) -> Approvals {
        let given = u32::try_from(self.approvers.len()).unwrap_or(u32::MAX);
        match self.disposal.approvals.saturating_sub(given) {
            0 => Approvals::Enough,
            missing => Approvals::Missing(missing),
        }
    }
}
