//! Envelope v1: the leaf of the tree, as deterministic CBOR (RFC 8949 §4.2.1).
//!
//! It says what kind of entry this is, where its bytes came from, when they were received, and commits to them. It
//! holds nothing parsed out of a record and nothing unsalted. The byte map is in `docs/formats/ledger.md`. Written
//! by hand because a reader of evidence must refuse every second encoding of the same envelope, which
//! general-purpose decoders accept.

/// Longest envelope: each field at its widest, with room to spare.
pub const MAX_ENVELOPE_BYTES: usize = 256;

/// The version that this crate writes and reads.
pub const ENVELOPE_VERSION: u64 = 1;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A raw record as received.
    Record,
    /// Bytes that no parser could read.
    Reject,
    /// An input file or delivery, opened.
    Object,
    /// A stream: one instance of a source.
    Stream,
    /// A decision that a person took.
    Decision,
    /// What was erased, and by whose authority.
    Tombstone,
    /// A key announced, rotated or retired.
    Key,
    /// The configuration in force.
    Config,
    /// A sign of life of a source.
    Heartbeat,
    /// Root of a derived key index over a range.
    IndexRoot,
    /// A timestamp token over an earlier checkpoint.
    Timestamp,
}

/// A place in an object's decoded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Bytes before it.
    pub offset: u64,
    /// Bytes in it.
    pub length: u64,
}

/// The fields of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the entry is.
    pub kind: Kind,
    /// Leaf of the stream entry it belongs to.
    pub stream: Option<u64>,
    /// Leaf of the object entry it came in.
    pub object: Option<u64>,
    /// Where it lies in that object's decoded bytes.
    pub span: Option<Span>,
    /// Time of receipt in nanoseconds since the Unix epoch.
    pub received_at: i64,
    /// Commitment to the captured bytes.
    pub captured: [u8; 32],
    /// Commitment to the received bytes, present only where something was withheld from the captured ones.
    pub received: Option<[u8; 32]>,
}

/// Why bytes are not an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Longer than [`MAX_ENVELOPE_BYTES`].
    #[error("the envelope has {found} bytes, at most {MAX_ENVELOPE_BYTES} are read")]
    TooLong {
        /// Bytes given.
        found: usize,
    },
    /// The bytes end inside an item.
    #[error("the envelope ends inside the item at byte {offset}")]
    Truncated {
        /// Where the item starts.
        offset: usize,
    },
    /// Bytes follow the map.
    #[error("bytes follow the envelope at byte {offset}")]
    Trailing {
        /// Where they start.
        offset: usize,
    },
    /// An item of another type than the field has, an indefinite length or a reserved head.
    #[error("the item at byte {offset} starts with {found:#04x}, which the field does not allow")]
    Type {
        /// Where the item starts.
        offset: usize,
        /// Its first byte.
        found: u8,
    },
    /// A number written in more bytes than it needs.
    #[error("the number at byte {offset} is not in its shortest form")]
    NotShortest {
        /// Where the item starts.
        offset: usize,
    },
    /// A number outside the range of its field.
    #[error("the number at byte {offset} is outside the range of its field")]
    Range {
        /// Where the item starts.
        offset: usize,
    },
    /// A field that version 1 does not have.
    #[error("field {field} is unknown to version {ENVELOPE_VERSION}")]
    UnknownField {
        /// Its key.
        field: u64,
    },
    /// A field that is repeated or not in ascending order.
    #[error("field {field} is repeated or out of order")]
    Order {
        /// Its key.
        field: u64,
    },
    /// A field that every envelope has is absent.
    #[error("field {field} is missing")]
    Missing {
        /// Its key.
        field: u64,
    },
    /// A version other than 1.
    #[error("the envelope has version {found}, only {ENVELOPE_VERSION} is known")]
    Version {
        /// Version found.
        found: u64,
    },
    /// A kind that version 1 does not have.
    #[error("kind {found} is unknown to version {ENVELOPE_VERSION}")]
    Kind {
        /// Number found.
        found: u64,
    },
    /// The withheld flag and the second commitment contradict each other.
    #[error("the withheld flag says {withheld}, the commitment to the received bytes says otherwise")]
    Withheld {
        /// The flag.
        withheld: bool,
    },
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::Record,
        Self::Reject,
        Self::Object,
        Self::Stream,
        Self::Decision,
        Self::Tombstone,
        Self::Key,
        Self::Config,
        Self::Heartbeat,
        Self::IndexRoot,
        Self::Timestamp,
    ];

    /// Its number in the envelope. Numbers are never reused.
    pub fn number(self) -> u64 {
        self as u64
    }

    /// Its name in documents and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Reject => "reject",
            Self::Object => "object",
            Self::Stream => "stream",
            Self::Decision => "decision",
            Self::Tombstone => "tombstone",
            Self::Key => "key",
            Self::Config => "config",
            Self::Heartbeat => "heartbeat",
            Self::IndexRoot => "index-root",
            Self::Timestamp => "timestamp",
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index)).copied()
    }
}

