//! **What do we talk about?** The words of Ascribe, as types.
//!
//! An [`Event`] is the normalised meaning of one captured record. It lists [`Key`]s, and keys are all that joins
//! read. A join gives an [`Edge`]; a path of edges is a lineage. Every question returns one [`Answer`].
//!
//! Field names follow OCSF 1.8 where OCSF has the field. This crate holds words only: no files, no clock, no
//! network, no parsing of any log format, and nothing about Merkle trees or Parquet.

mod access;
mod acting;
mod answer;
mod decision;
mod edge;
mod entry;
mod event;
mod identity;
mod key;
mod lasting;
mod pulse;
mod skew;
mod time;

pub use access::{AccessAsked, AccessBy, AccessEnd, AccessOutcome, AccessRecord, AccessUser};
pub use acting::{Act, Acting, ActingCredential};
pub use answer::{
    AddressUse, Answer, Asserted, AssertedIdentity, AssertedNetwork, AuthorityUse, Basis, BlindKind,
    BlindSpot, Body, ChainDetail, ChainHop, Claim, CredentialUse, Details, Element, ElementKind,
    ElementState, EntryRef, EntryState, EvidenceGrade, EvidenceRef, Gap, HandedOn, Holder, IdentityDetail,
    IdentityName, LifecycleDetail, LifecycleMark, LifecycleStep, LookAlike, Premise, ProofSide, Question,
    RedactionsDetail, RejectTally, ResourceUse, Scope, SessionDetail, ShowDetail, SourcesDetail, StreamPulse,
    StreamSummary, TimeSpan, TimeStanding, TimelineDetail, TimelineEvent, TimelinePart, TimelineRow,
    UseCounts, Verdict, WhoDetail, WhyAct, WhyDetail, WhyRule, Withheld, WithheldRule, WitnessStanding,
};
pub use decision::{DecisionEntry, Disposal, HoldScope};
pub use edge::{Edge, EdgeKind, JoinGrade, Node, Skew};
pub use entry::{
    ConfigEntry, ConfigFile, IndexRootEntry, ObjectClosed, ObjectEntry, RejectHeader, SettingChange,
    StreamEntry, TimestampEntry,
};
pub use event::{
    Address, Api, Authority, AuthorityBasis, AuthorityKind, CoverageHint, Decision, Effect, EffectKind,
    Event, EventId, EventTime, Native, Origin, Outcome, Resource, ResourceRole, SourceRef, Status, TimeBasis,
    Verb,
};
pub use identity::{Credential, CredentialClass, Identity, IdentityKind};
pub use key::{Form, Key, KeyKind, KeyRef, Role, Trust};
pub use lasting::is_lasting;
pub use pulse::{ClockStep, KeyEntry, PulseEntry};
pub use skew::SkewFact;
pub use time::{ParseTimestampError, Timestamp};
