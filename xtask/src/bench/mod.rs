//! Benches: `cargo xtask bench ingest` measures what a user waits for and pays for, beside what they would use
//! instead, in the same run and on the same files; `cargo xtask bench questions` does so for answers,
//! and `cargo xtask bench ledger` for the ledger alone.
//!
//! Everything is written to a temporary folder; nothing into the checkout. A figure counts only where the program
//! took every record that was generated.

pub mod build;
mod cloudtrail;
pub mod deliveries;
pub mod ingest;
mod json_lines;
mod kept;
mod kernels;
mod kubernetes;
pub mod ledger;
mod measure;
mod programs;
pub mod questions;
pub mod random;
mod sets;
mod table;
mod vault;
