//! Rust source seen as text: which bytes are code, which are comment, which belong to tests.
//!
//! A lexer of comments and literals only, enough for the rules of this folder. It knows no grammar beyond that and
//! no rule; code that `rustc` would refuse gets a best effort, never a panic.

use std::ops::Range;

/// One source file split by [`RustText::new`]. Both texts are as long as the input and keep its line breaks, so a
/// byte offset or a line number in one is the same place in the others.
#[derive(Debug)]
pub struct RustText {
    /// The source with comments and the contents of literals blanked.
    pub code: String,
    /// The comments, everything else blanked.
    pub comments: String,
    tests: Vec<Range<usize>>,
}

/// One `fn` with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of the `fn` keyword, from 1.
    pub line: usize,
    /// Lines from the `fn` keyword to the closing brace, both counted.
    pub lines: usize,
    /// The code between the end of the item before and the `fn` keyword: its attributes and visibility.
    pub attributes: String,
    /// Whether it stands in a `#[cfg(test)]` item or under `#[test]`.
    pub in_tests: bool,
}

/// One identifier or keyword.
#[derive(Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// The identifier as written, without `r#`.
    pub text: &'t str,
    /// Its offset in the source, in bytes.
    pub offset: usize,
}

impl RustText {
    /// Splits `source`.
    pub fn new(source: &str) -> Self {
        let mut split = Split { source: source.as_bytes(), code: Vec::new(), comments: Vec::new() };
        split.run();
        let code = String::from_utf8_lossy(&split.code).into_owned();
        let comments = String::from_utf8_lossy(&split.comments).into_owned();
        let tests = test_ranges(&code);
        Self { code, comments, tests }
    }

    /// The line of a byte offset, from 1.
    pub fn line_of(&self, offset: usize) -> usize {
        1 + self.code.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    /// Whether a byte offset stands in a `#[cfg(test)]` item or under `#[test]`.
    pub fn in_tests(&self, offset: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&offset))
    }

    /// Every identifier and keyword of the code, in order.
    pub fn words(&self) -> impl Iterator<Item = Word<'_>> {
        words_of(&self.code)
    }

    /// Every `fn` with a body, in order; nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        let mut words = self.words().peekable();
        while let Some(word) = words.next() {
            if word.text != "fn" {
                continue;
            }
            // A function pointer type (`fn(u8) -> u8`) has no name.
            let Some(name) = words.peek() else { break };
            if !self.code[word.offset + 2..name.offset].trim().is_empty() {
                continue;
            }
            let Some(open) = body_start(&self.code, name.offset) else { continue };
            let close = matching_brace(&self.code, open);
            let before = self.code[..word.offset].rfind([';', '{', '}']).map_or(0, |at| at + 1);
            functions.push(Function {
                name: name.text.to_owned(),
                line: self.line_of(word.offset),
                lines: 1 + self.code[word.offset..close].matches('\n').count(),
                attributes: self.code[before..word.offset].to_owned(),
                in_tests: self.in_tests(word.offset),
            });
        }
        functions
    }
}

/// The identifiers and keywords of `text`, in order.
pub fn words_of(text: &str) -> impl Iterator<Item = Word<'_>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            if is_word_byte(bytes[at]) {
                while at < bytes.len() && is_word_byte(bytes[at]) {
                    at += 1;
                }
                if !bytes[start].is_ascii_digit() {
                    return Some(Word { text: &text[start..at], offset: start });
                }
            } else {
                at += 1;
            }
        }
        None
    })
}

/// What a stretch of source is, for [`Split::take`].
#[derive(Clone, Copy)]
enum Stretch {
    Code,
    Comment,
    Literal,
}

/// The splitter's cursor is the length of its outputs: all three texts grow together.
struct Split<'s> {
    source: &'s [u8],
    code: Vec<u8>,
    comments: Vec<u8>,
}

