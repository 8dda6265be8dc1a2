//! kill -9 while logs go in. A long version runs with `cargo xtask torture kill`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::given::{Given, lines};

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_taken_in_twice() {
    let given = Given::evidence();
    let paths: Vec<String> = (0..6)
        .map(|part| given.input(&format!("{part}.json"), &lines(part * 2_000, (part + 1) * 2_000)))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let arguments = [&["ingest", "--progress", "json", "--threads", "2"], paths.as_slice()].concat();
    let mut acknowledged = 0;
    for trial in 0..6 {
        let mut child =
            given.program(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        // Killed right behind one of the first acknowledgements: later ones may be under way.
        for line in told.by_ref().take(1 + trial % 4) {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            acknowledged = acknowledged.max(line["acknowledged"].as_u64().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let size = given.json(&["sources"])["proof"]["size"].as_u64().unwrap();
        assert!(size >= acknowledged, "a question sees what was acknowledged: {size} of {acknowledged}");
    }
    let report = given.json(&[&["ingest"], paths.as_slice()].concat());
    assert!(report["ledger_size"].as_u64().unwrap() >= acknowledged, "{report:#}");
    given.assert_valid();
    let sources = given.json(&["sources"]);
    let detail = &sources["body"]["details"]["sources"];
    assert_eq!(detail["streams"][0]["events"], 12_000, "{sources:#}");
    assert_eq!(detail["streams"][0]["duplicates"], 0, "no record was taken in twice: {sources:#}");
    assert_eq!(detail["objects_unfinished"], 0, "{sources:#}");
}
