//! The ledger's own signs of life: appends what is due and commits it.
//!
//! What is due is decided by [`crate::pulse::due`]; here the ledger is read for it, and written.

use std::path::Path;

use ascribe_model::{PulseEntry, StreamEntry, Timestamp};

use super::configured::{ConfiguredError, record_settings};
use super::streams::{
    StreamReadError, first_record_after, last_records, last_silence_of, pulse_at, pulse_leaves, stream_at,
};
use super::witnessing::{Patience, Reply, WitnessingError, ask_witnesses, witnessed_size};
use super::writing::{WriteFailure, Writing, last_of};
use crate::causes::with_causes;
use crate::pulse::{Heard, PulseSettings, Receipt, Silence, StreamHeard, due};
use crate::workspace::Workspace;

/// What one run of the pulse came to.
pub struct Pulsed {
    /// When, by the clock.
    pub at: Timestamp,
    /// What was appended, in order.
    pub entries: Vec<Beaten>,
    /// Whether a change of the configuration was appended before.
    pub settings_recorded: bool,
    /// Streams that are expected to speak.
    pub expected: u64,
    /// The signed checkpoint over it.
    pub checkpoint: String,
    /// Entries under it.
    pub size: u64,
    /// What could not be done beside: it takes nothing from what was appended.
    pub notices: Vec<String>,
}

/// A sign of life that was appended.
pub struct Beaten {
    /// Its leaf.
    pub leaf: u64,
    /// The stream that it is about.
    pub stream: Option<StreamEntry>,
    /// What it says.
    pub entry: PulseEntry,
}

/// No sign of life could be given.
#[derive(Debug, thiserror::Error)]
pub enum PulseError {
    /// The ledger cannot be written.
    #[error(transparent)]
    Write(#[from] WriteFailure),
    /// What was configured cannot be told.
    #[error(transparent)]
    Configured(#[from] ConfiguredError),
    /// What the ledger shows of its streams cannot be read.
    #[error("cannot read what is recorded of the streams")]
    Streams(#[from] StreamReadError),
}

/// Appends what is due now, and commits everything.
pub fn pulse(root: &Path, now: Timestamp) -> Result<Pulsed, PulseError> {
    let mut writing = Writing::open(root)?;
    let settings = writing.workspace.settings().pulse.clone();
    let settings_recorded = record_settings(&mut writing, now)?;
    let heard = heard(&writing, &settings)?;
    let expected = heard.streams.values().filter(|stream| stream.after_ns != u64::MAX).count() as u64;
    // What was configured anew is an entry too, and shows that whoever writes is alive.
    let heartbeat_ns = if settings_recorded { u64::MAX } else { settings.heartbeat_after.nanoseconds() };
    let mut entries = Vec::new();
    for one in due(&heard, heartbeat_ns, now) {
        // A jump is recorded in front of whatever the run appends first.
        if settings_recorded && matches!(one.entry, PulseEntry::Clock { .. }) {
            continue;
        }
        let stream = one.stream.map(|leaf| stream_at(&writing.reader, leaf)).transpose()?;
        let leaf = writing.add_due(&one)?;
        entries.push(Beaten { leaf, stream, entry: one.entry });
    }
    let checkpoint = writing.commit()?;
    Ok(Pulsed {
        at: now,
        entries,
        settings_recorded,
        expected,
        checkpoint: checkpoint.note().to_owned(),
        size: checkpoint.size(),
        notices: witness_notices(root, checkpoint.size()),
    })
}

/// Has the checkpoint cosigned where a policy asks for it. Whatever comes of that, the sign of life is in the ledger: it
/// is only said.
fn witness_notices(root: &Path, size: u64) -> Vec<String> {
    let standing = Workspace::open(root).map_err(WitnessingError::from).and_then(|it| witnessed_size(&it));
    match standing {
        Ok(None) => return Vec::new(), // No policy asks for witnesses.
        Ok(Some(witnessed)) if witnessed >= size => return Vec::new(),
        Ok(Some(_)) => {}
        Err(error) => return vec![format!("witnesses were not asked: {}", with_causes(&error))],
    }
    match ask_witnesses(root, Patience::Little) {
        Ok(asked) if asked.lag() == 0 => Vec::new(),
        Ok(asked) => asked
            .witnesses
            .iter()
            .filter(|witness| !matches!(witness.reply, Reply::Cosigned(_)))
            .map(|witness| format!("witness {}: {}", witness.name, witness.reply.sentence(size)))
            .collect(),
        Err(error) => vec![format!("witnesses were not asked: {}", with_causes(&error))],
    }
}

/// What the ledger shows.
fn heard(writing: &Writing, settings: &PulseSettings) -> Result<Heard, StreamReadError> {
    let (store, reader) = (&writing.store, &writing.reader);
    let mut heard = Heard { last: last_of(reader)?, ..Heard::default() };
    if let Some(leaf) = pulse_leaves(store, "clock")?.last().copied()
        && let PulseEntry::Clock { at, .. } = pulse_at(reader, leaf)?
    {
        heard.jump = Some(Receipt { leaf, at });
    }
    for (stream, last) in last_records(store) {
        let silence = last_silence_of(store, reader, stream)?.filter(|silence| silence.ended.is_none());
        let after_ns = settings.silent_after(&stream_at(reader, stream)?);
        // Of a stream that is not expected to speak any more, only the end of its silence is recorded.
        if after_ns.is_none() && silence.is_none() {
            continue;
        }
        let silence = match silence {
            Some(begun) if last.leaf > begun.leaf => {
                let next = first_record_after(store, reader, stream, begun.leaf)?;
                Some(Silence { leaf: begun.leaf, last: begun.last, next })
            }
            Some(begun) => Some(Silence { leaf: begun.leaf, last: begun.last, next: None }),
            None => None,
        };
        heard.streams.insert(stream, StreamHeard { after_ns: after_ns.unwrap_or(u64::MAX), last, silence });
    }
    Ok(heard)
}

impl PulseError {
    /// Whether another program writes to the ledger at the moment: that is a sign of life in itself.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Write(failure) if failure.is_busy())
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Write(failure) => failure.hint(),
            Self::Configured(error) => error.hint(),
            Self::Streams(_) => "`ascribe verify` lists everything that is damaged or missing",
        }
    }
}
