//! Serial numbers of X.509 certificates: decimal, hexadecimal, and hexadecimal with colons.
//!
//! RFC 5280 §4.1.2.2: a positive integer of at most 20 octets, in DER with a zero octet in front where its first bit
//! is set. Kubernetes and Go write decimal, OpenSSL hexadecimal, Vault and browsers octets with colons between them.

use std::fmt;

/// More octets than RFC 5280 allows, for issuers that do not keep to it.
const LONGEST: usize = 64;

/// Decimal digits of the longest number: an octet takes at most 2.41.
const LONGEST_DECIMAL: usize = 155;

/// A serial number, as octets without zeros in front; zero has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber {
    octets: Vec<u8>,
}

impl SerialNumber {
    /// Reads decimal digits.
    pub fn read_decimal(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > LONGEST_DECIMAL {
            return None;
        }
        // The last octet first.
        let mut octets = Vec::new();
        for character in text.chars() {
            let mut carry = character.to_digit(10)?;
            for octet in &mut octets {
                carry += u32::from(*octet) * 10;
                *octet = low_octet(carry);
                carry >>= 8;
            }
            while carry > 0 {
                octets.push(low_octet(carry));
                carry >>= 8;
            }
        }
        octets.reverse();
        Self::new(&octets)
    }

    /// Reads hexadecimal digits in either case, with `0x` in front or not, and with `:`, `-` or blanks between octets
    /// or not.
    pub fn read_hex(text: &str) -> Option<Self> {
        let text = text.strip_prefix("0x").unwrap_or(text);
        let digits: Vec<_> = text.bytes().filter(|byte| !matches!(byte, b':' | b'-' | b' ')).collect();
        if digits.is_empty() || digits.len() > 2 * LONGEST + 2 {
            return None;
        }
        let (odd, pairs) = digits.split_at(digits.len() % 2);
        let mut octets = Vec::with_capacity(LONGEST + 1);
        for digit in odd {
            octets.push(super::sha256::nibble(*digit)?);
        }
        for pair in pairs.chunks_exact(2) {
            octets.push(super::sha256::nibble(pair[0])? << 4 | super::sha256::nibble(pair[1])?);
        }
        Self::new(&octets)
    }

    fn new(octets: &[u8]) -> Option<Self> {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let octets = &octets[zeros..];
        (octets.len() <= LONGEST).then(|| Self { octets: octets.to_vec() })
    }

    /// Decimal digits.
    pub fn to_decimal(&self) -> String {
        // The last digit first.
        let mut digits = vec![0_u32];
        for octet in &self.octets {
            let mut carry = u32::from(*octet);
            for digit in &mut digits {
                carry += *digit * 256;
                *digit = carry % 10;
                carry /= 10;
            }
            while carry > 0 {
                digits.push(carry % 10);
                carry /= 10;
            }
        }
        digits.iter().rev().filter_map(|digit| char::from_digit(*digit, 10)).collect()
    }

    /// Lower-case hexadecimal digits without zeros in front: the form that keys have.
    pub fn to_hex(&self) -> String {
        let digits = self.joined("");
        match digits.trim_start_matches('0') {
            "" => "0".to_owned(),
            significant => significant.to_owned(),
        }
    }

    /// Lower-case hexadecimal, two digits for each octet and a colon between octets.
    pub fn to_colons(&self) -> String {
        if self.octets.is_empty() { "00".to_owned() } else { self.joined(":") }
    }

    fn joined(&self, between: &str) -> String {
        let octets: Vec<_> = self.octets.iter().map(|octet| format!("{octet:02x}")).collect();
        octets.join(between)
    }
}

/// Lower-case hexadecimal digits without zeros in front.
impl fmt::Display for SerialNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_hex())
    }
}

fn low_octet(number: u32) -> u8 {
    number.to_le_bytes()[0]
}
