//! What the table of joins promises, tested from outside: every row fires where it should, keeps a set of candidates
//! or stays silent where it should, and what answers say holds for any evidence.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod clocks;
mod document;
mod fixtures;
mod properties;
mod reading;
mod reduced;
mod world;
