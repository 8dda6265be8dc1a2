//! Takes a bundle apart: each part once, in its place, within its bounds. What the parts prove is not known here.

use std::io::Read;

use ascribe_ledger::index::{KeyProof, KeyProofRefused, MAX_ROW_BYTES, PlacedRow};
use ascribe_ledger::{
    CheckpointRefused, EnvelopeError, HASH_BYTES, Hash, MAX_ENVELOPE_BYTES, MAX_NOTE_BYTES,
    PartialTreeRefused, ProofRefused, SALT_BYTES, VerifierKeyError,
};
use ascribe_model::{KeyKind, KeyRef};

use crate::cbor::{DecodeError, Decoder, Malformed};
use crate::check::CheckError;
use crate::format::{
    AnswerPart, CompletenessPart, Counted, Disclosure, ENTRY_CLOSED_ELEMENTS, Earlier, EntryPart,
    FIRST_ITEM_STEM, MAX_CAPTURED_BYTES, Manifest, Number, Opened, Parser, Signed, VERSION, VERSION_FIRST,
    Why, limit,
};
use crate::index_root::IndexRootError;
use crate::signers::KeyRefused;
use crate::write::seal_digest;

/// Why a bundle is not valid. The first reason that is met ends the check.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Not the encoding of the format.
    #[error("the encoding is not that of a bundle")]
    Malformed(#[from] Malformed),
    /// An item of a number that this version does not have.
    #[error("the item at byte {offset} has number {number}, which version {version} does not have")]
    UnknownItem {
        /// Where it starts.
        offset: u64,
        /// Its number.
        number: u64,
        /// Version of the bundle.
        version: u32,
    },
    /// A part out of its place, missing or repeated.
    #[error("{found} stands at byte {offset}, expected {expected}")]
    Order {
        /// Where it starts.
        offset: u64,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A row of hashes that is not made of whole hashes.
    #[error("the hashes at byte {offset} have {found} bytes, not a multiple of {HASH_BYTES}")]
    Hashes {
        /// Where they start.
        offset: u64,
        /// Bytes found.
        found: usize,
    },
    /// A note that is not text.
    #[error("the note at byte {offset} is not UTF-8")]
    Note {
        /// Where it starts.
        offset: u64,
    },
    /// An entry that does not say why it is here.
    #[error("the entry at byte {offset} is here for reason {number}, which no version has")]
    Why {
        /// Where it starts.
        offset: u64,
        /// The number.
        number: u64,
    },
    /// Names or parsers that are repeated or not in order.
    #[error("the {what} of the manifest are repeated or out of order at `{at}`")]
    Unsorted {
        /// `names` or `parsers`.
        what: &'static str,
        /// The first that is not behind the one before.
        at: String,
    },
    /// The key that the bundle claims is no key.
    #[error("the key that the bundle claims is no verifier key")]
    ClaimedKey(#[source] VerifierKeyError),
    /// The checkpoint does not verify by the key that the bundle claims.
    #[error("the checkpoint does not verify by the key that the bundle itself claims")]
    Checkpoint(#[source] CheckpointRefused),
    /// The manifest speaks of another checkpoint.
    #[error("the manifest says {what} `{found}`, the checkpoint says `{expected}`")]
    Manifest {
        /// `origin` or `size`.
        what: &'static str,
        /// In the checkpoint.
        expected: String,
        /// In the manifest.
        found: String,
    },
    /// An earlier checkpoint does not verify.
    #[error("earlier checkpoint {position} does not verify by the key that the bundle claims")]
    EarlierCheckpoint {
        /// Position from 1.
        position: u64,
        /// Why.
        #[source]
        source: CheckpointRefused,
    },
    /// An earlier checkpoint that is not larger than the one before.
    #[error("earlier checkpoint {position} is over {found} entries, not more than the one before")]
    EarlierOrder {
        /// Position from 1.
        position: u64,
        /// Its size.
        found: u64,
    },
    /// The ledger did not only grow.
    #[error(
        "the ledger of {size} entries is no part of the ledger of this bundle: it was forked or rewritten"
    )]
    Inconsistent {
        /// Size of the earlier checkpoint.
        size: u64,
        /// Why.
        #[source]
        source: ProofRefused,
    },
    /// A leaf or its gap does not fit into the tree.
    #[error("entry {leaf} does not fit into the tree")]
    Gap {
        /// The leaf.
        leaf: u64,
        /// Why.
        #[source]
        source: PartialTreeRefused,
    },
    /// An entry outside of the tree.
    #[error("entry {leaf} is not under the checkpoint, which has {size}")]
    BeyondCheckpoint {
        /// The leaf.
        leaf: u64,
        /// Leaves under the checkpoint.
        size: u64,
    },
    /// An envelope that is none.
    #[error("entry {leaf} has no envelope of the ledger")]
    Envelope {
        /// The leaf.
        leaf: u64,
        /// Why.
        #[source]
        source: EnvelopeError,
    },
    /// The captured bytes are not those that were committed to.
    #[error("the captured bytes of entry {leaf} are not those that its envelope commits to")]
    Commitment {
        /// The leaf.
        leaf: u64,
    },
    /// An entry that refers to one that is not there.
    #[error("entry {leaf} refers to {kind} entry {reference}, which is not in the bundle before it")]
    Reference {
        /// The leaf.
        leaf: u64,
        /// What it refers to.
        reference: u64,
        /// `stream` or `object`.
        kind: &'static str,
    },
    /// An entry of a kind that has no business here.
    #[error("entry {leaf} is a {found}, expected {expected}")]
    Kind {
        /// The leaf.
        leaf: u64,
        /// What may be here.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// An entry of kind `key` that does not hold.
    #[error("the keys of the ledger do not follow each other at entry {leaf}")]
    Key {
        /// The leaf.
        leaf: u64,
        /// Why.
        #[source]
        source: KeyRefused,
    },
    /// The checkpoint is signed by a key that an entry says signs no more, or that is none of the ledger's.
    #[error(
        "the key {key} does not sign checkpoints over {size} entries: by the entries of this bundle it handed over to \
         another before, or is none of the ledger's"
    )]
    RetiredKey {
        /// The key.
        key: String,
        /// Entries under the checkpoint.
        size: u64,
    },
    /// A stream or object entry that no other refers to.
    #[error("entry {leaf} is context, and nothing refers to it")]
    Unneeded {
        /// The leaf.
        leaf: u64,
    },
    /// More or larger context than any ledger has.
    #[error("entry {leaf} is more context than a bundle may hold")]
    ContextTooLarge {
        /// The leaf.
        leaf: u64,
    },
    /// An entry that lists none of the names.
    #[error("entry {leaf} was not asked for: no event in it lists any of the names")]
    NotAsked {
        /// The leaf.
        leaf: u64,
    },
    /// Another number of entries than the manifest says.
    #[error("the manifest counts {expected} entries {what}, {found} are here")]
    Counted {
        /// Which.
        what: &'static str,
        /// In the manifest.
        expected: u64,
        /// In the bundle.
        found: u64,
    },
    /// The rest of the tree does not fit.
    #[error("the rest of the tree does not fit behind the last entry")]
    Rest(#[source] PartialTreeRefused),
    /// The entries are not those of the ledger that was signed.
    #[error(
        "entries and hashes lead to root `{found}`, the checkpoint has `{expected}`: something was altered"
    )]
    Root {
        /// Root in the checkpoint.
        expected: Hash,
        /// Root that the entries lead to.
        found: Hash,
    },
    /// The answer is not an answer.
    #[error("the answer cannot be read")]
    AnswerForm(#[source] serde_json::Error),
    /// The answer is written in another way than it would be.
    #[error("the answer is not in the one form that a bundle has it in")]
    AnswerSecondForm,
    /// The answer speaks of another checkpoint, verb or form.
    #[error("the answer has another {what} than the bundle")]
    AnswerOf {
        /// `checkpoint`, `size`, `verb` or `schema`.
        what: &'static str,
    },
    /// The answer cites what is not here.
    #[error("the answer cites event {event}, which no entry of the bundle holds where the answer says so")]
    AnswerCites {
        /// The event.
        event: String,
    },
    /// The answer carries a proof of its own, which nobody checks.
    #[error("the answer carries a proof of its own; the bundle is the proof")]
    AnswerProof,
    /// Disclosures that are repeated or not in order.
    #[error("the disclosures are repeated or out of order at `{field}` of entry {leaf}")]
    DisclosureOrder {
        /// The leaf.
        leaf: u64,
        /// The field.
        field: String,
    },
    /// A disclosure of something that was not sealed, or is not here.
    #[error("entry {leaf} has no sealed value at `{field}`, or is no record of this bundle")]
    NotSealed {
        /// The leaf.
        leaf: u64,
        /// The field.
        field: String,
    },
    /// A disclosed value that is not the one that was sealed.
    #[error("what is disclosed of `{field}` in entry {leaf} is not the value that was sealed")]
    Disclosed {
        /// The leaf.
        leaf: u64,
        /// The field.
        field: String,
    },
    /// An entry that should be the root of an index and is not.
    #[error("entry {leaf} is no root of an index")]
    IndexRoot {
        /// The leaf.
        leaf: u64,
        /// Why not.
        #[source]
        source: IndexRootError,
    },
    /// An index of entries that come behind its root.
    #[error("entry {leaf} is the root of an index over entries up to {to}, which come behind it")]
    IndexAhead {
        /// The leaf.
        leaf: u64,
        /// Leaf behind the last that it covers.
        to: u64,
    },
    /// An index whose range is not behind that of the one before.
    #[error("the index of entry {leaf} begins at entry {from}, and {before} entries were indexed before it")]
    IndexOrder {
        /// Leaf of its root.
        leaf: u64,
        /// First leaf that it covers.
        from: u64,
        /// Leaf behind the last that the one before covers.
        before: u64,
    },
    /// More or fewer proofs than values.
    #[error("the index of entry {leaf} comes with {found} proofs, the names have {expected} values")]
    IndexProofs {
        /// Leaf of its root.
        leaf: u64,
        /// Values of the names.
        expected: usize,
        /// Proofs.
        found: usize,
    },
    /// A proof that the index does not bear out.
    #[error("a proof does not hold in the index of entry {leaf}")]
    IndexProof {
        /// Leaf of its root.
        leaf: u64,
        /// Why.
        #[source]
        source: KeyProofRefused,
    },
    /// A proof of a kind that does not exist.
    #[error("the proof at byte {offset} has kind {number} and {elements} elements, which no version has")]
    ProofKind {
        /// Where it starts.
        offset: u64,
        /// The number.
        number: u64,
        /// Elements of its array.
        elements: u64,
    },
    /// An entry that the index has for a name is not in the bundle.
    #[error("entry {leaf} has the name `{name}` by the index of its range, and was left out")]
    LeftOut {
        /// The leaf.
        leaf: u64,
        /// The value.
        name: String,
    },
    /// A record and the index of its range say different things.
    #[error("entry {leaf} and the index of its range do not agree on whether it has the name `{name}`")]
    IndexDisagrees {
        /// The leaf.
        leaf: u64,
        /// The value.
        name: String,
    },
    /// The seal does not fit.
    #[error("the seal does not fit the bytes before it: the file was damaged or changed")]
    Seal,
    /// Bytes behind the seal.
    #[error("bytes follow the seal at byte {offset}")]
    Trailing {
        /// Where they start.
        offset: u64,
    },
}

