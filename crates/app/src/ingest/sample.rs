//! Reading an input record by record without storing anything, for whoever tries something out on it.
//!
//! Decoding, framing and reading are those of an ingest; what cannot be read is only counted.

use std::fs::File;
use std::io::{self, Read};

use ascribe_sources::json::AtEnd;
use ascribe_sources::{Context, Framer, ReadRecord, Reading, Received, SOURCES, Step, read};

use super::InputObject;
use super::decode::{DecodeFault, Decoder};

/// Decoded bytes that are framed at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What was read of an input.
#[derive(Clone, Copy, Debug, Default)]
pub struct SampleTotals {
    /// Records.
    pub records: u64,
    /// Pieces that no source reads.
    pub rejects: u64,
}

/// An input cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The system does not give it.
    #[error("cannot read `{name}`")]
    Read {
        /// The input.
        name: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It cannot be decompressed.
    #[error("cannot decompress `{name}` to its end")]
    Decode {
        /// The input.
        name: String,
        /// Why not.
        #[source]
        source: Box<DecodeFault>,
    },
    /// Whoever tries something failed.
    #[error("cannot go on with `{name}`")]
    Visit {
        /// The input.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Calls `visit` with each record of an input, freed of secrets.
pub fn each_record(
    object: &InputObject,
    context: &Context<'_>,
    visit: &mut dyn FnMut(ReadRecord<'_>) -> io::Result<()>,
) -> Result<SampleTotals, SampleError> {
    let name = object.name();
    let failed = |source| SampleError::Read { name: name.clone(), source };
    let input: Box<dyn Read> = match object {
        InputObject::File(path) => Box::new(File::open(path).map_err(failed)?),
        InputObject::Stdin => Box::new(io::stdin()),
    };
    let mut decoder = Decoder::new(input).map_err(failed)?;
    let mut framer = Framer::new(SOURCES);
    let mut totals = SampleTotals::default();
    let (mut buffer, mut last) = (Vec::new(), None);
    loop {
        let ended = decoder
            .fill(&mut buffer, CHUNK_BYTES)
            .map_err(|source| SampleError::Decode { name: name.clone(), source: Box::new(source) })?;
        let at_end = if ended { AtEnd::Yes } else { AtEnd::No };
        let mut at = 0;
        loop {
            match framer.next(&buffer[at..], at_end) {
                Step::NeedMore | Step::End { .. } => break,
                Step::Framing { length } => at += length,
                Step::Reject { length, .. } => {
                    totals.rejects += 1;
                    at += length;
                }
                Step::Record { length } => {
                    let received = Received { bytes: &buffer[at..at + length], tape: framer.tape(), last };
                    match read(received, context) {
                        Reading::Record(record) => {
                            totals.records += 1;
                            last = Some(record.source);
                            visit(record)
                                .map_err(|source| SampleError::Visit { name: name.clone(), source })?;
                        }
                        Reading::Reject(_) => totals.rejects += 1,
                    }
                    at += length;
                }
            }
        }
        buffer.drain(..at);
        if ended {
            return Ok(totals);
        }
    }
}
