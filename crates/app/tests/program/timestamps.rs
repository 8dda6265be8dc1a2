//! Timestamps from a real authority, OpenSSL's `ts`, behind a small responder: asked, checked, kept, and checked again by
//! `openssl ts -verify`. Skipped, with a line that says so, where there is no `openssl`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::given::{Given, lines};

/// An authority with a root of its own. What it answers follows from the path.
struct Authority {
    folder: tempfile::TempDir,
    address: String,
}

const CONFIGURATION: &str = "[req]\ndistinguished_name = dn\n[dn]\n[tsa]\ndefault_tsa = it\n[it]\nserial = serial\n\
    default_policy = 1.2.3.4.1\ndigests = sha256\nsigner_digest = sha256\n";

impl Authority {
    /// `None` where there is no `openssl`.
    #[expect(clippy::print_stderr, reason = "what is skipped is said")]
    fn start() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: there is no `openssl`, so no timestamp authority to ask");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path();
        fs::write(work.join("conf"), CONFIGURATION).unwrap();
        fs::write(work.join("serial"), "01\n").unwrap();
        fs::write(work.join("ext"), "extendedKeyUsage=critical,timeStamping\n").unwrap();
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config conf";
        for root in ["root", "other"] {
            openssl(
                work,
                &format!(
                    "req -x509 {new_key} -keyout {root}.key -out {root}.pem -days 30 -subj /CN={root} -addext basicConstraints=critical,CA:TRUE"
                ),
            );
        }
        openssl(work, &format!("req -new {new_key} -keyout tsa.key -out tsa.csr -subj /CN=tsa"));
        openssl(
            work,
            "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -set_serial 7 -days 30 -extfile ext -out tsa.pem",
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let at = work.to_owned();
        // Ends with the process: nobody waits for it.
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&at, stream.unwrap());
            }
        });
        Some(Self { folder, address })
    }

    fn root(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Names these authorities in the settings: name, path, file of the root.
    fn set(&self, given: &Given, authorities: &[(&str, &str, &str)]) {
        let mut text = "\n[timestamp]\ntimeout_seconds = 1\n".to_owned();
        for (name, path, root) in authorities {
            let address = &self.address;
            text += &format!(
                "[[timestamp.authorities]]\nname = {name:?}\nurl = \"http://{address}/{path}\"\nroot = '{}'\n",
                self.root(root).display()
            );
        }
        let path = given.root().join("ascribe.toml");
        let settings = fs::read_to_string(&path).unwrap();
        let before = settings.split("\n[timestamp]").next().unwrap();
        fs::write(&path, format!("{before}{text}")).unwrap();
    }
}

