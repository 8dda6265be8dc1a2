//! What the crate promises, tested from outside: pieces tile an input, fixtures give the events that the formats
//! document, real records are read, secrets go and stay gone, ids survive delivery.

mod corpus;
mod documents;
mod fixtures;
mod framing;
mod ids;
mod json;
mod secrets;
mod whole_input;
