//! The README shows the demo's real output: `UPDATE=1` writes it, otherwise it has to be equal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::given::Given;

/// Lines behind a command that are shown of its output.
const SHOWN_SECTIONS: [&str; 2] = ["\nCLAIMS", "\nSCOPE"];

#[test]
fn the_readme_shows_what_the_demo_prints() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let given = Given::evidence();
    let demo = given.run(&["demo"]).out;
    let mut outputs = BTreeMap::new();
    for step in demo.split("\n── ").skip(1) {
        let (_, rest) = step.split_once('\n').unwrap();
        let (command, output) = rest.split_once('\n').unwrap();
        outputs.insert(command.to_owned(), excerpt(output));
    }
    let mut expected = String::new();
    let mut shown = 0;
    let mut rest = readme.as_str();
    while let Some((before, block)) = rest.split_once("<!-- demo -->\n```text\n") {
        let (content, after) = block.split_once("```\n").unwrap();
        let command = content.lines().next().unwrap();
        let output = outputs.get(command).unwrap_or_else(|| panic!("the demo does not run `{command}`"));
        expected.push_str(&format!("{before}<!-- demo -->\n```text\n{command}\n{output}```\n"));
        rest = after;
        shown += 1;
    }
    expected.push_str(rest);
    assert!(shown >= 3, "the README shows the demo");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert_eq!(readme, expected, "run the test with UPDATE=1");
    }
}

/// What stands before the claims: verdict, statement, hops, candidates.
fn excerpt(output: &str) -> String {
    let end = SHOWN_SECTIONS.iter().filter_map(|section| output.find(section)).min().unwrap_or(output.len());
    format!("{}\n", output[..end].trim_end())
}
