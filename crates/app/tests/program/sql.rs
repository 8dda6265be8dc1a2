//! `docs/sql.md` in another engine: every query is run against the sample incident, in the order of the page, by `DuckDB`
//! where Python has it. `UPDATE=1` writes the results into the page, otherwise they have to be equal.

use std::path::PathBuf;
use std::process::Command;

use crate::given::Given;

/// Runs each block in turn, and prints for each the rows of its last statement, or nothing where that has none.
const SCRIPT: &str = r#"
import duckdb, json, sys
blocks, store = json.load(sys.stdin), sys.argv[1]
db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
results = []
for block in blocks:
    statements = duckdb.extract_statements(block.replace("evidence/store", store))
    for statement in statements[:-1]:
        db.execute(statement)
    last = statements[-1]
    if last.type == duckdb.StatementType.SELECT:
        query = last.query.strip().rstrip(";")
        shown = db.sql("SELECT COLUMNS(*)::VARCHAR FROM (" + query + ")")
        results.append([shown.columns] + [["" if cell is None else cell for cell in row] for row in shown.fetchall()])
    else:
        db.execute(last)
        results.append([])
json.dump(results, sys.stdout)
"#;

const SQL: &str = "```sql\n";
const TEXT: &str = "\n```text\n";
const END: &str = "```\n";

#[test]
fn every_query_of_the_page_gives_what_the_page_shows() {
    match Command::new("python3").args(["-c", "import duckdb"]).output() {
        Ok(output) if output.status.success() => {}
        _ => return eprintln!("SKIPPED: python3 with duckdb is not installed"),
    }
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = here.join("../../docs/sql.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let given = Given::evidence();
    given.ingest_sample();
    let queries: Vec<&str> = page.split(SQL).skip(1).map(|rest| rest.split_once(END).unwrap().0).collect();
    let results = run(&queries, &given);
    let found = results.iter().filter(|rows| rows.len() > 1).count();
    assert_eq!(found, queries.len() - 1, "the first only prepares: {results:?}");
    let expected = with_results(&page, &results);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert_eq!(page, expected, "run the test with UPDATE=1");
    }
}

/// For each block the heading and the rows of its last statement.
fn run(blocks: &[&str], given: &Given) -> Vec<Vec<Vec<String>>> {
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT]).arg(given.root().join("store"));
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), blocks).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The page with each block's rows behind it, in place of those that are there.
fn with_results(page: &str, results: &[Vec<Vec<String>>]) -> String {
    let mut parts = page.split(SQL);
    let mut text = parts.next().unwrap().to_owned();
    for (part, rows) in parts.zip(results) {
        let (query, mut rest) = part.split_once(END).unwrap();
        if let Some(shown) = rest.strip_prefix(TEXT) {
            rest = shown.split_once(END).unwrap().1;
        }
        text.push_str(&format!("{SQL}{query}{END}"));
        if !rows.is_empty() {
            let lines: Vec<String> = rows.iter().map(|row| format!("{}\n", row.join(" | "))).collect();
            text.push_str(&format!("{TEXT}{}{END}", lines.concat()));
        }
        text.push_str(rest);
    }
    text
}
