//! Answers of timestamp authorities (RFC 3161), as far as they can be read without any key: what an authority claims,
//! and the parts over which its signature is checked. Whether the signature holds is not known here: that takes RSA or
//! ECDSA and a chain to a trusted root.
//!
//! Read are the structures of RFC 3161 §2.4.2, RFC 5652 §5 (signed data), RFC 2634 §5.4 and RFC 5035 (which
//! certificate signed) and of RFC 5280 what names a certificate.

use ascribe_model::Timestamp;

use super::der::{Der, DerError, Element, Oid, tag};

/// Longest answer that is read, in bytes. Those of known authorities have 1 to 8 KiB.
pub const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// Certificates that an answer may carry.
const CERTIFICATES_MAX: usize = 16;

/// Identifiers, by their bytes.
pub mod oid {
    use super::Oid;

    /// id-sha1.
    pub const SHA1: Oid<'static> = Oid(&[0x2b, 0x0e, 0x03, 0x02, 0x1a]);
    /// id-sha256.
    pub const SHA256: Oid<'static> = Oid(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]);
    /// id-sha384.
    pub const SHA384: Oid<'static> = Oid(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02]);
    /// id-sha512.
    pub const SHA512: Oid<'static> = Oid(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03]);
    /// rsaEncryption.
    pub const RSA: Oid<'static> = Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]);
    /// sha256WithRSAEncryption.
    pub const RSA_SHA256: Oid<'static> = Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]);
    /// sha384WithRSAEncryption.
    pub const RSA_SHA384: Oid<'static> = Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c]);
    /// sha512WithRSAEncryption.
    pub const RSA_SHA512: Oid<'static> = Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d]);
    /// ecdsa-with-SHA256.
    pub const ECDSA_SHA256: Oid<'static> = Oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
    /// ecdsa-with-SHA384.
    pub const ECDSA_SHA384: Oid<'static> = Oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]);
    /// id-kp-timeStamping.
    pub const TIME_STAMPING: Oid<'static> = Oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08]);

    pub(super) const SIGNED_DATA: Oid<'static> = Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02]);
    pub(super) const TST_INFO: Oid<'static> =
        Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04]);
    pub(super) const CONTENT_TYPE: Oid<'static> =
        Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03]);
    pub(super) const MESSAGE_DIGEST: Oid<'static> =
        Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04]);
    pub(super) const SIGNING_CERTIFICATE: Oid<'static> =
        Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c]);
    pub(super) const SIGNING_CERTIFICATE_V2: Oid<'static> =
        Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f]);
    pub(super) const EXTENDED_KEY_USAGE: Oid<'static> = Oid(&[0x55, 0x1d, 0x25]);
}

/// Why an answer is not a timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefused {
    /// Not the encoding of the format.
    #[error("the encoding is not that of a timestamp")]
    Malformed(#[from] DerError),
    /// Longer than any.
    #[error("the answer has {found} bytes, at most {MAX_RESPONSE_BYTES} are read")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// The authority did not grant one.
    #[error("the authority did not grant it: status {status} ({}){}", status_name(*.status), said(.text))]
    NotGranted {
        /// PKIStatus.
        status: u32,
        /// What the authority says.
        text: Vec<String>,
    },
    /// Granted, but there is none.
    #[error("the authority granted it and sent none")]
    NoToken,
    /// Another thing than the format has there.
    #[error("{what} is `{found}`, expected `{expected}`")]
    Other {
        /// What.
        what: &'static str,
        /// In the format.
        expected: String,
        /// In the answer.
        found: String,
    },
    /// A part that has to be there once.
    #[error("{what} is there {found} times, expected once")]
    Count {
        /// Which part.
        what: &'static str,
        /// How often it is there.
        found: usize,
    },
    /// More certificates than are read.
    #[error("it carries more than {CERTIFICATES_MAX} certificates")]
    Certificates,
    /// A time that is none.
    #[error("its time is not a moment in UTC between the years 1677 and 2262")]
    Time,
}

/// A timestamp that an authority granted. Nothing of it is checked but its form.
#[derive(Debug, Clone)]
pub struct Token<'a> {
    /// What the authority states.
    pub info: TokenInfo<'a>,
    /// The bytes of that, over which a digest is signed.
    pub content: &'a [u8],
    /// Certificates that came along, each whole.
    pub certificates: Vec<Certificate<'a>>,
    /// The signature.
    pub signer: Signer<'a>,
}

