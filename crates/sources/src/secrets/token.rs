//! Known formats of tokens and keys, found anywhere in a text.
//!
//! Each format begins with an anchor that rarely stands in ordinary text; behind it, enough of the structure is
//! checked that ordinary text does not match. The texts are decoded strings, or raw bytes in which no escape stands.

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

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
    Run { class: fn(u8) -> bool, at_least: usize, check: fn(&[u8]) -> bool },
    /// The run alone; the anchor is a name that stays.
    Value { class: fn(u8) -> bool, at_least: usize, check: fn(&[u8]) -> bool },
    /// `BEGIN` to `END` of a PEM block.
    PrivateKey,
    /// JWS or JWE in compact form (RFC 7515 §7.1, RFC 7516 §7.1).
    Jwt,
    /// The password of `scheme://user:password@`.
    UrlPassword,
}

/// How much of a run its check looks at; what it holds of a beginning holds of the whole.
const CHECKED_BYTES: usize = 256;

/// Longest JWT header that is decoded, in base64. Real ones take some 100 bytes, with a key id or thumbprint.
const LONGEST_JWT_HEADER: usize = 1024;

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
        shape: run(is_base64_or_percent, 64),
    },
    TokenFormat {
        rule: "token.github",
        anchors: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        transform: Transform::Sha256Base64 { key: "github.token" },
        shape: run(is_word, 36),
    },
    TokenFormat {
        rule: "token.github",
        anchors: &["github_pat_"],
        transform: Transform::Sha256Base64 { key: "github.token" },
        shape: run(is_word, 60),
    },
    plain("token.vault", &["hvs.", "hvb.", "hvr."], run(is_url_safe, 24)),
    // Tokens of before Vault 1.10 begin with too little to be known by; these paths took them.
    plain(
        "token.vault",
        &["token/lookup/s.", "token/renew/s.", "token/revoke/s.", "token/revoke-orphan/s."],
        value(is_word, 24),
    ),
    plain(
        "token.slack",
        &["xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-"],
        Shape::Run { class: is_url_safe, at_least: 20, check: has_digit },
    ),
    plain("token.gitlab", &["glpat-"], run(is_url_safe, 20)),
    plain("token.npm", &["npm_"], run(is_word, 36)),
    plain("token.pypi", &["pypi-AgE"], run(is_url_safe, 50)),
    plain("token.anthropic", &["sk-ant-"], run(is_url_safe, 20)),
    plain("token.openai", &["sk-"], Shape::Run { class: is_url_safe, at_least: 32, check: is_mixed }),
    plain("token.google_oauth", &["ya29."], run(is_url_safe_or_dot, 20)),
    plain("token.google_api_key", &["AIza"], run(is_url_safe, 35)),
    plain("token.digitalocean", &["dop_v1_"], run(|byte| byte.is_ascii_hexdigit(), 64)),
    plain(
        "token.sendgrid",
        &["SG."],
        Shape::Run { class: is_url_safe_or_dot, at_least: 66, check: is_sendgrid },
    ),
    // A signer key of the notes that C2SP describes: name, key id and base64.
    plain(
        "token.note_key",
        &["PRIVATE+KEY+"],
        Shape::Run { class: is_bearer, at_least: 55, check: is_note_key },
    ),
    plain("token.azure_account_key", &["AccountKey="], value(is_base64_or_percent, 86)),
    plain(
        "url.aws_signature",
        &["X-Amz-Signature=", "x-amz-signature=", "X-Amz-Signature%3D", "x-amz-signature%3D"],
        value(|byte| byte.is_ascii_hexdigit(), 64),
    ),
    plain(
        "url.aws_security_token",
        &[
            "X-Amz-Security-Token=",
            "x-amz-security-token=",
            "X-Amz-Security-Token%3D",
            "x-amz-security-token%3D",
        ],
        value(is_base64_or_percent, 16),
    ),
    // Signature version 2 of S3, and CloudFront. `;` is what is left of `&amp;`.
    plain("url.signature", &["?Signature=", "&Signature=", ";Signature="], value(is_base64_or_percent, 16)),
    // Shared access signatures of Azure: 32 bytes in base64.
    plain("url.signature", &["?sig=", "&sig=", ";sig="], value(is_base64_or_percent, 43)),
    plain(
        "url.token",
        &[
            "?access_token=",
            "&access_token=",
            "?refresh_token=",
            "&refresh_token=",
            "?id_token=",
            "&id_token=",
            "?client_secret=",
            "&client_secret=",
            "?token=",
            "&token=",
        ],
        value(is_bearer, 8),
    ),
    plain(
        "http.basic",
        &["Basic ", "Basic+", "Basic%20", "basic ", "basic+", "basic%20"],
        Shape::Value { class: is_base64, at_least: 6, check: is_user_and_password },
    ),
    plain(
        "http.bearer",
        &["Bearer ", "Bearer+", "Bearer%20", "bearer ", "bearer+", "bearer%20"],
        value(is_bearer, 20),
    ),
    plain("url.password", &["://"], Shape::UrlPassword),
];

