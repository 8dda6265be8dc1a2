//! Asking witnesses to cosign the ledger's checkpoint, and keeping what they gave (C2SP tlog-witness, the log's side).
//!
//! Each witness of the policy is asked on a thread of its own, within a time limit; none is waited for longer, and none
//! can make anything fail but being witnessed. What comes back is checked before it is kept.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ascribe_ledger::{
    AddCheckpoint, Cosignature, PolicyError, PolicyWitness, ReadError, Reader, SignedCheckpoint, VerifierKey,
    WitnessKey, WitnessPolicy, WitnessedError, parse_conflict, publish_cosigned, read_witnessed,
};

use sha2::{Digest as _, Sha256};

use crate::causes::with_causes;
use crate::connect::http::{Client, HttpError, Limits};
use crate::hexadecimal::hexadecimal;
use crate::workspace::{Workspace, WorkspaceError, patiently};

/// Bytes of an answer: a witness may cosign with several keys.
const ANSWER_BYTES: u64 = 64 << 10;

/// Requests to one witness: its size may not be known, and another process may ask it at the same time.
const TRIES: usize = 3;

/// How long a witness is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// After an ingest, which must not wait for somebody else's machine.
    Little,
    /// Where somebody asked for it.
    Ordinary,
}

/// What asking came to.
#[derive(Debug)]
pub struct Witnessing {
    /// Leaves of the checkpoint that was to be cosigned.
    pub size: u64,
    /// Each witness of the policy, in its order.
    pub witnesses: Vec<Asked>,
    /// Whether the checkpoint has cosignatures enough.
    pub quorum_is_met: bool,
    /// Whether the published checkpoint carries the cosignatures; not where a writer published a larger one meanwhile.
    pub published: bool,
    /// Leaves of the largest checkpoint that ever had enough; 0 for none.
    pub witnessed_size: u64,
}

/// A witness that was asked.
#[derive(Debug)]
pub struct Asked {
    /// Its name in the policy.
    pub name: String,
    /// Where it is.
    pub url: Option<String>,
    /// What came of it.
    pub reply: Reply,
    /// The checkpoint that it cosigned last, signed by this ledger's key, where it has seen another ledger than this.
    pub seen: Option<String>,
}

