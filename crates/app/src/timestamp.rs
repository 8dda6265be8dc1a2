//! Checks timestamps of authorities as RFC 3161 §2.2 asks of whoever receives one: status, what was stamped, number,
//! policy, signature, the certificate that signed, its use and its chain to a root that the operator trusts.
//!
//! What the bytes mean is read by `ascribe_bundle::timestamp`; signatures and chains are checked by the library that
//! checks them for TLS. RSA (PKCS#1 v1.5, 2048 bits and more) and ECDSA (P-256, P-384) with SHA-256, SHA-384 and
//! SHA-512 are known; anything else is refused by name. Revocation lists are not looked at. It knows neither ledger nor
//! network, and is told the time.

use std::time::Duration;

use crate::hexadecimal::hexadecimal;
use ascribe_bundle::timestamp::der::Oid;
use ascribe_bundle::timestamp::{Certificate, Token, TokenRefused, oid, require_imprint};
use ascribe_model::Timestamp;
use ring::digest;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::ring as known;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// How far the clock of an authority may be from ours.
pub const CLOCK_TOLERANCE_NS: i64 = 10 * 60 * 1_000_000_000;

/// What a timestamp has to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The bytes that were to be stamped.
    pub note: &'a [u8],
    /// The number that the request gave; `None` where the request is no more at hand.
    pub nonce: Option<&'a [u8]>,
    /// The policy that was asked for, by its encoding.
    pub policy: Option<&'a [u8]>,
    /// The certificates that are trusted.
    pub roots: &'a [CertificateDer<'static>],
}

/// A timestamp that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// When it was made, by the authority's clock.
    pub time: Timestamp,
    /// Number that the authority gave it, in hexadecimal.
    pub serial: String,
    /// Its policy, with dots.
    pub policy: String,
}

