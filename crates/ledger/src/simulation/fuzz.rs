//! Changed inputs against every reader of the ledger's formats: none may panic, what decodes must encode to the same
//! bytes, and nothing that was not signed may verify.
//!
//! Each input follows from its seed: a good one out of a small ledger, changed by [`super::mutate`], with checksums set
//! right again half of the time so that the reader behind them is reached.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::material::Material;
use super::mutate::mutate;
use super::random::Random;
use super::workload::{chain, record};
use crate::note::Note;
use crate::proof::{LeafAt, TreeHead, verify_consistency, verify_inclusion};
use crate::salts::SaltsFile;
use crate::segment::{
    BLOCK_HEADER_BYTES, Block, BlockHeader, FILE_HEADER_BYTES, FOOTER_TAIL_BYTES, FileHeader, FileKind,
    decode_footer, encode_footer, footer_blocks,
};
use crate::tile::push_bundle_entry;
use crate::{
    Checkpoint, Envelope, HASH_BYTES, Hash, Ledger, OfflineProof, Reader, SignedCheckpoint, TilePath,
    VerifierKey, decode_bundle, decode_tile, encode_tile, verify,
};

/// What changed inputs are given to.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Good inputs.
    inputs: fn(&Material) -> Vec<Vec<u8>>,
    /// Sets checksums right.
    mend: fn(&mut [u8]),
    check: Check,
}

/// Gives an input to a reader: whether it was accepted, or what does not hold.
type Check = fn(&Material, &[u8]) -> Result<Verdict, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused,
}

/// What was tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    /// Inputs.
    pub inputs: u64,
    /// Of those, the ones that the reader took: unchanged in what counts, or another good one.
    pub accepted: u64,
}

/// An input for which something does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the target.
    pub target: &'static str,
    /// Gives the input again.
    pub seed: u64,
    /// What does not hold.
    pub what: String,
    /// The input.
    pub input: Vec<u8>,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, seed, what, input } = self;
        write!(formatter, "{target}, seed {seed}: {what}; the input in hex:\n  ")?;
        input.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl std::error::Error for Finding {}

/// Every target.
pub const TARGETS: [Target; 12] = [
    Target { name: "note", inputs: notes, mend: nothing, check: check_note },
    Target { name: "checkpoint", inputs: checkpoints, mend: nothing, check: check_checkpoint },
    Target { name: "verifier-key", inputs: verifier_keys, mend: nothing, check: check_verifier_key },
    Target { name: "tile", inputs: tiles, mend: nothing, check: check_tile },
    Target { name: "tile-path", inputs: tile_paths, mend: nothing, check: check_tile_path },
    Target { name: "bundle", inputs: bundles, mend: nothing, check: check_bundle },
    Target { name: "proof", inputs: proofs, mend: nothing, check: check_proof },
    Target { name: "offline-proof", inputs: offline_proofs, mend: nothing, check: check_offline_proof },
    Target { name: "envelope", inputs: envelopes, mend: nothing, check: check_envelope },
    Target { name: "salts", inputs: salts, mend: mend_salts, check: check_salts },
    Target { name: "segment", inputs: segments, mend: mend_segment, check: check_segment },
    Target { name: "block", inputs: blocks, mend: nothing, check: check_block_content },
];

/// The whole ledger, a file of which is changed: slower than the others by far.
pub const LEDGER: Target =
    Target { name: "ledger", inputs: file_numbers, mend: nothing, check: check_ledger };

/// Tries inputs from `first` on until `go_on`, asked with the number tried, says otherwise.
pub fn fuzz(target: &Target, first: u64, mut go_on: impl FnMut(u64) -> bool) -> Result<Tried, Finding> {
    let failed = |seed, what, input| Finding { target: target.name, seed, what, input };
    let material = Material::get().map_err(|what| failed(first, what, Vec::new()))?;
    let inputs = (target.inputs)(material);
    for input in &inputs {
        match (target.check)(material, input) {
            Ok(Verdict::Accepted) => {}
            Ok(Verdict::Refused) => {
                return Err(failed(first, "a good input is refused".to_owned(), input.clone()));
            }
            Err(what) => return Err(failed(first, what, input.clone())),
        }
    }
    let mut tried = Tried::default();
    let mut seed = first;
    while go_on(tried.inputs) {
        let input = changed(target, &inputs, seed);
        let verdict = catch_unwind(AssertUnwindSafe(|| (target.check)(material, &input)))
            .unwrap_or_else(|_| Err("the reader panics".to_owned()));
        match verdict {
            Ok(Verdict::Accepted) => tried.accepted += 1,
            Ok(Verdict::Refused) => {}
            Err(what) => return Err(failed(seed, what, input)),
        }
        tried.inputs += 1;
        seed = seed.wrapping_add(1);
    }
    Ok(tried)
}

