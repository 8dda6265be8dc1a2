//! The file of a retention policy. A folder without one keeps everything for ever.
//!
//! It reads and checks; what the rules mean is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ascribe_govern::{CountedFrom, Keep, RetentionPolicy, RetentionRule};
use ascribe_ledger::VerifierKey;
use ascribe_model::{ConfigEntry, Event};
use ascribe_sources::SOURCES;
use ascribe_sources::capture::Class;
use serde::Deserialize;

use crate::capture::{ClassForm, digest_text};

/// Version of the form.
const VERSION: u32 = 1;

/// Longest file that is read, in bytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// A predicate on one event.
pub type ClassTest = Box<dyn Fn(&Event) -> bool>;

/// A retention policy, ready to use.
pub struct RetentionFile {
    /// The rules.
    pub policy: RetentionPolicy<ClassTest>,
    /// `sha256:` and the digest of the text; [`ConfigEntry::NONE`] where there is no file.
    pub version: String,
}

/// A retention policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RetentionFileError {
    /// It cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// It is too long.
    #[error("`{path}` has {found} bytes; a retention policy has at most {BYTES_MAX}")]
    TooLong {
        /// The file.
        path: String,
        /// Its length.
        found: u64,
    },
    /// It is not of the form.
    #[error("`{path}` is not a retention policy")]
    Form {
        /// The file.
        path: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// It is of another version.
    #[error("`{path}` is a retention policy of version {found}; this program reads version {VERSION}")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
    },
    /// One statement in it is wrong.
    #[error("`{path}`: {fault}")]
    Statement {
        /// The file.
        path: String,
        /// What is wrong.
        fault: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    version: u32,
    #[serde(default = "one")]
    request_approvals: u32,
    #[serde(default)]
    approvers: Vec<String>,
    #[serde(default)]
    class: BTreeMap<String, ClassForm>,
    #[serde(default)]
    rule: Vec<RuleForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    name: String,
    source: Option<String>,
    class: Option<String>,
    identity: Option<String>,
    #[serde(default)]
    entries: EntriesForm,
    keep: String,
    #[serde(default)]
    counted_from: CountedForm,
    #[serde(default)]
    approvals: u32,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EntriesForm {
    #[default]
    Records,
    Rejects,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CountedForm {
    #[default]
    Received,
    Happened,
}

const fn one() -> u32 {
    1
}

impl RetentionFile {
    /// Reads the policy of an evidence folder.
    pub fn read(path: &Path) -> Result<Self, RetentionFileError> {
        let shown = path.to_string_lossy().into_owned();
        let failed = |source| RetentionFileError::Read { path: shown.clone(), source };
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() > BYTES_MAX => {
                return Err(RetentionFileError::TooLong { path: shown, found: metadata.len() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let policy =
                    RetentionPolicy { rules: Vec::new(), approvers: Vec::new(), request_approvals: one() };
                return Ok(Self { policy, version: ConfigEntry::NONE.to_owned() });
            }
            Err(error) => return Err(failed(error)),
        }
        Self::parse(&shown, &fs::read_to_string(path).map_err(failed)?)
    }

    fn parse(path: &str, text: &str) -> Result<Self, RetentionFileError> {
        let form: FileForm = toml::from_str(text)
            .map_err(|source| RetentionFileError::Form { path: path.to_owned(), source: Box::new(source) })?;
        if form.version != VERSION {
            return Err(RetentionFileError::Version { path: path.to_owned(), found: form.version });
        }
        let wrong = |fault: String| RetentionFileError::Statement { path: path.to_owned(), fault };
        for key in &form.approvers {
            VerifierKey::parse(key)
                .map_err(|error| wrong(format!("`{key}` is no approver's key: {error}")))?;
        }
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for rule in form.rule {
            if !names.insert(rule.name.clone()) {
                return Err(wrong(format!("two rules are called `{}`", rule.name)));
            }
            rules.push(rule.rule(&form.class).map_err(wrong)?);
        }
        let needed = rules.iter().map(|rule| rule.approvals).max().unwrap_or(0).max(form.request_approvals);
        if !form.approvers.is_empty() && needed as usize > form.approvers.len() {
            let there = form.approvers.len();
            return Err(wrong(format!(
                "{needed} approvals are asked for, and only {there} approvers are listed"
            )));
        }
        let policy =
            RetentionPolicy { rules, approvers: form.approvers, request_approvals: form.request_approvals };
        Ok(Self { policy, version: digest_text(text.as_bytes()) })
    }
}

impl RuleForm {
    fn rule(self, classes: &BTreeMap<String, ClassForm>) -> Result<RetentionRule<ClassTest>, String> {
        let name = self.name;
        let is_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
            return Err(format!(
                "`{name}` cannot name a rule: up to 64 lower-case letters, digits, `-` and `_`"
            ));
        }
        if let Some(source) = &self.source
            && SOURCES.iter().all(|known| known.id != source)
        {
            let known: Vec<&str> = SOURCES.iter().map(|source| source.id).collect();
            return Err(format!("there is no source `{source}`; sources are {}", known.join(", ")));
        }
        let class: Option<Class> = match &self.class {
            Some(class) => {
                Some(classes.get(class).ok_or_else(|| format!("there is no `[class.{class}]`"))?.class())
            }
            None => None,
        };
        let rejects = self.entries == EntriesForm::Rejects;
        if rejects && (self.source.is_some() || class.is_some() || self.identity.is_some()) {
            return Err(format!(
                "rule `{name}` is for rejects, of which neither source, class nor identity is known"
            ));
        }
        let keep = duration(&self.keep).ok_or_else(|| {
            format!(
                "rule `{name}` keeps for `{}`; expected `forever` or a length such as `90d` or `36h`",
                self.keep
            )
        })?;
        Ok(RetentionRule {
            name,
            source: self.source,
            class: class.map(|class| Box::new(move |event: &Event| class.holds(event)) as ClassTest),
            identity: self.identity,
            rejects,
            keep,
            counted_from: match self.counted_from {
                CountedForm::Received => CountedFrom::Received,
                CountedForm::Happened => CountedFrom::Happened,
            },
            approvals: self.approvals,
        })
    }
}

/// `forever`, or a whole number of days or hours.
pub fn duration(text: &str) -> Option<Keep> {
    const HOUR: i64 = 3_600_000_000_000;
    if text == "forever" {
        return Some(Keep::Forever);
    }
    let unit = match text.chars().next_back()? {
        'd' => 24 * HOUR,
        'h' => HOUR,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<i64>().ok()?.checked_mul(unit).map(Keep::For)
}

impl RetentionFileError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check who may read it",
            Self::TooLong { .. } | Self::Form { .. } | Self::Statement { .. } => {
                "docs/retention.md shows a policy and explains every word"
            }
            Self::Version { .. } => "use the release of ascribe that reads it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000_000;

    #[test]
    fn lengths_of_time() {
        for (text, expected) in [
            ("forever", Some(Keep::Forever)),
            ("90d", Some(Keep::For(90 * DAY))),
            ("36h", Some(Keep::For(DAY * 3 / 2))),
            ("0d", Some(Keep::For(0))),
            ("d", None),
            ("", None),
            ("90", None),
            ("-1d", None),
            ("1.5d", None),
            ("99999999999999999999d", None),
            ("106752d", None),
            ("90 d", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused_with_the_reason() {
        let key = "a+5155c8a0+AaAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for (text, reason) in [
            ("", "is not a retention policy"),
            ("version = 2", "of version 2"),
            ("version = 1\nother = 1", "is not a retention policy"),
            ("version = 1\n[[rule]]\nname = \"A\"\nkeep = \"1d\"", "cannot name a rule"),
            ("version = 1\n[[rule]]\nname = \"a\"\nkeep = \"1\"", "keeps for `1`"),
            ("version = 1\n[[rule]]\nname = \"a\"\nkeep = \"1d\"\nsource = \"x\"", "no source `x`"),
            ("version = 1\n[[rule]]\nname = \"a\"\nkeep = \"1d\"\nclass = \"x\"", "no `[class.x]`"),
            (
                "version = 1\n[[rule]]\nname = \"a\"\nkeep = \"1d\"\n[[rule]]\nname = \"a\"\nkeep = \"1d\"",
                "two rules are called `a`",
            ),
            (
                "version = 1\n[[rule]]\nname = \"a\"\nkeep = \"1d\"\nentries = \"rejects\"\nidentity = \"x\"",
                "is for rejects",
            ),
            (&format!("version = 1\napprovers = [\"{key}\"]"), "is no approver's key"),
        ] {
            let error = RetentionFile::parse("retention.toml", text).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn more_approvals_than_approvers_are_refused() {
        let key = ascribe_ledger::KeyPair::generate("alice").unwrap().verifier().to_string();
        let text = format!(
            "version = 1\napprovers = [\"{key}\"]\n[[rule]]\nname = \"a\"\nkeep = \"1d\"\napprovals = 2"
        );
        let error = RetentionFile::parse("retention.toml", &text).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("2 approvals are asked for"), "{error}");
    }
}