/// What an authority states (TSTInfo).
#[derive(Debug, Clone)]
pub struct TokenInfo<'a> {
    /// The policy under which it was made.
    pub policy: Oid<'a>,
    /// Algorithm of the digest.
    pub imprint_algorithm: Oid<'a>,
    /// Digest of what was stamped.
    pub imprint: &'a [u8],
    /// Number that the authority gave it, digits to the base 256.
    pub serial: &'a [u8],
    /// When it was made, by the authority's clock.
    pub time: Timestamp,
    /// The number that the request gave, digits to the base 256.
    pub nonce: Option<&'a [u8]>,
}

/// The signature over a token (SignerInfo).
#[derive(Debug, Clone)]
pub struct Signer<'a> {
    /// Issuer and serial number of the certificate, each whole; `None` where it is named by its key.
    pub issuer_and_serial: Option<(&'a [u8], &'a [u8])>,
    /// Algorithm of the digests.
    pub digest_algorithm: Oid<'a>,
    /// Algorithm of the signature.
    pub signature_algorithm: Oid<'a>,
    /// The signature.
    pub signature: &'a [u8],
    /// What is signed: the attributes as a SET.
    pub signed: Vec<u8>,
    /// Digest of the content, as the attributes have it.
    pub message_digest: &'a [u8],
    /// Which certificate signed: algorithm and digest.
    pub certificate_digests: Vec<(Oid<'a>, &'a [u8])>,
}

/// A certificate, and what names it.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    /// All of it.
    pub whole: &'a [u8],
    /// Its issuer, whole.
    pub issuer: &'a [u8],
    /// Its serial number, whole.
    pub serial: &'a [u8],
    /// Whether it says, and says as critical, that its key makes timestamps and does nothing else.
    pub only_stamps: bool,
}

impl<'a> Token<'a> {
    /// Reads the answer of an authority (TimeStampResp).
    ///
    /// # Errors
    /// [`TokenRefused`] where it is none, or none was granted.
    pub fn from_response(response: &'a [u8]) -> Result<Self, TokenRefused> {
        if response.len() > MAX_RESPONSE_BYTES {
            return Err(TokenRefused::TooLong { found: response.len() });
        }
        let mut outer = Der::new(response, "the answer");
        let mut answer = outer.enter(tag::SEQUENCE, "the answer")?;
        outer.finish()?;
        let mut status = answer.enter(tag::SEQUENCE, "the status")?;
        let number = status.small("the status")?;
        let mut text = Vec::new();
        if let Some(texts) = status.optional(tag::SEQUENCE, "the status text")? {
            let mut texts = Der::new(texts.content, "the status text");
            while !texts.is_at_end() {
                let one = texts.expect(tag::UTF8_STRING, "the status text")?.content;
                text.push(String::from_utf8_lossy(one).into_owned());
            }
        }
        status.optional(tag::BIT_STRING, "the failure")?;
        status.finish()?;
        // 0 is granted, 1 is granted with modifications.
        if number > 1 {
            return Err(TokenRefused::NotGranted { status: number, text });
        }
        if answer.is_at_end() {
            return Err(TokenRefused::NoToken);
        }
        let mut token = answer.enter(tag::SEQUENCE, "the token")?;
        answer.finish()?;
        require_oid(&mut token, "the type of the token", oid::SIGNED_DATA)?;
        let mut explicit = token.enter(tag::constructed(0), "the token")?;
        token.finish()?;
        let data = explicit.enter(tag::SEQUENCE, "the signed data")?;
        explicit.finish()?;
        Self::from_signed_data(data)
    }