/// A search for the secrets of one text, from its front to its back.
///
/// What it remembers keeps the search linear: hostile text repeats anchors inside one long run.
pub(super) struct Search<'t> {
    text: &'t [u8],
    /// Where secrets end that have been found.
    ends: BTreeSet<usize>,
    /// By format.
    progress: [Progress; FORMATS.len()],
}

/// How far a format has come.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Everything before this is a secret that the format has found, or before one.
    covered: usize,
    /// The run last looked at.
    run_start: usize,
    run_end: usize,
}

/// A secret of a known format.
pub(super) struct Found {
    /// Index in [`FORMATS`].
    pub format: usize,
    /// Where it stands in the text.
    pub span: Range<usize>,
}

impl<'t> Search<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, ends: BTreeSet::new(), progress: [Progress::default(); FORMATS.len()] }
    }

    /// Adds the secrets that an anchor at `at` begins or announces. Anchors come in order.
    pub(super) fn look_at(&mut self, at: usize, out: &mut Vec<Found>) {
        for (index, format) in FORMATS.iter().enumerate() {
            let rest = self.text.get(at..).unwrap_or_default();
            for anchor in format.anchors.iter().filter(|anchor| rest.starts_with(anchor.as_bytes())) {
                if let Some(span) = self.secret_behind(index, at..at + anchor.len()) {
                    self.progress[index].covered = span.end;
                    self.ends.insert(span.end);
                    out.push(Found { format: index, span });
                }
            }
        }
    }

    fn secret_behind(&mut self, index: usize, anchor: Range<usize>) -> Option<Range<usize>> {
        if anchor.start < self.progress[index].covered {
            return None;
        }
        let span = match &FORMATS[index].shape {
            Shape::Run { class, at_least, check } => {
                let end = self.end_of_run(index, anchor.end, *class);
                let beginning = &self.text[anchor.start..end.min(anchor.start + CHECKED_BYTES)];
                let fits =
                    end - anchor.end >= *at_least && self.begins_word(anchor.start) && check(beginning);
                fits.then_some(anchor.start..end)
            }
            Shape::Value { class, at_least, check } => {
                let end = self.end_of_run(index, anchor.end, *class);
                let beginning = &self.text[anchor.end..end.min(anchor.end + CHECKED_BYTES)];
                (end - anchor.end >= *at_least && check(beginning)).then_some(anchor.end..end)
            }
            Shape::PrivateKey => private_key(self.text, anchor),
            Shape::Jwt => self.jwt(index, anchor.start),
            Shape::UrlPassword => url_password(self.text, anchor),
        }?;
        (!placeholder::covers(self.text, span.start)).then_some(span)
    }

    /// End of the run of `class` from `from`; one run is walked once.
    fn end_of_run(&mut self, index: usize, from: usize, class: fn(u8) -> bool) -> usize {
        let progress = &mut self.progress[index];
        if !(progress.run_start..=progress.run_end).contains(&from) || progress.run_end == 0 {
            let rest = self.text.get(from..).unwrap_or_default();
            progress.run_start = from;
            progress.run_end = from + rest.iter().take_while(|byte| class(**byte)).count();
        }
        progress.run_end
    }

    /// Whether a word can begin at `at`: nothing of a word stands before it, or a secret that will not stay, or a
    /// percent escape such as `%3D`.
    fn begins_word(&self, at: usize) -> bool {
        match self.text.get(..at).unwrap_or_default() {
            [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
            [.., before] => !is_word(*before) || self.ends.contains(&at),
            [] => true,
        }
    }

    fn jwt(&mut self, index: usize, start: usize) -> Option<Range<usize>> {
        // Behind a full stop it is the payload of a token that begins before.
        if !self.begins_word(start) || self.text[..start].last() == Some(&b'.') {
            return None;
        }
        let window = &self.text[start..self.text.len().min(start + LONGEST_JWT_HEADER)];
        let header_end = memchr::memchr(b'.', window)?;
        let header = URL_SAFE_NO_PAD.decode(&window[..header_end]).ok()?;
        memchr::memmem::find(&header, b"\"alg\"")?;
        // A JWS has three segments and a JWE five, of which some may be empty; only the payload is asked for.
        let end = self.end_of_run(index, start, is_url_safe_or_dot);
        let payload = &self.text[start + header_end + 1..end];
        (memchr::memchr(b'.', payload)? > 0).then_some(start..end)
    }
}

