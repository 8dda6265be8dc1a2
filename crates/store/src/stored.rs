//! A published segment: its summary in memory, its indexes opened when they are first asked.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::error::{Damage, OpenError, ReadError};
use crate::hex;
use crate::id_index::{IdIndex, Span};
use crate::key_index::KeyIndex;
use crate::layout::{IDS_FILE, KEYS_FILE, Layout, SUMMARY_FILE};
use crate::manifest::{FormatOnly, SegmentRef, check_format, not_json};
use crate::summary::SegmentSummary;

/// A published segment.
#[derive(Debug)]
pub(crate) struct StoredSegment {
    pub(crate) folder: PathBuf,
    pub(crate) reference: SegmentRef,
    pub(crate) summary: SegmentSummary,
    keys: OnceLock<Arc<KeyIndex>>,
    ids: OnceLock<IdIndex>,
}

impl StoredSegment {
    /// A segment whose summary is at hand.
    pub(crate) fn new(layout: &Layout, reference: SegmentRef, summary: SegmentSummary) -> Self {
        let folder = layout.segment_folder(reference.first, reference.end);
        Self { folder, reference, summary, keys: OnceLock::new(), ids: OnceLock::new() }
    }

    /// Reads the summary of a segment that the manifest names, and nothing else.
    pub(crate) fn open(layout: &Layout, reference: SegmentRef) -> Result<Self, OpenError> {
        let path = layout.segment_folder(reference.first, reference.end).join(SUMMARY_FILE);
        let bytes = fs::read(&path).map_err(|error| ReadError::io(&path, error))?;
        let digest = hex::digits(&Sha256::digest(&bytes));
        if digest != reference.summary {
            let expected = format!("content with SHA-256 `{}`", reference.summary);
            return Err(ReadError::from(Damage::new(&path, 0, expected, format!("`{digest}`"))).into());
        }
        check_format::<FormatOnly>(&path, &bytes)?;
        let summary: SegmentSummary =
            serde_json::from_slice(&bytes).map_err(|error| not_json(&path, &bytes, &error))?;
        if (summary.first, summary.end) != (reference.first, reference.end) {
            let expected = format!("the segment {}-{}", reference.first, reference.end);
            let found = format!("{}-{}", summary.first, summary.end);
            return Err(ReadError::from(Damage::new(&path, 0, expected, found)).into());
        }
        Ok(Self::new(layout, reference, summary))
    }

    /// The leaves that the segment covers.
    pub(crate) fn range(&self) -> Range<u64> {
        self.reference.first..self.reference.end
    }

    /// Whether each record of the segment that says anything is one event.
    pub(crate) fn has_single_events(&self) -> bool {
        let summary = &self.summary;
        let saying = summary.records - summary.records_without_events.min(summary.records);
        summary.events.count + summary.events.repeats == saying
    }

    /// The key index, opened at the first call.
    pub(crate) fn keys(&self) -> Result<&Arc<KeyIndex>, ReadError> {
        if let Some(index) = self.keys.get() {
            return Ok(index);
        }
        // Two threads may both open it; one copy stays.
        let index = Arc::new(KeyIndex::open(&self.folder.join(KEYS_FILE))?);
        Ok(self.keys.get_or_init(|| index))
    }

    /// The index of event ids, opened at the first call.
    pub(crate) fn ids(&self) -> Result<&IdIndex, ReadError> {
        if let Some(index) = self.ids.get() {
            return Ok(index);
        }
        let span = if self.is_unit() { Span::Unit } else { Span::Range };
        let index = IdIndex::open(&self.folder.join(IDS_FILE), span)?;
        Ok(self.ids.get_or_init(|| index))
    }
}
