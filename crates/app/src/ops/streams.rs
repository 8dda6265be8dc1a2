//! When each stream was last heard of, and when it was silent, as the ledger recorded it.

use std::collections::BTreeMap;

use ascribe_assess::Silence;
use ascribe_ledger::{Kind, Reader};
use ascribe_model::{KeyKind, KeyRef, PulseEntry, Role, SourceRef, StreamEntry, Timestamp};
use ascribe_store::Store;

use crate::capture::digest_text;
use crate::ingest::{SILENCES_MARK, stream_mark};
use crate::pulse::Receipt;

/// Key kind under which the store finds signs of life.
const PULSE_KIND: KeyKind = KeyKind::new("ascribe.pulse");

/// Silences that are read for an answer, the latest. More would be streams that are expected to speak too often.
const SILENCES_MAX: usize = 10_000;

/// What is recorded of the silences of streams cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum StreamReadError {
    /// In the store.
    #[error("cannot look it up in the store")]
    Store(#[source] ascribe_store::ReadError),
    /// In the ledger.
    #[error("cannot read its entry in the ledger")]
    Ledger(#[from] ascribe_ledger::ReadError),
    /// It is of a later version.
    #[error("entry {leaf} is none that this program knows")]
    Form {
        /// The entry.
        leaf: u64,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

/// A silence as two entries recorded it.
#[derive(Clone, Debug)]
pub struct RecordedSilence {
    /// Leaf of the entry that says that it began.
    pub leaf: u64,
    /// The last record before.
    pub last: Receipt,
    /// How long the stream may be silent, in nanoseconds.
    pub after_ns: u64,
    /// Whether the clock jumped in between.
    pub jumped: bool,
    /// Leaf of the entry that says that it ended, and time of receipt of the first record behind it.
    pub ended: Option<Receipt>,
    /// `sha256:` and the digest of what the last of the two entries says.
    pub digest: String,
}

/// The last record of each stream, by the leaf of its entry.
pub fn last_records(store: &Store) -> BTreeMap<u64, Receipt> {
    let mut last: BTreeMap<u64, Receipt> = BTreeMap::new();
    for (&stream, heard) in store.summaries().flat_map(|segment| &segment.heard) {
        let receipt = Receipt { leaf: heard.leaf, at: heard.received_at };
        let known = last.entry(stream).or_insert(receipt);
        if known.leaf < receipt.leaf {
            *known = receipt;
        }
    }
    last
}

/// The stream that an entry announced.
pub fn stream_at(reader: &Reader, leaf: u64) -> Result<StreamEntry, StreamReadError> {
    let entry = reader.proven_entry(leaf)?;
    serde_json::from_slice(entry.kept()?).map_err(|source| StreamReadError::Form { leaf, source })
}

/// The same as answers name it.
pub fn source_of(stream: StreamEntry) -> SourceRef {
    SourceRef { kind: stream.source, scope: stream.scope, partition: stream.partition }
}

/// Where signs of life of a name are, in the order of the ledger.
pub fn pulse_leaves(store: &Store, name: &str) -> Result<Vec<u64>, StreamReadError> {
    let key = KeyRef { kind: PULSE_KIND, scope: String::new(), value: name.to_owned() };
    Ok(store.leaves(&key, &[Role::Native], None, usize::MAX).map_err(StreamReadError::Store)?.leaves)
}

/// One sign of life.
pub fn pulse_at(reader: &Reader, leaf: u64) -> Result<PulseEntry, StreamReadError> {
    let entry = reader.proven_entry(leaf)?;
    serde_json::from_slice(entry.kept()?).map_err(|source| StreamReadError::Form { leaf, source })
}

/// The last silence of a stream; it may have ended.
pub fn last_silence_of(
    store: &Store,
    reader: &Reader,
    stream: u64,
) -> Result<Option<RecordedSilence>, StreamReadError> {
    let leaves = pulse_leaves(store, &stream_mark(stream))?;
    // Two entries at most are one silence.
    let recorded = recorded(reader, &leaves[leaves.len().saturating_sub(2)..])?;
    Ok(recorded.into_iter().next_back().map(|(_, silence)| silence))
}

/// The silences that these entries record, in their order; an end without a beginning among them is left out.
fn recorded(reader: &Reader, leaves: &[u64]) -> Result<Vec<(u64, RecordedSilence)>, StreamReadError> {
    let mut silences: Vec<(u64, RecordedSilence)> = Vec::new();
    for leaf in leaves.iter().copied() {
        let entry = reader.proven_entry(leaf)?;
        let Some(stream) = entry.envelope().stream else { continue };
        let pulse =
            serde_json::from_slice(entry.kept()?).map_err(|source| StreamReadError::Form { leaf, source })?;
        let digest = digest_text(entry.kept()?);
        match pulse {
            PulseEntry::Silent { from, last, after_ns, jump, .. } => {
                let last = Receipt { leaf: last, at: from };
                let jumped = jump.is_some();
                silences
                    .push((stream, RecordedSilence { leaf, last, after_ns, jumped, ended: None, digest }));
            }
            PulseEntry::Spoke { silent, until, .. } => {
                if let Some((_, begun)) = silences.iter_mut().rfind(|(_, silence)| silence.leaf == silent) {
                    begun.ended = Some(Receipt { leaf, at: until });
                    begun.digest = digest;
                }
            }
            PulseEntry::Beat { .. } | PulseEntry::Clock { .. } => {}
        }
    }
    Ok(silences)
}

/// The silences of every stream as answers take them, sorted; with the leaf of the entry that each is cited by.
pub fn all_silences(store: &Store, reader: &Reader) -> Result<Vec<(Silence, u64)>, StreamReadError> {
    let leaves = pulse_leaves(store, SILENCES_MARK)?;
    let mut streams: BTreeMap<u64, SourceRef> = BTreeMap::new();
    let mut all = Vec::new();
    for (stream, silence) in recorded(reader, &leaves[leaves.len().saturating_sub(2 * SILENCES_MAX)..])? {
        let source = if let Some(source) = streams.get(&stream) {
            source.clone()
        } else {
            let source = source_of(stream_at(reader, stream)?);
            streams.insert(stream, source.clone());
            source
        };
        let leaf = silence.ended.map_or(silence.leaf, |ended| ended.leaf);
        all.push((
            Silence {
                stream: source,
                from: silence.last.at,
                until: silence.ended.map(|ended| ended.at),
                after_ns: silence.after_ns,
                jumped: silence.jumped,
                entry: silence.digest,
            },
            leaf,
        ));
    }
    all.sort_by(|(one, _), (other, _)| (&one.stream, one.from).cmp(&(&other.stream, other.from)));
    Ok(all)
}

/// The first record of a stream behind a leaf. Where the store says that there is one, the entries of one of its
/// segments are looked at.
pub fn first_record_after(
    store: &Store,
    reader: &Reader,
    stream: u64,
    leaf: u64,
) -> Result<Option<Receipt>, StreamReadError> {
    let mut segments: Vec<(u64, u64)> = store
        .summaries()
        .filter_map(|segment| Some((segment.first, segment.heard.get(&stream)?.leaf)))
        .filter(|(_, last)| *last > leaf)
        .collect();
    segments.sort_unstable();
    let Some((first, last)) = segments.first().copied() else { return Ok(None) };
    for entry in reader.entries(first.max(leaf + 1)..last + 1) {
        let entry = entry?;
        let envelope = entry.envelope();
        if envelope.kind == Kind::Record && envelope.stream == Some(stream) {
            let at = Timestamp::from_nanoseconds(envelope.received_at);
            return Ok(Some(Receipt { leaf: entry.leaf(), at }));
        }
    }
    Ok(None)
}
