//! Rows of `lifecycle`: what happened to one credential, from its issue to its end and beyond.

use serde::{Deserialize, Serialize};

use crate::{Credential, EventId, Identity, TimeSpan, Timestamp};

/// Rows of `lifecycle`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LifecycleDetail {
    /// The credential.
    pub credential: Credential,
    /// Who it speaks for, as its issue or else its first use names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Identity>,
    /// What happened to it, by time; what is undated comes last.
    pub steps: Vec<LifecycleStep>,
    /// Its uses.
    pub uses: UseCounts,
    /// Its declared end: the latest that a record declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The time after its first end for which the streams in scope are not proven complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<TimeSpan>,
}

/// One thing that happened to a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleStep {
    /// What happened.
    pub mark: LifecycleMark,
    /// When, as the record states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// How far the moment may lie from `at`, in nanoseconds, by the recording system's own clock.
    #[serde(default)]
    pub within_ns: u64,
    /// The record that shows it; absent for a declared end, which `declared_by` shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// The record that declares the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_by: Option<EventId>,
    /// The stream that recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Identity>,
    /// What was done, in the source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Which credentials were meant, where the record names a set and not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The end that the record declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// What happened to a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleMark {
    /// It came into being.
    Issued,
    /// Its life was made longer.
    Renewed,
    /// It was replaced by another.
    Rotated,
    /// What it may do was changed.
    Scoped,
    /// It was switched on again.
    Enabled,
    /// It was used for the first time on record.
    FirstUse,
    /// It was used for the last time on record.
    LastUse,
    /// It was switched off.
    Disabled,
    /// It was ended for good.
    Revoked,
    /// It was ended, provided that it is one of the set that the record describes.
    MayBeRevoked,
    /// Its declared end.
    Expired,
    /// It was used, so close to an end that the clocks do not tell which came first.
    UseAtEnd,
    /// It was used with success after an end.
    UseAfterEnd,
    /// It was used after an end, and the record does not say whether it was accepted.
    OpenAfterEnd,
    /// Its use was refused after an end.
    RefusedAfterEnd,
}

/// Uses of one credential, by where they stand to its ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseCounts {
    /// Uses on record.
    pub total: u64,
    /// First and last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<TimeSpan>,
    /// Uses that were not looked at one by one.
    pub unexamined: u64,
    /// Uses without a time, which stand on neither side of an end.
    pub undated: u64,
    /// Uses so close to an end that the clocks do not tell which came first, or after an end that may not have been
    /// this credential's.
    pub at_end: u64,
    /// Successful uses after an end.
    pub after_end: u64,
    /// Uses after an end of which the record does not say whether the credential was accepted.
    pub open_after_end: u64,
    /// Uses after an end that were refused.
    pub refused_after_end: u64,
}

impl LifecycleMark {
    /// What happened, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Renewed => "renewed",
            Self::Rotated => "rotated",
            Self::Scoped => "scope changed",
            Self::Enabled => "enabled",
            Self::FirstUse => "first use",
            Self::LastUse => "last use",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
            Self::MayBeRevoked => "may be revoked",
            Self::Expired => "declared end",
            Self::UseAtEnd => "used at the end",
            Self::UseAfterEnd => "used after end",
            Self::OpenAfterEnd => "open after end",
            Self::RefusedAfterEnd => "refused after end",
        }
    }
}
