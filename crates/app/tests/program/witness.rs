//! Witnesses as real processes on loopback, witnesses that misbehave, two trees under one key, and the ledger served to
//! readers.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ascribe_bundle::{Check, Verdict, Witnesses, check};
use ascribe_ledger::{Cosignature, SignedCheckpoint, VerifierKey, WitnessKey, WitnessPolicy};

use crate::given::{Given, files_below, lines};

/// A service that runs until dropped.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    /// Starts the program and waits until it says where it listens.
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.strip_prefix("listening").map(|url| url.trim().to_owned());
        Self { child, url: url.unwrap_or_else(|| panic!("{first}")) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A witness in a folder of its own.
struct Witness {
    folder: PathBuf,
    key: String,
}

impl Witness {
    /// Makes one that follows the ledger of `given`.
    fn follows(given: &Given, name: &str) -> Self {
        let folder = given.root().parent().unwrap().join(name);
        let name = format!("witness.example/{name}");
        let made = given.json(&["witness", "init", folder.to_str().unwrap(), "--name", &name]);
        fs::copy(given.root().join("keys/ledger.vkey"), folder.join("followed")).unwrap();
        Self { folder, key: made["verifier_key"].as_str().unwrap().to_owned() }
    }

    fn serve(&self, given: &Given) -> Served {
        Served::start(given.program(&["witness", "serve", self.folder.to_str().unwrap()]))
    }

    fn line(&self, number: usize, url: &str) -> String {
        format!("witness w{number} {} {url}\n", self.key)
    }

    /// Whether the published checkpoint carries a cosignature of this witness.
    fn stands_behind(&self, given: &Given) -> bool {
        let note = fs::read(given.root().join("ledger/checkpoint")).unwrap();
        Cosignature::of(&note, &WitnessKey::parse(&self.key).unwrap()).unwrap().is_some()
    }
}

/// Configures a policy of these lines, of which `threshold` have to sign.
fn configure(given: &Given, witnesses: &[String], threshold: usize) {
    let names: Vec<String> = (1..=witnesses.len()).map(|number| format!("w{number}")).collect();
    let key = fs::read_to_string(given.root().join("keys/ledger.vkey")).unwrap();
    let text = format!(
        "log {}\n{}group g {threshold} {}\nquorum g\n",
        key.trim_end(),
        witnesses.concat(),
        names.join(" ")
    );
    fs::write(given.root().join("witness.policy"), text).unwrap();
    let settings = given.root().join("ascribe.toml");
    let text = fs::read_to_string(&settings).unwrap();
    if !text.contains("\n[witness]") {
        fs::write(settings, format!("{text}\n[witness]\npolicy = \"witness.policy\"\n")).unwrap();
    }
}

/// A server that answers every call with the same bytes, or never.
fn answering(reply: Option<Vec<u8>>) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            *counted.lock().unwrap() += 1;
            let Some(reply) = &reply else {
                held.push(stream);
                continue;
            };
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut part = [0; 4096];
            while stream.read(&mut part).is_ok_and(|read| read > 0) {}
            // A caller that has seen enough hangs up.
            drop(stream.write_all(reply));
        }
    });
    (url, calls)
}

fn http(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One request as it stands, and the whole answer: head, body.
fn call(url: &str, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..at]).to_lowercase();
    (head, answer.get(at + 4..).unwrap_or_default().to_vec())
}

