//! Decisions that people take about the evidence. Each is an entry of the ledger of kind `decision`, as JSON.
//! `docs/retention.md` says what they mean.

use serde::{Deserialize, Serialize};

use crate::{AccessBy, Timestamp};

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case", deny_unknown_fields)]
pub enum DecisionEntry {
    /// Nothing within the scope may be erased while the case is open.
    Hold {
        /// Name of the case; a hold ends by it.
        case: String,
        /// Why.
        reason: String,
        /// Who answers for the case.
        owner: String,
        /// What is held.
        scope: HoldScope,
        /// Who placed it.
        by: AccessBy,
    },
    /// The holds of a case end.
    Release {
        /// Name of the case.
        case: String,
        /// Why.
        reason: String,
        /// Who ended them.
        by: AccessBy,
    },
    /// Entries are proposed for erasure. Nothing is erased by that.
    Disposal(Disposal),
    /// Somebody approves a disposal.
    Approval {
        /// Leaf of the disposal's entry.
        disposal: u64,
        /// Name of who approves: of the key that signed, or the user.
        approver: String,
        /// A signed note (C2SP signed-note) over the statement of approval, where the policy lists keys of approvers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Who handed it in.
        by: AccessBy,
    },
    /// A disposal is called off.
    Withdrawal {
        /// Leaf of the disposal's entry.
        disposal: u64,
        /// Why.
        reason: String,
        /// Who called it off.
        by: AccessBy,
    },
}

/// What a hold covers: every condition that is given has to fit, and within a list one is enough. None is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldScope {
    /// Sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Names of identities, or values of keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Events from this moment on; those without a time count as within.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Events up to this moment; those without a time count as within.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Entries that are proposed for erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disposal {
    /// The rule that asks for it; absent for a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, for a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Version of the retention policy: `sha256:` and the digest of its file.
    pub policy: String,
    /// Different approvers that it needs.
    pub approvals: u32,
    /// Verifier keys of those who may approve; empty where users of the machine approve by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Ranges of leaves: first, and the one behind the last.
    pub leaves: Vec<(u64, u64)>,
    /// Records and rejects in them.
    pub entries: u64,
    /// Who proposed it.
    pub by: AccessBy,
}