    fn from_signed_data(mut data: Der<'a>) -> Result<Self, TokenRefused> {
        require_number("the version of the signed data", 3, data.small("the version")?)?;
        data.expect(tag::SET, "the digest algorithms")?;
        let mut inner = data.enter(tag::SEQUENCE, "the content")?;
        require_oid(&mut inner, "the type of the content", oid::TST_INFO)?;
        let mut explicit = inner.enter(tag::constructed(0), "the content")?;
        inner.finish()?;
        let content = explicit.expect(tag::OCTET_STRING, "the content")?.content;
        explicit.finish()?;
        let mut certificates = Vec::new();
        if let Some(set) = data.optional(tag::constructed(0), "the certificates")? {
            let mut set = Der::new(set.content, "the certificates");
            while !set.is_at_end() {
                if certificates.len() == CERTIFICATES_MAX {
                    return Err(TokenRefused::Certificates);
                }
                certificates.push(Certificate::read(set.expect(tag::SEQUENCE, "a certificate")?)?);
            }
        }
        data.optional(tag::constructed(1), "the revocation lists")?;
        let mut signers = data.enter(tag::SET, "the signers")?;
        data.finish()?;
        let signer = Signer::read(signers.enter(tag::SEQUENCE, "the signer")?)?;
        if !signers.is_at_end() {
            return Err(TokenRefused::Count { what: "a signer", found: 2 });
        }
        Ok(Self { info: TokenInfo::read(content)?, content, certificates, signer })
    }
}

impl<'a> TokenInfo<'a> {
    fn read(content: &'a [u8]) -> Result<Self, TokenRefused> {
        let mut outer = Der::new(content, "the statement");
        let mut info = outer.enter(tag::SEQUENCE, "the statement")?;
        outer.finish()?;
        require_number("the version of the statement", 1, info.small("the version")?)?;
        let policy = info.oid("the policy")?;
        let mut imprint = info.enter(tag::SEQUENCE, "the imprint")?;
        let imprint_algorithm = algorithm(&mut imprint, "the imprint's algorithm")?;
        let digest = imprint.expect(tag::OCTET_STRING, "the imprint")?.content;
        imprint.finish()?;
        let serial = info.expect(tag::INTEGER, "the serial number")?.content;
        let time = moment(info.expect(tag::GENERALIZED_TIME, "the time")?.content)?;
        info.optional(tag::SEQUENCE, "the accuracy")?;
        info.optional(tag::BOOLEAN, "the ordering")?;
        let nonce = match info.optional(tag::INTEGER, "the nonce")? {
            Some(element) => Some(Der::new(element.whole, "the nonce").unsigned("the nonce")?),
            None => None,
        };
        info.optional(tag::constructed(0), "the authority's name")?;
        info.optional(tag::constructed(1), "the extensions")?;
        info.finish()?;
        Ok(Self { policy, imprint_algorithm, imprint: digest, serial, time, nonce })
    }
}

impl<'a> Signer<'a> {
    fn read(mut info: Der<'a>) -> Result<Self, TokenRefused> {
        info.small("the version of the signer")?;
        let name = info.any("the signer's name")?;
        let issuer_and_serial = if name.tag == tag::SEQUENCE {
            let mut name = Der::new(name.content, "the signer's name");
            let issuer = name.expect(tag::SEQUENCE, "the signer's issuer")?.whole;
            let serial = name.expect(tag::INTEGER, "the signer's serial number")?.whole;
            name.finish()?;
            Some((issuer, serial))
        } else {
            None
        };
        let mut digest = info.enter(tag::SEQUENCE, "the digest algorithm")?;
        let digest_algorithm = digest.oid("the digest algorithm")?;
        let attributes = info.expect(tag::constructed(0), "the signed attributes")?;
        let signature_algorithm = algorithm(&mut info, "the signature algorithm")?;
        let signature = info.expect(tag::OCTET_STRING, "the signature")?.content;
        info.optional(tag::constructed(1), "the unsigned attributes")?;
        info.finish()?;
        let attributes_read = Attributes::read(attributes.content)?;
        // What is signed has the tag of a SET in the place of the one that the context gives (RFC 5652 §5.4).
        let signed = [&[tag::SET], &attributes.whole[1..]].concat();
        Ok(Self {
            issuer_and_serial,
            digest_algorithm,
            signature_algorithm,
            signature,
            signed,
            message_digest: attributes_read.message_digest,
            certificate_digests: attributes_read.certificate_digests,
        })
    }
}

/// The signed attributes that a timestamp has to have.
struct Attributes<'a> {
    message_digest: &'a [u8],
    certificate_digests: Vec<(Oid<'a>, &'a [u8])>,
}

