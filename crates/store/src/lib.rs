//! **Where is it, fast?** Parquet tables and a key index over the ledger, rebuildable from it.
//!
//! The caller reads the ledger, parses, and hands entries to a [`SegmentBuilder`]; a [`Store`] publishes the segments
//! and answers look-ups. `docs/formats/store.md` states every file. This is the only crate that names Arrow or
//! Parquet. It deliberately does not know the ledger, any source, or what an answer is.

mod acts;
mod audit;
mod cell;
mod compact;
mod digest;
mod durable;
mod entry;
mod error;
mod event_rows;
mod find;
mod flat;
mod frame;
mod hex;
mod id_index;
mod intern;
mod key_index;
mod layout;
mod manifest;
mod outline;
mod plan;
mod rows;
mod segment;
mod spare;
mod store;
mod stored;
mod summary;
mod sums;
mod table_file;
mod tables;
mod times;
mod withheld;
mod words;

pub use audit::{Audit, Flaw, FlawKind, audit};
pub use cell::Column;
pub use compact::{Compaction, Unfit};
pub use entry::{Config, Digest, Entry, Mark, Object, ObjectTotals, Record, Reject, Sighting, Span, Stream};
pub use error::{
    CompactError, CreateError, Damage, FinishError, OpenError, PublishError, PushError, ReadError, WriteError,
};
pub use event_rows::Near;
pub use find::{Found, Leaves, Tally};
pub use layout::FORMAT;
pub use outline::{Outlined, Outlines, RecordOutlines};
pub use plan::{RANGE, UNIT};
pub use rows::{LASTING_SUBJECT, ON_SET};
pub use segment::{Segment, SegmentBuilder};
pub use store::Store;
pub use summary::{EventTotals, FileSummary, SegmentSummary, StreamReceipt, StreamSummary};
pub use tables::{TABLES, Table};
pub use times::LeafTimes;
pub use withheld::{WithheldTotals, WithheldValues};
