//! `capture.toml`: the capture policy as people write it. `docs/capture.md` explains it.
//!
//! It reads the file and says, with its line, what is wrong in it. What a policy does to records is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ascribe_model::{ConfigEntry, IdentityKind, Status, Verb};
use ascribe_sources::SOURCES;
use ascribe_sources::capture::{
    Action, Class, FieldPath, NEEDED_FIELDS, Need, NeededField, PathError, Pattern, Policy, Rule,
};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::digest_text;

/// Name of the file in the evidence folder.
pub const POLICY_FILE: &str = "capture.toml";

/// What `ascribe init` writes.
pub const DEFAULT_POLICY: &str = include_str!("default_policy.toml");

/// Version of the form.
const VERSION: u32 = 1;

/// Longest file that is read. It goes into the ledger whole.
const BYTES_MAX: u64 = 256 * 1024;

/// Longest name of a rule: it stands in every placeholder.
const NAME_MAX: usize = 48;

/// A policy with its text.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// What it says.
    pub policy: Policy,
    /// Line of each rule, in the same order.
    pub lines: Vec<usize>,
    /// The file.
    pub text: String,
    /// `sha256:` and the digest of the text; [`ConfigEntry::NONE`] where there is no file.
    pub version: String,
    /// Fields that rules would withhold though reading needs them. A policy with any is not used.
    pub breaks: Vec<Break>,
}

/// A rule that withholds a field that reading needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// Line of the path.
    pub line: usize,
    /// Name of the rule.
    pub rule: String,
    /// The path as written.
    pub path: String,
    /// Id of the source whose records need it.
    pub source: &'static str,
    /// The field that they need.
    pub needed: String,
}

/// A policy file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
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
    #[error("`{path}` has {found} bytes; a policy has at most {BYTES_MAX}")]
    TooLong {
        /// The file.
        path: String,
        /// Its length.
        found: u64,
    },
    /// It is not of the form.
    #[error("`{path}` is not a capture policy")]
    Form {
        /// The file.
        path: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// It is of another version.
    #[error("`{path}` is a policy of version {found}; this program reads version {VERSION}")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
    },
    /// One statement in it is wrong.
    #[error("`{path}` line {line}: {fault}")]
    Statement {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        fault: Fault,
    },
    /// A rule would withhold what reading needs.
    #[error("`{path}` line {}: rule `{}` withholds `{}`, and {} records need `{}` to be read and joined", found.line, found.rule, found.path, found.source, found.needed)]
    Breaks {
        /// The file.
        path: String,
        /// The first such rule.
        found: Break,
    },
}

/// What is wrong in one statement.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A rule's name cannot stand in a placeholder.
    #[error("`{0}` cannot name a rule: a name has up to {NAME_MAX} lower-case letters, digits and `_`")]
    Name(String),
    /// Two rules have one name.
    #[error("two rules are called `{0}`")]
    SameName(String),
    /// No such source.
    #[error("there is no source `{found}`; sources are {}", known_sources())]
    Source {
        /// What is written.
        found: String,
    },
    /// No such class.
    #[error("there is no `[class.{0}]`")]
    Class(String),
    /// A rule without fields.
    #[error("rule `{0}` names no field")]
    NoField(String),
    /// A path cannot be read.
    #[error("`{path}` is not a path to a field")]
    Path {
        /// What is written.
        path: String,
        /// Why not.
        #[source]
        source: PathError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    version: u32,
    #[serde(default)]
    class: BTreeMap<String, ClassForm>,
    #[serde(default)]
    rule: Vec<RuleForm>,
}

/// A risk class as policies write it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassForm {
    verb: Vec<Verb>,
    status: Vec<Status>,
    actor_kind: Vec<IdentityKind>,
    service: Vec<String>,
    operation: Vec<String>,
    scope: Vec<String>,
    resource_type: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    name: Spanned<String>,
    source: Option<Spanned<String>>,
    class: Option<Spanned<String>>,
    fields: Vec<Spanned<String>>,
    action: ActionForm,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionForm {
    Keep,
    Hash,
    Seal,
    Drop,
}

impl PolicyFile {
    /// Reads the policy at `path`. A file that is not there is a policy that withholds nothing.
    ///
    /// # Errors
    /// [`PolicyError`], but for [`PolicyError::Breaks`]: what a rule breaks is in [`PolicyFile::breaks`].
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let shown = path.to_string_lossy().into_owned();
        let failed = |source| PolicyError::Read { path: shown.clone(), source };
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() > BYTES_MAX => {
                return Err(PolicyError::TooLong { path: shown, found: metadata.len() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::none()),
            Err(error) => return Err(failed(error)),
        }
        Self::parse(&shown, fs::read_to_string(path).map_err(failed)?)
    }