impl<'a> Attributes<'a> {
    fn read(content: &'a [u8]) -> Result<Self, TokenRefused> {
        let mut set = Der::new(content, "the signed attributes");
        let (mut types, mut digests, mut bound, mut bindings) = (0, Vec::new(), Vec::new(), [0; 2]);
        while !set.is_at_end() {
            let mut attribute = set.enter(tag::SEQUENCE, "a signed attribute")?;
            let name = attribute.oid("the name of an attribute")?;
            let mut values = attribute.enter(tag::SET, "the values of an attribute")?;
            attribute.finish()?;
            if name == oid::CONTENT_TYPE {
                types += 1;
                require_oid(&mut values, "the signed type of the content", oid::TST_INFO)?;
            } else if name == oid::MESSAGE_DIGEST {
                digests.push(values.expect(tag::OCTET_STRING, "the digest of the content")?.content);
            } else if name == oid::SIGNING_CERTIFICATE {
                bindings[0] += 1;
                bound.extend(certificate_digests(&mut values, Binding::First)?);
            } else if name == oid::SIGNING_CERTIFICATE_V2 {
                bindings[1] += 1;
                bound.extend(certificate_digests(&mut values, Binding::Second)?);
            } else {
                continue;
            }
            values.finish()?;
        }
        let once = |what, found| if found == 1 { Ok(()) } else { Err(TokenRefused::Count { what, found }) };
        once("the signed type of the content", types)?;
        once("the digest of the content", digests.len())?;
        // Either form will do, and both may be there; they are checked alike.
        once("the name of the signing certificate", bindings[0].max(bindings[1]))?;
        Ok(Self { message_digest: digests[0], certificate_digests: bound })
    }
}

/// The two forms of naming the certificate that signed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Binding {
    /// By SHA-1 (RFC 2634).
    First,
    /// By any digest (RFC 5035).
    Second,
}

/// The digest of the certificate that signed: the first that is listed. The others, which are of its chain, are read
/// and not used.
fn certificate_digests<'a>(
    values: &mut Der<'a>,
    binding: Binding,
) -> Result<Option<(Oid<'a>, &'a [u8])>, TokenRefused> {
    const WHAT: &str = "the name of the signing certificate";
    let mut value = values.enter(tag::SEQUENCE, WHAT)?;
    let mut listed = value.enter(tag::SEQUENCE, WHAT)?;
    value.optional(tag::SEQUENCE, "the policies")?;
    value.finish()?;
    let mut first = None;
    while !listed.is_at_end() {
        let mut one = listed.enter(tag::SEQUENCE, WHAT)?;
        let algorithm = match binding {
            Binding::First => oid::SHA1,
            Binding::Second => match one.optional(tag::SEQUENCE, WHAT)? {
                Some(element) => Der::new(element.content, WHAT).oid(WHAT)?,
                None => oid::SHA256,
            },
        };
        let digest = one.expect(tag::OCTET_STRING, WHAT)?.content;
        one.optional(tag::SEQUENCE, WHAT)?;
        one.finish()?;
        first = first.or(Some((algorithm, digest)));
    }
    Ok(first)
}

impl<'a> Certificate<'a> {
    /// Reads one certificate.
    ///
    /// # Errors
    /// [`TokenRefused`] where it is none.
    pub fn from_der(bytes: &'a [u8]) -> Result<Self, TokenRefused> {
        let mut outer = Der::new(bytes, "the certificate");
        let element = outer.expect(tag::SEQUENCE, "the certificate")?;
        outer.finish()?;
        Self::read(element)
    }

    fn read(element: Element<'a>) -> Result<Self, TokenRefused> {
        let mut certificate = Der::new(element.content, "a certificate");
        let mut body = certificate.enter(tag::SEQUENCE, "the body of a certificate")?;
        body.optional(tag::constructed(0), "the version of a certificate")?;
        let serial = body.expect(tag::INTEGER, "the serial number of a certificate")?.whole;
        body.expect(tag::SEQUENCE, "the algorithm of a certificate")?;
        let issuer = body.expect(tag::SEQUENCE, "the issuer of a certificate")?.whole;
        body.expect(tag::SEQUENCE, "the validity of a certificate")?;
        body.expect(tag::SEQUENCE, "the subject of a certificate")?;
        body.expect(tag::SEQUENCE, "the key of a certificate")?;
        let mut only_stamps = false;
        while !body.is_at_end() {
            let part = body.any("a part of a certificate")?;
            if part.tag == tag::constructed(3) {
                only_stamps = only_stamps_in(part.content)?;
            }
        }
        Ok(Self { whole: element.whole, issuer, serial, only_stamps })
    }
}

