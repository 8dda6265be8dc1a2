//! An answer is a value: every question returns one [`Answer`], and every surface renders that same value.
//!
//! The [`Body`] holds content ids only, so that equal evidence gives an equal body whatever the order of arrival.
//! Checkpoint, leaf numbers and entry states are [`ProofSide`], beside it. The JSON form is frozen by
//! `docs/formats/answer.schema.json`.

mod identity;
mod lifecycle;
mod session;
mod timeline;
mod why;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use identity::{CredentialUse, IdentityDetail, IdentityName, LookAlike};
pub use lifecycle::{LifecycleDetail, LifecycleMark, LifecycleStep, UseCounts};
pub use session::{
    AuthorityUse, Element, ElementKind, ElementState, EvidenceGrade, HandedOn, ResourceUse, SessionDetail,
};
pub use timeline::{BlindKind, BlindSpot, TimelineDetail, TimelineEvent, TimelinePart, TimelineRow};
pub use why::{WhyAct, WhyDetail, WhyRule};

use crate::{Edge, Event, EventId, Identity, JoinGrade, KeyRef, SourceRef, Timestamp};

/// What a question returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Always [`Answer::SCHEMA`].
    pub schema: String,
    /// What is answered. Equal evidence gives an equal body.
    pub body: Body,
    /// How the ledger vouches for the evidence.
    pub proof: ProofSide,
    /// What the operator asserts of identities and networks that the body names. No evidence shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asserted: Option<Asserted>,
}

/// The content of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// What was asked.
    pub question: Question,
    /// How far the evidence goes.
    pub verdict: Verdict,
    /// The answer in one sentence.
    pub statement: String,
    /// Grade of the worst edge that the answer rests on; absent where it rests on none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<JoinGrade>,
    /// What is claimed, each with its premises and evidence.
    pub claims: Vec<Claim>,
    /// Joins that the claims cite by position.
    pub edges: Vec<Edge>,
    /// What is missing, and which log would settle it.
    pub gaps: Vec<Gap>,
    /// What was searched.
    pub scope: Scope,
    /// The rows of the answer.
    pub details: Details,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The command, such as `who`.
    pub verb: String,
    /// What it was asked about, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Options that change the answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// How far the evidence goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// The evidence shows it.
    Proven,
    /// The evidence shows it within a bound.
    Bounded {
        /// The bound, in a sentence.
        bound: String,
    },
    /// The evidence does not decide it.
    Undecided {
        /// What would decide it.
        decided_by: Vec<String>,
    },
    /// The evidence shows the contrary, or contradicts itself.
    Contradicted {
        /// What contradicts it.
        by: String,
    },
}

/// One thing that an answer claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The claim in one sentence.
    pub statement: String,
    /// What has to hold for it. The claim is as strong as the weakest.
    pub premises: Vec<Premise>,
    /// Events that show it, sorted.
    pub events: Vec<EventId>,
    /// Positions in [`Body::edges`] that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<usize>,
}

/// Something that has to hold for a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Premise {
    /// The premise in one sentence.
    pub statement: String,
    /// What it rests on.
    pub basis: Basis,
}

/// What a premise rests on, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Anybody who holds the cited records can derive it again.
    Rederivable,
    /// The completeness index of the ledger proves it.
    ProvenByIndex,
    /// It rests on the operator's word, such as that a search saw every entry.
    Asserted,
    /// Nothing supports it, or something speaks against it.
    Unmet,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// What is missing, in a sentence.
    pub missing: String,
    /// The log, or the act, that would settle it.
    pub settled_by: String,
}

/// What was searched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Streams that the ledger holds, sorted: `source scope [partition]`.
    pub streams: Vec<String>,
    /// Events searched.
    pub events: u64,
    /// First and last event time in the scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<TimeSpan>,
    /// Events without a readable time: no window can include or exclude them.
    pub undated: u64,
    /// Pieces of input that no parser could read.
    pub rejects: u64,
}

/// A closed interval of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSpan {
    /// Its start.
    pub first: Timestamp,
    /// Its end.
    pub last: Timestamp,
}