fn changed(target: &Target, inputs: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut input = random.choose(inputs).cloned().unwrap_or_default();
    let other = random.choose(inputs).cloned().unwrap_or_default();
    mutate(&mut input, &other, &mut random);
    if random.chance(1, 2) {
        (target.mend)(&mut input);
    }
    input
}

fn nothing(_: &mut [u8]) {}

fn require(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn notes(material: &Material) -> Vec<Vec<u8>> {
    material.checkpoints.iter().map(|checkpoint| checkpoint.note().as_bytes().to_vec()).collect()
}

fn check_note(material: &Material, input: &[u8]) -> Result<Verdict, String> {
    let Ok(note) = Note::parse(input) else { return Ok(Verdict::Refused) };
    let Ok(text) = note.verify(material.key.verifier()) else { return Ok(Verdict::Refused) };
    let signed = material.checkpoints.iter().any(|known| known.checkpoint().to_string() == text);
    require(signed, "a text verifies that was not signed")?;
    let opened = SignedCheckpoint::open(input, material.key.verifier()).map_err(|error| chain(&error))?;
    require(material.signed(opened.checkpoint().tree_head()), "a checkpoint opens that was not signed")?;
    require(opened.note().as_bytes() == input, "the note kept is another than the one given")?;
    Ok(Verdict::Accepted)
}

fn checkpoints(material: &Material) -> Vec<Vec<u8>> {
    let texts = material.checkpoints.iter().map(|checkpoint| checkpoint.checkpoint().to_string());
    texts.map(String::into_bytes).collect()
}

fn check_checkpoint(_: &Material, input: &[u8]) -> Result<Verdict, String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Verdict::Refused) };
    let Ok(checkpoint) = Checkpoint::parse(text) else { return Ok(Verdict::Refused) };
    require(checkpoint.to_string() == text, "a checkpoint has two spellings")?;
    Ok(Verdict::Accepted)
}

fn verifier_keys(material: &Material) -> Vec<Vec<u8>> {
    vec![material.key.verifier().to_string().into_bytes()]
}

fn check_verifier_key(_: &Material, input: &[u8]) -> Result<Verdict, String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Verdict::Refused) };
    let Ok(key) = VerifierKey::parse(text) else { return Ok(Verdict::Refused) };
    require(key.to_string() == text, "a verifier key has two spellings")?;
    Ok(Verdict::Accepted)
}

fn tiles(material: &Material) -> Vec<Vec<u8>> {
    [material.files_with("/tile/0/"), material.files_with("/tile/1/")].concat()
}

fn check_tile(_: &Material, input: &[u8]) -> Result<Verdict, String> {
    let width = input.len() / HASH_BYTES;
    for wrong in [0, width + 1, 256].into_iter().filter(|wrong| *wrong != width) {
        require(decode_tile(input, wrong).is_err(), "a tile is taken for one of another width")?;
    }
    let Ok(hashes) = decode_tile(input, width) else { return Ok(Verdict::Refused) };
    require(encode_tile(&hashes) == input, "a tile encodes to other bytes")?;
    Ok(Verdict::Accepted)
}

fn tile_paths(material: &Material) -> Vec<Vec<u8>> {
    let names = material.files.keys().filter_map(|path| path.strip_prefix("/ledger").ok()?.to_str());
    let names = names.filter(|name| name.starts_with("tile/")).map(str::as_bytes);
    let large = [b"tile/2/x001/x234/067".as_slice(), b"tile/entries/x999/999.p/255", b"tile/63/000.p/1"];
    names.chain(large).map(<[u8]>::to_vec).collect()
}

fn check_tile_path(_: &Material, input: &[u8]) -> Result<Verdict, String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Verdict::Refused) };
    let spelling = match TilePath::parse(text) {
        Some(TilePath::Tile(id)) => id.to_string(),
        Some(TilePath::Bundle(id)) => id.to_string(),
        None => return Ok(Verdict::Refused),
    };
    require(spelling == text, "a tile has two paths")?;
    Ok(Verdict::Accepted)
}

fn bundles(material: &Material) -> Vec<Vec<u8>> {
    material.files_with("/tile/entries/")
}

