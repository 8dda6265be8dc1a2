//! Names that say alone that their value is secret, however a forwarder, a configuration file or an HTTP library
//! spells them: `secretAccessKey`, `SecretAccessKey`, `secret_access_key`, `AWS_SECRET_ACCESS_KEY`, `X-Api-Key`.
//!
//! It compares names only. Where a name stands, and what its value is, is for the searches of fields and of words.

use super::Ruling;
use crate::source::Transform;

/// A name whose value is secret.
pub(super) struct TellingName {
    /// Its words, in lower case.
    pub words: &'static [&'static str],
    /// What becomes of the value.
    pub ruling: Ruling,
    /// Where the name tells.
    pub tells: Tells,
}

/// Where a name tells that its value is secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// As a member of any document, and in front of `:` or `=` in bytes that are no JSON.
    Everywhere,
    /// As a member of any document; without quotes around it, it may be a word.
    AsMember,
    /// In bytes that are no JSON, in quotes or in front of `=`; the sources say where it is secret in theirs.
    InText,
}

/// Every such name.
pub(super) const TELLING_NAMES: &[TellingName] = &[
    telling(&["secret", "access", "key"], "aws.secret_access_key", Tells::Everywhere),
    telling(&["aws", "secret", "access", "key"], "aws.secret_access_key", Tells::Everywhere),
    telling(&["session", "token"], "aws.session_token", Tells::Everywhere),
    telling(&["aws", "session", "token"], "aws.session_token", Tells::Everywhere),
    telling(&["aws", "security", "token"], "aws.session_token", Tells::Everywhere),
    telling(&["x", "amz", "security", "token"], "aws.session_token", Tells::Everywhere),
    telling(&["x", "vault", "token"], "http.header", Tells::Everywhere),
    telling(&["vault", "token"], "http.header", Tells::Everywhere),
    telling(&["x", "api", "key"], "http.header", Tells::Everywhere),
    header(&["authorization"], has_blank),
    header(&["proxy", "authorization"], has_blank),
    header(&["cookie"], has_equals_sign),
    header(&["set", "cookie"], has_equals_sign),
    telling(&["password"], "aws.password", Tells::InText),
    telling(&["passwd"], "aws.password", Tells::InText),
    telling(&["client", "secret"], "aws.client_secret", Tells::InText),
];

impl TellingName {
    /// Whether `name` is this one in some spelling.
    pub(super) fn is(&self, name: &[u8]) -> bool {
        let words = self.words.iter().flat_map(|word| word.bytes());
        name.iter().filter(|byte| !is_joint(**byte)).map(u8::to_ascii_lowercase).eq(words)
    }

    /// The name with `joint` between its words.
    pub(super) fn joined(&self, joint: &str) -> String {
        self.words.join(joint)
    }
}

/// The name that tells of a member called `name`.
pub(super) fn telling_member(name: &[u8]) -> Option<&'static TellingName> {
    TELLING_NAMES.iter().find(|telling| telling.tells != Tells::InText && telling.is(name))
}

const fn telling(words: &'static [&'static str], rule: &'static str, tells: Tells) -> TellingName {
    let ruling = Ruling { rule, transform: Transform::Nothing, holds_secret: |_| true };
    TellingName { words, ruling, tells }
}

/// The name of a header, which is an ordinary word too: its value must look like one of the header.
const fn header(words: &'static [&'static str], holds_secret: fn(&str) -> bool) -> TellingName {
    let ruling = Ruling { rule: "http.header", transform: Transform::Nothing, holds_secret };
    TellingName { words, ruling, tells: Tells::AsMember }
}

fn is_joint(byte: u8) -> bool {
    matches!(byte, b'_' | b'-')
}

/// A scheme and credentials (RFC 9110 §11.4).
fn has_blank(value: &str) -> bool {
    value.contains(' ')
}

/// Names and values (RFC 6265 §4).
fn has_equals_sign(value: &str) -> bool {
    value.contains('=')
}