/// What a witness said.
#[derive(Debug)]
pub enum Reply {
    /// It cosigned, at this time by its clock: seconds since the Unix epoch.
    Cosigned(u64),
    /// It cannot be asked: the policy has no address for it, or its key is of a type that is not supported.
    NotAsked(&'static str),
    /// There was no answer.
    Unreachable(HttpError),
    /// It answered, but not as a witness does.
    Garbage(String),
    /// It has cosigned more leaves than this ledger has: one of the two was put back.
    Ahead(u64),
    /// It has seen another tree under this ledger's key.
    OtherTree,
    /// It does not follow this ledger, or not by this key.
    Stranger(u16),
}

/// Witnesses could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum WitnessingError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// No policy is configured.
    #[error("no witness policy is configured")]
    NoPolicy,
    /// The policy cannot be read.
    #[error("cannot read the witness policy `{}`", path.display())]
    PolicyFile {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The policy is refused.
    #[error("the witness policy `{}` is refused", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PolicyError,
    },
    /// The policy lists logs, and this ledger is none of them.
    #[error("the witness policy `{}` does not list this ledger's key", path.display())]
    NotListed {
        /// The file.
        path: PathBuf,
    },
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] ReadError),
    /// The network settings cannot be used.
    #[error("cannot call anybody")]
    Client(#[source] HttpError),
    /// The cosignatures cannot be kept.
    #[error("cannot keep the cosignatures")]
    Keep(#[from] WitnessedError),
}

/// Asks every witness of the policy to cosign the published checkpoint, and keeps what they gave.
///
/// # Errors
/// [`WitnessingError`] where nobody could be asked, or the cosignatures could not be kept. A witness that is down or
/// refuses is no error.
pub fn ask_witnesses(root: &Path, patience: Patience) -> Result<Witnessing, WitnessingError> {
    let workspace = Workspace::open(root)?;
    let key = workspace.verifier_key()?;
    let policy = read_policy(&workspace)?.ok_or(WitnessingError::NoPolicy)?;
    let paths = workspace.ledger_paths();
    let reader = Reader::open(&paths, &key)?;
    let client = Client::new(root, &workspace.settings().network, limits(patience))
        .map_err(WitnessingError::Client)?;
    let last = read_witnessed(&paths, &key).ok().flatten();
    let round = Round { client, reader: &reader, last: last.as_ref() };
    let answers: Vec<(Reply, Option<Cosignature>, Option<String>)> = thread::scope(|threads| {
        let asked: Vec<_> = policy
            .witnesses()
            .iter()
            .map(|witness| threads.spawn(|| round.ask_and_look(witness, &key)))
            .collect();
        let unasked = || (Reply::Garbage("it could not be asked".to_owned()), None, None);
        asked.into_iter().map(|asked| asked.join().unwrap_or_else(|_| unasked())).collect()
    });
    let cosignatures: Vec<Cosignature> = answers.iter().filter_map(|(_, line, _)| line.clone()).collect();
    let kept = patiently(
        || publish_cosigned(&paths, &key, &policy, reader.checkpoint(), &cosignatures),
        |outcome| !matches!(outcome, Err(WitnessedError::Lock(_))),
    )?;
    let witnesses = policy.witnesses().iter().zip(answers).map(|(witness, (reply, _, seen))| Asked {
        name: witness.name.clone(),
        url: witness.url.clone(),
        reply,
        seen,
    });
    Ok(Witnessing {
        size: reader.size(),
        witnesses: witnesses.collect(),
        quorum_is_met: kept.outcome.is_met(),
        published: kept.published,
        witnessed_size: witnessed(&workspace, &key, &policy),
    })
}

/// Leaves of the largest checkpoint that the witnesses of the configured policy stand behind; `None` where no policy is
/// configured. The policy is applied anew: a file that somebody put there counts for nothing without the cosignatures.
///
/// # Errors
/// [`WitnessingError`] when the policy cannot be used.
pub fn witnessed_size(workspace: &Workspace) -> Result<Option<u64>, WitnessingError> {
    let key = workspace.verifier_key()?;
    Ok(read_policy(workspace)?.map(|policy| witnessed(workspace, &key, &policy)))
}

fn witnessed(workspace: &Workspace, key: &VerifierKey, policy: &WitnessPolicy) -> u64 {
    let kept = read_witnessed(&workspace.ledger_paths(), key).ok().flatten();
    let met = |checkpoint: &SignedCheckpoint| {
        policy.asks_for_witnesses() && policy.judge(checkpoint).is_ok_and(|outcome| outcome.is_met())
    };
    kept.filter(met).map_or(0, |checkpoint| checkpoint.size())
}

/// The configured policy.
fn read_policy(workspace: &Workspace) -> Result<Option<WitnessPolicy>, WitnessingError> {
    let Some(path) = workspace.witness_policy() else { return Ok(None) };
    let bytes =
        std::fs::read(&path).map_err(|source| WitnessingError::PolicyFile { path: path.clone(), source })?;
    let policy = WitnessPolicy::parse(&bytes)
        .map_err(|source| WitnessingError::Policy { path: path.clone(), source })?;
    let ours = workspace.verifier_key()?;
    let listed = policy.ledgers().iter().any(|ledger| ledger.key.as_ref() == Some(&ours));
    if listed || policy.ledgers().is_empty() {
        Ok(Some(policy))
    } else {
        Err(WitnessingError::NotListed { path })
    }
}

const fn limits(patience: Patience) -> Limits {
    let (connect, whole) = match patience {
        Patience::Little => (Duration::from_secs(1), Duration::from_secs(2)),
        Patience::Ordinary => (Duration::from_secs(5), Duration::from_secs(15)),
    };
    Limits { connect, whole, body_bytes: ANSWER_BYTES }
}

/// One checkpoint for which witnesses are asked.
struct Round<'a> {
    client: Client,
    reader: &'a Reader,
    /// The last checkpoint that had a quorum: its cosigners most likely have that size.
    last: Option<&'a SignedCheckpoint>,
}

