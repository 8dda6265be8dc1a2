//! Whom a checker believes: a policy file as C2SP tlog-policy defines it, and whether a checkpoint meets it.
//!
//! A policy is the checker's own. It knows bytes and notes, not where a policy comes from, nor what time it is: the
//! times of cosignatures are given, not judged. Keys of types that are not supported (ML-DSA-44, ECDSA) are read and
//! never counted, so a policy that needs them is not met rather than refused.

use crate::checkpoint::SignedCheckpoint;
use crate::cosignature::{Cosignature, WitnessKey};
use crate::note::{NamedKey, NoteError, TYPE_COSIGNATURE, TYPE_ED25519, VerifierKey, VerifierKeyError};

/// Largest policy read, in bytes. A hundred witnesses with post-quantum keys take a quarter of it.
pub const MAX_POLICY_BYTES: usize = 1 << 20;

/// Most ledgers, and most witnesses and groups together. tlog-policy asks for at least 32 of each.
const MAX_NAMES: usize = 256;

/// Name of the quorum that asks for no witness.
const NONE: &[u8] = b"none";

/// The ledgers (`log` in the file) and witnesses that a checker knows, and which of them have to have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessPolicy {
    ledgers: Vec<PolicyLedger>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A ledger of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLedger {
    /// Its key; `None` where the key is of a type that is not supported.
    pub key: Option<VerifierKey>,
    /// Where it is, as the policy has it.
    pub url: Option<String>,
}

/// A witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name in the policy, with what is not UTF-8 replaced.
    pub name: String,
    /// Its key; `None` where the key is of a type that is not supported: it never counts.
    pub key: Option<WitnessKey>,
    /// Where it takes checkpoints: its submission prefix.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// A witness or a group, by its place among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    NoWitness,
    Of(Member),
}

/// How a checkpoint stands to a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOutcome {
    /// Whether one of the policy's ledgers signed it, or the policy lists none.
    pub ledger_is_listed: bool,
    /// For each witness of the policy, in its order, the newest cosignature.
    pub cosignatures: Vec<Option<Cosignature>>,
    /// Whether the witnesses that signed are enough.
    pub quorum_is_met: bool,
}

/// Why a policy was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy is refused")]
pub struct PolicyError {
    /// Line from 1; the last one where something is missing.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub problem: PolicyProblem,
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyProblem {
    /// The policy is longer than [`MAX_POLICY_BYTES`].
    #[error("the policy has {found} bytes, at most {MAX_POLICY_BYTES} are read")]
    TooLong {
        /// Bytes given.
        found: usize,
    },
    /// A control character other than tab and newline.
    #[error("it holds a control character")]
    ControlCharacter,
    /// The last line has no newline.
    #[error("it does not end in a newline")]
    NoNewline,
    /// The line begins with another word.
    #[error("it begins with `{found}`, expected `log`, `witness`, `group` or `quorum`")]
    Keyword {
        /// The word.
        found: String,
    },
    /// Too few or too many words.
    #[error("`{keyword}` has {found} words behind it, expected {expected}")]
    Words {
        /// The first word.
        keyword: &'static str,
        /// How many belong there.
        expected: &'static str,
        /// How many are there.
        found: usize,
    },
    /// A key cannot be read.
    #[error("its key is refused")]
    Key(#[source] VerifierKeyError),
    /// The key is there already, perhaps under another name.
    #[error("the key of `{name}` is in the policy already")]
    DuplicateKey {
        /// Its name.
        name: String,
    },
    /// The name is taken, or is `none`.
    #[error("the name `{name}` is taken")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// No line above defines the name.
    #[error("no line above defines `{name}`")]
    Undefined {
        /// The name.
        name: String,
    },
    /// The name is a member of a group already.
    #[error("`{name}` is a member of a group already")]
    MemberTwice {
        /// The name.
        name: String,
    },
    /// The threshold is none of `any`, `all` and 1 to the number of members.
    #[error("the threshold `{found}` is none of `any`, `all` and 1 to {members}")]
    Threshold {
        /// As it stands.
        found: String,
        /// Members of the group.
        members: usize,
    },
    /// There is a quorum line already.
    #[error("there is a quorum already")]
    SecondQuorum,
    /// There is no quorum line.
    #[error("there is no quorum line; `quorum none` asks for no witness")]
    NoQuorum,
    /// More ledgers, or more witnesses and groups, than are read.
    #[error("more than {MAX_NAMES} logs, or witnesses and groups, are not read")]
    TooMany,
}

impl WitnessPolicy {
    /// Reads a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        Parser::default().parse(bytes)
    }

    /// Its ledgers; none where it speaks of any that the checker knows otherwise.
    pub fn ledgers(&self) -> &[PolicyLedger] {
        &self.ledgers
    }

    /// Its witnesses, in the order of the file.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether it asks for any witness at all.
    pub fn asks_for_witnesses(&self) -> bool {
        matches!(self.quorum, Quorum::Of(_))
    }

    /// How a checkpoint stands to the policy. A cosignature by one of its witnesses that does not verify refuses the
    /// whole note (signed-note).
    pub fn judge(&self, checkpoint: &SignedCheckpoint) -> Result<PolicyOutcome, NoteError> {
        let note = checkpoint.note().as_bytes();
        let signed_by = |ledger: &PolicyLedger| {
            ledger.key.as_ref().is_some_and(|key| SignedCheckpoint::open(note, key).is_ok())
        };
        let ledger_is_listed = self.ledgers.is_empty() || self.ledgers.iter().any(signed_by);
        let mut cosignatures = Vec::with_capacity(self.witnesses.len());
        for witness in &self.witnesses {
            let found = witness.key.as_ref().map(|key| Cosignature::of(note, key)).transpose()?;
            cosignatures.push(found.flatten());
        }
        let quorum_is_met = match self.quorum {
            Quorum::NoWitness => true,
            Quorum::Of(member) => self.is_met(member, &cosignatures),
        };
        Ok(PolicyOutcome { ledger_is_listed, cosignatures, quorum_is_met })
    }

    fn is_met(&self, member: Member, cosignatures: &[Option<Cosignature>]) -> bool {
        match member {
            Member::Witness(index) => cosignatures.get(index).is_some_and(Option::is_some),
            // Members are defined above their group, so this ends; each is in one group at most, so it stays cheap.
            Member::Group(index) => self.groups.get(index).is_some_and(|group| {
                let met = group.members.iter().filter(|member| self.is_met(**member, cosignatures)).count();
                met >= group.threshold
            }),
        }
    }
}

impl PolicyOutcome {
    /// Witnesses of the policy that cosigned.
    pub fn signed(&self) -> usize {
        self.cosignatures.iter().flatten().count()
    }

