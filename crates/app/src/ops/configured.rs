//! What is configured and changes what the ledger or its answers mean, as entries: every run that writes compares it with
//! what the ledger recorded last, and records what differs, by name, with the old and the new value.
//!
//! Secrets are no settings. Where a value may hold one all the same (a setting whose name says so, or a user and
//! password in an address), only that it is set is recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use ascribe_ledger::{Kind, Reader};
use ascribe_model::{ConfigEntry, SettingChange, Timestamp};
use ascribe_store::Store;

use super::config::{ConfigReadError, config_at, config_leaves, recorded_config};
use super::evidence::{OpenError, OpenEvidence};
use super::upkeep::parser_versions;
use super::writing::{WriteFailure, Writing};
use crate::capture::{Capture, CaptureError, digest_text};
use crate::enrichment::EnrichmentError;
use crate::retention::RETENTION_FILE;
use crate::workspace::Workspace;

/// Shown in the place of a value that may be secret.
const SECRET: &str = "(set; not recorded)";

/// Parts of names whose values may be secret.
const SECRET_NAMES: [&str; 4] = ["password", "secret", "token", "credential"];

/// One recorded change of the configuration.
pub struct Change {
    /// Leaf of its entry.
    pub leaf: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What the entry says.
    pub entry: ConfigEntry,
}

/// What is configured cannot be told or recorded.
#[derive(Debug, thiserror::Error)]
pub enum ConfiguredError {
    /// The capture policy cannot be used.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// What the operator asserts cannot be read.
    #[error(transparent)]
    Enrichment(#[from] EnrichmentError),
    /// A file that is configured cannot be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The settings have no JSON form.
    #[error("the settings have no JSON form")]
    Form(#[source] serde_json::Error),
    /// What was configured before cannot be looked up.
    #[error("cannot look up what was configured before")]
    Recorded(#[from] ConfigReadError),
    /// It cannot be recorded.
    #[error(transparent)]
    Write(#[from] WriteFailure),
    /// The evidence cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] ascribe_ledger::ReadError),
}

/// Opens the evidence for writing, and adds what is configured otherwise than the ledger recorded last.
pub fn open_recording(workspace: Workspace, now: Timestamp) -> Result<Writing, ConfiguredError> {
    let mut writing = Writing::open_folder(workspace)?;
    record_settings(&mut writing, now)?;
    Ok(writing)
}

/// Adds an entry for each thing that is configured otherwise than the ledger recorded last; whether there was any.
/// Nothing is appended twice, and what was never configured needs no entry.
pub fn record_settings(writing: &mut Writing, now: Timestamp) -> Result<bool, ConfiguredError> {
    let changed = changed_configs(&writing.workspace, &writing.store, &writing.reader)?;
    for config in &changed {
        writing.add(Kind::Config, config, now)?;
    }
    Ok(!changed.is_empty())
}

/// What is configured otherwise than the ledger recorded last.
pub fn changed_configs(
    workspace: &Workspace,
    store: &Store,
    reader: &Reader,
) -> Result<Vec<ConfigEntry>, ConfiguredError> {
    let capture = Capture::open(workspace.root())?;
    let enrichment = workspace.enrichment()?;
    let mut changed = Vec::new();
    for config in [capture.entry(), enrichment.entry()] {
        let recorded = recorded_config(store, reader, config.name())?;
        let version = recorded.as_ref().map_or(ConfigEntry::NONE, ConfigEntry::version);
        if version != config.version() {
            changed.push(config);
        }
    }
    let mut values = flat(workspace)?;
    values.insert("capture.policy".to_owned(), capture.entry().version().to_owned());
    values.insert("enrichment.version".to_owned(), enrichment.entry().version().to_owned());
    for (name, path) in files(workspace) {
        if let Some(version) = version_of(&path)? {
            values.insert(name.to_owned(), version);
        }
    }
    let before = match recorded_config(store, reader, ConfigEntry::SETTINGS)? {
        Some(ConfigEntry::Settings { values, .. }) => values,
        _ => BTreeMap::new(),
    };
    changed.extend(settings_entry(&before, values)?);
    Ok(changed)
}

/// Files that are configuration and that no entry of their own holds, each with the name of the setting that stands for
/// its content.
fn files(workspace: &Workspace) -> Vec<(&'static str, PathBuf)> {
    let retention = ("retention.policy_version", workspace.root().join(RETENTION_FILE));
    let witnesses = workspace.witness_policy().map(|path| ("witness.policy_version", path));
    std::iter::once(retention).chain(witnesses).collect()
}

/// Digest of a file; `None` where there is none.
fn version_of(path: &Path) -> Result<Option<String>, ConfiguredError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(digest_text(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfiguredError::File { path: path.to_owned(), source }),
    }
}

/// Every change of the configuration that the ledger recorded, in its order.
pub fn config_history(root: &Path) -> Result<Vec<Change>, ConfiguredError> {
    let evidence = OpenEvidence::open(root)?;
    let mut leaves = Vec::new();
    for name in ConfigEntry::NAMES {
        leaves.extend(config_leaves(&evidence.store, name)?);
    }
    leaves.sort_unstable();
    let mut history = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let at = evidence.reader.entry(leaf)?.envelope().received_at;
        let at = Timestamp::from_nanoseconds(at);
        history.push(Change { leaf, at, entry: config_at(&evidence.reader, leaf)? });
    }
    Ok(history)
}

/// The entry for values that differ from those before; none where they do not.
fn settings_entry(
    before: &BTreeMap<String, String>,
    values: BTreeMap<String, String>,
) -> Result<Option<ConfigEntry>, ConfiguredError> {
    if *before == values {
        return Ok(None);
    }
    let mut names: Vec<&String> = before.keys().chain(values.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let changed = names
        .into_iter()
        .filter(|name| before.get(*name) != values.get(*name))
        .map(|name| SettingChange {
            name: name.clone(),
            old: before.get(name).cloned(),
            new: values.get(name).cloned(),
        })
        .collect();
    let version = digest_text(&serde_json::to_vec(&values).map_err(ConfiguredError::Form)?);
    Ok(Some(ConfigEntry::Settings { version, by: system_user(), changed, values }))
}

/// Every setting by its dotted name, with the versions of what reads records.
fn flat(workspace: &Workspace) -> Result<BTreeMap<String, String>, ConfiguredError> {
    let settings = serde_json::to_value(workspace.settings()).map_err(ConfiguredError::Form)?;
    let mut values = BTreeMap::new();
    flatten("", &settings, &mut values);
    values.insert("tool.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    for (source, version) in parser_versions() {
        values.insert(format!("parser.{source}"), version.to_string());
    }
    Ok(values)
}

/// Tables give a name for each of their values; lists are one value, in JSON.
fn flatten(name: &str, value: &serde_json::Value, values: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(table) => {
            for (key, value) in table {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(&name, value, values);
            }
        }
        serde_json::Value::Null => {}
        value => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            values.insert(name.to_owned(), without_secrets(name, text));
        }
    }
}

/// The value, or that it is set where it may be secret.
fn without_secrets(name: &str, value: String) -> String {
    let name = name.to_ascii_lowercase();
    let has_user = value.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', '"']).next().unwrap_or_default();
        authority.contains('@')
    });
    if has_user || SECRET_NAMES.iter().any(|part| name.contains(part)) { SECRET.to_owned() } else { value }
}