fn check_bundle(_: &Material, input: &[u8]) -> Result<Verdict, String> {
    let mut verdict = Verdict::Refused;
    for width in [1, 3, 4, 7, 120, 256] {
        let Ok(entries) = decode_bundle(input, width) else { continue };
        let mut encoded = Vec::new();
        for entry in &entries {
            push_bundle_entry(&mut encoded, entry);
        }
        require(encoded == input && entries.len() == width, "a bundle encodes to other bytes")?;
        require(verdict == Verdict::Refused, "a bundle has two widths")?;
        verdict = Verdict::Accepted;
    }
    Ok(verdict)
}

fn proofs(material: &Material) -> Vec<Vec<u8>> {
    material.claims.clone()
}

fn check_proof(material: &Material, input: &[u8]) -> Result<Verdict, String> {
    let Some((head, hashes)) = input.split_at_checked(17) else { return Ok(Verdict::Refused) };
    let number =
        |at: usize| head[at..at + 8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let (left, right) = (number(1), number(9));
    let hashes: Vec<Hash> =
        hashes.as_chunks::<HASH_BYTES>().0.iter().map(|bytes| Hash::from_bytes(*bytes)).collect();
    let [first, root, proof @ ..] = hashes.as_slice() else { return Ok(Verdict::Refused) };
    let new = TreeHead { size: right, root: *root };
    // A size says nothing without the signature over size and root, so only signed heads tell true from forged.
    if head[0] == 0 {
        let proven = verify_inclusion(LeafAt { index: left, hash: *first }, new, proof).is_ok();
        if !proven || !material.signed(new) {
            return Ok(Verdict::Refused);
        }
        let known = usize::try_from(left).ok().and_then(|leaf| material.leaf_hashes.get(leaf));
        require(known == Some(first) && left < right, "a leaf is proven that is not there")?;
    } else {
        let old = TreeHead { size: left, root: *first };
        let proven = verify_consistency(old, new, proof).is_ok();
        if !proven || !material.signed(new) {
            return Ok(Verdict::Refused);
        }
        require(material.signed(old) || left == 0, "a tree is proven to be a prefix that was never signed")?;
    }
    Ok(Verdict::Accepted)
}

fn offline_proofs(material: &Material) -> Vec<Vec<u8>> {
    material.offline_proofs.clone()
}

fn check_offline_proof(material: &Material, input: &[u8]) -> Result<Verdict, String> {
    let Ok(proof) = OfflineProof::parse(input) else { return Ok(Verdict::Refused) };
    require(proof.to_string().as_bytes() == input, "a proof has two spellings")?;
    let known = usize::try_from(proof.index).ok().and_then(|leaf| material.leaf_hashes.get(leaf));
    // The leaf that the proof was made for may be another than the one that it speaks of now.
    let mut verdict = Verdict::Refused;
    for leaf in material.leaf_hashes.iter().step_by(29).chain(known) {
        if let Ok(checkpoint) = proof.verify(*leaf, material.key.verifier()) {
            require(known == Some(leaf), "a leaf is proven to be where it is not")?;
            require(
                material.signed(checkpoint.checkpoint().tree_head()),
                "a checkpoint opens that was not signed",
            )?;
            verdict = Verdict::Accepted;
        }
    }
    Ok(verdict)
}

fn envelopes(material: &Material) -> Vec<Vec<u8>> {
    material.envelopes.clone()
}

fn check_envelope(_: &Material, input: &[u8]) -> Result<Verdict, String> {
    let Ok(envelope) = Envelope::decode(input) else { return Ok(Verdict::Refused) };
    let mut encoded = Vec::new();
    envelope.encode(&mut encoded);
    require(encoded == input, "an envelope encodes to other bytes")?;
    Ok(Verdict::Accepted)
}

fn salts(material: &Material) -> Vec<Vec<u8>> {
    // As many as are quick to read: the first segment's has a chunk for each commit.
    material.files_with(".salt")
}

fn check_salts(_: &Material, input: &[u8]) -> Result<Verdict, String> {
    let file = SaltsFile::decode(input);
    let Some(header) = file.header else { return Ok(Verdict::Refused) };
    let mut encoded = header.encode().to_vec();
    file.chunks.iter().for_each(|chunk| encoded.extend_from_slice(&chunk.encode()));
    require(
        encoded.len() as u64 == file.whole_bytes,
        "salts are whole up to another place than they encode to",
    )?;
    require(input.starts_with(&encoded), "salts encode to other bytes")?;
    let ordered = file.chunks.windows(2).all(|pair| pair[0].end_leaf() <= pair[1].first_leaf);
    for chunk in &file.chunks {
        let leaf = chunk.first_leaf;
        if let (true, Ok(Some(found))) = (ordered, SaltsFile::find(input, leaf)) {
            require(
                file.salts(leaf) == Some(found),
                "the salts of a leaf depend on how they are looked for",
            )?;
        }
    }
    let whole = file.whole_bytes == input.len() as u64;
    Ok(if whole { Verdict::Accepted } else { Verdict::Refused })
}

/// Sets the checksums of a salts file right, as far as its lengths lead.
fn mend_salts(bytes: &mut [u8]) {
    mend_file_header(bytes);
    let mut at = FILE_HEADER_BYTES;
    while let Some(chunk) = bytes.get_mut(at..).filter(|chunk| chunk.len() > 40) {
        put_checksum(chunk, 32);
        let number = |at: usize| {
            chunk[at..at + 4].iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
        };
        let length = 36 + 2 * number(12).div_ceil(8) + 32 * (number(16) + number(20));
        if chunk.len() < length + 4 {
            return;
        }
        put_checksum(chunk, length);
        at += length + 4;
    }
}

fn segments(material: &Material) -> Vec<Vec<u8>> {
    material.files_with(".seg")
}

fn check_segment(_: &Material, input: &[u8]) -> Result<Verdict, String> {
    let (head, rest) = input.split_at(FILE_HEADER_BYTES.min(input.len()));
    let Ok(header) = FileHeader::decode(FileKind::Segment, head) else { return Ok(Verdict::Refused) };
    require(header.encode() == head, "a segment header encodes to other bytes")?;
    let mut at = 0;
    while let Ok(header) = BlockHeader::decode(&rest[at..(at + BLOCK_HEADER_BYTES).min(rest.len())]) {
        let Some(payload) = rest.get(at + BLOCK_HEADER_BYTES..at + header.total_bytes() as usize) else {
            return Ok(Verdict::Refused);
        };
        let Ok(block) = Block::decode(&header, payload) else { return Ok(Verdict::Refused) };
        check_block(&block)?;
        at += header.total_bytes() as usize;
    }
    let footer = &rest[at..];
    if footer.is_empty() {
        return Ok(Verdict::Accepted);
    }
    let tail = &footer[footer.len().saturating_sub(FOOTER_TAIL_BYTES)..];
    match (footer_blocks(tail), decode_footer(footer)) {
        (Some(count), Ok(blocks)) => {
            require(blocks.len() as u64 == u64::from(count), "a footer announces other blocks than it has")?;
            require(encode_footer(&blocks) == footer, "a footer encodes to other bytes")?;
            Ok(Verdict::Accepted)
        }
        (None, Ok(_)) => Err("a footer is read that its tail does not announce".to_owned()),
        _ => Ok(Verdict::Refused),
    }
}

fn blocks(material: &Material) -> Vec<Vec<u8>> {
    material.blocks.clone()
}

/// Compresses the content under honest checksums and reads it.
fn check_block_content(_: &Material, input: &[u8]) -> Result<Verdict, String> {
    let Some((count, raw)) = input.split_first_chunk::<4>() else { return Ok(Verdict::Refused) };
    let stored = zstd::bulk::compress(raw, 1).map_err(|error| chain(&error))?;
    let mut header = b"ABLK".to_vec();
    header.extend_from_slice(&7_u64.to_be_bytes());
    header.extend_from_slice(count);
    for length in [raw.len(), stored.len()] {
        header.extend_from_slice(&(length as u32).to_be_bytes());
    }
    header.extend_from_slice(&crc32c::crc32c(&stored).to_be_bytes());
    header.extend_from_slice(&crc32c::crc32c(&header).to_be_bytes());
    let Ok(header) = BlockHeader::decode(&header) else { return Ok(Verdict::Refused) };
    let Ok(block) = Block::decode(&header, &stored) else { return Ok(Verdict::Refused) };
    check_block(&block)?;
    Ok(Verdict::Accepted)
}

/// Entries are the whole of a block, and envelopes have one encoding.
fn check_block(block: &Block) -> Result<(), String> {
    let mut length = 0;
    for position in 0..(block.leaves().end - block.leaves().start) as usize {
        let mut encoded = Vec::new();
        block.envelope(position).encode(&mut encoded);
        require(encoded == block.envelope_bytes(position), "an envelope in a block encodes to other bytes")?;
        length += 8 + encoded.len() + block.captured(position).map_or(0, <[u8]>::len);
    }
    require(length == block.raw_bytes(), "a block has bytes that belong to no entry")
}

/// Sets the checksums of a segment right, as far as its lengths lead.
fn mend_segment(bytes: &mut [u8]) {
    mend_file_header(bytes);
    let mut at = FILE_HEADER_BYTES;
    while let Some(block) =
        bytes.get_mut(at..).filter(|block| block.len() > BLOCK_HEADER_BYTES && block.starts_with(b"ABLK"))
    {
        let stored = block[20..24].iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        let Some(payload) = block.get(BLOCK_HEADER_BYTES..BLOCK_HEADER_BYTES.saturating_add(stored)) else {
            return put_checksum(block, 28);
        };
        let checksum = crc32c::crc32c(payload);
        block[24..28].copy_from_slice(&checksum.to_be_bytes());
        put_checksum(block, 28);
        at += BLOCK_HEADER_BYTES + stored;
    }
    if let Some(footer) = bytes.get_mut(at..).filter(|footer| footer.len() >= FOOTER_TAIL_BYTES) {
        let at = footer.len() - 12;
        put_checksum(footer, at);
    }
}

fn mend_file_header(bytes: &mut [u8]) {
    if bytes.len() >= FILE_HEADER_BYTES {
        put_checksum(bytes, FILE_HEADER_BYTES - 4);
    }
}

/// Puts the checksum of the bytes before `at` there.
fn put_checksum(bytes: &mut [u8], at: usize) {
    let checksum = crc32c::crc32c(&bytes[..at]);
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&checksum.to_be_bytes());
    }
}

