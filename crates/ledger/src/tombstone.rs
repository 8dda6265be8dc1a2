//! What a tombstone entry says: which leaves were erased, and by whose authority. `docs/formats/ledger.md`, "Erasure".
//!
//! It is text, one statement a line, so that anybody can read it, and has one encoding. It knows neither policies nor
//! people: what the statements mean is the caller's.

use std::fmt;
use std::ops::Range;

use crate::tile::parse_decimal;

/// Longest tombstone read, in bytes: that of a record.
pub const MAX_TOMBSTONE_BYTES: usize = 16 << 20;

/// First line of every tombstone.
const FIRST_LINE: &str = "ascribe/tombstone/v1";

/// What was erased, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tombstone {
    /// Leaves whose bytes and salts were destroyed: ascending ranges that do not touch, none of them empty.
    pub erased: Vec<Range<u64>>,
    /// By whose authority: pairs of a name and a text, in this order.
    pub statements: Vec<(String, String)>,
}

/// Why bytes are no tombstone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TombstoneError {
    /// Longer than [`MAX_TOMBSTONE_BYTES`].
    #[error("the tombstone has {found} bytes, at most {MAX_TOMBSTONE_BYTES} are read")]
    TooLong {
        /// Bytes given.
        found: usize,
    },
    /// Not UTF-8, without its last line feed, or of another version.
    #[error("a tombstone is text that begins with the line `{FIRST_LINE}` and ends with a line feed")]
    Form,
    /// A line that is neither `erased FIRST END` nor, behind all of those, `NAME TEXT`.
    #[error("line {line} of the tombstone is neither `erased FIRST END` nor, behind those, `NAME TEXT`")]
    Line {
        /// Line number, from 1.
        line: usize,
    },
    /// Ranges that are empty, touch, or are not in ascending order.
    #[error("the leaves erased are not ascending ranges with leaves between them, in line {line}")]
    Order {
        /// Line number, from 1.
        line: usize,
    },
    /// No leaf at all.
    #[error("the tombstone names no leaf")]
    Nothing,
}

impl Tombstone {
    /// How many leaves it names.
    pub fn count(&self) -> u64 {
        self.erased.iter().map(|range| range.end - range.start).sum()
    }

    /// Every leaf that it names, ascending.
    pub fn leaves(&self) -> impl Iterator<Item = u64> + '_ {
        self.erased.iter().cloned().flatten()
    }

    /// Makes one of single leaves, which are put in order.
    pub fn of(leaves: impl IntoIterator<Item = u64>, statements: Vec<(String, String)>) -> Self {
        let mut leaves: Vec<u64> = leaves.into_iter().collect();
        leaves.sort_unstable();
        leaves.dedup();
        let mut erased: Vec<Range<u64>> = Vec::new();
        for leaf in leaves {
            match erased.last_mut() {
                Some(last) if last.end == leaf => last.end = leaf + 1,
                _ => erased.push(leaf..leaf + 1),
            }
        }
        Self { erased, statements }
    }

    /// Reads a tombstone; whatever its display form would not give is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, TombstoneError> {
        if bytes.len() > MAX_TOMBSTONE_BYTES {
            return Err(TombstoneError::TooLong { found: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TombstoneError::Form)?;
        let mut lines = text.strip_suffix('\n').ok_or(TombstoneError::Form)?.split('\n').zip(1..);
        if lines.next().is_none_or(|(first, _)| first != FIRST_LINE) {
            return Err(TombstoneError::Form);
        }
        let mut tombstone = Self::default();
        for (text, line) in lines {
            tombstone.read_line(text, line)?;
        }
        if tombstone.erased.is_empty() { Err(TombstoneError::Nothing) } else { Ok(tombstone) }
    }

    fn read_line(&mut self, text: &str, line: usize) -> Result<(), TombstoneError> {
        let (name, value) = text.split_once(' ').ok_or(TombstoneError::Line { line })?;
        if name != ERASED {
            if !is_statement(name, value) {
                return Err(TombstoneError::Line { line });
            }
            self.statements.push((name.to_owned(), value.to_owned()));
            return Ok(());
        }
        let range = value.split_once(' ').and_then(|(first, end)| {
            Some(parse_decimal(first)?..parse_decimal(end)?).filter(|_| self.statements.is_empty())
        });
        let range = range.ok_or(TombstoneError::Line { line })?;
        let earliest = self.erased.last().map_or(0, |last| last.end.saturating_add(1));
        if range.is_empty() || range.start < earliest {
            return Err(TombstoneError::Order { line });
        }
        self.erased.push(range);
        Ok(())
    }

    /// Whether every statement can be written: names of lower-case letters and hyphens other than `erased`, texts
    /// without control characters, neither of them empty.
    pub fn is_writable(&self) -> bool {
        !self.erased.is_empty() && self.statements.iter().all(|(name, text)| is_statement(name, text))
    }
}

