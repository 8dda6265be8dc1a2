//! A small ledger, and the parts of a bundle over it, to be changed by a test before they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ascribe_assess::Subject;
use ascribe_bundle::{
    AnswerPart, AnswerPremises, BundleWriter, BundledEvidence, Check, CompletenessPart, Counted, Disclosure,
    Earlier, EntryPart, Manifest, Opened, Parser, Report, Signed, Why, check, each_name, reason,
};
use ascribe_ledger::durable::Disk;
use ascribe_ledger::index::{BuiltIndex, IndexBuilder, IndexFile, IndexHead, IndexPaths, IndexRange};
use ascribe_ledger::{
    Draft, Hash, KeyPair, Kind, Ledger, LedgerPaths, Reader, Salt, Span, VerifierKey, commit_sealed,
};
use ascribe_model::{
    Answer, Credential, CredentialClass, EntryState, EvidenceRef, IndexRootEntry, KeyKind, KeyRef, ProofSide,
    Question, Scope,
};
use ascribe_sources::{CapturedReader, Context, SOURCES};

pub const ORIGIN: &str = "example.com/ledger";

/// The key that is asked about, in every third record.
pub const ASKED_KEY: &str = "AKIAEXAMPLEDEPLOY001";

/// Entries when the earlier checkpoint was kept.
const KEPT_AT: usize = 10;

/// Everything that goes into a bundle.
#[derive(Clone)]
pub struct Parts {
    pub manifest: Manifest,
    pub signed: Signed,
    pub earlier: Vec<Earlier>,
    pub entries: Vec<EntryPart>,
    pub rest: Vec<Hash>,
    pub answer: Option<AnswerPart>,
    pub disclosed: Vec<Disclosure>,
    pub completeness: Vec<CompletenessPart>,
}

/// A ledger in a folder of its own.
pub struct Given {
    folder: tempfile::TempDir,
    reader: Reader,
    kept: Option<String>,
    paths: LedgerPaths,
    sealed: Vec<Sealed>,
}

/// A range with a completeness index.
struct Sealed {
    range: IndexRange,
    root_leaf: u64,
    head: IndexHead,
}

/// Salt of every index here.
pub const INDEX_SALT: Salt = [9; 32];

pub fn key() -> KeyPair {
    KeyPair::from_seed(ORIGIN, [7; 32]).unwrap()
}

pub fn verifier() -> VerifierKey {
    key().verifier().clone()
}

/// Checks as somebody who trusts the key of the ledger.
pub fn checked(bundle: &[u8]) -> Report {
    check(bundle, Check { key: Some(&verifier()), ..Check::default() }).unwrap()
}

