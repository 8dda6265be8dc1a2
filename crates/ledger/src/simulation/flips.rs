//! Single bits changed in every file of a ledger and its anchor: verification has to report each of them, and to name
//! the file that was changed.

use std::path::Path;

use super::material::Material;
use super::workload::chain;
use crate::{Place, verify};

/// What was tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flipped {
    /// Bytes in the files.
    pub bytes: u64,
    /// Bits changed, one at a time.
    pub flips: u64,
    /// Of those, the ones that were reported.
    pub reported: u64,
    /// Of those, the ones reported with the file that was changed.
    pub file_named: u64,
    /// Of those, the ones reported with a place in that file or the leaf.
    pub place_named: u64,
}

/// Which bits are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Every so-manieth byte.
    pub stride: usize,
    /// Of every so-manieth of those all eight bits, of the others one.
    pub all_bits: usize,
}

/// Makes a ledger of so many entries and changes the chosen bits. `talk` gets a line for each flip that was not reported
/// as it should be.
pub fn flip(entries: u64, chosen: Chosen, talk: &mut dyn FnMut(&str)) -> Result<Flipped, String> {
    let material = Material::make(&[entries / 2, entries], |leaf| format!("record {leaf}").into_bytes())?;
    let paths = Material::paths(&material.disk);
    let key = material.key.verifier();
    let mut flipped = Flipped::default();
    for (path, original) in material.files.iter().filter(|(path, _)| !path.ends_with("lock")) {
        flipped.bytes += original.len() as u64;
        let mut bytes = original.clone();
        for (at, position) in (0..original.len()).step_by(chosen.stride.max(1)).zip(0_usize..) {
            let bits =
                if position.is_multiple_of(chosen.all_bits.max(1)) { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                bytes[at] ^= 1 << bit;
                material.disk.put(path, &bytes).map_err(|error| chain(&error))?;
                let report = verify(&paths, key, &|_| {});
                let named = report.problems.iter().filter(|problem| problem.path == *path);
                let places: Vec<Place> = named.map(|problem| problem.place).collect();
                flipped.flips += 1;
                flipped.reported += u64::from(!report.is_clean());
                flipped.file_named += u64::from(!places.is_empty());
                flipped.place_named += u64::from(places.iter().any(|place| *place != Place::File));
                if places.is_empty() {
                    talk(&not_named(path, at, bit));
                }
                bytes[at] ^= 1 << bit;
            }
        }
        material.disk.put(path, original).map_err(|error| chain(&error))?;
    }
    if verify(&paths, key, &|_| {}).is_clean() {
        Ok(flipped)
    } else {
        Err("the ledger was not put back".to_owned())
    }
}

fn not_named(path: &Path, at: usize, bit: usize) -> String {
    format!("bit {bit} of byte {at} of `{}` was changed, and the file is not named", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 97th byte of a small ledger; `cargo xtask torture flip` changes every byte of a large one.
    #[test]
    fn a_flipped_bit_is_reported_with_its_file() {
        let chosen = Chosen { stride: 97, all_bits: 10 };
        let flipped = flip(300, chosen, &mut |line| panic!("{line}")).unwrap();
        assert!(flipped.flips > 500 && flipped.reported == flipped.flips, "{flipped:?}");
    }
}
