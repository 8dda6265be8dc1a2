//! From the bytes of a file to the bytes of its log: gzip and zstd by their first bytes, everything else as it is.
//!
//! Decompression is streamed and capped. Where decoding fails, the encoded bytes that nothing came of can still be taken, so
//! that nothing is lost.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

/// Bytes read from the input at a time.
const INPUT_BUFFER_BYTES: usize = 256 * 1024;
/// Encoded bytes that are remembered while nothing comes out: a zstd block takes at most 128 KiB, and only frames made
/// to be skipped take more.
const PENDING_MAX_BYTES: usize = 4 * 1024 * 1024;
/// A deflate symbol takes at most 48 bits (RFC 1951: two codes of 15, 5 and 13 extra bits): what is cut off inside one
/// has been consumed although nothing came of it.
const SYMBOL_MAX_BYTES: usize = 16;
/// Logs compress 5 to 50 times. Beyond this ratio the input is taken for a decompression bomb…
const RATIO_MAX: u64 = 200;
/// …once this much has come out, so that a small repetitive file passes.
const RATIO_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// How an object is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not compressed.
    Identity,
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, one or more frames.
    Zstd,
}

/// Why decoding stopped before the end.
#[derive(Debug, thiserror::Error)]
pub enum DecodeFault {
    /// The compressed stream ends in the middle.
    #[error("the {encoding} stream ends early, after {encoded_offset} bytes")]
    Truncated {
        /// Name of the encoding.
        encoding: &'static str,
        /// Encoded bytes consumed.
        encoded_offset: u64,
    },
    /// The compressed stream is damaged, or something else follows it.
    #[error("the {encoding} stream is damaged near byte {encoded_offset}")]
    Damaged {
        /// Name of the encoding.
        encoding: &'static str,
        /// Encoded bytes consumed.
        encoded_offset: u64,
        /// The decoder's answer.
        #[source]
        source: io::Error,
    },
    /// The output is out of all proportion to the input.
    #[error("{decoded} bytes came out of {encoded_offset}: more than {RATIO_MAX} for one")]
    Bomb {
        /// Bytes that came out.
        decoded: u64,
        /// Encoded bytes consumed.
        encoded_offset: u64,
    },
    /// The input itself cannot be read.
    #[error("cannot read on after byte {encoded_offset}")]
    Input {
        /// Encoded bytes consumed.
        encoded_offset: u64,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// A stream of decoded bytes.
pub struct Decoder<R: Read> {
    stream: Stream<Counted<R>>,
    encoding: Encoding,
    decoded: u64,
    members: u32,
}

enum Stream<R: BufRead> {
    Identity(R),
    Gzip(Box<GzDecoder<R>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, R>>),
    Spent,
}

/// A buffered reader that counts what was consumed.
struct Counted<R> {
    inner: BufReader<R>,
    consumed: u64,
    /// Bytes consumed since the decoder last gave something out: where it fails, they are in nothing else.
    pending: Vec<u8>,
    /// Whether anything is decoded, so that `pending` has a meaning.
    encoded: bool,
}

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes of `input` and decodes accordingly.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn new(input: R) -> io::Result<Self> {
        let mut counted = Counted {
            inner: BufReader::with_capacity(INPUT_BUFFER_BYTES, input),
            consumed: 0,
            pending: Vec::new(),
            encoded: false,
        };
        let head = counted.fill_buf()?;
        let encoding = match head {
            [0x1f, 0x8b, ..] => Encoding::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Encoding::Zstd,
            _ => Encoding::Identity,
        };
        counted.encoded = encoding != Encoding::Identity;
        let stream = match encoding {
            Encoding::Identity => Stream::Identity(counted),
            Encoding::Gzip => Stream::Gzip(Box::new(GzDecoder::new(counted))),
            Encoding::Zstd => Stream::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(counted)?)),
        };
        Ok(Self { stream, encoding, decoded: 0, members: u32::from(encoding != Encoding::Identity) })
    }

    /// How the object is encoded.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Compressed members begun so far; 0 where nothing is compressed. A log that a service delivers has one: more
    /// means that something was appended.
    pub const fn members(&self) -> u32 {
        self.members
    }

    /// Appends up to `wanted` decoded bytes to `buffer` and says whether the end was reached.
    ///
    /// # Errors
    /// [`DecodeFault`]; what came out before it is in `buffer`.
    pub fn fill(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<bool, DecodeFault> {
        let mut filled = buffer.len();
        let target = filled + wanted;
        buffer.resize(target, 0);
        let outcome = self.fill_room(buffer, &mut filled);
        buffer.truncate(filled);
        outcome
    }

    /// Fills the buffer from `filled` to its end, and moves `filled` behind what came.
    fn fill_room(&mut self, buffer: &mut [u8], filled: &mut usize) -> Result<bool, DecodeFault> {
        while *filled < buffer.len() {
            let read = self.read(&mut buffer[*filled..]).map_err(|source| self.fault(source))?;
            *filled += read;
            self.decoded += read as u64;
            if self.encoding != Encoding::Identity && self.decoded > RATIO_FREE_BYTES {
                let encoded_offset = self.consumed();
                if self.decoded / encoded_offset.max(1) > RATIO_MAX {
                    return Err(DecodeFault::Bomb { decoded: self.decoded, encoded_offset });
                }
            }
            if read == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends encoded bytes that nothing came of: those behind the last output, and up to `wanted` that were not consumed; and says whether the end was reached. For what is
    /// left behind a [`DecodeFault`].
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn fill_encoded(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> io::Result<bool> {
        if let Some(input) = self.input() {
            buffer.append(&mut input.pending);
        }
        let begun = buffer.len();
        let taken = match self.input() {
            Some(input) => input.take(wanted as u64).read_to_end(buffer)?,
            None => 0,
        };
        debug_assert_eq!(buffer.len(), begun + taken);
        Ok(taken < wanted)
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match &mut self.stream {
                Stream::Identity(input) => input.read(into),
                Stream::Gzip(decoder) => decoder.read(into),
                Stream::Zstd(decoder) => decoder.read(into),
                Stream::Spent => Ok(0),
            }?;
            if read > 0
                && let Some(input) = self.input()
            {
                input.came_out();
            }
            if read > 0 || !self.next_member()? {
                return Ok(read);
            }
        }
    }

    /// After a gzip member: starts the next one, if anything follows.
    fn next_member(&mut self) -> io::Result<bool> {
        let Stream::Gzip(decoder) = &mut self.stream else { return Ok(false) };
        // The member's own end was checked, so nothing of it is open any more.
        decoder.get_mut().pending.clear();
        if decoder.get_mut().fill_buf()?.is_empty() {
            return Ok(false);
        }
        if let Stream::Gzip(finished) = std::mem::replace(&mut self.stream, Stream::Spent) {
            self.stream = Stream::Gzip(Box::new(GzDecoder::new(finished.into_inner())));
            self.members += 1;
        }
        Ok(true)
    }

    fn input(&mut self) -> Option<&mut Counted<R>> {
        match &mut self.stream {
            Stream::Identity(input) => Some(input),
            Stream::Gzip(decoder) => Some(decoder.get_mut()),
            Stream::Zstd(decoder) => Some(decoder.get_mut()),
            Stream::Spent => None,
        }
    }

    fn fault(&self, source: io::Error) -> DecodeFault {
        let encoded_offset = self.consumed();
        match self.encoding.name() {
            Some(encoding) if source.kind() == io::ErrorKind::UnexpectedEof => {
                DecodeFault::Truncated { encoding, encoded_offset }
            }
            Some(encoding) if source.raw_os_error().is_none() => {
                DecodeFault::Damaged { encoding, encoded_offset, source }
            }
            _ => DecodeFault::Input { encoded_offset, source },
        }
    }

    /// Encoded bytes consumed so far.
    pub fn consumed(&self) -> u64 {
        match &self.stream {
            Stream::Identity(input) => input.consumed,
            Stream::Gzip(decoder) => decoder.get_ref().consumed,
            Stream::Zstd(decoder) => decoder.get_ref().consumed,
            Stream::Spent => 0,
        }
    }
}

impl Encoding {
    /// Name of the compression; none where nothing is compressed.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

impl DecodeFault {
    /// Stable code, used as the reason of the reject that keeps the rest.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "encoding_truncated",
            Self::Damaged { .. } => "encoding_damaged",
            Self::Bomb { .. } => "decompression_bomb",
            Self::Input { .. } => "input_unreadable",
        }
    }

    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "fetch the file again; what could be decoded is in",
            Self::Damaged { .. } => "fetch the file again; bytes behind the damage are kept as a reject",
            Self::Bomb { .. } => "if the file is genuine, decompress it yourself and ingest the result",
            Self::Input { .. } => {
                "check the disk or the network share, then ingest again: reading resumes where it stopped"
            }
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.consumed += read as u64;
        if self.encoded {
            keep(&mut self.pending, &into[..read]);
        }
        Ok(read)
    }
}

