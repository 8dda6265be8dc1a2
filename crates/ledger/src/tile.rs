//! Names and bytes of tiles and entry bundles, as C2SP tlog-tiles v0.1.0 defines them.
//!
//! It knows no files and no tree: a coordinate, its path, and how hashes and entries are laid out inside.

use std::fmt;

use crate::hash::{HASH_BYTES, Hash};
use crate::tree::hashes_at_level;

/// Hashes in a full tile, and entries in a full entry bundle.
pub const TILE_WIDTH: usize = 256;

/// Longest entry that an entry bundle can hold: its length is a `uint16`.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// Highest tile level that a path may name (tlog-tiles: "between 0 and 63").
const MAX_LEVEL: u8 = 63;

/// Coordinates of one tile of hashes: `tile/<level>/<index>[.p/<width>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

/// Coordinates of one bundle of entries: `tile/entries/<index>[.p/<width>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BundleId {
    index: u64,
    width: u16,
}

/// What a path under `tile/` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TilePath {
    /// A tile of hashes.
    Tile(TileId),
    /// A bundle of entries.
    Bundle(BundleId),
}

/// Why the bytes of a tile or entry bundle were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// A tile has another length than its width asks for.
    #[error("the tile has {found} bytes, expected {expected}")]
    TileLength {
        /// 32 bytes a hash.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// An entry bundle ends inside an entry.
    #[error("the entry bundle ends inside entry {entry}")]
    BundleTruncated {
        /// Position in the bundle, from 0.
        entry: usize,
    },
    /// Bytes follow the last entry of a bundle.
    #[error("{count} bytes follow the last entry of the bundle")]
    BundleTrailing {
        /// Bytes left over.
        count: usize,
    },
}

impl TileId {
    /// A full tile.
    pub fn full(level: u8, index: u64) -> Self {
        Self { level, index, width: TILE_WIDTH as u16 }
    }

    /// The partial tile that ends level `level` of a tree of `size` leaves; `None` when the level ends in a full
    /// tile (tlog-tiles: "empty tiles MUST NOT be served").
    pub fn partial_at(level: u8, size: u64) -> Option<Self> {
        let hashes = hashes_at_level(size, level);
        let width = (hashes % TILE_WIDTH as u64) as u16;
        (width > 0).then_some(Self { level, index: hashes / TILE_WIDTH as u64, width })
    }

    /// The tile that holds hash `hash` of tile level `level` in a tree of `size` leaves; `None` past the end.
    pub fn holding(level: u8, hash: u64, size: u64) -> Option<Self> {
        let hashes = hashes_at_level(size, level);
        let index = hash / TILE_WIDTH as u64;
        if hash >= hashes {
            None
        } else if index < hashes / TILE_WIDTH as u64 {
            Some(Self::full(level, index))
        } else {
            Self::partial_at(level, size)
        }
    }

    /// Tile level: 0 holds hashes of leaves, each further level the roots of full tiles below.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Position within its level, from the left.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Hashes it holds, 1 to 256.
    pub fn width(&self) -> usize {
        usize::from(self.width)
    }

    /// The full tile at the same place.
    #[must_use]
    pub fn to_full(&self) -> Self {
        Self::full(self.level, self.index)
    }
}

impl BundleId {
    /// A full bundle.
    pub fn full(index: u64) -> Self {
        Self { index, width: TILE_WIDTH as u16 }
    }

    /// The partial bundle that ends a tree of `size` leaves, if it ends in one.
    pub fn partial_at(size: u64) -> Option<Self> {
        TileId::partial_at(0, size).map(|tile| Self { index: tile.index, width: tile.width })
    }

    /// The bundle that holds `leaf` in a tree of `size` leaves; `None` past the end.
    pub fn holding(leaf: u64, size: u64) -> Option<Self> {
        TileId::holding(0, leaf, size).map(|tile| Self { index: tile.index, width: tile.width })
    }

    /// Position from the left.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Entries it holds, 1 to 256.
    pub fn width(&self) -> usize {
        usize::from(self.width)
    }

    /// The full bundle at the same place.
    #[must_use]
    pub fn to_full(&self) -> Self {
        Self::full(self.index)
    }
}

impl TilePath {
    /// Reads a path such as `tile/0/x001/234.p/112`; `None` for anything that is not exactly such a path.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = parse_index_and_width(rest)?;
        if kind == "entries" {
            return Some(Self::Bundle(BundleId { index, width }));
        }
        let level = u8::try_from(parse_decimal(kind)?).ok().filter(|level| *level <= MAX_LEVEL)?;
        Some(Self::Tile(TileId { level, index, width }))
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile(id) => id.fmt(formatter),
            Self::Bundle(id) => id.fmt(formatter),
        }
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tile/{}/", self.level)?;
        write_index_and_width(formatter, self.index, self.width)
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("tile/entries/")?;
        write_index_and_width(formatter, self.index, self.width)
    }
}

