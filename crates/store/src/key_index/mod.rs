//! `keys.index`: which leaves name this value? An immutable file sorted by (value, kind, scope).
//!
//! `docs/formats/store.md` has the byte map. Blocks of about 16 KiB hold entries that share prefixes with their
//! predecessor; the footer holds the kinds, the scopes and a separator for each block. It deliberately does not know
//! what a kind means, and never compares scopes or forms: that is the business of joins.

mod filter;
mod merge;
mod read;
mod write;

pub(crate) use merge::merge;
pub(crate) use read::{Cursor, KeyIndex};
pub(crate) use write::{Occasions, encode};

const MAGIC: [u8; 8] = *b"ASCRKEY2";

/// A block is closed when it holds this many bytes before compression: a look-up then costs one read of about a page
/// or two and 20 µs to unpack.
const BLOCK_BYTES: usize = 16 * 1024;

/// Steps in which moments are counted, coarsest last: nanoseconds to seconds.
const UNITS_NS: [u64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

#[cfg(test)]
mod tests;
