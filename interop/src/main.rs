//! Reads a served ledger with the packages `tlog_tiles` and `signed_note`, which know nothing of Ascribe: the
//! checkpoint's signature, the tiles over HTTP, inclusion of entries by their bundled envelopes, and that earlier sizes
//! are prefixes. Prints what it checked; ends with 1 at the first thing that does not hold.
//!
//! Usage: `ascribe-interop URL VERIFIER_KEY_FILE`

use std::cell::Cell;
use std::error::Error;
use std::process::ExitCode;

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::checkpoint::Checkpoint;
use tlog_tiles::tile::{Tile, TileHashReader, TileReader};
use tlog_tiles::tlog::{self, Hash};

/// Sizes around which trees change their shape.
const SIZES: [u64; 16] =
    [1, 2, 3, 127, 128, 255, 256, 257, 511, 512, 65_279, 65_280, 65_535, 65_536, 65_537, 70_000];

/// Tiles of eight levels, as C2SP tlog-tiles has them. The package writes the height into the path, as the Go
/// checksum database does; C2SP leaves it out.
struct Served {
    url: String,
    fetched: Cell<u64>,
}

impl TileReader for Served {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        let path = |tile: &Tile| tile.path().replacen("tile/8/", "tile/", 1);
        tiles.iter().map(|tile| self.get(&path(tile)).map_err(|_| tlog::Error::InvalidTile)).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

impl Served {
    fn get(&self, path: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut answer = ureq::get(format!("{}/{path}", self.url)).call()?;
        self.fetched.set(self.fetched.get() + 1);
        Ok(answer.body_mut().read_to_vec()?)
    }

    /// The entry of a leaf, out of its bundle: two bytes of length before each.
    fn entry(&self, leaf: u64, size: u64) -> Result<Vec<u8>, Box<dyn Error>> {
        let width = (size - leaf / 256 * 256).min(256) as u32;
        let tile = Tile::new(8, 0, leaf / 256, width, true);
        let bundle = self.get(&tile.path().replacen("tile/8/data/", "tile/entries/", 1))?;
        let mut rest = bundle.as_slice();
        for _ in 0..leaf % 256 {
            let (length, behind) = rest.split_first_chunk::<2>().ok_or("the bundle is short")?;
            rest = behind.get(usize::from(u16::from_be_bytes(*length))..).ok_or("the bundle is short")?;
        }
        let (length, behind) = rest.split_first_chunk::<2>().ok_or("the bundle is short")?;
        Ok(behind.get(..usize::from(u16::from_be_bytes(*length))).ok_or("the bundle is short")?.to_vec())
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("does not hold: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: ascribe-interop URL VERIFIER_KEY_FILE".into());
    };
    let key = std::fs::read_to_string(key)?;
    let served = Served { url, fetched: Cell::new(0) };
    let note = Note::from_bytes(&served.get("checkpoint")?)?;
    let verifiers = VerifierList::new(vec![Box::new(StandardVerifier::new(key.trim_end())?)]);
    let (verified, _) = note.verify(&verifiers)?;
    let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|_| "the checkpoint is malformed")?;
    let (size, root) = (checkpoint.size(), *checkpoint.hash());
    if size == 0 {
        return Ok(format!("size 0: {} signature verifies; there is no tile", verified.len()));
    }
    let reader = TileHashReader::new(size, root, &served);
    let (mut included, mut consistent) = (0, 0);
    for old in SIZES.into_iter().chain([size]).filter(|old| *old <= size) {
        let leaf = old - 1;
        let proof = tlog::prove_record(size, leaf, &reader)?;
        let hash: Hash = tlog::record_hash(&served.entry(leaf, size)?);
        tlog::check_record(&proof, size, root, leaf, hash)?;
        included += 1;
        let then = tlog::tree_hash(old, &reader)?;
        tlog::check_tree(&tlog::prove_tree(size, old, &reader)?, size, root, old, then)?;
        consistent += 1;
    }
    Ok(format!(
        "size {size}: {} signature verifies; {included} entries are in the tree, {consistent} earlier sizes are its \
         prefixes; {} files were read",
        verified.len(),
        served.fetched.get()
    ))
}
