//! The table that a bench prints: Markdown, so that it can be pasted into a document as it is.
//!
//! Knows widths and numbers, nothing of what was measured.

use std::fmt;

/// Rows of text under a heading row.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its headings and no row.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    /// The first column is text and stands left, the others are figures and stand right.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                match column {
                    0 => write!(out, "| {cell:<width$} |")?,
                    _ => write!(out, " {cell:>width$} |")?,
                }
            }
            writeln!(out)?;
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    match column {
                        0 => write!(out, "|{}|", "-".repeat(width + 2))?,
                        _ => write!(out, "{}:|", "-".repeat(width + 1))?,
                    }
                }
                writeln!(out)?;
            }
        }
        Ok(())
    }
}

/// A count with its thousands apart: `1,234,567`.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["who", "events/s"]);
        table.push(vec!["ascribe".to_owned(), thousands(81_234.4)]);
        let expected = "| who     | events/s |\n|---------|---------:|\n| ascribe |   81,234 |\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn thousands_are_set_apart() {
        for (value, expected) in [(0.0, "0"), (999.0, "999"), (1_000.0, "1,000"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(thousands(value), expected);
        }
    }
}
