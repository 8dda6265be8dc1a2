//! What was withheld: by which rule, how, under which policy; and a sealed value, shown to whoever may see it.

use std::collections::BTreeMap;
use std::path::Path;

use ascribe_assess::Evidence as _;
use ascribe_ledger::Salt;
use ascribe_model::{
    Answer, Basis, Body, Claim, ConfigEntry, Details, EventId, Question, RedactionsDetail, Timestamp,
    Verdict, WithheldRule,
};
use ascribe_sources::capture::{WithheldField, withheld_fields};
use ascribe_store::WithheldTotals;

use super::OpenEvidence;
use super::config::{ConfigReadError, config_at};
use super::questions::{QuestionError, event_and_leaf, finished, premise, question};
use super::seal_key::{KeyDestroyed, destroyed_keys, refuse_destroyed};
use crate::capture::{
    KeyUse, SEALED_FOLDER, SecretKey, SecretKeyError, UnsealError, commitment_of, key_path, open_value,
};
use crate::hexadecimal::hexadecimal;

/// Events that the answer names for one row.
const EXAMPLES_MAX: usize = 3;

/// Of what is withheld, what is asked about.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedactionsRequest<'a> {
    /// One rule only, by its name in placeholders or in the policy.
    pub rule: Option<&'a str>,
    /// One source only.
    pub source: Option<&'a str>,
}

/// A sealed value that was opened.
#[derive(Debug)]
pub struct Unsealed {
    /// The event.
    pub event: EventId,
    /// Position of the event in its record, from 0.
    pub position: u64,
    /// Leaf of the entry whose value it is.
    pub leaf: u64,
    /// The field.
    pub field: String,
    /// The rule that sealed it.
    pub rule: String,
    /// The commitment in the ledger. The value and its salt open it.
    pub commitment: [u8; 32],
    /// The salt.
    pub salt: Salt,
    /// The value.
    pub value: String,
    /// Entries under the checkpoint that it was found at.
    pub size: u64,
}

/// What was withheld cannot be told, or shown.
#[derive(Debug, thiserror::Error)]
pub enum RedactionError {
    /// The evidence cannot be read.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// A policy that was in force cannot be read.
    #[error("cannot read a policy that was in force")]
    Config(#[from] ConfigReadError),
    /// No event has the name.
    #[error("no event is found by `{0}`")]
    NoEvent(String),
    /// The field is not sealed.
    #[error("`{field}` of the event is not sealed{}", sealed_names(sealed))]
    NotSealed {
        /// The field as typed.
        field: String,
        /// The fields of the event that are.
        sealed: Vec<String>,
    },
    /// The key cannot be used.
    #[error("sealed values are shown with the key that sealed them")]
    Key(#[source] SecretKeyError),
    /// The key was destroyed.
    #[error("sealed values cannot be shown any more")]
    Destroyed(#[from] KeyDestroyed),
    /// It cannot be shown.
    #[error("cannot show `{field}`")]
    Unseal {
        /// The field.
        field: String,
        /// Why not.
        #[source]
        source: UnsealError,
    },
}

/// Every withheld field by rule, method and policy. The cost follows the number of rules and of the store's segments.
pub fn redactions(root: &Path, request: RedactionsRequest<'_>) -> Result<Answer, RedactionError> {
    let evidence = OpenEvidence::open(root).map_err(QuestionError::from)?;
    let mut sums = Sums { evidence: &evidence, versions: BTreeMap::new(), rows: BTreeMap::new() };
    let mut in_force = None;
    for segment in evidence.store.summaries() {
        for totals in segment.withheld_values.iter().filter(|totals| request.wants(totals)) {
            sums.add(totals, totals.policy.or(in_force))?;
        }
        in_force = segment.policy.or(in_force);
    }
    let rows: Vec<WithheldRule> = sums.rows.into_values().collect();
    let mut asked = question("redactions", None);
    let options = [("rule", request.rule), ("source", request.source)];
    asked
        .options
        .extend(options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))));
    let body = body(&evidence, asked, rows);
    Ok(finished(&evidence, body))
}

/// Shows one sealed value and checks it against the commitment in the ledger.
pub fn unseal(root: &Path, event: &str, field: &str) -> Result<Unsealed, RedactionError> {
    let evidence = OpenEvidence::open(root).map_err(QuestionError::from)?;
    open_sealed(root, &evidence, event, field)
}

/// Opens one sealed value. Every disclosure of a sealed value goes through here.
pub(super) fn open_sealed(
    root: &Path,
    evidence: &OpenEvidence,
    event: &str,
    field: &str,
) -> Result<Unsealed, RedactionError> {
    let found = event_and_leaf(evidence, event)?;
    let (found, leaf) = found.ok_or_else(|| RedactionError::NoEvent(event.to_owned()))?;
    let entry = evidence.reader.proven_entry(leaf).map_err(QuestionError::from)?;
    let sealed: Vec<WithheldField> = withheld_fields(entry.kept().map_err(QuestionError::from)?)
        .into_iter()
        .filter(|withheld| withheld.kept.as_ref().is_some_and(|(method, _)| method == "sealed"))
        .collect();
    let of_record = evidence.events_at(leaf).map_err(QuestionError::Evidence)?;
    let position = of_record.iter().position(|event| event.id == found.id).unwrap_or_default();
    let named = || sealed.iter().filter(|withheld| withheld.path == field);
    let wanted = named().find(|withheld| withheld.event == position).or_else(|| named().next());
    let commitment = wanted.and_then(commitment_of);
    let (Some(withheld), Some(commitment)) = (wanted, commitment) else {
        let sealed = sealed.into_iter().map(|withheld| withheld.path).collect();
        return Err(RedactionError::NotSealed { field: field.to_owned(), sealed });
    };
    let destroyed = destroyed_keys(&evidence.store, &evidence.reader)?;
    let key = SecretKey::load(&key_path(root, KeyUse::Seal), KeyUse::Seal).map_err(|error| {
        // Where there is no key, the last that was destroyed says why.
        destroyed.last().map_or(RedactionError::Key(error), |last| KeyDestroyed(last.clone()).into())
    })?;
    refuse_destroyed(&destroyed, &hexadecimal(&key.id()))?;
    let opened = open_value(&root.join(SEALED_FOLDER), &key, leaf, &commitment)
        .map_err(|source| RedactionError::Unseal { field: field.to_owned(), source })?;
    Ok(Unsealed {
        event: found.id,
        position: withheld.event as u64,
        leaf,
        field: field.to_owned(),
        rule: withheld.rule.clone(),
        commitment,
        salt: opened.salt,
        value: opened.value,
        size: evidence.reader.size(),
    })
}

