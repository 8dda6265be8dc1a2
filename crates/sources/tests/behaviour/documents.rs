//! `docs/formats/event.md` says what the code does: its generated tables are current, and it has every field.
//!
//! `UPDATE=1` rewrites the generated tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ascribe_sources::{RejectReason, SOURCES, secret_rules, withheld_keys};
use serde_json::Value;

use crate::fixtures;

#[test]
fn generated_tables_are_current() {
    let page = fs::read_to_string(page_path()).unwrap();
    let mut current = page.clone();
    for (name, table) in
        [("key kinds", key_kinds()), ("delivery", delivery()), ("rules", rules()), ("rejects", rejects())]
    {
        current = with_table(&current, name, &table);
    }
    if fixtures::update() {
        fixtures::write(&page_path(), &current);
    } else {
        assert!(page == current, "a table of docs/formats/event.md is out of date; run with UPDATE=1");
    }
}

#[test]
fn every_field_of_an_event_is_on_the_page() {
    let page = fs::read_to_string(page_path()).unwrap();
    let documented: BTreeSet<_> = page.lines().filter_map(first_cell).collect();
    let mut shown = BTreeSet::new();
    for event in fixtures::all_events() {
        paths(&serde_json::to_value(event).unwrap(), "", &mut shown);
    }
    let stated = |path: &String| {
        let parents = path.match_indices(['.', '[']).map(|(at, _)| &path[..at]);
        // Identities, keys and keys without a role have their own tables; their holder is on the page.
        let mut holders =
            parents.chain([path.as_str()]).flat_map(|path| [path.to_owned(), format!("{path}[]")]);
        holders.any(|holder| documented.contains(&holder))
    };
    let missing: Vec<_> = shown.iter().filter(|path| !stated(path)).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}

fn key_kinds() -> String {
    let mut kinds = BTreeMap::<_, Vec<_>>::new();
    for source in SOURCES {
        for key in source.keys {
            kinds.entry(key.kind).or_default().push((format!("`{}`", source.id), key.meaning));
        }
    }
    for key in withheld_keys() {
        kinds.entry(key.kind).or_default().push(("every source".to_owned(), key.meaning));
    }
    let mut table = "| kind | source | value |\n|---|---|---|\n".to_owned();
    for (kind, meanings) in kinds {
        for (source, meaning) in meanings {
            writeln!(table, "| `{kind}` | {source} | {meaning} |").unwrap();
        }
    }
    table
}

fn delivery() -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ");
    let mut table =
        "| source | members that collectors add | members that may hold the time | hashes of devices |\n|---|---|---|---|\n"
            .to_owned();
    for source in SOURCES {
        let identity = &source.identity;
        let (delivery, time) = (list(identity.delivery_only), list(identity.time));
        let hashes = identity.devices.as_ref().map_or(String::new(), |devices| list(&[devices.hash_prefix]));
        writeln!(table, "| `{}` | {delivery} | {time} | {hashes} |", source.id).unwrap();
    }
    table
}

fn rules() -> String {
    let rules: Vec<_> = secret_rules().into_iter().map(|rule| format!("`{rule}`")).collect();
    format!("Rules: {}.\n", rules.join(", "))
}

fn rejects() -> String {
    let mut table = "| code | hint |\n|---|---|\n".to_owned();
    for reason in RejectReason::ALL {
        writeln!(table, "| `{reason}` | {} |", reason.hint()).unwrap();
    }
    table
}

fn with_table(page: &str, name: &str, table: &str) -> String {
    let opening = format!("<!-- generated: {name} -->\n");
    let (before, rest) =
        page.split_once(&opening).unwrap_or_else(|| panic!("no place for the table `{name}`"));
    let (_, behind) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{opening}{table}<!-- end -->{behind}")
}

/// The name in the first cell of a table's row.
fn first_cell(line: &str) -> Option<String> {
    Some(line.strip_prefix("| `")?.split_once("` |")?.0.to_owned())
}

fn paths(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                paths(value, &path, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{path}[]"), out)),
        _ => {
            out.insert(path.to_owned());
        }
    }
}

fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/event.md")
}