impl<R> Counted<R> {
    /// Something came out of what was consumed, except perhaps of the last symbol.
    fn came_out(&mut self) {
        let done = self.pending.len().saturating_sub(SYMBOL_MAX_BYTES);
        self.pending.drain(..done);
    }
}

/// Remembers consumed bytes, the last ones if there are too many.
fn keep(pending: &mut Vec<u8>, consumed: &[u8]) {
    pending.extend_from_slice(consumed);
    let surplus = pending.len().saturating_sub(PENDING_MAX_BYTES);
    pending.drain(..surplus);
}

impl<R: Read> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.consumed += amount as u64;
        if self.encoded {
            keep(&mut self.pending, &self.inner.buffer()[..amount]);
        }
        self.inner.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(input: &[u8]) -> (Vec<u8>, Result<bool, DecodeFault>, u32) {
        let mut decoder = Decoder::new(input).unwrap();
        let mut out = Vec::new();
        loop {
            match decoder.fill(&mut out, 1000) {
                Ok(false) => {}
                outcome => return (out, outcome, decoder.members()),
            }
        }
    }

    #[test]
    fn every_encoding_gives_the_bytes_back() {
        let content: Vec<u8> = (0..50_000u32).flat_map(u32::to_le_bytes).collect();
        for encoded in [content.clone(), gzip(&content), zstd::encode_all(&content[..], 1).unwrap()] {
            let (out, outcome, _) = decode(&encoded);
            assert!(matches!(outcome, Ok(true)));
            assert_eq!(out, content);
        }
    }

    #[test]
    fn a_second_member_is_read_and_counted() {
        let (out, outcome, members) = decode(&[gzip(b"one"), gzip(b"two")].concat());
        assert!(matches!(outcome, Ok(true)));
        assert_eq!((out.as_slice(), members), (&b"onetwo"[..], 2));
    }

    #[test]
    fn truncation_damage_and_trailing_bytes_are_told_apart_and_keep_what_came_before() {
        let content = b"some text that is long enough to be cut ".repeat(500);
        let whole = gzip(&content);
        let (out, outcome, _) = decode(&whole[..whole.len() - 9]);
        assert!(matches!(outcome, Err(DecodeFault::Truncated { encoding: "gzip", .. })), "{outcome:?}");
        assert!(content.starts_with(&out));

        let mut trailing = whole.clone();
        trailing.extend_from_slice(b"and then plain text");
        let (out, outcome, _) = decode(&trailing);
        assert!(matches!(outcome, Err(DecodeFault::Damaged { .. })), "{outcome:?}");
        assert_eq!(out, content);
    }

    #[test]
    fn what_is_cut_off_is_kept_to_the_last_byte() {
        let content: Vec<u8> =
            (0..40_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let zstd = zstd::encode_all(&content[..], 3).unwrap();
        for (encoded, cut) in [(gzip(&content), 5), (gzip(&content), 40), (zstd.clone(), 5), (zstd, 400)] {
            let mut decoder = Decoder::new(&encoded[..encoded.len() - cut]).unwrap();
            let mut out = Vec::new();
            while !matches!(decoder.fill(&mut out, 1000), Err(DecodeFault::Truncated { .. })) {}
            let mut rest = Vec::new();
            assert!(decoder.fill_encoded(&mut rest, 1 << 20).unwrap());
            assert!(encoded[..encoded.len() - cut].ends_with(&rest), "the rest is the end of what was there");
            assert!(
                out.len() == content.len() || !rest.is_empty(),
                "cut by {cut}: {} of {}",
                out.len(),
                content.len()
            );
        }
        let trailing = [gzip(b"one"), b"not gzip at all".to_vec()].concat();
        let mut decoder = Decoder::new(&trailing[..]).unwrap();
        let mut out = Vec::new();
        assert!(matches!(decoder.fill(&mut out, 1000), Err(DecodeFault::Damaged { .. })));
        let mut rest = Vec::new();
        decoder.fill_encoded(&mut rest, 1 << 20).unwrap();
        assert_eq!(rest, b"not gzip at all", "no byte of what follows is lost");
    }

    #[test]
    fn a_bomb_is_stopped() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 100 * 1024 * 1024]).unwrap();
        let (out, outcome, _) = decode(&encoder.finish().unwrap());
        assert!(matches!(outcome, Err(DecodeFault::Bomb { .. })), "{outcome:?}");
        assert!(out.len() < 66 * 1024 * 1024);
    }
}