impl TimeSpan {
    /// A moment.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        Self { first: moment, last: moment }
    }

    /// The shortest span that holds both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// The rows of an answer, by question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Details {
    /// Nothing in the ledger has the name that was asked about.
    Nothing {
        /// Names that come close.
        suggestions: Vec<KeyRef>,
    },
    /// Rows of `who`.
    Who(Box<WhoDetail>),
    /// Rows of `chain`.
    Chain(Box<ChainDetail>),
    /// Rows of `timeline`.
    Timeline(Box<TimelineDetail>),
    /// Rows of `session`.
    Session(Box<SessionDetail>),
    /// Rows of `why`.
    Why(Box<WhyDetail>),
    /// Rows of `lifecycle`.
    Lifecycle(Box<LifecycleDetail>),
    /// Rows of `show`.
    Show(Box<ShowDetail>),
    /// Rows of `sources`.
    Sources(Box<SourcesDetail>),
    /// Rows of `redactions`.
    Redactions(Box<RedactionsDetail>),
}

/// Rows of `who`: which identity held a credential, or acted in an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhoDetail {
    /// The credential, identity or event asked about.
    pub subject: KeyRef,
    /// The event asked about, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// How the act or the use divides over identities: `sole`, `shared`, `ambiguous` or `unattributed`.
    pub attribution: String,
    /// Identities that held it, with the evidence for each.
    pub holders: Vec<Holder>,
    /// Addresses from which the recording systems saw it used. They tell where, not who.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressUse>,
    /// Where the credential came from, back to who started it.
    pub origin: Vec<ChainHop>,
    /// The holders under all their names, each identity once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<IdentityDetail>,
}

/// An identity that held a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who.
    pub identity: Identity,
    /// Why it is known: `issued to`, `used as` or `acted as`.
    pub binding: String,
    /// How many events show it.
    pub events: u64,
    /// First and last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<TimeSpan>,
    /// Some of them, sorted; all where `events` is not larger.
    pub evidence: Vec<EventId>,
}

/// Uses from one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressUse {
    /// The address, or the name of a service that stands in its place.
    pub address: String,
    /// How many events.
    pub events: u64,
    /// First and last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<TimeSpan>,
}

/// Rows of `chain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainDetail {
    /// Where the walk started.
    pub start: KeyRef,
    /// `back` to who started it, or `forward` to all that came of it.
    pub direction: String,
    /// The hops, nearest to the start first; `depth` gives the shape.
    pub hops: Vec<ChainHop>,
    /// Set where the walk stopped at a limit, with the limit's sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<String>,
}

/// One hop of a lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHop {
    /// Distance from the start, 1 for its neighbours.
    pub depth: u32,
    /// Position of the edge in [`Body::edges`].
    pub edge: usize,
    /// Who acted in the event that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Identity>,
    /// When it happened, where one event shows it and states a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What happened, in the source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Declared end of the credential on the far side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Records that show a use of the credential on the far side; a request that is recorded twice counts twice.
    #[serde(default)]
    pub uses: u64,
    /// First and last of those uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<TimeSpan>,
}

/// Rows of `show`: one event, its record as captured, and its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShowDetail {
    /// The event, parsed again from the captured record.
    pub event: Event,
    /// The captured record. Bytes that are not UTF-8 are shown as U+FFFD; `record_base64` then has them exactly.
    pub record: String,
    /// The captured record in base64, where `record` cannot show it exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_base64: Option<String>,
    /// What was cut out before anything was stored.
    pub withheld: Vec<Withheld>,
    /// How often the same event was delivered.
    pub sightings: u64,
}

/// A value that was cut out of a record before it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// The rule that asked for it.
    pub rule: String,
    /// Where its placeholder starts in the captured record, in bytes.
    pub offset: u64,
}

/// Rows of `sources`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcesDetail {
    /// Streams, sorted.
    pub streams: Vec<StreamSummary>,
    /// Rejects by reason, sorted.
    pub rejects: Vec<RejectTally>,
    /// Input files and deliveries.
    pub objects: u64,
    /// Objects whose reading did not reach their end.
    pub objects_unfinished: u64,
}