fn get(url: &str, path: &str) -> (String, Vec<u8>) {
    call(url, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
}

#[test]
fn two_of_three_witnesses_cosign_and_the_third_catches_up() {
    let given = Given::evidence();
    let witnesses: Vec<Witness> =
        (1..=3).map(|number| Witness::follows(&given, &format!("w{number}"))).collect();
    let (first, second) = (witnesses[0].serve(&given), witnesses[1].serve(&given));
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lines_with = |third: &str| {
        [witnesses[0].line(1, &first.url), witnesses[1].line(2, &second.url), witnesses[2].line(3, third)]
    };
    configure(&given, &lines_with(&format!("http://{down}")), 2);
    // After an ingest, witnesses are asked by themselves.
    let ran = given.run(&["ingest", &given.input("a.json", &lines(0, 10))]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("2 of 3 witnesses cosigned"), "{}", ran.err);
    let stands: Vec<bool> = witnesses.iter().map(|witness| witness.stands_behind(&given)).collect();
    assert_eq!(stands, [true, true, false]);
    given.assert_valid();
    let report = given.json(&["ledger", "witness"]);
    assert_eq!((&report["quorum_met"], &report["lag"]), (&true.into(), &0.into()), "{report:#}");
    assert_eq!(report["witnesses"][2]["reply"], "unreachable");
    // The third comes up, knows nothing of the ledger, and is brought up to it; the others had other sizes.
    given.ingest(&[&given.input("b.json", &lines(10, 600))]);
    let third = witnesses[2].serve(&given);
    configure(&given, &lines_with(&third.url), 3);
    let report = given.json(&["ledger", "witness"]);
    assert_eq!(report["signed"], 3, "{report:#}");
    assert_eq!(report["witnessed_size"], report["size"]);
    given.ingest(&[&given.input("c.json", &lines(600, 700))]);
    assert!(witnesses.iter().all(|witness| witness.stands_behind(&given)));
    given.assert_valid();
    answers_say_so(&given);
    // A monitor finds what the witness cosigned last.
    let state = files_below(&witnesses[2].folder.join("state")).pop().unwrap();
    let name = state.file_name().unwrap().to_str().unwrap();
    let (head, note) = get(&third.url, &format!("/{name}/checkpoint"));
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(note, fs::read(&state).unwrap());
    bundle_carries_them(&given, &witnesses);
}

/// An answer says of each entry that it cites whether witnesses vouch for it; a bundle leaves that to its checkpoint.
fn answers_say_so(given: &Given) {
    let shown = given.json(&["show", "11111111-2222-4333-8444-000000000005"]);
    let proof = &shown["proof"];
    assert_eq!(proof["evidence"][0]["state"], "witnessed", "{proof:#}");
    assert_eq!(proof["witnesses"], serde_json::json!({ "is": "up_to", "size": proof["size"] }), "{proof:#}");
    let text = given.run(&["show", "11111111-2222-4333-8444-000000000005"]).out;
    assert!(
        text.contains("\nPROOF  1 entry committed; 1 witnessed (the policy is met up to entry"),
        "{text}"
    );
    let path = given.root().parent().unwrap().join("answer.evb");
    let path = path.to_str().unwrap();
    let exported = given.run(&["export", "--entries", "AKIAEXAMPLEDEPLOY001", "--answer", "who", "-o", path]);
    assert_eq!(exported.code, 0, "{}", exported.err);
}

/// Exports a bundle and judges it by policies of the checker's own.
fn bundle_carries_them(given: &Given, witnesses: &[Witness]) {
    let path = given.root().parent().unwrap().join("case.evb");
    let exported = given.run(&["export", "--entries", "AKIAEXAMPLEDEPLOY001", "-o", path.to_str().unwrap()]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    let bundle = fs::read(&path).unwrap();
    let text = fs::read_to_string(given.root().join("keys/ledger.vkey")).unwrap();
    let key = VerifierKey::parse(text.trim_end()).unwrap();
    let judged = |policy: &str| {
        let policy = WitnessPolicy::parse(policy.as_bytes()).unwrap();
        check(bundle.as_slice(), Check { key: Some(&key), policy: Some(&policy) }).unwrap()
    };
    let ours = judged(&fs::read_to_string(given.root().join("witness.policy")).unwrap());
    assert_eq!(ours.verdict(), Verdict::Valid);
    assert!(matches!(&ours.witnesses, Witnesses::Judged { signed, met: true, .. } if signed.len() == 3));
    // Keys that only the bundle brings count for nothing.
    let stranger = Given::evidence();
    let unknown = Witness::follows(&stranger, "w1");
    let below =
        judged(&format!("{}group g all w1 w2\nquorum g\n", unknown.line(1, "") + &witnesses[0].line(2, "")));
    assert_eq!(below.verdict(), Verdict::Inconclusive);
    assert!(matches!(&below.witnesses, Witnesses::Judged { signed, met: false, .. } if signed.len() == 1));
}

#[test]
fn witnesses_that_misbehave_delay_nothing_and_count_for_nothing() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 10))]);
    let honest = Witness::follows(&given, "w1");
    let served = honest.serve(&given);
    let other = Witness::follows(&given, "w2");
    let cases = [
        (None, "unreachable"),
        (Some(http("500 Internal Server Error", "text/plain", "oh\n")), "no witness"),
        (Some(http("200 OK", "text/plain", "\u{2014} witness.example/w2 AAAA\n")), "no witness"),
        (Some(http("200 OK", "text/plain", "")), "no witness"),
        (Some(http("200 OK", "text/plain", &"x".repeat(70_000))), "unreachable"),
        (Some(http("302 Found", "text/plain", "")), "no witness"),
        (Some(http("409 Conflict", "text/x.tlog.size", "3\n")), "no witness"),
        (Some(http("409 Conflict", "text/plain", "3\n")), "no witness"),
        (Some(http("409 Conflict", "text/x.tlog.size", "0\n")), "no witness"),
        (Some(http("409 Conflict", "text/x.tlog.size", "four\n")), "no witness"),
        (Some(http("403 Forbidden", "text/plain", "")), "refused"),
        (Some(b"\x00\xff garbage\r\n\r\n".to_vec()), "unreachable"),
    ];
    let lines_of = |third: &str| vec![honest.line(1, &served.url), other.line(2, third)];
    for (number, (reply, expected)) in cases.into_iter().enumerate() {
        let slow = reply.is_none();
        let (url, calls) = answering(reply);
        configure(&given, &lines_of(&url), 2);
        // As after an ingest: the slow one is not waited for.
        let begun = Instant::now();
        let ran = given
            .run(&["ingest", &given.input(&format!("{number}.json"), &lines(100 + number, 101 + number))]);
        assert_eq!(ran.code, 0, "{expected}: {}", ran.err);
        assert!(ran.err.contains("1 of 2 witnesses cosigned"), "{}", ran.err);
        assert!(begun.elapsed() < Duration::from_secs(20), "{expected}: {:?}", begun.elapsed());
        assert!((1..=3).contains(&*calls.lock().unwrap()));
        assert!(honest.stands_behind(&given) && !other.stands_behind(&given));
        if slow {
            continue;
        }
        let report = given.json(&["ledger", "witness"]);
        assert_eq!(report["witnesses"][1]["reply"], expected, "{report:#}");
        assert_eq!(report["quorum_met"], false, "one of two is no quorum");
        assert_eq!(report["witnessed_size"], 0, "the quorum is never faked");
    }
    given.assert_valid();
    // Another key under the same name: the witness is not the one that the policy knows.
    let impostor = Given::evidence();
    let changed = Witness::follows(&impostor, "w2");
    fs::copy(given.root().join("keys/ledger.vkey"), changed.folder.join("followed")).unwrap();
    let changed_served = changed.serve(&impostor);
    configure(&given, &lines_of(&changed_served.url), 2);
    let report = given.json(&["ledger", "witness"]);
    assert_eq!(report["witnesses"][1]["reply"], "no witness", "{report:#}");
    // It follows another ledger of the same name.
    drop(changed_served);
    let elsewhere = Witness::follows(&impostor, "w3");
    let served_elsewhere = elsewhere.serve(&impostor);
    configure(&given, &lines_of(&served_elsewhere.url), 2);
    let report = given.json(&["ledger", "witness"]);
    assert_eq!(report["witnesses"][1]["reply"], "refused", "{report:#}");
}