/// What ends the reading of a bundle early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It could not be read at all.
    Error(CheckError),
    /// It is not valid.
    Refused(Box<Refused>),
}

/// Reads the parts of a bundle in their order.
pub(crate) struct BundleReader<R> {
    decoder: Decoder<R>,
    version: u32,
    /// The item whose number has been read and whose content has not.
    ahead: Option<Ahead>,
}

/// An item of which the number is known.
struct Ahead {
    number: Number,
    offset: u64,
    elements: u64,
    /// Digest over everything before the item.
    before: sha2::Sha256,
}

impl<R: Read> BundleReader<R> {
    /// Reads the first item, which names the format.
    pub(crate) fn open(input: R) -> Result<Self, Stop> {
        let mut decoder = Decoder::new(input);
        let first = decoder.text(limit::FIRST_ITEM_BYTES).map_err(|error| match error {
            DecodeError::Io(error) => Stop::Error(CheckError::Read(error)),
            DecodeError::Malformed(_) => Stop::Error(CheckError::NoBundle),
        })?;
        let known = (VERSION_FIRST..=VERSION).find(|version| first == format!("{FIRST_ITEM_STEM}{version}"));
        match (known, first.strip_prefix(FIRST_ITEM_STEM)) {
            (Some(version), _) => Ok(Self { decoder, version, ahead: None }),
            (None, Some(version))
                if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Err(Stop::Error(CheckError::Version { found: version.to_owned() }))
            }
            _ => Err(Stop::Error(CheckError::NoBundle)),
        }
    }

    /// Version of the bundle.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn manifest(&mut self) -> Result<Manifest, Stop> {
        self.expect(Number::Manifest)?;
        let decoder = &mut self.decoder;
        let origin = decoder.text(limit::ORIGIN_BYTES)?;
        let size = decoder.unsigned(u64::MAX)?;
        let question = decoder.text(limit::QUESTION_BYTES)?;
        let mut names = Vec::new();
        for _ in 0..decoder.array(limit::NAMES)? {
            decoder.array_of(3)?;
            let kind = KeyKind::from_name(&decoder.text(limit::WORD_BYTES)?);
            let (scope, value) = (decoder.text(limit::NAME_BYTES)?, decoder.text(limit::NAME_BYTES)?);
            names.push(KeyRef { kind, scope, value });
        }
        let mut parsers = Vec::new();
        for _ in 0..decoder.array(limit::PARSERS)? {
            decoder.array_of(2)?;
            let source = decoder.text(limit::WORD_BYTES)?;
            parsers.push(Parser { source, version: decoder.unsigned(u64::MAX)? });
        }
        let answer = decoder.text(limit::WORD_BYTES)?;
        decoder.array_of(3)?;
        let mut count = || decoder.unsigned(u64::MAX);
        let counted = Counted { asked: count()?, read: count()?, context: count()? };
        if let Some(pair) = names.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(Refused::Unsorted { what: "names", at: pair[1].to_string() }.into());
        }
        if let Some(pair) = parsers.windows(2).find(|pair| pair[0].source >= pair[1].source) {
            return Err(Refused::Unsorted { what: "parsers", at: pair[1].source.clone() }.into());
        }
        Ok(Manifest { origin, size, question, names, parsers, answer, counted })
    }

    pub(crate) fn checkpoint(&mut self) -> Result<Signed, Stop> {
        self.expect(Number::Checkpoint)?;
        let key = self.decoder.text(limit::KEY_BYTES)?;
        Ok(Signed { key, note: self.note()? })
    }

    /// The next earlier checkpoint, if there is one more.
    pub(crate) fn earlier(&mut self) -> Result<Option<Earlier>, Stop> {
        if self.next_is(Number::Earlier)? {
            let note = self.note()?;
            return Ok(Some(Earlier { note, proof: self.hashes()? }));
        }
        Ok(None)
    }

    /// The next entry, if there is one more.
    pub(crate) fn entry(&mut self) -> Result<Option<EntryPart>, Stop> {
        let offset = self.decoder.offset();
        let Some(elements) = self.elements_if_next(Number::Entry)? else { return Ok(None) };
        let leaf = self.decoder.unsigned(u64::MAX)?;
        let number = self.decoder.unsigned(u64::MAX)?;
        let why = Why::from_number(number).ok_or(Refused::Why { offset, number })?;
        let gap = self.hashes()?;
        let envelope = self.decoder.bytes(MAX_ENVELOPE_BYTES)?;
        let opened = if elements == ENTRY_CLOSED_ELEMENTS {
            None
        } else {
            let salt = self.decoder.bytes_of::<SALT_BYTES>()?;
            Some(Opened { salt, captured: self.decoder.bytes(MAX_CAPTURED_BYTES)? })
        };
        Ok(Some(EntryPart { leaf, why, gap, envelope, opened }))
    }

    pub(crate) fn rest(&mut self) -> Result<Vec<Hash>, Stop> {
        self.expect(Number::Rest)?;
        self.hashes()
    }

    pub(crate) fn answer(&mut self) -> Result<AnswerPart, Stop> {
        self.expect(Number::Answer)?;
        let premises_bytes = self.decoder.bytes(limit::PREMISES_BYTES)?;
        let answer_bytes = self.decoder.bytes(limit::ANSWER_BYTES)?;
        let premises = serde_json::from_slice(&premises_bytes).map_err(Refused::AnswerForm)?;
        let answer = serde_json::from_slice(&answer_bytes).map_err(Refused::AnswerForm)?;
        let part = AnswerPart { premises, answer };
        // What this program would not write, it cannot have read whole.
        let again = |value: Result<Vec<u8>, serde_json::Error>, bytes: &[u8]| match value {
            Ok(written) if written == bytes => Ok(()),
            Ok(_) => Err(Refused::AnswerSecondForm),
            Err(error) => Err(Refused::AnswerForm(error)),
        };
        again(serde_json::to_vec(&part.premises), &premises_bytes)?;
        again(serde_json::to_vec(&part.answer), &answer_bytes)?;
        Ok(part)
    }

    /// The next disclosure, if there is one more.
    pub(crate) fn disclosure(&mut self) -> Result<Option<Disclosure>, Stop> {
        if !self.next_is(Number::Disclosure)? {
            return Ok(None);
        }
        let decoder = &mut self.decoder;
        Ok(Some(Disclosure {
            leaf: decoder.unsigned(u64::MAX)?,
            event: decoder.unsigned(u64::MAX)?,
            field: decoder.text(limit::FIELD_BYTES)?,
            salt: decoder.bytes_of::<SALT_BYTES>()?,
            value: decoder.text(MAX_CAPTURED_BYTES)?,
        }))
    }

    /// What the next index shows, if there is one more.
    pub(crate) fn completeness(&mut self) -> Result<Option<CompletenessPart>, Stop> {
        if !self.next_is(Number::Completeness)? {
            return Ok(None);
        }
        let root_leaf = self.decoder.unsigned(u64::MAX)?;
        let salt = self.decoder.bytes_of::<SALT_BYTES>()?;
        let mut proofs = Vec::new();
        for _ in 0..self.decoder.array(limit::NAMES)? {
            proofs.push(self.key_proof()?);
        }
        Ok(Some(CompletenessPart { root_leaf, salt, proofs }))
    }

    fn key_proof(&mut self) -> Result<KeyProof, Stop> {
        let offset = self.decoder.offset();
        let elements = self.decoder.array(u64::MAX)?;
        let number = self.decoder.unsigned(u64::MAX)?;
        match (number, elements) {
            (0, 4) => Ok(KeyProof::Present(self.row()?)),
            (1, 3) => Ok(KeyProof::Absent { before: self.row_if_any()?, after: self.row_if_any()? }),
            (2, 1) => Ok(KeyProof::Erased),
            _ => Err(Refused::ProofKind { offset, number, elements }.into()),
        }
    }

    fn row_if_any(&mut self) -> Result<Option<PlacedRow>, Stop> {
        let offset = self.decoder.offset();
        match self.decoder.array(u64::MAX)? {
            0 => Ok(None),
            3 => self.row().map(Some),
            found => Err(Malformed::Length { offset, expected: 3, found }.into()),
        }
    }

    fn row(&mut self) -> Result<PlacedRow, Stop> {
        let index = self.decoder.unsigned(u64::MAX)?;
        let row = self.decoder.bytes(MAX_ROW_BYTES)?;
        Ok(PlacedRow { index, row, path: self.hashes_up_to(limit::PATH)? })
    }

    /// The seal, which must fit, and the end of the file. Returns the digest.
    pub(crate) fn seal(mut self) -> Result<[u8; 32], Stop> {
        let before = self.expect(Number::Seal)?;
        let found = self.decoder.bytes_of::<32>()?;
        if found != seal_digest(before) {
            return Err(Refused::Seal.into());
        }
        let offset = self.decoder.offset();
        if self.decoder.is_at_end()? { Ok(found) } else { Err(Refused::Trailing { offset }.into()) }
    }

    /// Takes the next item, which must be of this number; returns the digest over what is before it.
    fn expect(&mut self, expected: Number) -> Result<sha2::Sha256, Stop> {
        let found = self.ahead()?;
        if found.number != expected {
            let (offset, found) = (found.offset, found.number.name());
            return Err(Refused::Order { offset, expected: expected.name(), found }.into());
        }
        if found.elements != expected.elements() {
            let (offset, found) = (found.offset, found.elements);
            return Err(Malformed::Length { offset, expected: expected.elements(), found }.into());
        }
        Ok(found.before)
    }

    fn next_is(&mut self, number: Number) -> Result<bool, Stop> {
        Ok(self.elements_if_next(number)?.is_some())
    }

    /// Takes the next item if it is of this number; its elements.
    fn elements_if_next(&mut self, number: Number) -> Result<Option<u64>, Stop> {
        let next = self.ahead()?;
        if next.number != number {
            self.ahead = Some(next);
            return Ok(None);
        }
        let closed = number == Number::Entry && next.elements == ENTRY_CLOSED_ELEMENTS;
        if closed || next.elements == number.elements() {
            return Ok(Some(next.elements));
        }
        let (offset, expected, found) = (next.offset, number.elements(), next.elements);
        Err(Malformed::Length { offset, expected, found }.into())
    }

    fn ahead(&mut self) -> Result<Ahead, Stop> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(ahead);
        }
        let (offset, before) = (self.decoder.offset(), self.decoder.digest());
        let elements = self.decoder.array(u64::MAX)?;
        let number = self.decoder.unsigned(u64::MAX)?;
        let version = self.version;
        let number = Number::from_number(number)
            .filter(|number| number.since() <= version)
            .ok_or(Refused::UnknownItem { offset, number, version })?;
        Ok(Ahead { number, offset, elements, before })
    }

    fn note(&mut self) -> Result<String, Stop> {
        let offset = self.decoder.offset();
        let note = self.decoder.bytes(MAX_NOTE_BYTES)?;
        String::from_utf8(note).map_err(|_| Refused::Note { offset }.into())
    }

    fn hashes(&mut self) -> Result<Vec<Hash>, Stop> {
        self.hashes_up_to(limit::HASHES)
    }

    fn hashes_up_to(&mut self, most: usize) -> Result<Vec<Hash>, Stop> {
        let offset = self.decoder.offset();
        let bytes = self.decoder.bytes(most * HASH_BYTES)?;
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        if rest.is_empty() {
            Ok(hashes.iter().map(|hash| Hash::from_bytes(*hash)).collect())
        } else {
            Err(Refused::Hashes { offset, found: bytes.len() }.into())
        }
    }
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Io(error) => Self::Error(CheckError::Read(error)),
            DecodeError::Malformed(malformed) => malformed.into(),
        }
    }
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Refused::Malformed(malformed).into()
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