/// Rows of `redactions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedactionsDetail {
    /// What was withheld, sorted by rule.
    pub rules: Vec<WithheldRule>,
}

/// What one rule withheld from one source, in one way, under one capture policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithheldRule {
    /// The rule.
    pub rule: String,
    /// Id of the source; empty for bytes that no source could read.
    pub source: String,
    /// `drop`, `hash` or `seal`.
    pub method: String,
    /// Version of the capture policy in force; absent where there was none. Rules for secrets do not depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Values withheld.
    pub values: u64,
    /// Entries of the ledger that they were withheld from.
    pub entries: u64,
    /// Time of the first event that they were withheld from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// Time of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// Some of the events.
    pub examples: Vec<EventId>,
}

/// What one stream holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamSummary {
    /// Id of the source.
    pub source: String,
    /// Native scope: the account, the cluster.
    pub scope: String,
    /// Part that is delivered apart, such as a region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Events, each counted once.
    pub events: u64,
    /// Further deliveries of events already counted.
    pub duplicates: u64,
    /// Events without a readable time.
    pub undated: u64,
    /// First event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// Last event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// What is known of its completeness: `unknown` until a source's own proof was checked.
    pub coverage: String,
}

/// Rejects of one reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RejectTally {
    /// Stable code of the reason.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// What the operator asserts of what an answer names. Kept apart from the body: equal evidence gives an equal body,
/// whatever anybody asserts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asserted {
    /// Version of the files that say so: `sha256:` and a digest.
    pub version: String,
    /// Whether the ledger has recorded this version; a version newer than the last ingest is not in it.
    pub recorded: bool,
    /// Identities, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<AssertedIdentity>,
    /// Networks of the addresses, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<AssertedNetwork>,
}

