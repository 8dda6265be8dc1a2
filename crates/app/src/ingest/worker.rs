//! One worker reads one object: open, hash, decode, frame, parse. It writes nothing.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use ascribe_ledger::Span;
use ascribe_model::{ObjectClosed, ObjectEntry, RejectHeader};
use ascribe_sources::json::AtEnd;
use ascribe_sources::{
    Context, Framer, ReadReject, Reading, Received, Reject, RejectReason, SOURCES, Source, Step, UnreadPart,
    read, read_reject,
};
use sha2::{Digest, Sha256};

use super::InputObject;
use super::decode::{DecodeFault, Decoder};
use super::known::{Known, KnownError};
use super::piece::{Batch, Buffers, Content, Message, Notice, ObjectStart, Piece, Said};
use super::progress::Progress;
use crate::capture::{Capture, Captured};
use crate::causes::with_causes;

/// Decoded bytes that are framed at a time; a batch is about this large.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Bytes of standard input that are held to see whether all of it was met before.
const STDIN_HELD_BYTES: u64 = 64 * 1024 * 1024;
/// Encoded bytes that cannot be decoded are kept in rejects of this size.
const ENCODED_REJECT_BYTES: usize = 8 * 1024 * 1024;

/// What a worker is told.
pub struct Reads<'a> {
    /// What the operator said about the input.
    pub context: Context<'a>,
    /// What is kept of a record.
    pub capture: &'a Capture,
    /// What the ledger held of an object when the run began.
    pub known: &'a (dyn Fn(&str) -> Result<Known, KnownError> + Sync),
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Memory for batches.
    pub buffers: &'a Buffers,
}

/// Nobody takes messages any more: the committer failed.
pub struct Stopped;

/// Where messages go.
pub type Send<'a> = &'a mut dyn FnMut(Message) -> Result<(), Stopped>;

/// Reads `object` and sends what it makes of it.
///
/// # Errors
/// [`Stopped`] when nobody takes the messages. Everything that is wrong with the object is a message.
pub fn read_object(object: &InputObject, reads: &Reads<'_>, send: Send<'_>) -> Result<(), Stopped> {
    match begin(object, reads) {
        Ok((start, None)) => send(Message::Opened(start)),
        Ok((start, Some(input))) => {
            let cursor = input.cursor;
            send(Message::Opened(start))?;
            let mut work = Work::new(object.name(), reads, cursor);
            work.run(input, send)?;
            reads.buffers.give(work.buffer);
            Ok(())
        }
        Err(notice) => send(Message::Failed(notice)),
    }
}

/// An input that is ready to be read.
struct OpenInput {
    decoder: Decoder<Box<dyn Read + std::marker::Send>>,
    /// Pieces that end here or before are in the ledger already.
    cursor: u64,
    /// Set for a file: its path, and the bytes that were hashed. What was added since is left for the next run.
    file: Option<(std::path::PathBuf, u64)>,
}

fn begin(object: &InputObject, reads: &Reads<'_>) -> Result<(ObjectStart, Option<OpenInput>), Notice> {
    let failed =
        |message: String, hint: &str| Notice { object: object.name(), message, hint: hint.to_owned() };
    let unreadable = |error: io::Error| {
        failed(format!("cannot read it: {error}"), "check who may read it, and that it is a file")
    };
    let (digest, input, file): (Option<(String, u64)>, Box<dyn Read + std::marker::Send>, _) = match object {
        InputObject::File(path) => {
            let (digest, bytes) = digest_of(path).map_err(unreadable)?;
            let file = File::open(path).map_err(unreadable)?;
            (Some((digest, bytes)), Box::new(file.take(bytes)), Some((path.clone(), bytes)))
        }
        InputObject::Stdin => {
            let (digest, input) = held_stdin().map_err(unreadable)?;
            (digest, input, None)
        }
    };
    let known = match &digest {
        Some((digest, _)) => (reads.known)(digest)
            .map_err(|error| failed(error.to_string(), "`ascribe verify` shows what is damaged"))?,
        None => Known::No,
    };
    let decoder = Decoder::new(input).map_err(unreadable)?;
    let (start, cursor) = match known {
        Known::Whole { opened } => return Ok((ObjectStart::Known { opened, name: object.name() }, None)),
        Known::Part { opened, cursor } => (ObjectStart::Resumed { opened }, cursor),
        Known::No => {
            let entry = ObjectEntry::Opened {
                name: object.name(),
                encoding: decoder.encoding().name().unwrap_or("identity").to_owned(),
                scope: reads.context.scope.map(str::to_owned),
                policy: reads.capture.version().map(str::to_owned),
            };
            let digest = digest.map(|(digest, bytes)| ObjectEntry::Digest { digest, bytes });
            (ObjectStart::New { entry, digest }, 0)
        }
    };
    Ok((start, Some(OpenInput { decoder, cursor, file })))
}

