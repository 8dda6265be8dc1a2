//! **How does a stranger check it?** Evidence of one case in one file, and the check of such a file.
//!
//! A bundle holds ledger entries with everything that proves them: their envelopes, the captured bytes and the salts
//! that open the commitments to them, one proof for all of them together, and the signed checkpoint that it leads to.
//! It may hold an answer, which [`check`] derives again from the bundled records, and values that had been sealed. `docs/formats/bundle.md` states
//! the bytes.
//!
//! - Write: [`BundleWriter`], which streams and gives equal bytes for equal input.
//! - Check: [`check`], which streams too, needs neither ledger nor network, and returns a [`Report`].
//!
//! It knows no disk, no store and no clock. What it cannot check it says: that the entries are *all* that the ledger
//! holds on a matter is shown for sealed ranges, and elsewhere the word of whoever wrote the bundle.

mod answer;
mod cbor;
mod check;
mod completeness;
mod evidence;
mod format;
mod index_root;
mod keys;
mod names;
mod read;
mod report;
mod signers;
pub mod timestamp;
mod write;

pub use answer::{AnswerCheck, RederiveError, VERBS, reason, rederive};
pub use cbor::Malformed;
pub use check::{
    Authority, Check, CheckError, Counts, Disclosed, Integrity, Report, Succeeded, Verdict, Witnesses, check,
};
pub use completeness::{CompleteRange, Completeness};
pub use evidence::BundledEvidence;
pub use format::{
    AnswerPart, AnswerPremises, AnswerSubject, CompletenessPart, Counted, Disclosure, Earlier, EntryPart,
    FIRST_ITEM, MAX_CAPTURED_BYTES, Manifest, Opened, Parser, Signed, Why,
};
pub use index_root::{IndexRoot, IndexRootError};
pub use keys::{KeyEntryRefused, succession_of};
pub use names::{ANY_KIND, EVENT_KIND, NAME_KIND, each_name, is_named_in};
pub use read::Refused;
pub use report::{harmless, json, text};
pub use signers::KeyRefused;
pub use write::{BundleWriter, Sealed, WriteError};