#[cfg(test)]
mod tests {
    use ascribe_ledger::Salt;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::BundleWriter;

    fn hashes() -> impl Strategy<Value = Vec<Hash>> {
        vec(any::<[u8; 32]>().prop_map(Hash::from_bytes), 0..5)
    }

    fn manifest() -> impl Strategy<Value = Manifest> {
        let names = btree_set(("[a-z.]{1,9}", ".{0,9}", ".{0,40}"), 0..5);
        let parsers = proptest::collection::btree_map("[a-z_]{1,9}", any::<u64>(), 0..4);
        let counted = (any::<u64>(), 0_u64..300, 0_u64..70_000);
        let texts = (".{0,30}", ".{0,60}", "[a-z]{0,9}");
        (texts, any::<u64>(), names, parsers, counted).prop_map(
            |((origin, question, answer), size, names, parsers, (asked, read, context))| {
                let name = |(kind, scope, value): (String, String, String)| KeyRef {
                    kind: KeyKind::from_name(&kind),
                    scope,
                    value,
                };
                let parsers = parsers.into_iter();
                Manifest {
                    origin,
                    size,
                    question,
                    names: names.into_iter().map(name).collect(),
                    parsers: parsers.map(|(source, version)| Parser { source, version }).collect(),
                    answer,
                    counted: Counted { asked, read, context },
                }
            },
        )
    }

