//! What a signed client certificate says of itself: the digest that later records name it by, whom it speaks for,
//! and when it ends; and whom a request for one would speak for.
//!
//! Reads PEM (RFC 7468) and as much DER (X.690) as the way to those fields in `TBSCertificate` (RFC 5280 §4.1) and
//! in `CertificationRequestInfo` (PKCS #10, RFC 2986 §4.1) needs. It checks no signature: the API server did that
//! before it accepted either.

use std::fmt::Write as _;

use ascribe_model::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::moment::Moment;

/// A client certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// `X509SHA256=` and the lower-case hexadecimal SHA-256 of the DER bytes: what the API server records as the
    /// credential id of whoever uses it.
    pub credential_id: String,
    /// The subject's common name, which Kubernetes takes for the user name.
    pub common_name: Option<String>,
    pub not_after: Option<Timestamp>,
}

impl Certificate {
    /// Reads the first certificate of a PEM text, which is the client's own; its issuers follow. `None` where the
    /// text holds none that can be read.
    pub fn from_pem(text: &str) -> Option<Self> {
        let der = from_pem(text, "CERTIFICATE")?;
        let (subject, not_after) = subject_and_end(&der)?;
        Some(Self { credential_id: credential_id(&der), common_name: subject.common_name, not_after })
    }

    /// Reads `status.certificate` of a certificate signing request: base64 of a PEM text.
    pub fn from_status(text: &str) -> Option<Self> {
        Self::from_pem(&decoded_text(text)?)
    }
}

/// Whom a certificate speaks for, or would: Kubernetes takes the common name for the user and each organization for
/// a group.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    pub common_name: Option<String>,
    pub organizations: Vec<String>,
}

impl Subject {
    /// Reads `spec.request` of a certificate signing request: base64 of a PEM text with a PKCS #10 request. `None`
    /// where it holds none that can be read.
    pub fn from_request(text: &str) -> Option<Self> {
        let pem = decoded_text(text)?;
        let der =
            from_pem(&pem, "CERTIFICATE REQUEST").or_else(|| from_pem(&pem, "NEW CERTIFICATE REQUEST"))?;
        let mut request = Elements { rest: Elements { rest: &der }.of(SEQUENCE)? };
        let mut info = Elements { rest: request.of(SEQUENCE)? };
        let _version = info.of(INTEGER)?;
        subject(Elements { rest: info.of(SEQUENCE)? })
    }
}

/// The bytes of the first block of a PEM text with this label.
fn from_pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (content, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let content: String = content.split_whitespace().collect();
    decode(&content)
}

/// The text whose base64 `text` is; `None` where it is not one.
fn decoded_text(text: &str) -> Option<String> {
    String::from_utf8(decode(text)?).ok()
}

