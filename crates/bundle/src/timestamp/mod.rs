//! Timestamps of authorities (RFC 3161) over checkpoints: requests, answers, and what they hold.
//!
//! What an authority signed is read here and compared with what it was asked to stamp. Its signature is not checked:
//! `openssl ts -verify` does that for a stranger, and the program `ascribe` when a timestamp comes in.

pub mod der;
mod token;

use sha2::{Digest as _, Sha256};

use der::{tag, write, write_unsigned};
pub use token::{Certificate, MAX_RESPONSE_BYTES, Signer, Token, TokenInfo, TokenRefused, oid};

/// A token stamps something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it stamps something else than the note beside it")]
pub struct OtherImprint;

/// A request for a timestamp over `note` (TimeStampReq): its SHA-256, a number that the answer has to give back, and
/// the wish for the certificate of the authority. `policy` is the encoding of the policy that is asked for, if one is.
pub fn request(note: &[u8], nonce: &[u8], policy: Option<&[u8]>) -> Vec<u8> {
    let algorithm = write(tag::SEQUENCE, &[write(tag::OID, oid::SHA256.0), vec![0x05, 0x00]].concat());
    let imprint =
        write(tag::SEQUENCE, &[algorithm, write(tag::OCTET_STRING, &Sha256::digest(note))].concat());
    let mut body = [write_unsigned(&[1]), imprint].concat();
    if let Some(policy) = policy {
        body.extend(write(tag::OID, policy));
    }
    body.extend(write_unsigned(nonce));
    body.extend(write(tag::BOOLEAN, &[0xff]));
    write(tag::SEQUENCE, &body)
}

/// Requires that a token stamps exactly the bytes of `note`, by SHA-256.
///
/// # Errors
/// [`OtherImprint`] where it does not.
pub fn require_imprint(info: &TokenInfo<'_>, note: &[u8]) -> Result<(), OtherImprint> {
    let stamped = Sha256::digest(note);
    if info.imprint_algorithm == oid::SHA256 && info.imprint == &stamped[..] {
        Ok(())
    } else {
        Err(OtherImprint)
    }
}