/// Why a timestamp does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StampRefused {
    /// It cannot be read, or was not granted.
    #[error(transparent)]
    Token(#[from] TokenRefused),
    /// It is over something else.
    #[error("it stamps something else than the checkpoint that was sent")]
    Imprint,
    /// It answers another request.
    #[error("it answers another request: its number is not the one that was sent")]
    Nonce,
    /// It was made under another policy.
    #[error("it was made under policy `{found}`, expected `{expected}`")]
    Policy {
        /// The policy that was asked for.
        expected: String,
        /// Its policy.
        found: String,
    },
    /// An algorithm that is not known.
    #[error("{what} `{algorithm}` is not known here")]
    Algorithm {
        /// What it is for.
        what: &'static str,
        /// Its identifier, with dots.
        algorithm: String,
    },
    /// The digest that is signed is of something else than the statement.
    #[error("the signed digest is not that of the statement: it was altered")]
    MessageDigest,
    /// The certificate that signed is not there.
    #[error("it names a signing certificate that it does not carry")]
    NoSigner,
    /// Two names of the signing certificate disagree.
    #[error("its signed and its unsigned name of the signing certificate disagree")]
    OtherSigner,
    /// The certificate may be used for something else, or not for timestamps.
    #[error("the signing certificate is not one for timestamps alone (RFC 3161, section 2.3)")]
    Usage,
    /// A root that cannot be used.
    #[error("the root certificate cannot be used")]
    Root(#[source] webpki::Error),
    /// The certificate that signed cannot be read.
    #[error("the signing certificate cannot be used")]
    Signer(#[source] webpki::Error),
    /// No path to a trusted root at the time of the timestamp.
    #[error("the signing certificate does not lead to the trusted root at {time}")]
    Chain {
        /// When it was made.
        time: Timestamp,
        /// Why not.
        #[source]
        source: webpki::Error,
    },
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature(#[source] webpki::Error),
    /// The clock of the authority is far from ours.
    #[error("its time is {found}, while it is {now} here: one of the clocks is wrong")]
    Clock {
        /// When it was made.
        found: Timestamp,
        /// The present moment.
        now: Timestamp,
    },
}

/// Checks the answer of an authority, whenever it came in.
///
/// # Errors
/// [`StampRefused`] for the first reason not to believe it.
pub fn check_response(response: &[u8], expected: &Expected<'_>) -> Result<Checked, StampRefused> {
    let token = Token::from_response(response)?;
    let info = &token.info;
    require_imprint(info, expected.note).map_err(|_| StampRefused::Imprint)?;
    if expected.nonce.is_some_and(|nonce| info.nonce != Some(nonce)) {
        return Err(StampRefused::Nonce);
    }
    if let Some(policy) = expected.policy
        && info.policy != Oid(policy)
    {
        let (expected, found) = (Oid(policy).to_string(), info.policy.to_string());
        return Err(StampRefused::Policy { expected, found });
    }
    let hash = digest_of(token.signer.digest_algorithm)?;
    if digest::digest(hash, token.content).as_ref() != token.signer.message_digest {
        return Err(StampRefused::MessageDigest);
    }
    let certificate = signing_certificate(&token)?;
    if !certificate.only_stamps {
        return Err(StampRefused::Usage);
    }
    check_signature(&token, certificate, expected.roots)?;
    let serial = hexadecimal(info.serial);
    Ok(Checked { time: info.time, serial, policy: info.policy.to_string() })
}

/// Requires that a timestamp that came in now was made now, as far as two clocks can tell.
///
/// # Errors
/// [`StampRefused::Clock`] where it was not.
pub fn require_now(checked: &Checked, sent: Timestamp, received: Timestamp) -> Result<(), StampRefused> {
    let earliest = sent.plus_nanoseconds(-CLOCK_TOLERANCE_NS);
    let latest = received.plus_nanoseconds(CLOCK_TOLERANCE_NS);
    if (earliest..=latest).contains(&checked.time) {
        return Ok(());
    }
    Err(StampRefused::Clock { found: checked.time, now: received })
}

/// The certificate that the signed attributes name by its digest. By that name alone an attacker cannot put another in
/// its place (RFC 2634 §5.4); the name outside of the signature has to agree.
fn signing_certificate<'t, 'a>(token: &'t Token<'a>) -> Result<&'t Certificate<'a>, StampRefused> {
    let signer = &token.signer;
    let mut found = None;
    for (algorithm, expected) in &signer.certificate_digests {
        let hash = digest_of(*algorithm)?;
        let named = token
            .certificates
            .iter()
            .find(|certificate| digest::digest(hash, certificate.whole).as_ref() == *expected)
            .ok_or(StampRefused::NoSigner)?;
        if found.is_some_and(|found: &Certificate<'_>| found.whole != named.whole) {
            return Err(StampRefused::OtherSigner);
        }
        found = Some(named);
    }
    let certificate = found.ok_or(StampRefused::NoSigner)?;
    let outside = signer.issuer_and_serial;
    if outside.is_some_and(|name| name != (certificate.issuer, certificate.serial)) {
        return Err(StampRefused::OtherSigner);
    }
    Ok(certificate)
}

fn check_signature(
    token: &Token<'_>,
    certificate: &Certificate<'_>,
    roots: &[CertificateDer<'static>],
) -> Result<(), StampRefused> {
    let signing = CertificateDer::from(certificate.whole);
    let signing = EndEntityCert::try_from(&signing).map_err(StampRefused::Signer)?;
    let anchors = roots
        .iter()
        .map(|root| anchor_from_trusted_cert(root).map_err(StampRefused::Root))
        .collect::<Result<Vec<_>, _>>()?;
    let others: Vec<CertificateDer<'_>> = token
        .certificates
        .iter()
        .filter(|other| other.whole != certificate.whole)
        .map(|other| CertificateDer::from(other.whole))
        .collect();
    let time = token.info.time;
    let since = u64::try_from(time.nanoseconds()).map_or(Duration::ZERO, Duration::from_nanos);
    signing
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &others,
            UnixTime::since_unix_epoch(since),
            KeyUsage::required(oid::TIME_STAMPING.0),
            None,
            None,
        )
        .map_err(|source| StampRefused::Chain { time, source })?;
    let signer = &token.signer;
    let mut outcome = Err(webpki::Error::InvalidSignatureForPublicKey);
    // The algorithm does not say for which curve it is; the certificate does.
    for algorithm in signature_algorithms(signer.signature_algorithm, signer.digest_algorithm)? {
        outcome = signing.verify_signature(algorithm, &signer.signed, signer.signature);
        if !matches!(outcome, Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_))) {
            break;
        }
    }
    outcome.map_err(StampRefused::Signature)
}

fn digest_of(algorithm: Oid<'_>) -> Result<&'static digest::Algorithm, StampRefused> {
    match algorithm {
        // Names a certificate in the older form, where it has to meet a chain and a signature besides.
        oid::SHA1 => Ok(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        oid::SHA256 => Ok(&digest::SHA256),
        oid::SHA384 => Ok(&digest::SHA384),
        oid::SHA512 => Ok(&digest::SHA512),
        other => Err(StampRefused::Algorithm { what: "digest algorithm", algorithm: other.to_string() }),
    }
}

fn signature_algorithms(
    algorithm: Oid<'_>,
    digest: Oid<'_>,
) -> Result<Vec<&'static dyn SignatureVerificationAlgorithm>, StampRefused> {
    Ok(match (algorithm, digest) {
        (oid::RSA | oid::RSA_SHA256, oid::SHA256) => vec![known::RSA_PKCS1_2048_8192_SHA256],
        (oid::RSA | oid::RSA_SHA384, oid::SHA384) => vec![known::RSA_PKCS1_2048_8192_SHA384],
        (oid::RSA | oid::RSA_SHA512, oid::SHA512) => vec![known::RSA_PKCS1_2048_8192_SHA512],
        (oid::ECDSA_SHA256, oid::SHA256) => vec![known::ECDSA_P256_SHA256, known::ECDSA_P384_SHA256],
        (oid::ECDSA_SHA384, oid::SHA384) => vec![known::ECDSA_P256_SHA384, known::ECDSA_P384_SHA384],
        (other, digest) => {
            let algorithm = format!("{other} with digest {digest}");
            return Err(StampRefused::Algorithm { what: "signature algorithm", algorithm });
        }
    })
}

#[cfg(test)]
mod tests {
    use ascribe_bundle::timestamp::der::{Der, oid_from_text, tag, write};
    use proptest::prelude::*;
    use rustls_pki_types::pem::PemObject as _;

    use super::*;

    /// Made by `fixtures/timestamps/make.sh`.
    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/fixtures/timestamps/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    struct Given {
        note: Vec<u8>,
        nonce: Vec<u8>,
        policy: Vec<u8>,
        roots: Vec<CertificateDer<'static>>,
    }

    impl Given {
        fn new() -> Self {
            let query = fixture("query.tsq");
            let mut outer = Der::new(&query, "the request");
            let mut body = outer.enter(tag::SEQUENCE, "the request").unwrap();
            body.small("version").unwrap();
            body.any("imprint").unwrap();
            body.oid("policy").unwrap();
            Self {
                note: fixture("note"),
                nonce: body.unsigned("nonce").unwrap().to_vec(),
                policy: oid_from_text("1.2.3.4.1").unwrap(),
                roots: vec![CertificateDer::from_pem_slice(&fixture("root.pem")).unwrap()],
            }
        }

        fn check(&self, response: &[u8]) -> Result<Checked, StampRefused> {
            let nonce = Some(&self.nonce[..]);
            let policy = Some(&self.policy[..]);
            check_response(response, &Expected { note: &self.note, nonce, policy, roots: &self.roots })
        }
    }

    #[test]
    fn what_an_authority_grants_holds() {
        let given = Given::new();
        for name in ["rsa", "p256", "p384", "ess-v1"] {
            let checked = given
                .check(&fixture(&format!("{name}.tsr")))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(checked.policy, "1.2.3.4.1", "{name}");
            assert!(require_now(&checked, checked.time, checked.time).is_ok());
        }
    }

    #[test]
    fn named_answers_are_refused_for_their_reason() {
        let given = Given::new();
        let cases = [
            (
                "rejected",
                "the authority did not grant it: status 2 (rejection): Message digest algorithm is not supported.",
            ),
            ("other-signer", "the signing certificate does not lead to the trusted root"),
            ("no-eku", "the signing certificate is not one for timestamps alone"),
            ("two-uses", "the signing certificate is not one for timestamps alone"),
            ("not-critical", "the signing certificate is not one for timestamps alone"),
            ("expired", "the signing certificate does not lead to the trusted root"),
            ("unnamed", "the name of the signing certificate is there 0 times, expected once"),
            ("p521", "the signature does not hold"),
        ];
        for (name, why) in cases {
            let refused = given.check(&fixture(&format!("{name}.tsr"))).unwrap_err().to_string();
            assert!(refused.starts_with(why), "{name}: {refused}");
        }
    }

    #[test]
    fn another_note_number_policy_root_or_time_is_refused() {
        let good = fixture("p256.tsr");
        let refused = |change: &dyn Fn(&mut Given)| {
            let mut given = Given::new();
            change(&mut given);
            given.check(&good).unwrap_err()
        };
        assert!(matches!(refused(&|given| given.note.push(b'\n')), StampRefused::Imprint));
        assert!(matches!(refused(&|given| given.nonce[0] ^= 1), StampRefused::Nonce));
        assert!(matches!(refused(&|given| given.policy[0] ^= 1), StampRefused::Policy { .. }));
        assert!(matches!(refused(&|given| given.roots.clear()), StampRefused::Chain { .. }));
        let junk = |given: &mut Given| given.roots = vec![CertificateDer::from(vec![0x30, 0])];
        assert!(matches!(refused(&junk), StampRefused::Root(_)));
        let checked = Given::new().check(&good).unwrap();
        let later = checked.time.plus_nanoseconds(CLOCK_TOLERANCE_NS + 1);
        assert!(matches!(require_now(&checked, later, later), Err(StampRefused::Clock { .. })));
        let earlier = checked.time.plus_nanoseconds(-CLOCK_TOLERANCE_NS - 1);
        assert!(matches!(require_now(&checked, earlier, earlier), Err(StampRefused::Clock { .. })));
    }

    #[test]
    fn bytes_that_are_no_answer_are_refused() {
        let given = Given::new();
        let good = fixture("p256.tsr");
        for end in 0..good.len() {
            assert!(matches!(given.check(&good[..end]), Err(StampRefused::Token(_))), "cut at {end}");
        }
        let trailing = [&good[..], &[0]].concat();
        assert!(matches!(given.check(&trailing), Err(StampRefused::Token(TokenRefused::Malformed(_)))));
        let huge = vec![0x30; ascribe_bundle::timestamp::MAX_RESPONSE_BYTES + 1];
        assert!(matches!(given.check(&huge), Err(StampRefused::Token(TokenRefused::TooLong { .. }))));
        // Each inside the other, and each longer than what holds it.
        let nested = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff].repeat(1000);
        assert!(matches!(given.check(&nested), Err(StampRefused::Token(TokenRefused::Malformed(_)))));
        let deep = (0..1000).fold(Vec::new(), |inner, _| write(tag::SEQUENCE, &inner));
        assert!(matches!(given.check(&deep), Err(StampRefused::Token(_))));
        let revoked = write(tag::SEQUENCE, &write(tag::SEQUENCE, &[2, 1, 5]));
        let refused = given.check(&revoked).unwrap_err().to_string();
        assert_eq!(refused, "the authority did not grant it: status 5 (revoked)");
        let empty = write(tag::SEQUENCE, &write(tag::SEQUENCE, &[2, 1, 0]));
        assert!(matches!(given.check(&empty), Err(StampRefused::Token(TokenRefused::NoToken))));
        let html = b"<html>not here</html>";
        assert!(matches!(given.check(html), Err(StampRefused::Token(TokenRefused::Malformed(_)))));
    }

    /// Every bit but those that nothing signs and nothing rests on: none of the statement, of the attributes, of the
    /// signature or of the certificate can change.
    #[test]
    fn no_flipped_bit_says_something_else() {
        let given = Given::new();
        let good = fixture("p256.tsr");
        let whole = given.check(&good).unwrap();
        let mut refused = 0;
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut flipped = good.clone();
                flipped[at] ^= 1 << bit;
                match given.check(&flipped) {
                    Ok(checked) => assert_eq!(checked, whole, "byte {at} bit {bit}"),
                    Err(_) => refused += 1,
                }
            }
        }
        let unsigned = good.len() * 8 - refused;
        assert!(unsigned < 250, "{unsigned} flips change nothing that counts");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Given::new().check(&bytes).is_err());
        }
    }
}