impl RedactionsRequest<'_> {
    fn wants(&self, totals: &WithheldTotals) -> bool {
        let is_rule = |rule| totals.rule == rule || totals.rule.strip_prefix("policy.") == Some(rule);
        self.rule.is_none_or(is_rule) && self.source.is_none_or(|source| totals.source == source)
    }
}

/// Rows while segments are added up.
struct Sums<'a> {
    evidence: &'a OpenEvidence,
    /// Version of each policy, by the leaf of its entry.
    versions: BTreeMap<u64, String>,
    /// By rule, source, method and version.
    rows: BTreeMap<[String; 4], WithheldRule>,
}

impl Sums<'_> {
    fn add(&mut self, totals: &WithheldTotals, policy: Option<u64>) -> Result<(), RedactionError> {
        let policy = policy.map(|leaf| self.version(leaf)).transpose()?.unwrap_or_default();
        let key = [&totals.rule, &totals.source, &totals.method, &policy].map(Clone::clone);
        let row = self.rows.entry(key).or_insert_with_key(|[rule, source, method, policy]| WithheldRule {
            rule: rule.clone(),
            source: source.clone(),
            method: method.clone(),
            policy: Some(policy.clone()).filter(|policy| !policy.is_empty() && policy != ConfigEntry::NONE),
            values: 0,
            entries: 0,
            first: None,
            last: None,
            examples: Vec::new(),
        });
        row.values += totals.values;
        row.entries += totals.entries;
        row.first = earliest(row.first, totals.first);
        row.last = row.last.max(totals.last);
        for leaf in &totals.examples {
            if row.examples.len() < EXAMPLES_MAX {
                let events = self.evidence.events_at(*leaf).map_err(QuestionError::Evidence)?;
                row.examples.extend(events.first().map(|event| event.id));
            }
        }
        Ok(())
    }

    fn version(&mut self, leaf: u64) -> Result<String, RedactionError> {
        if let Some(version) = self.versions.get(&leaf) {
            return Ok(version.clone());
        }
        let version = config_at(&self.evidence.reader, leaf)?.version().to_owned();
        self.versions.insert(leaf, version.clone());
        Ok(version)
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

fn body(evidence: &OpenEvidence, question: Question, rules: Vec<WithheldRule>) -> Body {
    let values: u64 = rules.iter().map(|row| row.values).sum();
    let names: std::collections::BTreeSet<&str> = rules.iter().map(|row| row.rule.as_str()).collect();
    let by = if names.len() == 1 { "1 rule".to_owned() } else { format!("{} rules", names.len()) };
    let what = if values == 1 { "1 value was".to_owned() } else { format!("{values} values were") };
    let statement = format!("{what} withheld by {by} before anything was stored");
    let mut events: Vec<EventId> = rules.iter().flat_map(|row| row.examples.iter().copied()).collect();
    events.sort_unstable();
    events.dedup();
    Body {
        question,
        verdict: Verdict::Proven,
        grade: None,
        claims: vec![Claim {
            statement: statement.clone(),
            premises: vec![premise(
                "the counts are a fold over the placeholders of every entry that is marked as withheld",
                Basis::Rederivable,
            )],
            events,
            edges: Vec::new(),
        }],
        statement,
        edges: Vec::new(),
        gaps: Vec::new(),
        scope: evidence.scope(),
        details: Details::Redactions(Box::new(RedactionsDetail { rules })),
    }
}

impl RedactionError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Question(error) => error.hint(),
            Self::Config(_) => "`ascribe verify` lists everything that is damaged or missing".to_owned(),
            Self::NoEvent(_) => {
                "give an event's id, its id in the source, or the number of its entry".to_owned()
            }
            Self::NotSealed { .. } => {
                "`ascribe show EVENT` shows the record with its placeholders".to_owned()
            }
            Self::Destroyed(_) => KeyDestroyed::HINT.to_owned(),
            Self::Key(_) => "bring `keys/seal.key` from where it is kept".to_owned(),
            Self::Unseal { source, .. } => match source {
                UnsealError::Erased => {
                    "erased values are gone for good; else bring the folder `sealed`".to_owned()
                }
                UnsealError::OtherKey { .. } => "bring the key of that time as `keys/seal.key`".to_owned(),
                _ => "bring the file back from a backup".to_owned(),
            },
        }
    }
}

fn sealed_names(sealed: &[String]) -> String {
    if sealed.is_empty() {
        "; none of it is".to_owned()
    } else {
        format!("; sealed are `{}`", sealed.join("`, `"))
    }
}
