//! `docs/joins.md` lists the table of joins as it is. `UPDATE=1` rewrites the list.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ascribe_assess::{JOINS, Join, Reach, Window};
use ascribe_model::EdgeKind;

use crate::fixtures::{update, write};

const OPENING: &str = "<!-- generated: joins -->\n";
const CLOSING: &str = "<!-- end -->";

#[test]
fn every_join_is_on_the_page_with_its_grade_its_requirement_and_how_it_fails() {
    let page = fs::read_to_string(page_path()).unwrap();
    let (before, rest) = page.split_once(OPENING).expect("a place for the table");
    let (_, behind) = rest.split_once(CLOSING).expect("the end of the table");
    let current = format!("{before}{OPENING}{}{CLOSING}{behind}", table());
    if update() {
        write(&page_path(), &current);
    } else {
        assert!(page == current, "the table of docs/joins.md is out of date; run with UPDATE=1");
    }
}

#[test]
fn every_word_for_where_two_records_stand_is_explained() {
    let page = fs::read_to_string(page_path()).unwrap();
    for join in JOINS {
        let word = word(join.reach);
        assert!(page.contains(&format!("| {word} | ")), "`{word}` of {}", join.id);
    }
}

/// Rows by id; an id that stands for several rows keeps their order, which is that of preference.
fn table() -> String {
    let mut rows: Vec<&Join> = JOINS.iter().collect();
    rows.sort_by_key(|join| join.id);
    let mut table = "| id | from | says | to | where | grade | requires | misleads or fails when |\n\
        |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for join in rows {
        let Join { id, from, to, grade, fails_when, .. } = join;
        writeln!(
            table,
            "| {id} | `{}` {} | {} | `{}` {} | {} | {grade} | {} | {fails_when} |",
            from.kind,
            from.role.name(),
            says(join.says),
            to.kind,
            to.role.name(),
            stands(join.reach),
            join.requires.unwrap_or_default(),
        )
        .unwrap();
    }
    table
}

fn says(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Issued => "issued",
        EdgeKind::UsedAs => "used as",
        EdgeKind::Presented => "presented as",
        EdgeKind::OnBehalfOf => "on behalf of",
        EdgeKind::BoundTo => "holds",
        EdgeKind::SameRequest => "same request as",
        EdgeKind::Ended => "ended by",
    }
}

fn word(reach: Reach) -> &'static str {
    match reach {
        Reach::Within => "within",
        Reach::Equal => "equal",
        Reach::Near { .. } => "near",
        Reach::Step => "step",
        Reach::Life(_) => "life",
        Reach::Across => "across",
        Reach::Beside(..) => "beside",
        Reach::Claimed(_) => "claimed",
        Reach::Named => "named",
        Reach::Path => "path",
    }
}

fn stands(reach: Reach) -> String {
    let word = word(reach);
    match reach {
        Reach::Near { tolerance_ns, window_ns } if tolerance_ns == window_ns => {
            format!("{word}: ±{}", time(tolerance_ns))
        }
        Reach::Near { tolerance_ns, window_ns } => {
            format!("{word}: ±{}, or ±{} for grade C", time(tolerance_ns), time(window_ns))
        }
        Reach::Beside(tie, window) => {
            let window = match window {
                Window::Always => String::new(),
                Window::Around { before_ns, after_ns } => {
                    format!(", {} before to {} after", time(before_ns), time(after_ns))
                }
                Window::While { longest_ns } => {
                    format!(", from its start to its end, or {} where none is on record", time(longest_ns))
                }
            };
            format!("{word}: `{}`{window}", tie.kind)
        }
        Reach::Claimed(tie) => format!("{word}: `{}`", tie.kind),
        _ => word.to_owned(),
    }
}

fn time(nanoseconds: u64) -> String {
    match nanoseconds / 1_000_000_000 {
        seconds if seconds % 86_400 == 0 => format!("{} days", seconds / 86_400),
        seconds => format!("{seconds} s"),
    }
}

fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/joins.md")
}
