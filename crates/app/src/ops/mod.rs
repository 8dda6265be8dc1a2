//! One function for each thing that a user can do. They neither print nor speak HTTP.

mod access;
mod asserted;
mod backup;
mod comparing;
mod completeness;
mod config;
mod configured;
mod demo;
mod doctor;
mod evidence;
mod export;
mod fsck;
mod ingest;
mod keys;
mod ledger_files;
mod pages;
mod policy_check;
mod prove;
mod pulse;
mod questions;
mod redactions;
mod retention;
mod seal;
mod seal_key;
mod sealed_ranges;
mod searched;
mod settings;
mod skew;
mod standing;
mod streams;
mod subject;
mod timestamp;
mod upkeep;
mod witness_service;
mod witnessing;
mod writing;

pub use access::{AccessError, AccessRequest, AccessState, Accesses, accesses, ending_words};
pub use backup::{BackupError, Keys as BackupKeys, RestoreError, RestoredAnchor, backup, restore};
pub use comparing::{CompareError, CompareRequest, compare_notes, consistency, served_ledger};
pub use configured::{Change, ConfiguredError, config_history};
pub use demo::{DEMO_STEPS, Demo, DemoError};
pub use doctor::{Finding, State, doctor};
pub use evidence::OpenEvidence;
pub use export::{AnswerAsked, ExportError, ExportRequest, Exported, IfNone, Overwrite, export};
pub use fsck::{Fault, Fsck, Place, fsck};
pub use ingest::{IngestFailure, IngestRequest, ingest};
pub use keys::{KeyShown, KeysError, RotateRequest, key_history, rotate_key};
pub use ledger_files::{LedgerFilesError, rebuild_ledger};
pub use policy_check::{PolicyCheckError, PolicyTrial, policy_check};
pub use prove::{
    ProveError, ProveRequest, ProvenKey, ProvenName, ProvenRange, ProvenValue, Recompute, Recomputed, prove,
};
pub use pulse::{Beaten, PulseError, Pulsed, pulse};
pub use questions::{QuestionError, chain, lifecycle, session, show, sources, timeline, who, why};
pub use redactions::{RedactionError, RedactionsRequest, redactions, unseal};
pub use retention::{
    Loss, Proposal, RetentionError, RetentionState, Simulated, approve, dispose, hold, propose, release,
    resume_disposal, retention, simulate, withdraw,
};
pub use seal::{SealError, SealWhat, Seals, seal};
pub use seal_key::{SealKeyError, SealKeyRequest, change_seal_key};
pub use settings::{Origin, Setting, SettingsError, settings};
pub use skew::{Clocks, SkewError, freeze_skew, skew};
pub use timestamp::{
    Listed, StampOutcome, StampWhen, Stamped, Stamping, TimestampError, extract_timestamps, timestamp,
    timestamps,
};
pub use upkeep::{StoreState, UpkeepError, compact, init, rebuild, verify};
pub use witness_service::{WitnessError, init as init_witness, open as open_witness};
pub use witnessing::{Patience, Reply as WitnessReply, WitnessingError, ask_witnesses};
