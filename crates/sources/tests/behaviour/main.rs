//! What the crate promises, tested from outside: pieces tile an input, fixtures give the events that the formats
//! document, real records are read, secrets go and stay gone, ids survive delivery.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod capture;
mod corpus;
mod documents;
mod fixtures;
mod framing;
mod hostile;
mod identifiers;
mod ids;
mod json;
mod rejects;
mod secrets;
mod whole_input;
