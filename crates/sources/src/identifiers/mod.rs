//! One identifier in the spellings of several systems: pure, total functions from one spelling to another.
//!
//! Sources call these when they list keys, so that a value that two systems write differently is one key. What a
//! system cuts off, replaces or leaves out is never made up again: then the answer is `None`, or says what it lacks.
//! Nothing here knows a record, a key or an event. Moments have one more such function, [`crate::Moment::read`].

pub mod aws;
pub mod entra;
pub mod github;
pub mod kubernetes;
mod sha256;
pub mod ssh;
pub mod sshd;
pub mod vault;
pub mod x509;

pub use sha256::Sha256Digest;
