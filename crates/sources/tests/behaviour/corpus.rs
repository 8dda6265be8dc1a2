//! Real records, where they are present: all bytes accounted, no panic, no record of a known source refused.
//!
//! The records are not part of the project. `ASCRIBE_SHARED` names the folder that has them, else `../shared` beside
//! the workspace.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use ascribe_sources::json::{AtEnd, Prefix, Tape};
use ascribe_sources::{Context, RejectReason};
use serde_json::Value;

use crate::whole_input::{WholeInput, read_input};

/// Folders of the corpus: name, source of the records, and the label of its rows in collections of test events.
pub const FOLDERS: [(&str, &str, &str); 4] = [
    ("aws_cloudtrail", "aws_cloudtrail", "AWS.CloudTrail"),
    ("kubernetes_audit", "k8s_audit", "Amazon.EKS.Audit"),
    ("vault_audit", "vault_audit", "HashiCorp.Vault.Audit"),
    ("github_audit", "github_audit", "GitHub.Audit"),
];

#[test]
fn every_real_record_of_a_known_source_is_read() {
    for (folder, source, label) in FOLDERS {
        let Some(root) = corpus(folder) else {
            eprintln!("SKIPPED: no corpus folder `{folder}`; set ASCRIBE_SHARED");
            continue;
        };
        let mut counts = Counts::default();
        for file in files(&root) {
            for input in inputs(&file, label) {
                counts.add(&file, source, &input);
            }
        }
        eprintln!("{folder}: {counts:?}");
        assert!(counts.records > 0, "the folder has no record of `{source}`");
    }
}

#[test]
fn a_webhook_delivery_is_not_taken_for_an_audit_record() {
    let Some(inputs) = all_inputs("github_audit/panther", "GitHub.Webhook") else {
        eprintln!("SKIPPED: no corpus folder `github_audit`; set ASCRIBE_SHARED");
        return;
    };
    assert!(!inputs.is_empty(), "the folder has no webhook delivery");
    for input in inputs {
        let whole = read_input(&input, &Context { scope: Some("corpus") });
        let reasons: Vec<_> = whole.rejects.iter().map(|reject| reject.reject.reason).collect();
        assert_eq!((whole.records.len(), reasons), (0, vec![RejectReason::UnknownSource]));
    }
}

/// Every log in a folder of the corpus, where it is present.
pub fn all_inputs(folder: &str, label: &str) -> Option<Vec<Vec<u8>>> {
    let root = corpus(folder)?;
    Some(files(&root).iter().flat_map(|file| inputs(file, label)).collect())
}

#[derive(Debug, Default)]
struct Counts {
    bytes: usize,
    records: usize,
    events: usize,
    undated: usize,
    unread_parts: usize,
    withheld: BTreeMap<&'static str, usize>,
    rejects: BTreeMap<&'static str, usize>,
}

impl Counts {
    fn add(&mut self, file: &Path, source: &str, input: &[u8]) {
        let whole = read_input(input, &Context { scope: Some("corpus") });
        check_accounting(input, &whole);
        self.bytes += input.len();
        self.records += whole.records.len();
        for record in &whole.records {
            assert_eq!(record.read.source.id, source, "{}", file.display());
            self.events += record.read.events.len();
            self.undated += record.read.events.iter().filter(|event| event.time.at.is_none()).count();
            self.unread_parts += record.read.unread.len();
        }
        for rule in whole.withheld_rules() {
            *self.withheld.entry(rule).or_default() += 1;
        }
        for reject in &whole.rejects {
            let reason = reject.reject.reason;
            *self.rejects.entry(reason.code()).or_default() += 1;
            let other_source = matches!(reason, RejectReason::UnknownSource | RejectReason::NotALog);
            let text = String::from_utf8_lossy(&reject.captured);
            let names = |names: &[&str]| names.iter().all(|name| text.contains(&format!("\"{name}\"")));
            let looks_like_one = names(&["eventVersion", "eventSource", "eventName"])
                || names(&["auditID", "stage"])
                || names(&["digestS3Object", "logFiles"])
                || names(&["time", "type", "request", "auth"])
                || names(&["action", "actor", "org"])
                || names(&["action", "_document_id"]);
            assert!(
                !looks_like_one && (other_source || !is_json(&reject.captured)),
                "{}: {}\n{text:.300}",
                file.display(),
                reject.reject
            );
        }
    }
}

fn check_accounting(input: &[u8], whole: &WholeInput) {
    let records: usize = whole.records.iter().map(|record| record.received.len()).sum();
    assert_eq!(records + whole.reject_bytes + whole.framing_bytes, input.len());
}

/// The logs in a file: the file itself, or what labelled test rows hold.
fn inputs(file: &Path, label: &str) -> Vec<Vec<u8>> {
    let bytes = content(file);
    let name = file.to_string_lossy();
    if name.contains(".tests.jsonl") {
        return rows(&bytes)
            .filter(|row| row.get("log_type").and_then(Value::as_str) == Some(label))
            .filter_map(|row| row.get("event").map(|event| event.to_string().into_bytes()))
            .collect();
    }
    if name.contains("streamalert") {
        let tests: Value = serde_json::from_slice(&bytes).unwrap();
        let is_read = |test: &&Value| {
            let names = ["cloudtrail", "cloudwatch", "ghe:"];
            let name = test.get("log").and_then(Value::as_str).unwrap_or_default();
            names.iter().any(|beginning| name.starts_with(beginning))
        };
        let tests = tests.as_array().unwrap().iter().filter(is_read);
        return tests.filter_map(|test| test.get("data")).map(|data| data.to_string().into_bytes()).collect();
    }
    vec![bytes]
}

fn rows(bytes: &[u8]) -> impl Iterator<Item = Value> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
}

fn content(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    if file.extension().is_none_or(|extension| extension != "gz") {
        return bytes;
    }
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
    text
}

fn is_json(bytes: &[u8]) -> bool {
    Tape::new().parse_prefix(bytes, AtEnd::Yes) == Prefix::Complete { length: bytes.len() }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[expect(clippy::disallowed_methods, reason = "tests learn where shared records are from the environment")]
fn corpus(folder: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var("ASCRIBE_SHARED").map_or_else(|_| beside(), PathBuf::from);
    Some(shared.join("corpus").join(folder)).filter(|path| path.is_dir())
}