/// Who runs this, as the system knows them: `name (uid 1000)`. The environment is not asked: anybody may set it.
pub fn system_user() -> String {
    let uid = rustix::process::geteuid().as_raw();
    // Where users come from elsewhere (a directory service), the number has to do.
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}

impl ConfiguredError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Capture(error) => error.hint(),
            Self::Enrichment(error) => error.hint(),
            Self::File { .. } => "check who may read the file",
            Self::Form(_) => "this is a defect of the program",
            Self::Recorded(_) | Self::Ledger(_) => {
                "`ascribe verify` lists everything that is damaged or missing"
            }
            Self::Write(failure) => failure.hint(),
            Self::Open(error) => error.hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_changed_is_named_with_both_values() {
        let before = values(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let after = values(&[("a", "1"), ("b", "4"), ("d", "5")]);
        assert!(settings_entry(&before, before.clone()).unwrap().is_none());
        let Some(ConfigEntry::Settings { changed, version, .. }) =
            settings_entry(&before, after.clone()).unwrap()
        else {
            panic!("a change is an entry");
        };
        let changed: Vec<(&str, Option<&str>, Option<&str>)> = changed
            .iter()
            .map(|change| (change.name.as_str(), change.old.as_deref(), change.new.as_deref()))
            .collect();
        assert_eq!(changed, [("b", Some("2"), Some("4")), ("c", Some("3"), None), ("d", None, Some("5"))]);
        // The version is of the values alone: not of who changed them, nor of what they were before.
        let Some(ConfigEntry::Settings { version: again, .. }) =
            settings_entry(&BTreeMap::new(), after).unwrap()
        else {
            panic!("a first configuration is an entry");
        };
        assert_eq!(version, again);
    }

    #[test]
    fn what_may_be_secret_is_not_recorded() {
        let settings = serde_json::json!({
            "format": 1,
            "witness": { "url": "https://user:pass@witness.example/add", "names": ["a", "b"] },
            "authority": [{ "url": "https://user@tsa.example/" }],
            "object_store": { "access_token": "x", "bucket": "evidence" },
            "mail": "somebody@example.com",
        });
        let mut flat = BTreeMap::new();
        flatten("", &settings, &mut flat);
        let expected = values(&[
            ("authority", SECRET),
            ("format", "1"),
            ("mail", "somebody@example.com"),
            ("object_store.access_token", SECRET),
            ("object_store.bucket", "evidence"),
            ("witness.names", r#"["a","b"]"#),
            ("witness.url", SECRET),
        ]);
        assert_eq!(flat, expected);
    }
}