const ERASED: &str = "erased";

fn is_statement(name: &str, text: &str) -> bool {
    let is_name =
        name != ERASED && !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-'));
    is_name && !text.is_empty() && !text.chars().any(char::is_control)
}

/// The bytes of the entry.
impl fmt::Display for Tombstone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{FIRST_LINE}")?;
        for range in &self.erased {
            writeln!(formatter, "{ERASED} {} {}", range.start, range.end)?;
        }
        self.statements.iter().try_for_each(|(name, text)| writeln!(formatter, "{name} {text}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tombstone_is_text() {
        let statements = vec![("rule".to_owned(), "trail-90-days".to_owned())];
        let tombstone = Tombstone::of([9, 3, 4, 5, 3], statements);
        assert_eq!(
            tombstone.to_string(),
            "ascribe/tombstone/v1\nerased 3 6\nerased 9 10\nrule trail-90-days\n"
        );
        assert_eq!(tombstone.count(), 4);
        assert_eq!(tombstone.leaves().collect::<Vec<_>>(), [3, 4, 5, 9]);
        assert_eq!(Tombstone::parse(tombstone.to_string().as_bytes()), Ok(tombstone));
    }

    #[test]
    fn what_no_tombstone_says_is_refused() {
        let refused = |text: &str| Tombstone::parse(text.as_bytes()).unwrap_err();
        let line = |line| TombstoneError::Line { line };
        let order = |line| TombstoneError::Order { line };
        for (text, expected) in [
            ("", TombstoneError::Form),
            ("ascribe/tombstone/v1", TombstoneError::Form),
            ("ascribe/tombstone/v2\nerased 1 2\n", TombstoneError::Form),
            ("ascribe/tombstone/v1\n", TombstoneError::Nothing),
            ("ascribe/tombstone/v1\nrule a\n", TombstoneError::Nothing),
            ("ascribe/tombstone/v1\nerased 1 2\n\n", line(3)),
            ("ascribe/tombstone/v1\nerased 1\n", line(2)),
            ("ascribe/tombstone/v1\nerased 01 2\n", line(2)),
            ("ascribe/tombstone/v1\nerased 1 2 \n", line(2)),
            ("ascribe/tombstone/v1\nerased 1 18446744073709551616\n", line(2)),
            ("ascribe/tombstone/v1\nrule a\nerased 1 2\n", line(3)),
            ("ascribe/tombstone/v1\nerased 1 2\nRule a\n", line(3)),
            ("ascribe/tombstone/v1\nerased 1 2\nrule \n", line(3)),
            ("ascribe/tombstone/v1\nerased 1 2\nrule a\tb\n", line(3)),
            ("ascribe/tombstone/v1\nerased 2 2\n", order(2)),
            ("ascribe/tombstone/v1\nerased 3 2\n", order(2)),
            ("ascribe/tombstone/v1\nerased 1 2\nerased 2 3\n", order(3)),
            ("ascribe/tombstone/v1\nerased 5 6\nerased 1 2\n", order(3)),
            ("ascribe/tombstone/v1\nerased 1 18446744073709551615\nerased 1 2\n", order(3)),
        ] {
            assert_eq!(refused(text), expected, "{text:?}");
        }
        assert_eq!(
            Tombstone::parse(b"ascribe/tombstone/v1\nerased 1 2\nrule \xff\n"),
            Err(TombstoneError::Form)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_parses_prints_as_it_was(
            leaves in proptest::collection::btree_set(0_u64..60, 1..20),
            statements in proptest::collection::vec(("[a-z-]{1,9}", "[ -~]{1,12}"), 0..4),
            at: proptest::sample::Index,
            byte: u8,
        ) {
            let tombstone = Tombstone::of(leaves, statements);
            let text = tombstone.to_string();
            if tombstone.is_writable() {
                prop_assert_eq!(Tombstone::parse(text.as_bytes()), Ok(tombstone));
            }
            let mut changed = text.into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            if let Ok(parsed) = Tombstone::parse(&changed) {
                prop_assert_eq!(parsed.to_string().into_bytes(), changed);
            }
        }
    }
}
