//! The folder in which evidence lives: settings, keys, ledger, anchor and store.
//!
//! ```text
//! <evidence>/ascribe.toml     settings
//! <evidence>/keys/ledger.key  signs checkpoints; mode 0600
//! <evidence>/keys/ledger.vkey verifies them; may be given to anybody
//! <evidence>/keys/retired/    keys that signed before: docs/operations.md
//! <evidence>/keys/hash.key    hashes values that the capture policy hashes; mode 0600
//! <evidence>/keys/seal.key    seals values; mode 0600
//! <evidence>/capture.toml     capture policy: docs/capture.md
//! <evidence>/sealed/          sealed values, which can be erased
//! <evidence>/ledger/          ground: docs/formats/ledger.md
//! <evidence>/anchor/          the last checkpoint signed, kept apart
//! <evidence>/access/          who asked what: docs/access.md
//! <evidence>/index/           completeness indexes, and their salts: docs/formats/index.md
//! <evidence>/store/           derived: docs/formats/store.md
//! <evidence>/fold.lock        held by whoever folds the ledger into the store
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ascribe_ledger::index::IndexPaths;
use ascribe_ledger::{AnchorPlace, KeyPair, LedgerPaths, VerifierKey};
use serde::{Deserialize, Serialize};

use crate::access::AccessPlace;
use crate::capture;
#[cfg(feature = "object-store")]
use crate::connect::object_anchor::ObjectAnchor;
#[cfg(not(feature = "object-store"))]
use crate::connect::unsupported_anchor::ObjectAnchor;
use crate::enrichment::{Enrichment, EnrichmentError};
use crate::pulse::PulseSettings;

/// Name of the settings file; its presence marks a folder as evidence.
pub const SETTINGS_FILE: &str = "ascribe.toml";

/// How the address of an anchor in an object store begins.
const OBJECT_STORE: &str = "s3://";

/// Version of the folder's layout.
const FORMAT: u32 = 1;

/// An evidence folder.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    settings: Settings,
}

/// Contents of `ascribe.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Version of the folder's layout.
    pub format: u32,
    /// Origin line of the ledger's checkpoints (C2SP tlog-checkpoint). It names the ledger for ever.
    pub origin: String,
    /// Folder of the anchor, from the evidence folder, or `s3://bucket/prefix`. Another volume, or a bucket, guards
    /// against a restored backup.
    #[serde(default = "default_anchor")]
    pub anchor: PathBuf,
    /// What the operator asserts of identities and networks.
    #[serde(default, skip_serializing_if = "EnrichmentSettings::is_empty")]
    pub enrichment: EnrichmentSettings,
    /// How others are reached.
    #[serde(default, skip_serializing_if = "NetworkSettings::is_default")]
    pub network: NetworkSettings,
    /// Who cosigns checkpoints.
    #[serde(default, skip_serializing_if = "WitnessSettings::is_default")]
    pub witness: WitnessSettings,
    /// What is expected of the ledger and its streams.
    #[serde(default)]
    pub pulse: PulseSettings,
    /// Who stamps checkpoints with a time.
    #[serde(default, skip_serializing_if = "TimestampSettings::is_empty")]
    pub timestamp: TimestampSettings,
    /// How accesses are recorded.
    #[serde(default, skip_serializing_if = "AccessSettings::is_default")]
    pub access: AccessSettings,
}

/// `[access]` of `ascribe.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    /// Whether a command that cannot be recorded is refused, rather than answered with a note that says so.
    #[serde(default)]
    pub required: bool,
}

impl AccessSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `[enrichment]` of `ascribe.toml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrichmentSettings {
    /// Files, from the evidence folder, in the order in which they count.
    #[serde(default)]
    pub files: Vec<PathBuf>,
}

/// `[network]` of `ascribe.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// An HTTP proxy for every call. Without it there is none, whatever the environment says.
    pub proxy: Option<String>,
    /// A file of certificates in PEM, from the evidence folder, that TLS trusts in place of the public roots.
    pub roots: Option<PathBuf>,
}

/// `[witness]` of `ascribe.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSettings {
    /// A tlog-policy file, from the evidence folder: the witnesses that are asked, and how many have to sign.
    pub policy: Option<PathBuf>,
}

