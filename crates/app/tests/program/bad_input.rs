//! Bad input, each kind by its name: a clear message with place and hint, the rest taken in, nothing lost.

use std::fs;
use std::io::Read as _;

use serde_json::Value;

use crate::given::{Given, assert_accounted, files_below, gzip, lines, record};

/// A bad file, taken in together with a good one of three records.
struct Bad {
    /// Content of the file.
    bytes: Vec<u8>,
    /// Records that it still gives.
    records: u64,
    /// Rejects by reason.
    rejects: &'static [(&'static str, u64)],
    /// Words that stand in a notice about it; empty where there is none.
    notice: &'static str,
}

fn check(name: &str, bad: &Bad) -> Value {
    let given = Given::evidence();
    let paths = [given.input(name, &bad.bytes), given.input("good.json", &lines(9_000, 9_003))];
    let report = given.ingest(&[&paths[0], &paths[1]]);
    assert_eq!(report["records"], bad.records + 3, "{report:#}");
    assert_accounted(&report);
    let expected: Value =
        bad.rejects.iter().map(|(reason, count)| ((*reason).to_owned(), Value::from(*count))).collect();
    assert_eq!(report["rejects"], expected, "{report:#}");
    for example in report["reject_examples"].as_array().unwrap() {
        assert!(example["object"].as_str().unwrap().ends_with(name), "{example:#}");
        for field in ["expected", "found", "hint"] {
            assert_ne!(example[field], "", "{field} says nothing: {example:#}");
        }
    }
    let notices = report["notices"].to_string();
    assert!(notices.contains(bad.notice) && (bad.notice.is_empty() == (notices == "[]")), "{notices}");
    given.assert_valid();
    let again = given.ingest(&[&paths[0], &paths[1]]);
    assert_eq!((&again["records"], &again["objects_known"]), (&Value::from(0), &Value::from(2)), "{again:#}");
    report
}

#[test]
fn truncated_gzip() {
    let whole = gzip(&lines(0, 200));
    let cut = whole[..whole.len() / 2].to_vec();
    let mut decoded = Vec::new();
    let ended = flate2::read::GzDecoder::new(&cut[..]).read_to_end(&mut decoded);
    assert!(ended.is_err(), "the sample must be truncated");
    let records = decoded.iter().filter(|&&byte| byte == b'\n').count() as u64;
    assert!(records > 0 && decoded.last() != Some(&b'\n'), "the sample must end inside a record");
    check(
        "truncated.json.gz",
        &Bad {
            bytes: cut,
            records,
            rejects: &[("encoding_truncated", 1), ("truncated", 1)],
            notice: "the gzip stream ends early",
        },
    );
}

#[test]
fn second_gzip_member() {
    let bytes = [gzip(&lines(0, 2)), gzip(&lines(2, 5))].concat();
    check("appended.json.gz", &Bad { bytes, records: 5, rejects: &[], notice: "2 compressed members" });
}

#[test]
fn bytes_behind_a_gzip_member() {
    let bytes = [gzip(&lines(0, 2)), b"appended by somebody".to_vec()].concat();
    let bad =
        Bad { bytes, records: 2, rejects: &[("encoding_damaged", 1)], notice: "the gzip stream is damaged" };
    check("trailing.json.gz", &bad);
}

#[test]
fn decompression_bomb() {
    let mut content = lines(0, 2);
    content.resize(content.len() + 200 * 1024 * 1024, b' ');
    let bad = Bad {
        bytes: densest_gzip(&content),
        records: 2,
        rejects: &[("decompression_bomb", 1)],
        notice: "more than 200 for one",
    };
    check("bomb.json.gz", &bad);
}

fn densest_gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::read::GzEncoder::new(content, flate2::Compression::best());
    let mut bytes = Vec::new();
    encoder.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn invalid_utf8() {
    let broken = record(1).replace("aws-cli", "aws\u{1}cli").into_bytes();
    let broken: Vec<u8> = broken.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    let bytes = [lines(0, 1), broken, b"\n".to_vec(), lines(2, 3)].concat();
    check("latin.json", &Bad { bytes, records: 2, rejects: &[("invalid_utf8", 1)], notice: "" });
}

