//! Published test vectors: the proofs of transparency-dev/merkle and the tlog-tiles ledger of Tessera. They are read
//! from the folder that `ASCRIBE_SHARED` names, or from `../shared` beside the workspace, and skipped loudly where
//! there is none.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use ascribe_ledger::proof::{
    consistency_proof, inclusion_proof, verify_consistency, verify_inclusion, verify_subtree_consistency,
    verify_subtree_inclusion,
};
use ascribe_ledger::{
    BundleId, Hash, LeafAt, ProofRefused, SignedCheckpoint, Subtree, TileFiles, TileId, TileSource as _,
    TreeHead, VerifierKey, leaf_hash,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
#[expect(clippy::disallowed_methods, reason = "says where the vectors are; no other setting is read")]
fn shared(name: &str) -> Option<PathBuf> {
    let beside_workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder =
        std::env::var("ASCRIBE_SHARED").map_or(beside_workspace, PathBuf::from).join("vectors").join(name);
    if !folder.is_dir() {
        eprintln!("SKIPPED: no vectors in `{}`", folder.display());
        return None;
    }
    Some(folder)
}

/// One vector. Which fields it has depends on its kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    #[serde(default)]
    leaf_idx: u64,
    #[serde(default)]
    leaf_hash: Option<String>,
    #[serde(default)]
    tree_size: u64,
    #[serde(default)]
    start: u64,
    #[serde(default)]
    end: u64,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    size1: u64,
    #[serde(default)]
    size2: u64,
    #[serde(default)]
    root: Option<String>,
    #[serde(default)]
    root1: Option<String>,
    #[serde(default)]
    root2: Option<String>,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// Our functions take hashes of 32 bytes only. Vectors with others, such as a root of 33 bytes, are given a stand-in:
/// equal bytes get equal hashes, and no hash that occurs otherwise. Leaf hashes get other stand-ins than roots: where
/// both have the same wrong length, the vector asks for refusal by length, which our types take care of.
fn hash(text: Option<&String>, role: &str) -> Hash {
    let text = text.map_or("", String::as_str);
    Hash::from_base64(text).unwrap_or_else(|| {
        let bytes = STANDARD.decode(text).unwrap();
        assert_ne!(bytes.len(), 32);
        leaf_hash(&[b"not a hash but a ", role.as_bytes(), bytes.as_slice()].concat())
    })
}

impl Vector {
    fn check(&self, kind: &str) -> Result<(), ProofRefused> {
        let proof: Vec<Hash> = self.proof.iter().flatten().map(|text| hash(Some(text), "node")).collect();
        let leaf = LeafAt { index: self.leaf_idx, hash: hash(self.leaf_hash.as_ref(), "leaf") };
        let root = hash(self.root.as_ref(), "node");
        let (root1, root2) = (hash(self.root1.as_ref(), "node"), hash(self.root2.as_ref(), "node"));
        match kind {
            "inclusion" => verify_inclusion(leaf, TreeHead { size: self.tree_size, root }, &proof),
            "consistency" => verify_consistency(
                TreeHead { size: self.size1, root: root1 },
                TreeHead { size: self.size2, root: root2 },
                &proof,
            ),
            "subtreeinclusion" => {
                verify_subtree_inclusion(leaf, &Subtree { leaves: self.start..self.end, root }, &proof)
            }
            "subtreeconsistency" => verify_subtree_consistency(
                &Subtree { leaves: self.start..self.end, root: root1 },
                TreeHead { size: self.size, root: root2 },
                &proof,
            ),
            other => panic!("no check for {other}"),
        }
    }
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn all_518_proof_vectors_agree() {
    let Some(folder) = shared("merkle") else { return };
    let mut counts = Vec::new();
    for kind in ["inclusion", "consistency", "subtreeinclusion", "subtreeconsistency"] {
        let files = json_files(&folder.join(kind));
        for path in &files {
            let vector: Vector = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            let checked = vector.check(kind);
            assert_eq!(checked.is_err(), vector.want_err, "{}: {checked:?}", path.display());
        }
        counts.push(files.len());
    }
    assert_eq!((counts.iter().sum::<usize>(), counts.as_slice()), (518, [98, 98, 204, 118].as_slice()));
}

/// Verifier key of the Tessera ledger, as published with it.
const TESSERA_KEY: &str = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

/// Its entries, spelled as they are there.
const TESSERA_ENTRIES: [&str; 15] = [
    "one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf",
    "threeten", "fourten", "fivten",
];

#[test]
fn a_ledger_of_another_implementation_is_read_whole() {
    let Some(folder) = shared("tessera/log") else { return };
    let key = VerifierKey::parse(TESSERA_KEY).unwrap();
    let tiles = TileFiles::new(&folder);
    let heads: Vec<TreeHead> = (0..=15)
        .map(|size| {
            let note = fs::read(folder.join(format!("checkpoint.{size}"))).unwrap();
            SignedCheckpoint::open(&note, &key).unwrap().checkpoint().tree_head()
        })
        .collect();
    assert!(heads.iter().zip(0..).all(|(head, size)| head.size == size));
    let latest = fs::read(folder.join("checkpoint")).unwrap();
    assert_eq!(SignedCheckpoint::open(&latest, &key).unwrap().checkpoint().tree_head(), heads[15]);
    let (mut inclusions, mut consistencies) = (0, 0);
    for head in &heads[1..] {
        let entries = tiles.bundle(BundleId::partial_at(head.size).unwrap()).unwrap();
        assert_eq!(entries.len() as u64, head.size);
        let hashes = tiles.tile(TileId::partial_at(0, head.size).unwrap()).unwrap();
        for ((entry, expected), index) in entries.iter().zip(TESSERA_ENTRIES).zip(0..) {
            assert_eq!(entry, expected.as_bytes());
            let leaf = LeafAt { index, hash: leaf_hash(entry) };
            assert_eq!(hashes[index as usize], leaf.hash);
            let proof = inclusion_proof(&tiles, index, head.size).unwrap();
            verify_inclusion(leaf, *head, &proof).unwrap();
            inclusions += 1;
        }
        for old in &heads[1..=head.size as usize] {
            let proof = consistency_proof(&tiles, old.size, head.size).unwrap();
            verify_consistency(*old, *head, &proof).unwrap();
            consistencies += 1;
        }
    }
    assert_eq!((inclusions, consistencies), (120, 120));
}