/// Whether the extensions of a certificate say, as critical, that its key makes timestamps and nothing else
/// (RFC 3161 §2.3).
fn only_stamps_in(extensions: &[u8]) -> Result<bool, DerError> {
    let mut explicit = Der::new(extensions, "the extensions of a certificate");
    let mut list = explicit.enter(tag::SEQUENCE, "the extensions of a certificate")?;
    explicit.finish()?;
    let mut only_stamps = false;
    while !list.is_at_end() {
        let mut extension = list.enter(tag::SEQUENCE, "an extension of a certificate")?;
        let name = extension.oid("the name of an extension")?;
        let critical = extension.optional(tag::BOOLEAN, "whether an extension is critical")?;
        let value = extension.expect(tag::OCTET_STRING, "the value of an extension")?.content;
        extension.finish()?;
        if name == oid::EXTENDED_KEY_USAGE {
            let mut outer = Der::new(value, "the use of a key");
            let mut uses = outer.enter(tag::SEQUENCE, "the use of a key")?;
            outer.finish()?;
            let first = uses.oid("the use of a key")?;
            let is_critical = critical.is_some_and(|critical| critical.content == [0xff]);
            only_stamps = is_critical && first == oid::TIME_STAMPING && uses.is_at_end();
        }
    }
    Ok(only_stamps)
}

/// An AlgorithmIdentifier, by its name; parameters are NULL or absent in all that are known here, and not looked at.
fn algorithm<'a>(der: &mut Der<'a>, what: &'static str) -> Result<Oid<'a>, DerError> {
    der.enter(tag::SEQUENCE, what)?.oid(what)
}

fn require_oid(der: &mut Der<'_>, what: &'static str, expected: Oid<'_>) -> Result<(), TokenRefused> {
    let found = der.oid(what)?;
    if found == expected {
        return Ok(());
    }
    Err(TokenRefused::Other { what, expected: expected.to_string(), found: found.to_string() })
}

fn require_number(what: &'static str, expected: u32, found: u32) -> Result<(), TokenRefused> {
    if found == expected {
        return Ok(());
    }
    Err(TokenRefused::Other { what, expected: expected.to_string(), found: found.to_string() })
}

/// `YYYYMMDDhhmmss[.f]Z`, where `f` does not end in a zero (X.690 §11.7).
fn moment(text: &[u8]) -> Result<Timestamp, TokenRefused> {
    let text =
        std::str::from_utf8(text).ok().and_then(|text| text.strip_suffix('Z')).ok_or(TokenRefused::Time)?;
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = fraction.is_none_or(|it| digits(it) && (1..=9).contains(&it.len()) && !it.ends_with('0'));
    if whole.len() != 14 || !digits(whole) || !fits {
        return Err(TokenRefused::Time);
    }
    let fraction = fraction.map(|fraction| format!(".{fraction}")).unwrap_or_default();
    let (date, time) = whole.split_at(8);
    let rfc3339 = format!(
        "{}-{}-{}T{}:{}:{}{fraction}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..]
    );
    rfc3339.parse().map_err(|_| TokenRefused::Time)
}

fn status_name(status: u32) -> &'static str {
    match status {
        0 => "granted",
        1 => "granted with modifications",
        2 => "rejection",
        3 => "waiting",
        4 => "a revocation is near",
        5 => "revoked",
        _ => "unknown",
    }
}

fn said(text: &[String]) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", text.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_form() {
        let shown = |text: &str| moment(text.as_bytes()).map(|time| time.to_string()).ok();
        assert_eq!(shown("20261129044500Z").as_deref(), Some("2026-11-29T04:45:00Z"));
        assert_eq!(shown("20261129044500.25Z").as_deref(), Some("2026-11-29T04:45:00.25Z"));
        for bad in [
            "",
            "20261129044500",
            "202611290445Z",
            "20261129044500.Z",
            "20261129044500.50Z",
            "20261329044500Z",
            "20261129044500+0100",
            "2026-1-29044500Z",
        ] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
