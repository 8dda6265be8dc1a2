//! Where the files of a ledger are: in which folders, and on which disk. It reads none of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::anchor::{AnchorPlace, AnchorStore};
use crate::durable::Disk;
use crate::tile::parse_decimal;

/// The two places of a ledger.
#[derive(Debug, Clone)]
pub struct LedgerPaths {
    /// Holds segments, tiles and the published checkpoint.
    pub ledger: PathBuf,
    /// Holds the anchor: the last checkpoint ever signed. It guards against a ledger put back to an older state only
    /// if it is not put back along with it, so it belongs on another volume.
    pub anchor: AnchorPlace,
    disk: Disk,
}

/// Name of a segment's files: `<index>.<generation>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The two files of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SegmentPart {
    Blocks,
    Salts,
}

impl LedgerPaths {
    /// A ledger with its anchor in a folder, on the operating system's file systems.
    pub fn new(ledger: impl Into<PathBuf>, anchor: impl Into<PathBuf>) -> Self {
        Self::anchored_in(ledger, AnchorPlace::Folder(anchor.into()))
    }

    /// A ledger on the operating system's file systems, with its anchor wherever that is.
    pub fn anchored_in(ledger: impl Into<PathBuf>, anchor: AnchorPlace) -> Self {
        Self { ledger: ledger.into(), anchor, disk: Disk::default() }
    }

    /// The same folders on another disk.
    #[must_use]
    pub fn on(&self, disk: Disk) -> Self {
        Self { disk, ..self.clone() }
    }

    /// The disk that everything is read from and written to.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// What keeps the anchor.
    pub fn anchor_store(&self) -> Arc<dyn AnchorStore> {
        self.anchor.store(&self.disk)
    }

    /// The published checkpoint.
    pub fn published_checkpoint(&self) -> PathBuf {
        self.ledger.join(CHECKPOINT)
    }

    /// The largest checkpoint that enough witnesses have cosigned.
    pub fn witnessed_checkpoint(&self) -> PathBuf {
        self.ledger.join(WITNESSED)
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.ledger.join(LOCK)
    }

    /// The mark of an erasure that is under way.
    pub(crate) fn erasure(&self) -> PathBuf {
        self.ledger.join(ERASURE)
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.ledger.join(SEGMENTS)
    }

    pub(crate) fn segment(&self, id: SegmentId, part: SegmentPart) -> PathBuf {
        self.segments().join(id.file_name(part))
    }
}

/// Name of the checkpoint in both folders (tlog-tiles).
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// Name of the largest checkpoint with a quorum of witnesses.
pub(crate) const WITNESSED: &str = "witnessed";
/// Name of the writer's lock.
pub(crate) const LOCK: &str = "lock";
/// Name of the mark of an erasure that is under way.
pub(crate) const ERASURE: &str = "erasure";
/// Name of the folder of segments.
pub(crate) const SEGMENTS: &str = "segment";

impl SegmentId {
    pub(crate) fn file_name(self, part: SegmentPart) -> String {
        let extension = match part {
            SegmentPart::Blocks => "seg",
            SegmentPart::Salts => "salt",
        };
        format!("{:08}.{}.{extension}", self.index, self.generation)
    }

    /// Reads a file name; `None` for anything that [`SegmentId::file_name`] would not write.
    pub(crate) fn parse(path: &Path) -> Option<(Self, SegmentPart)> {
        let name = path.file_name()?.to_str()?;
        let mut fields = name.splitn(3, '.');
        let (index, generation, extension) = (fields.next()?, fields.next()?, fields.next()?);
        let part = match extension {
            "seg" => SegmentPart::Blocks,
            "salt" => SegmentPart::Salts,
            _ => return None,
        };
        let id =
            Self { index: index.parse().ok()?, generation: u32::try_from(parse_decimal(generation)?).ok()? };
        (id.file_name(part) == name).then_some((id, part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_segments() {
        let id = SegmentId { index: 17, generation: 2 };
        assert_eq!(id.file_name(SegmentPart::Blocks), "00000017.2.seg");
        assert_eq!(SegmentId::parse(Path::new("a/00000017.2.salt")), Some((id, SegmentPart::Salts)));
        for bad in ["17.2.seg", "00000017.02.seg", "00000017.2", "00000017.2.seg.old", "+0000017.2.seg", ""] {
            assert_eq!(SegmentId::parse(Path::new(bad)), None, "{bad}");
        }
    }
}
