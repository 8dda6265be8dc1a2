//! **What must happen next?** Pure folds over decisions that people took and over what the evidence holds.
//!
//! It has no clock, reads no file and destroys nothing: it says what is due, what a hold keeps, whether a disposal is
//! approved, and what could no longer be answered. `docs/retention.md` has the rules.

mod entry;
mod holds;
mod register;
mod retention;
mod simulation;

pub use entry::{EntryKind, HeldEntry};
pub use holds::covers;
pub use register::{Approvals, DisposalState, DisposalStatus, Hold, Register, RegisterError};
pub use retention::{CountedFrom, Keep, RetentionPolicy, RetentionRule, Verdict};
pub use simulation::{Answerable, LostQuestion, Simulation};