#[test]
fn line_of_64_mib_in_bounded_memory() {
    let given = Given::evidence();
    let mut bytes = b"{\"eventVersion\":\"1.09\",\"padding\":\"".to_vec();
    bytes.resize(64 * 1024 * 1024, b'x');
    bytes.extend_from_slice(b"\"}\n");
    let path = given.input("long.json", &[bytes, lines(0, 3)].concat());
    // 600 MiB of address space: the input alone, held a few times, would not fit.
    let ran = given.run_limited("ulimit -v 600000", &["ingest", &path, "--output", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    assert_eq!(report["records"], 3, "{report:#}");
    assert_eq!(report["rejects"]["oversize"], 9, "in parts of at most 8 MiB: {report:#}");
    assert_accounted(&report);
    given.assert_valid();
}

#[test]
fn json_10_000_deep() {
    let deep = format!("{{\"eventVersion\":{}1{}}}\n", "[".repeat(10_000), "]".repeat(10_000));
    let bytes = [lines(0, 1), deep.into_bytes(), lines(1, 2)].concat();
    check("deep.json", &Bad { bytes, records: 2, rejects: &[("too_deep", 1)], notice: "" });
}

#[test]
fn duplicate_keys() {
    let twice = record(1).replacen("\"eventName\"", "\"eventName\":\"DeleteTrail\",\"eventName\"", 1);
    let bytes = [lines(0, 1), twice.into_bytes(), b"\n".to_vec()].concat();
    let report =
        check("twice.json", &Bad { bytes, records: 1, rejects: &[("duplicate_key", 1)], notice: "" });
    assert!(report["reject_examples"][0]["found"].as_str().unwrap().contains("eventName"), "{report:#}");
}

#[test]
fn numbers_above_2_to_the_53_are_kept_exactly() {
    let given = Given::evidence();
    let big = record(1)
        .replace("{\"bucketName\":\"b1\"}", "{\"bucketName\":\"b1\",\"n\":9007199254740993,\"m\":1e400}");
    let path = given.input("big.json", format!("{big}\n").as_bytes());
    assert_eq!(given.ingest(&[&path])["records"], 1);
    let shown = given.json(&["show", "11111111-2222-4333-8444-000000000001"]);
    assert_eq!(shown["body"]["details"]["show"]["record"], Value::from(big), "captured exactly as received");
}

#[test]
fn empty_file() {
    check("empty.json", &Bad { bytes: Vec::new(), records: 0, rejects: &[], notice: "" });
}

#[test]
fn folder_without_logs() {
    let given = Given::evidence();
    let folder = tempfile::tempdir().unwrap();
    let ran = given.run(&["ingest", &folder.path().to_string_lossy()]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("is a folder without files") && ran.err.contains("hint:"), "{}", ran.err);
}

#[test]
fn path_that_does_not_exist() {
    let given = Given::evidence();
    let good = given.input("good.json", &lines(0, 2));
    let ran = given.run(&["ingest", "/no/such/file.json", &good]);
    assert_eq!(ran.code, 2, "not everything went in");
    assert!(ran.err.contains("`/no/such/file.json` does not exist"), "{}", ran.err);
    assert!(ran.out.contains("records       2"), "the rest still does: {}", ran.out);
}

#[test]
fn file_of_no_known_source() {
    let bytes = b"{\"some\":\"other\",\"json\":1}\n{\"another\":2}\n".to_vec();
    check("other.json", &Bad { bytes, records: 0, rejects: &[("unknown_source", 2)], notice: "" });
}

#[test]
fn text_that_is_no_json() {
    let bytes = [b"Aug 14 09:12:00 host sshd[1]: Accepted\n".to_vec(), lines(0, 1)].concat();
    check("syslog.txt", &Bad { bytes, records: 1, rejects: &[("not_json", 1)], notice: "" });
}

#[test]
fn record_without_a_time() {
    let given = Given::evidence();
    let undated = record(1).replace("\"eventTime\":\"2026-08-14T09:00:01Z\",", "");
    let path = given.input("undated.json", format!("{undated}\n").as_bytes());
    let report = given.ingest(&[&path]);
    assert_eq!(
        (&report["records"], &report["undated"], &report["first"]),
        (&1.into(), &1.into(), &Value::Null),
        "{report:#}"
    );
    let shown = given.json(&["show", "11111111-2222-4333-8444-000000000001"]);
    let time = &shown["body"]["details"]["show"]["event"]["time"];
    assert_eq!(
        (&time["basis"], time.get("at")),
        (&"missing".into(), None),
        "it never borrows a time: {time}"
    );
}

#[test]
fn full_disk() {
    let given = Given::evidence();
    let path = given.input("many.json", &lines(0, 20_000));
    // Files may not grow beyond 200 blocks of 512 bytes; the signal that goes with it is ignored, so writes fail.
    let ran = given.run_limited("ulimit -f 200; trap '' XFSZ", &["ingest", &path]);
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("hint:") && ran.err.contains("caused by:"), "{}", ran.err);
    given.assert_valid();
    // With room again the same command goes on where it stopped.
    let report = given.ingest(&[&path]);
    assert_eq!(report["rejects"], serde_json::json!({}));
    let sources = given.json(&["sources"]);
    assert_eq!(sources["body"]["scope"]["events"], 20_000, "{sources:#}");
    assert_eq!(
        sources["body"]["details"]["sources"]["streams"][0]["duplicates"], 0,
        "nothing was taken in twice"
    );
    given.assert_valid();
}

#[test]
fn read_only_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let given = Given::evidence();
    let path = given.input("good.json", &lines(0, 3));
    given.ingest(&[&path]);
    let set = |mode: u32| {
        for file in files_below(&given.root()) {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode & 0o666)).unwrap();
        }
    };
    set(0o444);
    let shown = given.run(&["who", "AKIAEXAMPLEDEPLOY001"]);
    assert_eq!(shown.code, 0, "questions need no right to write: {}", shown.err);
    let more = given.input("more.json", &lines(3, 6));
    let ran = given.run(&["ingest", &more]);
    // Whoever may do everything is not stopped by a file's mode.
    if fs::OpenOptions::new().append(true).open(given.root().join("ascribe.toml")).is_err() {
        assert_eq!(ran.code, 2, "{}", ran.out);
        assert!(ran.err.contains("hint:"), "{}", ran.err);
    }
    set(0o644);
    given.assert_valid();
}

