//! Outward: how this program speaks to others. Nothing in here knows what is asked or why; `ops` does.

pub mod http;