impl Split<'_> {
    fn run(&mut self) {
        while !self.rest().is_empty() {
            let rest = self.rest();
            if rest.starts_with(b"//") {
                let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                self.take(length, Stretch::Comment);
            } else if rest.starts_with(b"/*") {
                let length = block_comment_length(rest);
                self.take(length, Stretch::Comment);
            } else if is_word_byte(rest[0]) {
                self.word_or_prefixed_literal();
            } else if rest[0] == b'"' {
                let length = quoted_length(rest);
                self.literal(1, length, 1);
            } else if rest[0] == b'\'' {
                self.char_or_lifetime();
            } else {
                self.take(1, Stretch::Code);
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.source[self.code.len()..]
    }

    /// A word, or the prefix of a literal: `b"…"`, `r#"…"#`, `br"…"`, `c"…"`, `b'…'`.
    fn word_or_prefixed_literal(&mut self) {
        let rest = self.rest();
        let word = rest.iter().position(|byte| !is_word_byte(*byte)).unwrap_or(rest.len());
        let after = &rest[word..];
        let hashes = after.iter().take_while(|byte| **byte == b'#').count();
        let raw = matches!(&rest[..word], b"r" | b"br" | b"cr") && after.get(hashes) == Some(&b'"');
        if raw {
            let body = word + hashes + 1;
            let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let end = rest[body..]
                .windows(closing.len())
                .position(|window| window == closing)
                .map_or(rest.len(), |at| body + at + closing.len());
            self.literal(body, end, closing.len());
        } else if matches!(&rest[..word], b"b" | b"c") && after.first() == Some(&b'"') {
            let length = word + quoted_length(after);
            self.literal(word + 1, length, 1);
        } else {
            self.take(word, Stretch::Code);
        }
    }

    /// `'x'` and `'\n'` are literals; `'a` is a lifetime or a label.
    fn char_or_lifetime(&mut self) {
        let rest = self.rest();
        let is_char = match rest.get(1) {
            Some(b'\\') => true,
            Some(first) => rest.get(1 + utf8_length(*first)) == Some(&b'\''),
            None => false,
        };
        if !is_char {
            return self.take(1, Stretch::Code);
        }
        let mut length = 1;
        while length < rest.len() && rest[length] != b'\'' {
            length += if rest[length] == b'\\' { 2 } else { 1 };
        }
        let length = (length + 1).min(rest.len());
        self.literal(1, length, 1);
    }

    /// Keeps the delimiters of a literal as code and blanks what is between them.
    fn literal(&mut self, opening: usize, length: usize, closing: usize) {
        let opening = opening.min(length);
        let body = length.saturating_sub(closing).max(opening) - opening;
        self.take(opening, Stretch::Code);
        self.take(body, Stretch::Literal);
        self.take(length - opening - body, Stretch::Code);
    }

    fn take(&mut self, length: usize, stretch: Stretch) {
        let start = self.code.len();
        let end = (start + length).min(self.source.len());
        for byte in &self.source[start..end] {
            let blank = if *byte == b'\n' { b'\n' } else { b' ' };
            self.code.push(if matches!(stretch, Stretch::Code) { *byte } else { blank });
            self.comments.push(if matches!(stretch, Stretch::Comment) { *byte } else { blank });
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn utf8_length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The offset of the `{` that opens the body of the function whose name starts at `from`; `None` where the
/// signature ends in `;`.
fn body_start(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return Some(offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The offset of the brace that closes the one at `open`, or the end of the code.
fn matching_brace(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return offset;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for marker in ["#[cfg(test)]", "#[test]"] {
        for (start, _) in code.match_indices(marker) {
            let open = body_start(code, start + marker.len());
            ranges.push(start..open.map_or(start + marker.len(), |open| matching_brace(code, open) + 1));
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(source: &str) -> String {
        let text = RustText::new(source);
        assert_eq!(text.code.len(), source.len(), "offsets must stay comparable in {source:?}");
        assert_eq!(text.comments.len(), source.len(), "offsets must stay comparable in {source:?}");
        text.code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        let cases = [
            ("let a = 1; // log", "let a = 1;"),
            ("a /* x /* y */ z */ b", "a b"),
            (r#"f("log \" // {") + 1"#, r#"f(" ") + 1"#),
            ("r#\"log \" {\"# ;", "r#\" \"# ;"),
            ("b\"log\" b'{' c\"x\"", "b\" \" b' ' c\" \""),
            ("'{' '\\'' 'é' fn f<'a>(x: &'a str)", "' ' ' ' ' ' fn f<'a>(x: &'a str)"),
        ];
        for (source, expected) in cases {
            assert_eq!(code_of(source), expected, "{source:?}");
        }
    }

    #[test]
    fn what_never_closes_ends_with_the_file() {
        for source in ["a \"b {", "a /* b {", "a 'b", "a '\\", "a r#\"b\"", "a b\"\\", "a '", "a é\""] {
            assert!(code_of(source).starts_with('a'), "{source:?}");
        }
    }

    #[test]
    fn comments_are_kept_apart() {
        let text = RustText::new("let a = \"// no\"; // yes");
        assert_eq!(text.comments.trim(), "// yes");
    }

    #[test]
    fn functions_are_measured() {
        let source = "/// Doc.\n#[inline]\npub fn a(x: [u8; 2]) -> [u8; 2] {\n    x\n}\n\
                      trait T { fn no_body(&self); }\ntype P = fn(u8) -> u8;\n\
                      #[cfg(test)]\nmod tests {\n    #[test]\n    fn b() { let _x = '}'; }\n}\n";
        let functions = RustText::new(source).functions();
        let brief: Vec<_> =
            functions.iter().map(|it| (it.name.as_str(), it.line, it.lines, it.in_tests)).collect();
        assert_eq!(brief, [("a", 3, 3, false), ("b", 11, 1, true)]);
        assert!(functions[0].attributes.contains("#[inline]"));
    }

    #[test]
    fn a_test_module_in_its_own_file_marks_nothing_else() {
        let text = RustText::new("#[cfg(test)]\nmod tests;\nfn after() {}\n");
        assert!(!text.functions()[0].in_tests);
    }
}