#[test]
fn two_writers_at_once() {
    let given = Given::evidence();
    let path = given.input("good.json", &lines(0, 3));
    let mut first = given
        .program(&["ingest", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lock = given.root().join("ledger/lock");
    let mut ran = given.run(&["verify"]);
    // The first one holds the lock as soon as it has started; it then waits for its standard input.
    for _ in 0..200 {
        let locked = fs::File::open(&lock).unwrap().try_lock_shared().is_err();
        if locked {
            ran = given.run(&["ingest", &path]);
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("another `ascribe ingest` is writing"), "{}", ran.err);
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    given.assert_valid();
}

#[test]
fn one_byte_flipped_anywhere_in_the_ledger() {
    let given = Given::evidence();
    given.ingest(&[&given.input("good.json", &lines(0, 40))]);
    let mut flipped = 0;
    for folder in ["ledger", "anchor"] {
        let files = files_below(&given.root().join(folder));
        // The lock is no evidence: it names the last writer, for whoever finds it held.
        for file in files.into_iter().filter(|file| !file.ends_with("lock")) {
            let bytes = fs::read(&file).unwrap();
            // Every byte of every file is flipped in the tests of the ledger itself; here a few, through the program.
            for position in [0, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                if bytes.is_empty() {
                    continue;
                }
                let mut damaged = bytes.clone();
                damaged[position] ^= 0x10;
                fs::write(&file, &damaged).unwrap();
                let ran = given.run(&["verify"]);
                assert_eq!(ran.code, 1, "{} at {position}: {}{}", file.display(), ran.out, ran.err);
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                assert!(
                    ran.out.contains("INVALID") && ran.out.contains(&name),
                    "{}: {}",
                    file.display(),
                    ran.out
                );
                flipped += 1;
            }
            fs::write(&file, &bytes).unwrap();
        }
    }
    assert!(flipped > 10, "the ledger has files to damage");
    given.assert_valid();
}