/// `None` where the text is not base64: no certificate, then.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn credential_id(der: &[u8]) -> String {
    let mut id = String::with_capacity(75);
    id.push_str("X509SHA256=");
    for byte in Sha256::digest(der) {
        // Writing to a `String` cannot fail.
        write!(id, "{byte:02x}").unwrap_or_default();
    }
    id
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`: the version, which a v1 certificate leaves out.
const VERSION: u8 = 0xa0;
/// 2.5.4.3, the common name.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.4.10, an organization.
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

fn subject_and_end(der: &[u8]) -> Option<(Subject, Option<Timestamp>)> {
    let mut certificate = Elements { rest: Elements { rest: der }.of(SEQUENCE)? };
    let mut signed = Elements { rest: certificate.of(SEQUENCE)? };
    if signed.rest.first() == Some(&VERSION) {
        signed.next()?;
    }
    let _serial_number = signed.next()?;
    let _signature_algorithm = signed.next()?;
    let _issuer = signed.next()?;
    let mut validity = Elements { rest: signed.of(SEQUENCE)? };
    let _not_before = validity.next()?;
    let (tag, not_after) = validity.next()?;
    let named = subject(Elements { rest: signed.of(SEQUENCE)? })?;
    Some((named, moment(tag, not_after)))
}

/// `Name` is a sequence of sets of type and value. Of several common names the last is the user's, as the API server
/// reads them (`crypto/x509/pkix`, `FillFromRDNSequence`).
fn subject(mut names: Elements<'_>) -> Option<Subject> {
    let mut subject = Subject::default();
    while !names.rest.is_empty() {
        let mut attributes = Elements { rest: names.of(SET)? };
        while !attributes.rest.is_empty() {
            let mut attribute = Elements { rest: attributes.of(SEQUENCE)? };
            let kind = attribute.of(OBJECT_IDENTIFIER)?;
            let (_, value) = attribute.next()?;
            let Ok(value) = std::str::from_utf8(value) else { continue };
            if kind == COMMON_NAME {
                subject.common_name = Some(value.to_owned());
            } else if kind == ORGANIZATION {
                subject.organizations.push(value.to_owned());
            }
        }
    }
    Some(subject)
}

/// `YYMMDDhhmmssZ` until 2049 and `YYYYMMDDhhmmssZ` from then on (RFC 5280 §4.1.2.5).
fn moment(tag: u8, content: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(content).ok()?;
    let (century, digits) = match tag {
        UTC_TIME if text.len() == 13 => (if text < "50" { "20" } else { "19" }, text),
        GENERALIZED_TIME if text.len() == 15 => ("", text),
        _ => return None,
    };
    let text = format!("{century}{digits}");
    let part = |from: usize, to: usize| text.get(from..to);
    let (date, clock) = (part(0, 8)?, part(8, 15)?);
    let iso = format!(
        "{}-{}-{}T{}:{}:{}",
        date.get(..4)?,
        date.get(4..6)?,
        date.get(6..)?,
        clock.get(..2)?,
        clock.get(2..4)?,
        clock.get(4..)?
    );
    Moment::read(&iso).ok().map(|moment| moment.at)
}

/// The elements of a DER value, one after the other.
struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// Tag and content of the next element; `None` where the bytes are no element.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.rest.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            // Three bytes of length are 16 MiB, more than any record may hold.
            let (bytes, rest) =
                rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 3)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some((tag, content))
    }

    /// Content of the next element, which must have `tag`.
    fn of(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "-----BEGIN CERTIFICATE-----
MIIBFTCByKADAgECAggaKzxNXm9wgTAFBgMrZXAwFTETMBEGA1UEAwwKa3ViZXJu
ZXRlczAeFw0yNjA4MTQwOTA2NThaFw0yNzA4MTQwOTA2NThaMDQxFTATBgNVBAoM
DHN5c3RlbTpub2RlczEbMBkGA1UEAwwSc3lzdGVtOm5vZGU6bm9kZS0zMCowBQYD
K2VwAyEAYG0BAoWludATCGowTFXNpaAmuk7cLjxfDkctLfvjLTSjFzAVMBMGA1Ud
JQQMMAoGCCsGAQUFBwMCMAUGAytlcANBACwhtd0jU6Ha6/2ZAV2y1AK0jzfNfSKS
iPef0cjBgXP+oplIDFOlc5wb7aK6bUIs1NeQ8wmqYSjNvNpCoQIgVwA=
-----END CERTIFICATE-----
";
    /// Ends after 2049, so that its end is a GeneralizedTime.
    const LATE: &str = "-----BEGIN CERTIFICATE-----
MIH4MIGroAMCAQICCBorPE1eb3CBMAUGAytlcDAVMRMwEQYDVQQDDAprdWJlcm5l
dGVzMCAXDTQ5MDEwMTAwMDAwMFoYDzIwNTEwMzA0MDUwNjA3WjAVMRMwEQYDVQQD
DApkZXBsb3ktYm90MCowBQYDK2VwAyEAjUIMdpm4zuKFTKxxZIuYxLlkx26hs7CN
VJSHzELN+BujFzAVMBMGA1UdJQQMMAoGCCsGAQUFBwMCMAUGAytlcANBAGDlqbZQ
WqayY9vzsPWScFGO3MjSGGmXE/qVOt5weOwQzf36IrVtfKsfrIeHOfBUnIY5uOnz
TwRuX0+mPaNCOg0=
-----END CERTIFICATE-----
";

    /// The digests are those of `openssl x509 -fingerprint -sha256`.
    #[test]
    fn a_certificate_says_its_digest_name_and_end() {
        let node = Certificate {
            credential_id: "X509SHA256=2e169e0c819fe1003be39940494b0e3a68fec588451206479254b15a15289e4e"
                .to_owned(),
            common_name: Some("system:node:node-3".to_owned()),
            not_after: "2027-08-14T09:06:58Z".parse().ok(),
        };
        let late = Certificate {
            credential_id: "X509SHA256=36b8b1d55f7298450a12ec4f18072a93820cae4bf3bc33b13b190a18dc00e9d1"
                .to_owned(),
            common_name: Some("deploy-bot".to_owned()),
            not_after: "2051-03-04T05:06:07Z".parse().ok(),
        };
        assert_eq!(Certificate::from_pem(NODE).as_ref(), Some(&node));
        assert_eq!(Certificate::from_pem(LATE).as_ref(), Some(&late));
        assert_eq!(
            Certificate::from_pem(&format!("{NODE}{LATE}")).as_ref(),
            Some(&node),
            "the first is the client's"
        );
        assert_eq!(Certificate::from_pem(&NODE.replace('\n', "\r\n")).as_ref(), Some(&node));
        assert_eq!(Certificate::from_status(&STANDARD.encode(NODE)).as_ref(), Some(&node));
    }

    /// A request of `openssl req -new -subj "/O=ops/O=dev/CN=first/CN=bob"`.
    const REQUEST: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIG5MG0CAQAwOjEMMAoGA1UECgwDb3BzMQwwCgYDVQQKDANkZXYxDjAMBgNVBAMM
BWZpcnN0MQwwCgYDVQQDDANib2IwKjAFBgMrZXADIQAbgYoP9LnOP8ONA29+29I0
+yuNYOjddXIsSk/AzG7L3aAAMAUGAytlcANBACkWzCQW1xGxOqgEHjcrkYLazjGR
wC+u9WhDcU06Yfum/7AhN7+ZUJrhWzJxWPX9hi/mEc3kSXKoT5g7HZ96FAk=
-----END CERTIFICATE REQUEST-----
";

    #[test]
    fn a_request_says_whom_its_certificate_would_speak_for() {
        let expected = Subject {
            common_name: Some("bob".to_owned()),
            organizations: vec!["ops".to_owned(), "dev".to_owned()],
        };
        assert_eq!(Subject::from_request(&STANDARD.encode(REQUEST)).as_ref(), Some(&expected));
        let new = REQUEST.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
        assert_eq!(Subject::from_request(&STANDARD.encode(new)), Some(expected));
        for text in ["", "!", REQUEST, &STANDARD.encode(NODE), &STANDARD.encode([0xff, 0xfe])] {
            assert_eq!(Subject::from_request(text), None, "{text}");
        }
    }

    #[test]
    fn a_request_that_is_cut_off_or_altered_is_read_without_a_panic() {
        let der: String = REQUEST.lines().filter(|line| !line.starts_with("---")).collect();
        let der = STANDARD.decode(der).unwrap();
        let read = |der: &[u8]| {
            let content = STANDARD.encode(der);
            let pem = format!(
                "-----BEGIN CERTIFICATE REQUEST-----\n{content}\n-----END CERTIFICATE REQUEST-----\n"
            );
            Subject::from_request(&STANDARD.encode(pem))
        };
        for length in 0..der.len() {
            assert_eq!(read(&der[..length]), None, "cut at {length}");
        }
        for position in 0..der.len() {
            for byte in [0x00, 0x30, 0x31, 0x80, 0x84, 0xff] {
                let mut altered = der.clone();
                altered[position] = byte;
                let organizations = read(&altered).map_or(0, |subject| subject.organizations.len());
                assert!(organizations <= der.len(), "byte {position}");
            }
        }
    }

    #[test]
    fn a_text_without_a_certificate_is_none() {
        let request = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n";
        for text in ["", "[withheld:x]", request, &NODE[..200], &NODE.replace("MIIB", "****")] {
            assert_eq!(Certificate::from_pem(text), None, "{text}");
        }
        assert_eq!(Certificate::from_status(NODE), None);
    }

    #[test]
    fn a_certificate_that_is_cut_off_is_none() {
        let der = NODE.lines().filter(|line| !line.starts_with("---")).collect::<String>();
        let der = STANDARD.decode(der).unwrap();
        for length in 0..der.len() {
            let pem = format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                STANDARD.encode(&der[..length])
            );
            assert_eq!(Certificate::from_pem(&pem), None, "cut at {length}");
        }
    }
}
