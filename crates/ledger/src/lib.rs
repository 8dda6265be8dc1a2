//! Was it altered? A tamper-evident, durable ledger of records.
//!
//! It knows bytes and envelopes, never events: what a record says is for other crates. It has no clock (times are
//! passed in) and speaks to no network. The formats on disk are stated byte by byte in `docs/formats/ledger.md`.
//!
//! - Write: [`Ledger::create`] or [`Ledger::open`], then [`Ledger::append`] (durable when it returns) and
//!   [`Ledger::checkpoint`] (committed: signed, anchored, published). From many threads: [`GroupCommit`].
//! - Read, without a lock and at the published checkpoint: [`Reader::open`], [`Reader::entry`], [`Reader::entries`],
//!   [`Reader::salts`], [`Reader::inclusion_proof`].
//! - Check: [`verify`] for a whole ledger, [`proof`] for single proofs, [`OfflineProof`] for a proof that travels
//!   together with its checkpoint, [`PartialTree`] for many leaves under one root, [`index`] for all entries of a value.
//! - Not to be alone: [`WitnessPolicy`] says whom a checker believes, [`AddCheckpoint`] and `WitnessBook` are what a
//!   witness does, [`compare`] and [`Equivocation`] what two checkpoints show.
//!
//! Without the feature `files` only the last of these are built, and only as far as it needs no disk: what a stranger
//! needs to check evidence.

mod checkpoint;
mod commitment;
mod cosignature;
mod envelope;
mod equivocation;
mod hash;
pub mod index;
mod note;
mod offline_proof;
mod partial_tree;
pub mod proof;
mod succession;
mod tile;
mod tombstone;
mod tree;
mod witness;
mod witness_policy;

// Ledgers on disk.
#[cfg(feature = "files")]
mod anchor;
#[cfg(feature = "files")]
mod append;
#[cfg(feature = "files")]
mod cursor;
#[cfg(feature = "files")]
mod damage;
#[cfg(feature = "files")]
pub mod durable;
#[cfg(feature = "files")]
mod erase;
#[cfg(feature = "files")]
mod ground;
#[cfg(feature = "files")]
mod group_commit;
#[cfg(feature = "files")]
mod key;
#[cfg(feature = "files")]
mod ledger;
#[cfg(feature = "files")]
mod lock;
#[cfg(feature = "files")]
mod medium;
#[cfg(feature = "files")]
mod open;
#[cfg(feature = "files")]
mod paths;
#[cfg(feature = "files")]
mod publish;
#[cfg(feature = "files")]
mod read;
#[cfg(feature = "files")]
mod rebuild;
#[cfg(feature = "files")]
mod recent;
#[cfg(feature = "files")]
mod right_edge;
#[cfg(feature = "files")]
mod salts;
#[cfg(feature = "files")]
mod salts_table;
#[cfg(feature = "files")]
mod segment;
#[cfg(feature = "files")]
mod segment_file;
#[cfg(all(feature = "files", any(test, feature = "simulation")))]
pub mod simulation;
#[cfg(feature = "files")]
mod tile_builder;
#[cfg(feature = "files")]
mod tile_files;
#[cfg(feature = "files")]
mod verify;
#[cfg(feature = "files")]
mod witness_book;
#[cfg(feature = "files")]
mod witness_key;
#[cfg(feature = "files")]
mod witnessed;

#[cfg(test)]
mod tests;

pub use checkpoint::{Checkpoint, CheckpointRefused, MAX_TREE_SIZE, SignedCheckpoint};
pub use commitment::{SALT_BYTES, Salt, commit_captured, commit_received, commit_sealed};
pub use cosignature::{Cosignature, WitnessKey};
pub use envelope::{ENVELOPE_VERSION, Envelope, EnvelopeError, Kind, MAX_ENVELOPE_BYTES, Span};
pub use equivocation::{Comparison, Equivocation, EquivocationRefused, Prefix, compare};
pub use hash::{EMPTY_ROOT, HASH_BYTES, Hash, leaf_hash, node_hash};
pub use note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteError, VerifierKey, VerifierKeyError};
pub use offline_proof::{OfflineProof, OfflineProofRefused};
pub use partial_tree::{PartialTree, PartialTreeRefused, gap_hashes, perfect_subtrees};
pub use proof::{LeafAt, ProofError, ProofRefused, Subtree, TileSource, TreeHead};
pub use succession::{
    Fate, KeyLine, KeyState, MAX_REASON_BYTES, MAX_SUCCESSIONS, Standing, Succession, SuccessionRefused,
    SuccessionSignatures,
};
pub use tile::{
    BundleId, MAX_ENTRY_BYTES, TILE_WIDTH, TileError, TileId, TilePath, decode_bundle, decode_tile,
    encode_tile,
};
pub use tombstone::{MAX_TOMBSTONE_BYTES, Tombstone, TombstoneError};
pub use witness::{AddCheckpoint, CosigningRefused, parse_conflict};
pub use witness_policy::{
    MAX_POLICY_BYTES, PolicyError, PolicyLedger, PolicyOutcome, PolicyProblem, PolicyWitness, WitnessPolicy,
};

#[cfg(feature = "files")]
pub use anchor::{AnchorError, AnchorPlace, AnchorStore, Anchored};
#[cfg(feature = "files")]
pub use append::{AppendError, Draft};
#[cfg(feature = "files")]
pub use damage::{Damage, FileError, FormatProblem};
#[cfg(feature = "files")]
pub use erase::{EraseError, Erased, Erasure};
#[cfg(feature = "files")]
pub use ground::{GroundFile, ground_files, rebuild_derived};
#[cfg(feature = "files")]
pub use group_commit::{
    Appender, CheckpointPolicy, GroupCommit, GroupError, GroupLimits, OwnedDraft, Ticket,
};
#[cfg(feature = "files")]
pub use key::{KeyError, KeyPair};
#[cfg(feature = "files")]
pub use ledger::{CreateError, Ledger};
#[cfg(feature = "files")]
pub use lock::LockError;
#[cfg(feature = "files")]
pub use open::{OpenError, Recovery};
#[cfg(feature = "files")]
pub use paths::LedgerPaths;
#[cfg(feature = "files")]
pub use publish::CheckpointError;
#[cfg(feature = "files")]
pub use read::{Entries, Entry, ReadError, Reader};
#[cfg(feature = "files")]
pub use rebuild::{RebuildError, Rebuilt};
#[cfg(feature = "files")]
pub use salts::EntrySalts;
#[cfg(feature = "files")]
pub use segment::{MAX_RECORD_BYTES, SEGMENT_LEAVES};
#[cfg(feature = "files")]
pub use tile_files::TileFiles;
#[cfg(feature = "files")]
pub use verify::{Cause, Counts, Place, Problem, Progress, Report, verify};
#[cfg(feature = "files")]
pub use witness_book::{AddError, WitnessBook, WitnessBookError};
#[cfg(feature = "files")]
pub use witness_key::WitnessKeyPair;
#[cfg(feature = "files")]
pub use witnessed::{Cosigning, WitnessedError, publish_cosigned, read_witnessed};
