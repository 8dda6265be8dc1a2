//! What the entries of the ledger that are not records hold.
//!
//! The ledger commits to bytes and knows none of this. The bytes of an `object`, a `stream`, a `config`, an
//! `index-root` and a `timestamp` entry are one of these as JSON; those of a `reject` entry are a [`RejectHeader`] as JSON, a line feed,
//! and the rejected bytes. `docs/formats/event.md` states them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AccessBy, SkewFact};

/// An `object` entry: one input file or delivery is opened, closed, or met again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectEntry {
    /// Reading begins. The entry's leaf is the object's reference in all that follows.
    Opened {
        /// Name as given, such as a path; `-` for standard input.
        name: String,
        /// `gzip`, `zstd`, or `identity`.
        encoding: String,
        /// Native scope that the operator gave for records that carry none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// Version of the capture policy in force; absent where there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<String>,
    },
    /// The digest of the object, where it was known before reading; the envelope names the opening entry. It is an entry
    /// of its own so that it can be erased with any member of the object, which could be guessed from it.
    Digest {
        /// `sha256:` and the hexadecimal digest of the bytes as delivered.
        digest: String,
        /// Bytes as delivered.
        bytes: u64,
    },
    /// Reading ended; the envelope names the opening entry.
    Closed(ObjectClosed),
    /// The same bytes were delivered again; the envelope names the opening entry. Its records are not stored again.
    SeenAgain {
        /// Name under which they came this time.
        name: String,
    },
}

/// What reading one object came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectClosed {
    /// Bytes after decoding; equals framing, records and rejects together.
    pub decoded_bytes: u64,
    /// Bytes that belong to no record.
    pub framing_bytes: u64,
    /// Bytes in records.
    pub record_bytes: u64,
    /// Bytes in rejects.
    pub reject_bytes: u64,
    /// Bytes that could not be decoded, and are kept encoded. They count in none of the others.
    #[serde(default)]
    pub encoded_bytes: u64,
    /// Records.
    pub records: u64,
    /// Rejects.
    pub rejects: u64,
    /// Compressed members; more than one means that something was appended to the delivery.
    pub members: u32,
    /// Code of what stopped the reading early, such as `encoding_truncated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A `stream` entry: one instance of a source is met for the first time. Its leaf is the stream's id for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamEntry {
    /// Id of the source.
    pub source: String,
    /// Native scope: the account, the cluster.
    pub scope: String,
    /// Part that is delivered apart, such as a region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}

/// A `config` entry: something that the operator configured is in force from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "config", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConfigEntry {
    /// The capture policy. It is in force for the entries that follow, up to the next of its kind.
    CapturePolicy {
        /// `sha256:` and the hexadecimal digest of the text; `none` where the policy was taken away.
        version: String,
        /// The policy's file.
        text: String,
    },
    /// The files from which answers take what the operator asserts of identities and networks.
    Enrichment {
        /// `sha256:` and the hexadecimal digest over the files; `none` where they were taken away.
        version: String,
        /// The files, in the order in which they count.
        files: Vec<ConfigFile>,
    },
    /// How the clocks of streams stood to each other, frozen. Such entries add up: of two facts for one pair of streams
    /// and one day the earlier counts.
    Skew {
        /// Version of the rule of estimation.
        version: String,
        /// The facts, sorted.
        facts: Vec<SkewFact>,
    },
    /// The key that seals values was destroyed, or made anew.
    SealKey {
        /// Id of the key that seals from here on, in hexadecimal digits; `none` where it was destroyed.
        version: String,
        /// Id of the key that was destroyed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        destroyed: Option<String>,
        /// Who asked for it.
        by: AccessBy,
        /// Why, in their words.
        reason: String,
    },
    /// Everything that is set and changes what the ledger or its answers mean, in force up to the next of its kind.
    Settings {
        /// `sha256:` and the hexadecimal digest of the values as JSON.
        version: String,
        /// Who ran the command that recorded it, as the system knows them.
        by: String,
        /// What differs from the entry before it, sorted by name.
        changed: Vec<SettingChange>,
        /// Every value, by name.
        values: BTreeMap<String, String>,
    },
}

/// A setting that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingChange {
    /// Its name, such as `pulse.heartbeat_after`.
    pub name: String,
    /// Its value before; absent where it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Its value from here on; absent where it has none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// A file that the operator provides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Name as configured.
    pub name: String,
    /// `sha256:` and the hexadecimal digest of its bytes.
    pub digest: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// An `index-root` entry: the root of the completeness index over a range of entries, and who made it from what.
/// `docs/formats/index.md` states what it commits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexRootEntry {
    /// Version of this form: [`IndexRootEntry::VERSION`].
    pub version: u32,
    /// First leaf of the range.
    pub from: u64,
    /// Leaf behind the last.
    pub to: u64,
    /// How often the range was indexed before.
    pub generation: u64,
    /// Rows of the index.
    pub rows: u64,
    /// Root over the rows, in base64.
    pub root: String,
    /// Commitment to the salt of the rows, in base64.
    pub salt: String,
    /// Records in the range.
    pub records: u64,
    /// Those of them that no parser read: the index knows nothing of what they say.
    pub unread: u64,
    /// Those of them that had been erased: the index knows nothing of what they said.
    pub erased: u64,
    /// Rejects in the range: bytes that no parser could read.
    pub rejects: u64,
    /// Version of the parser of each source.
    pub parsers: BTreeMap<String, u32>,
}

/// A `timestamp` entry: an authority says when a checkpoint was there (RFC 3161).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampEntry {
    /// What the operator calls the authority.
    pub authority: String,
    /// The stamped bytes: a checkpoint note as it was in the anchor. It names size and root.
    pub note: String,
    /// The authority's answer (TimeStampResp), in base64.
    pub response: String,
    /// The certificates that the operator trusted for this authority when it was checked, in base64.
    pub roots: Vec<String>,
}

/// The first line of a `reject` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectHeader {
    /// Stable code.
    pub reason: String,
    /// Where in the rejected bytes reading failed.
    pub offset: u64,
    /// What was expected there.
    pub expected: String,
    /// What was found there.
    pub found: String,
    /// The bytes are still encoded: the envelope's span then says where decoding stopped, not how long they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encoded: bool,
}

impl IndexRootEntry {
    /// The version that is written.
    pub const VERSION: u32 = 1;
}

impl ConfigEntry {
    /// The version of what is not configured.
    pub const NONE: &'static str = "none";

    /// The name of frozen facts about clocks.
    pub const SKEW: &'static str = "skew";

    /// The name of what became of the key that seals values.
    pub const SEAL_KEY: &'static str = "seal_key";
    /// The name of the settings.
    pub const SETTINGS: &'static str = "settings";

    /// Every name.
    pub const NAMES: [&'static str; 5] =
        ["capture_policy", "enrichment", Self::SKEW, Self::SEAL_KEY, Self::SETTINGS];

    /// What is configured: the word that the form has for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CapturePolicy { .. } => "capture_policy",
            Self::Enrichment { .. } => "enrichment",
            Self::Skew { .. } => Self::SKEW,
            Self::SealKey { .. } => Self::SEAL_KEY,
            Self::Settings { .. } => Self::SETTINGS,
        }
    }

    /// Its version.
    pub fn version(&self) -> &str {
        match self {
            Self::CapturePolicy { version, .. }
            | Self::Enrichment { version, .. }
            | Self::Skew { version, .. }
            | Self::SealKey { version, .. }
            | Self::Settings { version, .. } => version,
        }
    }
}