mod field {
    pub(super) const VERSION: u64 = 1;
    pub(super) const KIND: u64 = 2;
    pub(super) const STREAM: u64 = 3;
    pub(super) const OBJECT: u64 = 4;
    pub(super) const SPAN: u64 = 5;
    pub(super) const RECEIVED_AT: u64 = 6;
    pub(super) const CAPTURED: u64 = 7;
    pub(super) const WITHHELD: u64 = 8;
    pub(super) const RECEIVED: u64 = 9;
}

/// Major types of RFC 8949 §3.1, as the high bits of an item's first byte.
mod major {
    pub(super) const UNSIGNED: u8 = 0 << 5;
    pub(super) const NEGATIVE: u8 = 1 << 5;
    pub(super) const BYTES: u8 = 2 << 5;
    pub(super) const ARRAY: u8 = 4 << 5;
    pub(super) const MAP: u8 = 5 << 5;
}

/// Low bits of a first byte whose argument follows in so many bytes (RFC 8949 §3).
const ONE_BYTE: u8 = 0x18;
const TWO_BYTES: u8 = 0x19;
const FOUR_BYTES: u8 = 0x1a;
const EIGHT_BYTES: u8 = 0x1b;

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

impl Envelope {
    /// Whether something was withheld between receipt and capture.
    pub fn withheld(&self) -> bool {
        self.received.is_some()
    }

    /// Appends the one encoding of this envelope.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let optional =
            [self.stream.is_some(), self.object.is_some(), self.span.is_some(), self.received.is_some()];
        let fields = 5 + optional.iter().filter(|present| **present).count() as u64;
        push_head(out, major::MAP, fields);
        push_field(out, field::VERSION, ENVELOPE_VERSION);
        push_field(out, field::KIND, self.kind.number());
        if let Some(stream) = self.stream {
            push_field(out, field::STREAM, stream);
        }
        if let Some(object) = self.object {
            push_field(out, field::OBJECT, object);
        }
        if let Some(span) = self.span {
            push_head(out, major::UNSIGNED, field::SPAN);
            push_head(out, major::ARRAY, 2);
            push_head(out, major::UNSIGNED, span.offset);
            push_head(out, major::UNSIGNED, span.length);
        }
        push_head(out, major::UNSIGNED, field::RECEIVED_AT);
        // CBOR writes a negative n as -1 - n, which is the bitwise complement.
        match u64::try_from(self.received_at) {
            Ok(positive) => push_head(out, major::UNSIGNED, positive),
            Err(_) => push_head(out, major::NEGATIVE, (!self.received_at).cast_unsigned()),
        }
        push_bytes(out, field::CAPTURED, &self.captured);
        push_head(out, major::UNSIGNED, field::WITHHELD);
        out.push(if self.withheld() { TRUE } else { FALSE });
        if let Some(received) = &self.received {
            push_bytes(out, field::RECEIVED, received);
        }
    }

    /// Reads an envelope; whatever [`Envelope::encode`] would not write is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLong { found: bytes.len() });
        }
        let mut decoder = Decoder { bytes, position: 0 };
        let fields = decoder.head(major::MAP)?;
        let mut found = Fields::default();
        let mut previous = 0;
        for _ in 0..fields {
            let key = decoder.head(major::UNSIGNED)?;
            if key <= previous {
                return Err(EnvelopeError::Order { field: key });
            }
            previous = key;
            found.read(key, &mut decoder)?;
        }
        if decoder.position < bytes.len() {
            return Err(EnvelopeError::Trailing { offset: decoder.position });
        }
        found.finish()
    }
}

/// What has been read of a map so far.
#[derive(Default)]
struct Fields {
    version: Option<u64>,
    kind: Option<Kind>,
    stream: Option<u64>,
    object: Option<u64>,
    span: Option<Span>,
    received_at: Option<i64>,
    captured: Option<[u8; 32]>,
    withheld: Option<bool>,
    received: Option<[u8; 32]>,
}