/// `sha256:` with the digest of a file, and how many bytes that were.
fn digest_of(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES / 4];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((digest_text(hash), bytes)),
            Ok(read) => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn digest_text(hash: Sha256) -> String {
    let digits: Vec<String> = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", digits.concat())
}

/// Digest and size, where they are known before reading; and the input.
type Hashed = (Option<(String, u64)>, Box<dyn Read + std::marker::Send>);

/// Standard input. Where all of it fits into memory its digest is known beforehand, as for a file.
fn held_stdin() -> io::Result<Hashed> {
    let mut held = Vec::new();
    io::stdin().lock().take(STDIN_HELD_BYTES).read_to_end(&mut held)?;
    if (held.len() as u64) < STDIN_HELD_BYTES {
        let mut hash = Sha256::new();
        hash.update(&held);
        return Ok((Some((digest_text(hash), held.len() as u64)), Box::new(Cursor::new(held))));
    }
    Ok((None, Box::new(Cursor::new(held).chain(io::stdin()))))
}

/// Reading of one object.
struct Work<'a> {
    name: String,
    reads: &'a Reads<'a>,
    cursor: u64,
    framer: Framer,
    last: Option<&'static Source>,
    /// Decoded bytes that are in no piece yet.
    buffer: Vec<u8>,
    /// Offset of the buffer's first byte in the object.
    offset: u64,
    totals: ObjectClosed,
    /// What the records of the batch at hand say.
    said: Said,
    /// Parts of records that could not be read, with the offset of the record.
    unread: Vec<(u64, UnreadPart)>,
    /// Why the policy could not be applied to a record.
    uncapturable: Option<io::Error>,
}

impl<'a> Work<'a> {
    fn new(name: String, reads: &'a Reads<'a>, cursor: u64) -> Self {
        let totals = ObjectClosed::default();
        Self {
            name,
            reads,
            cursor,
            framer: Framer::new(SOURCES),
            last: None,
            buffer: reads.buffers.take(),
            offset: 0,
            totals,
            said: Said::default(),
            unread: Vec::new(),
            uncapturable: None,
        }
    }

    fn run(&mut self, mut input: OpenInput, send: Send<'_>) -> Result<(), Stopped> {
        let mut consumed = 0;
        let fault = loop {
            let (ended, fault) = match input.decoder.fill(&mut self.buffer, CHUNK_BYTES) {
                Ok(ended) => (ended, None),
                Err(fault) => (true, Some(fault)),
            };
            self.reads.progress.read(input.decoder.consumed() - consumed);
            consumed = input.decoder.consumed();
            let (batch, open) = self.frame(if ended { AtEnd::Yes } else { AtEnd::No });
            if let Some(error) = self.uncapturable.take() {
                send(Message::Uncapturable(error))?;
                return Err(Stopped);
            }
            if !batch.pieces.is_empty() {
                send(Message::Batch(batch))?;
            }
            for (offset, part) in std::mem::take(&mut self.unread) {
                let message =
                    format!("the record at byte {offset} has a part that cannot be read: {}", part.reason);
                send(self.notice(&message, "the record is kept whole; its other parts are events"))?;
            }
            if open && fault.is_none() {
                send(self.notice(
                    "it ends inside the list that holds its records",
                    "fetch it again: what was in it is in",
                ))?;
            }
            if ended {
                break fault;
            }
        };
        if let Some(fault) = &fault {
            self.keep_encoded(&mut input, fault, send)?;
        }
        self.totals.members = input.decoder.members();
        if self.totals.members > 1 {
            let message = format!("it has {} compressed members", self.totals.members);
            send(self.notice(&message, "services deliver one: check who appended to it"))?;
        }
        self.tell_growth(&input, send)?;
        self.totals.fault = fault.map(|fault| fault.code().to_owned());
        send(Message::Closed(std::mem::take(&mut self.totals)))
    }

