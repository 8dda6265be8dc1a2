//! What the completeness indexes prove of a name: in which sealed ranges which entries have it, where none has, and
//! what is not sealed, so that nothing is proven there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use ascribe_bundle::EVENT_KIND;
use ascribe_ledger::durable::Disk;
use ascribe_ledger::index::{Found, IndexFile, IndexPaths, KeyProof, KeyProofRefused, ScopeTag, scope_tag};
use ascribe_ledger::{Kind, Reader, Salt};
use ascribe_model::{KeyKind, KeyRef};

use super::evidence::{OpenError, OpenEvidence};
use super::questions::QuestionError;
use super::sealed_ranges::{RangeError, SealedRange, build, sealed_ranges};
use super::subject::{keys_named, values_of};
use super::upkeep::parser_versions;
use crate::causes::with_causes;
use crate::workspace::Workspace;

/// What to prove.
pub struct ProveRequest<'a> {
    /// What somebody typed.
    pub name: &'a str,
    /// First entry of interest.
    pub from: u64,
    /// Entry behind the last of interest; the ledger's end where absent.
    pub to: Option<u64>,
    /// Whether to parse the ranges again.
    pub recompute: Recompute,
}

/// Whether the operator's parsing is taken or done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recompute {
    /// Parse each range again and compare the root.
    Yes,
    /// Take the index as it is.
    No,
}

/// What is proven of a name.
pub struct ProvenName {
    /// The values that it was taken to mean.
    pub values: Vec<String>,
    /// Each sealed range of interest, in order.
    pub ranges: Vec<ProvenRange>,
    /// What no index covers of what is of interest, from the first record on.
    pub unsealed: Option<Range<u64>>,
    /// Leaves of the ledger.
    pub size: u64,
}

/// What one range proves.
pub struct ProvenRange {
    /// The range.
    pub range: SealedRange,
    /// Of each value, in the order of [`ProvenName::values`].
    pub found: Vec<ProvenValue>,
    /// What parsing the range again came to.
    pub recomputed: Recomputed,
}

/// What one range proves of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvenValue {
    /// These entries have it, and no others.
    Entries(Vec<ProvenKey>),
    /// No entry has it.
    Nothing,
    /// That cannot be determined, because a row beside its place was erased.
    Undetermined,
    /// The index cannot be used.
    Unusable(String),
}

/// The entries that have a value in one kind and scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenKey {
    /// The key; absent where its kind and scope are none that this program's parsers find.
    pub key: Option<KeyRef>,
    /// The entries.
    pub leaves: Vec<u64>,
}

/// What parsing a range again came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recomputed {
    /// It was not asked for: the index rests on the operator's parsing.
    NotAsked,
    /// The same root follows.
    Same,
    /// Another one follows.
    Differs,
    /// The range was indexed by parsers of other versions.
    OtherParsers,
    /// Entries of it were erased since.
    Erased,
}

/// Nothing can be proven.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The evidence cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The name cannot be looked up.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// The ranges cannot be told.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The range of interest is empty.
    #[error("entries {from} to {to} are none of the ledger's {size}")]
    Window {
        /// First.
        from: u64,
        /// Behind the last.
        to: u64,
        /// Leaves of the ledger.
        size: u64,
    },
}

/// Proves what the sealed ranges hold of a name.
pub fn prove(root: &Path, request: &ProveRequest<'_>) -> Result<ProvenName, ProveError> {
    let evidence = OpenEvidence::open(root)?;
    let workspace = Workspace::open(root).map_err(OpenError::from)?;
    let size = evidence.reader.size();
    let window = request.from..request.to.unwrap_or(size).min(size);
    if window.is_empty() {
        return Err(ProveError::Window { from: window.start, to: request.to.unwrap_or(size), size });
    }
    let text = request.name.trim();
    let named: BTreeSet<String> =
        keys_named(&evidence, text)?.into_iter().map(|named| named.key.value).collect();
    let values: Vec<String> = if named.is_empty() { values_of(text) } else { named.into_iter().collect() };
    let sealed = sealed_ranges(&evidence.store, &evidence.reader)?;
    let end = sealed.last().map_or(0, |range| range.leaves().end);
    let looking = Looking { evidence: &evidence, paths: workspace.index_paths(), values: &values };
    let mut ranges = Vec::new();
    let is_of_interest =
        |range: &SealedRange| range.leaves().start < window.end && window.start < range.leaves().end;
    for range in sealed.into_iter().filter(is_of_interest) {
        let recomputed = match request.recompute {
            Recompute::Yes => recompute(&evidence.reader, &looking.paths, &range)?,
            Recompute::No => Recomputed::NotAsked,
        };
        let found = looking.found(&range)?;
        ranges.push(ProvenRange { range, found, recomputed });
    }
    let unsealed = unsealed(&evidence.reader, end.max(window.start)..window.end)?;
    Ok(ProvenName { values, ranges, unsealed, size })
}

