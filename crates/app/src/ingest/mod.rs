//! Taking logs in: objects are found, decoded, cut into records, read, appended to the ledger, and folded into the
//! store.
//!
//! ```text
//! workers (one a core)          committer                    folder
//! read · decode · frame · parse ─▶ append, fsync, checkpoint ─▶ tables and key index
//! ```
//!
//! Objects are committed in the order in which they were given, whichever worker is done first, so that the same
//! command gives the same ledger. Every queue is bounded, and so is the memory.

mod commit;
mod decode;
mod fold;
mod known;
mod objects;
mod piece;
mod pipeline;
mod progress;
mod report;
mod sample;
mod worker;

pub use fold::{
    CatchUpError, Rereader, SILENCES_MARK, TIMESTAMP_KIND, TIMESTAMP_NAME, catch_up, stream_mark,
};
pub use objects::{FindError, FoundObjects, InputObject, find_objects};
pub use pipeline::{Destination, IngestError, Plan, run};
pub use progress::{Progress, Silent};
pub use report::IngestReport;
pub use sample::{SampleError, each_record};
