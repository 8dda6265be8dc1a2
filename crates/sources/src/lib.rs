//! **What does this record say?** Bytes in; records, rejects and events out.
//!
//! Pure: no files, no clock, no network. One file per source; [`SOURCES`] is the table of them.

mod framing;
pub mod json;
mod moment;
mod reject;
mod source;

pub use framing::{Framer, MAX_RECORD_BYTES, MAX_REJECT_BYTES, Step};
pub use moment::{Moment, UnreadableMoment, Zone};
pub use reject::{Reject, RejectReason};
pub use source::{
    ContentIdentity, Context, Entry, KeyDeclaration, Part, SecretField, Source, Transform, Unreadable,
};

/// Every source, in the order in which a record is tried: the most specific first.
pub const SOURCES: &[Source] = &[];