    /// The same, for whoever is about to use it.
    ///
    /// # Errors
    /// [`PolicyError`], also where a rule would break what joins need.
    pub fn read_to_use(path: &Path) -> Result<Self, PolicyError> {
        let mut file = Self::read(path)?;
        if file.breaks.is_empty() {
            return Ok(file);
        }
        Err(PolicyError::Breaks {
            path: path.to_string_lossy().into_owned(),
            found: file.breaks.swap_remove(0),
        })
    }

    fn none() -> Self {
        Self {
            policy: Policy::default(),
            lines: Vec::new(),
            text: String::new(),
            version: ConfigEntry::NONE.to_owned(),
            breaks: Vec::new(),
        }
    }

    fn parse(path: &str, text: String) -> Result<Self, PolicyError> {
        let form: FileForm = toml::from_str(&text)
            .map_err(|source| PolicyError::Form { path: path.to_owned(), source: Box::new(source) })?;
        if form.version != VERSION {
            return Err(PolicyError::Version { path: path.to_owned(), found: form.version });
        }
        let mut reading =
            Reading { text: &text, classes: &form.class, names: BTreeSet::new(), breaks: Vec::new() };
        let mut rules = Vec::new();
        let mut lines = Vec::new();
        for rule in &form.rule {
            lines.push(reading.line(&rule.name));
            rules.push(reading.rule(rule).map_err(|At { line, fault }| PolicyError::Statement {
                path: path.to_owned(),
                line,
                fault,
            })?);
        }
        let breaks = reading.breaks;
        Ok(Self { policy: Policy::new(rules), lines, version: digest_text(text.as_bytes()), text, breaks })
    }
}

/// What is known while the rules are read.
struct Reading<'f> {
    text: &'f str,
    classes: &'f BTreeMap<String, ClassForm>,
    names: BTreeSet<&'f str>,
    breaks: Vec<Break>,
}

/// A fault and its line.
struct At {
    line: usize,
    fault: Fault,
}

impl<'f> Reading<'f> {
    fn rule(&mut self, form: &'f RuleForm) -> Result<Rule, At> {
        let name = form.name.get_ref();
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_name_byte) {
            return Err(self.at(&form.name, Fault::Name(name.clone())));
        }
        if !self.names.insert(name) {
            return Err(self.at(&form.name, Fault::SameName(name.clone())));
        }
        if let Some(source) = &form.source
            && SOURCES.iter().all(|known| known.id != source.get_ref())
        {
            return Err(self.at(source, Fault::Source { found: source.get_ref().clone() }));
        }
        let class = match &form.class {
            Some(class) => {
                let known = self.classes.get(class.get_ref());
                Some(known.ok_or_else(|| self.at(class, Fault::Class(class.get_ref().clone())))?.class())
            }
            None => None,
        };
        if form.fields.is_empty() {
            return Err(self.at(&form.name, Fault::NoField(name.clone())));
        }
        let action = form.action.action();
        let mut fields = Vec::new();
        for field in &form.fields {
            let path: FieldPath = field
                .get_ref()
                .parse()
                .map_err(|source| self.at(field, Fault::Path { path: field.get_ref().clone(), source }))?;
            if action != Action::Keep {
                self.note_break(form, field, &path);
            }
            fields.push(path);
        }
        let source = form.source.as_ref().map(|source| source.get_ref().clone());
        Ok(Rule { name: name.clone(), source, class, fields, action })
    }

    fn note_break(&mut self, rule: &RuleForm, field: &Spanned<String>, path: &FieldPath) {
        let concerns = |needed: &&NeededField| {
            needed.need == Need::Most
                && rule.source.as_ref().is_none_or(|source| source.get_ref() == needed.source)
                && path.names(&needed.path)
        };
        self.breaks.extend(NEEDED_FIELDS.iter().find(concerns).map(|needed| Break {
            line: self.line(field),
            rule: rule.name.get_ref().clone(),
            path: field.get_ref().clone(),
            source: needed.source,
            needed: needed.path.to_string(),
        }));
    }

    fn at<T>(&self, place: &Spanned<T>, fault: Fault) -> At {
        At { line: self.line(place), fault }
    }

    fn line<T>(&self, place: &Spanned<T>) -> usize {
        let before = self.text.get(..place.span().start).unwrap_or_default();
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }
}

