//! What stands in a captured record in place of a withheld value: `[withheld:<rule>]`, or
//! `[withheld:<rule> <transform>=<value>]` where something of the value stays.
//!
//! It holds no character that a JSON string would have to escape, at any depth of wrapping, and reading it again
//! never finds a secret in it.

const OPENING: &str = "[withheld:";

/// Longest placeholder: rule and transform are short names, the value is at most 128 bytes.
const LONGEST: usize = 256;

/// A placeholder taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder<'a> {
    /// The rule that withheld the value.
    pub rule: &'a str,
    /// Name of the transform and what it gave, such as `jti` and the id.
    pub kept: Option<(&'a str, &'a str)>,
}

impl<'a> Placeholder<'a> {
    /// Reads a text that is a placeholder and nothing else.
    pub fn read(text: &'a str) -> Option<Self> {
        let inner = text.strip_prefix(OPENING)?.strip_suffix(']')?;
        if text.len() > LONGEST || !inner.bytes().all(|byte| byte == b' ' || is_value_byte(byte)) {
            return None;
        }
        let Some((rule, kept)) = inner.split_once(' ') else { return Some(Self { rule: inner, kept: None }) };
        Some(Self { rule, kept: Some(kept.split_once('=')?) })
    }

    /// What became of the value: `hash` or `seal` by a capture policy, else `drop`, also where the source's own
    /// transform of it stays.
    pub fn method(&self) -> &'static str {
        match self.kept {
            Some(("hmac", _)) => "hash",
            Some(("sealed", _)) => "seal",
            _ => "drop",
        }
    }
}

/// Every placeholder in captured bytes, with the offset at which it begins.
pub fn placeholders(captured: &[u8]) -> Vec<(usize, Placeholder<'_>)> {
    let mut found = Vec::new();
    for start in memchr::memmem::find_iter(captured, OPENING.as_bytes()) {
        let rest = &captured[start..captured.len().min(start + LONGEST)];
        let text = memchr::memchr(b']', rest).and_then(|end| std::str::from_utf8(&rest[..=end]).ok());
        found.extend(text.and_then(Placeholder::read).map(|placeholder| (start, placeholder)));
    }
    found
}

/// Where the placeholders of a text stand.
pub(crate) fn placeholder_spans(text: &str) -> Vec<std::ops::Range<usize>> {
    let starts = placeholders(text.as_bytes()).into_iter().map(|(start, _)| start);
    starts.filter_map(|start| Some(start..start + length_at_start(&text.as_bytes()[start..])?)).collect()
}

/// Writes the text of a placeholder.
pub(super) fn write(rule: &str, kept: Option<&(&'static str, String)>, out: &mut Vec<u8>) {
    out.extend_from_slice(OPENING.as_bytes());
    out.extend_from_slice(rule.as_bytes());
    if let Some((transform, value)) = kept {
        for part in [b" ", transform.as_bytes(), b"=", value.as_bytes()] {
            out.extend_from_slice(part);
        }
    }
    out.push(b']');
}

/// Whether a placeholder in `text` covers the byte at `at`.
pub(super) fn covers(text: &[u8], at: usize) -> bool {
    let from = at.saturating_sub(LONGEST);
    let Some(start) =
        memchr::memmem::rfind(&text[from..text.len().min(at + OPENING.len())], OPENING.as_bytes())
    else {
        return false;
    };
    let candidate = &text[from + start..];
    let end = memchr::memchr(b']', candidate).map_or(0, |end| end + 1);
    from + start <= at
        && at < from + start + end
        && std::str::from_utf8(&candidate[..end]).is_ok_and(|text| Placeholder::read(text).is_some())
}

/// Length of the placeholder that `text` begins with.
pub(super) fn length_at_start(text: &[u8]) -> Option<usize> {
    let end = memchr::memchr(b']', &text[..text.len().min(LONGEST)])? + 1;
    let candidate = std::str::from_utf8(&text[..end]).ok()?;
    Placeholder::read(candidate).map(|_| end)
}

/// Whether a placeholder begins somewhere in `text`.
pub(super) fn begins_in(text: &[u8]) -> bool {
    memchr::memmem::find(text, OPENING.as_bytes()).is_some()
}

/// Whether a byte may stand in the value that a placeholder keeps.
pub(super) fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'=' | b'+' | b'/')
}
