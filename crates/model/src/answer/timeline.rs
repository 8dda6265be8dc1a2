//! Rows of `timeline`: what happened, in one order across all streams, and what cannot be seen.

use serde::{Deserialize, Serialize};

use crate::{EventId, Identity, JoinGrade, KeyRef, Status, Timestamp, Verb};

/// Rows of `timeline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineDetail {
    /// Whose it is.
    pub subject: KeyRef,
    /// Streams of the rows, sorted; a row names its stream by the position here.
    pub streams: Vec<String>,
    /// Rows by time; blind spots stand where they begin, and what has no time comes last.
    pub rows: Vec<TimelineRow>,
    /// How many events there are in the window, shown or not.
    pub total: u64,
    /// Whether `total` counts each event; otherwise it is the most that there can be.
    pub is_exact: bool,
    /// How many events of the subject state no time: no window can include or exclude them.
    pub undated: u64,
    /// How far the clocks of two streams are taken to differ, in nanoseconds. It rests on the operator's word.
    pub skew_ns: u64,
    /// Where to ask on: the time of the last row, where rows were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
}

/// One row of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineRow {
    /// Something happened.
    Event(Box<TimelineEvent>),
    /// Something cannot be seen.
    Blind(BlindSpot),
}

/// One event of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// The event.
    pub event: EventId,
    /// When it happened, as the record states it; absent where it states no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// How far the moment may lie from `at`, in nanoseconds, by the recording system's own clock.
    pub within_ns: u64,
    /// Whether it may have come before a row above it: the stated moments, or the clocks of their streams, do not tell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub order_is_open: bool,
    /// Position of its stream in the detail's `streams`.
    pub stream: usize,
    /// What sort of act it was.
    pub verb: Verb,
    /// The operation in the source's words.
    pub operation: String,
    /// How it ended.
    pub status: Status,
    /// Who acted.
    pub actor: Identity,
    /// With which credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<KeyRef>,
    /// On what: the first of the resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<KeyRef>,
    /// From where, as the recording system saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Why it is in this timeline.
    pub part: TimelinePart,
    /// The identifier, name or credential by which it is: the subject's, or of what came of it.
    pub of: KeyRef,
    /// Position in the body's `edges` of the edge to the credential that did it, where that came of the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<usize>,
    /// Grade of the worst edge on the way to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<JoinGrade>,
}

/// Why an event is in a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelinePart {
    /// The subject did it, or it was done to the subject, by an identifier of the subject.
    Own,
    /// It names the subject by a name that may be given again.
    ByName,
    /// A credential did it that came of the subject.
    Derived,
}

/// Something that cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlindSpot {
    /// Since when; absent where it concerns the whole window, or no moment is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when; absent where it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The stream that it concerns; absent where it concerns several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// What sort of blind spot.
    pub kind: BlindKind,
    /// What cannot be seen, in a sentence.
    pub what: String,
    /// The log, or the act, that would settle it.
    pub settled_by: String,
    /// The event that says so, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// The ledger's own entry that says so, where one does: `sha256:` and the digest of its captured bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
}

/// What sort of blind spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlindKind {
    /// Nothing proves that the streams are complete.
    Unproven,
    /// A stream holds no event in a part of the window.
    NoEvents,
    /// An input was not read to its end.
    Unfinished,
    /// Bytes that no parser could read.
    Rejects,
    /// A source that the lineage shows must exist was not delivered.
    NotDelivered,
    /// A record says that something is not recorded.
    Hint,
    /// The ledger recorded that nothing of a stream was received, though it is expected to speak. Times are of receipt.
    Silence,
}
