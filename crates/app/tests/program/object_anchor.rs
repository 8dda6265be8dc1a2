//! An anchor in an object store, against a server that others wrote (the Python package `moto`). Built and run with
//! `cargo test -p ascribe-app --features object-store object_anchor`; skipped, and said so, where there is no such server.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::given::{Given, Ran, lines};

/// Makes a bucket and serves it on a port of the system's choice until its input ends.
const SERVER: &str = r#"
import sys, boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://127.0.0.1:{port}"
boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b").create_bucket(Bucket="anchors")
print(url, flush=True)
sys.stdin.read()
"#;

struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Option<Self> {
        let mut process = Command::new("python3")
            .args(["-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut url = String::new();
        BufReader::new(process.stdout.take()?).read_line(&mut url).ok()?;
        let url = url.trim().to_owned();
        if url.is_empty() {
            process.wait().ok()?;
            return None;
        }
        Some(Self { process, url })
    }

    fn run(&self, given: &Given, arguments: &[&str]) -> Ran {
        let mut command = given.program(arguments);
        command.envs([
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
        ]);
        Ran::from(command.output().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its input ends with it, so it may be gone already.
        if self.process.kill().is_ok() {
            self.process.wait().unwrap();
        }
    }
}

fn anchored(given: &Given, server: &Server, name: &str) {
    let settings = given.root().join("ascribe.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let note = std::fs::read(given.root().join("anchor/checkpoint")).unwrap();
    std::fs::write(
        &settings,
        text.replace("anchor = \"anchor\"", &format!("anchor = \"s3://anchors/{name}\"")),
    )
    .unwrap();
    // As docs/anchor.md says: the note is brought there once.
    let script = "import sys, boto3; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', \
                  aws_access_key_id='a', aws_secret_access_key='b').put_object(Bucket='anchors', \
                  Key=sys.argv[2] + '/checkpoint', Body=open(sys.argv[3], 'rb').read())";
    let path = given.root().join("anchor/checkpoint").to_string_lossy().into_owned();
    let put = Command::new("python3").args(["-c", script, &server.url, name, &path]).output().unwrap();
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    std::fs::remove_dir_all(given.root().join("anchor")).unwrap();
    assert!(!note.is_empty());
}

#[test]
fn an_anchor_in_a_bucket_is_swapped_and_tells_a_ledger_that_was_put_back() {
    let Some(server) = Server::start() else {
        eprintln!("skipped: no `python3` with `moto` and `boto3`, so no object store to put an anchor into");
        return;
    };
    let given = Given::evidence();
    anchored(&given, &server, "one");
    let ingest = |name: &str, from: usize| {
        let path = given.input(name, &lines(from, from + 3));
        server.run(&given, &["ingest", &path])
    };
    assert_eq!(ingest("a.json", 1).code, 0);
    let before = crate::given::files_below(&given.root().join("ledger"))
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect::<Vec<_>>();
    let second = ingest("b.json", 10);
    assert_eq!(second.code, 0, "{}", second.err);
    let verified = server.run(&given, &["verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    // The ledger is put back to an older state; the anchor is not.
    std::fs::remove_dir_all(given.root().join("ledger")).unwrap();
    for (path, bytes) in before {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let refused = ingest("c.json", 20);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("--- anchor") && refused.err.contains("--- published"), "{}", refused.err);
    // Without the store nothing is signed.
    drop(server);
}
