//! **What does this record say?** Bytes in; records, rejects and events out.
//!
//! Pure: no files, no clock, no network. One file per source; [`SOURCES`] is the table of them.

mod aws_cloudtrail;
mod canonical;
pub mod capture;
mod cluster;
mod framing;
mod github_audit;
pub mod identifiers;
pub mod json;
mod k8s_audit;
mod look_alike;
mod moment;
mod names;
mod read;
mod reject;
mod reread;
mod secrets;
mod source;
mod vault_audit;

pub use framing::{Framer, MAX_RECORD_BYTES, MAX_REJECT_BYTES, Step};
pub use moment::{Moment, UnreadableMoment, Zone};
pub use read::{ReadRecord, ReadReject, Reading, Received, UnreadPart, read, read_reject};
pub use reject::{Reject, RejectReason};
pub use reread::CapturedReader;
pub use secrets::{Placeholder, Withheld, placeholders, secret_rules, withheld_keys};
pub use source::{
    ContentIdentity, Context, Entry, KeyDeclaration, Part, SecretField, Source, Transform, Unreadable,
};

/// Every source, in the order in which a record is tried: the most specific first.
pub static SOURCES: &[Source] =
    &[aws_cloudtrail::SOURCE, k8s_audit::SOURCE, vault_audit::SOURCE, github_audit::SOURCE];
