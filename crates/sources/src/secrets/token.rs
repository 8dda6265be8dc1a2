//! Known formats of tokens and keys, found anywhere in a text.
//!
//! Each format begins with an anchor that rarely stands in ordinary text; behind it, enough of the structure is
//! checked that ordinary text does not match. The texts are decoded strings, or raw bytes in which no escape stands.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::placeholder;
use crate::source::Transform;

/// A known format.
pub(super) struct TokenFormat {
    /// Name of the rule.
    pub rule: &'static str,
    /// Texts with which it begins.
    pub anchors: &'static [&'static str],
    /// What stays of it.
    pub transform: Transform,
    shape: Shape,
}

enum Shape {
    /// The anchor and a run of characters behind it.
    Run { class: fn(u8) -> bool, length: Length, check: fn(&[u8]) -> bool },
    /// The run alone; the anchor is a name that stays.
    Value { class: fn(u8) -> bool, length: Length },
    /// `BEGIN` to `END` of a PEM block.
    PrivateKey,
    /// JWS or JWE in compact form (RFC 7515 §7.1, RFC 7516 §7.1).
    Jwt,
    /// The password of `scheme://user:password@`.
    UrlPassword,
}

/// Length of the run behind an anchor, in bytes.
enum Length {
    AtLeast(usize),
    Exactly(usize),
}

/// Every format, the one that says most first: where two match the same text, the first gives its rule.
pub(super) const FORMATS: &[TokenFormat] = &[
    TokenFormat {
        rule: "token.private_key",
        anchors: &["-----BEGIN "],
        transform: Transform::Nothing,
        shape: Shape::PrivateKey,
    },
    TokenFormat { rule: "token.jwt", anchors: &["eyJ"], transform: Transform::JwtId, shape: Shape::Jwt },
    TokenFormat {
        rule: "token.aws_session",
        // Base64 of the token's header, which names the issuer (`origin_ec`, `aws`), in its known versions.
        anchors: &[
            "IQoJb3JpZ2lu",
            "AgoJb3JpZ2lu",
            "AgoGb3JpZ2lu",
            "FwoGZXIvYXdz",
            "FQoGZXIvYXdz",
            "FQoDYXdz",
            "AQoDYXdz",
        ],
        transform: Transform::Nothing,
        shape: run(is_base64_or_percent, Length::AtLeast(64)),
    },
    TokenFormat {
        rule: "token.github",
        anchors: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        transform: Transform::Sha256Base64,
        shape: run(is_word, Length::AtLeast(36)),
    },
    TokenFormat {
        rule: "token.github",
        anchors: &["github_pat_"],
        transform: Transform::Sha256Base64,
        shape: run(is_word, Length::AtLeast(60)),
    },
    plain("token.vault", &["hvs.", "hvb.", "hvr."], run(is_url_safe, Length::AtLeast(24))),
    plain(
        "token.slack",
        &["xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-"],
        Shape::Run { class: is_url_safe, length: Length::AtLeast(20), check: has_digit },
    ),
    plain("token.gitlab", &["glpat-"], run(is_url_safe, Length::AtLeast(20))),
    plain("token.npm", &["npm_"], run(is_word, Length::Exactly(36))),
    plain("token.pypi", &["pypi-AgE"], run(is_url_safe, Length::AtLeast(50))),
    plain("token.anthropic", &["sk-ant-"], run(is_url_safe, Length::AtLeast(20))),
    plain(
        "token.openai",
        &["sk-"],
        Shape::Run { class: is_url_safe, length: Length::AtLeast(32), check: is_mixed },
    ),
    plain("token.google_oauth", &["ya29."], run(is_url_safe_or_dot, Length::AtLeast(20))),
    plain("token.google_api_key", &["AIza"], run(is_url_safe, Length::Exactly(35))),
    plain("token.digitalocean", &["dop_v1_"], run(|byte| byte.is_ascii_hexdigit(), Length::Exactly(64))),
    plain("token.sendgrid", &["SG."], run(is_url_safe_or_dot, Length::Exactly(66))),
    plain(
        "token.azure_account_key",
        &["AccountKey="],
        Shape::Value { class: is_base64_or_percent, length: Length::AtLeast(86) },
    ),
    plain(
        "url.aws_signature",
        &["X-Amz-Signature=", "x-amz-signature="],
        Shape::Value { class: |byte| byte.is_ascii_hexdigit(), length: Length::Exactly(64) },
    ),
    plain(
        "url.aws_security_token",
        &["X-Amz-Security-Token=", "x-amz-security-token="],
        Shape::Value { class: is_base64_or_percent, length: Length::AtLeast(16) },
    ),
    plain(
        "http.bearer",
        &["Bearer ", "Bearer+", "Bearer%20", "bearer ", "bearer+", "bearer%20"],
        Shape::Value { class: is_bearer, length: Length::AtLeast(20) },
    ),
    plain("url.password", &["://"], Shape::UrlPassword),
];

impl TokenFormat {
    /// The secrets that an anchor at `at` begins or announces.
    pub(super) fn secrets_at(&self, text: &[u8], at: usize) -> impl Iterator<Item = Range<usize>> {
        let stands =
            move |anchor: &&&str| text.get(at..).is_some_and(|rest| rest.starts_with(anchor.as_bytes()));
        let anchors = self.anchors.iter().filter(stands);
        anchors.filter_map(move |anchor| self.secret_behind(text, at..at + anchor.len()))
    }