/// Of what no index covers, what may hold records: from the first of them on. Roots of indexes always come behind what
/// they cover, and have no values.
fn unsealed(reader: &Reader, rest: Range<u64>) -> Result<Option<Range<u64>>, RangeError> {
    for entry in reader.entries(rest.clone()) {
        let entry = entry?;
        if entry.envelope().kind == Kind::Record {
            return Ok(Some(entry.leaf()..rest.end));
        }
    }
    Ok(None)
}

/// Parses a range again, and compares what follows with what the ledger has.
fn recompute(reader: &Reader, paths: &IndexPaths, range: &SealedRange) -> Result<Recomputed, RangeError> {
    if range.root.entry.parsers != parser_versions() {
        return Ok(Recomputed::OtherParsers);
    }
    let salt = IndexFile::salt(&Disk::default(), paths, &range.files())?;
    let (built, counts) = build(reader, range.leaves(), salt)?;
    Ok(if built.head() == range.root.head {
        Recomputed::Same
    } else if counts.erased > range.root.entry.erased {
        Recomputed::Erased
    } else {
        Recomputed::Differs
    })
}

struct Looking<'a> {
    evidence: &'a OpenEvidence,
    paths: IndexPaths,
    values: &'a [String],
}

impl Looking<'_> {
    fn found(&self, range: &SealedRange) -> Result<Vec<ProvenValue>, ProveError> {
        let opened = IndexFile::salt(&Disk::default(), &self.paths, &range.files()).and_then(|salt| {
            IndexFile::open(&Disk::default(), &self.paths, &range.files(), &range.root.head)
                .map(|index| (salt, index))
        });
        let (salt, index) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let unusable = ProvenValue::Unusable(with_causes(&error));
                return Ok(vec![unusable; self.values.len()]);
            }
        };
        let mut found = Vec::new();
        for value in self.values {
            found.push(match checked(&index, range, &salt, value) {
                Ok(Found::Entries(keys)) => {
                    let known = self.known(&salt, value)?;
                    let keys = keys
                        .into_iter()
                        .map(|key| ProvenKey { key: known.get(&key.scope).cloned(), leaves: key.leaves });
                    ProvenValue::Entries(keys.collect())
                }
                Ok(Found::Nothing) => ProvenValue::Nothing,
                Ok(Found::Undetermined) => ProvenValue::Undetermined,
                Err(error) => ProvenValue::Unusable(error),
            });
        }
        Ok(found)
    }

    /// Kinds and scopes of a value that are known, by their tags.
    fn known(&self, salt: &Salt, value: &str) -> Result<BTreeMap<ScopeTag, KeyRef>, ProveError> {
        let found = self.evidence.store.find(value).map_err(RangeError::Store)?;
        let event = KeyRef { kind: KeyKind::new(EVENT_KIND), scope: String::new(), value: value.to_owned() };
        let keys = found.into_iter().map(|found| found.key).chain([event]);
        Ok(keys.map(|key| (scope_tag(salt, key.kind.name().as_bytes(), key.scope.as_bytes()), key)).collect())
    }
}

/// Looks a value up and checks the proof as a stranger would.
fn checked(index: &IndexFile, range: &SealedRange, salt: &Salt, value: &str) -> Result<Found, String> {
    let proof: KeyProof = index.prove(salt, value.as_bytes()).map_err(|error| with_causes(&error))?;
    proof
        .check(&range.root.head, salt, value.as_bytes())
        .map_err(|refused: KeyProofRefused| with_causes(&refused))
}

impl ProvenName {
    /// Entries that were found, over all values and ranges.
    pub fn entries(&self) -> u64 {
        let found = self.ranges.iter().flat_map(|range| &range.found);
        found
            .map(|found| match found {
                ProvenValue::Entries(keys) => {
                    let leaves: BTreeSet<&u64> = keys.iter().flat_map(|key| &key.leaves).collect();
                    leaves.len() as u64
                }
                _ => 0,
            })
            .sum()
    }

    /// Whether everything of interest is determined.
    pub fn is_whole(&self) -> bool {
        let determined =
            |value: &ProvenValue| matches!(value, ProvenValue::Entries(_) | ProvenValue::Nothing);
        self.unsealed.is_none() && self.ranges.iter().all(|range| range.found.iter().all(determined))
    }

    /// Whether parsing a range again came to another index.
    pub fn is_contradicted(&self) -> bool {
        self.ranges.iter().any(|range| range.recomputed == Recomputed::Differs)
    }
}

impl ProveError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Open(error) => error.hint().to_owned(),
            Self::Question(error) => error.hint(),
            Self::Range(error) => error.hint().to_owned(),
            Self::Window { .. } => "entries are counted from 0; `--to` is the first one left out".to_owned(),
        }
    }
}
