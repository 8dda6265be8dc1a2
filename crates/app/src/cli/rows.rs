//! Rows of an answer, and the table that people see of them.

use super::escape::brief;

/// Longest cell of a table, in characters.
const CELL_MAX: usize = 72;

/// Rows of a table: cells as they are, not yet made safe for any surface.
pub struct Rows {
    pub header: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

/// A value's name in the formats, with blanks between its words.
pub fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name.replace('_', " "),
        _ => String::new(),
    }
}

pub fn joined<const N: usize>(words: [Option<String>; N]) -> String {
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Columns aligned by blanks; a column that is empty in every row is left out.
pub fn aligned(table: &Rows) -> String {
    let safe: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(|cell| brief(cell, CELL_MAX)).collect()).collect();
    let used: Vec<usize> =
        (0..table.header.len()).filter(|&column| safe.iter().any(|row| !row[column].is_empty())).collect();
    let width = |column: usize| {
        let cells = safe.iter().map(|row| row[column].chars().count());
        cells.chain([table.header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = used.iter().map(|&column| width(column)).collect();
    let header: Vec<String> = table.header.iter().map(|name| (*name).to_owned()).collect();
    let mut out = String::new();
    for row in std::iter::once(&header).chain(&safe) {
        let mut text = String::from(" ");
        for (&column, width) in used.iter().zip(&widths) {
            text.push_str(&format!(" {:<width$} ", row[column]));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}