    fn secret_behind(&self, text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
        let span = match &self.shape {
            Shape::Run { class, length, check } => {
                let end = end_of_run(text, anchor.end, *class, length)?;
                (begins_word(text, anchor.start) && check(&text[anchor.start..end]))
                    .then_some(anchor.start..end)
            }
            Shape::Value { class, length } => {
                let end = end_of_run(text, anchor.end, *class, length)?;
                Some(anchor.end..end)
            }
            Shape::PrivateKey => private_key(text, anchor),
            Shape::Jwt => jwt(text, anchor.start),
            Shape::UrlPassword => url_password(text, anchor),
        }?;
        (!placeholder::covers(text, span.start)).then_some(span)
    }
}

const fn plain(rule: &'static str, anchors: &'static [&'static str], shape: Shape) -> TokenFormat {
    TokenFormat { rule, anchors, transform: Transform::Nothing, shape }
}

const fn run(class: fn(u8) -> bool, length: Length) -> Shape {
    Shape::Run { class, length, check: |_| true }
}

fn end_of_run(text: &[u8], from: usize, class: fn(u8) -> bool, length: &Length) -> Option<usize> {
    let found = length_of_run(text, from, class);
    let fits = match *length {
        Length::AtLeast(least) => found >= least,
        Length::Exactly(exact) => found == exact,
    };
    fits.then_some(from + found)
}

fn length_of_run(text: &[u8], from: usize, class: fn(u8) -> bool) -> usize {
    text.get(from..).unwrap_or_default().iter().take_while(|byte| class(**byte)).count()
}

/// Whether a word can begin at `at`: nothing of a word stands before it, or a percent escape such as `%3D`.
fn begins_word(text: &[u8], at: usize) -> bool {
    match text.get(..at).unwrap_or_default() {
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., before] => !is_word(*before),
        [] => true,
    }
}

/// Through the end of the `END` line, or to the end of the string where that is missing.
fn private_key(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let string = &text[anchor.start..];
    let string = &string[..memchr::memchr(b'"', string).unwrap_or(string.len())];
    let label_end = anchor.len() + memchr::memmem::find(string.get(anchor.len()..)?, b"-----")?;
    if label_end > 64 || memchr::memmem::find(&string[..label_end], b"PRIVATE KEY").is_none() {
        return None;
    }
    let end = memchr::memmem::find(string, b"-----END ").and_then(|end| {
        let label = end + b"-----END ".len();
        Some(label + memchr::memmem::find(&string[label..], b"-----")? + b"-----".len())
    });
    Some(anchor.start..anchor.start + end.unwrap_or(string.len()))
}

fn jwt(text: &[u8], start: usize) -> Option<Range<usize>> {
    if !begins_word(text, start) || text[..start].last() == Some(&b'.') {
        return None;
    }
    let end = start + length_of_run(text, start, is_url_safe_or_dot);
    let segments: Vec<&[u8]> = text[start..end].split(|byte| *byte == b'.').collect();
    let header = URL_SAFE_NO_PAD.decode(segments[0]).ok()?;
    // A JWS has three segments and a JWE five; a full stop that ends a sentence may follow.
    let names_algorithm = memchr::memmem::find(&header, b"\"alg\"").is_some();
    let has_payload = segments.len() >= 3 && !segments[1].is_empty();
    (names_algorithm && has_payload).then_some(start..end)
}

/// The text of the `jti` claim of a JWT, if it is an identifier of ordinary characters.
pub(super) fn jwt_id(token: &[u8]) -> Option<String> {
    use crate::json::{AtEnd, Prefix, Tape};
    let payload = token.split(|byte| *byte == b'.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let mut tape = Tape::new();
    match tape.parse_prefix(&claims, AtEnd::Yes) {
        Prefix::Complete { .. } => {}
        Prefix::Incomplete | Prefix::Invalid(_) => return None,
    }
    let id = tape.root(&claims).get("jti")?.non_empty()?;
    (id.len() <= 128 && id.bytes().all(placeholder::is_value_byte)).then_some(id)
}

fn url_password(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    const LONGEST: usize = 1024;
    if !text[..anchor.start].last()?.is_ascii_alphanumeric() {
        return None;
    }
    let rest = &text[anchor.end..text.len().min(anchor.end + LONGEST)];
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'@' | b'/' | b'?' | b'#' | b'"' | b'<' | b'>' | 0..=b' '))?;
    let colon = memchr::memchr(b':', &rest[..end])?;
    (rest[end] == b'@' && colon + 1 < end).then_some(anchor.end + colon + 1..anchor.end + end)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_url_safe(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

fn is_url_safe_or_dot(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'.'
}

fn is_base64_or_percent(byte: u8) -> bool {
    is_url_safe(byte) || matches!(byte, b'+' | b'/' | b'=' | b'%')
}

/// `b64token` of RFC 6750 §2.1, and its percent-encoded form.
fn is_bearer(byte: u8) -> bool {
    is_base64_or_percent(byte) || matches!(byte, b'.' | b'~')
}

fn has_digit(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
}

fn is_mixed(text: &[u8]) -> bool {
    has_digit(text) && text.iter().any(u8::is_ascii_uppercase) && text[3..].iter().any(u8::is_ascii_lowercase)
}
