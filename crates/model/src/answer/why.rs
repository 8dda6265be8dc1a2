//! Rows of `why`: who asked, who approved, and which rule was in force.

use serde::{Deserialize, Serialize};

use crate::{AuthorityBasis, AuthorityKind, Decision, EventId, Identity, KeyRef, Timestamp};

/// Rows of `why`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhyDetail {
    /// The credential, or the event's own key, that was asked about.
    pub subject: KeyRef,
    /// The event asked about, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// What was decided.
    pub decision: Decision,
    /// The acts that were decided, nearest to the subject first: the event, or the issue of the credential and of those
    /// above it.
    pub acts: Vec<WhyAct>,
}

/// One act, and why it was allowed or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyAct {
    /// Distance from the subject along its lineage.
    pub depth: u32,
    /// The event.
    pub event: EventId,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The operation in the source's words.
    pub operation: String,
    /// Who asked.
    pub asked_by: Identity,
    /// Who completed it, where that is another than whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_by: Option<Identity>,
    /// On whose behalf, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_behalf_of: Vec<Identity>,
    /// The credential that came of it, where the question is about credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<KeyRef>,
    /// Rules and approvals, strongest basis first.
    pub rules: Vec<WhyRule>,
}

/// A rule or an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyRule {
    /// What sort.
    pub kind: AuthorityKind,
    /// Its name; empty where the record names none.
    pub uid: String,
    /// What it decided.
    pub decision: Decision,
    /// Whether the record states it, it follows from the record, or the source never records it.
    pub basis: AuthorityBasis,
    /// The source's words, where they say more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who decided, for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Identity>,
    /// When it was decided, for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The event that shows it.
    pub event: EventId,
}
