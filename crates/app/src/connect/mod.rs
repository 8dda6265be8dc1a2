//! Outward: how this program speaks to others. Nothing in here knows what is asked or why; `ops` does.

pub mod http;
#[cfg(feature = "object-store")]
pub mod object_anchor;
#[cfg(not(feature = "object-store"))]
pub mod unsupported_anchor;
