//! How long evidence is kept, what is held, and its destruction. `docs/retention.md` has the rules; what they mean is
//! decided in the crate `govern`, and here they are read, looked up and carried out.

mod destroy;
mod policy_file;
mod recorded;
mod scan;

pub use destroy::{DestroyError, Destroyed, announce, blind_indexes, finish, tombstone_of};
pub use policy_file::{RetentionFile, RetentionFileError, duration};
pub use recorded::{DECISION, Recorded, RecordedError, TOMBSTONE, approval_statement};
pub use scan::scan;

/// Name of the retention policy in an evidence folder.
pub const RETENTION_FILE: &str = "retention.toml";