/// What the operator asserts of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertedIdentity {
    /// The identity, as the body names it.
    pub identity: KeyRef,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where it belongs, such as `production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How much depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criticality: Option<String>,
}

/// The operator's name of the network that an address is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertedNetwork {
    /// The address, as the body names it.
    pub address: String,
    /// The network's name.
    pub name: String,
}

/// How the ledger vouches for an answer's evidence. Kept apart from the body: it changes with every checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofSide {
    /// The signed checkpoint that the answer was computed at, as a C2SP signed note.
    pub checkpoint: String,
    /// Number of entries under it.
    pub size: u64,
    /// Where the cited events lie in the ledger, sorted by event.
    pub evidence: Vec<EvidenceRef>,
    /// Up to where witnesses cosigned the ledger; absent where no policy asks for any.
    #[serde(default, skip_serializing_if = "WitnessStanding::is_not_configured")]
    pub witnesses: WitnessStanding,
    /// Up to where an authority stamped the ledger; absent where none is configured and none ever did.
    #[serde(default, skip_serializing_if = "TimeStanding::is_not_configured")]
    pub time: TimeStanding,
    /// Where cited entries lie that are no events, sorted by leaf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryRef>,
    /// When each stream was last heard of, in the answer to `sources`; sorted by stream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamPulse>,
}

/// Up to where witnesses cosigned the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum WitnessStanding {
    /// No policy asks for witnesses.
    #[default]
    NotConfigured,
    /// No checkpoint has the cosignatures that the policy asks for.
    NotYet,
    /// A checkpoint has them.
    UpTo {
        /// Entries under the largest such checkpoint.
        size: u64,
    },
    /// That cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// Up to where a time-stamping authority stamped the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum TimeStanding {
    /// No authority is configured, and the ledger holds no timestamp.
    #[default]
    NotConfigured,
    /// No checkpoint has a timestamp that holds.
    NotYet,
    /// A checkpoint has one.
    UpTo {
        /// Entries under the largest such checkpoint: each was there at that time.
        size: u64,
        /// When, by the authority's clock.
        at: Timestamp,
        /// The authority.
        by: String,
    },
    /// That cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// Where a cited entry lies in the ledger that is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRef {
    /// `sha256:` and the digest of its captured bytes, as the body cites it.
    pub entry: String,
    /// Its leaf.
    pub leaf: u64,
    /// What vouches for it.
    pub state: EntryState,
}

/// When a stream was last heard of, by the ledger's own entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPulse {
    /// `source scope [partition]`.
    pub stream: String,
    /// Time of receipt of its last record.
    pub last_received: Timestamp,
    /// Leaf of that record.
    pub leaf: u64,
    /// How long the settings let it be silent, in nanoseconds; absent where it is not expected to speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after_ns: Option<u64>,
    /// Since when it is silent, where an entry says so and none that it speaks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Timestamp>,
    /// Silences that ended.
    #[serde(default)]
    pub silences: u64,
    /// Its coverage as far as signs of life show it: `consistent` where it is expected to speak and is not silent, `gap`
    /// where it is silent, `unknown` where nobody said how often it should speak. Never `proven`: they are samples.
    pub coverage: String,
}

/// Where a cited event lies in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRef {
    /// The event.
    pub event: EventId,
    /// The leaf of its first sighting.
    pub leaf: u64,
    /// What vouches for the entry.
    pub state: EntryState,
    /// The ledger entry itself, the envelope that the proof leads to, in base64; where the question asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    /// C2SP tlog-proof of the entry, where the question asks for it. Its `extra` line is the salt of the commitment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
}

/// What vouches for an entry, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// On disk, in no checkpoint yet.
    Durable,
    /// In a signed checkpoint.
    Committed,
    /// In a checkpoint that witnesses signed.
    Witnessed,
    /// In a checkpoint that a time-stamping authority signed.
    Timestamped,
}

impl Answer {
    /// Name and version of the JSON form.
    pub const SCHEMA: &'static str = "ascribe/answer/v1";
}

impl ProofSide {
    /// Whether somebody else than the ledger's own key is said to vouch for something. In a bundle nobody could check it.
    pub fn leans_on_others(&self) -> bool {
        !self.witnesses.is_not_configured()
            || !self.time.is_not_configured()
            || self.evidence.iter().any(|found| found.state > EntryState::Committed)
    }

    /// The same, with what the ledger's own key vouches for alone.
    #[must_use]
    pub fn of_the_ledger_alone(mut self) -> Self {
        self.witnesses = WitnessStanding::NotConfigured;
        self.time = TimeStanding::NotConfigured;
        for found in &mut self.evidence {
            found.state = found.state.min(EntryState::Committed);
        }
        self
    }
}

impl WitnessStanding {
    /// Whether no policy asks for witnesses.
    pub fn is_not_configured(&self) -> bool {
        *self == Self::NotConfigured
    }

    /// Whether witnesses vouch for an entry.
    pub fn covers(&self, leaf: u64) -> bool {
        matches!(self, Self::UpTo { size } if leaf < *size)
    }
}

impl TimeStanding {
    /// Whether no authority is configured.
    pub fn is_not_configured(&self) -> bool {
        *self == Self::NotConfigured
    }

    /// Whether an authority's timestamp covers an entry.
    pub fn covers(&self, leaf: u64) -> bool {
        matches!(self, Self::UpTo { size, .. } if leaf < *size)
    }
}

impl StreamSummary {
    /// A stream of which nothing was counted yet, and whose completeness nothing proves.
    #[must_use]
    pub fn empty(stream: &SourceRef) -> Self {
        Self {
            source: stream.kind.clone(),
            scope: stream.scope.clone(),
            partition: stream.partition.clone(),
            events: 0,
            duplicates: 0,
            undated: 0,
            first: None,
            last: None,
            coverage: "unknown".to_owned(),
        }
    }

    /// Whether the source's own continuity proof shows that nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.coverage == "proven"
    }

    /// Which stream it is.
    pub fn stream(&self) -> SourceRef {
        SourceRef { kind: self.source.clone(), scope: self.scope.clone(), partition: self.partition.clone() }
    }
}

impl Verdict {
    /// The verdict in one word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Bounded { .. } => "bounded",
            Self::Undecided { .. } => "undecided",
            Self::Contradicted { .. } => "contradicted",
        }
    }
}