#[test]
fn a_ledger_put_back_together_with_its_anchor_is_told_by_its_witness() {
    let given = Given::evidence();
    let witness = Witness::follows(&given, "w1");
    let served = witness.serve(&given);
    configure(&given, &[witness.line(1, &served.url)], 1);
    given.ingest(&[&given.input("a.json", &lines(0, 10))]);
    let backup = given.root().parent().unwrap().join("backup");
    let copy = |from: &PathBuf, to: &PathBuf| {
        fs::create_dir_all(to).unwrap();
        assert!(Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap().success());
    };
    copy(&given.root(), &backup);
    given.ingest(&[&given.input("b.json", &lines(10, 20))]);
    let newer = given.input("newer", &fs::read(given.root().join("ledger/checkpoint")).unwrap());
    fs::remove_dir_all(given.root()).unwrap();
    copy(&backup, &given.root());
    given.assert_valid();
    let ran = given.run(&["ledger", "witness"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.out.contains("AHEAD"), "{}", ran.out);
    // Going on from there makes another tree, and the two notes show it.
    let forked = given.run(&["ingest", &given.input("c.json", &lines(30, 60))]);
    assert_eq!(forked.code, 0, "evidence is taken in all the same: {}", forked.err);
    assert!(forked.err.contains("another tree"), "{}", forked.err);
    let proof = given.root().parent().unwrap().join("proof");
    let published = given.root().join("ledger/checkpoint");
    let published = published.to_str().unwrap();
    let compared = given.run(&["ledger", "compare", &newer, published, "--write", proof.to_str().unwrap()]);
    assert_eq!(compared.code, 1, "{}{}", compared.out, compared.err);
    // A stranger who has the key and the proof.
    let key = given.input("key", &fs::read(given.root().join("keys/ledger.vkey")).unwrap());
    let stranger = Given::evidence();
    let checked = stranger.run(&["ledger", "compare", proof.to_str().unwrap(), "--key", &key]);
    assert_eq!(checked.code, 1, "{}{}", checked.out, checked.err);
    assert!(checked.out.contains("EQUIVOCATION"), "{}", checked.out);
    // Without the tree, two sizes alone show nothing; with a consistency proof they do.
    let apart = stranger.run(&["ledger", "compare", &newer, published, "--key", &key]);
    assert_eq!(apart.code, 5, "{}{}", apart.out, apart.err);
    let size = SignedCheckpoint::open(
        &fs::read(&newer).unwrap(),
        &VerifierKey::parse(fs::read_to_string(&key).unwrap().trim_end()).unwrap(),
    )
    .unwrap()
    .size();
    let shown = given.run(&["ledger", "consistency", &size.to_string()]);
    let shown = given.input("consistency", shown.out.as_bytes());
    let apart = stranger.run(&["ledger", "compare", &newer, published, "--key", &key, "--proof", &shown]);
    assert_eq!(apart.code, 1, "{}{}", apart.out, apart.err);
}

#[test]
fn a_witness_answers_with_the_statuses_of_its_protocol() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 10))]);
    let witness = Witness::follows(&given, "w1");
    let served = witness.serve(&given);
    let post = |body: &str| {
        let length = body.len();
        let request = format!(
            "POST /add-checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let (head, body) = call(&served.url, &request);
        (head[9..12].to_owned(), head, String::from_utf8(body).unwrap())
    };
    let note = fs::read_to_string(given.root().join("ledger/checkpoint")).unwrap();
    assert_eq!(post("nothing like it").0, "400");
    assert_eq!(post(&format!("old 99\n\n{note}")).0, "400");
    assert_eq!(post(&format!("old 0\n\n{}", note.replacen("ascribe.local/", "elsewhere/", 1))).0, "404");
    assert_eq!(post(&format!("old 0\n\n{}", note.replacen("\n1", "\n2", 1))).0, "403");
    let (status, head, body) = post(&format!("old 1\n\n{note}"));
    assert!(
        status == "409" && head.contains("content-type: text/x.tlog.size") && body == "0\n",
        "{head}{body}"
    );
    let (status, _, line) = post(&format!("old 0\n\n{note}"));
    assert!(status == "200" && line.starts_with("\u{2014} witness.example/w1 "), "{status} {line}");
    assert_eq!(post(&format!("old 5\n\n{note}")).2.trim(), note.lines().nth(1).unwrap());
    assert_eq!(get(&served.url, "/add-checkpoint").0[9..12], *"405");
    for path in
        ["/", "/witness.key", "/../witness.key", "/state", "/..%2fwitness.key/checkpoint", "//checkpoint"]
    {
        assert_eq!(get(&served.url, path).0[9..12], *"404", "{path}");
    }
    assert_eq!(post(&"x".repeat(300_000)).0, "413");
    // A second process would cosign behind the first one's back.
    let folder = witness.folder.to_str().unwrap();
    let second = given.run(&["witness", "serve", folder]);
    assert_eq!(second.code, 2);
    assert!(second.err.contains("another process"), "{}", second.err);
    let remote = given.run(&["ledger", "serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(remote.code, 2);
    assert!(remote.err.contains("--allow-remote"), "{}", remote.err);
}

#[test]
fn the_served_ledger_is_its_tree_and_nothing_else() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 600))]);
    let served = Served::start(given.program(&["ledger", "serve"]));
    let ledger = given.root().join("ledger");
    let (head, note) = get(&served.url, "/checkpoint");
    assert!(head.contains("content-type: text/plain; charset=utf-8") && head.contains("no-cache"), "{head}");
    assert_eq!(note, fs::read(ledger.join("checkpoint")).unwrap());
    let mut tiles = 0;
    for path in files_below(&ledger.join("tile")) {
        let name = path.strip_prefix(&ledger).unwrap().to_str().unwrap();
        let (head, body) = get(&served.url, &format!("/{name}"));
        assert!(head.starts_with("http/1.1 200") && head.contains("immutable"), "{name}: {head}");
        assert!(head.contains("content-type: application/octet-stream"), "{head}");
        assert_eq!(body, fs::read(&path).unwrap(), "{name}");
        tiles += 1;
    }
    assert!(tiles >= 6, "{tiles}");
    let packed =
        "GET /tile/entries/000 HTTP/1.1\r\nhost: x\r\naccept-encoding: br, gzip\r\nconnection: close\r\n\r\n";
    let (head, body) = call(&served.url, packed);
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, fs::read(ledger.join("tile/entries/000")).unwrap());
    // Everything else that is on the disk is out of reach, by whatever spelling.
    let mut refused = 0;
    for path in files_below(&given.root()) {
        let name = path.strip_prefix(given.root()).unwrap().to_str().unwrap().to_owned();
        if name.starts_with("ledger/tile/") || name == "ledger/checkpoint" {
            continue;
        }
        let short = name.strip_prefix("ledger/").unwrap_or(&name).to_owned();
        for spelled in [
            short.clone(),
            format!("../{name}"),
            format!("tile/../{short}"),
            format!("tile/0/../../../{name}"),
            format!("%2e%2e/{name}"),
            format!("tile/..%2f..%2f{name}"),
            format!("/{short}"),
            path.to_str().unwrap().to_owned(),
        ] {
            let (head, _) = get(&served.url, &format!("/{spelled}"));
            assert!(head.starts_with("http/1.1 4"), "{spelled}: {head}");
            refused += 1;
        }
    }
    assert!(refused > 50, "{refused}");
    for path in [
        "/tile",
        "/tile/",
        "/tile/0/0",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/00/000",
        "/tile/64/000",
        "/tile/0/x000/000",
        "/tile/0/999",
        "/checkpoint/",
        "/checkpoint.staged",
        "/lock",
    ] {
        assert!(get(&served.url, path).0.starts_with("http/1.1 404"), "{path}");
    }
    let (head, body) = call(&served.url, "HEAD /checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
    let (head, _) = call(&served.url, "DELETE /checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head"), "{head}");
}