/// An input is a file's number and then what that file is to hold.
fn file_numbers(material: &Material) -> Vec<Vec<u8>> {
    let files = material.files.iter().zip(0_u16..).filter(|((path, _), _)| !path.ends_with("lock"));
    files.map(|((_, bytes), number)| [&number.to_be_bytes(), bytes.as_slice()].concat()).collect()
}

/// Puts a changed file into the ledger: what verification and proven reading then say has to be true.
fn check_ledger(material: &Material, input: &[u8]) -> Result<Verdict, String> {
    let Some((number, bytes)) = input.split_first_chunk::<2>() else { return Ok(Verdict::Refused) };
    let Some((path, original)) = material.files.iter().nth(usize::from(u16::from_be_bytes(*number))) else {
        return Ok(Verdict::Refused);
    };
    if path.ends_with("lock") {
        return Ok(Verdict::Refused);
    }
    let disk = material.disk.copy(0);
    disk.put(path, bytes).map_err(|error| chain(&error))?;
    let paths = Material::paths(&disk);
    let key = &material.key;
    let report = verify(&paths, key.verifier(), &|_| {});
    if report.is_clean() {
        // Behind the acknowledged end of the last segment anything may be that a writer is about to finish.
        let grown = report.counts.unacknowledged_bytes > 0 && bytes.starts_with(original);
        require(bytes == original || grown, "a changed file verifies")?;
    }
    if let Ok(reader) = Reader::open(&paths, key.verifier()) {
        for leaf in (0..reader.size()).step_by(37) {
            check_proven(material, &reader, leaf)?;
        }
    }
    if let Ok((ledger, _)) = Ledger::open(&paths, key.clone()) {
        require(ledger.committed().size() >= 260, "a ledger opens with fewer entries than were signed")?;
        let reader = ledger.reader().map_err(|error| chain(&error))?;
        check_proven(material, &reader, 259)?;
    }
    Ok(if report.is_clean() { Verdict::Accepted } else { Verdict::Refused })
}

fn check_proven(material: &Material, reader: &Reader, leaf: u64) -> Result<(), String> {
    let Ok(entry) = reader.proven_entry(leaf) else { return Ok(()) };
    require(
        Some(&entry.leaf_hash()) == material.leaf_hashes.get(leaf as usize),
        "a leaf is proven that is another",
    )?;
    require(entry.captured() == Some(record(leaf).as_slice()), "bytes are proven that nobody captured")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_inputs_neither_trip_a_reader_nor_pass_for_good() {
        for target in &TARGETS {
            let tried = fuzz(target, 0, |tried| tried < 3_000).unwrap_or_else(|finding| panic!("{finding}"));
            assert!(tried.accepted > 0 && tried.accepted < tried.inputs, "{}: {tried:?}", target.name);
        }
    }

    #[test]
    fn a_ledger_with_a_changed_file_says_so() {
        fuzz(&LEDGER, 0, |tried| tried < 150).unwrap_or_else(|finding| panic!("{finding}"));
    }
}
