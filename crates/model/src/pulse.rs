//! What the entries hold by which the ledger speaks of itself: that it is alive, that a stream fell silent, that the
//! clock jumped, and that one signing key handed over to another. `docs/formats/event.md` states their JSON.
//!
//! Words only: what is due is decided elsewhere, and so is whether a signature verifies.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A `heartbeat` entry. Those of a stream name it in their envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pulse", rename_all = "snake_case", deny_unknown_fields)]
pub enum PulseEntry {
    /// Nothing was written for a while, and whoever writes is alive.
    Beat {
        /// What the clock said.
        at: Timestamp,
        /// How long nothing had been written, in nanoseconds.
        idle_ns: u64,
        /// Streams that are expected to speak.
        expected: u64,
        /// Those of them that are silent.
        silent: u64,
    },
    /// A stream that is expected to speak has had no record received for too long.
    Silent {
        /// What the clock said.
        at: Timestamp,
        /// Time of receipt of its last record.
        from: Timestamp,
        /// Leaf of that record.
        last: u64,
        /// How long it may be silent, in nanoseconds.
        after_ns: u64,
        /// Leaf of the entry that says that the clock jumped in between: how long it was silent is not known then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jump: Option<u64>,
    },
    /// A stream that was silent speaks again.
    Spoke {
        /// What the clock said.
        at: Timestamp,
        /// Leaf of the entry that said that it is silent.
        silent: u64,
        /// Time of receipt of the last record before.
        from: Timestamp,
        /// Leaf of that record.
        last: u64,
        /// Time of receipt of the first record behind.
        until: Timestamp,
        /// Leaf of that record.
        first: u64,
    },
    /// The clock jumped. Behind this entry times of receipt may be earlier than those before it.
    Clock {
        /// What the clock said.
        at: Timestamp,
        /// What it had said at the entry before.
        before: Timestamp,
        /// Which way.
        step: ClockStep,
    },
}

/// Which way a clock jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockStep {
    /// It says less than before.
    Back,
    /// It says so much more than before that a jump is as likely as that nobody wrote for so long.
    Far,
}

/// A `key` entry: one signing key of the ledger hands over to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "key", rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyEntry {
    /// Both keys say so.
    Succession {
        /// Text of the verifier key that signed until here.
        old: String,
        /// Text of the verifier key that signs from here on.
        new: String,
        /// Leaf of this entry.
        leaf: u64,
        /// When, by the clock of whoever handed over.
        at: Timestamp,
        /// Why.
        reason: String,
        /// Whether the old key may be in other hands: its signatures count for nothing from here on.
        compromised: bool,
        /// Whether the old private key is destroyed rather than kept apart.
        destroyed: bool,
        /// Signature by the old key, in base64.
        old_signature: String,
        /// Signature by the new key, in base64.
        new_signature: String,
    },
}

impl PulseEntry {
    /// What the clock said when the entry was made.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Beat { at, .. }
            | Self::Silent { at, .. }
            | Self::Spoke { at, .. }
            | Self::Clock { at, .. } => *at,
        }
    }

    /// What it is: the word that the form has for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Beat { .. } => "beat",
            Self::Silent { .. } => "silent",
            Self::Spoke { .. } => "spoke",
            Self::Clock { .. } => "clock",
        }
    }
}

impl KeyEntry {
    /// What it is: the word that the form has for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Succession { .. } => "succession",
        }
    }
}