    fn entry() -> impl Strategy<Value = EntryPart> {
        let opened = proptest::option::of((any::<Salt>(), vec(any::<u8>(), 0..400)));
        let why = prop_oneof![Just(Why::Asked), Just(Why::Read), Just(Why::Context)];
        (any::<u64>(), why, hashes(), vec(any::<u8>(), 0..257), opened).prop_map(
            |(leaf, why, gap, envelope, opened)| {
                let opened = opened.map(|(salt, captured)| Opened { salt, captured });
                EntryPart { leaf, why, gap, envelope, opened }
            },
        )
    }

    fn disclosure() -> impl Strategy<Value = Disclosure> {
        (any::<u64>(), 0_u64..9, ".{0,40}", any::<Salt>(), ".{0,90}")
            .prop_map(|(leaf, event, field, salt, value)| Disclosure { leaf, event, field, salt, value })
    }

    type Read = (Manifest, Signed, Vec<Earlier>, Vec<EntryPart>, Vec<Hash>, Vec<Disclosure>);

    fn read_back(bundle: &[u8]) -> Result<Read, Stop> {
        let mut reader = BundleReader::open(bundle)?;
        let (manifest, signed) = (reader.manifest()?, reader.checkpoint()?);
        let (mut earlier, mut entries) = (Vec::new(), Vec::new());
        while let Some(one) = reader.earlier()? {
            earlier.push(one);
        }
        while let Some(entry) = reader.entry()? {
            entries.push(entry);
        }
        let rest = reader.rest()?;
        let mut disclosed = Vec::new();
        while let Some(one) = reader.disclosure()? {
            disclosed.push(one);
        }
        reader.seal()?;
        Ok((manifest, signed, earlier, entries, rest, disclosed))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_written_is_read(
            manifest in manifest(),
            (key, note) in (".{0,50}", ".{0,90}"),
            earlier in vec((".{0,90}", hashes()), 0..3),
            entries in vec(entry(), 0..6),
            (rest, disclosed) in (hashes(), vec(disclosure(), 0..4)),
        ) {
            let signed = Signed { key, note };
            let earlier: Vec<Earlier> =
                earlier.into_iter().map(|(note, proof)| Earlier { note, proof }).collect();
            let mut writer = BundleWriter::new(Vec::new(), &manifest, &signed).unwrap();
            for one in &earlier {
                writer.earlier(one).unwrap();
            }
            for entry in &entries {
                writer.entry(entry).unwrap();
            }
            writer.rest(&rest).unwrap();
            for one in &disclosed {
                writer.disclosure(one).unwrap();
            }
            let bundle = writer.seal().unwrap().output;
            prop_assert_eq!(read_back(&bundle).unwrap(), (manifest, signed, earlier, entries, rest, disclosed));
        }

        #[test]
        fn noise_is_never_read(bytes: Vec<u8>) {
            for first in [b"\x71ascribe/bundle/v1", b"\x71ascribe/bundle/v2"] {
                prop_assert!(read_back(&[&first[..], &bytes].concat()).is_err());
            }
        }
    }
}