impl ClassForm {
    /// The predicate that it states.
    pub fn class(&self) -> Class {
        let patterns = |texts: &[String]| texts.iter().cloned().map(Pattern).collect();
        Class {
            verbs: self.verb.clone(),
            statuses: self.status.clone(),
            actor_kinds: self.actor_kind.clone(),
            services: patterns(&self.service),
            operations: patterns(&self.operation),
            scopes: patterns(&self.scope),
            resource_types: patterns(&self.resource_type),
        }
    }
}

impl ActionForm {
    const fn action(self) -> Action {
        match self {
            Self::Keep => Action::Keep,
            Self::Hash => Action::Hash,
            Self::Seal => Action::Seal,
            Self::Drop => Action::Drop,
        }
    }
}

impl PolicyError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path and who may read it",
            Self::TooLong { .. } => {
                "a policy is a few rules: name fields with `*` and `**` instead of one by one"
            }
            Self::Form { .. } => {
                "compare it with the policy that `ascribe init` writes, and with docs/capture.md"
            }
            Self::Version { .. } => "use the release of ascribe that the policy was written for",
            Self::Statement { .. } => "docs/capture.md lists what a rule may say",
            Self::Breaks { .. } => {
                "name what is around the field, or `*`, instead: what reading needs then stays and the rest goes"
            }
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn known_sources() -> String {
    SOURCES.iter().map(|source| format!("`{}`", source.id)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rules: &str) -> Result<PolicyFile, PolicyError> {
        PolicyFile::parse("capture.toml", format!("version = 1\n{rules}"))
    }

    #[test]
    fn the_default_and_its_examples_are_policies() {
        let default = PolicyFile::parse("capture.toml", DEFAULT_POLICY.to_owned()).unwrap();
        assert!(default.policy.rules().is_empty());
        let examples: Vec<_> = DEFAULT_POLICY.lines().skip_while(|line| *line != "version = 1").collect();
        let is_statement = |line: &&str| line.contains(" = ") || line.contains('[');
        let active: Vec<_> =
            examples.iter().map(|line| line.trim_start_matches("# ")).filter(is_statement).collect();
        let examples = PolicyFile::parse("capture.toml", active.join("\n")).unwrap();
        assert_eq!(examples.policy.rules().len(), 4, "{active:#?}");
        assert_eq!(examples.breaks, []);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let good = "[[rule]]\nname = \"a\"\nfields = [\"b\"]\naction = \"drop\"\n";
        assert!(parse(good).is_ok());
        for (rules, said) in [
            (good.replace("\"a\"", "\"A b\""), "line 3: `A b` cannot name a rule"),
            (format!("{good}{good}"), "line 7: two rules are called `a`"),
            (format!("{good}source = \"none\"\n"), "line 6: there is no source `none`"),
            (format!("{good}class = \"none\"\n"), "line 6: there is no `[class.none]`"),
            (good.replace("[\"b\"]", "[]"), "line 3: rule `a` names no field"),
            (good.replace("\"b\"", "\n\"b..c\""), "line 5: `b..c` is not a path to a field"),
            (good.replace("drop", "burn"), "is not a capture policy"),
            (format!("{good}because = \"\"\n"), "is not a capture policy"),
            ("[class.x]\nverbs = []\n".to_owned(), "is not a capture policy"),
        ] {
            let error = parse(&rules).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let error = PolicyFile::parse("p", "version = 2".to_owned()).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }

    #[test]
    fn a_rule_that_names_what_joins_need_is_found_and_one_that_names_what_is_around_it_is_not() {
        let rule = |field: &str, action: &str| {
            parse(&format!("[[rule]]\nname = \"a\"\nfields = [\"{field}\"]\naction = \"{action}\"\n"))
                .unwrap()
        };
        for field in ["userIdentity.accessKeyId", "**.accessKeyId", "eventName"] {
            assert_eq!(rule(field, "drop").breaks.len(), 1, "{field}");
            assert_eq!(rule(field, "hash").breaks.len(), 1, "a hash of ours meets no other source's value");
            assert_eq!(rule(field, "keep").breaks, []);
        }
        for field in ["userIdentity", "requestParameters.*", "sourceIPAddress", "**"] {
            assert_eq!(rule(field, "drop").breaks, [], "{field}");
        }
    }
}
