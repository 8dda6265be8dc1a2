//! A bundle as its items, each a row of bytes, for changes that no writer would make.

use sha2::{Digest as _, Sha256};

/// The items of a bundle, the seal left out.
#[derive(Clone)]
pub struct Items(pub Vec<Vec<u8>>);

impl Items {
    /// Takes a bundle apart.
    pub fn of(bundle: &[u8]) -> Self {
        let mut items = Vec::new();
        let mut rest = bundle;
        while !rest.is_empty() {
            let (item, behind) = rest.split_at(item_length(rest));
            items.push(item.to_vec());
            rest = behind;
        }
        items.pop();
        Self(items)
    }

    /// Where the first item of a number stands.
    pub fn place(&self, number: u8) -> usize {
        let is_of = |item: &&Vec<u8>| item[0] >> 5 == 4 && item[1] == number;
        self.0.iter().position(|item| is_of(&item)).unwrap()
    }

    /// The first item of a number.
    pub fn item(&mut self, number: u8) -> &mut Vec<u8> {
        let place = self.place(number);
        &mut self.0[place]
    }

    /// Puts the bundle together without a seal.
    pub fn unsealed(&self) -> Vec<u8> {
        self.0.concat()
    }

    /// Puts the bundle together and seals it, as whoever changed it would.
    pub fn sealed(&self) -> Vec<u8> {
        let mut bundle = self.unsealed();
        let digest = Sha256::new()
            .chain_update(b"ascribe/bundle-seal/v1\0")
            .chain_update(Sha256::digest(&bundle))
            .finalize();
        bundle.extend_from_slice(&[0x82, 0x07, 0x58, 0x20]);
        bundle.extend_from_slice(&digest);
        bundle
    }
}

/// The head of a CBOR item: its bytes, and its argument.
pub fn head(bytes: &[u8]) -> (usize, u64) {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    match bytes[0] & 0x1f {
        small @ 0..=23 => (1, small.into()),
        0x18 => (2, number(&bytes[1..2])),
        0x19 => (3, number(&bytes[1..3])),
        0x1a => (5, number(&bytes[1..5])),
        _ => (9, number(&bytes[1..9])),
    }
}

/// Bytes of the item at the start.
pub fn item_length(bytes: &[u8]) -> usize {
    let (length, argument) = head(bytes);
    match bytes[0] >> 5 {
        2 | 3 => length + argument as usize,
        4 => (0..argument).fold(length, |at, _| at + item_length(&bytes[at..])),
        _ => length,
    }
}

/// Where the elements of an array item start, the number first.
pub fn elements(item: &[u8]) -> Vec<usize> {
    let (mut at, count) = head(item);
    let mut starts = Vec::new();
    for _ in 0..count {
        starts.push(at);
        at += item_length(&item[at..]);
    }
    starts
}

/// Puts other bytes in the place of one element.
pub fn replace(item: &mut Vec<u8>, element: usize, bytes: &[u8]) {
    let start = elements(item)[element];
    let end = start + item_length(&item[start..]);
    item.splice(start..end, bytes.iter().copied());
}