impl Fields {
    fn read(&mut self, key: u64, decoder: &mut Decoder<'_>) -> Result<(), EnvelopeError> {
        match key {
            field::VERSION => match decoder.head(major::UNSIGNED)? {
                ENVELOPE_VERSION => self.version = Some(ENVELOPE_VERSION),
                version => return Err(EnvelopeError::Version { found: version }),
            },
            field::KIND => {
                let number = decoder.head(major::UNSIGNED)?;
                self.kind = Some(Kind::from_number(number).ok_or(EnvelopeError::Kind { found: number })?);
            }
            field::STREAM => self.stream = Some(decoder.head(major::UNSIGNED)?),
            field::OBJECT => self.object = Some(decoder.head(major::UNSIGNED)?),
            field::SPAN => self.span = Some(decoder.span()?),
            field::RECEIVED_AT => self.received_at = Some(decoder.signed()?),
            field::CAPTURED => self.captured = Some(decoder.commitment()?),
            field::WITHHELD => self.withheld = Some(decoder.flag()?),
            field::RECEIVED => self.received = Some(decoder.commitment()?),
            unknown => return Err(EnvelopeError::UnknownField { field: unknown }),
        }
        Ok(())
    }

    fn finish(self) -> Result<Envelope, EnvelopeError> {
        let missing = |field| EnvelopeError::Missing { field };
        self.version.ok_or(missing(field::VERSION))?;
        let withheld = self.withheld.ok_or(missing(field::WITHHELD))?;
        if withheld != self.received.is_some() {
            return Err(EnvelopeError::Withheld { withheld });
        }
        Ok(Envelope {
            kind: self.kind.ok_or(missing(field::KIND))?,
            stream: self.stream,
            object: self.object,
            span: self.span,
            received_at: self.received_at.ok_or(missing(field::RECEIVED_AT))?,
            captured: self.captured.ok_or(missing(field::CAPTURED))?,
            received: self.received,
        })
    }
}

