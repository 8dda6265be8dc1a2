//! Another engine reads every table: `DuckDB`, where Python has it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod generated;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use ascribe_model::Timestamp;
use ascribe_store::{
    Entry, Object, ObjectTotals, Outlines, Record, Reject, SegmentBuilder, Span, Store, Stream, TABLES,
};

/// For each table: how many rows, and the type of each column. Then some values, as another engine sees them.
const SCRIPT: &str = r#"
import duckdb, json, sys
duckdb.execute("SET TimeZone = 'UTC'")
read = lambda table: "read_parquet('%s/segment/*/%s.parquet')" % (sys.argv[1], table)
rows = lambda query: [list(row) for row in duckdb.sql(query).fetchall()]
tables = {}
for table in sys.argv[2:]:
    columns = rows("DESCRIBE SELECT * FROM " + read(table))
    tables[table] = {"rows": rows("SELECT count(*) FROM " + read(table))[0][0], "columns": [c[:2] for c in columns]}
event = rows("SELECT event_id, epoch_ns(time), actor_uid, status, withheld FROM " + read("events") + " WHERE leaf = 5")
uses = rows("SELECT sum(events)::BIGINT FROM " + read("sightings"))
json.dump({"tables": tables, "event": event, "uses": uses}, sys.stdout)
"#;

#[derive(serde::Deserialize)]
struct Seen {
    tables: BTreeMap<String, SeenTable>,
    event: Vec<(String, i64, String, String, bool)>,
    uses: Vec<(u64,)>,
}

#[derive(serde::Deserialize)]
struct SeenTable {
    rows: u64,
    columns: Vec<(String, String)>,
}

#[test]
fn duckdb_reads_every_table() {
    match Command::new("python3").args(["-c", "import duckdb"]).output() {
        Ok(output) if output.status.success() => {}
        _ => {
            eprintln!("SKIPPED: python3 with duckdb is not installed");
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    fold(folder.path());
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT]).arg(folder.path()).args(TABLES.iter().map(|table| table.name));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Seen = serde_json::from_slice(&output.stdout).unwrap();
    for table in &TABLES {
        let expected = table.columns.iter().map(|column| {
            let kind = match column.kind {
                "u64" => "UBIGINT",
                "u32" => "UINTEGER",
                "timestamp" => "TIMESTAMP WITH TIME ZONE",
                "flag" => "BOOLEAN",
                _ => "VARCHAR",
            };
            (column.name.to_owned(), kind.to_owned())
        });
        let found = &seen.tables[table.name];
        let found_columns = found.columns.iter().map(|(name, kind)| {
            // DuckDB 2 has a type of its own for nanoseconds.
            (name.clone(), kind.replace("TIMESTAMPTZ_NS", "TIMESTAMP WITH TIME ZONE"))
        });
        assert_eq!(found_columns.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{}", table.name);
        assert!(found.rows > 0, "{} has no rows", table.name);
    }
    let event = generated::event(5);
    let time = event.time.at.unwrap().nanoseconds();
    let status = event.outcome.status.name().to_owned();
    assert_eq!(seen.event, [(event.id.to_string(), time, event.actor.uid.value, status, true)]);
    assert_eq!(seen.tables["events"].rows, 297);
    assert!(seen.uses[0].0 >= 297);
}

/// A store of two segments in which every table has rows.
fn fold(folder: &Path) {
    let mut store = Store::create(folder, BTreeMap::new()).unwrap();
    for range in [0..200, 200..302] {
        let mut builder = SegmentBuilder::new(range.start, &store);
        for leaf in range.clone() {
            let received_at = Timestamp::from_nanoseconds(1_780_000_000_123_456_789);
            let events = [generated::event(if leaf == 250 { 1 } else { leaf })];
            let mut outlines = Outlines::default();
            let at = outlines.push(&events);
            let record = Record {
                leaf,
                object: Some(0),
                stream: Some(3),
                received_at,
                withheld: leaf == 5,
                span_length: 10,
                events: outlines.record(at),
            };
            let span = Span { offset: 1, length: 2 };
            let reject =
                Reject { leaf, object: Some(0), received_at, span, reason: "not_json", source: None };
            let totals = ObjectTotals::default();
            let object = Object { leaf, name: "a", closes: None, totals };
            let entry = match leaf {
                0 => Entry::Object(object),
                2 => Entry::Reject(reject),
                3 => Entry::Stream(Stream { leaf, source: "s", scope: "a", partition: None }),
                4 => Entry::Other { leaf },
                _ => Entry::Record(record),
            };
            builder.push(entry).unwrap();
        }
        let segment = builder.finish(range.end).unwrap();
        store.publish(vec![segment], range.end).unwrap();
    }
}