impl WitnessSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `[timestamp]` of `ascribe.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampSettings {
    /// How long an authority is waited for, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u16,
    /// The authorities, each of which stamps.
    #[serde(default)]
    pub authorities: Vec<AuthoritySettings>,
}

/// One of `[[timestamp.authorities]]` of `ascribe.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoritySettings {
    /// What it is called here and in the ledger.
    pub name: String,
    /// Where it takes requests (RFC 3161 over HTTP).
    pub url: String,
    /// A file of certificates in PEM, from the evidence folder, to one of which its certificate leads.
    pub root: PathBuf,
    /// The policy that is asked for, with dots; without it, whatever the authority takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

impl Default for TimestampSettings {
    fn default() -> Self {
        Self { timeout_seconds: default_timeout(), authorities: Vec::new() }
    }
}

impl TimestampSettings {
    fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }
}

impl NetworkSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl EnrichmentSettings {
    fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// It is not an evidence folder.
    #[error("`{path}` holds no evidence: there is no `{SETTINGS_FILE}` in it")]
    NotEvidence {
        /// The folder.
        path: String,
    },
    /// It already is one.
    #[error("`{path}` already holds evidence")]
    AlreadyEvidence {
        /// The folder.
        path: String,
    },
    /// The name cannot be a ledger's.
    #[error("`{origin}` cannot name a ledger")]
    Origin {
        /// The name.
        origin: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Settings cannot be understood.
    #[error("cannot read the settings in `{path}`")]
    Settings {
        /// The file.
        path: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Settings of another version.
    #[error("`{path}` has layout version {found}; this program reads version {FORMAT}")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
    },
    /// A file cannot be read or written.
    #[error("cannot use `{path}`")]
    File {
        /// The file.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be made durable.
    #[error("cannot write `{path}`")]
    Write {
        /// The file.
        path: String,
        /// The step that failed.
        #[source]
        source: ascribe_ledger::durable::DurableError,
    },
    /// A key cannot be used.
    #[error("cannot use the key `{path}`")]
    Key {
        /// The key's file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Workspace {
    /// Opens the evidence in `root`.
    ///
    /// # Errors
    /// [`WorkspaceError`] when there is none or its settings cannot be read.
    pub fn open(root: &Path) -> Result<Self, WorkspaceError> {
        let path = root.join(SETTINGS_FILE);
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => WorkspaceError::NotEvidence { path: shown(root) },
            _ => WorkspaceError::File { path: shown(&path), source },
        })?;
        let settings: Settings = toml::from_str(&text)
            .map_err(|source| WorkspaceError::Settings { path: shown(&path), source: Box::new(source) })?;
        if settings.format != FORMAT {
            return Err(WorkspaceError::Version { path: shown(&path), found: settings.format });
        }
        Ok(Self { root: root.to_owned(), settings })
    }

    /// The evidence in `root` as if its settings were the defaults: to look at a folder whose own cannot be read.
    ///
    /// # Errors
    /// [`WorkspaceError::Settings`] if a setting has no default.
    pub fn with_default_settings(root: &Path) -> Result<Self, WorkspaceError> {
        let settings = toml::from_str(&format!("format = {FORMAT}\norigin = \"\"\n")).map_err(|source| {
            WorkspaceError::Settings { path: shown(&root.join(SETTINGS_FILE)), source: Box::new(source) }
        })?;
        Ok(Self { root: root.to_owned(), settings })
    }

    /// Makes `root` an evidence folder with a new key. Everything else in it is left alone.
    ///
    /// The settings are written last: a crash before leaves a folder that is not yet evidence, and can be removed.
    ///
    /// # Errors
    /// [`WorkspaceError`] when it is one already or cannot be written.
    pub fn create(root: &Path, origin: &str) -> Result<(Self, KeyPair), WorkspaceError> {
        if root.join(SETTINGS_FILE).exists() {
            return Err(WorkspaceError::AlreadyEvidence { path: shown(root) });
        }
        let key = KeyPair::generate(origin).map_err(|source| WorkspaceError::Origin {
            origin: origin.to_owned(),
            source: Box::new(source),
        })?;
        let settings = Settings {
            format: FORMAT,
            origin: origin.to_owned(),
            anchor: default_anchor(),
            enrichment: EnrichmentSettings::default(),
            network: NetworkSettings::default(),
            witness: WitnessSettings::default(),
            timestamp: TimestampSettings::default(),
            access: AccessSettings::default(),
            pulse: PulseSettings::default(),
        };
        let workspace = Self { root: root.to_owned(), settings };
        let keys = root.join("keys");
        fs::create_dir_all(&keys).map_err(|source| WorkspaceError::File { path: shown(&keys), source })?;
        let key_path = workspace.key_path();
        key.save(&key_path).map_err(|source| key_error(&key_path, source))?;
        write(&workspace.verifier_path(), &format!("{}\n", key.verifier()))?;
        capture::create_keys(root)
            .map_err(|source| WorkspaceError::Key { path: shown(&keys), source: Box::new(source) })?;
        write(&root.join(capture::POLICY_FILE), capture::DEFAULT_POLICY)?;
        Ok((workspace, key))
    }

    /// Marks the folder as evidence, once everything in it is in place.
    ///
    /// # Errors
    /// [`WorkspaceError::File`] when the settings cannot be written.
    pub fn finish(&self) -> Result<(), WorkspaceError> {
        let path = self.root.join(SETTINGS_FILE);
        let text = format!(
            "# Settings of this evidence folder.\n\
             format = {FORMAT}\n\
             # Names the ledger in every checkpoint. Never change it.\n\
             origin = {:?}\n\
             # Where the last signed checkpoint is kept. Another volume guards against a restored backup.\n\
             anchor = {:?}\n\
             \n\
             # What you assert of identities and networks, for answers to show: docs/enrichment.md.\n\
             # [enrichment]\n\
             # files = [\"owners.csv\"]\n\
             \n\
             # Who has to cosign checkpoints: docs/witness.md.\n\
             # [witness]\n\
             # policy = \"witness.policy\"\n\
             \n\
             # How others are reached, such as witnesses.\n\
             # [network]\n\
             # proxy = \"http://proxy.example.com:3128\"\n\
             # roots = \"roots.pem\"\n\
             \n\
             # Who stamps checkpoints with a time: docs/timestamps.md.\n\
             # [[timestamp.authorities]]\n\
             # name = \"example\"\n\
             # url = \"http://tsa.example.com/\"\n\
             # root = \"tsa-root.pem\"\n\
             \n\
             # Whether a question that cannot be recorded (docs/access.md) is refused.\n\
             # [access]\n\
             # required = true\n\
             \n\
             # What is expected to be heard, for `ascribe pulse` to record where it is not: docs/operations.md.\n\
             # [pulse]\n\
             # heartbeat_after = \"1h\"\n\
             # [[pulse.stream]]\n\
             # source = \"aws_cloudtrail\"\n\
             # silent_after = \"1h\"\n",
            self.settings.origin,
            self.settings.anchor.to_string_lossy()
        );
        write(&path, &text)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The settings in force.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the settings state this value, rather than leaving it at its default; tables from the outside in.
    ///
    /// # Errors
    /// [`WorkspaceError`] when the settings cannot be read again.
    pub fn states(&self, names: &[&str]) -> Result<bool, WorkspaceError> {
        let path = self.root.join(SETTINGS_FILE);
        let text = fs::read_to_string(&path)
            .map_err(|source| WorkspaceError::File { path: shown(&path), source })?;
        let table: toml::Table = toml::from_str(&text)
            .map_err(|source| WorkspaceError::Settings { path: shown(&path), source: Box::new(source) })?;
        let whole = toml::Value::Table(table);
        Ok(names.iter().try_fold(&whole, |value, name| value.get(name)).is_some())
    }

    /// Folders of the ledger and its anchor.
    pub fn ledger_paths(&self) -> LedgerPaths {
        let ledger = self.root.join("ledger");
        match self.settings.anchor.to_str().filter(|anchor| anchor.starts_with(OBJECT_STORE)) {
            Some(url) => {
                LedgerPaths::anchored_in(ledger, AnchorPlace::Store(Arc::new(ObjectAnchor::new(url))))
            }
            None => LedgerPaths::new(ledger, self.root.join(&self.settings.anchor)),
        }
    }

    /// What the operator asserts, as the files say now.
    ///
    /// # Errors
    /// [`EnrichmentError`] when a file cannot be used.
    pub fn enrichment(&self) -> Result<Enrichment, EnrichmentError> {
        Enrichment::read(&self.root, &self.settings.enrichment.files)
    }

    /// Where it is kept who asked what.
    pub fn access(&self) -> AccessPlace {
        AccessPlace::new(&self.root, &self.settings.origin)
    }

    /// Folder of the completeness indexes.
    pub fn index_paths(&self) -> IndexPaths {
        IndexPaths::new(self.root.join("index"))
    }

    /// The policy that says which witnesses are asked; `None` where none is configured.
    pub fn witness_policy(&self) -> Option<PathBuf> {
        self.settings.witness.policy.as_ref().map(|path| self.root.join(path))
    }

    /// Folder of the store.
    pub fn store_path(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Takes the right to fold into the store; it goes with the file. `None` where another program has it, or where
    /// the folder cannot be written: the store then stays as it is.
    pub fn fold_lock(&self) -> Option<fs::File> {
        let path = self.root.join("fold.lock");
        let file = fs::OpenOptions::new().create(true).append(true).open(path).ok()?;
        file.try_lock().ok().map(|()| file)
    }

    /// The same, for whoever has to write: a question holds it for a moment only, so that moment is waited for.
    pub fn wait_for_fold_lock(&self) -> Option<fs::File> {
        patiently(|| self.fold_lock(), Option::is_some)
    }

    /// The key that signs checkpoints.
    ///
    /// # Errors
    /// [`WorkspaceError::Key`] when it cannot be read.
    pub fn signing_key(&self) -> Result<KeyPair, WorkspaceError> {
        let path = self.key_path();
        KeyPair::load(&path).map_err(|source| key_error(&path, source))
    }

    /// The key that verifies checkpoints.
    ///
    /// # Errors
    /// [`WorkspaceError`] when it cannot be read.
    pub fn verifier_key(&self) -> Result<VerifierKey, WorkspaceError> {
        let path = self.verifier_path();
        let text = fs::read_to_string(&path)
            .map_err(|source| WorkspaceError::File { path: shown(&path), source })?;
        VerifierKey::parse(text.trim_end()).map_err(|source| key_error(&path, source))
    }

    /// Where the verifier key is, for whoever wants to check without trusting this program.
    pub fn verifier_path(&self) -> PathBuf {
        self.root.join("keys/ledger.vkey")
    }

    fn key_path(&self) -> PathBuf {
        self.root.join("keys/ledger.key")
    }
}

/// Tries until it is `done`, for a second at most: longer than any question holds a lock.
pub fn patiently<T>(mut attempt: impl FnMut() -> T, done: fn(&T) -> bool) -> T {
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 1..TRIES {
        let outcome = attempt();
        if done(&outcome) {
            return outcome;
        }
        thread::sleep(PAUSE);
    }
    attempt()
}

impl WorkspaceError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotEvidence { .. } => {
                "`ascribe init DIR` makes an evidence folder; `--evidence DIR` names one"
            }
            Self::AlreadyEvidence { .. } => "use it with `--evidence DIR`, or choose another folder",
            Self::Origin { .. } => {
                "a name has no blanks, no `+` and no control characters, such as `audit.example.com/ledger`"
            }
            Self::Settings { .. } => "compare it with what `ascribe init` writes into a new folder",
            Self::Version { .. } => "use the release of ascribe that wrote it",
            Self::File { .. } | Self::Write { .. } => {
                "check the path, who owns it and whether the disk is full or read-only"
            }
            Self::Key { .. } => "restore `keys/` from its backup; a ledger cannot go on under another key",
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), WorkspaceError> {
    ascribe_ledger::durable::replace_file(path, text.as_bytes())
        .map_err(|source| WorkspaceError::Write { path: shown(path), source })
}

fn key_error(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> WorkspaceError {
    WorkspaceError::Key { path: shown(path), source: Box::new(source) }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

const fn default_timeout() -> u16 {
    15
}

fn default_anchor() -> PathBuf {
    PathBuf::from("anchor")
}