struct Decoder<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Decoder<'_> {
    /// The argument of an item that must be of one major type.
    fn head(&mut self, expected_major: u8) -> Result<u64, EnvelopeError> {
        let offset = self.position;
        let first = self.first_byte()?;
        if first & 0xe0 != expected_major {
            return Err(EnvelopeError::Type { offset, found: first });
        }
        let (argument, shortest_from) = match first & 0x1f {
            small @ 0..=23 => return Ok(u64::from(small)),
            ONE_BYTE => (self.number::<1>(offset)?, 24),
            TWO_BYTES => (self.number::<2>(offset)?, 1 << 8),
            FOUR_BYTES => (self.number::<4>(offset)?, 1 << 16),
            EIGHT_BYTES => (self.number::<8>(offset)?, 1 << 32),
            _ => return Err(EnvelopeError::Type { offset, found: first }),
        };
        if argument < shortest_from { Err(EnvelopeError::NotShortest { offset }) } else { Ok(argument) }
    }

    fn signed(&mut self) -> Result<i64, EnvelopeError> {
        let offset = self.position;
        let negative = self.bytes.get(offset).is_some_and(|first| first & 0xe0 == major::NEGATIVE);
        let argument = self.head(if negative { major::NEGATIVE } else { major::UNSIGNED })?;
        let value = i64::try_from(argument).map_err(|_| EnvelopeError::Range { offset })?;
        Ok(if negative { !value } else { value })
    }

    fn span(&mut self) -> Result<Span, EnvelopeError> {
        let start = self.position;
        if self.head(major::ARRAY)? != 2 {
            return Err(EnvelopeError::Range { offset: start });
        }
        let span = Span { offset: self.head(major::UNSIGNED)?, length: self.head(major::UNSIGNED)? };
        match span.offset.checked_add(span.length) {
            Some(_) => Ok(span),
            None => Err(EnvelopeError::Range { offset: start }),
        }
    }

    fn commitment(&mut self) -> Result<[u8; 32], EnvelopeError> {
        let offset = self.position;
        if self.head(major::BYTES)? != 32 {
            return Err(EnvelopeError::Range { offset });
        }
        self.take::<32>(offset)
    }

    fn flag(&mut self) -> Result<bool, EnvelopeError> {
        let offset = self.position;
        match self.first_byte()? {
            TRUE => Ok(true),
            FALSE => Ok(false),
            found => Err(EnvelopeError::Type { offset, found }),
        }
    }

    fn first_byte(&mut self) -> Result<u8, EnvelopeError> {
        self.take::<1>(self.position).map(|[first]| first)
    }

    fn number<const N: usize>(&mut self, offset: usize) -> Result<u64, EnvelopeError> {
        Ok(self.take::<N>(offset)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn take<const N: usize>(&mut self, offset: usize) -> Result<[u8; N], EnvelopeError> {
        let taken = self.bytes.get(self.position..).and_then(<[u8]>::first_chunk::<N>);
        self.position += N;
        taken.copied().ok_or(EnvelopeError::Truncated { offset })
    }
}

fn push_field(out: &mut Vec<u8>, key: u64, value: u64) {
    push_head(out, major::UNSIGNED, key);
    push_head(out, major::UNSIGNED, value);
}

fn push_bytes(out: &mut Vec<u8>, key: u64, bytes: &[u8]) {
    push_head(out, major::UNSIGNED, key);
    push_head(out, major::BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes an item's first byte and argument in the shortest form (RFC 8949 §4.2.1).
fn push_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let bytes = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | bytes[7]),
        24..=0xff => out.extend_from_slice(&[major | ONE_BYTE, bytes[7]]),
        0x100..=0xffff => {
            out.push(major | TWO_BYTES);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | FOUR_BYTES);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | EIGHT_BYTES);
            out.extend_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(envelope: &Envelope) -> Vec<u8> {
        let mut bytes = Vec::new();
        envelope.encode(&mut bytes);
        bytes
    }

    fn envelopes() -> impl Strategy<Value = Envelope> {
        let span = (any::<u32>(), any::<u64>())
            .prop_map(|(length, offset)| Span { offset: offset >> 1, length: u64::from(length) });
        (
            0..Kind::ALL.len(),
            any::<Option<u64>>(),
            any::<Option<u64>>(),
            proptest::option::of(span),
            any::<i64>(),
            any::<[u8; 32]>(),
            any::<Option<[u8; 32]>>(),
        )
            .prop_map(|(kind, stream, object, span, received_at, captured, received)| Envelope {
                kind: Kind::ALL[kind],
                stream,
                object,
                span,
                received_at,
                captured,
                received,
            })
    }

    #[test]
    fn a_plain_record_byte_by_byte() {
        let envelope = Envelope {
            kind: Kind::Record,
            stream: Some(1),
            object: Some(300),
            span: Some(Span { offset: 24, length: 70_000 }),
            received_at: -1,
            captured: [0xab; 32],
            received: None,
        };
        let mut expected = vec![0xa8, 1, 1, 2, 0, 3, 1, 4, 0x19, 0x01, 0x2c];
        expected.extend([5, 0x82, 0x18, 24, 0x1a, 0, 1, 0x11, 0x70, 6, 0x20, 7, 0x58, 32]);
        expected.extend([0xab; 32]);
        expected.extend([8, 0xf4]);
        assert_eq!(encoded(&envelope), expected);
    }

    /// What another CBOR implementation makes of it.
    #[test]
    fn a_general_purpose_decoder_agrees() {
        let envelope = Envelope {
            kind: Kind::Object,
            stream: None,
            object: None,
            span: Some(Span { offset: 0, length: 1 << 40 }),
            received_at: i64::MIN,
            captured: [1; 32],
            received: Some([2; 32]),
        };
        let bytes = encoded(&envelope);
        let mut decoder = minicbor::Decoder::new(&bytes);
        assert_eq!(decoder.map().unwrap(), Some(7));
        assert_eq!((decoder.u64().unwrap(), decoder.u64().unwrap()), (1, 1));
        assert_eq!((decoder.u64().unwrap(), decoder.u64().unwrap()), (2, 2));
        assert_eq!((decoder.u64().unwrap(), decoder.array().unwrap()), (5, Some(2)));
        assert_eq!((decoder.u64().unwrap(), decoder.u64().unwrap()), (0, 1 << 40));
        assert_eq!((decoder.u64().unwrap(), decoder.i64().unwrap()), (6, i64::MIN));
        assert_eq!((decoder.u64().unwrap(), decoder.bytes().unwrap()), (7, [1; 32].as_slice()));
        assert_eq!((decoder.u64().unwrap(), decoder.bool().unwrap()), (8, true));
        assert_eq!((decoder.u64().unwrap(), decoder.bytes().unwrap()), (9, [2; 32].as_slice()));
        assert_eq!(decoder.position(), bytes.len());
    }

    #[test]
    fn numbers_of_kinds_never_change() {
        let numbers: Vec<(u64, &str)> = Kind::ALL.iter().map(|kind| (kind.number(), kind.name())).collect();
        assert_eq!(
            numbers,
            [
                (0, "record"),
                (1, "reject"),
                (2, "object"),
                (3, "stream"),
                (4, "decision"),
                (5, "tombstone"),
                (6, "key"),
                (7, "config"),
                (8, "heartbeat"),
                (9, "index-root"),
                (10, "timestamp"),
            ]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn one_envelope_has_one_encoding(envelope in envelopes()) {
            let bytes = encoded(&envelope);
            prop_assert!(bytes.len() <= MAX_ENVELOPE_BYTES);
            prop_assert_eq!(Envelope::decode(&bytes), Ok(envelope));
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(
            envelope in envelopes(),
            edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
            noise: Vec<u8>,
        ) {
            let mut bytes = encoded(&envelope);
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for input in [bytes, noise] {
                if let Ok(decoded) = Envelope::decode(&input) {
                    prop_assert_eq!(encoded(&decoded), input);
                }
            }
        }
    }
}
