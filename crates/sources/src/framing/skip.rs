//! Where a reject ends: a scan of brackets and strings over bytes that are not JSON, made to lose as little as
//! possible of what stands behind them.
//!
//! A string never spans a line break in JSON, so a line break ends one; a missing quote then costs one line. The scan
//! goes over each byte once, whatever the chunks.

use super::{MAX_REJECT_BYTES, Step};
use crate::json::AtEnd;
use crate::reject::Reject;

/// A reject whose end is being looked for.
#[derive(Debug)]
pub(super) struct Skip {
    reject: Reject,
    extent: Extent,
    /// Bytes of the current part that have been scanned.
    position: usize,
    /// Bytes of earlier parts.
    passed: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// A line break has been passed.
    several_lines: bool,
    /// A part has been handed out.
    continued: bool,
}

/// How far a reject may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// To the end of the line.
    Line,
    /// To the last line in a row that begins like base64 or the end of a PEM block.
    PrivateKey,
    /// To the end of the input.
    Rest,
    /// To where brackets balance, or the first line that begins like a value of its own.
    Value {
        /// Brackets that are open before the first byte.
        open: usize,
        /// Lines before this offset do not count.
        not_before: usize,
    },
    /// Inside a list, to where braces balance.
    Element {
        /// Which brackets count.
        brackets: Brackets,
        /// Brackets that are open before the first byte.
        open: usize,
    },
}

/// Which brackets count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brackets {
    /// An object's: a stray `]` inside does not end it.
    Braces,
    /// An array's.
    Squares,
    /// Both, and a comma or closing bracket outside of them ends the piece.
    Both,
}

impl Extent {
    /// An element that begins with the byte `first`.
    pub(super) fn element(first: u8) -> Self {
        let brackets = match first {
            b'{' => Brackets::Braces,
            b'[' => Brackets::Squares,
            _ => Brackets::Both,
        };
        Self::Element { brackets, open: 0 }
    }

    /// The rest of an object that is an element.
    pub(super) fn element_inside() -> Self {
        Self::Element { brackets: Brackets::Braces, open: 1 }
    }
}

impl Skip {
    pub(super) fn new(reject: Reject, extent: Extent) -> Self {
        let depth = match extent {
            Extent::Line | Extent::PrivateKey | Extent::Rest => 0,
            Extent::Value { open, .. } | Extent::Element { open, .. } => open,
        };
        Self {
            reject,
            extent,
            position: 0,
            passed: 0,
            depth,
            in_string: false,
            escaped: false,
            several_lines: false,
            continued: false,
        }
    }

    /// The next part, and whether it is the last one.
    pub(super) fn next(&mut self, buffer: &[u8], at_end: AtEnd) -> (Option<Step>, bool) {
        let window = &buffer[..buffer.len().min(MAX_REJECT_BYTES)];
        while let Some(&byte) = window.get(self.position) {
            match self.byte(byte, &buffer[self.position + 1..], at_end) {
                Scan::On => self.position += 1,
                Scan::EndBehind => {
                    self.position += 1;
                    return (self.part(), true);
                }
                // The first byte of a reject always belongs to it, so that reading goes on.
                Scan::EndBefore if self.position == 0 && !self.continued => self.position += 1,
                Scan::EndBefore => return (self.part(), true),
                Scan::NeedMore => return (Some(Step::NeedMore), false),
            }
        }
        if window.len() == MAX_REJECT_BYTES {
            return (self.part(), false);
        }
        match at_end {
            AtEnd::Yes => (self.part(), true),
            AtEnd::No => (Some(Step::NeedMore), false),
        }
    }

    /// Hands out what has been scanned; nothing where a part ended exactly at the end.
    fn part(&mut self) -> Option<Step> {
        let length = std::mem::take(&mut self.position);
        self.passed += length;
        let mut reject = self.reject.clone();
        if !self.continued {
            // The end that was found may lie before the fault that began the reject.
            reject.offset = reject.offset.min(length);
        }
        self.continued = true;
        (length > 0).then_some(Step::Reject { length, reject })
    }

    fn byte(&mut self, byte: u8, rest: &[u8], at_end: AtEnd) -> Scan {
        if self.extent == Extent::Rest {
            return Scan::On;
        }
        if self.extent == Extent::PrivateKey && byte == b'\n' {
            return match rest.get(..5) {
                // A moment, as of an export, is no base64.
                Some(next) if next[4] == b'-' && next[..4].iter().all(u8::is_ascii_digit) => Scan::EndBefore,
                None if at_end == AtEnd::No => Scan::NeedMore,
                _ => match rest.first() {
                    Some(next) if next.is_ascii_alphanumeric() || b"+/=-".contains(next) => Scan::On,
                    _ => Scan::EndBefore,
                },
            };
        }
        if byte == b'\n' {
            // A value that began on this line and breaks off inside a string was cut: what follows is another line.
            let cut = self.in_string && !self.several_lines;
            (self.in_string, self.escaped, self.several_lines) = (false, false, true);
            return match (self.extent, rest.first()) {
                (Extent::Value { .. }, _) if cut => Scan::EndBefore,
                (Extent::Line, _) | (Extent::Value { .. }, Some(b'{' | b'[' | b'@' | b'0'..=b'9')) => {
                    Scan::EndBefore
                }
                (Extent::Value { .. }, None) if at_end == AtEnd::No => Scan::NeedMore,
                _ => Scan::On,
            };
        }
        if matches!(self.extent, Extent::Line | Extent::PrivateKey) {
            return Scan::On;
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Scan::On;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' if self.counts(byte) => self.depth += 1,
            b'}' | b']' | b',' => return self.closing(byte),
            _ => {}
        }
        Scan::On
    }

    fn closing(&mut self, byte: u8) -> Scan {
        let separates = matches!(self.extent, Extent::Element { brackets: Brackets::Both, .. });
        match (byte, self.depth) {
            (_, 0) if separates => Scan::EndBefore,
            (b',', _) => Scan::On,
            _ if !self.counts(byte) => Scan::On,
            (_, 0 | 1) if !separates => Scan::EndBehind,
            _ => {
                self.depth = self.depth.saturating_sub(1);
                Scan::On
            }
        }
    }

    fn counts(&self, bracket: u8) -> bool {
        match self.extent {
            Extent::Line | Extent::PrivateKey | Extent::Rest => false,
            Extent::Value { .. } | Extent::Element { brackets: Brackets::Both, .. } => true,
            Extent::Element { brackets: Brackets::Braces, .. } => matches!(bracket, b'{' | b'}'),
            Extent::Element { brackets: Brackets::Squares, .. } => matches!(bracket, b'[' | b']'),
        }
    }
}

/// What a byte means for the reject's end.
enum Scan {
    On,
    EndBehind,
    EndBefore,
    NeedMore,
}