    /// Whether the checkpoint is as the policy asks: signed by a ledger of its, and by enough witnesses.
    pub fn is_met(&self) -> bool {
        self.ledger_is_listed && self.quorum_is_met
    }
}

#[derive(Default)]
struct Parser {
    ledgers: Vec<PolicyLedger>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    names: Vec<(Vec<u8>, Member)>,
    /// Names that are members of a group.
    members: Vec<Member>,
    ledger_keys: Vec<Vec<u8>>,
    witness_keys: Vec<Vec<u8>>,
    quorum: Option<Quorum>,
}

impl Parser {
    fn parse(mut self, bytes: &[u8]) -> Result<WitnessPolicy, PolicyError> {
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(PolicyError { line: 1, problem: PolicyProblem::TooLong { found: bytes.len() } });
        }
        let mut line = 1;
        for text in bytes.split_inclusive(|byte| *byte == b'\n') {
            let whole = text.strip_suffix(b"\n").ok_or(PolicyProblem::NoNewline);
            whole.and_then(|text| self.line(text)).map_err(|problem| PolicyError { line, problem })?;
            line += 1;
        }
        let quorum = self.quorum.ok_or(PolicyError { line, problem: PolicyProblem::NoQuorum })?;
        Ok(WitnessPolicy { ledgers: self.ledgers, witnesses: self.witnesses, groups: self.groups, quorum })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), PolicyProblem> {
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(PolicyProblem::ControlCharacter);
        }
        let words: Vec<&[u8]> =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
        let Some((keyword, words)) = words.split_first().filter(|(first, _)| !first.starts_with(b"#")) else {
            return Ok(());
        };
        match *keyword {
            b"log" => self.ledger(words),
            b"witness" => self.witness(words),
            b"group" => self.group(words),
            b"quorum" => self.quorum(words),
            other => Err(PolicyProblem::Keyword { found: shown(other) }),
        }
    }

    fn ledger(&mut self, words: &[&[u8]]) -> Result<(), PolicyProblem> {
        let (key, url) = match words {
            [key] => (key, None),
            [key, url] => (key, Some(shown(url))),
            _ => return Err(wrong_count("log", "1 or 2", words)),
        };
        let text = shown(key);
        let named = NamedKey::parse(&text).map_err(PolicyProblem::Key)?;
        take_key(&mut self.ledger_keys, &named)?;
        let key = match named.kind {
            TYPE_ED25519 => Some(VerifierKey::parse(&text).map_err(PolicyProblem::Key)?),
            _ => named.checked_id().map(|_| None).map_err(PolicyProblem::Key)?,
        };
        self.ledgers.push(PolicyLedger { key, url });
        if self.ledgers.len() > MAX_NAMES { Err(PolicyProblem::TooMany) } else { Ok(()) }
    }

    fn witness(&mut self, words: &[&[u8]]) -> Result<(), PolicyProblem> {
        let (name, key, url) = match words {
            [name, key] => (name, key, None),
            [name, key, url] => (name, key, Some(shown(url))),
            _ => return Err(wrong_count("witness", "2 or 3", words)),
        };
        let text = shown(key);
        let named = NamedKey::parse(&text).map_err(PolicyProblem::Key)?;
        take_key(&mut self.witness_keys, &named)?;
        let key = match named.kind {
            TYPE_COSIGNATURE => Some(WitnessKey::named(&named).map_err(PolicyProblem::Key)?),
            // The key of a ledger cosigns nothing: whoever put it here took one for the other.
            TYPE_ED25519 => return Err(PolicyProblem::Key(wrong_type(&named))),
            _ => named.checked_id().map(|_| None).map_err(PolicyProblem::Key)?,
        };
        self.name(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness { name: shown(name), key, url });
        Ok(())
    }

    fn group(&mut self, words: &[&[u8]]) -> Result<(), PolicyProblem> {
        let [name, threshold, names @ ..] = words else {
            return Err(wrong_count("group", "3 or more", words));
        };
        if names.is_empty() {
            return Err(wrong_count("group", "3 or more", words));
        }
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let member = self.defined(name)?;
            if self.members.contains(&member) {
                return Err(PolicyProblem::MemberTwice { name: shown(name) });
            }
            self.members.push(member);
            members.push(member);
        }
        let threshold = match *threshold {
            b"all" => members.len(),
            b"any" => 1,
            number => {
                let refused = || PolicyProblem::Threshold { found: shown(number), members: members.len() };
                let parsed = crate::tile::parse_decimal(&shown(number)).ok_or_else(refused)?;
                let parsed = usize::try_from(parsed).map_err(|_| refused())?;
                if (1..=members.len()).contains(&parsed) { parsed } else { return Err(refused()) }
            }
        };
        self.name(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, words: &[&[u8]]) -> Result<(), PolicyProblem> {
        let [name] = words else { return Err(wrong_count("quorum", "1", words)) };
        if self.quorum.is_some() {
            return Err(PolicyProblem::SecondQuorum);
        }
        self.quorum = Some(if *name == NONE { Quorum::NoWitness } else { Quorum::Of(self.defined(name)?) });
        Ok(())
    }

    fn name(&mut self, name: &[u8], member: Member) -> Result<(), PolicyProblem> {
        if name == NONE || self.names.iter().any(|(taken, _)| taken == name) {
            return Err(PolicyProblem::NameTaken { name: shown(name) });
        }
        self.names.push((name.to_owned(), member));
        if self.names.len() > MAX_NAMES { Err(PolicyProblem::TooMany) } else { Ok(()) }
    }

    fn defined(&self, name: &[u8]) -> Result<Member, PolicyProblem> {
        let found = self.names.iter().find(|(defined, _)| defined == name);
        found.map(|(_, member)| *member).ok_or_else(|| PolicyProblem::Undefined { name: shown(name) })
    }
}

