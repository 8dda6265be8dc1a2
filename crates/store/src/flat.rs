//! Cells laid flat: texts behind each other in one string, numbers and lengths behind each other in one list.
//!
//! What is put is taken back in the same order. It deliberately does not know rows: `cell.rs` says how each type of
//! cell is laid out.

use ascribe_model::Timestamp;

/// Cells, one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flat {
    texts: String,
    numbers: Vec<u32>,
}

/// A place between two cells.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    text: usize,
    number: usize,
}

/// Takes cells back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cells<'a> {
    texts: &'a str,
    numbers: &'a [u32],
}

/// Cells of several like things, which can be taken or passed over as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Section<'a> {
    /// How many things.
    pub(crate) count: u32,
    /// Their cells.
    pub(crate) cells: Cells<'a>,
}

/// A section that is being put.
pub(crate) struct OpenSection {
    lengths: usize,
    from: Mark,
}

/// Stands for a text that is absent; no text is as long.
const ABSENT: u32 = u32::MAX;

impl Flat {
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.numbers.clear();
    }

    /// The place behind the last cell.
    pub(crate) fn mark(&self) -> Mark {
        Mark { text: self.texts.len(), number: self.numbers.len() }
    }

    /// Bytes of memory that the cells take.
    pub(crate) fn bytes(&self) -> usize {
        self.texts.len() + self.numbers.len() * size_of::<u32>()
    }

    /// The cells from `from` to `to`.
    pub(crate) fn cells(&self, from: Mark, to: Mark) -> Cells<'_> {
        Cells {
            texts: self.texts.get(from.text..to.text).unwrap_or_default(),
            numbers: self.numbers.get(from.number..to.number).unwrap_or_default(),
        }
    }

    /// Begins a section of `count` things.
    pub(crate) fn open_section(&mut self, count: usize) -> OpenSection {
        self.numbers.push(count as u32);
        let lengths = self.numbers.len();
        self.numbers.extend([0, 0]);
        OpenSection { lengths, from: self.mark() }
    }

    /// Ends a section.
    pub(crate) fn close_section(&mut self, section: &OpenSection) {
        let to = self.mark();
        self.numbers[section.lengths] = (to.number - section.from.number) as u32;
        self.numbers[section.lengths + 1] = (to.text - section.from.text) as u32;
    }

    /// Keeps the first `ABSENT - 1` bytes of a longer text. A record is far below that.
    pub(crate) fn put_text(&mut self, text: &str) {
        let length = text.floor_char_boundary(ABSENT as usize - 1);
        self.numbers.push(length as u32);
        self.texts.push_str(&text[..length]);
    }

    pub(crate) fn put_maybe_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.put_text(text),
            None => self.numbers.push(ABSENT),
        }
    }

    pub(crate) fn put_small(&mut self, number: u32) {
        self.numbers.push(number);
    }

    pub(crate) fn put_number(&mut self, number: u64) {
        self.numbers.push(number as u32);
        self.numbers.push((number >> 32) as u32);
    }

    pub(crate) fn put_maybe_number(&mut self, number: Option<u64>) {
        self.numbers.push(u32::from(number.is_some()));
        if let Some(number) = number {
            self.put_number(number);
        }
    }

    pub(crate) fn put_maybe_moment(&mut self, moment: Option<Timestamp>) {
        self.put_maybe_number(moment.map(|moment| moment.nanoseconds().cast_unsigned()));
    }
}

/// Only what was put is ever taken, in the same order: there is always a cell left.
impl<'a> Cells<'a> {
    pub(crate) fn take_text(&mut self) -> &'a str {
        let length = self.take_small();
        self.text_of(length)
    }

    pub(crate) fn take_maybe_text(&mut self) -> Option<&'a str> {
        let length = self.take_small();
        (length != ABSENT).then(|| self.text_of(length))
    }

    pub(crate) fn take_small(&mut self) -> u32 {
        let (first, rest) = self.numbers.split_first().unwrap_or((&0, &[]));
        self.numbers = rest;
        *first
    }

    pub(crate) fn take_number(&mut self) -> u64 {
        let low = u64::from(self.take_small());
        low | u64::from(self.take_small()) << 32
    }

    pub(crate) fn take_maybe_number(&mut self) -> Option<u64> {
        (self.take_small() != 0).then(|| self.take_number())
    }

    pub(crate) fn take_maybe_moment(&mut self) -> Option<Timestamp> {
        self.take_maybe_number().map(|number| Timestamp::from_nanoseconds(number.cast_signed()))
    }

    pub(crate) fn take_section(&mut self) -> Section<'a> {
        let [count, numbers, texts] = [(); 3].map(|()| self.take_small());
        let (numbers, rest) = self.numbers.split_at_checked(numbers as usize).unwrap_or_default();
        self.numbers = rest;
        Section { count, cells: Cells { texts: self.text_of(texts), numbers } }
    }

    fn text_of(&mut self, length: u32) -> &'a str {
        let (text, rest) = self.texts.split_at_checked(length as usize).unwrap_or_default();
        self.texts = rest;
        text
    }
}