impl Round<'_> {
    /// Asks, and where the witness has seen another ledger, gets what it saw: evidence for either side.
    fn ask_and_look(
        &self,
        witness: &PolicyWitness,
        key: &VerifierKey,
    ) -> (Reply, Option<Cosignature>, Option<String>) {
        let (reply, line) = self.ask(witness);
        let mut seen = None;
        if let (Reply::Ahead(_) | Reply::OtherTree, Some(url)) = (&reply, &witness.url) {
            let url = format!(
                "{}/{}/checkpoint",
                url.trim_end_matches('/'),
                hexadecimal(&Sha256::digest(key.name()))
            );
            // A witness need not serve it; then the reply is all there is.
            let answer = self.client.get(&url).ok().filter(|answer| answer.status == 200);
            let note = answer.and_then(|answer| SignedCheckpoint::open(&answer.body, key).ok());
            seen = note.map(|note| note.note().to_owned());
        }
        (reply, line, seen)
    }

    fn ask(&self, witness: &PolicyWitness) -> (Reply, Option<Cosignature>) {
        let Some(key) = &witness.key else {
            return (Reply::NotAsked("its key is of a type that is not supported"), None);
        };
        let Some(url) = &witness.url else {
            return (Reply::NotAsked("the policy has no address for it"), None);
        };
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let cosigned_last = |last: &&SignedCheckpoint| {
            Cosignature::of(last.note().as_bytes(), key).is_ok_and(|line| line.is_some())
        };
        let mut old_size = self.last.filter(cosigned_last).map_or(0, SignedCheckpoint::size);
        for _ in 0..TRIES {
            match self.ask_once(&url, key, old_size) {
                Outcome::Final(reply) => return (reply, None),
                Outcome::Cosigned(line) => return (Reply::Cosigned(line.timestamp()), Some(line)),
                Outcome::Conflict(latest) if latest == old_size => break,
                Outcome::Conflict(latest) if latest > self.reader.size() => {
                    return (Reply::Ahead(latest), None);
                }
                Outcome::Conflict(latest) => old_size = latest,
            }
        }
        (Reply::Garbage("it names another size each time".to_owned()), None)
    }

    fn ask_once(&self, url: &str, key: &WitnessKey, old_size: u64) -> Outcome {
        let checkpoint = self.reader.checkpoint();
        let proof = if old_size == 0 || old_size == checkpoint.size() {
            Vec::new()
        } else {
            match self.reader.consistency_proof(old_size) {
                Ok(proof) => proof,
                Err(error) => return Outcome::Final(Reply::Garbage(with_causes(&error))),
            }
        };
        let request = AddCheckpoint { old_size, proof, note: checkpoint.note().to_owned() };
        let answer = match self.client.post(url, "text/plain; charset=utf-8", request.to_string().as_bytes())
        {
            Ok(answer) => answer,
            Err(error) => return Outcome::Final(Reply::Unreachable(error)),
        };
        let garbage = |what: &str| Outcome::Final(Reply::Garbage(what.to_owned()));
        match answer.status {
            200 => {
                // The answer is signature lines: behind the checkpoint they make a note.
                let note = [checkpoint.note().as_bytes(), &answer.body].concat();
                match Cosignature::of(&note, key) {
                    // A cosignature that the note had before is none of this answer.
                    Ok(Some(line))
                        if answer.body.windows(line.line().len()).any(|it| it == line.line().as_bytes()) =>
                    {
                        Outcome::Cosigned(line)
                    }
                    Ok(_) => garbage("its answer has no cosignature by its key"),
                    Err(error) => garbage(&format!("its answer is refused: {error}")),
                }
            }
            409 => match parse_conflict(&answer.body) {
                Some(latest) if answer.content_type.as_deref() == Some("text/x.tlog.size") => {
                    Outcome::Conflict(latest)
                }
                _ => garbage("it answers 409 without a size"),
            },
            422 => Outcome::Final(Reply::OtherTree),
            status @ (403 | 404) => Outcome::Final(Reply::Stranger(status)),
            status => garbage(&format!("it answers with status {status}")),
        }
    }
}

enum Outcome {
    Cosigned(Cosignature),
    Conflict(u64),
    Final(Reply),
}

impl Witnessing {
    /// Witnesses that cosigned now.
    pub fn signed(&self) -> usize {
        self.witnesses.iter().filter(|witness| matches!(witness.reply, Reply::Cosigned(_))).count()
    }

    /// Whether a witness has seen more of this ledger than there is, or another tree: it was put back or forked.
    pub fn shows_another_ledger(&self) -> bool {
        self.witnesses.iter().any(|witness| matches!(witness.reply, Reply::Ahead(_) | Reply::OtherTree))
    }

    /// Leaves that no witnessed checkpoint covers yet.
    pub fn lag(&self) -> u64 {
        self.size.saturating_sub(self.witnessed_size)
    }
}

impl Reply {
    /// One word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Cosigned(_) => "cosigned",
            Self::NotAsked(_) => "not asked",
            Self::Unreachable(_) => "unreachable",
            Self::Garbage(_) => "no witness",
            Self::Ahead(_) => "AHEAD",
            Self::OtherTree => "OTHER TREE",
            Self::Stranger(_) => "refused",
        }
    }

    /// One sentence.
    pub fn sentence(&self, size: u64) -> String {
        match self {
            Self::Cosigned(at) => format!("at {at} by its clock, in seconds since 1970"),
            Self::NotAsked(why) => (*why).to_owned(),
            Self::Unreachable(error) => with_causes(error),
            Self::Garbage(what) => what.clone(),
            Self::Ahead(latest) => {
                format!(
                    "it has cosigned {latest} entries of this ledger, which has {size}: the ledger was put back"
                )
            }
            Self::OtherTree => {
                "it has cosigned another tree under this ledger's key: the ledger was put back or forked"
                    .to_owned()
            }
            Self::Stranger(status) => format!("it does not follow this ledger by this key (status {status})"),
        }
    }
}

impl WitnessingError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::NoPolicy => {
                "name a policy file as `policy` in `[witness]` of `ascribe.toml`: docs/witness.md"
            }
            Self::PolicyFile { .. } => {
                "`policy` in `[witness]` of `ascribe.toml` names it, from the evidence folder"
            }
            Self::Policy { .. } => "docs/witness.md has an example of a policy",
            Self::NotListed { .. } => {
                "add a line `log` with the key in `keys/ledger.vkey`, or take the other `log` lines out"
            }
            Self::Ledger(_) => "`ascribe verify` lists everything that is damaged or missing",
            Self::Client(error) => error.hint(),
            Self::Keep(WitnessedError::Lock(_)) => {
                "an ingest is writing; ask the witnesses when it has ended"
            }
            Self::Keep(_) => "check that the disk is not full; `ascribe verify` lists what is damaged",
        }
    }
}
