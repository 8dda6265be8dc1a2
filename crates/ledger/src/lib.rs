//! Was it altered? A tamper-evident, durable ledger of records.
//!
//! It knows bytes and envelopes, never events: what a record says is for other crates. It has no clock (times are
//! passed in) and speaks to no network. The formats on disk are stated byte by byte in `docs/formats/ledger.md`.
//!
//! - Write: [`Ledger::create`] or [`Ledger::open`], then [`Ledger::append`] (durable when it returns) and
//!   [`Ledger::checkpoint`] (committed: signed, anchored, published).
//! - Read, without a lock and at the published checkpoint: [`Reader::open`], [`Reader::entry`], [`Reader::entries`],
//!   [`Reader::salts`], [`Reader::inclusion_proof`].
//! - Check: [`verify`] for a whole ledger, [`proof`] for single proofs, [`OfflineProof`] for a proof that travels
//!   together with its checkpoint.

mod anchor;
mod append;
mod checkpoint;
mod commitment;
mod cursor;
mod damage;
pub mod durable;
mod envelope;
mod hash;
mod key;
mod ledger;
mod lock;
mod note;
mod offline_proof;
mod open;
mod paths;
pub mod proof;
mod publish;
mod read;
mod rebuild;
mod recent;
mod salts;
mod segment;
mod segment_file;
mod tile;
mod tile_builder;
mod tile_files;
mod tree;
mod verify;

#[cfg(test)]
mod tests;

pub use anchor::AnchorError;
pub use append::{AppendError, Draft};
pub use checkpoint::{Checkpoint, CheckpointRefused, MAX_TREE_SIZE, SignedCheckpoint};
pub use commitment::{SALT_BYTES, Salt, commit_captured, commit_received, commit_sealed};
pub use damage::{Damage, FileError, FormatProblem};
pub use envelope::{ENVELOPE_VERSION, Envelope, EnvelopeError, Kind, MAX_ENVELOPE_BYTES, Span};
pub use hash::{EMPTY_ROOT, HASH_BYTES, Hash, leaf_hash, node_hash};
pub use key::{KeyError, KeyPair};
pub use ledger::{CreateError, Ledger};
pub use lock::LockError;
pub use note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteError, VerifierKey, VerifierKeyError};
pub use offline_proof::{OfflineProof, OfflineProofRefused};
pub use open::{OpenError, Recovery};
pub use paths::LedgerPaths;
pub use proof::{LeafAt, ProofError, ProofRefused, Subtree, TileSource, TreeHead};
pub use publish::CheckpointError;
pub use read::{Entries, Entry, ReadError, Reader};
pub use rebuild::{RebuildError, Rebuilt};
pub use salts::EntrySalts;
pub use segment::{MAX_RECORD_BYTES, SEGMENT_LEAVES};
pub use tile::{
    BundleId, MAX_ENTRY_BYTES, TILE_WIDTH, TileError, TileId, TilePath, decode_bundle, decode_tile,
    encode_tile,
};
pub use tile_files::TileFiles;
pub use verify::{Cause, Counts, Place, Problem, Progress, Report, verify};
