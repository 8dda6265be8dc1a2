//! Deriving a bundled answer again, from the bundled records alone.
//!
//! What is derived again is what the entries show. That no other entry of the ledger would change it cannot be derived
//! from some of its entries, and is never said.

use ascribe_assess::{Direction, Evidence, EvidenceError, Subject, chain, lifecycle, session, who, why};
use ascribe_model::{Basis, Body, Credential, CredentialClass, Event, Question};

use crate::evidence::BundledEvidence;
use crate::format::{AnswerPart, AnswerSubject};

/// What deriving an answer again came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerCheck {
    /// The same answer follows from the bundled records.
    Same {
        /// Its verdict in one word.
        verdict: &'static str,
        /// Its statement.
        statement: String,
        /// Claims all of whose premises the bundled records show.
        derived: Vec<String>,
        /// Claims that rest on somebody's word, such as that nothing else is on record.
        asserted: Vec<String>,
        /// Claims that the answer itself leaves open.
        open: Vec<String>,
    },
    /// Another answer follows from them.
    Differs {
        /// The first part that differs.
        part: &'static str,
    },
    /// It was drawn by other versions of the parsers than this program's, and differs.
    OtherParsers,
    /// It rests on more than this program keeps in memory.
    TooLarge,
    /// It answers a question that this program does not know.
    UnknownVerb,
}

/// An answer cannot be derived from a bundle.
#[derive(Debug, thiserror::Error)]
pub enum RederiveError {
    /// No question of this name.
    #[error("`{verb}` is no question that can be derived again")]
    UnknownVerb {
        /// The verb.
        verb: String,
    },
    /// The bundle does not hold what the answer is about.
    #[error("the bundle does not hold the event that the answer is about")]
    NoSubject,
    /// The evidence could not be read. In memory it always can.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// Questions whose answers a bundle can hold.
pub const VERBS: [&str; 5] = ["who", "why", "chain", "session", "lifecycle"];

/// The body that follows from the bundled records.
pub fn rederive(evidence: &BundledEvidence, part: &AnswerPart) -> Result<Body, RederiveError> {
    let subject = match &part.premises.subject {
        AnswerSubject::Event(id) => {
            Subject::Event(evidence.event(*id).cloned().ok_or(RederiveError::NoSubject)?)
        }
        AnswerSubject::Identity(identity) => Subject::Identity(identity.clone()),
        AnswerSubject::Key(credential) => {
            Subject::Key(Credential { uid: credential.uid.clone(), class: shown_class(evidence, credential) })
        }
    };
    reason(evidence, &subject, part.answer.body.question.clone())
}

/// The body that follows from any evidence, for the questions whose answers a bundle can hold.
pub fn reason(evidence: &dyn Evidence, subject: &Subject, question: Question) -> Result<Body, RederiveError> {
    Ok(match question.verb.as_str() {
        "who" => who(evidence, subject, question)?,
        "why" => why(evidence, subject, question)?,
        "session" => session(evidence, subject, question)?,
        "lifecycle" => lifecycle(evidence, subject, question)?,
        "chain" => {
            let forward = question.options.get("direction").is_some_and(|direction| direction == "forward");
            let direction = if forward { Direction::Forward } else { Direction::Back };
            chain(evidence, subject, direction, question)?
        }
        verb => return Err(RederiveError::UnknownVerb { verb: verb.to_owned() }),
    })
}

/// Compares the bundled answer with what follows from the records.
pub(crate) fn compare(evidence: &BundledEvidence, part: &AnswerPart) -> AnswerCheck {
    let said = &part.answer.body;
    let follows = match rederive(evidence, part) {
        Ok(body) => body,
        Err(RederiveError::UnknownVerb { .. }) => return AnswerCheck::UnknownVerb,
        Err(RederiveError::NoSubject | RederiveError::Evidence(_)) => {
            return AnswerCheck::Differs { part: "subject" };
        }
    };
    if let Some(part) = first_difference(said, &follows) {
        return AnswerCheck::Differs { part };
    }
    let (mut derived, mut asserted, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for claim in &said.claims {
        let claims = match claim.premises.iter().map(|premise| premise.basis).max() {
            Some(Basis::Rederivable) => &mut derived,
            // Indexes in a bundle are of its names only, so what all look-ups of an answer saw is somebody's word here.
            Some(Basis::ProvenByIndex | Basis::Asserted) => &mut asserted,
            Some(Basis::Unmet) | None => &mut open,
        };
        claims.push(claim.statement.clone());
    }
    AnswerCheck::Same {
        verdict: said.verdict.word(),
        statement: said.statement.clone(),
        derived,
        asserted,
        open,
    }
}

/// The class that a bundled record gives the credential, if one gives the class that the bundle says. Nobody's word
/// is taken for it.
fn shown_class(evidence: &BundledEvidence, credential: &Credential) -> CredentialClass {
    let states = |event: &Event| {
        let affected = event.effects.iter().filter_map(|effect| effect.credential.as_ref());
        event.credential.iter().chain(affected).any(|known| known == credential)
    };
    if evidence.all().any(|event| states(event)) { credential.class } else { CredentialClass::Unknown }
}

fn first_difference(said: &Body, follows: &Body) -> Option<&'static str> {
    let parts = [
        ("verdict", said.verdict == follows.verdict),
        ("statement", said.statement == follows.statement),
        ("grade", said.grade == follows.grade),
        ("claims", said.claims == follows.claims),
        ("edges", said.edges == follows.edges),
        ("gaps", said.gaps == follows.gaps),
        ("details", said.details == follows.details),
        ("question", said == follows),
    ];
    parts.iter().find(|(_, same)| !same).map(|(part, _)| *part)
}
