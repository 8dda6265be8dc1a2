//! The files in a ledger's folder, so that none is missing and none is left over.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::damage::FileError;
use crate::durable::{Disk, FileKind, STAGED, staged_path};
use crate::paths::{CHECKPOINT, ERASURE, LOCK, LedgerPaths, SEGMENTS, SegmentId, SegmentPart, WITNESSED};
use crate::read::newest_generations;
use crate::tile::{BundleId, TILE_WIDTH, TileId, TilePath};
use crate::tree::hashes_at_level;
use crate::verify::tile_names::TileNames;
use crate::verify::{Cause, Place, Problems};

/// Names of files, relative to the ledger's folder, that nothing has accounted for yet.
pub(super) struct Inventory {
    disk: Disk,
    root: PathBuf,
    /// Full tiles and bundles.
    tiles: TileNames,
    /// Everything else.
    names: BTreeSet<String>,
}

impl Inventory {
    /// Lists the folder. The lock and the checkpoints, which are checked elsewhere, are accounted for.
    pub(super) fn read(paths: &LedgerPaths, problems: &mut Problems) -> Self {
        let mut inventory = Self {
            disk: paths.disk().clone(),
            root: paths.ledger.clone(),
            tiles: TileNames::default(),
            names: BTreeSet::new(),
        };
        inventory.list(&paths.ledger, problems);
        inventory.take(LOCK);
        inventory.take(CHECKPOINT);
        inventory.take(WITNESSED);
        inventory.take(ERASURE);
        // A replacement under way, or one that a crash interrupted: opening the ledger removes it.
        for name in [CHECKPOINT, WITNESSED, ERASURE] {
            inventory.take(&staged_path(Path::new(name)).to_string_lossy());
        }
        inventory
    }

    /// Accounts for a file other than a full tile or bundle; says whether it is there.
    pub(super) fn take(&mut self, name: &str) -> bool {
        self.names.remove(name)
    }

    /// Accounts for a tile or bundle; says whether it is there.
    pub(super) fn take_tile(&mut self, path: TilePath) -> bool {
        self.tiles.remove(path) || self.names.remove(&path.to_string())
    }

    /// Accounts for the files of segments and returns the newest generation of each, in order. Reports gaps.
    pub(super) fn take_segments(&mut self, problems: &mut Problems) -> Vec<SegmentId> {
        let prefix = format!("{SEGMENTS}/");
        let names: Vec<String> = self
            .names
            .range(prefix.clone()..)
            .take_while(|name| name.starts_with(&prefix))
            .cloned()
            .collect();
        let files = names.iter().filter_map(|name| SegmentId::parse(Path::new(name)));
        let newest = newest_generations(files);
        let ids: Vec<SegmentId> =
            newest.into_iter().map(|(index, generation)| SegmentId { index, generation }).collect();
        for id in &ids {
            self.take(&prefixed(*id, SegmentPart::Blocks));
            self.take(&prefixed(*id, SegmentPart::Salts));
        }
        for name in names {
            let finished = name.strip_suffix(STAGED).unwrap_or(&name);
            if SegmentId::parse(Path::new(finished)).is_some() && self.take(&name) {
                problems.push(&self.root.join(&name), Place::File, Cause::Leftover);
            }
        }
        let mut expected = 0;
        for id in &ids {
            while expected < id.index {
                let absent = SegmentId { index: expected, generation: 0 };
                let path = self.root.join(prefixed(absent, SegmentPart::Blocks));
                problems.push(&path, Place::File, Cause::Missing);
                expected += 1;
            }
            expected = id.index.saturating_add(1);
        }
        ids
    }

    /// Judges what nothing accounted for: earlier partial tiles, files ahead of the checkpoint, and strangers.
    pub(super) fn check_rest(&mut self, committed: u64, durable: u64, problems: &mut Problems) {
        let (names, tiles) = (std::mem::take(&mut self.names), std::mem::take(&mut self.tiles));
        let mut files: Vec<TilePath> = Vec::new();
        for name in names {
            match TilePath::parse(&name) {
                Some(path) => files.push(path),
                None => problems.push(&self.root.join(&name), Place::File, Cause::Unknown),
            }
        }
        for path in files.into_iter().chain(tiles.iter()) {
            let (file, path) = (TileFile::from(path), self.root.join(path.to_string()));
            if file.end() <= hashes_at_level(committed, file.level) {
                // A partial tile of an earlier checkpoint begins a tile that has been compared with the entries.
                match file.is_beginning_of_current(self, &path, committed) {
                    Ok(true) => {}
                    Ok(false) => problems.push(&path, Place::File, Cause::Unknown),
                    Err(error) => problems.push_file_error(error),
                }
            } else if file.end() > hashes_at_level(durable, file.level) {
                problems.push(&path, Place::File, Cause::Unknown);
            }
            // Between the two, files are ahead of the checkpoint: no proof uses them, a crash may tear them, and
            // opening the ledger writes them again.
        }
    }

    fn list(&mut self, folder: &Path, problems: &mut Problems) {
        let listed = match self.disk.list(folder) {
            Ok(listed) => listed,
            Err(error) => return problems.push_file_error(FileError::read(folder, error)),
        };
        for (path, kind) in listed {
            if kind == FileKind::Folder {
                self.list(&path, problems);
                continue;
            }
            match path.strip_prefix(&self.root).ok().and_then(Path::to_str) {
                Some(name) if kind == FileKind::File => {
                    if !TilePath::parse(name).is_some_and(|path| self.tiles.insert(path)) {
                        self.names.insert(name.to_owned());
                    }
                }
                _ => problems.push(&path, Place::File, Cause::Unknown),
            }
        }
    }
}

/// Name of a segment's file relative to the ledger's folder.
pub(super) fn prefixed(id: SegmentId, part: SegmentPart) -> String {
    format!("{SEGMENTS}/{}", id.file_name(part))
}

/// A tile or an entry bundle, whose coordinates are those of a tile at level 0.
struct TileFile {
    path: TilePath,
    level: u8,
    index: u64,
    width: usize,
}

impl TileFile {
    fn end(&self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH as u64).saturating_add(self.width as u64)
    }

    /// Whether the file's bytes begin the file that a tree of `committed` leaves has in its place.
    fn is_beginning_of_current(
        &self,
        inventory: &Inventory,
        path: &Path,
        committed: u64,
    ) -> Result<bool, FileError> {
        let current = match self.path {
            TilePath::Tile(_) => {
                TileId::holding(self.level, self.end() - 1, committed).map(|id| id.to_string())
            }
            TilePath::Bundle(_) => BundleId::holding(self.end() - 1, committed).map(|id| id.to_string()),
        };
        let Some(current) = current else { return Ok(false) };
        let read = |path: &Path| inventory.disk.read(path).map_err(|error| FileError::read(path, error));
        let bytes = match read(path) {
            // A writer removes earlier partial tiles once the full one is published.
            Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(true);
            }
            bytes => bytes?,
        };
        let full = read(&inventory.root.join(current))?;
        let whole = match self.path {
            TilePath::Tile(_) => crate::tile::decode_tile(&bytes, self.width).is_ok(),
            TilePath::Bundle(_) => crate::tile::decode_bundle(&bytes, self.width).is_ok(),
        };
        Ok(whole && full.starts_with(&bytes))
    }
}

impl From<TilePath> for TileFile {
    fn from(path: TilePath) -> Self {
        match path {
            TilePath::Tile(id) => Self { path, level: id.level(), index: id.index(), width: id.width() },
            TilePath::Bundle(id) => Self { path, level: 0, index: id.index(), width: id.width() },
        }
    }
}
