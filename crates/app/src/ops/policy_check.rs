//! Trying a capture policy on sample input: what it would withhold, and what it would break. Nothing is stored.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use ascribe_sources::capture::{Outcome, fields_at};
use ascribe_sources::json::{AtEnd, Prefix, Tape};
use ascribe_sources::{Context, ReadRecord, Reading, Received, read};
use serde::Serialize;

use crate::capture::{Break, Capture, PolicyError, PolicyFile, SecretKeyError};
use crate::ingest::{FindError, FoundObjects, SampleError, each_record, find_objects};

/// Examples of each rule.
const EXAMPLES_MAX: usize = 3;
/// Longest text of an example, in characters.
const EXAMPLE_TEXT_MAX: usize = 200;
/// Records that are named as broken.
const BROKEN_MAX: usize = 20;

/// What a policy would do.
#[derive(Debug, Serialize)]
pub struct PolicyTrial {
    /// Name and version of this form.
    pub schema: &'static str,
    /// Version of the policy.
    pub policy: String,
    /// Whether it can be used: it breaks no join and no reading.
    pub usable: bool,
    /// Records read.
    pub records: u64,
    /// Pieces of the samples that no source reads: no policy is for them.
    pub rejects: u64,
    /// Each rule, in its order.
    pub rules: Vec<RuleTrial>,
    /// Rules that name a field which reading needs.
    pub breaks: Vec<Break>,
    /// Events that would show a placeholder where they showed a value, such as an address.
    pub events_changed: u64,
    /// Records that could not be read as before.
    pub broken: Vec<String>,
}

/// What a rule would do.
#[derive(Debug, Serialize)]
pub struct RuleTrial {
    /// Its name.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// What it does.
    pub action: &'static str,
    /// Records from which it withholds something.
    pub records: u64,
    /// Values that it withholds.
    pub values: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Values that it would withhold and that stay, by field: joins or meaning need them.
    pub needed: BTreeMap<String, u64>,
    /// Some values.
    pub examples: Vec<Example>,
}

/// A value before and after. Secrets were withheld from both.
#[derive(Debug, Serialize)]
pub struct Example {
    /// The field.
    pub field: String,
    /// Its value, cut to a bounded length.
    pub before: String,
    /// What would stand in its place.
    pub after: String,
}

/// A policy cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum PolicyCheckError {
    /// The file is no policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The file is not there.
    #[error("`{0}` does not exist")]
    Missing(String),
    /// There are no keys for the trial.
    #[error("cannot make keys for the trial")]
    Keys(#[from] SecretKeyError),
    /// A sample cannot be found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A sample cannot be read.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

/// Tries the policy in `file` on samples. `scope` is the native scope of records that carry none.
pub fn policy_check(
    file: &Path,
    samples: &[String],
    scope: Option<&str>,
) -> Result<PolicyTrial, PolicyCheckError> {
    if !file.exists() {
        return Err(PolicyCheckError::Missing(file.to_string_lossy().into_owned()));
    }
    let capture = Capture::on_trial(PolicyFile::read(file)?)?;
    let FoundObjects { objects, problems } = find_objects(samples);
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem.into());
    }
    let context = Context { scope };
    let mut trial = PolicyTrial::of(capture.file());
    for object in &objects {
        let name = object.name();
        let totals =
            each_record(object, &context, &mut |record| trial.add(&name, record, &capture, &context))?;
        trial.records += totals.records;
        trial.rejects += totals.rejects;
    }
    trial.usable = trial.breaks.is_empty() && trial.broken.is_empty();
    Ok(trial)
}

impl PolicyTrial {
    fn of(file: &PolicyFile) -> Self {
        let rules = file.policy.rules().iter().zip(&file.lines).map(|(rule, line)| RuleTrial {
            name: rule.name.clone(),
            line: *line,
            action: rule.action.name(),
            records: 0,
            values: 0,
            bytes: 0,
            needed: BTreeMap::new(),
            examples: Vec::new(),
        });
        Self {
            schema: "ascribe/policy-check/v1",
            policy: file.version.clone(),
            usable: false,
            records: 0,
            rejects: 0,
            rules: rules.collect(),
            breaks: file.breaks.clone(),
            events_changed: 0,
            broken: Vec::new(),
        }
    }

    fn add(
        &mut self,
        object: &str,
        record: ReadRecord<'_>,
        capture: &Capture,
        context: &Context<'_>,
    ) -> io::Result<()> {
        let before = record.clone();
        let after = capture.capture(record, context)?.record;
        if after.decisions.is_empty() {
            return Ok(());
        }
        let starts: Vec<usize> = after.decisions.iter().map(|decision| decision.span.start).collect();
        let fields = fields_at(&before, &starts);
        let mut touched = std::collections::BTreeSet::new();
        for (decision, field) in after.decisions.iter().zip(fields) {
            let Some(rule) = self.rules.get_mut(decision.rule) else { continue };
            if decision.outcome == Outcome::Needed {
                *rule.needed.entry(field).or_default() += 1;
                continue;
            }
            rule.values += 1;
            rule.bytes += decision.span.len() as u64;
            touched.insert(decision.rule);
            if rule.examples.len() < EXAMPLES_MAX && rule.examples.iter().all(|shown| shown.field != field) {
                let value = before.captured.get(decision.span.clone()).unwrap_or_default();
                let before = String::from_utf8_lossy(value).chars().take(EXAMPLE_TEXT_MAX).collect();
                rule.examples.push(Example { field, before, after: decision.placeholder.clone() });
            }
        }
        for rule in touched {
            self.rules[rule].records += 1;
        }
        let changed =
            before.events.iter().zip(&after.record.events).filter(|(before, after)| {
                ascribe_model::Event { id: before.id, ..(*after).clone() } != **before
            });
        self.events_changed += changed.count() as u64;
        if !reads_again(&after.record, context) && self.broken.len() < BROKEN_MAX {
            let event = before.events.first().map_or_else(String::new, |event| event.id.to_string());
            self.broken.push(format!("{object}: event {event}"));
        }
        Ok(())
    }
}

/// Whether the captured bytes give the events that are stored with them.
fn reads_again(record: &ReadRecord<'_>, context: &Context<'_>) -> bool {
    let bytes = &record.captured;
    let mut tape = Tape::new();
    if tape.parse_prefix(bytes, AtEnd::Yes) != (Prefix::Complete { length: bytes.len() }) {
        return false;
    }
    match read(Received { bytes, tape: &tape, last: Some(record.source) }, context) {
        Reading::Record(again) => again.events == record.events,
        Reading::Reject(_) => false,
    }
}

impl PolicyCheckError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Policy(error) => error.hint(),
            Self::Missing(_) => "`ascribe init` writes a policy that withholds nothing: begin with that",
            Self::Keys(_) => "check that the system can give random bytes",
            Self::Find(error) => error.hint(),
            Self::Sample(_) => "check that the sample is whole, and who may read it",
        }
    }
}
