//! Decisions as the ledger has them: read back in its order and folded, with signatures checked.

use ascribe_govern::{Register, RegisterError};
use ascribe_ledger::{Kind, Note, ReadError, Reader, Tombstone, VerifierKey};
use ascribe_model::{DecisionEntry, Disposal, KeyKind, KeyRef, Role, Timestamp};
use ascribe_store::Store;

/// Key kind under which the store finds what is neither record nor object, by name.
const NAMED_KIND: KeyKind = KeyKind::new("ascribe.config");

/// Name of decisions in the store.
pub const DECISION: &str = "decision";

/// Name of tombstones in the store.
pub const TOMBSTONE: &str = "tombstone";

/// Everything that was decided and destroyed.
pub struct Recorded {
    /// The decisions, folded.
    pub register: Register,
    /// Tombstones by leaf, with the time of each.
    pub tombstones: Vec<(u64, Timestamp, Tombstone)>,
    /// Decisions that do not fit those before them, or whose signature is not good: leaf and why. They count for nothing.
    pub refused: Vec<(u64, String)>,
}

/// What was decided cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// In the store.
    #[error("cannot look decisions up in the store")]
    Store(#[source] ascribe_store::ReadError),
    /// In the ledger.
    #[error("cannot read a decision in the ledger")]
    Ledger(#[from] ReadError),
}

impl Recorded {
    /// Reads all of it. The cost follows the number of decisions.
    pub fn read(store: &Store, reader: &Reader) -> Result<Self, RecordedError> {
        let mut leaves = Vec::new();
        for name in [DECISION, TOMBSTONE] {
            let key = KeyRef { kind: NAMED_KIND, scope: String::new(), value: name.to_owned() };
            let found =
                store.leaves(&key, &[Role::Native], None, usize::MAX).map_err(RecordedError::Store)?;
            leaves.extend(found.leaves);
        }
        leaves.sort_unstable();
        let mut recorded =
            Self { register: Register::default(), tombstones: Vec::new(), refused: Vec::new() };
        for leaf in leaves {
            let entry = reader.proven_entry(leaf)?;
            let at = Timestamp::from_nanoseconds(entry.envelope().received_at);
            let captured = entry.kept()?;
            let outcome = match entry.envelope().kind {
                Kind::Tombstone => recorded.tombstone(leaf, at, captured),
                _ => recorded.decision(leaf, at, captured),
            };
            if let Err(reason) = outcome {
                recorded.refused.push((leaf, reason));
            }
        }
        Ok(recorded)
    }

    fn decision(&mut self, leaf: u64, at: Timestamp, captured: &[u8]) -> Result<(), String> {
        let decision: DecisionEntry =
            serde_json::from_slice(captured).map_err(|error| format!("it is no decision: {error}"))?;
        if let DecisionEntry::Approval { disposal, approver, note, .. } = &decision {
            let waiting = self.register.waiting(*disposal).map_err(|error| error.to_string())?;
            check_approval(*disposal, &waiting.disposal, approver, note.as_deref())?;
        }
        self.register.apply(leaf, at, decision).map_err(|error: RegisterError| error.to_string())
    }

    fn tombstone(&mut self, leaf: u64, at: Timestamp, captured: &[u8]) -> Result<(), String> {
        let tombstone = Tombstone::parse(captured).map_err(|error| format!("it is no tombstone: {error}"))?;
        let disposal = tombstone.statements.iter().find(|(name, _)| name == "disposal");
        let disposal = disposal.and_then(|(_, text)| text.parse().ok());
        self.tombstones.push((leaf, at, tombstone));
        match disposal {
            Some(disposal) => {
                self.register.carried_out(disposal, leaf).map_err(|error: RegisterError| error.to_string())
            }
            None => Err("it names no disposal".to_owned()),
        }
    }
}

/// What an approver signs: which disposal, and all that it would destroy.
pub fn approval_statement(leaf: u64, disposal: &Disposal) -> String {
    let mut statement = format!("ascribe/approval/v1\ndisposal {leaf}\nentries {}\n", disposal.entries);
    for (first, end) in &disposal.leaves {
        statement.push_str(&format!("leaves {first} {end}\n"));
    }
    statement
}

/// Where the policy lists keys, the note has to be signed by one of them; its name is the approver's.
fn check_approval(leaf: u64, disposal: &Disposal, approver: &str, note: Option<&str>) -> Result<(), String> {
    if disposal.approvers.is_empty() {
        return Ok(());
    }
    let note = note.ok_or_else(|| format!("the approval of `{approver}` is not signed"))?;
    let keys = disposal.approvers.iter().filter_map(|key| VerifierKey::parse(key).ok());
    let key = keys
        .into_iter()
        .find(|key| key.name() == approver)
        .ok_or_else(|| format!("`{approver}` is none of those who may approve"))?;
    let text = Note::parse(note.as_bytes())
        .and_then(|note| note.verify(&key).map(str::to_owned))
        .map_err(|error| format!("the approval of `{approver}`: {error}"))?;
    if text == approval_statement(leaf, disposal) {
        Ok(())
    } else {
        Err(format!("`{approver}` signed another statement than the approval of this disposal"))
    }
}
