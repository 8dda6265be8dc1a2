//! **What does it show, and how sure are we?** Pure reasoning over events.
//!
//! [`Evidence`] finds events by key; the table [`JOINS`] says which keys join and how strongly; the lineage walks
//! those joins; the questions, such as [`who`] and [`lifecycle`], turn what was found into the body of an answer.
//!
//! Everything here is deterministic: equal evidence gives an equal body. This crate knows no vendor (the table names
//! key kinds, the engine does not), no clock, no file, no Merkle tree and no Parquet.

mod alike;
mod evidence;
mod grading;
mod identity;
mod joins;
mod kinds;
mod lineage;
mod naming;
pub mod skew;
mod trail;
mod uncertainty;
mod verdict;

mod chain;
mod lifecycle;
mod session;
mod timeline;
mod who;
mod who_is;
mod why;

pub use alike::{Alike, READ_ALL_MAX, alike_among, by_kind, entries_to_read};
pub use chain::{Direction, chain};
pub use evidence::{
    Evidence, EvidenceError, Losses, Page, Period, Recorded, Silence, Tally, TimePage, Wanted, hinting_in,
    is_on_sets,
};
pub use identity::{identity_named, is_lasting_identifier};
pub use joins::{End, JOINS, Join, Reach, Tie, Window};
pub use kinds::{CREDENTIALS, CredentialRow, is_credential};
pub use lifecycle::lifecycle;
pub use naming::{credential_name, length};
pub use session::session;
pub use timeline::{ROWS_DEFAULT, TimelineOptions, timeline};
pub use trail::HOPS_MAX;
pub use uncertainty::SKEW_NS;
pub use who::{Subject, USES_MAX, who};
pub use why::why;
