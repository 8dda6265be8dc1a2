//! Rows of `session`: the bounded use of one credential, and how good the evidence of it is.

use serde::{Deserialize, Serialize};

use super::AddressUse;
use crate::{
    AuthorityBasis, AuthorityKind, Credential, Decision, EventId, Identity, KeyRef, TimeSpan, Timestamp,
};

/// Rows of `session`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionDetail {
    /// The credential.
    pub credential: Credential,
    /// Who it speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Identity>,
    /// Machines and pods that it was issued for or that its uses name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<KeyRef>,
    /// When it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Timestamp>,
    /// First and last use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<TimeSpan>,
    /// When it ended or was to end, whichever came first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Rules that its uses name, by how many of them.
    pub authorities: Vec<AuthorityUse>,
    /// From where it was used. It tells where, not who.
    pub addresses: Vec<AddressUse>,
    /// What was done, by what it was done to.
    pub resources: Vec<ResourceUse>,
    /// Resources that are not listed: the list is bounded.
    pub resources_more: u64,
    /// What it handed on.
    pub handed_on: Vec<HandedOn>,
    /// Uses on record.
    pub uses: u64,
    /// Uses that were not looked at one by one.
    pub unexamined: u64,
    /// How good the evidence is.
    pub grade: EvidenceGrade,
}

/// A rule that uses of a credential name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AuthorityUse {
    /// What sort of rule.
    pub kind: AuthorityKind,
    /// Its name; empty where the record names none.
    pub uid: String,
    /// What it decided.
    pub decision: Decision,
    /// Whether the records state it.
    pub basis: AuthorityBasis,
    /// Events that say so.
    pub events: u64,
}

/// What was done to one resource. Only what succeeded was done; the rest was attempted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceUse {
    /// The resource; absent for events that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<KeyRef>,
    /// Events that read it.
    pub read: u64,
    /// Events that created it.
    pub created: u64,
    /// Events that changed it.
    pub changed: u64,
    /// Events that deleted it.
    pub deleted: u64,
    /// Events that handed out authority over it.
    pub delegated: u64,
    /// Events that ran something in it.
    pub executed: u64,
    /// Other events that succeeded.
    pub other: u64,
    /// Events that were refused, failed, or whose outcome is not on record.
    pub attempted: u64,
    /// First and last of all these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<TimeSpan>,
    /// Some of the events, sorted.
    pub evidence: Vec<EventId>,
}

/// A credential or a foreign identity that came of the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOn {
    /// Position of the edge in the body's `edges`.
    pub edge: usize,
    /// What came of it.
    pub to: String,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Records that show a use of it.
    pub uses: u64,
}

/// How good the evidence of a session or an identity is, by five elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceGrade {
    /// Whether all five elements are proven.
    pub audit_ready: bool,
    /// The five, always in this order: identity, authority, action, time, custody.
    pub elements: Vec<Element>,
}

/// One element of the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// Which.
    pub element: ElementKind,
    /// How far it is shown.
    pub state: ElementState,
    /// What shows it, and what does not, in sentences.
    pub because: Vec<String>,
    /// The log, or the act, that would supply what is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled_by: Vec<String>,
}

/// One of the five elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementKind {
    /// Who acted.
    Identity,
    /// Why it was allowed.
    Authority,
    /// What was done to what, with which outcome.
    Action,
    /// When it began and ended.
    Time,
    /// That the records are whole and unaltered.
    Custody,
}

/// How far an element is shown, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementState {
    /// The evidence shows it.
    Proven,
    /// The evidence shows a part of it.
    Partial,
    /// The evidence shows nothing of it.
    Missing,
}