    /// Cuts what is in the buffer into pieces. Also says whether the input ended inside a list of records.
    fn frame(&mut self, at_end: AtEnd) -> (Batch, bool) {
        let mut pieces = Vec::new();
        self.said = Said::with_room(self.reads.buffers.take_outlines());
        let (mut at, mut open) = (0, false);
        loop {
            let length = match self.framer.next(&self.buffer[at..], at_end) {
                Step::NeedMore => break,
                Step::End { open: inside } => {
                    open = inside;
                    break;
                }
                Step::Framing { length } => {
                    self.totals.framing_bytes += length as u64;
                    length
                }
                Step::Record { length } => {
                    pieces.extend(self.record(at..at + length));
                    length
                }
                Step::Reject { length, reject } => {
                    pieces.extend(self.reject(at..at + length, reject));
                    length
                }
            };
            at += length;
        }
        self.totals.decoded_bytes += at as u64;
        self.offset += at as u64;
        let mut rest = self.reads.buffers.take();
        rest.extend_from_slice(&self.buffer[at..]);
        let mut bytes = std::mem::replace(&mut self.buffer, rest);
        bytes.truncate(at);
        (Batch { bytes, pieces, said: std::mem::take(&mut self.said) }, open)
    }

    fn record(&mut self, range: std::ops::Range<usize>) -> Option<Piece> {
        let bytes = &self.buffer[range.clone()];
        let span = Span { offset: self.offset + range.start as u64, length: bytes.len() as u64 };
        if span.offset + span.length <= self.cursor {
            self.count_record(span);
            return None;
        }
        let received = Received { bytes, tape: self.framer.tape(), last: self.last };
        let content = match read(received, &self.reads.context) {
            Reading::Record(record) => {
                self.last = Some(record.source);
                match self.reads.capture.capture(record, &self.reads.context) {
                    Ok(captured) => {
                        let (content, unread) = record_content(captured, &mut self.said);
                        self.unread.extend(unread.into_iter().map(|part| (span.offset, part)));
                        content
                    }
                    Err(error) => {
                        self.uncapturable = Some(error);
                        return None;
                    }
                }
            }
            Reading::Reject(rejected) => {
                let content = reject_content(&rejected);
                self.count_reject(span);
                return Some(Piece { span, range, content });
            }
        };
        self.count_record(span);
        Some(Piece { span, range, content })
    }

    fn count_record(&mut self, span: Span) {
        self.totals.records += 1;
        self.totals.record_bytes += span.length;
    }

    fn count_reject(&mut self, span: Span) {
        self.totals.rejects += 1;
        self.totals.reject_bytes += span.length;
    }

    fn reject(&mut self, range: std::ops::Range<usize>, reject: Reject) -> Option<Piece> {
        let bytes = &self.buffer[range.clone()];
        let span = Span { offset: self.offset + range.start as u64, length: bytes.len() as u64 };
        let known = span.offset + span.length <= self.cursor;
        let content = (!known).then(|| reject_content(&read_reject(bytes, reject)));
        self.count_reject(span);
        content.map(|content| Piece { span, range, content })
    }