/// Entry 0 and 4 are streams, 1 and 5 objects, the rest records; records belong to 0 and 1.
fn text_of(leaf: usize) -> (Kind, String) {
    match leaf {
        0 => (Kind::Stream, r#"{"source":"aws_cloudtrail","scope":"111122223333"}"#.to_owned()),
        4 => (Kind::Stream, r#"{"source":"aws_cloudtrail","scope":"444455556666"}"#.to_owned()),
        1 | 5 => (Kind::Object, r#"{"step":"opened","name":"a.json","encoding":"identity"}"#.to_owned()),
        record => (Kind::Record, record_text(record)),
    }
}

/// The value that a policy sealed in record 6, at `userAgent`, opened.
pub fn disclosure() -> Disclosure {
    Disclosure {
        leaf: 6,
        event: 0,
        field: "userAgent".to_owned(),
        salt: [9; 32],
        value: "aws-cli/2".to_owned(),
    }
}

fn record_text(number: usize) -> String {
    let agent = match number {
        6 => {
            let sealed = disclosure();
            let commitment = commit_sealed(&sealed.salt, sealed.value.as_bytes());
            let digits = commitment.map(|byte| format!("{byte:02x}")).concat();
            format!("\"userAgent\":\"[withheld:policy.agents sealed={digits}]\",")
        }
        _ => String::new(),
    };
    let access_key = if number.is_multiple_of(3) { ASKED_KEY } else { "AKIAEXAMPLEOTHER0001" };
    format!(
        "{{\"eventVersion\":\"1.09\",\"userIdentity\":{{\"type\":\"IAMUser\",\"principalId\":\"AIDAEXAMPLEDEPLOY0001\",\
         \"arn\":\"arn:aws:iam::111122223333:user/deploy\",\"accountId\":\"111122223333\",\
         \"accessKeyId\":\"{access_key}\",\"userName\":\"deploy\"}},\"eventTime\":\"2026-08-14T09:00:{:02}Z\",\
         \"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"GetBucketLocation\",\"awsRegion\":\"eu-central-1\",\
         \"sourceIPAddress\":\"10.0.0.1\",{agent}\"requestParameters\":null,\"responseElements\":null,\
         \"requestID\":\"R{number:08}\",\"eventID\":\"11111111-2222-4333-8444-{number:012}\",\
         \"eventType\":\"AwsApiCall\",\"recipientAccountId\":\"111122223333\"}}",
        number % 60
    )
}

impl Given {
    /// A ledger of `size` entries, of which ten were there when the earlier checkpoint was kept.
    pub fn ledger(size: usize) -> Self {
        Self::ledger_of(size, text_of)
    }

    /// The same, with other texts: a fork of it.
    pub fn fork(size: usize) -> Self {
        Self::ledger_of(size, |leaf| (text_of(leaf).0, text_of(leaf).1.replace("10.0.0.1", "10.0.0.2")))
    }

    fn ledger_of(size: usize, text_of: impl Fn(usize) -> (Kind, String)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = LedgerPaths::new(folder.path().join("ledger"), folder.path().join("anchor"));
        let mut ledger = Ledger::create(&paths, key()).unwrap();
        let mut kept = None;
        for leaf in 0..size {
            let (kind, text) = text_of(leaf);
            let is_record = kind == Kind::Record;
            let draft = Draft {
                kind,
                stream: is_record.then_some(0),
                object: is_record.then_some(1),
                span: is_record.then_some(Span { offset: leaf as u64 * 1000, length: text.len() as u64 }),
                received_at: 1_786_000_000_000_000_000,
                captured: text.as_bytes(),
                received: (leaf == 6).then_some(b"with a secret".as_slice()),
            };
            ledger.append(&[draft]).unwrap();
            if leaf + 1 == KEPT_AT {
                kept = Some(ledger.checkpoint().unwrap().note().to_owned());
            }
        }
        ledger.checkpoint().unwrap();
        let reader = ledger.reader().unwrap();
        Self { reader, folder, kept, paths, sealed: Vec::new() }
    }

    /// The ledger with an index over each of these ranges, as whoever seals it lets `note` see each name.
    pub fn sealed_by(
        size: usize,
        ranges: &[(u64, u64)],
        note: impl Fn(u64, &str) -> bool,
        change: impl Fn(&mut IndexRootEntry),
    ) -> Self {
        let mut given = Self::ledger(size);
        let (mut ledger, _) = Ledger::open(&given.paths, key()).unwrap();
        for (from, to) in ranges {
            let range = IndexRange { from: *from, to: *to, generation: 0 };
            let built = Self::index(range.leaves(), &note);
            let head = built.head();
            IndexFile::write(&Disk::default(), &given.index_paths(), &range, &built).unwrap();
            let mut entry = IndexRootEntry {
                version: IndexRootEntry::VERSION,
                from: range.from,
                to: range.to,
                generation: 0,
                rows: head.rows,
                root: head.root.to_string(),
                salt: Hash::from_bytes(head.salt).to_string(),
                records: range.to - range.from,
                unread: 0,
                erased: 0,
                rejects: 0,
                parsers: SOURCES.iter().map(|source| (source.id.to_owned(), source.version)).collect(),
            };
            change(&mut entry);
            let captured = serde_json::to_vec(&entry).unwrap();
            let draft = Draft {
                kind: Kind::IndexRoot,
                stream: None,
                object: None,
                span: None,
                received_at: 1_786_000_000_000_000_001,
                captured: &captured,
                received: None,
            };
            let leaf = ledger.append(&[draft]).unwrap().start;
            given.sealed.push(Sealed { range, root_leaf: leaf, head });
        }
        ledger.checkpoint().unwrap();
        given.reader = ledger.reader().unwrap();
        given
    }

    /// The ledger with an honest index over each of these ranges.
    pub fn sealed(size: usize, ranges: &[(u64, u64)]) -> Self {
        Self::sealed_by(size, ranges, |_, _| true, |_| {})
    }

    fn index(leaves: Range<u64>, note: &impl Fn(u64, &str) -> bool) -> BuiltIndex {
        let mut builder = IndexBuilder::new(leaves.clone(), INDEX_SALT).unwrap();
        let mut records = CapturedReader::default();
        for leaf in leaves {
            let (kind, text) = text_of(leaf as usize);
            let events = match kind {
                Kind::Record => records.events(text.as_bytes(), &Context::default()).unwrap(),
                _ => Vec::new(),
            };
            for event in &events {
                each_name(event, |kind, scope, value| {
                    if note(leaf, value) {
                        builder.note(leaf, (kind, scope), value).unwrap();
                    }
                });
            }
        }
        builder.build().unwrap()
    }

    fn index_paths(&self) -> IndexPaths {
        IndexPaths::new(self.folder.path().join("index"))
    }

    /// Entries that list the key, all of them.
    pub fn asked_leaves(&self) -> Vec<u64> {
        let is_asked = |leaf: &u64| leaf.is_multiple_of(3) && text_of(*leaf as usize).0 == Kind::Record;
        (0..self.reader.size()).filter(|leaf| is_asked(leaf) && !self.is_root(*leaf)).collect()
    }

    fn is_root(&self, leaf: u64) -> bool {
        self.sealed.iter().any(|sealed| sealed.root_leaf == leaf)
    }

    /// The parts of a bundle over `leaves`, which are those asked for, with what every index shows of `names`.
    pub fn complete_parts(&self, leaves: &[u64], names: Vec<KeyRef>) -> Parts {
        let mut parts = self.parts_of(|leaf| match leaf {
            0 | 1 if !leaves.is_empty() => Some(Why::Context),
            root if self.is_root(root) => Some(Why::Context),
            leaf => leaves.contains(&leaf).then_some(Why::Asked),
        });
        let values: BTreeSet<&String> = names.iter().map(|name| &name.value).collect();
        parts.completeness = self
            .sealed
            .iter()
            .map(|sealed| {
                let index =
                    IndexFile::open(&Disk::default(), &self.index_paths(), &sealed.range, &sealed.head)
                        .unwrap();
                let proofs = values.iter().map(|value| index.prove(&INDEX_SALT, value.as_bytes()).unwrap());
                CompletenessPart { root_leaf: sealed.root_leaf, salt: INDEX_SALT, proofs: proofs.collect() }
            })
            .collect();
        parts.manifest.names = names;
        parts
    }

    /// The checkpoint that somebody kept, and its consistency proof.
    pub fn earlier(&self) -> Earlier {
        let proof = self.reader.consistency_proof(KEPT_AT as u64).unwrap();
        Earlier { note: self.kept.clone().unwrap(), proof }
    }

    /// The parts of a bundle over every entry that lists the key, with an answer to who held it.
    pub fn parts(&self) -> Parts {
        let mut parts = self.parts_of(|leaf| match leaf {
            0 | 1 => Some(Why::Context),
            2..6 => None,
            record => record.is_multiple_of(3).then_some(Why::Asked),
        });
        let answer = self.answer(&parts);
        parts.manifest.answer.push_str("who");
        parts.answer = Some(answer);
        parts
    }

    /// The parts of a bundle over chosen entries, without an answer.
    pub fn parts_of(&self, why: impl Fn(u64) -> Option<Why>) -> Parts {
        let (mut entries, mut next) = (Vec::new(), 0);
        for leaf in 0..self.reader.size() {
            let Some(why) = why(leaf) else { continue };
            let entry = self.reader.entry(leaf).unwrap();
            entries.push(EntryPart {
                leaf,
                why,
                gap: self.reader.gap_hashes(next..leaf).unwrap(),
                envelope: entry.envelope_bytes().to_vec(),
                opened: Some(Opened {
                    salt: self.reader.salts(leaf).unwrap().captured.unwrap(),
                    captured: entry.kept().unwrap().to_vec(),
                }),
            });
            next = leaf + 1;
        }
        let checkpoint = self.reader.checkpoint();
        let parsers = ascribe_sources::SOURCES.iter();
        let mut parsers: Vec<Parser> = parsers
            .map(|source| Parser { source: source.id.to_owned(), version: source.version.into() })
            .collect();
        parsers.sort();
        let of = |why: Why| entries.iter().filter(|entry| entry.why == why).count() as u64;
        Parts {
            manifest: Manifest {
                origin: ORIGIN.to_owned(),
                size: checkpoint.size(),
                question: ASKED_KEY.to_owned(),
                names: vec![asked_key()],
                parsers,
                answer: String::new(),
                counted: Counted { asked: of(Why::Asked), read: of(Why::Read), context: of(Why::Context) },
            },
            signed: Signed { key: verifier().to_string(), note: checkpoint.note().to_owned() },
            earlier: vec![self.earlier()],
            rest: self.reader.gap_hashes(next..self.reader.size()).unwrap(),
            entries,
            answer: None,
            disclosed: Vec::new(),
            completeness: Vec::new(),
        }
    }

    fn answer(&self, parts: &Parts) -> AnswerPart {
        let mut evidence = BundledEvidence::default();
        let mut records = CapturedReader::default();
        let mut located = BTreeMap::new();
        for entry in parts.entries.iter().filter(|entry| entry.why != Why::Context) {
            let captured = &entry.opened.as_ref().unwrap().captured;
            for event in records.events(captured, &Context::default()).unwrap() {
                located.insert(event.id, entry.leaf);
                evidence.add(entry.leaf, event);
            }
        }
        let subject = Subject::Key(Credential { uid: asked_key(), class: CredentialClass::LongLived });
        let premises = AnswerPremises { subject: (&subject).into(), streams: Vec::new(), clocks: Vec::new() };
        evidence.search_in(Scope { events: 1_000, ..Scope::default() }, &premises);
        let question = Question {
            verb: "who".to_owned(),
            subject: Some(ASKED_KEY.to_owned()),
            options: BTreeMap::new(),
        };
        let body = reason(&evidence, &subject, question).unwrap();
        let checkpoint = self.reader.checkpoint();
        let evidence = located.into_iter().map(|(event, leaf)| EvidenceRef {
            event,
            leaf,
            state: EntryState::Committed,
            envelope: None,
            proof: None,
        });
        let proof = ProofSide {
            checkpoint: checkpoint.note().to_owned(),
            size: checkpoint.size(),
            evidence: evidence.collect(),
            ..ProofSide::default()
        };
        AnswerPart {
            premises,
            answer: Answer { schema: Answer::SCHEMA.to_owned(), body, proof, asserted: None },
        }
    }
}

pub fn asked_key() -> KeyRef {
    KeyRef { kind: KeyKind::new("aws.access_key"), scope: String::new(), value: ASKED_KEY.to_owned() }
}

impl Parts {
    /// The bundle of these parts, as they are.
    pub fn write(&self) -> Vec<u8> {
        let mut writer = BundleWriter::new(Vec::new(), &self.manifest, &self.signed).unwrap();
        for earlier in &self.earlier {
            writer.earlier(earlier).unwrap();
        }
        for entry in &self.entries {
            writer.entry(entry).unwrap();
        }
        writer.rest(&self.rest).unwrap();
        if let Some(answer) = &self.answer {
            writer.answer(answer).unwrap();
        }
        for disclosed in &self.disclosed {
            writer.disclosure(disclosed).unwrap();
        }
        for part in &self.completeness {
            writer.completeness(part).unwrap();
        }
        writer.seal().unwrap().output
    }

    /// The bytes that open one entry.
    pub fn opened(&mut self, position: usize) -> &mut Opened {
        self.entries[position].opened.as_mut().unwrap()
    }
}
