//! The program as its users meet it: the binary is run, and what it prints and leaves behind is checked.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::naive_bytecount,
    reason = "a test that cannot go on fails, and writes throw-away files"
)]

mod access;
mod answers;
mod backup;
mod bad_input;
mod capture;
mod comfort;
mod completeness;
mod crash;
mod enrichment;
mod export;
mod fsck;
mod given;
#[cfg(feature = "object-store")]
mod object_anchor;
mod pulse;
mod readme;
mod retention;
mod skew;
mod sql;
mod tampering;
mod timestamps;
mod upkeep;
mod witness;
