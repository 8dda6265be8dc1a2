//! A small ledger over a simulated disk, and what it is known to hold: good inputs to change, and the truth that
//! changed ones are held against.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use super::disk::SimulatedDisk;
use super::random::Random;
use super::workload::{SEGMENT_LEAVES, chain, draft, key, record};
use crate::append::SaltsFrom;
use crate::durable::Disk;
use crate::ledger::Settings;
use crate::segment::{BLOCK_HEADER_BYTES, Block, BlockHeader, FILE_HEADER_BYTES};
use crate::{Draft, Hash, KeyPair, Ledger, LedgerPaths, Reader, SignedCheckpoint, TreeHead};

/// A ledger and what is known of it.
#[derive(Debug)]
pub(super) struct Material {
    /// Holds ledger and anchor; shared, so whoever writes takes a copy.
    pub(super) disk: SimulatedDisk,
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
    pub(super) checkpoints: Vec<SignedCheckpoint>,
    pub(super) leaf_hashes: Vec<Hash>,
    pub(super) envelopes: Vec<Vec<u8>>,
    /// Text of a proof for some leaves.
    pub(super) offline_proofs: Vec<Vec<u8>>,
    /// Claims with their proofs, as bytes: what is claimed, numbers, hashes.
    pub(super) claims: Vec<Vec<u8>>,
    /// Counts of entries, each with the raw bytes of a block.
    pub(super) blocks: Vec<Vec<u8>>,
    pub(super) key: KeyPair,
}

impl Material {
    /// The paths of the ledger on a disk.
    pub(super) fn paths(disk: &SimulatedDisk) -> LedgerPaths {
        LedgerPaths::new("/ledger", "/anchor").on(Disk::on(Arc::new(disk.clone())))
    }

    /// Made once: 260 entries, which are more than a segment and a tile hold, with five checkpoints on the way.
    pub(super) fn get() -> Result<&'static Self, String> {
        static MATERIAL: OnceLock<Result<Material, String>> = OnceLock::new();
        MATERIAL.get_or_init(|| Self::make(&[3, 7, 120, 256, 260], record)).as_ref().map_err(String::clone)
    }

    /// A ledger of the last of `sizes`, with a checkpoint at each, that holds `record` of each leaf.
    pub(super) fn make(sizes: &[u64], record: fn(u64) -> Vec<u8>) -> Result<Self, String> {
        let disk = SimulatedDisk::new(0);
        let paths = Self::paths(&disk);
        let salts_from = SaltsFrom::Seed(Arc::new(Mutex::new(Random::new(0))));
        let settings = Settings { segment_leaves: SEGMENT_LEAVES, salts_from };
        let mut ledger = Ledger::create_with(&paths, key()?, settings).map_err(|error| chain(&error))?;
        let mut checkpoints = vec![ledger.committed().clone()];
        for size in sizes {
            let leaves = ledger.size()..*size;
            let records: Vec<Vec<u8>> = leaves.clone().map(record).collect();
            let drafts: Vec<Draft<'_>> =
                records.iter().zip(leaves).map(|(record, leaf)| draft(leaf, record)).collect();
            ledger.append(&drafts).map_err(|error| chain(&error))?;
            checkpoints.push(ledger.checkpoint().map_err(|error| chain(&error))?);
        }
        drop(ledger);
        let reader = Reader::open(&paths, key()?.verifier()).map_err(|error| chain(&error))?;
        let (mut leaf_hashes, mut envelopes) = (Vec::new(), Vec::new());
        for entry in reader.entries(0..reader.size()) {
            let entry = entry.map_err(|error| chain(&error))?;
            leaf_hashes.push(entry.leaf_hash());
            envelopes.push(entry.envelope_bytes().to_vec());
        }
        let mut offline_proofs = Vec::new();
        for leaf in (0..reader.size()).step_by(29) {
            let mut proof = reader.offline_proof(leaf).map_err(|error| chain(&error))?;
            proof.extra = leaf.is_multiple_of(2).then(|| b"for the application".to_vec());
            offline_proofs.push(proof.to_string().into_bytes());
        }
        let claims = claims(&reader, &checkpoints, &leaf_hashes)?;
        drop(reader);
        let key = key()?;
        let (files, blocks) = (disk.files(), Vec::new());
        let mut made =
            Self { disk, files, checkpoints, leaf_hashes, envelopes, offline_proofs, claims, blocks, key };
        made.blocks = blocks_of(&made.files_with(".seg"))?;
        Ok(made)
    }

    /// Whether a tree of this size and root was signed.
    pub(super) fn signed(&self, head: TreeHead) -> bool {
        self.checkpoints.iter().any(|checkpoint| checkpoint.checkpoint().tree_head() == head)
    }

    /// The bytes of files whose path has `part` in it.
    pub(super) fn files_with(&self, part: &str) -> Vec<Vec<u8>> {
        let matching = self.files.iter().filter(|(path, _)| path.to_string_lossy().contains(part));
        matching.map(|(_, bytes)| bytes.clone()).collect()
    }
}

fn claims(
    reader: &Reader,
    checkpoints: &[SignedCheckpoint],
    leaf_hashes: &[Hash],
) -> Result<Vec<Vec<u8>>, String> {
    let mut inputs = Vec::new();
    let new = reader.checkpoint().checkpoint().tree_head();
    for leaf in (0..reader.size()).step_by(17) {
        let hashes = reader.inclusion_proof(leaf).map_err(|error| chain(&error))?;
        inputs.push(claim(0, [leaf, new.size], [leaf_hashes[leaf as usize], new.root], &hashes));
    }
    for old in checkpoints.iter().filter(|old| old.size() > 0) {
        let hashes = reader.consistency_proof(old.size()).map_err(|error| chain(&error))?;
        inputs.push(claim(1, [old.size(), new.size], [old.root(), new.root], &hashes));
    }
    Ok(inputs)
}

fn claim(kind: u8, numbers: [u64; 2], ends: [Hash; 2], proof: &[Hash]) -> Vec<u8> {
    let mut bytes = vec![kind];
    for number in numbers {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    ends.iter().chain(proof).for_each(|hash| bytes.extend_from_slice(hash.as_bytes()));
    bytes
}

/// What is behind the compression: a count of entries, and the raw bytes of a block.
fn blocks_of(segments: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
    let mut blocks = Vec::new();
    for segment in segments {
        let mut at = FILE_HEADER_BYTES;
        while let Some(Ok(header)) = segment.get(at..at + BLOCK_HEADER_BYTES).map(BlockHeader::decode) {
            let end = at + header.total_bytes() as usize;
            let block = Block::decode(&header, &segment[at + BLOCK_HEADER_BYTES..end])
                .map_err(|error| chain(&error))?;
            let mut raw = header.count.to_be_bytes().to_vec();
            for position in 0..header.count as usize {
                for bytes in [Some(block.envelope_bytes(position)), block.captured(position)] {
                    let length = bytes.map_or(u32::MAX, |bytes| bytes.len() as u32);
                    raw.extend_from_slice(&length.to_be_bytes());
                    raw.extend_from_slice(bytes.unwrap_or_default());
                }
            }
            blocks.push(raw);
            at = end;
        }
    }
    Ok(blocks)
}
