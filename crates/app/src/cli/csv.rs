//! RFC 4180 rows that a spreadsheet does not take for formulas.

/// A table with a header row; every row ends in CRLF.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = row(header.iter().map(|name| (*name).to_owned()));
    for cells in rows {
        text.push_str(&row(cells.iter().cloned()));
    }
    text
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| cell_text(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// One cell. A leading `=`, `+`, `-`, `@`, tab or carriage return makes a spreadsheet evaluate the cell (CWE-1236), so
/// such a cell begins with an apostrophe.
fn cell_text(cell: &str) -> String {
    let guarded =
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_disarmed_and_separators_quoted() {
        let rows = [
            vec!["=HYPERLINK(\"x\")".to_owned(), "a,b".to_owned()],
            vec!["@SUM(1)".to_owned(), "two\nlines".to_owned()],
        ];
        assert_eq!(
            table(&["one", "two"], &rows),
            "one,two\r\n\"'=HYPERLINK(\"\"x\"\")\",\"a,b\"\r\n'@SUM(1),\"two\nlines\"\r\n"
        );
    }
}