fn openssl(work: &Path, arguments: &str) -> String {
    let ran = Command::new("openssl").args(arguments.split(' ')).current_dir(work).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "openssl {arguments}: {said}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// One call: the path says what goes wrong.
fn answer(work: &Path, mut stream: TcpStream) {
    let mut asked = Vec::new();
    let mut part = [0; 4096];
    let (head, body) = loop {
        let read = stream.read(&mut part).unwrap();
        asked.extend_from_slice(&part[..read]);
        let Some(end) = asked.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(asked[..end].to_vec()).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if asked.len() == end + 4 + length.parse::<usize>().unwrap() {
            break (head, asked[end + 4..].to_vec());
        }
    };
    assert!(head.contains("content-type: application/timestamp-query"), "{head}");
    let path = head.split(' ').nth(1).unwrap();
    let reply = match path {
        "/garbage" => b"<html>not here</html>".to_vec(),
        "/huge" => vec![0x30; 100_000],
        "/slow" => {
            thread::sleep(Duration::from_millis(1500));
            return;
        }
        "/replayed" => fs::read(work.join("first.tsr")).unwrap(),
        _ => {
            fs::write(work.join("query"), body).unwrap();
            openssl(
                work,
                "ts -reply -config conf -section it -queryfile query -signer tsa.pem -inkey tsa.key -out reply",
            );
            if !work.join("first.tsr").exists() {
                fs::copy(work.join("reply"), work.join("first.tsr")).unwrap();
            }
            fs::read(work.join("reply")).unwrap()
        }
    };
    let status = if path == "/error" { "503 Service Unavailable" } else { "200 OK" };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", reply.len());
    // Whoever asked may have gone: too slow, or too long.
    drop(stream.write_all(&[head.as_bytes(), &reply].concat()));
}

#[test]
fn an_authority_stamps_and_openssl_agrees() {
    let Some(authority) = Authority::start() else { return };
    let given = Given::evidence();
    let nobody = given.run(&["ledger", "timestamp"]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.err.contains("no timestamp authority is set"), "{}", nobody.err);
    given.ingest(&[&given.input("trail.jsonl", &lines(0, 20))]);
    authority.set(&given, &[("local", "", "root.pem")]);
    // What is configured is an entry of its own, made by whatever writes next.
    given.json(&["pulse"]);

    let stamping = given.json(&["ledger", "timestamp"]);
    let stamped = &stamping["authorities"][0];
    assert_eq!(
        (stamped["outcome"].as_str(), stamped["policy"].as_str()),
        (Some("stamped"), Some("1.2.3.4.1"))
    );
    assert_eq!(stamped["leaf"], stamping["size"], "the entry is the next behind what was stamped");
    given.assert_valid();

    let again = given.json(&["ledger", "timestamp", "--if-grown"]);
    assert_eq!(again["authorities"][0]["outcome"], "nothing_new");
    given.ingest(&[&given.input("more.jsonl", &lines(20, 25))]);
    let again = given.json(&["ledger", "timestamp", "--if-grown"]);
    assert_eq!(again["authorities"][0]["outcome"], "stamped", "{again:#}");

    let out = given.root().join("out");
    let listed = given.json(&["ledger", "timestamps", "--extract", out.to_str().unwrap()]);
    let listed = listed["timestamps"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    for stamp in listed {
        assert_eq!(stamp["holds"], true, "{stamp:#}");
        let stem = format!("timestamp-{:08}", stamp["leaf"].as_u64().unwrap());
        let note = fs::read_to_string(out.join(format!("{stem}.note"))).unwrap();
        assert_eq!(note.lines().nth(1).unwrap(), stamp["size"].to_string());
        let verify = format!("ts -verify -data {stem}.note -in {stem}.tsr -CAfile {stem}.pem");
        openssl(&out, &verify);
        // A test must be able to fail.
        fs::write(out.join(format!("{stem}.note")), format!("{note} ")).unwrap();
        let altered = Command::new("openssl").args(verify.split(' ')).current_dir(&out).output().unwrap();
        assert!(!altered.status.success());
    }

    let answer = given.json(&["who", "AKIAEXAMPLEDEPLOY001"]);
    let time = &answer["proof"]["time"];
    assert_eq!((time["is"].as_str(), time["by"].as_str()), (Some("up_to"), Some("local")), "{time:#}");
}

#[test]
fn what_an_authority_does_wrong_costs_a_message() {
    let Some(authority) = Authority::start() else { return };
    let given = Given::evidence();
    given.ingest(&[&given.input("trail.jsonl", &lines(0, 5))]);
    authority.set(
        &given,
        &[("good", "", "root.pem"), ("other key", "", "other.pem"), ("replayed", "replayed", "root.pem")],
    );
    let ran = given.run(&["ledger", "timestamp"]);
    assert_eq!(ran.code, 0, "one stamped: {}", ran.err);
    for why in [
        "`other key` did not stamp: its answer is refused: the signing certificate does not lead to the trusted root",
        "`replayed` did not stamp: its answer is refused: it answers another request",
    ] {
        assert!(ran.err.contains(why), "{}", ran.err);
    }

    authority.set(
        &given,
        &[
            ("error", "error", "root.pem"),
            ("garbage", "garbage", "root.pem"),
            ("huge", "huge", "root.pem"),
            ("slow", "slow", "root.pem"),
            ("no root", "", "absent.pem"),
        ],
    );
    let size = given.json(&["ledger", "timestamps"])["timestamps"].as_array().unwrap().len();
    let ran = given.run(&["ledger", "timestamp"]);
    assert_eq!(ran.code, 2, "nobody stamped: {}", ran.err);
    for why in [
        "answered with status 503, expected 200",
        "the encoding is not that of a timestamp",
        "has more than 65536 bytes",
        "did not answer within 1000 ms",
        "cannot read the root certificate",
    ] {
        assert!(ran.err.contains(why), "{why}: {}", ran.err);
    }
    assert_eq!(given.json(&["ledger", "timestamps"])["timestamps"].as_array().unwrap().len(), size);
    // No ingest asks any of them.
    let report = given.ingest(&[&given.input("more.jsonl", &lines(5, 9))]);
    assert_eq!(report["records"], 4, "{report:#}");
    given.assert_valid();
}
