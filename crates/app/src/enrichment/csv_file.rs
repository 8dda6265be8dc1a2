//! Rows of a file for enrichment: RFC 4180, with the names of the columns in the first line. Strict: what cannot be
//! understood is an error with its line.

/// The columns that a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Kind of the key, or `network`. Required.
    Kind,
    /// Its value, or the network. Required.
    Value,
    /// Its scope.
    Scope,
    /// Who answers for it.
    Owner,
    /// Where it belongs.
    Environment,
    /// How much depends on it.
    Criticality,
    /// Name of the network.
    Name,
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Its line, from 1.
    pub line: usize,
    cells: Vec<(Column, String)>,
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// A column that no file has.
    #[error("`{0}` is no column; columns are {names}", names = Column::ALL.map(Column::name).join(", "))]
    Column(String),
    /// A column twice.
    #[error("the column `{0}` stands twice")]
    Twice(&'static str),
    /// A column that every file has is absent.
    #[error("the column `{0}` is missing")]
    Missing(&'static str),
    /// Another number of cells than columns.
    #[error("it has {found} cells, and the first line {expected}")]
    Cells {
        /// Cells.
        found: usize,
        /// Columns.
        expected: usize,
    },
    /// A cell that has to say something.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// No network.
    #[error("`{0}` is no network, such as `10.0.0.0/8`, and no address")]
    Network(String),
    /// A quote without its partner.
    #[error("a quote is not closed")]
    OpenQuote,
    /// Text behind a closing quote.
    #[error("something follows a closing quote")]
    BehindQuote,
}

impl Column {
    const ALL: [Self; 7] =
        [Self::Kind, Self::Value, Self::Scope, Self::Owner, Self::Environment, Self::Criticality, Self::Name];

    const fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Value => "value",
            Self::Scope => "scope",
            Self::Owner => "owner",
            Self::Environment => "environment",
            Self::Criticality => "criticality",
            Self::Name => "name",
        }
    }
}

impl Row {
    /// What a cell says, if it says something.
    pub fn cell(&self, column: Column) -> Option<&str> {
        let cell = self.cells.iter().find(|(named, _)| *named == column);
        cell.map(|(_, text)| text.trim()).filter(|text| !text.is_empty())
    }

    /// What a cell says that has to say something.
    pub fn needed(&self, column: Column) -> Result<&str, RowFault> {
        self.cell(column).ok_or(RowFault::Empty(column.name()))
    }
}

/// The rows of a file; the error has its line.
pub fn rows(text: &str) -> Result<Vec<Row>, (usize, RowFault)> {
    let mut lines = cells(text.strip_prefix('\u{feff}').unwrap_or(text))?.into_iter();
    let (line, names) = lines.next().unwrap_or((1, Vec::new()));
    let columns = columns(&names).map_err(|fault| (line, fault))?;
    let row = |(line, cells): Line| {
        if cells.len() == columns.len() {
            Ok(Row { line, cells: columns.iter().copied().zip(cells).collect() })
        } else {
            Err((line, RowFault::Cells { found: cells.len(), expected: columns.len() }))
        }
    };
    lines.map(row).collect()
}

fn columns(names: &[String]) -> Result<Vec<Column>, RowFault> {
    let mut columns = Vec::new();
    for name in names {
        let known = Column::ALL.into_iter().find(|column| column.name() == name.trim());
        let column = known.ok_or_else(|| RowFault::Column(name.clone()))?;
        if columns.contains(&column) {
            return Err(RowFault::Twice(column.name()));
        }
        columns.push(column);
    }
    let missing = [Column::Kind, Column::Value].into_iter().find(|column| !columns.contains(column));
    missing.map_or(Ok(columns), |column| Err(RowFault::Missing(column.name())))
}

/// The number of a line, and its cells.
type Line = (usize, Vec<String>);

/// The cells of each line that is not empty, with its number.
fn cells(text: &str) -> Result<Vec<Line>, (usize, RowFault)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let start = line;
        let mut cells = Vec::new();
        let ended = loop {
            let (cell, behind) = first_cell(rest).map_err(|fault| (start, fault))?;
            line += cell.matches('\n').count();
            cells.push(cell);
            match behind.strip_prefix(',') {
                Some(behind) => rest = behind,
                None => break behind,
            }
        };
        rest = ended.strip_prefix("\r\n").or_else(|| ended.strip_prefix('\n')).unwrap_or(ended);
        line += 1;
        if cells.iter().any(|cell| !cell.is_empty()) {
            found.push((start, cells));
        }
    }
    Ok(found)
}

/// The first cell of a text, and what stands behind it: a comma, the end of a line, or nothing.
fn first_cell(text: &str) -> Result<(String, &str), RowFault> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let (cell, behind) = text.split_at(end);
        return match cell.strip_suffix('\r') {
            Some(shorter) if !behind.starts_with(',') => Ok((shorter.to_owned(), behind)),
            _ => Ok((cell.to_owned(), behind)),
        };
    };
    let mut cell = String::new();
    let mut rest = quoted;
    loop {
        let (part, behind) = rest.split_once('"').ok_or(RowFault::OpenQuote)?;
        cell.push_str(part);
        match behind.strip_prefix('"') {
            Some(behind) => {
                cell.push('"');
                rest = behind;
            }
            None if behind.is_empty() || behind.starts_with([',', '\r', '\n']) => return Ok((cell, behind)),
            None => return Err(RowFault::BehindQuote),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_line_ends_are_those_of_rfc_4180() {
        let text = "\u{feff}kind,value,owner\r\na,\"b,\"\"c\"\"\nd\",e\r\n\r\nf,g,\n";
        let rows = rows(text).unwrap();
        let cells: Vec<_> = rows
            .iter()
            .map(|row| {
                (row.line, [Column::Kind, Column::Value, Column::Owner].map(|column| row.cell(column)))
            })
            .collect();
        assert_eq!(
            cells,
            [(2, [Some("a"), Some("b,\"c\"\nd"), Some("e")]), (5, [Some("f"), Some("g"), None])]
        );
    }
}
