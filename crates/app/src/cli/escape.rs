//! Log text is hostile: what is shown on a terminal or put into a spreadsheet is made harmless first.

use std::borrow::Cow;

/// Digits of a SHA-256 hash, in hexadecimal.
const HASH_DIGITS: usize = 64;

/// Digits of it that are shown.
const HASH_SHOWN: usize = 12;

/// Text that cannot steer a terminal: control characters, and characters that turn the direction of text around, are
/// shown as escapes. Line feeds and tabs stay.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if harmless(character) { shown.push(character) } else { shown.extend(character.escape_unicode()) }
    }
    Cow::Owned(shown)
}

/// One line of such text: line feeds and tabs are escaped too, and what is longer than `limit` characters is cut,
/// with `…` in place of the rest.
pub fn line(text: &str, limit: usize) -> String {
    let shown = terminal(text).replace('\n', "\\n").replace('\t', "\\t");
    if shown.chars().count() <= limit {
        return shown;
    }
    let mut cut: String = shown.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A sentence or a name as one line, in which hashes of 64 digits are shown by their beginning: that is enough to ask
/// for them, and JSON has them whole.
pub fn brief(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_hash_digit) {
        let (before, digits) = rest.split_at(start);
        let end = digits.find(|digit| !is_hash_digit(digit)).unwrap_or(digits.len());
        let (run, behind) = digits.split_at(end);
        shown.push_str(before);
        match run.get(..HASH_SHOWN).filter(|_| run.len() == HASH_DIGITS) {
            Some(beginning) => shown.extend([beginning, "…"]),
            None => shown.push_str(run),
        }
        rest = behind;
    }
    shown.push_str(rest);
    line(&shown, limit)
}

const fn is_hash_digit(character: char) -> bool {
    matches!(character, '0'..='9' | 'a'..='f')
}

fn harmless(character: char) -> bool {
    match character {
        '\n' | '\t' => true,
        // Bidirectional controls (Unicode TR 9) and other invisible formatting characters.
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}'
        | '\u{061c}'
        | '\u{e0000}'..='\u{e007f}' => false,
        other => !other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_turned_text_are_shown_not_obeyed() {
        assert_eq!(terminal("a\u{1b}[31mred\u{7}"), "a\\u{1b}[31mred\\u{7}");
        assert_eq!(terminal("abc\u{202e}fdp.exe"), "abc\\u{202e}fdp.exe");
        assert_eq!(terminal("Zoë → 東京\n"), "Zoë → 東京\n");
    }

    #[test]
    fn a_line_stays_one_line_and_is_bounded() {
        assert_eq!(line("a\nb", 10), "a\\nb");
        assert_eq!(line("abcdefgh", 4), "abc…");
    }

    #[test]
    fn a_hash_is_shown_by_its_beginning_and_nothing_else_is() {
        let hash = "0123456789abcdef".repeat(4);
        for (text, expected) in [
            (format!("token hmac-sha256:{hash} in a"), "token hmac-sha256:0123456789ab… in a".to_owned()),
            (format!("{hash}0"), format!("{hash}0")),
            (format!("x{hash}"), "x0123456789ab…".to_owned()),
            (
                "7591fde2-7a02-456f-a503-1cbf30a48f16".to_owned(),
                "7591fde2-7a02-456f-a503-1cbf30a48f16".to_owned(),
            ),
        ] {
            assert_eq!(brief(&text, 200), expected);
        }
    }
}
