//! Benches: `cargo xtask bench ingest` measures what a user waits for and pays for, beside what they would use
//! instead, in the same run and on the same files.
//!
//! Everything is written to a temporary folder; nothing into the checkout. A figure counts only where the program
//! took every record that was generated.

pub mod build;
mod cloudtrail;
pub mod deliveries;
mod ingest;
mod measure;
pub mod random;
mod table;

pub use ingest::{Options, run};
