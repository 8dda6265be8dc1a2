//! The sets of files that every program takes in, one for each kind of log and size.

use std::path::{Path, PathBuf};

use super::deliveries::{self, ACCOUNTS, DeliverError, Delivered, Order, START_MS};
use super::json_lines;

/// A kind of log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    CloudTrail,
    Vault,
    Kubernetes,
}

/// Kinds by the names under which they are asked for.
pub const KINDS: [(&str, Kind); 3] =
    [("cloudtrail", Kind::CloudTrail), ("vault", Kind::Vault), ("kubernetes", Kind::Kubernetes)];

/// Records in each CloudTrail object but the last.
pub const EVENTS_PER_OBJECT: u64 = 1_000;

/// Files that are taken in together.
#[derive(Debug, Clone)]
pub struct Set {
    pub kind: Kind,
    /// Folders with the files.
    pub folders: Vec<PathBuf>,
    pub size: Delivered,
}

impl Kind {
    /// As it is asked for, and as the loaders know it.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// The files of a folder, as a pattern below it.
    pub fn pattern(self) -> &'static str {
        match self {
            Self::CloudTrail => "**/*.json.gz",
            Self::Vault | Self::Kubernetes => "*.jsonl",
        }
    }
}

impl Set {
    /// Writes `events` records of a kind into `folder`, which is created.
    pub fn write(kind: Kind, seed: u64, events: u64, folder: PathBuf) -> Result<Self, DeliverError> {
        let size = if let Some(mut lines) = json_lines::writer(kind, seed) {
            json_lines::write(&mut *lines, events, &folder)?
        } else {
            let order = Order {
                seed,
                events,
                events_per_object: EVENTS_PER_OBJECT,
                accounts: ACCOUNTS,
                start_ms: START_MS,
            };
            deliveries::write(order, &folder)?
        };
        Ok(Self { kind, folders: vec![folder], size })
    }

    /// The set that is this one and `more`.
    pub fn with(&self, more: Self) -> Self {
        let mut whole = self.clone();
        whole.folders.extend(more.folders);
        whole.size.objects += more.size.objects;
        whole.size.events += more.size.events;
        whole.size.decoded_bytes += more.size.decoded_bytes;
        whole.size.file_bytes += more.size.file_bytes;
        whole
    }

    /// The patterns of its files.
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        let pattern = self.kind.pattern();
        self.folders.iter().map(move |folder: &PathBuf| Path::join(folder, pattern).display().to_string())
    }
}
