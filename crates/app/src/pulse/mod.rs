//! The ledger's own signs of life: what is due, by settings and a clock that are passed in.
//!
//! [`due()`] decides and is pure; [`settings`] says what is expected. Reading the ledger and appending to it are in
//! `ops`.

mod due;
mod settings;

pub use due::{Due, Heard, Last, Receipt, Receipts, Silence, StreamHeard, due};
pub use settings::{Length, PulseSettings};