/// Lays out hashes as a tile: one after the other.
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads exactly `width` hashes.
pub fn decode_tile(bytes: &[u8], width: usize) -> Result<Vec<Hash>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if hashes.len() != width || !rest.is_empty() {
        return Err(TileError::TileLength { expected: width * HASH_BYTES, found: bytes.len() });
    }
    Ok(hashes.iter().map(|hash| Hash::from_bytes(*hash)).collect())
}

/// Appends one entry to a bundle as a big-endian `uint16` length and its bytes. The caller keeps entries within
/// [`MAX_ENTRY_BYTES`]; envelopes are far smaller.
#[cfg(feature = "files")]
pub(crate) fn push_bundle_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    debug_assert!(entry.len() <= MAX_ENTRY_BYTES, "an envelope never comes near the limit");
    bundle.extend_from_slice(&(entry.len() as u16).to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// Reads exactly `width` entries of a bundle.
pub fn decode_bundle(bytes: &[u8], width: usize) -> Result<Vec<&[u8]>, TileError> {
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(width);
    for entry in 0..width {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(TileError::BundleTruncated { entry })?;
        let (body, after) = after
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or(TileError::BundleTruncated { entry })?;
        entries.push(body);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(TileError::BundleTrailing { count: rest.len() }) }
}

fn write_index_and_width(formatter: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    for group in groups[1..].iter().rev() {
        write!(formatter, "x{group:03}/")?;
    }
    write!(formatter, "{:03}", groups[0])?;
    if usize::from(width) < TILE_WIDTH { write!(formatter, ".p/{width}") } else { Ok(()) }
}

fn parse_index_and_width(text: &str) -> Option<(u64, u16)> {
    let (path, width) = match text.split_once(".p/") {
        Some((path, width)) => {
            let width = u16::try_from(parse_decimal(width)?).ok()?;
            (path, (1..TILE_WIDTH as u16).contains(&width).then_some(width)?)
        }
        None => (text, TILE_WIDTH as u16),
    };
    let mut index = 0_u64;
    let mut groups = path.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
        if digits.len() != 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        // A leading group of zeros would give one tile two names.
        if first && groups.peek().is_some() && digits == "000" {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        first = false;
    }
    Some((index, width))
}

/// A decimal number without sign or leading zeros.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = !text.is_empty()
        && text.bytes().all(|digit| digit.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_the_specification() {
        let expected = [
            (TilePath::Tile(TileId::full(0, 1_234_067)), "tile/0/x001/x234/067"),
            (TilePath::Tile(TileId { level: 1, index: 0, width: 1 }), "tile/1/000.p/1"),
            (TilePath::Bundle(BundleId::full(999)), "tile/entries/999"),
            (TilePath::Bundle(BundleId { index: 1000, width: 255 }), "tile/entries/x001/000.p/255"),
        ];
        for (id, path) in expected {
            assert_eq!(TilePath::parse(path), Some(id), "{path}");
            assert_eq!(id.to_string(), path);
        }
    }

    #[test]
    fn paths_that_are_none() {
        for path in [
            "tile/0/1",
            "tile/00/001",
            "tile/64/001",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/0/001.p/",
            "tile/0/001/",
            "tile//001",
            "tile/entries/",
            "tile/0/+01",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(TilePath::parse(path), None, "{path}");
        }
    }

    #[test]
    fn bundles_refuse_what_does_not_fit() {
        let mut bundle = Vec::new();
        push_bundle_entry(&mut bundle, b"one");
        push_bundle_entry(&mut bundle, b"");
        assert_eq!(decode_bundle(&bundle, 2), Ok(vec![b"one".as_slice(), b"".as_slice()]));
        assert_eq!(decode_bundle(&bundle, 1), Err(TileError::BundleTrailing { count: 2 }));
        assert_eq!(decode_bundle(&bundle, 3), Err(TileError::BundleTruncated { entry: 2 }));
        assert_eq!(decode_bundle(&bundle[..4], 1), Err(TileError::BundleTruncated { entry: 0 }));
        assert_eq!(decode_tile(&[0; 33], 1), Err(TileError::TileLength { expected: 32, found: 33 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn a_path_names_one_tile(level in 0..=MAX_LEVEL, index: u64, width in 1..=256_u16) {
            let tile = TilePath::Tile(TileId { level, index, width });
            prop_assert_eq!(TilePath::parse(&tile.to_string()), Some(tile));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, width in 0..=256_usize, path: String) {
            let tile = decode_tile(&bytes, width);
            prop_assert!(tile.is_err() || tile.is_ok_and(|hashes| encode_tile(&hashes) == bytes));
            if let Ok(entries) = decode_bundle(&bytes, width) {
                let mut again = Vec::new();
                for entry in entries {
                    push_bundle_entry(&mut again, entry);
                }
                prop_assert_eq!(again, bytes);
            }
            prop_assert!(TilePath::parse(&path).is_none_or(|id| id.to_string() == path));
        }
    }
}
