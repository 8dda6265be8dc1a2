//! Opening, creating and publishing a store.
//!
//! A [`Store`] is a view of one manifest. It never changes under a reader: a writer publishes a new manifest, and
//! files that only the old one names stay until the publication after that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::durable::Steps;
use crate::error::{CreateError, OpenError, PublishError, ReadError, WriteError};
use crate::event_rows::Metadata;
use crate::hex;
use crate::layout::{FORMAT, Layout, segment_name};
use crate::manifest::{self, Manifest, SegmentRef};
use crate::plan;
use crate::segment::Segment;
use crate::spare::Spare;
use crate::stored::StoredSegment;
use crate::summary::SegmentSummary;

/// Parquet tables and a key index over the ledger, as one manifest names them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) layout: Layout,
    pub(crate) steps: Steps,
    /// Number of the manifest.
    number: u64,
    folded: u64,
    parsers: BTreeMap<String, u32>,
    pub(crate) segments: Vec<Arc<StoredSegment>>,
    pub(crate) spare: Spare,
    pub(crate) metadata: Metadata,
}

impl Store {
    /// Opens the store in `folder` at its newest manifest. Reads summaries; indexes are opened when they are asked.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let layout = Layout { root: folder.to_owned() };
        let (number, manifest) = Manifest::newest(&layout)?;
        let segments = manifest.segments.into_iter();
        let segments = segments.map(|segment| StoredSegment::open(&layout, segment).map(Arc::new));
        Ok(Self {
            steps: Steps::default(),
            number,
            folded: manifest.folded,
            parsers: manifest.parsers,
            segments: segments.collect::<Result<_, _>>()?,
            spare: Spare::default(),
            metadata: Metadata::default(),
            layout,
        })
    }

    /// Makes an empty store in `folder`. `parsers` names the version of each source's parser: rows made by others
    /// are not the same, so whoever opens the store with other versions makes it again.
    pub fn create(folder: &Path, parsers: BTreeMap<String, u32>) -> Result<Self, CreateError> {
        Self::create_with(folder, parsers, Steps::default())
    }

    pub(crate) fn create_with(
        folder: &Path,
        parsers: BTreeMap<String, u32>,
        steps: Steps,
    ) -> Result<Self, CreateError> {
        let layout = Layout { root: folder.to_owned() };
        let exists = || CreateError::Exists { folder: folder.to_owned() };
        if !manifest::numbers(&layout).map_err(listing)?.is_empty() {
            return Err(exists());
        }
        steps.create_folder(&layout.segments())?;
        steps.create_folder(&layout.manifests())?;
        steps.sync_folder(folder)?;
        let (segments, spare, metadata) = (Vec::new(), Spare::default(), Metadata::default());
        let store = Self { layout, steps, number: 1, folded: 0, parsers, segments, spare, metadata };
        // A crash before this leaves empty folders, in which a store can still be made.
        if store.write_manifest()? { Ok(store) } else { Err(exists()) }
    }

    /// How many leaves of the ledger are folded.
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// The versions of the parsers that made the rows, by source.
    pub fn parsers(&self) -> &BTreeMap<String, u32> {
        &self.parsers
    }

    /// What each segment holds, in leaf order.
    pub fn summaries(&self) -> impl Iterator<Item = &SegmentSummary> {
        self.segments.iter().map(|segment| &segment.summary)
    }

    /// The ranges to fold, in order, so that the store reaches leaf `end` of the ledger. Each becomes one segment;
    /// publish it before building the next, so that its events count as seen.
    ///
    /// A range may begin, and even end, before [`Store::folded`]: parts are folded again, wider, so that they stay few
    /// and a complete range becomes one segment.
    pub fn plan(&self, end: u64) -> Vec<Range<u64>> {
        let segments: Vec<_> = self.segments.iter().map(|segment| segment.range()).collect();
        plan::plan(&segments, end)
    }

    /// Puts segments in force: they replace those whose leaves they cover, and `folded` is where all of them end.
    ///
    /// Folders that neither the new nor the previous manifest names are removed, finished segments that are not
    /// among `segments` too. After an error open the store again; only [`PublishError::Remains`] leaves it usable.
    pub fn publish(&mut self, segments: Vec<Segment>, folded: u64) -> Result<(), PublishError> {
        let segments = self.replaced(segments);
        check_coverage(&segments, folded)?;
        let next = Self { number: self.number + 1, folded, segments, ..self.clone() };
        if !next.write_manifest()? {
            return Err(PublishError::Raced { number: next.number });
        }
        let previous = std::mem::replace(self, next);
        let remains = |source| PublishError::Remains { number: self.number, source };
        self.sweep(&previous.segments).map_err(remains)
    }

    /// Removes every file that this store's manifest does not name. Other readers must have let go of older ones.
    pub fn clean(&self) -> Result<(), WriteError> {
        self.sweep(&[])?;
        self.sweep_partitions()
    }

    /// The segments in force once `new` are: those that are not covered by a new one, and the new ones.
    fn replaced(&self, new: Vec<Segment>) -> Vec<Arc<StoredSegment>> {
        let new = new.into_iter().map(|segment| {
            let Segment { summary, digest } = segment;
            let reference =
                SegmentRef { first: summary.first, end: summary.end, summary: hex::digits(&digest) };
            Arc::new(StoredSegment::new(&self.layout, reference, summary))
        });
        let mut segments: Vec<_> = new.collect();
        let covered = |old: &StoredSegment| {
            let ranges = segments.iter().map(|segment| segment.range());
            ranges.into_iter().any(|range| range.start <= old.range().start && old.range().end <= range.end)
        };
        let kept: Vec<_> = self.segments.iter().filter(|segment| !covered(segment)).cloned().collect();
        segments.extend(kept);
        segments.sort_by_key(|segment| segment.range().start);
        segments
    }

    /// Writes this store's manifest under its number; `false` where the number is taken.
    fn write_manifest(&self) -> Result<bool, WriteError> {
        let manifest = Manifest {
            format: FORMAT,
            folded: self.folded,
            parsers: self.parsers.clone(),
            segments: self.segments.iter().map(|segment| segment.reference.clone()).collect(),
        };
        let name = self.layout.manifest(self.number);
        let partial = self.layout.manifest_partial(self.number);
        let bytes = manifest.to_bytes().map_err(|error| WriteError::io(&name, error))?;
        self.steps.remove_file(&partial)?;
        // A crash up to here leaves the old state, and a partial file that the next publication removes.
        self.steps.write_file(&partial, &bytes)?;
        let published = self.steps.link_new(&partial, &name)?;
        // A crash here leaves the old or the new state: both are complete, the link decides.
        self.steps.sync_folder(&self.layout.manifests())?;
        // From here the new state is in force.
        self.steps.remove_file(&partial)?;
        Ok(published)
    }

    /// Removes older manifests, partial files, and the folders of segments that neither this manifest nor `kept`
    /// names. A crash in between leaves some of them to the next time.
    fn sweep(&self, kept: &[Arc<StoredSegment>]) -> Result<(), WriteError> {
        let in_force: BTreeSet<String> =
            self.segments.iter().chain(kept).map(|segment| name(segment)).collect();
        for path in paths_in(&self.layout.segments())? {
            if path.file_name().and_then(|name| name.to_str()).is_none_or(|name| !in_force.contains(name)) {
                self.steps.remove_folder(&path)?;
            }
        }
        for path in paths_in(&self.layout.manifests())? {
            // A manifest above this one is another writer's; partial files are nobody's by now.
            if crate::layout::manifest_number(&path).is_none_or(|number| number < self.number) {
                self.steps.remove_file(&path)?;
            }
        }
        Ok(())
    }
}

fn name(segment: &StoredSegment) -> String {
    segment_name(segment.reference.first, segment.reference.end)
}

/// The paths in a folder, in the order of their names.
pub(crate) fn paths_in(folder: &Path) -> Result<BTreeSet<std::path::PathBuf>, WriteError> {
    let list =
        || fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>();
    list().map_err(|error| WriteError::io(folder, error))
}

/// Every leaf below `folded` has to be in exactly one segment.
fn check_coverage(segments: &[Arc<StoredSegment>], folded: u64) -> Result<(), PublishError> {
    let mut expected = 0;
    for segment in segments {
        let range = segment.range();
        if range.start != expected {
            return Err(PublishError::Coverage { expected, found: range.start });
        }
        expected = range.end;
    }
    if expected == folded {
        Ok(())
    } else {
        Err(PublishError::Coverage { expected: folded, found: expected })
    }
}

fn listing(error: ReadError) -> CreateError {
    match error {
        ReadError::Io { file, source } => WriteError::Io { file, source }.into(),
        // Listing a folder reads nothing that could be damaged.
        other => WriteError::Io { file: "manifest".into(), source: io::Error::other(other) }.into(),
    }
}

#[cfg(test)]
mod tests;
