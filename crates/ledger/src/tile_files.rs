//! Reads tiles and entry bundles of any C2SP tlog-tiles ledger in a local folder. It trusts nothing that it reads:
//! proofs and roots decide.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::damage::{FileError, FormatProblem};
use crate::durable::Disk;
use crate::hash::Hash;
use crate::proof::TileSource;
use crate::recent::Recent;
use crate::tile::{BundleId, TileId, decode_bundle, decode_tile};

/// Tiles kept in memory, 8 KiB each. A proof touches a handful.
const TILES_KEPT: usize = 64;

/// Roots of subtrees kept in memory, some 64 bytes each.
const NODES_KEPT: usize = 1 << 16;

/// The tiles and entry bundles of a tree in the folder `root`.
#[derive(Debug)]
pub struct TileFiles {
    disk: Disk,
    root: PathBuf,
    recent: Mutex<Recent<TileId, Vec<Hash>>>,
    /// Roots of perfect subtrees, by level and index. They never change: tiles only grow.
    nodes: Mutex<BTreeMap<(u32, u64), Hash>>,
}

impl TileFiles {
    /// Reads below `root`, the folder that holds `tile/`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::on(Disk::default(), root)
    }

    /// The same on another disk than the operating system's.
    pub fn on(disk: Disk, root: impl Into<PathBuf>) -> Self {
        let recent = Mutex::new(Recent::new(TILES_KEPT));
        Self { disk, root: root.into(), recent, nodes: Mutex::default() }
    }

    /// The entries of a bundle.
    pub fn bundle(&self, id: BundleId) -> Result<Vec<Vec<u8>>, FileError> {
        let found =
            self.read(&Wanted::new(&id, id.width()), &Wanted::new(&id.to_full(), id.to_full().width()))?;
        let entries = decode_bundle(&found.bytes, found.width)
            .map_err(|error| FileError::damage(&found.path, 0, FormatProblem::Tile(error)))?;
        Ok(entries.into_iter().take(id.width()).map(<[u8]>::to_vec).collect())
    }

    /// Reads a file, or the full one where that has taken the place of a partial one: tlog-tiles allows partial tiles
    /// to go once the full tile exists, and a full one begins with the same bytes.
    fn read(&self, wanted: &Wanted, full: &Wanted) -> Result<Found, FileError> {
        match self.read_one(wanted) {
            // Where neither exists, the partial one is what should have been there.
            Err(absent) if absent.is_absence() && wanted.name != full.name => {
                self.read_one(full).map_err(|error| if error.is_absence() { absent } else { error })
            }
            result => result,
        }
    }

    fn read_one(&self, wanted: &Wanted) -> Result<Found, FileError> {
        let path = self.root.join(&wanted.name);
        let bytes = self.disk.read(&path).map_err(|error| FileError::read(&path, error))?;
        Ok(Found { path, bytes, width: wanted.width })
    }
}

/// A file and how many hashes or entries it holds.
struct Wanted {
    name: String,
    width: usize,
}

struct Found {
    path: PathBuf,
    bytes: Vec<u8>,
    width: usize,
}

impl Wanted {
    fn new(id: &impl ToString, width: usize) -> Self {
        Self { name: id.to_string(), width }
    }
}

impl TileSource for TileFiles {
    type Error = FileError;

    fn tile(&self, id: TileId) -> Result<Vec<Hash>, FileError> {
        // A poisoned lock means that a reader panicked; the cache it left is still only a cache. Files are read without
        // it, so that several threads can.
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hashes) = recent().find(|key| *key == id) {
            return Ok(hashes.to_vec());
        }
        let found =
            self.read(&Wanted::new(&id, id.width()), &Wanted::new(&id.to_full(), id.to_full().width()))?;
        let mut hashes = decode_tile(&found.bytes, found.width)
            .map_err(|error| FileError::damage(&found.path, 0, FormatProblem::Tile(error)))?;
        hashes.truncate(id.width());
        Ok(recent().keep(id, hashes, 1).to_vec())
    }

    fn kept_node(&self, level: u32, index: u64) -> Option<Hash> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).get(&(level, index)).copied()
    }

    fn keep_node(&self, level: u32, index: u64, hash: Hash) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() >= NODES_KEPT {
            nodes.clear();
        }
        nodes.insert((level, index), hash);
    }
}