    /// Keeps what cannot be decoded, so that nothing is lost.
    fn keep_encoded(
        &mut self,
        input: &mut OpenInput,
        fault: &DecodeFault,
        send: Send<'_>,
    ) -> Result<(), Stopped> {
        send(self.notice(&with_causes(fault), fault.hint()))?;
        loop {
            let mut rest = Vec::new();
            let ended =
                match input.decoder.fill_encoded(&mut rest, ENCODED_REJECT_BYTES) {
                    Ok(ended) => ended,
                    Err(error) => {
                        send(self.notice(
                            &format!("cannot read on: {error}"),
                            "check the disk or the network share",
                        ))?;
                        true
                    }
                };
            if !rest.is_empty() {
                let header = RejectHeader {
                    reason: fault.code().to_owned(),
                    offset: 0,
                    expected: "bytes that can be decoded".to_owned(),
                    found: fault.to_string(),
                    encoded: true,
                };
                let reject = Reject {
                    reason: RejectReason::NotJson,
                    offset: 0,
                    expected: String::new(),
                    found: String::new(),
                };
                // What follows a member may be plain text with secrets in it.
                let captured = read_reject(&rest, reject);
                let entry = reject_entry(&header, &captured.captured);
                let withheld = !captured.withheld.is_empty();
                drop(captured);
                self.totals.rejects += 1;
                self.totals.encoded_bytes += rest.len() as u64;
                let span = Span { offset: self.offset, length: 0 };
                let content = Content::Reject { header, entry, withheld };
                let piece = Piece { span, range: 0..rest.len(), content };
                send(Message::Batch(Batch { bytes: rest, pieces: vec![piece], said: Said::default() }))?;
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Says when a file was longer at the end of the reading than at its start.
    fn tell_growth(&self, input: &OpenInput, send: Send<'_>) -> Result<(), Stopped> {
        let Some((path, hashed)) = &input.file else { return Ok(()) };
        match std::fs::metadata(path) {
            Ok(now) if now.len() > *hashed => {
                let message = format!("it grew by {} bytes while it was read", now.len() - hashed);
                send(self.notice(&message, "ingest it again once it is complete: what is known counts once"))
            }
            Ok(now) if now.len() < *hashed => send(self.notice(
                "it became shorter while it was read",
                "check who writes to it; ingest a copy that rests",
            )),
            Ok(_) => Ok(()),
            Err(error) => {
                send(self.notice(&format!("it vanished while it was read: {error}"), "what was read is in"))
            }
        }
    }

    fn notice(&self, message: &str, hint: &str) -> Message {
        Message::Notice(Notice {
            object: self.name.clone(),
            message: message.to_owned(),
            hint: hint.to_owned(),
        })
    }
}

fn record_content(captured: Captured<'_>, said: &mut Said) -> (Content, Vec<UnreadPart>) {
    let Captured { record, sealed } = captured;
    let is_spliced = !record.record.withheld.is_empty() || record.has_withheld();
    let record = record.record;
    let spliced = is_spliced.then(|| record.captured.into_owned());
    (Content::Record { spliced, saying: said.add(&record.events), sealed }, record.unread)
}

fn reject_content(rejected: &ReadReject<'_>) -> Content {
    let header = RejectHeader {
        reason: rejected.reject.reason.code().to_owned(),
        offset: rejected.reject.offset as u64,
        expected: rejected.reject.expected.clone(),
        found: rejected.reject.found.clone(),
        encoded: false,
    };
    let entry = reject_entry(&header, &rejected.captured);
    Content::Reject { header, entry, withheld: !rejected.withheld.is_empty() }
}

/// The bytes of a reject entry: its header as one line of JSON, and what was rejected.
fn reject_entry(header: &RejectHeader, bytes: &[u8]) -> Vec<u8> {
    let mut entry = serde_json::to_vec(header).unwrap_or_default(); // Strings and numbers always have a JSON form.
    entry.push(b'\n');
    entry.extend_from_slice(bytes);
    entry
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write throw-away files")]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::path::PathBuf;

    use super::*;

    /// Somebody who writes to the file while it is read.
    struct Writer(PathBuf);

    impl Progress for Writer {
        fn planned(&self, _objects: u64, _bytes: u64) {}

        fn read(&self, _bytes: u64) {
            let mut file = OpenOptions::new().append(true).open(&self.0).unwrap();
            file.write_all(b"{\"later\":1}\n").unwrap();
        }

        fn object_done(&self) {}

        fn acknowledged(&self, _size: u64) {}
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_taken_as_it_was_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grows.json");
        std::fs::write(&path, b"{\"unknown\":1}\n").unwrap();
        let writer = Writer(path.clone());
        let known = |_: &str| Ok(Known::No);
        let capture = Capture::open(folder.path()).unwrap();
        let reads = Reads {
            context: Context::default(),
            capture: &capture,
            known: &known,
            progress: &writer,
            buffers: &Buffers::default(),
        };
        let mut messages = Vec::new();
        let sent = read_object(&InputObject::File(path), &reads, &mut |message| {
            messages.push(message);
            Ok(())
        });
        assert!(sent.is_ok());
        let closed = messages.iter().find_map(|message| match message {
            Message::Closed(closed) => Some(closed),
            _ => None,
        });
        assert_eq!(
            closed.map(|closed| (closed.decoded_bytes, closed.rejects)),
            Some((14, 1)),
            "{messages:?}"
        );
        let told = messages.iter().any(
            |message| matches!(message, Message::Notice(notice) if notice.message.contains("it grew by")),
        );
        assert!(told, "{messages:?}");
    }
}
