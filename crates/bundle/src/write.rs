//! Writes a bundle, part by part, in one pass. Equal parts give equal bytes.

use std::io::{self, Write};

use ascribe_ledger::Hash;
use ascribe_ledger::index::{KeyProof, PlacedRow};
use sha2::Digest as _;

use crate::cbor::Encoder;
use crate::format::{
    AnswerPart, CompletenessPart, Disclosure, ENTRY_CLOSED_ELEMENTS, Earlier, EntryPart, FIRST_ITEM,
    Manifest, Number, SEAL_DOMAIN, Signed,
};

/// Writes the parts of a bundle in their order: manifest and checkpoint, earlier checkpoints, entries in order of
/// their leaves, the rest of the tree, at most one answer, disclosures. It does not check what it is given: whoever writes a
/// bundle checks the result as any reader would.
pub struct BundleWriter<W> {
    encoder: Encoder<W>,
}

/// A whole bundle.
pub struct Sealed<W> {
    /// Where it was written.
    pub output: W,
    /// Bytes in it.
    pub bytes: u64,
    /// Digest of its seal, which names it.
    pub digest: [u8; 32],
}

/// A bundle could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output failed.
    #[error("cannot write the bundle")]
    Output(#[from] io::Error),
    /// A part has no JSON form.
    #[error("cannot write the answer as JSON")]
    Json(#[from] serde_json::Error),
}

impl<W: Write> BundleWriter<W> {
    /// Begins a bundle.
    pub fn new(output: W, manifest: &Manifest, signed: &Signed) -> Result<Self, WriteError> {
        let mut encoder = Encoder::new(output);
        encoder.text(FIRST_ITEM)?;
        let mut writer = Self { encoder };
        writer.manifest(manifest)?;
        writer.item(Number::Checkpoint)?;
        writer.encoder.text(&signed.key)?;
        writer.encoder.bytes(signed.note.as_bytes())?;
        Ok(writer)
    }

    /// Adds an earlier checkpoint, smaller ones first.
    pub fn earlier(&mut self, earlier: &Earlier) -> Result<(), WriteError> {
        self.item(Number::Earlier)?;
        self.encoder.bytes(earlier.note.as_bytes())?;
        self.hashes(&earlier.proof)
    }

    /// Adds an entry, in order of leaves.
    pub fn entry(&mut self, entry: &EntryPart) -> Result<(), WriteError> {
        match &entry.opened {
            Some(_) => self.item(Number::Entry)?,
            None => self.item_of(Number::Entry, ENTRY_CLOSED_ELEMENTS)?,
        }
        self.encoder.unsigned(entry.leaf)?;
        self.encoder.unsigned(entry.why.number())?;
        self.hashes(&entry.gap)?;
        self.encoder.bytes(&entry.envelope)?;
        if let Some(opened) = &entry.opened {
            self.encoder.bytes(&opened.salt)?;
            self.encoder.bytes(&opened.captured)?;
        }
        Ok(())
    }

    /// Ends the entries: the subtrees behind the last of them.
    pub fn rest(&mut self, hashes: &[Hash]) -> Result<(), WriteError> {
        self.item(Number::Rest)?;
        self.hashes(hashes)
    }

    /// Adds the answer.
    pub fn answer(&mut self, part: &AnswerPart) -> Result<(), WriteError> {
        self.item(Number::Answer)?;
        self.encoder.bytes(&serde_json::to_vec(&part.premises)?)?;
        Ok(self.encoder.bytes(&serde_json::to_vec(&part.answer)?)?)
    }

    /// Adds a sealed value that is disclosed, in order of leaf, event and field.
    pub fn disclosure(&mut self, disclosed: &Disclosure) -> Result<(), WriteError> {
        self.item(Number::Disclosure)?;
        self.encoder.unsigned(disclosed.leaf)?;
        self.encoder.unsigned(disclosed.event)?;
        self.encoder.text(&disclosed.field)?;
        self.encoder.bytes(&disclosed.salt)?;
        Ok(self.encoder.text(&disclosed.value)?)
    }

    /// Adds what the index of one range shows, in the order of ranges.
    pub fn completeness(&mut self, part: &CompletenessPart) -> Result<(), WriteError> {
        self.item(Number::Completeness)?;
        self.encoder.unsigned(part.root_leaf)?;
        self.encoder.bytes(&part.salt)?;
        self.encoder.array(part.proofs.len() as u64)?;
        for proof in &part.proofs {
            match proof {
                KeyProof::Present(row) => {
                    self.encoder.array(4)?;
                    self.encoder.unsigned(0)?;
                    self.row(row)?;
                }
                KeyProof::Absent { before, after } => {
                    self.encoder.array(3)?;
                    self.encoder.unsigned(1)?;
                    for row in [before, after] {
                        self.encoder.array(if row.is_some() { 3 } else { 0 })?;
                        row.as_ref().map_or(Ok(()), |row| self.row(row))?;
                    }
                }
                KeyProof::Erased => {
                    self.encoder.array(1)?;
                    self.encoder.unsigned(2)?;
                }
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &PlacedRow) -> Result<(), WriteError> {
        self.encoder.unsigned(row.index)?;
        self.encoder.bytes(&row.row)?;
        self.hashes(&row.path)
    }

    /// Seals the bundle.
    pub fn seal(mut self) -> Result<Sealed<W>, WriteError> {
        let digest = seal_digest(self.encoder.digest());
        self.item(Number::Seal)?;
        self.encoder.bytes(&digest)?;
        let bytes = self.encoder.length();
        Ok(Sealed { output: self.encoder.finish(), bytes, digest })
    }

    fn manifest(&mut self, manifest: &Manifest) -> Result<(), WriteError> {
        self.item(Number::Manifest)?;
        self.encoder.text(&manifest.origin)?;
        self.encoder.unsigned(manifest.size)?;
        self.encoder.text(&manifest.question)?;
        self.encoder.array(manifest.names.len() as u64)?;
        for name in &manifest.names {
            self.encoder.array(3)?;
            self.encoder.text(name.kind.name())?;
            self.encoder.text(&name.scope)?;
            self.encoder.text(&name.value)?;
        }
        self.encoder.array(manifest.parsers.len() as u64)?;
        for parser in &manifest.parsers {
            self.encoder.array(2)?;
            self.encoder.text(&parser.source)?;
            self.encoder.unsigned(parser.version)?;
        }
        self.encoder.text(&manifest.answer)?;
        self.encoder.array(3)?;
        let counted = manifest.counted;
        for count in [counted.asked, counted.read, counted.context] {
            self.encoder.unsigned(count)?;
        }
        Ok(())
    }

    fn item(&mut self, number: Number) -> io::Result<()> {
        self.item_of(number, number.elements())
    }

    fn item_of(&mut self, number: Number, elements: u64) -> io::Result<()> {
        self.encoder.array(elements)?;
        self.encoder.unsigned(number as u64)
    }

    fn hashes(&mut self, hashes: &[Hash]) -> Result<(), WriteError> {
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        Ok(self.encoder.bytes(&bytes)?)
    }
}

/// SHA-256(domain | SHA-256 of every byte before the seal).
pub(crate) fn seal_digest(before: sha2::Sha256) -> [u8; 32] {
    sha2::Sha256::new().chain_update(SEAL_DOMAIN).chain_update(before.finalize()).finalize().into()
}