/// Two names for one key would let one witness count twice.
fn take_key(keys: &mut Vec<Vec<u8>>, named: &NamedKey<'_>) -> Result<(), PolicyProblem> {
    if keys.contains(&named.key) {
        return Err(PolicyProblem::DuplicateKey { name: named.name.to_owned() });
    }
    keys.push(named.key.clone());
    Ok(())
}

fn wrong_type(named: &NamedKey<'_>) -> VerifierKeyError {
    VerifierKeyError::Type { name: named.name.to_owned(), expected: TYPE_COSIGNATURE, found: named.kind }
}

fn wrong_count(keyword: &'static str, expected: &'static str, words: &[&[u8]]) -> PolicyProblem {
    PolicyProblem::Words { keyword, expected, found: words.len() }
}

fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::EMPTY_ROOT;
    use crate::key::KeyPair;
    use crate::proof::TreeHead;
    use crate::witness_key::WitnessKeyPair;

    fn witness(number: u8) -> WitnessKeyPair {
        WitnessKeyPair::from_seed(&format!("witness.example/w{number}"), [number; 32]).unwrap()
    }

    fn ledger_key(seed: u8) -> KeyPair {
        KeyPair::from_seed("example.com/ledger", [seed; 32]).unwrap()
    }

    /// The policy with five witnesses defined and `rest` behind them.
    fn policy(rest: &str) -> WitnessPolicy {
        let mut text = format!("# ours\nlog {} https://log.example\n\n", ledger_key(7).verifier());
        for number in 1..=5 {
            text.push_str(&format!(
                "\twitness w{number} {} http://w{number}.example\n",
                witness(number).verifier()
            ));
        }
        WitnessPolicy::parse(format!("{text}{rest}").as_bytes()).unwrap()
    }

    fn cosigned(by: &[u8]) -> SignedCheckpoint {
        let signed = SignedCheckpoint::sign(TreeHead { size: 0, root: EMPTY_ROOT }, &ledger_key(7));
        let lines: Vec<_> = by.iter().map(|number| witness(*number).cosign(&signed, 5)).collect();
        signed.cosigned(&lines)
    }

    #[test]
    fn a_quorum_of_groups() {
        let policy = policy("group x 2 w1 w2 w3\ngroup y any w4 w5\ngroup both all x y\nquorum both\n");
        let met = |by: &[u8]| policy.judge(&cosigned(by)).unwrap().is_met();
        assert!(met(&[1, 2, 4]) && met(&[1, 2, 3, 4, 5]) && met(&[3, 2, 5]));
        assert!(!met(&[]) && !met(&[1, 2, 3]) && !met(&[1, 4, 5]) && !met(&[4]));
        assert_eq!(policy.judge(&cosigned(&[1, 9])).unwrap().signed(), 1, "a stranger does not count");
        assert_eq!(policy.witnesses()[2].url.as_deref(), Some("http://w3.example"));
    }

    #[test]
    fn k_of_n_by_every_subset() {
        for k in 1..=5 {
            let policy = policy(&format!("group g {k} w1 w2 w3 w4 w5\nquorum g\n"));
            for subset in 0..32_u8 {
                let by: Vec<u8> = (1..=5).filter(|number| subset & (1 << (number - 1)) != 0).collect();
                let outcome = policy.judge(&cosigned(&by)).unwrap();
                assert_eq!((outcome.is_met(), outcome.signed()), (by.len() >= k, by.len()), "{k} {by:?}");
            }
        }
    }

    #[test]
    fn another_log_is_not_listed_and_no_witness_mends_that() {
        let other = SignedCheckpoint::sign(TreeHead { size: 0, root: EMPTY_ROOT }, &ledger_key(8));
        let other = other.cosigned(&[witness(1).cosign(&other, 5)]);
        let outcome = policy("quorum w1\n").judge(&other).unwrap();
        assert!(outcome.quorum_is_met && !outcome.ledger_is_listed && !outcome.is_met());
    }

    #[test]
    fn a_witness_that_signed_something_else_refuses_the_note() {
        let other = SignedCheckpoint::sign(TreeHead { size: 1, root: EMPTY_ROOT }, &ledger_key(7));
        let forged = cosigned(&[2]).cosigned(&[witness(1).cosign(&other, 5)]);
        assert!(matches!(policy("quorum w2\n").judge(&forged), Err(NoteError::SignatureInvalid { .. })));
    }

    #[test]
    fn keys_of_other_types_are_read_and_never_count() {
        let key = crate::note::key_text("witness.example/pq", 0x06, &[3; 1312]);
        let text = format!("witness pq {key}\nquorum pq\n");
        let policy = WitnessPolicy::parse(text.as_bytes()).unwrap();
        assert_eq!(policy.witnesses()[0].key, None);
        assert!(!policy.judge(&cosigned(&[])).unwrap().quorum_is_met);
        let foreign = crate::note::key_text("example.com/ledger", 0x02, &[3; 91]);
        let policy = WitnessPolicy::parse(format!("log {foreign}\nquorum none\n").as_bytes()).unwrap();
        assert!(!policy.judge(&cosigned(&[])).unwrap().is_met(), "an unknown ledger is not any ledger");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn arbitrary_text_never_panics(text in "(log|witness|group|quorum|[a-z \t\n#+]){0,30}", bytes: Vec<u8>) {
            for input in [text.as_bytes(), &bytes] {
                if let Ok(policy) = WitnessPolicy::parse(input) {
                    prop_assert!(policy.witnesses().is_empty());
                }
            }
        }
    }
}
