//! The format document lists every table and column as the schemas have them. `UPDATE=1` rewrites its tables.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use ascribe_store::TABLES;

const START: &str = "<!-- tables: ";
const END: &str = "<!-- end of tables -->";

#[test]
fn the_document_lists_every_column() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/store.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(START).unwrap();
    let (note, rest) = rest.split_once('\n').unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{START}{note}\n{}\n{END}{after}", tables());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::File::create(&path).unwrap().write_all(expected.as_bytes()).unwrap();
    } else {
        assert_eq!(document, expected, "the document differs from the schemas; UPDATE=1 rewrites it");
    }
}

fn tables() -> String {
    let mut text = String::new();
    for table in &TABLES {
        writeln!(text, "\n### {}\n\n{}\n", table.name, table.about.trim()).unwrap();
        writeln!(text, "| column | type | absent | meaning |\n|---|---|---|---|").unwrap();
        for column in table.columns {
            let absent = if column.nullable { "may be" } else { "" };
            let meaning = column.meaning.trim();
            writeln!(text, "| `{}` | {} | {absent} | {meaning} |", column.name, column.kind).unwrap();
        }
    }
    text
}