const fn plain(rule: &'static str, anchors: &'static [&'static str], shape: Shape) -> TokenFormat {
    TokenFormat { rule, anchors, transform: Transform::Nothing, shape }
}

const fn run(class: fn(u8) -> bool, at_least: usize) -> Shape {
    Shape::Run { class, at_least, check: |_| true }
}

const fn value(class: fn(u8) -> bool, at_least: usize) -> Shape {
    Shape::Value { class, at_least, check: |_| true }
}

/// Through the end of the `END` line, or to the end of the string where that is missing.
fn private_key(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    const LONGEST_LABEL: usize = 64;
    let window = &text[anchor.end..text.len().min(anchor.end + LONGEST_LABEL)];
    let label = &window[..memchr::memmem::find(window, b"-----")?];
    let is_label = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    if !label.iter().all(is_label) || memchr::memmem::find(label, b"PRIVATE KEY").is_none() {
        return None;
    }
    let string = &text[anchor.start..];
    let string = &string[..memchr::memchr(b'"', string).unwrap_or(string.len())];
    let end = memchr::memmem::find(string, b"-----END ").and_then(|end| {
        let label = end + b"-----END ".len();
        Some(label + memchr::memmem::find(&string[label..], b"-----")? + b"-----".len())
    });
    Some(anchor.start..anchor.start + end.unwrap_or(string.len()))
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
    // A part that was withheld may have held a `/`, which would have ended the search before.
    let withheld = placeholder::begins_in(&rest[..end]);
    (rest[end] == b'@' && colon + 1 < end && !withheld).then_some(anchor.end + colon + 1..anchor.end + end)
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

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
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

/// 22 and 43 characters with a full stop between them.
fn is_sendgrid(text: &[u8]) -> bool {
    let parts = (text.get(3..25), text.get(25), text.get(26..69));
    matches!(parts, (Some(id), Some(b'.'), Some(secret)) if !id.contains(&b'.') && !secret.contains(&b'.'))
}

/// Credentials of RFC 7617 §2: base64 of two texts with a colon between them. The padding may be missing or escaped.
fn is_user_and_password(text: &[u8]) -> bool {
    let digits = text.len() - text.iter().rev().take_while(|byte| **byte == b'=').count();
    let decoded = STANDARD_NO_PAD.decode(&text[..digits - digits % 4]);
    let is_text = |bytes: &[u8]| bytes.iter().all(|byte| !byte.is_ascii_control());
    decoded.is_ok_and(|bytes| bytes.contains(&b':') && is_text(&bytes))
}

/// `PRIVATE+KEY+<name>+<8 hexadecimal digits>+<base64 of 33 bytes>`.
fn is_note_key(text: &[u8]) -> bool {
    text.windows(10)
        .any(|part| part[0] == b'+' && part[9] == b'+' && part[1..9].iter().all(u8::is_ascii_hexdigit))
}
