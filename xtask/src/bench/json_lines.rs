//! Files of JSON Lines, one record a line, as audit devices and API servers write and rotate them.
//!
//! Knows names and lengths of files; what is in a line is the generator's.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::deliveries::{DeliverError, Delivered, START_MS};
use super::kubernetes::Cluster;
use super::sets::Kind;
use super::vault::Vault;

/// Lines in each file but the last.
const LINES_PER_FILE: u64 = 100_000;

/// Something that leaves a line at a time.
pub trait Lines {
    /// Appends the next line, with its line feed.
    fn line(&mut self, out: &mut String);
}

/// Who writes lines of this kind; `None` where a kind does not come in lines.
pub fn writer(kind: Kind, seed: u64) -> Option<Box<dyn Lines>> {
    match kind {
        Kind::CloudTrail => None,
        Kind::Vault => Some(Box::new(Vault::new(seed, START_MS))),
        Kind::Kubernetes => Some(Box::new(Cluster::new(seed, START_MS))),
    }
}

/// Writes `events` lines into files in `folder`, which is created.
pub fn write(lines: &mut dyn Lines, events: u64, folder: &Path) -> Result<Delivered, DeliverError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DeliverError { path, source }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut delivered = Delivered::default();
    let mut line = String::new();
    while delivered.events < events {
        let path = folder.join(format!("audit-{:04}.jsonl", delivered.objects));
        let mut file = BufWriter::new(File::create(&path).map_err(failed(&path))?);
        let count = LINES_PER_FILE.min(events - delivered.events);
        for _ in 0..count {
            line.clear();
            lines.line(&mut line);
            file.write_all(line.as_bytes()).map_err(failed(&path))?;
            delivered.decoded_bytes += line.len() as u64;
        }
        file.flush().map_err(failed(&path))?;
        delivered.objects += 1;
        delivered.events += count;
    }
    delivered.file_bytes = delivered.decoded_bytes;
    Ok(delivered)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ascribe_sources::json::AtEnd;
    use ascribe_sources::{Context, Framer, Reading, Received, SOURCES, Step, read};

    use super::*;

    const LINES: u64 = 4_000;
    const KINDS: [(Kind, &str); 2] = [(Kind::Vault, "vault_audit"), (Kind::Kubernetes, "k8s_audit")];

    fn text(kind: Kind, seed: u64) -> String {
        let mut lines = writer(kind, seed).unwrap();
        let mut out = String::new();
        (0..LINES).for_each(|_| lines.line(&mut out));
        out
    }

    #[test]
    fn one_seed_gives_one_text() {
        for (kind, _) in KINDS {
            assert_eq!(text(kind, 7), text(kind, 7), "{kind:?}");
            assert_ne!(text(kind, 7), text(kind, 8), "{kind:?}");
        }
    }

    #[test]
    fn every_line_is_an_event_of_its_source() {
        for (kind, source) in KINDS {
            let (mut ids, mut last) = (BTreeSet::new(), None);
            let context = Context { scope: Some("bench") };
            each_record(text(kind, 7).as_bytes(), |received| {
                let Reading::Record(record) = read(received, &context) else {
                    panic!("{source}: {}", String::from_utf8_lossy(received.bytes));
                };
                assert_eq!((record.source.id, record.events.len(), record.unread.len()), (source, 1, 0));
                let event = &record.events[0];
                assert!(event.time.at >= last, "{source}: times rise");
                // Tokens of pods end later than their requests say, and every such request has that hint.
                let unexpected = event.coverage_hints.iter().find(|hint| hint.kind != "expiry_extended");
                assert_eq!(unexpected, None, "{source}");
                last = event.time.at;
                ids.insert(event.id);
            });
            assert_eq!(ids.len() as u64, LINES, "{source}: no line is a repeat");
        }
    }

    #[test]
    fn lines_are_about_as_long_as_real_ones() {
        for (kind, _) in KINDS {
            let mean = text(kind, 7).len() as u64 / LINES;
            assert!((1_300..1_700).contains(&mean), "{kind:?}: {mean}");
        }
    }

    #[test]
    fn the_order_is_filled_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = writer(Kind::Vault, 1).unwrap();
        let delivered = write(&mut *lines, LINES_PER_FILE + 5, folder.path()).unwrap();
        assert_eq!((delivered.objects, delivered.events), (2, LINES_PER_FILE + 5));
        let last = std::fs::read_to_string(folder.path().join("audit-0001.jsonl")).unwrap();
        assert_eq!(last.lines().count(), 5);
    }

    fn each_record(input: &[u8], mut take: impl FnMut(Received<'_>)) {
        let mut framer = Framer::new(SOURCES);
        let mut position = 0;
        loop {
            match framer.next(&input[position..], AtEnd::Yes) {
                Step::Record { length } => {
                    let bytes = &input[position..position + length];
                    take(Received { bytes, tape: framer.tape(), last: None });
                    position += length;
                }
                Step::Framing { length } => position += length,
                Step::End { .. } => return,
                Step::Reject { .. } | Step::NeedMore => panic!("bytes that are no record at {position}"),
            }
        }
    }
}
